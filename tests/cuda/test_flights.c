/* Commands while steps are in flight on the (emulated) GPU: whatever comes waits for the steps that were queued before
 * it, is recorded with the step it took effect at, and changes nothing of the run's numbers; what comes too late is
 * recorded as that. */
#include "tests/cuda_emulation/emulation.h"
#include "tests/engine/tiny_run.h"

#include "kernels/cuda.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int open_cuda(struct backend **out, struct error *error)
{
    return backend_cuda_create(0, out, error);
}

enum { EPOCH = 15 }; /* more steps than may be in flight */

/* A GPU so slow that as many steps are in flight as there may be. */
static void begin(struct tiny_run *run)
{
    tiny_init(run, "micro");
    run->options.batch = 4;
    run->options.validation = 12;
    run->spec.stages[0] = (struct stage_spec){.width = 16, .mid = 8, .blocks = 1, .stride = 2};
    run->options.schedule = SCHEDULE_CONSTANT;
    emulation_set_polls(20);
}

static void end(struct tiny_run *run)
{
    emulation_set_polls(1);
    tiny_free(run);
}

static void finish(struct tiny_run *run)
{
    struct error error = {""};
    if (trainer_run(run->trainer, &error))
        fail_msg("%s", error.message);
}

/* The run of `begin` without any command. */
static void run_undisturbed(struct tiny_run *run)
{
    begin(run);
    tiny_create(run, NULL);
    finish(run);
}

static void expect_same_steps(const struct tiny_run *a, const struct tiny_run *b)
{
    assert_int_equal(a->step_count, b->step_count);
    for (int i = 0; i < a->step_count; i++) {
        assert_int_equal(a->steps[i].step, b->steps[i].step);
        assert_true(a->steps[i].loss == b->steps[i].loss);
    }
}

/* From on_step of step 2, when others are under way. */
static void save_at_two(struct tiny_run *run, const struct step_record *record)
{
    if (record->step == 2)
        tiny_command(run, COMMAND_SAVE, 0, 0);
}

static void a_save_waits_for_the_steps_in_flight(void **state)
{
    (void)state;
    static struct tiny_run run, plain, resumed;
    run_undisturbed(&plain);
    begin(&run);
    run.watch = save_at_two;
    tiny_create(&run, NULL);
    finish(&run);
    assert_int_equal(run.command_count, 1);
    const long saved = run.commands[0].step;
    assert_true(run.commands[0].ok);
    assert_true(saved > 2 && saved < EPOCH); /* some were in flight */
    assert_int_equal(run.checkpoints[1].state.step, saved);
    assert_int_equal(run.checkpoints[1].state.batch_in_epoch, saved);
    expect_same_steps(&run, &plain);
    tiny_assert_same_end(&run, &plain);
    begin(&resumed);
    tiny_create(&resumed, &run.checkpoints[1]); /* holds just those steps */
    finish(&resumed);
    tiny_assert_same_end(&resumed, &plain);
    end(&resumed);
    end(&plain);
    end(&run);
}

static void evaluate_at_two(struct tiny_run *run, const struct step_record *record)
{
    if (record->step == 2)
        tiny_command(run, COMMAND_EVALUATE, 0, 0);
}

/* It measures the weights of its step, as a run that did no more steps has them, and leaves the run as it was. */
static void an_evaluation_sees_the_weights_of_its_step(void **state)
{
    (void)state;
    static struct tiny_run run, plain, shorter;
    run_undisturbed(&plain);
    begin(&run);
    run.watch = evaluate_at_two;
    tiny_create(&run, NULL);
    finish(&run);
    assert_int_equal(run.command_count, 1);
    const long step = run.commands[0].step;
    assert_true(step > 2 && step < EPOCH);
    assert_int_equal(run.epochs[0].step, step);
    assert_int_equal(run.epoch_count, plain.epoch_count + 1);
    expect_same_steps(&run, &plain);
    tiny_assert_same_end(&run, &plain);
    begin(&shorter);
    shorter.options.steps = step;
    tiny_create(&shorter, NULL);
    finish(&shorter);
    assert_true(shorter.epochs[0].validation_loss == run.epochs[0].validation_loss);
    end(&shorter);
    end(&plain);
    end(&run);
}

