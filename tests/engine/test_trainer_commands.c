/* Commands at the steps where they are recorded, and stops anywhere: neither changes the bits of a run. */
#include "tests/engine/tiny_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <string.h>

/* ---- Commands ---- */

static void test_pause_step_and_resume_leave_the_bits_alone(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_wait(&run, TRAINER_PAUSED, 0);
    tiny_command(&run, COMMAND_STEP, 0, 3);
    tiny_wait(&run, TRAINER_PAUSED, 3);
    tiny_command(&run, COMMAND_EVALUATE, 0, 0);
    tiny_command(&run, COMMAND_SAVE, 0, 0);
    tiny_command(&run, COMMAND_STEP, 0, TINY_EPOCH - 3); /* up to the epoch's end, its evaluation included */
    tiny_wait(&run, TRAINER_PAUSED, TINY_EPOCH);
    tiny_command(&run, COMMAND_PAUSE, 0, 0);
    tiny_command(&run, COMMAND_STEP, 0, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);

    static const struct {
        long step;
        enum command_kind kind;
        bool ok;
        const char *outcome;
    } expected[] = {
        {0, COMMAND_STEP, true, "runs 3 steps, then pauses at step 3"},
        {3, COMMAND_EVALUATE, true, "validation accuracy "},
        {3, COMMAND_SAVE, true, "saved at step 3"},
        {3, COMMAND_STEP, true, "runs 5 steps, then pauses at step 8"},
        {TINY_EPOCH, COMMAND_PAUSE, true, "already paused at step 8"},
        {TINY_EPOCH, COMMAND_STEP, false, "a number of steps must be 1 or more, not 0"},
        {TINY_EPOCH, COMMAND_RESUME, true, "running"},
    };
    assert_int_equal(run.command_count, sizeof expected / sizeof *expected);
    for (int i = 0; i < run.command_count; i++) {
        assert_int_equal(run.commands[i].step, expected[i].step);
        assert_int_equal(run.commands[i].command.kind, expected[i].kind);
        assert_int_equal(run.commands[i].ok, expected[i].ok);
        assert_memory_equal(run.commands[i].outcome, expected[i].outcome, strlen(expected[i].outcome));
        assert_string_equal(run.commands[i].command.text, "as typed");
    }
    assert_int_equal(run.epoch_count, 3);
    assert_int_equal(run.epochs[0].step, 3);
    assert_false(run.epochs[0].epoch_end || run.epochs[0].run_end || run.epochs[0].best);
    assert_int_equal(run.checkpoints[0].state.step, 0);
    assert_int_equal(run.checkpoints[1].state.step, 3);
    tiny_assert_same_steps(tiny_reference(), &run);
    tiny_assert_same_end(tiny_reference(), &run);
    tiny_free(&run);
}

static void test_learning_rate_commands(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    run.options.schedule = SCHEDULE_CONSTANT;
    run.options.learning_rate = 0.1f;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STEP, 0, 2);
    tiny_wait(&run, TRAINER_PAUSED, 2);
    tiny_command(&run, COMMAND_LEARNING_RATE, 0.02, 0);
    tiny_command(&run, COMMAND_STEP, 0, 1);
    tiny_wait(&run, TRAINER_PAUSED, 3);
    tiny_command(&run, COMMAND_SCALE_LEARNING_RATE, 0.5, 0);
    tiny_command(&run, COMMAND_LEARNING_RATE, -1, 0);
    tiny_command(&run, COMMAND_LEARNING_RATE, (double)NAN, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);

    assert_true(run.steps[1].learning_rate == 0.1f);
    assert_true(run.steps[2].learning_rate == 0.02f);
    assert_true(run.steps[3].learning_rate == 0.01f);
    assert_string_equal(run.commands[1].outcome, "lr 0.1 -> 0.02");
    assert_string_equal(run.commands[3].outcome, "lr 0.02 -> 0.01");
    assert_false(run.commands[4].ok || run.commands[5].ok);
    assert_string_equal(run.commands[4].outcome,
                        "the learning rate must be above 0 and up to 1000, not -1; still 0.01");
    assert_true(tiny_last(&run)->state.learning_rate == 0.01f);
    struct snapshot snapshot;
    trainer_snapshot(run.trainer, &snapshot);
    assert_true(snapshot.peak_learning_rate == 0.01f);
    tiny_free(&run);
}

