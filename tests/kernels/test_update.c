/* The optimiser's step against a plain one in double, written after PyTorch's SGD and the peer's agc_: order of AGC,
 * weight decay, momentum, Nesterov, step, lookahead and EMA; what is counted; and that a gradient that is not finite
 * changes nothing. */
#include "tests/kernels/statistics_checks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A convolution, a bias, a gain that AGC leaves alone, a head, and one that is larger than a thread's share. */
static const struct {
    int rows, row_length;
    bool clip, decay, ema, slow;
} layout[] = {{16, 27, true, true, true, true},
              {16, 1, true, false, true, false},
              {1, 1, false, false, true, true},
              {10, 64, false, true, false, true},
              {131, 577, true, true, true, true}};
enum { PARAMETERS = 5 };

static size_t count_of(int i)
{
    return (size_t)layout[i].rows * (size_t)layout[i].row_length;
}

/* The same start each time it is called. Rows of the gradients differ in size, so that AGC clips some. */
static void make(struct update_parameter *p)
{
    for (int i = 0; i < PARAMETERS; i++) {
        size_t count = count_of(i);
        uint32_t stream = 10 * (uint32_t)i;
        p[i] = (struct update_parameter){.rows = layout[i].rows,
                                         .row_length = layout[i].row_length,
                                         .clip = layout[i].clip,
                                         .decay = layout[i].decay,
                                         .value = rig_normals(stream, count, 0.1f, 0.0f),
                                         .gradient = rig_normals(stream + 1, count, 0.01f, 0.0f),
                                         .momentum = rig_normals(stream + 2, count, 0.02f, 0.0f),
                                         .ema = layout[i].ema ? rig_normals(stream + 3, count, 0.1f, 0.0f) : NULL,
                                         .slow = layout[i].slow ? rig_normals(stream + 4, count, 0.1f, 0.0f) : NULL};
        for (int row = 0; row < p[i].rows; row += 3)
            for (int j = 0; j < p[i].row_length; j++)
                p[i].gradient[row * p[i].row_length + j] *= 0.001f;
        if (p[i].rows > 4)
            memset(p[i].value + 4 * p[i].row_length, 0, (size_t)p[i].row_length * sizeof(float));
    }
}

static void discard(struct update_parameter *p)
{
    for (int i = 0; i < PARAMETERS; i++) {
        free(p[i].value);
        free(p[i].gradient);
        free(p[i].momentum);
        free(p[i].ema);
        free(p[i].slow);
    }
}

/* One row in double; returns 1 when AGC clipped it. */
static int plain_row(struct update_parameter *p, int row, const struct update_options *o, double *square_sum)
{
    float *w = p->value + row * p->row_length, *g = p->gradient + row * p->row_length;
    float *m = p->momentum + row * p->row_length, *ema = p->ema ? p->ema + row * p->row_length : NULL;
    float *slow = p->slow ? p->slow + row * p->row_length : NULL;
    double weight_norm = 0.0, gradient_norm = 0.0, factor = 1.0;
    for (int i = 0; i < p->row_length; i++) {
        weight_norm += (double)w[i] * (double)w[i];
        gradient_norm += (double)g[i] * (double)g[i];
    }
    *square_sum += gradient_norm;
    double limit = (double)o->agc * fmax(sqrt(weight_norm), 1e-3);
    if (p->clip && o->agc > 0.0f && sqrt(gradient_norm) > limit)
        factor = limit / fmax(sqrt(gradient_norm), 1e-6);
    for (int i = 0; i < p->row_length; i++) {
        double gradient = (double)g[i] * factor;
        g[i] = (float)gradient;
        gradient += p->decay ? (double)o->weight_decay * (double)w[i] : 0.0;
        double velocity = (double)o->momentum * (double)m[i] + gradient;
        m[i] = (float)velocity;
        double step = o->nesterov ? gradient + (double)o->momentum * velocity : velocity;
        double value = (double)w[i] - (double)o->learning_rate * step;
        if (slow && o->lookahead > 0) {
            value = (double)slow[i] + (double)o->lookahead * (value - (double)slow[i]);
            slow[i] = (float)value;
        }
        w[i] = (float)value;
        if (ema)
            ema[i] = (float)((double)o->ema_decay * (double)ema[i] + (1.0 - (double)o->ema_decay) * value);
    }
    return factor < 1.0;
}

