/* --on-divergence pause, with a person there, and which checkpoints are good ones; see divergences.h. */
#include "tests/engine/divergences_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>

static void start(struct tiny_run *run)
{
    struct error error = {""};
    tiny_create(run, NULL);
    trainer_attend(run->trainer);
    assert_int_equal(trainer_start(run->trainer, false, &error), 0);
    tiny_wait(run, TRAINER_PAUSED, BROKEN - 1);
}

/* Waits until so many findings have come by. */
static void wait_for_findings(struct tiny_run *run, int count)
{
    struct event event;
    for (int tries = 0; count > 0 && tries < TINY_PATIENCE; tries++) {
        while (count > 0 && trainer_next_event(run->trainer, &event))
            count -= event.kind == EVENT_FINDING;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    assert_int_equal(count, 0);
}

static void a_person_changes_something_and_the_step_is_tried_again(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    struct error error = {""};
    struct snapshot snapshot;
    diverging_init(&run, DIVERGENCE_PAUSE);
    start(&run);
    trainer_snapshot(run.trainer, &snapshot);
    assert_true(snapshot.diverged);
    assert_string_equal(snapshot.message, run.diagnosis);
    assert_int_equal(snapshot.step.step, BROKEN - 1);
    assert_int_equal(run.diverged_step, BROKEN);

    tiny_command(&run, COMMAND_RESUME, 0, 0); /* nothing was changed: it is not finite again */
    wait_for_findings(&run, 2);
    tiny_wait(&run, TRAINER_PAUSED, BROKEN - 1);
    assert_string_equal(run.commands[0].outcome, "tries step 5 again");

    tiny_command(&run, COMMAND_SCALE_LEARNING_RATE, 0.5, 0); /* no step has had this rate: it is not to blame */
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    wait_for_findings(&run, 1);
    tiny_wait(&run, TRAINER_PAUSED, BROKEN - 1);
    assert_non_null(strstr(run.diagnosis, "diverged at step 5, lr 0.1: "));

    tiny_restore(&run, diverging_checkpoint(&run, BROKEN - 1)); /* a paused trainer touches no weights */
    tiny_command(&run, COMMAND_SCALE_LEARNING_RATE, 0.1, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    trainer_snapshot(run.trainer, &snapshot);
    assert_false(snapshot.diverged);
    assert_string_equal(snapshot.message, "");
    assert_int_equal(run.step_count, TINY_EPOCH);

    struct tiny_checkpoint from = *diverging_checkpoint(&run, BROKEN - 1);
    from.state.learning_rate = run.steps[BROKEN - 1].learning_rate;
    diverging_train_from(&reference, &from);
    diverging_assert_same_steps(&run, BROKEN, &reference);
    tiny_assert_same_end(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

static void leaving_at_a_divergence_ends_as_diverged(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    struct snapshot snapshot;
    diverging_init(&run, DIVERGENCE_PAUSE);
    start(&run);
    trainer_request_stop(run.trainer);
    assert_int_equal(trainer_join(run.trainer, &error), -1);
    assert_string_equal(error.message, run.diagnosis);
    trainer_snapshot(run.trainer, &snapshot);
    assert_int_equal(snapshot.state, TRAINER_DIVERGED);
    assert_int_equal(tiny_last(&run)->state.step, BROKEN - 1);
    tiny_free(&run);
}

static int seen;

static void look_and_stop(struct tiny_run *run, const struct finding *finding)
{
    struct snapshot snapshot;
    if (finding->kind != FINDING_DIVERGENCE)
        return;
    trainer_snapshot(run->trainer, &snapshot);
    assert_true(snapshot.diverged);
    assert_int_equal(snapshot.diverged_step, BROKEN);
    assert_int_equal(snapshot.good_step, 0);
    seen++;
    trainer_request_stop(run->trainer);
}

/* A screen asks before it leaves a run that waits for a decision: it may not hear of the divergence before it can know
 * that. */
static void who_hears_of_a_divergence_finds_it_in_the_snapshot(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    diverging_init(&run, DIVERGENCE_PAUSE);
    run.found = look_and_stop;
    seen = 0;
    tiny_create(&run, NULL);
    trainer_attend(run.trainer);
    assert_int_equal(trainer_run(run.trainer, &error), -1);
    assert_int_equal(seen, 1);
    tiny_free(&run);
}

/* From a pause to a rollback: the policy of the moment counts, and what it goes back to is a checkpoint from before the
 * weights that the step broke on; of those none is made. */
static void the_policy_may_be_changed_on_the_way(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    diverging_init(&run, DIVERGENCE_PAUSE);
    start(&run);
    const int saved = run.checkpoint_count;
    tiny_command(&run, COMMAND_ON_DIVERGENCE, 7, 0);
    tiny_command(&run, COMMAND_ON_DIVERGENCE, DIVERGENCE_ROLLBACK, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_false(run.commands[0].ok);
    assert_true(run.commands[1].ok);
    assert_non_null(strstr(run.commands[1].outcome, "goes back to its last good checkpoint"));
    assert_int_equal(run.rollback_count, 1);
    assert_int_equal(run.rollbacks[0], 0);
    assert_int_equal(run.checkpoints[saved].state.step, 0);
    assert_int_equal(run.commands[2].command.kind, COMMAND_ROLLBACK);
    assert_string_equal(run.commands[3].outcome, "running from step 0");
    assert_true(run.steps[0].learning_rate == 0.05f);
    assert_int_equal(run.step_count, TINY_EPOCH);
    tiny_free(&run);
}

static void wait_at_step_0(const struct tiny_run *run)
{
    struct snapshot snapshot = {.step.step = -1};
    for (int tries = 0; snapshot.step.step != 0 && tries < TINY_PATIENCE; tries++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        trainer_snapshot(run->trainer, &snapshot);
    }
    assert_int_equal(snapshot.step.step, 0);
}

/* `back` undoes what came behind a good checkpoint, keeps the rate in force, and waits. */
static void a_person_goes_back_to_a_good_checkpoint(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    struct error error = {""};
    struct snapshot snapshot;
    diverging_init(&run, DIVERGENCE_PAUSE);
    start(&run);
    trainer_snapshot(run.trainer, &snapshot);
    assert_int_equal(snapshot.good_step, 0);
    tiny_command(&run, COMMAND_SAVE, 0, 0);
    tiny_command(&run, COMMAND_SCALE_LEARNING_RATE, 0.5, 0);
    tiny_command(&run, COMMAND_LOAD, 0, 0);
    tiny_command(&run, COMMAND_BACK, 0, 9);
    tiny_command(&run, COMMAND_BACK, 0, BACK_LAST); /* it is a divergence */
    tiny_command(&run, COMMAND_PAUSE, 0, 0);
    wait_at_step_0(&run);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_int_equal(run.rollback_count, 1);
    assert_int_equal(run.rollbacks[0], 0);
    assert_false(run.commands[2].ok);
    assert_string_equal(run.commands[2].outcome, "no checkpoint ");
    assert_string_equal(run.commands[3].outcome, "step 9 is not behind the run");
    const struct command_record *back = &run.commands[4];
    assert_true(back->ok);
    assert_int_equal(back->step, 0);
    assert_int_equal(back->command.kind, COMMAND_ROLLBACK);
    assert_true(back->command.value == (double)0.05f);
    assert_string_equal(back->outcome, "back at step 0 from step 4, paused; lr 0.05: change it, then resume");
    assert_string_equal(run.commands[5].outcome, "already paused at step 0");
    assert_int_equal(run.step_count, TINY_EPOCH);
    trainer_snapshot(run.trainer, &snapshot);
    assert_false(snapshot.diverged);

    struct tiny_checkpoint from = *diverging_checkpoint(&run, 0);
    from.state.learning_rate = 0.05f;
    diverging_train_from(&reference, &from);
    diverging_assert_same_steps(&run, 1, &reference);
    tiny_assert_same_end(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* What is saved where the next step is not finite is marked, and so is what is saved while the loss has risen far. */
static void a_checkpoint_of_lost_weights_is_unsound(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    diverging_init(&run, DIVERGENCE_PAUSE);
    start(&run);
    assert_false(tiny_last(&run)->state.unsound);
    tiny_command(&run, COMMAND_SAVE, 0, 0);
    tiny_command(&run, COMMAND_STOP, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), -1);
    assert_true(tiny_last(&run)->state.step == BROKEN - 1);
    assert_true(tiny_last(&run)->state.unsound || run.checkpoint_count == 2); /* the stop may come first */
    tiny_free(&run);

    diverging_init(&run, DIVERGENCE_ROLLBACK);
    run.options.checkpoint_every = 1;
    run.saved = diverging_hurry;
    tiny_create(&run, NULL);
    diverging_finish(&run);
    assert_true(diverging_checkpoint(&run, 4)->state.unsound);
    assert_false(diverging_checkpoint(&run, 3)->state.unsound);
    tiny_free(&run);
}

/* Weights from before the explosion are named, the ones behind it are not. */
static void an_explosion_names_the_checkpoint_before_it(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    diverging_init(&run, DIVERGENCE_PAUSE);
    run.options.checkpoint_every = 1;
    run.saved = diverging_hurry;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_run(run.trainer, &error), -1);
    assert_non_null(
        strstr(run.diagnosis, ". The weights are already lost since step 4: `back` goes to checkpoint 2. "));
    tiny_free(&run);
}

int divergences_pause(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_person_changes_something_and_the_step_is_tried_again),
        cmocka_unit_test(leaving_at_a_divergence_ends_as_diverged),
        cmocka_unit_test(who_hears_of_a_divergence_finds_it_in_the_snapshot),
        cmocka_unit_test(the_policy_may_be_changed_on_the_way),
        cmocka_unit_test(a_person_goes_back_to_a_good_checkpoint),
        cmocka_unit_test(a_checkpoint_of_lost_weights_is_unsound),
        cmocka_unit_test(an_explosion_names_the_checkpoint_before_it),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