/* Onecycle over 16 steps rises over 2: at its start the factor is 1/25. */
static void test_learning_rate_under_a_schedule_is_the_peak(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    run.options.learning_rate = 0.5f;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_LEARNING_RATE, 0.25, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_string_equal(run.commands[0].outcome,
                        "peak lr 0.5 -> 0.25; by the onecycle schedule the next step has 0.01");
    assert_true(fabs((double)run.steps[0].learning_rate - 0.01) < 1e-7);
    assert_true(fabs((double)run.steps[2].learning_rate - 0.25) < 1e-7);
    tiny_free(&run);
}

static void give_a_note(struct tiny_run *run, long step)
{
    if (step == run->options.steps)
        tiny_command(run, COMMAND_NOTE, 0, 0);
}

/* The last checkpoint is behind the last look at the queue. */
static void test_a_command_in_the_last_evaluation_is_answered(void **state)
{
    (void)state;
    struct tiny_run run;
    struct event event;
    struct error error = {""};
    tiny_init(&run, "micro");
    run.options.steps = TINY_EPOCH + 2;
    run.saved = give_a_note;
    tiny_run_to_end(&run, NULL);
    const struct command_record *last = &run.commands[run.command_count - 1];
    assert_true(run.command_count > 0);
    assert_false(last->ok);
    assert_string_equal(last->outcome, "too late: the run has ended");
    assert_true(trainer_is_settled(run.trainer));
    while (trainer_next_event(run.trainer, &event))
        ;
    assert_int_equal(trainer_command(run.trainer, &last->command, &error), -1);
    assert_string_equal(error.message, "too late: the run has ended");
    tiny_free(&run);
}

static void test_a_command_behind_a_stop_is_answered(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {""};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    tiny_command(&run, COMMAND_STOP, 0, 0);
    tiny_command(&run, COMMAND_NOTE, 0, 0);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_int_equal(run.command_count, 2);
    assert_string_equal(run.commands[1].outcome, "too late: the run has ended");
    tiny_free(&run);
}

/* ---- Stopping ---- */

static struct trainer *signalled;

static void on_signal(int number)
{
    (void)number;
    trainer_request_stop(signalled);
}

static void test_a_signal_stops_and_saves(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    signalled = run.trainer;
    const struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STEP, 0, 5);
    tiny_wait(&run, TRAINER_PAUSED, 5);
    assert_int_equal(raise(SIGUSR1), 0); /* wakes the paused thread */
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);

    struct snapshot snapshot;
    trainer_snapshot(run.trainer, &snapshot);
    assert_int_equal(snapshot.state, TRAINER_STOPPED);
    assert_int_equal(run.checkpoint_count, 2); /* at the start, and now */
    assert_int_equal(tiny_last(&run)->state.step, 5);
    assert_int_equal(run.commands[1].command.kind, COMMAND_STOP);
    assert_string_equal(run.commands[1].outcome, "stopped and saved at step 5");

    struct tiny_run resumed;
    tiny_init(&resumed, "micro");
    tiny_run_to_end(&resumed, tiny_last(&run));
    tiny_assert_same_end(tiny_reference(), &resumed);
    tiny_free(&resumed);
    tiny_free(&run);
}

static void test_a_stop_command_is_recorded_as_typed(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STOP, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_int_equal(run.command_count, 1);
    assert_string_equal(run.commands[0].command.text, "as typed");
    assert_int_equal(run.commands[0].step, 0);
    assert_int_equal(run.step_count, 0);
    assert_int_equal(tiny_last(&run)->state.step, 0);
    tiny_free(&run);
}