static void expect_near(const float *got, const float *expected, size_t count, const char *what, int parameter)
{
    for (size_t i = 0; got && i < count; i++)
        if (!(fabsf(got[i] - expected[i]) <= 1e-6f * fabsf(expected[i]) + 5e-8f))
            fail_msg("%s %zu of parameter %d is %.9g, expected %.9g", what, i, parameter, (double)got[i],
                     (double)expected[i]);
}

/* The update with these options, of a step whose loss is `loss`. */
static struct step_report run_update(struct backend *backend, const struct update_parameter *parameters, int count,
                                     const struct update_options *options, float loss)
{
    struct error error = {""};
    struct updater *updater;
    const struct step_values values = {.update = *options, .step = 7};
    struct step_report report = {.halted = 0};
    report.loss.loss = loss;
    if (backend->updater_create(backend, parameters, count, &updater, &error) ||
        backend->update(backend, updater, &values, &report, &error))
        fail_msg("%s", error.message);
    backend->updater_destroy(backend, updater);
    assert_int_equal(report.step, 7);
    return report;
}

static void check_options(struct backend *backend, const struct update_options *options)
{
    struct update_parameter p[PARAMETERS], plain[PARAMETERS];
    double square_sum = 0.0;
    int clipped = 0;
    make(p);
    make(plain);
    const struct update_result result = run_update(backend, p, PARAMETERS, options, 1.0f).update;
    for (int i = 0; i < PARAMETERS; i++)
        for (int row = 0; row < plain[i].rows; row++)
            clipped += plain_row(&plain[i], row, options, &square_sum);
    for (int i = 0; i < PARAMETERS; i++) {
        expect_near(p[i].value, plain[i].value, count_of(i), "value", i);
        expect_near(p[i].gradient, plain[i].gradient, count_of(i), "gradient", i);
        expect_near(p[i].momentum, plain[i].momentum, count_of(i), "momentum", i);
        expect_near(p[i].ema, plain[i].ema, count_of(i), "average", i);
        expect_near(p[i].slow, plain[i].slow, count_of(i), "slow weight", i);
    }
    assert_int_equal(result.finite, 1);
    assert_int_equal(result.clipped_units, clipped);
    assert_true(options->agc > 0.0f ? clipped > 10 : clipped == 0);
    assert_true(fabs((double)result.gradient_norm - sqrt(square_sum)) < 1e-5 * sqrt(square_sum));
    discard(p);
    discard(plain);
}

static void equals_the_plain_step(void **state)
{
    const struct update_options all[] = {
        {.learning_rate = 0.1f},
        {.learning_rate = 0.1f, .momentum = 0.9f},
        {.learning_rate = 0.05f, .momentum = 0.9f, .weight_decay = 5e-4f, .nesterov = true},
        {.learning_rate = 0.05f,
         .momentum = 0.9f,
         .weight_decay = 0.1f,
         .agc = 0.02f,
         .nesterov = true,
         .ema_decay = 0.99f},
        {.learning_rate = 0.2f, .momentum = 0.5f, .weight_decay = 0.1f, .agc = 0.1f, .ema_decay = 0.5f},
        {.learning_rate = 0.1f, .momentum = 0.9f, .agc = 0.1f, .nesterov = true, .ema_decay = 0.9f, .lookahead = 0.5f}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        check_options(*state, &all[i]);
}

static void expect_equal(const struct update_parameter *a, const struct update_parameter *b)
{
    for (int i = 0; i < PARAMETERS; i++) {
        size_t bytes = count_of(i) * sizeof(float);
        assert_memory_equal(a[i].value, b[i].value, bytes);
        assert_memory_equal(a[i].gradient, b[i].gradient, bytes);
        assert_memory_equal(a[i].momentum, b[i].momentum, bytes);
        if (a[i].ema)
            assert_memory_equal(a[i].ema, b[i].ema, bytes);
        if (a[i].slow)
            assert_memory_equal(a[i].slow, b[i].slow, bytes);
    }
}

/* Wherever in the list the bad gradient stands, no parameter moves. */
static void a_bad_gradient_changes_nothing(void **state)
{
    struct backend *backend = *state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < PARAMETERS; i++) {
        struct update_parameter p[PARAMETERS], before[PARAMETERS];
        make(p);
        make(before);
        size_t at = (count_of(i) - 1) * (size_t)(i % 2);
        p[i].gradient[at] = before[i].gradient[at] = bad[i % 3];
        const struct update_result result = run_update(backend, p, PARAMETERS, &rig_update, 1.0f).update;
        assert_int_equal(result.finite, 0);
        assert_int_equal(result.clipped_units, 0);
        expect_equal(p, before);
        discard(p);
        discard(before);
    }
}

