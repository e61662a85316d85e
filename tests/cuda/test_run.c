/* Whole networks and whole runs on the (emulated) GPU: the CPU's losses, the same bits twice and after a resume, steps
 * in flight that nobody notices, and what happens when a step is not finite. */
#include "tests/cuda_emulation/emulation.h"
#include "tests/engine/tiny_run.h"
#include "tests/kernels/rig.h"

#include "engine/device_data.h"
#include "kernels/cuda.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
enum { N = 2 }; /* which slows kernels down eightfold, and looks at accesses alone */
#else
enum { N = 4 };
#endif
enum { IMAGE = 32 * 32 * 3 };

static int open_cuda(struct backend **out, struct error *error)
{
    return backend_cuda_create(0, out, error);
}

/* ---- One step of a network, on both ---- */

/* Two stages, both families, and the options that bring operations of their own. */
static const struct variant {
    const char *name;
    enum model_family family;
    enum norm_kind norm;
    enum activation activation;
    float squeeze_excite, stochastic_depth, dropout;
    int group_width;
    enum shortcut_kind shortcut;
    enum stem_kind stem_kind;
} variants[] = {
    {"papers", FAMILY_PAPERS, NORM_NONE, ACTIVATION_RELU, 0, 0, 0, 0, SHORTCUT_POOL, STEM_LEARNT},
    {"report", FAMILY_REPORT, NORM_NONE, ACTIVATION_RELU, 0, 0, 0, 0, SHORTCUT_POOL, STEM_LEARNT},
    {"all options", FAMILY_PAPERS, NORM_NONE, ACTIVATION_SILU, 0.5f, 0.3f, 0.2f, 8, SHORTCUT_POOL, STEM_LEARNT},
    {"batch norm", FAMILY_PAPERS, NORM_BATCH, ACTIVATION_RELU, 0, 0, 0, 0, SHORTCUT_POOL, STEM_LEARNT},
    {"strided shortcut, frozen stem", FAMILY_PAPERS, NORM_NONE, ACTIVATION_RELU, 0, 0, 0, 0, SHORTCUT_CONV,
     STEM_WHITENED},
};

static struct model_spec spec_of(const struct variant *variant)
{
    struct model_spec spec;
    struct train_options options;
    struct error error;
    assert_int_equal(model_preset(variant->family == FAMILY_REPORT ? "report" : "micro", &spec, &options, &error), 0);
    spec.stem = 16;
    spec.stage_count = 2;
    spec.stages[0] = (struct stage_spec){.width = 16, .mid = 8, .blocks = 1, .stride = 1};
    spec.stages[1] = (struct stage_spec){.width = 32, .mid = 16, .blocks = 2, .stride = 2};
    spec.norm = variant->norm;
    spec.activation = variant->activation;
    spec.squeeze_excite = variant->squeeze_excite;
    spec.stochastic_depth = variant->stochastic_depth;
    spec.dropout = variant->dropout;
    spec.group_width = variant->group_width;
    spec.shortcut = variant->shortcut;
    spec.stem_kind = variant->stem_kind;
    spec.skip_gain = SKIP_GAIN_ONE; /* or no gradient comes through the branches */
    return spec;
}

/* Everything a step leaves: gradients before the update, then weights after it. */
struct step_outcome {
    float loss;
    float *gradients, *values;
    size_t count;
};

static size_t read_all(struct network *network, enum parameter_part part, float *out)
{
    size_t floats = 0;
    int count;
    struct error error;
    const struct parameter *parameters = network_parameters(network, &count);
    for (int i = 0; i < count; i++) {
        if (out && network_read(network, &parameters[i], part, out + floats, &error))
            fail_msg("%s", error.message);
        floats += parameters[i].count;
    }
    return floats;
}

