/* Ways back that undo nothing; see kept_states.h. Refused or called off, the run goes on as if nobody had asked. */
#include "tests/engine/kept_course.h"
#include "tests/engine/kept_states.h"

#include "engine/live.h"
#include "engine/trainer_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int (*real_recall)(void *, const struct training_state *, long, struct past *, struct error *);

/* The run to step 22, whose past is told by another than its own. */
static void init_with_past(struct tiny_run *run,
                           int (*recall)(void *, const struct training_state *, long, struct past *, struct error *))
{
    course_init_to_22(run);
    real_recall = run->sink.recall;
    run->sink.recall = recall;
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
    init_with_past(&run, recall_and_pause);
    course_start(&run);
    course_go_to(&run, 4);
    tiny_command(&run, COMMAND_LEARNING_RATE, 0.01, 0);
    course_go_to(&run, 22);
    const struct command_record back = course_command(&run, COMMAND_BACK, 0, 11);
    assert_false(back.ok);
    assert_string_equal(back.outcome, "called off at step 4 of the way to step 11: nothing was undone");
    assert_int_equal(run.rollback_count, 0);
    course_finish(&run);
    course_reference(&reference, 4, 0.01);
    course_assert_same(&run, &reference);
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
    const struct command_record back = course_command(run, COMMAND_BACK, 0, 11);
    assert_false(back.ok);
    assert_string_equal(back.outcome, outcome);
    assert_int_equal(run->rollback_count, 0);
    course_finish(run);
    course_init(&reference);
    course_start(&reference);
    course_go_to(&reference, 4);
    tiny_command(&reference, COMMAND_LEARNING_RATE, 0.01, 0);
    course_go_to(&reference, 19);
    tiny_command(&reference, COMMAND_LEARNING_RATE, 0.5, 0);
    course_finish(&reference);
    course_assert_same(run, &reference);
    tiny_free(run);
    tiny_free(&reference);
}

/* Another course in place of the recorded one would lose that: it is on the disk no more afterwards. */
static void losses_that_are_not_the_recorded_ones_undo_nothing(void **state)
{
    (void)state;
    static struct tiny_run run;
    init_with_past(&run, recall_another_loss);
    course_change_at_4_and_19(&run);
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
    init_with_past(&run, recall_the_last_loss_otherwise);
    course_change_at_4_and_19(&run);
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
    init_with_past(&run, recall_no_epochs);
    course_change_at_4_and_19(&run);
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
    course_init_to_22(&run);
    run.options.schedule = SCHEDULE_CONSTANT; /* its past is then the same */
    run.options.warmup_epochs = 0;
    course_change_at_4_and_19(&run);
    shorten_past(&run, 9); /* a paused trainer does not look at it */
    const struct command_record back = course_command(&run, COMMAND_BACK, 0, 11);
    assert_false(back.ok);
    assert_string_equal(back.outcome, "step 11 cannot be made again: by its settings the run ends at step 9");
    assert_int_equal(run.rollback_count, 0);
    tiny_free(&run);
}

/* A run whose weights came from elsewhere has another start: that shows at the first loss, and undoes nothing. */
static void a_start_that_is_not_the_runs_undoes_nothing(void **state)
{
    (void)state;
    static struct tiny_run run;
    init_with_past(&run, recall_another_loss);
    run.sink.saved_step = course_no_checkpoint;
    course_change_at_4_and_19(&run);
    kept_ring_free(&run.trainer->kept);
    const struct command_record back = course_command(&run, COMMAND_BACK, 0, 11);
    assert_false(back.ok);
    assert_string_equal(back.outcome,
                        "made again from step 0, step 3 has not the loss that was recorded: nothing was undone");
    assert_int_equal(run.rollback_count, 0);
    course_finish(&run);
    assert_int_equal(run.step_count, 3 * TINY_EPOCH);
    tiny_free(&run);
}

static void a_step_ahead_is_refused(void **state)
{
    (void)state;
    static struct tiny_run run;
    course_init(&run);
    course_start(&run);
    course_go_to(&run, 3);
    const struct command_record back = course_command(&run, COMMAND_BACK, 0, 4);
    assert_false(back.ok);
    assert_string_equal(back.outcome, "step 4 is not behind the run");
    course_finish(&run);
    tiny_free(&run);
}

int kept_refused_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_way_back_that_is_called_off_undoes_nothing),
        cmocka_unit_test(losses_that_are_not_the_recorded_ones_undo_nothing),
        cmocka_unit_test(the_last_loss_counts_too),
        cmocka_unit_test(an_epoch_without_a_record_is_not_passed),
        cmocka_unit_test(no_step_follows_the_last),
        cmocka_unit_test(a_start_that_is_not_the_runs_undoes_nothing),
        cmocka_unit_test(a_step_ahead_is_refused),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
