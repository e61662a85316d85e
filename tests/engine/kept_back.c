/* Going back in a run; see kept_states.h. What is gone back to must be what was there, to the bit: the run that goes on
 * from it has the bits of one that was never anywhere else. */
#include "tests/engine/kept_course.h"
#include "tests/engine/kept_states.h"

#include "engine/trainer_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void back_undoes_the_last_command_and_what_came_of_it(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    course_init(&run);
    course_start(&run);
    course_go_to(&run, 5);
    tiny_command(&run, COMMAND_LEARNING_RATE, 0.01, 0);
    tiny_command(&run, COMMAND_EVALUATE, 0, 0); /* changes nothing, so that `back` passes over it */
    course_go_to(&run, 11);
    struct command_record back = course_command(&run, COMMAND_BACK, 0, BACK_LAST);
    assert_true(back.ok);
    assert_int_equal(back.step, 5);
    assert_int_equal(back.command.kind, COMMAND_ROLLBACK);
    assert_non_null(strstr(back.outcome, "back at step 5 from step 11, before `as typed`, paused; lr "));
    assert_int_equal(run.rollbacks[0], 5);
    assert_int_equal(run.step_count, 5);
    back = course_command(&run, COMMAND_BACK, 0, BACK_LAST);
    assert_false(back.ok);
    assert_non_null(strstr(back.outcome, "no state is kept"));
    course_finish(&run);
    course_reference(&reference, 0, 0);
    course_assert_same(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* Two commands, at one step and at another: undone one after the other. */
static void back_can_be_said_again(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    course_init(&run);
    course_start(&run);
    course_go_to(&run, 4);
    tiny_command(&run, COMMAND_LEARNING_RATE, 0.02, 0);
    tiny_command(&run, COMMAND_MOMENTUM, 0.5, 0);
    course_go_to(&run, 9);
    tiny_command(&run, COMMAND_LABEL_SMOOTHING, 0, 0);
    course_go_to(&run, 12);
    assert_int_equal(course_command(&run, COMMAND_BACK, 0, BACK_LAST).step, 9);
    assert_int_equal(course_command(&run, COMMAND_BACK, 0, BACK_LAST).step, 4);
    struct snapshot now;
    trainer_snapshot(run.trainer, &now);
    assert_true(now.options.momentum != 0.5f && now.options.learning_rate == 0.02f);
    course_finish(&run);
    course_reference(&reference, 4, 0.02);
    course_assert_same(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* ---- Any step ---- */

static void assert_made_again(struct tiny_run *run, const char *outcome)
{
    const struct command_record back = course_command(run, COMMAND_BACK, 0, 11);
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
    course_init_to_22(&run);
    course_change_at_4_and_19(&run);
    assert_made_again(
        &run, "back at step 11 from step 22, paused: made again from step 4, with the losses recorded then; lr 0.01");
    course_finish(&run);
    course_reference(&reference, 4, 0.01);
    course_assert_same(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* As in a run that was resumed, where no states are kept: the command on the way is done again. */
static void any_step_is_made_again_from_a_checkpoint(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    course_init_to_22(&run);
    course_change_at_4_and_19(&run);
    kept_ring_free(&run.trainer->kept); /* a paused trainer does not look at it */
    assert_made_again(&run, "made again from step 0, with the losses recorded then; lr 0.01");
    course_finish(&run);
    course_reference(&reference, 4, 0.01);
    course_assert_same(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* What was undone on the way is undone again, and there is nothing left to undo. */
static void an_undo_is_made_again_as_one(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    course_init_to_22(&run);
    course_start(&run);
    course_go_to(&run, 4);
    tiny_command(&run, COMMAND_LEARNING_RATE, 0.01, 0);
    tiny_command(&run, COMMAND_UNDO, 0, 0);
    course_go_to(&run, 22);
    kept_ring_free(&run.trainer->kept); /* a paused trainer does not look at it */
    assert_made_again(&run, "made again from step 0, with the losses recorded then");
    tiny_command(&run, COMMAND_UNDO, 0, 0);
    course_finish(&run);
    const struct command_record *undo = &run.commands[run.command_count - 2];
    assert_int_equal(undo->step, 11);
    assert_string_equal(undo->outcome, "there is nothing to undo: no setting was changed");
    course_reference(&reference, 0, 0);
    course_assert_same(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* Its rate was none that a person changed. */
static void a_rollback_is_made_again_as_one(void **state)
{
    (void)state;
    static struct tiny_run run;
    course_init_to_22(&run);
    course_start(&run);
    course_go_to(&run, 9);
    tiny_command(&run, COMMAND_LEARNING_RATE, 0.01, 0);
    assert_int_equal(course_command(&run, COMMAND_BACK, 0, BACK_GOOD).step, TINY_EPOCH);
    course_go_to(&run, 22);
    kept_ring_free(&run.trainer->kept); /* a paused trainer does not look at it */
    const struct command_record back = course_command(&run, COMMAND_BACK, 0, 11);
    if (!strstr(back.outcome, "made again from step 0, with the losses recorded then"))
        fail_msg("%s", back.outcome);
    tiny_command(&run, COMMAND_UNDO, 0, 0);
    course_finish(&run);
    const struct command_record *undo = &run.commands[run.command_count - 2];
    assert_string_equal(undo->outcome, "there is nothing to undo: no setting was changed");
    tiny_free(&run);
}

/* The state at an epoch's end is that of its checkpoint: measured, and in the next epoch. */
static void an_epochs_end_is_made_again_as_it_was_left(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    course_init_to_22(&run);
    course_change_at_4_and_19(&run);
    const int epochs = run.epoch_count;
    assert_int_equal(course_command(&run, COMMAND_BACK, 0, 2 * TINY_EPOCH).step, 2 * TINY_EPOCH);
    course_finish(&run);
    assert_int_equal(run.epoch_count, epochs + 1);
    course_reference(&reference, 4, 0.01);
    course_assert_same(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* Where no state and no checkpoint is left from before the step, the run is made again from its first one. */
static void any_step_is_made_again_from_the_start(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    course_init_to_22(&run);
    run.sink.saved_step = course_no_checkpoint;
    course_change_at_4_and_19(&run);
    kept_ring_free(&run.trainer->kept);
    assert_made_again(&run, "made again from step 0, with the losses recorded then; lr 0.01");
    course_finish(&run);
    course_reference(&reference, 4, 0.01);
    course_assert_same(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
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
    course_init(&run);
    course_start(&run);
    wait_for_step(&run, TINY_EPOCH, COMMAND_LEARNING_RATE, 0.5);
    course_go_to(&run, 2 * TINY_EPOCH + 1);
    kept_ring_free(&run.trainer->kept); /* a paused trainer does not look at it */
    assert_true(course_command(&run, COMMAND_BACK, 0, TINY_EPOCH).ok);
    course_finish(&run);
    course_reference(&reference, 0, 0);
    course_assert_same(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* One that was given on the way waits again, under its number; one that was cancelled there does not. */
static void what_was_to_wait_waits_again(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    course_init_to_22(&run);
    course_start(&run);
    course_go_to(&run, 3);
    wait_for_step(&run, 15, COMMAND_LEARNING_RATE, 0.5);
    wait_for_step(&run, 16, COMMAND_LEARNING_RATE, 0.3);
    wait_for_step(&run, 5, COMMAND_LEARNING_RATE, 0.02);
    course_go_to(&run, 9);
    tiny_command(&run, COMMAND_CANCEL, 0, 1);
    course_go_to(&run, 13);
    kept_ring_free(&run.trainer->kept); /* a paused trainer does not look at it */
    assert_made_again(&run, "made again from step 0, with the losses recorded then; lr 0.02");
    struct snapshot now;
    trainer_snapshot(run.trainer, &now);
    assert_int_equal(now.pending_count, 1);
    assert_int_equal(now.pending[0].number, 2);
    assert_int_equal(now.pending[0].kind, COMMAND_LEARNING_RATE);
    course_finish(&run);
    course_init(&reference);
    course_start(&reference);
    wait_for_step(&reference, 5, COMMAND_LEARNING_RATE, 0.02);
    wait_for_step(&reference, 16, COMMAND_LEARNING_RATE, 0.3);
    course_finish(&reference);
    course_assert_same(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

int kept_back_run(bool brief)
{
    const struct CMUnitTest few[] = {
        cmocka_unit_test(back_undoes_the_last_command_and_what_came_of_it),
        cmocka_unit_test(any_step_is_made_again_from_a_kept_state),
        cmocka_unit_test(any_step_is_made_again_from_a_checkpoint),
        cmocka_unit_test(an_epochs_end_is_made_again_as_it_was_left),
    };
    const struct CMUnitTest all[] = {
        cmocka_unit_test(back_undoes_the_last_command_and_what_came_of_it),
        cmocka_unit_test(back_can_be_said_again),
        cmocka_unit_test(any_step_is_made_again_from_a_kept_state),
        cmocka_unit_test(any_step_is_made_again_from_a_checkpoint),
        cmocka_unit_test(an_undo_is_made_again_as_one),
        cmocka_unit_test(a_rollback_is_made_again_as_one),
        cmocka_unit_test(an_epochs_end_is_made_again_as_it_was_left),
        cmocka_unit_test(any_step_is_made_again_from_the_start),
        cmocka_unit_test(what_waited_for_the_step_is_undone_with_it),
        cmocka_unit_test(what_was_to_wait_waits_again),
    };
    return brief ? cmocka_run_group_tests(few, tiny_open, tiny_close)
                 : cmocka_run_group_tests(all, tiny_open, tiny_close);
}