static struct step_outcome run_step(struct backend *backend, const struct variant *variant, enum dtype dtype, bool tf32)
{
    const struct model_spec spec = spec_of(variant);
    const struct network_options options = {.batch = N, .dtype = dtype, .tf32 = tf32, .seed = 3, .ema = true};
    const struct step_options step = {.label_smoothing = 0.1f, .step = 9};
    const struct optimizer_options optimizer = {
        .learning_rate = 0.1f, .momentum = 0.9f, .weight_decay = 1e-3f, .agc = 0.1f, .ema = 0.9f, .nesterov = true};
    struct network *network;
    struct error error;
    struct step_result result;
    struct update_result update;
    float *images = malloc((size_t)N * IMAGE * sizeof *images);
    uint8_t labels[N];
    for (int i = 0; i < N * IMAGE; i++)
        images[i] = sinf(0.37f * (float)i) + 0.3f * cosf(0.011f * (float)i);
    for (int i = 0; i < N; i++)
        labels[i] = (uint8_t)(3 * i % 10);
    if (network_create(backend, &spec, &options, &network, &error) ||
        network_train_step(network, images, labels, N, &step, &result, &error))
        fail_msg("%s: %s", variant->name, error.message);
    struct step_outcome out = {.loss = result.loss, .count = read_all(network, PART_VALUE, NULL)};
    out.gradients = malloc(out.count * sizeof(float));
    out.values = malloc(out.count * sizeof(float));
    read_all(network, PART_GRADIENT, out.gradients);
    if (network_update(network, &optimizer, &update, &error))
        fail_msg("%s: %s", variant->name, error.message);
    assert_true(update.finite);
    read_all(network, PART_VALUE, out.values);
    network_destroy(network);
    free(images);
    return out;
}

static void free_outcome(struct step_outcome *outcome)
{
    free(outcome->gradients);
    free(outcome->values);
}

static void compare_step(const struct variant *variant, enum dtype dtype, bool tf32, double tolerance,
                         double gradient_tolerance)
{
    struct backend *cpu, *cuda;
    struct error error;
    assert_int_equal(backend_cpu_create(1, &cpu, &error), 0);
    assert_int_equal(backend_cuda_create(0, &cuda, &error), 0);
    struct step_outcome expected = run_step(cpu, variant, dtype, false), got = run_step(cuda, variant, dtype, tf32);
    const double loss = fabs((double)(got.loss - expected.loss)) / (double)expected.loss;
    const double gradients = distance(got.gradients, expected.gradients, got.count);
    const double values = distance(got.values, expected.values, got.count);
    print_message("%s, %s: loss %.1e, gradients %.1e, weights %.1e apart\n", variant->name,
                  tf32                  ? "tf32"
                  : dtype == DTYPE_FP32 ? "fp32"
                                        : "bf16",
                  loss, gradients, values);
    assert_true(loss < tolerance);
    assert_true(gradients < gradient_tolerance);
    assert_true(!tf32 || gradients > 1e-4); /* it is made use of */
    assert_true(values < tolerance);
    free_outcome(&expected);
    free_outcome(&got);
    cuda->destroy(cuda);
    cpu->destroy(cpu);
}

static void a_step_is_the_cpus_in_fp32(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        compare_step(&variants[i], DTYPE_FP32, false, 1e-3, 1e-3);
}

static void a_step_is_the_cpus_in_bf16(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        compare_step(&variants[i], DTYPE_BF16, false, 2e-2, 2e-2);
}

/* Gradients differ more: a value beside a relu's bend may fall to the other side. */
static void a_step_is_the_cpus_fp32_in_tf32(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        compare_step(&variants[i], DTYPE_FP32, true, 2e-3, 1e-2);
}

static void a_step_has_the_same_bits_in_every_order(void **state)
{
    (void)state;
    for (int tf32 = 0; tf32 < 2; tf32++) {
        struct step_outcome outcomes[EMULATION_ORDERS];
        for (int order = 0; order < emulation_orders(); order++) {
            struct backend *cuda;
            struct error error;
            emulation_set_order(order, 5);
            assert_int_equal(backend_cuda_create(0, &cuda, &error), 0);
            outcomes[order] = run_step(cuda, &variants[0], tf32 ? DTYPE_FP32 : DTYPE_BF16, tf32);
            cuda->destroy(cuda);
            assert_memory_equal(outcomes[order].gradients, outcomes[0].gradients, outcomes[0].count * sizeof(float));
            assert_memory_equal(outcomes[order].values, outcomes[0].values, outcomes[0].count * sizeof(float));
        }
        emulation_set_order(EMULATION_ASCENDING, 0);
        for (int order = 0; order < emulation_orders(); order++)
            free_outcome(&outcomes[order]);
    }
}

/* The losses of a few queued steps, full batches and a smaller one in turn: on the GPU each is replayed from its third
 * time on. */
enum { QUEUED = 6 };

