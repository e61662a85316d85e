/* The update of parameters of odd shapes together against the CPU's; and the steps in which nothing may change, with
 * what the report says of them. */
#include "tests/cuda/twins.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct shape {
    int rows, row_length;
    bool clip, decay, ema;
} shapes[] = {
    {16, 27, true, true, true},                                /* odd rows, a warp each */
    {9, 4, true, true, false},                                 /* two blocks of warps */
    {16, 1, true, false, true},                                /* each element a unit */
    {1, 1, false, false, true},                                /* a skip gain */
    {10, 64, false, true, false},                              /* the head */
    {37, 577, true, true, true},  {3, 2304, true, true, true}, /* a block a row */
    {2, 2049, true, false, true},                              /* ... of odd length */
    {1, 9001, false, true, true},                              /* in pieces, odd */
    {1, 8200, true, true, true},  {2, 4100, false, false, false},
};
enum { PARAMETERS = sizeof shapes / sizeof *shapes };

static size_t count_of(int i)
{
    return (size_t)shapes[i].rows * (size_t)shapes[i].row_length;
}

/* Steps with these options. One gradient may be replaced by `bad_value`: the first or last of parameter `bad` (-1:
 * none). */
struct steps {
    struct update_options options;
    int count;
    float loss;
    int halted;
    uint32_t resume;
    int bad;
    bool bad_last;
    float bad_value, gradient_scale;
};

/* All parameters in the memory of one back end. */
struct state {
    struct pool pool;
    struct update_parameter parameters[PARAMETERS];
    struct step_values *values;
    struct step_report *report;
};

/* Rows differ in size, so that AGC clips some. */
static float *gradients(struct pool *pool, const struct steps *steps, int i)
{
    float *device = pool_add_normals(pool, 10 * (uint32_t)i, count_of(i), 0.01f, 0.0f);
    float *values = pool_copy(pool, device);
    for (size_t j = 0; j < count_of(i); j++)
        values[j] *= steps->gradient_scale * (j / (size_t)shapes[i].row_length % 3 == 0 ? 0.001f : 1.0f);
    if (steps->bad == i)
        values[steps->bad_last ? count_of(i) - 1 : 0] = steps->bad_value;
    return device;
}

/* One row is 0. */
static float *weights(struct pool *pool, int i)
{
    float *device = pool_add_normals(pool, 10 * (uint32_t)i + 1, count_of(i), 0.1f, 0.0f);
    if (shapes[i].rows > 4)
        memset((float *)pool_copy(pool, device) + 4 * shapes[i].row_length, 0,
               (size_t)shapes[i].row_length * sizeof *device);
    return device;
}

static void make(struct state *state, struct backend *backend, const struct steps *steps)
{
    struct pool *pool = &state->pool;
    pool_open(pool, backend, 2 << 20);
    for (int i = 0; i < PARAMETERS; i++) {
        const uint32_t stream = 10 * (uint32_t)i;
        state->parameters[i] = (struct update_parameter){
            .rows = shapes[i].rows,
            .row_length = shapes[i].row_length,
            .clip = shapes[i].clip,
            .decay = shapes[i].decay,
            .value = weights(pool, i),
            .gradient = gradients(pool, steps, i),
            .momentum = pool_add_normals(pool, stream + 2, count_of(i), 0.02f, 0.0f),
            .ema = shapes[i].ema ? pool_add_normals(pool, stream + 3, count_of(i), 0.1f, 0.0f) : NULL,
            .slow = i % 3 ? pool_add_normals(pool, stream + 4, count_of(i), 0.1f, 0.0f) : NULL,
        };
    }
    const struct step_values values = {.update = steps->options, .step = 41, .resume = steps->resume};
    const struct step_report report = {.loss = {.loss = steps->loss}, .halted = steps->halted};
    state->values = pool_add(pool, &values, sizeof values);
    state->report = pool_add(pool, &report, sizeof report);
    pool_upload(pool);
}

static void add_parameters(struct state *state, struct outcome *out)
{
    for (int i = 0; i < PARAMETERS; i++) {
        const struct update_parameter *p = &state->parameters[i];
        outcome_add(out, &state->pool, "value", i, p->value, count_of(i));
        outcome_add(out, &state->pool, "gradient", i, p->gradient, count_of(i));
        outcome_add(out, &state->pool, "momentum", i, p->momentum, count_of(i));
        outcome_add(out, &state->pool, "average", i, p->ema, count_of(i));
        outcome_add(out, &state->pool, "slow weight", i, p->slow, count_of(i));
    }
}

static struct step_report run(struct backend *backend, const struct steps *steps, struct outcome *out)
{
    static struct state state;
    struct error error = {""};
    struct updater *updater;
    make(&state, backend, steps);
    if (backend->updater_create(backend, state.parameters, PARAMETERS, &updater, &error))
        fail_msg("%s", error.message);
    for (int i = 0; i < steps->count; i++)
        if (backend->update(backend, updater, state.values, state.report, &error))
            fail_msg("%s", error.message);
    pool_download(&state.pool);
    backend->updater_destroy(backend, updater);
    add_parameters(&state, out);
    const struct step_report report = *(const struct step_report *)pool_copy(&state.pool, state.report);
    pool_close(&state.pool);
    return report;
}

static void run_steps(struct backend *backend, const void *data, struct outcome *out)
{
    run(backend, data, out);
}