static void pause_at_two(struct tiny_run *run, const struct step_record *record)
{
    if (record->step == 2)
        tiny_command(run, COMMAND_PAUSE, 0, 0);
}

/* No step is queued behind those that were under way, and none of them is lost. */
static void a_pause_waits_for_the_steps_in_flight(void **state)
{
    (void)state;
    static struct tiny_run run, plain;
    struct error error = {""};
    struct snapshot snapshot;
    run_undisturbed(&plain);
    begin(&run);
    run.watch = pause_at_two;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, false, &error), 0);
    tiny_wait(&run, TRAINER_PAUSED, 3);
    trainer_snapshot(run.trainer, &snapshot);
    const long step = snapshot.step.step;
    assert_true(step > 2 && step < EPOCH);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_int_equal(run.command_count, 2);
    assert_int_equal(run.commands[0].step, step);
    assert_int_equal(run.commands[1].step, step);
    expect_same_steps(&run, &plain);
    tiny_assert_same_end(&run, &plain);
    end(&plain);
    end(&run);
}

static void pause_at_one(struct tiny_run *run, const struct step_record *record)
{
    if (record->step == 1)
        tiny_command(run, COMMAND_PAUSE, 0, 0);
}

/* The rate makes step 2, which is under way when the commands come, not finite: the run ends there, and they are on the
 * record at the last step that counts. Where the epoch ends soon the trainer waits for the steps in flight before it
 * looks at commands; else it looks first. */
static void what_the_end_overtakes_is_too_late(void **state)
{
    (void)state;
    for (int soon = 0; soon < 2; soon++) {
        static struct tiny_run run;
        struct error error = {""};
        begin(&run);
        run.options.learning_rate = 1e30f;
        run.options.agc = 0;
        run.options.batch = soon ? 8 : 4;
        run.watch = pause_at_one;
        tiny_create(&run, NULL);
        assert_int_equal(trainer_run(run.trainer, &error), -1);
        assert_int_equal(run.step_count, 1);
        assert_int_equal(run.diverged_step, 2);
        assert_int_equal(run.command_count, 1);
        assert_false(run.commands[0].ok);
        assert_int_equal(run.commands[0].command.kind, COMMAND_PAUSE);
        assert_int_equal(run.commands[0].step, 1);
        assert_string_equal(run.commands[0].outcome, "too late: the run ended in step 2");
        end(&run);
    }
}

/* A stop lets the steps in flight land and saves behind the last of them. */
static void a_stop_keeps_the_steps_in_flight(void **state)
{
    (void)state;
    static struct tiny_run run, plain, resumed;
    run_undisturbed(&plain);
    begin(&run);
    run.stop_at = 2;
    tiny_create(&run, NULL);
    finish(&run);
    const struct tiny_checkpoint *last = tiny_last(&run);
    assert_true(last->state.step > 2 && last->state.step < EPOCH);
    assert_int_equal(last->state.step, run.step_count);
    begin(&resumed);
    tiny_create(&resumed, last);
    finish(&resumed);
    tiny_assert_same_end(&resumed, &plain);
    end(&resumed);
    end(&plain);
    end(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_save_waits_for_the_steps_in_flight),
        cmocka_unit_test(an_evaluation_sees_the_weights_of_its_step),
        cmocka_unit_test(a_pause_waits_for_the_steps_in_flight),
        cmocka_unit_test(what_the_end_overtakes_is_too_late),
        cmocka_unit_test(a_stop_keeps_the_steps_in_flight),
    };
    tiny_backend_open = open_cuda;
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
