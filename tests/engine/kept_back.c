/* Going back in a run; see kept_states.h. What is gone back to must be what was there, to the bit: the run that goes on
 * from it has the bits of one that was never anywhere else. */
#include "tests/engine/kept_states.h"

#include "engine/live.h"
#include "engine/trainer_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void init(struct tiny_run *run)
{
    tiny_init(run, "micro");
    run->options.epochs = 3;
    run->options.augment = AUGMENT_STANDARD;
    run->options.schedule = SCHEDULE_COSINE;
    run->options.agc = 0.01f;
}

static void start(struct tiny_run *run)
{
    struct error error = {""};
    tiny_create(run, NULL);
    assert_int_equal(trainer_start(run->trainer, true, &error), 0);
}

static void go_to(struct tiny_run *run, long step)
{
    struct snapshot now;
    trainer_snapshot(run->trainer, &now);
    tiny_command(run, COMMAND_STEP, 0, step - now.step.step);
    tiny_wait(run, TRAINER_PAUSED, step);
}

static bool is_answer(const struct event *event, enum command_kind kind, long count)
{
    const struct command *command = &event->command.command;
    return event->kind == EVENT_COMMAND && command->count == count &&
           (command->kind == kind || command->kind == COMMAND_ROLLBACK);
}

/* Waits until a command has been done and the snapshot shows it, and returns its record. */
static struct command_record command(struct tiny_run *run, enum command_kind kind, double value, long count)
{
    struct event event = {.kind = EVENT_MESSAGE};
    tiny_command(run, kind, value, count);
    while (!is_answer(&event, kind, count) || !trainer_is_settled(run->trainer))
        if (!is_answer(&event, kind, count) && !trainer_next_event(run->trainer, &event))
            event.kind = EVENT_MESSAGE;
    return event.command;
}

static void finish(struct tiny_run *run)
{
    struct error error = {""};
    tiny_command(run, COMMAND_RESUME, 0, 0);
    if (trainer_join(run->trainer, &error))
        fail_msg("%s", error.message);
}

/* A run without anything undone: `rate` from a step on, 0: none. */
static void run_reference(struct tiny_run *run, long step, double rate)
{
    init(run);
    start(run);
    if (rate > 0) {
        go_to(run, step);
        tiny_command(run, COMMAND_LEARNING_RATE, rate, 0);
    }
    finish(run);
}

static void assert_same_course(const struct tiny_run *run, const struct tiny_run *reference)
{
    assert_int_equal(run->step_count, reference->step_count);
    for (int i = 0; i < run->step_count; i++) {
        assert_int_equal(run->steps[i].step, reference->steps[i].step);
        assert_true(run->steps[i].loss == reference->steps[i].loss);
        assert_true(run->steps[i].learning_rate == reference->steps[i].learning_rate);
    }
    tiny_assert_same_end(run, reference);
}