/* Parameters equal the CPU's in every order, and the report says the same. */
static void check_steps(const struct twins *twins, const struct steps *steps)
{
    struct outcome cpu = {0}, cuda = {0};
    twins_check(twins, run_steps, steps, 2e-6f);
    const struct step_report expected = run(twins->cpu, steps, &cpu), got = run(twins->cuda, steps, &cuda);
    assert_int_equal(got.update.finite, expected.update.finite);
    assert_int_equal(got.update.clipped_units, expected.update.clipped_units);
    assert_int_equal(got.halted, expected.halted);
    assert_int_equal(got.step, 41);
    if (expected.update.finite)
        assert_true(fabsf(got.update.gradient_norm / expected.update.gradient_norm - 1.0f) < 1e-6f);
    outcome_free(&cpu);
    outcome_free(&cuda);
}

static void equals_the_cpu(void **state)
{
    const struct update_options all[] = {
        {.learning_rate = 0.1f},
        rig_update,
        {.learning_rate = 0.2f, .momentum = 0.5f, .weight_decay = 0.1f, .agc = 0.1f, .ema_decay = 0.5f}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        check_steps(*state,
                    &(struct steps){.options = all[i], .count = 1, .loss = 1.0f, .bad = -1, .gradient_scale = 1});
}

static void huge_and_tiny_gradients_have_a_norm(void **state)
{
    check_steps(*state,
                &(struct steps){.options = rig_update, .count = 1, .loss = 1.0f, .bad = -1, .gradient_scale = 1e25f});
    check_steps(*state,
                &(struct steps){.options = rig_update, .count = 1, .loss = 1.0f, .bad = -1, .gradient_scale = 1e-25f});
}

/* These steps leave every bit as it was. */
static struct step_report expect_nothing_changed(const struct twins *twins, struct steps steps)
{
    struct outcome before = {0}, after = {0};
    static struct state state;
    make(&state, twins->cpu, &steps);
    add_parameters(&state, &before);
    pool_close(&state.pool);
    const struct step_report report = run(twins->cuda, &steps, &after);
    outcome_expect_equal(&after, &before);
    assert_int_equal(report.update.clipped_units, 0);
    outcome_free(&before);
    outcome_free(&after);
    return report;
}

/* Wherever it stands. */
static void a_bad_gradient_changes_nothing(void **state)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < PARAMETERS; i++) {
        const struct step_report report = expect_nothing_changed(*state, (struct steps){.options = rig_update,
                                                                                        .count = 1,
                                                                                        .loss = 1.0f,
                                                                                        .bad = i,
                                                                                        .bad_last = i % 2 == 0,
                                                                                        .bad_value = bad[i % 3],
                                                                                        .gradient_scale = 1});
        assert_int_equal(report.update.finite, 0);
        assert_int_equal(report.halted, 1);
    }
}

static void a_bad_loss_changes_nothing(void **state)
{
    const struct step_report report = expect_nothing_changed(
        *state, (struct steps){.options = rig_update, .count = 1, .loss = NAN, .bad = -1, .gradient_scale = 1});
    assert_int_equal(report.update.finite, 0);
    assert_int_equal(report.halted, 1);
}

static void a_halted_run_stays_until_it_is_resumed(void **state)
{
    const struct twins *twins = *state;
    struct steps steps = {.options = rig_update, .count = 2, .loss = 1.0f, .halted = 1, .bad = -1, .gradient_scale = 1};
    struct step_report report = expect_nothing_changed(twins, steps);
    assert_int_equal(report.update.finite, 1);
    assert_int_equal(report.halted, 1);
    assert_true(report.update.gradient_norm > 0.0f);

    steps.resume = 1;
    steps.count = 1;
    check_steps(twins, &steps);
    struct outcome out = {0};
    assert_int_equal(run(twins->cuda, &steps, &out).halted, 0);
    outcome_free(&out);
    steps.loss = INFINITY;
    assert_int_equal(expect_nothing_changed(twins, steps).halted, 1);
}

static void an_empty_list_reports(void **state)
{
    const struct twins *twins = *state;
    struct backend *cuda = twins->cuda;
    struct error error = {""};
    struct updater *updater;
    struct rig rig = {.backend = cuda};
    struct step_report report = {.loss = {.loss = 1.0f}};
    rig_begin(&rig);
    struct step_values *values = rig_values(&rig, 3, &rig_update);
    struct step_report *device = rig_copy_in(&rig, &report, sizeof report);
    assert_int_equal(cuda->updater_create(cuda, NULL, 0, &updater, &error), 0);
    assert_int_equal(cuda->update(cuda, updater, values, device, &error), 0);
    assert_int_equal(cuda->copy_out(cuda, &report, device, sizeof report, &error), 0);
    cuda->updater_destroy(cuda, updater);
    rig_end(&rig);
    assert_int_equal(report.step, 3);
    assert_int_equal(report.update.finite, 1);
    assert_float_equal(report.update.gradient_norm, 0.0, 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_cpu),
        cmocka_unit_test(huge_and_tiny_gradients_have_a_norm),
        cmocka_unit_test(a_bad_gradient_changes_nothing),
        cmocka_unit_test(a_bad_loss_changes_nothing),
        cmocka_unit_test(a_halted_run_stays_until_it_is_resumed),
        cmocka_unit_test(an_empty_list_reports),
    };
    return cmocka_run_group_tests(tests, twins_open, twins_close);
}