static void queue_steps(struct backend *backend, const struct variant *variant, float losses[QUEUED])
{
    const struct model_spec spec = spec_of(variant);
    const struct network_options options = {.batch = N, .dtype = DTYPE_FP32, .seed = 3, .ema = true, .lookahead = true};
    struct network *network;
    struct error error;
    float *images = malloc((size_t)N * IMAGE * sizeof *images);
    const uint8_t labels[] = {1, 4, 7, 0};
    if (network_create(backend, &spec, &options, &network, &error))
        fail_msg("%s: %s", variant->name, error.message);
    for (int i = 0; i < QUEUED; i++) {
        const int n = i % 2 ? N - 1 : N;
        for (int j = 0; j < N * IMAGE; j++)
            images[j] = sinf(0.37f * (float)j + (float)i);
        const struct step_batch batch = {.n = n, .images = images, .labels = labels};
        const struct step_options step = {.label_smoothing = 0.1f, .step = (uint32_t)i};
        const struct optimizer_options optimizer = {.learning_rate = 0.02f / (float)(i + 1),
                                                    .momentum = 0.9f,
                                                    .agc = 0.1f,
                                                    .ema = 0.9f,
                                                    .lookahead = 2,
                                                    .nesterov = true,
                                                    .step = i};
        struct step_result result;
        struct update_result update;
        uint64_t ticket;
        if (network_queue_step(network, &batch, &step, &optimizer, &ticket, &error) ||
            network_collect_step(network, ticket, n, true, &result, &update, &error))
            fail_msg("%s: %s", variant->name, error.message);
        losses[i] = result.loss;
        /* replayed or not, the device timed its parts; the images came from the host, before them */
        assert_true(result.laps[LAP_FORWARD] > 0 && result.laps[LAP_BACKWARD] > 0 && result.laps[LAP_UPDATE] > 0);
        assert_true(result.laps[LAP_FORWARD] < 600 && result.laps[LAP_BACKWARD] < 600);
    }
    network_destroy(network);
    free(images);
}

static void replayed_steps_are_the_cpus(void **state)
{
    (void)state;
    struct backend *cpu, *cuda;
    struct error error;
    assert_int_equal(backend_cpu_create(1, &cpu, &error), 0);
    assert_int_equal(backend_cuda_create(0, &cuda, &error), 0);
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
        float expected[QUEUED], got[QUEUED];
        queue_steps(cpu, &variants[v], expected);
        queue_steps(cuda, &variants[v], got);
        for (int i = 0; i < QUEUED; i++)
            assert_float_equal(got[i], expected[i], 2e-3f);
    }
    cuda->destroy(cuda);
    cpu->destroy(cpu);
}

/* ---- Runs ---- */

static void begin(struct tiny_run *run)
{
    tiny_init(run, "micro");
    run->spec.stem = 8;
    run->spec.stage_count = 1;
    run->spec.stages[0] = (struct stage_spec){.width = 16, .mid = 8, .blocks = 1, .stride = 2};
    run->spec.stem_kind = STEM_WHITENED;
    run->options.lookahead = 3;
}

static void finish(struct tiny_run *run)
{
    struct error error = {""};
    if (trainer_run(run->trainer, &error))
        fail_msg("%s", error.message);
}

/* Blends from step 4 on, cuts from step 8 on. */
static void mix_later(struct tiny_run *run)
{
    const struct command commands[] = {
        {.kind = COMMAND_MIXUP, .value = 1, .when = {WHEN_STEP, RELATION_AT, 4}},
        {.kind = COMMAND_CUTMIX, .value = 1, .when = {WHEN_STEP, RELATION_AT, TINY_EPOCH}},
        {.kind = COMMAND_MIXUP, .value = 0, .when = {WHEN_STEP, RELATION_AT, TINY_EPOCH}}};
    struct error error = {""};
    for (int i = 0; i < 3; i++)
        assert_int_equal(trainer_command(run->trainer, &commands[i], &error), 0);
}