static void back_undoes_the_last_command_and_what_came_of_it(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    init(&run);
    start(&run);
    go_to(&run, 5);
    tiny_command(&run, COMMAND_LEARNING_RATE, 0.01, 0);
    tiny_command(&run, COMMAND_EVALUATE, 0, 0); /* changes nothing, so that `back` passes over it */
    go_to(&run, 11);
    struct command_record back = command(&run, COMMAND_BACK, 0, BACK_LAST);
    assert_true(back.ok);
    assert_int_equal(back.step, 5);
    assert_int_equal(back.command.kind, COMMAND_ROLLBACK);
    assert_non_null(strstr(back.outcome, "back at step 5 from step 11, before `as typed`, paused; lr "));
    assert_int_equal(run.rollbacks[0], 5);
    assert_int_equal(run.step_count, 5);
    back = command(&run, COMMAND_BACK, 0, BACK_LAST);
    assert_false(back.ok);
    assert_non_null(strstr(back.outcome, "no state is kept"));
    finish(&run);
    run_reference(&reference, 0, 0);
    assert_same_course(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* Two commands, at one step and at another: undone one after the other. */
static void back_can_be_said_again(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    init(&run);
    start(&run);
    go_to(&run, 4);
    tiny_command(&run, COMMAND_LEARNING_RATE, 0.02, 0);
    tiny_command(&run, COMMAND_MOMENTUM, 0.5, 0);
    go_to(&run, 9);
    tiny_command(&run, COMMAND_LABEL_SMOOTHING, 0, 0);
    go_to(&run, 12);
    assert_int_equal(command(&run, COMMAND_BACK, 0, BACK_LAST).step, 9);
    assert_int_equal(command(&run, COMMAND_BACK, 0, BACK_LAST).step, 4);
    struct snapshot now;
    trainer_snapshot(run.trainer, &now);
    assert_true(now.options.momentum != 0.5f && now.options.learning_rate == 0.02f);
    finish(&run);
    run_reference(&reference, 4, 0.02);
    assert_same_course(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* ---- Any step ---- */

static int (*real_recall)(void *, const struct training_state *, long, struct past *, struct error *);

static long first_checkpoint(void *context, long limit)
{
    (void)context;
    (void)limit;
    return 0;
}

/* Over the end of an epoch, with a command on the way that stays in force, and one behind it that does not. */
static void run_to_22(struct tiny_run *run)
{
    init(run);
    run->sink.saved_step = first_checkpoint;
    real_recall = run->sink.recall;
}

static void change_at_4_and_19(struct tiny_run *run)
{
    start(run);
    go_to(run, 4);
    tiny_command(run, COMMAND_LEARNING_RATE, 0.01, 0);
    go_to(run, 19);
    tiny_command(run, COMMAND_LEARNING_RATE, 0.5, 0);
    go_to(run, 22);
}

static void assert_made_again(struct tiny_run *run, const char *outcome)
{
    const struct command_record back = command(run, COMMAND_BACK, 0, 11);
    assert_true(back.ok);
    assert_int_equal(back.step, 11);
    assert_non_null(strstr(back.outcome, outcome));
    assert_int_equal(run->step_count, 11);
    assert_int_equal(run->rollbacks[0], 11);
}

static void any_step_is_made_again_from_a_kept_state(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    run_to_22(&run);
    change_at_4_and_19(&run);
    assert_made_again(
        &run, "back at step 11 from step 22, paused: made again from step 4, with the losses recorded then; lr 0.01");
    finish(&run);
    run_reference(&reference, 4, 0.01);
    assert_same_course(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* As in a run that was resumed, where no states are kept: the command on the way is done again. */
static void any_step_is_made_again_from_a_checkpoint(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    run_to_22(&run);
    change_at_4_and_19(&run);
    kept_ring_free(&run.trainer->kept); /* a paused trainer does not look at it */
    assert_made_again(&run, "made again from step 0, with the losses recorded then; lr 0.01");
    finish(&run);
    run_reference(&reference, 4, 0.01);
    assert_same_course(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* What was undone on the way is undone again, and there is nothing left to undo. */
static void an_undo_is_made_again_as_one(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    run_to_22(&run);
    start(&run);
    go_to(&run, 4);
    tiny_command(&run, COMMAND_LEARNING_RATE, 0.01, 0);
    tiny_command(&run, COMMAND_UNDO, 0, 0);
    go_to(&run, 22);
    kept_ring_free(&run.trainer->kept); /* a paused trainer does not look at it */
    assert_made_again(&run, "made again from step 0, with the losses recorded then");
    tiny_command(&run, COMMAND_UNDO, 0, 0);
    finish(&run);
    const struct command_record *undo = &run.commands[run.command_count - 2];
    assert_int_equal(undo->step, 11);
    assert_string_equal(undo->outcome, "there is nothing to undo: no setting was changed");
    run_reference(&reference, 0, 0);
    assert_same_course(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* The state at an epoch's end is that of its checkpoint: measured, and in the next epoch. */
/* Its rate was none that a person changed. */
static void a_rollback_is_made_again_as_one(void **state)
{
    (void)state;
    static struct tiny_run run;
    run_to_22(&run);
    start(&run);
    go_to(&run, 9);
    tiny_command(&run, COMMAND_LEARNING_RATE, 0.01, 0);
    assert_int_equal(command(&run, COMMAND_BACK, 0, BACK_GOOD).step, TINY_EPOCH);
    go_to(&run, 22);
    kept_ring_free(&run.trainer->kept); /* a paused trainer does not look at it */
    const struct command_record back = command(&run, COMMAND_BACK, 0, 11);
    if (!strstr(back.outcome, "made again from step 0, with the losses recorded then"))
        fail_msg("%s", back.outcome);
    tiny_command(&run, COMMAND_UNDO, 0, 0);
    finish(&run);
    const struct command_record *undo = &run.commands[run.command_count - 2];
    assert_string_equal(undo->outcome, "there is nothing to undo: no setting was changed");
    tiny_free(&run);
}

static void an_epochs_end_is_made_again_as_it_was_left(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    run_to_22(&run);
    change_at_4_and_19(&run);
    const int epochs = run.epoch_count;
    assert_int_equal(command(&run, COMMAND_BACK, 0, 2 * TINY_EPOCH).step, 2 * TINY_EPOCH);
    finish(&run);
    assert_int_equal(run.epoch_count, epochs + 1);
    run_reference(&reference, 4, 0.01);
    assert_same_course(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

static int recall_and_pause(void *context, const struct training_state *from, long until, struct past *out,
                            struct error *error)
{
    struct tiny_run *run = context;
    tiny_command(run, COMMAND_PAUSE, 0, 0);
    return real_recall(context, from, until, out, error);
}

/* Called off on the way, the run is where it was. */
static void a_way_back_that_is_called_off_undoes_nothing(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    run_to_22(&run);
    run.sink.recall = recall_and_pause;
    start(&run);
    go_to(&run, 4);
    tiny_command(&run, COMMAND_LEARNING_RATE, 0.01, 0);
    go_to(&run, 22);
    const struct command_record back = command(&run, COMMAND_BACK, 0, 11);
    assert_false(back.ok);
    assert_string_equal(back.outcome, "called off at step 4 of the way to step 11: nothing was undone");
    assert_int_equal(run.rollback_count, 0);
    finish(&run);
    run_reference(&reference, 4, 0.01);
    assert_same_course(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

static int recall_another_loss(void *context, const struct training_state *from, long until, struct past *out,
                               struct error *error)
{
    const int status = real_recall(context, from, until, out, error);
    out->steps[2].loss += 1e-3f;
    return status;
}

/* Nothing was undone, and the run goes on as if it had not been asked. */
static void assert_stays(struct tiny_run *run, const char *outcome)
{
    static struct tiny_run reference;
    const struct command_record back = command(run, COMMAND_BACK, 0, 11);
    assert_false(back.ok);
    assert_string_equal(back.outcome, outcome);
    assert_int_equal(run->rollback_count, 0);
    finish(run);
    init(&reference);
    start(&reference);
    go_to(&reference, 4);
    tiny_command(&reference, COMMAND_LEARNING_RATE, 0.01, 0);
    go_to(&reference, 19);
    tiny_command(&reference, COMMAND_LEARNING_RATE, 0.5, 0);
    finish(&reference);
    assert_same_course(run, &reference);
    tiny_free(run);
    tiny_free(&reference);
}

/* Another course in place of the recorded one would lose that: it is on the disk no more afterwards. */
static void losses_that_are_not_the_recorded_ones_undo_nothing(void **state)
{
    (void)state;
    static struct tiny_run run;
    run_to_22(&run);
    run.sink.recall = recall_another_loss;
    change_at_4_and_19(&run);
    assert_stays(&run,
                 "made again from step 4, step 7 has not the loss that was recorded (on another device, by another "
                 "build or threads?): nothing was undone");
}

static int recall_the_last_loss_otherwise(void *context, const struct training_state *from, long until,
                                          struct past *out, struct error *error)
{
    const int status = real_recall(context, from, until, out, error);
    out->steps[out->step_count - 1].loss += 1e-3f;
    return status;
}

static void the_last_loss_counts_too(void **state)
{
    (void)state;
    static struct tiny_run run;
    run_to_22(&run);
    run.sink.recall = recall_the_last_loss_otherwise;
    change_at_4_and_19(&run);
    assert_stays(&run, "made again from step 4, step 11 has not the loss that was recorded (on another device, by "
                       "another build or threads?): nothing was undone");
}

static int recall_no_epochs(void *context, const struct training_state *from, long until, struct past *out,
                            struct error *error)
{
    const int status = real_recall(context, from, until, out, error);
    out->epoch_count = 0;
    return status;
}

/* As where its line is damaged: what the state then had of it is not known. */
static void an_epoch_without_a_record_is_not_passed(void **state)
{
    (void)state;
    static struct tiny_run run;
    run_to_22(&run);
    run.sink.recall = recall_no_epochs;
    change_at_4_and_19(&run);
    assert_stays(&run, "step 11 cannot be made again: the record of epoch 1 is missing, or damaged");
}

/* The states from which a step can be made again, as of a shorter run. */
static void shorten_past(struct tiny_run *run, long steps)
{
    struct kept_ring *kept = &run->trainer->kept;
    int index = 0;
    while (live_setting(index)->command != COMMAND_STEPS)
        index++;
    for (int i = 0; i < kept->count; i++)
        kept->kept[(kept->first + i) % KEPT_SLOTS].before.state.values[index] = (double)steps;
    for (int i = 0; i < run->checkpoint_count; i++)
        run->checkpoints[i].state.values[index] = (double)steps;
}

/* As with fewer steps than the run was made with. */
static void no_step_follows_the_last(void **state)
{
    (void)state;
    static struct tiny_run run;
    run_to_22(&run);
    run.options.schedule = SCHEDULE_CONSTANT; /* its past is then the same */
    run.options.warmup_epochs = 0;
    change_at_4_and_19(&run);
    shorten_past(&run, 9); /* a paused trainer does not look at it */
    const struct command_record back = command(&run, COMMAND_BACK, 0, 11);
    assert_false(back.ok);
    assert_string_equal(back.outcome, "step 11 cannot be made again: by its settings the run ends at step 9");
    assert_int_equal(run.rollback_count, 0);
    tiny_free(&run);
}

static long no_checkpoint(void *context, long limit)
{
    (void)context;
    (void)limit;
    return -1;
}

/* Where no state and no checkpoint is left from before the step, the run is made again from its first one. */
static void any_step_is_made_again_from_the_start(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    run_to_22(&run);
    run.sink.saved_step = no_checkpoint;
    change_at_4_and_19(&run);
    kept_ring_free(&run.trainer->kept);
    assert_made_again(&run, "made again from step 0, with the losses recorded then; lr 0.01");
    finish(&run);
    run_reference(&reference, 4, 0.01);
    assert_same_course(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* A run whose weights came from elsewhere has another start: that shows at the first loss, and undoes nothing. */
static void a_start_that_is_not_the_runs_undoes_nothing(void **state)
{
    (void)state;
    static struct tiny_run run;
    run_to_22(&run);
    run.sink.saved_step = no_checkpoint;
    run.sink.recall = recall_another_loss;
    change_at_4_and_19(&run);
    kept_ring_free(&run.trainer->kept);
    const struct command_record back = command(&run, COMMAND_BACK, 0, 11);
    assert_false(back.ok);
    assert_string_equal(back.outcome,
                        "made again from step 0, step 3 has not the loss that was recorded: nothing was undone");
    assert_int_equal(run.rollback_count, 0);
    finish(&run);
    assert_int_equal(run.step_count, 3 * TINY_EPOCH);
    tiny_free(&run);
}

static void wait_for_step(struct tiny_run *run, long step, enum command_kind kind, double value)
{
    struct error error = {""};
    const struct command later = {.kind = kind,
                                  .value = value,
                                  .text = "as typed",
                                  .when = {.quantity = WHEN_STEP, .relation = RELATION_AT, .value = (double)step}};
    assert_int_equal(trainer_command(run->trainer, &later, &error), 0);
}

/* The checkpoint of an epoch's end is saved before the commands that are due there: they wait in it. */
static void what_waited_for_the_step_is_undone_with_it(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    init(&run);
    start(&run);
    wait_for_step(&run, TINY_EPOCH, COMMAND_LEARNING_RATE, 0.5);
    go_to(&run, 2 * TINY_EPOCH + 1);
    kept_ring_free(&run.trainer->kept); /* a paused trainer does not look at it */
    assert_true(command(&run, COMMAND_BACK, 0, TINY_EPOCH).ok);
    finish(&run);
    run_reference(&reference, 0, 0);
    assert_same_course(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* One that was given on the way waits again, under its number; one that was cancelled there does not. */
static void what_was_to_wait_waits_again(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    run_to_22(&run);
    start(&run);
    go_to(&run, 3);
    wait_for_step(&run, 15, COMMAND_LEARNING_RATE, 0.5);
    wait_for_step(&run, 16, COMMAND_LEARNING_RATE, 0.3);
    wait_for_step(&run, 5, COMMAND_LEARNING_RATE, 0.02);
    go_to(&run, 9);
    tiny_command(&run, COMMAND_CANCEL, 0, 1);
    go_to(&run, 13);
    kept_ring_free(&run.trainer->kept); /* a paused trainer does not look at it */
    assert_made_again(&run, "made again from step 0, with the losses recorded then; lr 0.02");
    struct snapshot now;
    trainer_snapshot(run.trainer, &now);
    assert_int_equal(now.pending_count, 1);
    assert_int_equal(now.pending[0].number, 2);
    assert_int_equal(now.pending[0].kind, COMMAND_LEARNING_RATE);
    finish(&run);
    init(&reference);
    start(&reference);
    wait_for_step(&reference, 5, COMMAND_LEARNING_RATE, 0.02);
    wait_for_step(&reference, 16, COMMAND_LEARNING_RATE, 0.3);
    finish(&reference);
    assert_same_course(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

static void a_step_ahead_is_refused(void **state)
{
    (void)state;
    static struct tiny_run run;
    init(&run);
    start(&run);
    go_to(&run, 3);
    const struct command_record back = command(&run, COMMAND_BACK, 0, 4);
    assert_false(back.ok);
    assert_string_equal(back.outcome, "step 4 is not behind the run");
    finish(&run);
    tiny_free(&run);
}

int kept_back_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(back_undoes_the_last_command_and_what_came_of_it),
        cmocka_unit_test(back_can_be_said_again),
        cmocka_unit_test(any_step_is_made_again_from_a_kept_state),
        cmocka_unit_test(any_step_is_made_again_from_a_checkpoint),
        cmocka_unit_test(an_undo_is_made_again_as_one),
        cmocka_unit_test(a_rollback_is_made_again_as_one),
        cmocka_unit_test(an_epochs_end_is_made_again_as_it_was_left),
        cmocka_unit_test(a_way_back_that_is_called_off_undoes_nothing),
        cmocka_unit_test(losses_that_are_not_the_recorded_ones_undo_nothing),
        cmocka_unit_test(the_last_loss_counts_too),
        cmocka_unit_test(an_epoch_without_a_record_is_not_passed),
        cmocka_unit_test(no_step_follows_the_last),
        cmocka_unit_test(any_step_is_made_again_from_the_start),
        cmocka_unit_test(a_start_that_is_not_the_runs_undoes_nothing),
        cmocka_unit_test(what_waited_for_the_step_is_undone_with_it),
        cmocka_unit_test(what_was_to_wait_waits_again),
        cmocka_unit_test(a_step_ahead_is_refused),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
