/* Whole runs on the (emulated) GPU: the CPU's losses, the same bits twice and after a resume, steps in flight that
 * nobody notices, and what happens when a step is not finite. */
#include "tests/cuda_emulation/emulation.h"
#include "tests/engine/tiny_run.h"

#include "engine/device_data.h"
#include "kernels/cuda.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int open_cuda(struct backend **out, struct error *error)
{
    return backend_cuda_create(0, out, error);
}

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
    const size_t floats = tiny_read_all(run.network, PART_VALUE, NULL);
    float *values[2] = {malloc(floats * sizeof(float)), malloc(floats * sizeof(float))};
    tiny_read_all(run.network, PART_VALUE, values[0]);
    tiny_read_all(before.network, PART_VALUE, values[1]);
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
    return emulation_is_sanitized() ? cmocka_run_group_tests(in_flight, tiny_open, tiny_close)
                                    : cmocka_run_group_tests(runs, tiny_open, tiny_close);
}