/* A run of so many steps on each. */
static void check_run(long steps, bool mixed)
{
    static struct tiny_run cuda, cpu;
    begin(&cuda);
    cuda.options.steps = steps;
    tiny_create(&cuda, NULL);
    if (mixed)
        mix_later(&cuda);
    finish(&cuda);

    struct backend *backend;
    struct error error = {""};
    begin(&cpu);
    cpu.options.steps = steps;
    assert_int_equal(backend_cpu_create(1, &backend, &error), 0);
    tiny_create_on(&cpu, backend, NULL);
    if (mixed)
        mix_later(&cpu);
    finish(&cpu);

    assert_int_equal(cuda.step_count, steps);
    assert_int_equal(cuda.step_count, cpu.step_count);
    for (int i = 0; i < cuda.step_count; i++) {
        assert_int_equal(cuda.steps[i].step, i + 1);
        assert_float_equal(cuda.steps[i].loss, cpu.steps[i].loss, 2e-3f);
        assert_true(cuda.steps[i].learning_rate == cpu.steps[i].learning_rate);
    }
    assert_int_equal(cuda.epoch_count, cpu.epoch_count);
    for (int i = 0; i < cuda.epoch_count; i++) {
        assert_float_equal(cuda.epochs[i].train_loss, cpu.epochs[i].train_loss, 2e-3f);
        assert_float_equal(cuda.epochs[i].validation_loss, cpu.epochs[i].validation_loss, 2e-3f);
    }
    tiny_free(&cuda);
    tiny_free(&cpu);
    backend->destroy(backend);
}

/* Steps are replayed from the second of a size on, and a few are in flight: the records must be those of a CPU all the
 * same. */
static void a_run_is_the_cpus(void **state)
{
    (void)state;
    check_run(2 * TINY_EPOCH, false);
}

/* ... with another share or another rectangle for each batch, behind batches that were not mixed. */
static void a_mixed_run_is_the_cpus(void **state)
{
    (void)state;
    check_run(TINY_EPOCH + 4, true);
}

/* However long the GPU takes: few steps in flight or as many as there may be. */
static void two_runs_have_the_same_bits(void **state)
{
    (void)state;
    static struct tiny_run runs[2];
    for (int i = 0; i < 2; i++) {
        begin(&runs[i]);
        emulation_set_polls(i == 0 ? 1 : 20);
        tiny_create(&runs[i], NULL);
        finish(&runs[i]);
    }
    emulation_set_polls(1);
    tiny_assert_same_end(&runs[0], &runs[1]);
    for (int i = 0; i < runs[0].step_count; i++)
        assert_true(runs[0].steps[i].loss == runs[1].steps[i].loss);
    tiny_free(&runs[0]);
    tiny_free(&runs[1]);
}

/* Stopped in the middle of an epoch, with steps in flight. */
static void a_resumed_run_has_the_same_bits(void **state)
{
    (void)state;
    static struct tiny_run whole, first, second;
    begin(&whole);
    tiny_create(&whole, NULL);
    finish(&whole);
    begin(&first);
    first.stop_at = 3;
    tiny_create(&first, NULL);
    finish(&first);
    const struct tiny_checkpoint *last = tiny_last(&first);
    assert_true(last->state.step >= 3 && last->state.step < TINY_EPOCH);
    begin(&second);
    tiny_create(&second, last);
    finish(&second);
    tiny_assert_same_end(&whole, &second);
    tiny_free(&whole);
    tiny_free(&first);
    tiny_free(&second);
}

static void set_rate_at_three(struct tiny_run *run, const struct step_record *record)
{
    if (record->step == 3)
        tiny_command(run, COMMAND_LEARNING_RATE, 0.003, 0);
}

/* A command that comes while steps are in flight waits for them: from its recorded step on, and no earlier, its rate
 * counts. */
static void a_command_waits_for_the_steps_in_flight(void **state)
{
    (void)state;
    static struct tiny_run run;
    begin(&run);
    run.options.schedule = SCHEDULE_CONSTANT;
    run.options.checkpoint_every = 5;
    run.watch = set_rate_at_three;
    tiny_create(&run, NULL);
    emulation_set_polls(20);
    finish(&run);
    emulation_set_polls(1);
    assert_int_equal(run.command_count, 1);
    assert_true(run.commands[0].step >= 3 && run.commands[0].step <= 5);
    for (int i = 0; i < run.step_count; i++)
        assert_true((run.steps[i].learning_rate == 0.003f) == (i >= run.commands[0].step));
    bool saved = false;
    for (int i = 0; i < run.checkpoint_count; i++)
        saved |= run.checkpoints[i].state.step == 5;
    assert_true(saved);
    tiny_free(&run);
}