static void a_bad_loss_changes_nothing(void **state)
{
    struct update_parameter p[PARAMETERS], before[PARAMETERS];
    make(p);
    make(before);
    const struct step_report report = run_update(*state, p, PARAMETERS, &rig_update, NAN);
    assert_int_equal(report.update.finite, 0);
    assert_int_equal(report.halted, 1);
    expect_equal(p, before);
    discard(p);
    discard(before);
}

/* Steps that were queued behind one that was not finite must find the weights as that one found them. */
static void a_halted_run_stays_until_it_is_resumed(void **state)
{
    struct backend *backend = *state;
    struct update_parameter p[PARAMETERS], before[PARAMETERS];
    struct updater *updater;
    struct error error = {""};
    struct step_values values = {.update = rig_update};
    struct step_report report = {.loss = {.loss = 1.0f}, .halted = 1};
    make(p);
    make(before);
    assert_int_equal(backend->updater_create(backend, p, PARAMETERS, &updater, &error), 0);
    assert_int_equal(backend->update(backend, updater, &values, &report, &error), 0);
    assert_int_equal(report.update.finite, 1);
    assert_int_equal(report.halted, 1);
    expect_equal(p, before);
    values.resume = 1;
    assert_int_equal(backend->update(backend, updater, &values, &report, &error), 0);
    assert_int_equal(report.halted, 0);
    assert_memory_not_equal(p[0].value, before[0].value, count_of(0) * sizeof(float));
    backend->updater_destroy(backend, updater);
    discard(p);
    discard(before);
}

/* Gradients whose squares leave the range of float are still finite, have a norm, and are clipped. */
static void huge_and_tiny_gradients_have_a_norm(void **state)
{
    struct backend *backend = *state;
    const float sizes[] = {1e25f, 1e-25f};
    for (int s = 0; s < 2; s++) {
        float value[4] = {1.0f, 1.0f, 1.0f, 1.0f}, momentum[4] = {0.0f};
        float gradient[4] = {3.0f * sizes[s], 0.0f, 4.0f * sizes[s], 0.0f};
        struct update_parameter p = {
            .rows = 1, .row_length = 4, .clip = true, .value = value, .gradient = gradient, .momentum = momentum};
        const struct update_result result = run_update(backend, &p, 1, &rig_update, 1.0f).update;
        assert_int_equal(result.finite, 1);
        assert_true(fabsf(result.gradient_norm / (5.0f * sizes[s]) - 1.0f) < 1e-5f);
        assert_int_equal(result.clipped_units, s == 0);
        for (int i = 0; i < 4; i++)
            assert_true(fabsf(value[i] - 1.0f) < 0.1f);
    }
}

static void same_bits_for_any_thread_count(void **state)
{
    (void)state;
    struct update_parameter p[3][PARAMETERS];
    struct update_result result[3];
    for (int t = 0; t < 3; t++) {
        struct backend *backend;
        struct error error = {""};
        make(p[t]);
        assert_int_equal(backend_cpu_create(t + 1, &backend, &error), 0);
        result[t] = run_update(backend, p[t], PARAMETERS, &rig_update, 1.0f).update;
        backend->destroy(backend);
        expect_equal(p[t], p[0]);
        assert_memory_equal(&result[t], &result[0], sizeof result[0]);
    }
    for (int t = 0; t < 3; t++)
        discard(p[t]);
}

static void no_parameters_are_no_error(void **state)
{
    struct backend *backend = *state;
    const struct update_result result = run_update(backend, NULL, 0, &rig_update, 1.0f).update;
    assert_int_equal(result.finite, 1);
    assert_true(result.gradient_norm == 0.0f);
}

static void squares_of_units_equal_the_reference(void **state)
{
    unit_squares_check(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(equals_the_plain_step),
                                       cmocka_unit_test(a_bad_gradient_changes_nothing),
                                       cmocka_unit_test(a_bad_loss_changes_nothing),
                                       cmocka_unit_test(a_halted_run_stays_until_it_is_resumed),
                                       cmocka_unit_test(huge_and_tiny_gradients_have_a_norm),
                                       cmocka_unit_test(same_bits_for_any_thread_count),
                                       cmocka_unit_test(no_parameters_are_no_error),
                                       cmocka_unit_test(squares_of_units_equal_the_reference)};
    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