/* Behind the last batch, before the epoch's evaluation: the state says so, and resuming evaluates. */
static void test_a_stop_before_an_evaluation_leaves_it_to_the_resumed_run(void **state)
{
    (void)state;
    struct tiny_run run, resumed;
    tiny_init(&run, "micro");
    run.stop_at = TINY_EPOCH;
    tiny_run_to_end(&run, NULL);
    assert_int_equal(run.epoch_count, 0);
    assert_int_equal(tiny_last(&run)->state.batch_in_epoch, TINY_EPOCH);
    tiny_init(&resumed, "micro");
    tiny_run_to_end(&resumed, tiny_last(&run));
    assert_int_equal(resumed.epoch_count, 2);
    assert_true(resumed.epochs[0].train_loss == tiny_reference()->epochs[0].train_loss);
    tiny_assert_same_end(tiny_reference(), &resumed);
    tiny_free(&resumed);
    tiny_free(&run);
}

/* Whenever the stop comes, the evaluation is whole or not at all. It may come late: the run waits behind it. */
static void test_a_stop_during_an_evaluation(void **state)
{
    (void)state;
    struct tiny_run run, resumed;
    struct error error = {0};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STEP, 0, TINY_EPOCH - 1);
    tiny_wait(&run, TRAINER_PAUSED, TINY_EPOCH - 1);
    tiny_command(&run, COMMAND_STEP, 0, 1);
    struct snapshot snapshot;
    do
        trainer_snapshot(run.trainer, &snapshot);
    while (snapshot.step.step < TINY_EPOCH);
    trainer_request_stop(run.trainer);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    tiny_init(&resumed, "micro");
    tiny_run_to_end(&resumed, tiny_last(&run));
    tiny_assert_same_end(tiny_reference(), &resumed);
    tiny_free(&resumed);
    tiny_free(&run);
}

static void test_a_resumed_run_shows_where_it_stands_before_its_first_step(void **state)
{
    (void)state;
    struct tiny_run run;
    struct snapshot snapshot;
    tiny_init(&run, "micro");
    const struct tiny_checkpoint *from = &tiny_reference()->checkpoints[3];
    tiny_create(&run, from);
    trainer_snapshot(run.trainer, &snapshot);
    assert_int_equal(snapshot.step.step, 3);
    assert_true(snapshot.step.loss == from->state.last_loss);
    assert_true(snapshot.step.learning_rate > 0);
    tiny_free(&run);
}

static void test_destroying_a_running_trainer_saves_nothing(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STEP, 0, 2);
    tiny_wait(&run, TRAINER_PAUSED, 2);
    trainer_destroy(run.trainer);
    run.trainer = NULL;
    assert_int_equal(run.checkpoint_count, 1);
    assert_int_equal(tiny_last(&run)->state.step, 0); /* the one of the start */
    assert_int_equal(run.step_count, 2);
    tiny_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pause_step_and_resume_leave_the_bits_alone),
        cmocka_unit_test(test_learning_rate_commands),
        cmocka_unit_test(test_learning_rate_under_a_schedule_is_the_peak),
        cmocka_unit_test(test_a_command_in_the_last_evaluation_is_answered),
        cmocka_unit_test(test_a_command_behind_a_stop_is_answered),
        cmocka_unit_test(test_a_signal_stops_and_saves),
        cmocka_unit_test(test_a_stop_command_is_recorded_as_typed),
        cmocka_unit_test(test_a_stop_before_an_evaluation_leaves_it_to_the_resumed_run),
        cmocka_unit_test(test_a_stop_during_an_evaluation),
        cmocka_unit_test(test_a_resumed_run_shows_where_it_stands_before_its_first_step),
        cmocka_unit_test(test_destroying_a_running_trainer_saves_nothing),
    };
    return cmocka_run_group_tests_name("trainer commands", tests, tiny_open, tiny_close_reference);
}