/* `step N` runs just N, with a rate that was changed while nothing was in flight. */
static void commands_take_effect_at_their_step(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    begin(&run);
    run.options.schedule = SCHEDULE_CONSTANT;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_wait(&run, TRAINER_PAUSED, 0);
    tiny_command(&run, COMMAND_STEP, 0, 5);
    tiny_wait(&run, TRAINER_PAUSED, 5);
    tiny_command(&run, COMMAND_LEARNING_RATE, 0.003, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_int_equal(run.step_count, 2 * TINY_EPOCH);
    for (int i = 0; i < run.step_count; i++)
        assert_true(i < 5 ? run.steps[i].learning_rate != 0.003f : run.steps[i].learning_rate == 0.003f);
    tiny_free(&run);
}

/* The step that is not finite is the one that is named, and its weights and running statistics are those of the step
 * before, though others were queued behind it. */
static void check_a_run_that_diverges(enum norm_kind norm)
{
    static struct tiny_run run;
    struct error error = {""};
    begin(&run);
    run.spec.norm = norm;
    run.options.learning_rate = 1e30f;
    run.options.agc = 0;
    tiny_create(&run, NULL);
    emulation_set_polls(20);
    assert_int_equal(trainer_run(run.trainer, &error), -1);
    emulation_set_polls(1);
    assert_int_equal(run.diverged_step, run.step_count + 1);
    assert_true(run.step_count < TINY_EPOCH - 2); /* others were in flight */
    assert_non_null(strstr(run.diagnosis, "step"));
    for (int i = 0; i < run.step_count; i++)
        assert_true(isfinite(run.steps[i].loss));

    static struct tiny_run before; /* ... just the steps that were finite */
    begin(&before);
    before.spec.norm = norm;
    before.options = run.options;
    tiny_create(&before, NULL);
    before.stop_at = run.step_count;
    assert_int_equal(trainer_start(before.trainer, true, &error), 0);
    tiny_wait(&before, TRAINER_PAUSED, 0);
    tiny_command(&before, COMMAND_STEP, 0, run.step_count);
    (void)trainer_join(before.trainer, &error);
    const size_t floats = read_all(run.network, PART_VALUE, NULL);
    float *values[2] = {malloc(floats * sizeof(float)), malloc(floats * sizeof(float))};
    read_all(run.network, PART_VALUE, values[0]);
    read_all(before.network, PART_VALUE, values[1]);
    assert_memory_equal(values[0], values[1], floats * sizeof(float));
    free(values[0]);
    free(values[1]);
    tiny_free(&before);
    tiny_free(&run);
}

static void a_run_that_diverges_stops_at_its_step(void **state)
{
    (void)state;
    check_a_run_that_diverges(NORM_NONE);
    check_a_run_that_diverges(NORM_BATCH);
}

int main(void)
{
    const struct CMUnitTest steps[] = {
        cmocka_unit_test(a_step_is_the_cpus_in_fp32), cmocka_unit_test(a_step_is_the_cpus_in_bf16),
        cmocka_unit_test(a_step_is_the_cpus_fp32_in_tf32), cmocka_unit_test(a_step_has_the_same_bits_in_every_order),
        cmocka_unit_test(replayed_steps_are_the_cpus)};
    const struct CMUnitTest runs[] = {cmocka_unit_test(a_run_is_the_cpus),
                                      cmocka_unit_test(a_mixed_run_is_the_cpus),
                                      cmocka_unit_test(two_runs_have_the_same_bits),
                                      cmocka_unit_test(a_resumed_run_has_the_same_bits),
                                      cmocka_unit_test(commands_take_effect_at_their_step),
                                      cmocka_unit_test(a_command_waits_for_the_steps_in_flight),
                                      cmocka_unit_test(a_run_that_diverges_stops_at_its_step)};
    const struct CMUnitTest in_flight[] = {cmocka_unit_test(a_command_waits_for_the_steps_in_flight),
                                           cmocka_unit_test(a_run_that_diverges_stops_at_its_step)};
    tiny_backend_open = open_cuda;
    const int failed = cmocka_run_group_tests(steps, NULL, NULL);
    return failed + (emulation_is_sanitized() ? cmocka_run_group_tests(in_flight, tiny_open, tiny_close)
                                              : cmocka_run_group_tests(runs, tiny_open, tiny_close));
}
