/* See divergences.h. Whatever a run does, the steps that follow must have the bits of a run that began just there. */
#include "tests/engine/divergences.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { BROKEN = 5 }; /* the step that is not finite; checkpoints at 0, 4 and the epoch's end */

static bool spoilt;

/* Behind the checkpoint before, the head's bias makes the next loss overflow, once. */
static void spoil_once(struct tiny_run *run, long step)
{
    if (step != BROKEN - 1 || spoilt)
        return;
    spoilt = true;
    tiny_spoil(run, "head.bias", PART_VALUE, -3e38f, 8);
}

/* A constant rate and no averages, so that nothing but the state decides a step; on a GPU no step is in flight when the
 * bias is spoilt, since a checkpoint is due there. */
static void init(struct tiny_run *run, enum divergence_policy policy)
{
    tiny_init(run, "micro");
    run->options.epochs = 1;
    run->options.schedule = SCHEDULE_CONSTANT;
    run->options.learning_rate = 0.1f;
    run->options.checkpoint_every = 4;
    run->options.on_divergence = policy;
    run->saved = spoil_once;
    spoilt = false;
}

static void finish(struct tiny_run *run)
{
    struct error error = {""};
    if (trainer_run(run->trainer, &error))
        fail_msg("%s", error.message);
}

static const struct tiny_checkpoint *checkpoint_at(const struct tiny_run *run, long step)
{
    for (int i = 0; i < run->checkpoint_count; i++)
        if (run->checkpoints[i].state.step == step)
            return &run->checkpoints[i];
    fail_msg("no checkpoint at step %ld", step);
    return NULL;
}

/* The steps of `run` from `first` on are all of `reference`, which began before them. */
static void assert_same_steps(const struct tiny_run *run, long first, const struct tiny_run *reference)
{
    const struct step_record *steps = run->steps;
    int count = run->step_count;
    while (count > 0 && steps->step < first) {
        steps++;
        count--;
    }
    assert_int_equal(count, reference->step_count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(steps[i].step, reference->steps[i].step);
        assert_true(steps[i].loss == reference->steps[i].loss);
        assert_true(steps[i].learning_rate == reference->steps[i].learning_rate);
    }
}

/* Trains on from a checkpoint without anything that breaks. */
static void train_from(struct tiny_run *run, const struct tiny_checkpoint *from)
{
    init(run, DIVERGENCE_PAUSE);
    run->saved = NULL;
    tiny_create(run, from);
    finish(run);
}

/* ---- Rollback ---- */

static void a_rollback_goes_on_as_from_its_checkpoint_at_half_the_rate(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    init(&run, DIVERGENCE_ROLLBACK);
    tiny_create(&run, NULL);
    finish(&run);
    assert_int_equal(run.rollback_count, 1);
    assert_int_equal(run.rollbacks[0], BROKEN - 1);
    assert_int_equal(run.diverged_step, 0);
    assert_int_equal(run.step_count, TINY_EPOCH);

    assert_int_equal(run.command_count, 1);
    const struct command_record *record = &run.commands[0];
    assert_int_equal(record->command.kind, COMMAND_ROLLBACK);
    assert_int_equal(record->step, BROKEN - 1);
    assert_true(record->command.value == (double)0.05f);
    assert_string_equal(record->outcome,
                        "back at step 4 from step 5, which was not finite: peak lr 0.1 -> 0.05 (rollback 1 of 5)");
    assert_int_equal(run.finding_count, 1);
    assert_int_equal(run.findings[0].kind, FINDING_DIVERGENCE);
    assert_int_equal(run.findings[0].since, BROKEN - 1); /* not behind the step it is recorded at */
    assert_non_null(strstr(run.findings[0].text, "diverged at step 5"));

    struct tiny_checkpoint from = *checkpoint_at(&run, BROKEN - 1);
    assert_true(from.state.learning_rate == 0.1f);
    from.state.learning_rate = 0.05f;
    train_from(&reference, &from);
    assert_same_steps(&run, BROKEN, &reference);
    tiny_assert_same_end(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* With the rate as it was the same losses come again: the person's command undoes the halving. */
static void restore_rate(struct tiny_run *run, const struct finding *finding)
{
    (void)finding;
    tiny_command(run, COMMAND_LEARNING_RATE, (double)0.1f, 0);
}

static void after_a_rollback_the_same_rate_gives_the_same_losses(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    init(&run, DIVERGENCE_ROLLBACK);
    run.found = restore_rate;
    tiny_create(&run, NULL);
    finish(&run);
    init(&reference, DIVERGENCE_PAUSE);
    reference.saved = NULL;
    tiny_create(&reference, NULL);
    finish(&reference);
    assert_same_steps(&run, 1, &reference);
    tiny_assert_same_end(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* A parameter that is found not to be finite at a checkpoint is what a rollback mends, too. */
static void a_rollback_mends_what_no_step_would(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    init(&run, DIVERGENCE_ROLLBACK);
    run.saved = NULL;
    run.spoil_at = 4; /* each time it comes by */
    tiny_create(&run, NULL);
    assert_int_equal(trainer_run(run.trainer, &error), -1);
    assert_int_equal(run.rollback_count, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(run.rollbacks[i], 0);
    assert_int_equal(run.diverged_step, 4);
    assert_non_null(strstr(run.diagnosis, "after 5 rollbacks: diverged at step 4"));
    assert_non_null(strstr(run.diagnosis, "momentum of head.bias"));
    assert_true(tiny_last(&run)->state.step == 0 && tiny_last(&run)->state.learning_rate == 0.1f / 32);
    tiny_free(&run);
}

/* A checkpoint that was made while the loss was rising is none to go back to. */
static void hurry(struct tiny_run *run, long step)
{
    if (step == 3 && !spoilt)
        tiny_spoil(run, "head.bias", PART_VALUE, 60, 1); /* step 4: finite, but twenty times the loss */
    spoil_once(run, step);
}

static void a_rollback_passes_over_checkpoints_of_an_explosion(void **state)
{
    (void)state;
    static struct tiny_run run;
    init(&run, DIVERGENCE_ROLLBACK);
    run.options.checkpoint_every = 1;
    run.saved = hurry;
    tiny_create(&run, NULL);
    finish(&run);
    assert_true(checkpoint_at(&run, 4)->state.last_loss > 10);
    assert_int_equal(run.rollback_count, 1);
    assert_int_equal(run.rollbacks[0], 3);
    tiny_free(&run);
}

/* Back at step 3 the next one is not finite, either. */
static void hurry_then_spoil(struct tiny_run *run, long step)
{
    if (step == 3 && run->rollback_count == 1)
        tiny_spoil(run, "head.bias", PART_VALUE, -3e38f, 8);
    else
        hurry(run, step);
}

static void a_rollback_forgets_the_losses_behind_it(void **state)
{
    (void)state;
    static struct tiny_run run;
    char losses[64];
    init(&run, DIVERGENCE_ROLLBACK);
    run.options.checkpoint_every = 1;
    run.saved = hurry_then_spoil;
    tiny_create(&run, NULL);
    finish(&run);
    assert_int_equal(run.rollback_count, 2);
    assert_non_null(strstr(run.findings[0].text, "diverged at step 5"));
    assert_non_null(strstr(run.findings[0].text, ", over 10 times its median since step 4. "));
    assert_non_null(strstr(run.findings[1].text, "diverged at step 4"));
    snprintf(losses, sizeof losses, ". Loss before: %.3g, %.3g, %.3g. ", (double)run.steps[0].loss,
             (double)run.steps[1].loss, (double)run.steps[2].loss);
    assert_non_null(strstr(run.findings[1].text, losses));
    tiny_free(&run);
}

static void assert_probed_at(const struct tiny_run *run, const long *steps, int count)
{
    assert_int_equal(run->probe_count, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(run->probes[i]->step, steps[i]);
}

/* Seen by a probe, too. */
static void spoil_stem_once(struct tiny_run *run, long step)
{
    if (step == BROKEN - 1 && !spoilt)
        tiny_spoil(run, "stem.bias", PART_VALUE, INFINITY, 1);
    spoilt |= step == BROKEN - 1;
}

/* What was probed and found in the steps that are undone neither comes again nor ends. */
static void a_rollback_forgets_what_was_found_behind_it(void **state)
{
    (void)state;
    static struct tiny_run run;
    static const long expected[] = {0, 1, 4, 8, 12, 2 * TINY_EPOCH};
    init(&run, DIVERGENCE_ROLLBACK);
    run.options.epochs = 2;
    run.options.probe_every = 4;
    run.saved = spoil_stem_once;
    tiny_create(&run, NULL);
    finish(&run);
    assert_int_equal(run.rollback_count, 1);
    assert_probed_at(&run, expected, sizeof expected / sizeof *expected);
    assert_int_equal(run.finding_count, 2);
    assert_int_equal(run.findings[0].kind, FINDING_NOT_FINITE);
    assert_int_equal(run.findings[1].kind, FINDING_DIVERGENCE);
    tiny_free(&run);
}

/* ---- Close looks ---- */

/* Step 4's loss and those behind it are twenty times the others. */
static void only_hurry(struct tiny_run *run, long step)
{
    if (step == 3)
        tiny_spoil(run, "head.bias", PART_VALUE, 60, 1);
}

static void while_the_loss_is_high_each_step_is_probed(void **state)
{
    (void)state;
    static struct tiny_run run;
    static const long expected[] = {0, 1, 4, 5, 6, 7, TINY_EPOCH};
    init(&run, DIVERGENCE_PAUSE);
    run.options.checkpoint_every = 1;
    run.options.probe_every = 1000;
    run.saved = only_hurry;
    tiny_create(&run, NULL);
    finish(&run);
    assert_true(run.steps[3].loss > 10 && run.steps[7].loss > 10);
    assert_probed_at(&run, expected, sizeof expected / sizeof *expected);
    tiny_free(&run);
}

/* ---- Continue ---- */

/* The batch is passed over, then the bias is mended by what it was at the checkpoint before. */
static void mend(struct tiny_run *run, const struct finding *finding)
{
    if (!finding->over)
        tiny_restore(run, checkpoint_at(run, BROKEN - 1));
}

static void a_batch_is_passed_over_and_nothing_else_changes(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    init(&run, DIVERGENCE_CONTINUE);
    run.found = mend;
    tiny_create(&run, NULL);
    finish(&run);
    assert_int_equal(run.finding_count, 2);
    assert_non_null(strstr(run.findings[0].text, "batch passed over: diverged at step 5"));
    assert_int_equal(run.findings[0].severity, FINDING_WARNING);
    assert_true(run.findings[1].over && run.findings[1].since == BROKEN && run.findings[1].step == BROKEN + 1);
    assert_int_equal(run.step_count, TINY_EPOCH - 1); /* all but that one */
    assert_int_equal(run.steps[BROKEN - 1].step, BROKEN + 1);

    struct tiny_checkpoint from = *checkpoint_at(&run, BROKEN - 1);
    from.state.step++;
    from.state.batch_in_epoch++;
    train_from(&reference, &from);
    assert_same_steps(&run, BROKEN + 1, &reference);
    tiny_assert_same_end(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* The probe of a diagnosis tells what led to it; that the step was not finite is said once, by the diagnosis. */
static void the_probe_of_a_diagnosis_says_nothing_twice(void **state)
{
    (void)state;
    static struct tiny_run run;
    init(&run, DIVERGENCE_CONTINUE);
    run.options.probe_every = 3;
    run.found = mend;
    tiny_create(&run, NULL);
    finish(&run);
    assert_true(run.probe_count >= 5);
    assert_int_equal(run.probes[3]->step, BROKEN - 1); /* out of its turn */
    assert_int_equal(run.probes[4]->step, BROKEN + 1);
    for (int i = 0; i < run.finding_count; i++)
        assert_int_not_equal(run.findings[i].kind, FINDING_NOT_FINITE);
    tiny_free(&run);
}

/* A batch that is passed over is one of the steps that a person asked for. */
static void steps_that_are_passed_over_count(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    init(&run, DIVERGENCE_CONTINUE);
    run.found = mend;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STEP, 0, BROKEN + 1);
    tiny_wait(&run, TRAINER_PAUSED, BROKEN + 1);
    assert_int_equal(run.step_count, BROKEN);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    tiny_free(&run);
}

/* A run that passed over most of its batches has learnt next to nothing, and does not end as one that has. */
static void a_run_that_passed_over_most_batches_has_diverged(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    struct snapshot snapshot;
    init(&run, DIVERGENCE_CONTINUE);
    run.options.steps = 11;
    run.options.epochs = 2;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_run(run.trainer, &error), -1);
    trainer_snapshot(run.trainer, &snapshot);
    assert_int_equal(snapshot.state, TRAINER_DIVERGED);
    assert_int_equal(snapshot.skipped_batches, 7);
    assert_int_equal(snapshot.step.step, 11); /* the header goes on */
    assert_true(snapshot.step.learning_rate == 0.1f);
    assert_non_null(strstr(run.diagnosis, "7 of 11 batches were passed over"));
    tiny_free(&run);
}

static void inflate(struct tiny_run *run, long step)
{
    if (step == 4)
        tiny_spoil(run, "head.bias", PART_EMA, 1e5f, 1); /* what is measured */
}

/* The first accuracy there is would be the best so far. */
static void an_absurd_loss_is_never_the_best(void **state)
{
    (void)state;
    static struct tiny_run run;
    init(&run, DIVERGENCE_PAUSE);
    run.saved = inflate;
    tiny_create(&run, NULL);
    finish(&run);
    assert_true(run.epochs[0].validation_loss > 100 && run.epochs[0].validation_accuracy >= 0);
    assert_false(run.epochs[0].best || tiny_last(&run)->best);
    assert_true(tiny_last(&run)->state.best_accuracy == -1);
    tiny_free(&run);
}

static void passing_over_is_given_up_after_a_hundred(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    init(&run, DIVERGENCE_CONTINUE);
    run.options.epochs = 20;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_run(run.trainer, &error), -1);
    assert_int_equal(run.diverged_step, BROKEN + 100);
    assert_int_equal(run.step_count, BROKEN - 1);
    assert_int_equal(run.finding_count, 2);
    assert_int_equal(run.findings[1].severity, FINDING_ALARM);
    assert_non_null(strstr(run.diagnosis, "after 100 batches passed over: diverged at step 105"));
    tiny_free(&run);
}

/* ---- Pause ---- */

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
    for (int tries = 0; count > 0 && tries < 60000; tries++) {
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
    init(&run, DIVERGENCE_PAUSE);
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

    tiny_restore(&run, checkpoint_at(&run, BROKEN - 1)); /* a paused trainer touches no weights */
    tiny_command(&run, COMMAND_SCALE_LEARNING_RATE, 0.1, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    trainer_snapshot(run.trainer, &snapshot);
    assert_false(snapshot.diverged);
    assert_string_equal(snapshot.message, "");
    assert_int_equal(run.step_count, TINY_EPOCH);

    struct tiny_checkpoint from = *checkpoint_at(&run, BROKEN - 1);
    from.state.learning_rate = run.steps[BROKEN - 1].learning_rate;
    train_from(&reference, &from);
    assert_same_steps(&run, BROKEN, &reference);
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
    init(&run, DIVERGENCE_PAUSE);
    start(&run);
    trainer_request_stop(run.trainer);
    assert_int_equal(trainer_join(run.trainer, &error), -1);
    assert_string_equal(error.message, run.diagnosis);
    trainer_snapshot(run.trainer, &snapshot);
    assert_int_equal(snapshot.state, TRAINER_DIVERGED);
    assert_int_equal(tiny_last(&run)->state.step, BROKEN - 1);
    tiny_free(&run);
}

/* From a pause to a rollback: the policy of the moment counts, and what it goes back to is a checkpoint from before the
 * weights that the step broke on; of those none is made. */
static void the_policy_may_be_changed_on_the_way(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    init(&run, DIVERGENCE_PAUSE);
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
    for (int tries = 0; snapshot.step.step != 0 && tries < 60000; tries++) {
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
    init(&run, DIVERGENCE_PAUSE);
    start(&run);
    trainer_snapshot(run.trainer, &snapshot);
    assert_int_equal(snapshot.good_step, 0);
    tiny_command(&run, COMMAND_SAVE, 0, 0);
    tiny_command(&run, COMMAND_SCALE_LEARNING_RATE, 0.5, 0);
    tiny_command(&run, COMMAND_BACK, 0, 3);
    tiny_command(&run, COMMAND_BACK, 0, 9);
    tiny_command(&run, COMMAND_BACK, 0, -1);
    tiny_command(&run, COMMAND_PAUSE, 0, 0);
    wait_at_step_0(&run);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_int_equal(run.rollback_count, 1);
    assert_int_equal(run.rollbacks[0], 0);
    assert_false(run.commands[2].ok);
    assert_string_equal(run.commands[2].outcome, "no checkpoint at step 3");
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

    struct tiny_checkpoint from = *checkpoint_at(&run, 0);
    from.state.learning_rate = 0.05f;
    train_from(&reference, &from);
    assert_same_steps(&run, 1, &reference);
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
    init(&run, DIVERGENCE_PAUSE);
    start(&run);
    assert_false(tiny_last(&run)->state.unsound);
    tiny_command(&run, COMMAND_SAVE, 0, 0);
    tiny_command(&run, COMMAND_STOP, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), -1);
    assert_true(tiny_last(&run)->state.step == BROKEN - 1);
    assert_true(tiny_last(&run)->state.unsound || run.checkpoint_count == 2); /* the stop may come first */
    tiny_free(&run);

    init(&run, DIVERGENCE_ROLLBACK);
    run.options.checkpoint_every = 1;
    run.saved = hurry;
    tiny_create(&run, NULL);
    finish(&run);
    assert_true(checkpoint_at(&run, 4)->state.unsound);
    assert_false(checkpoint_at(&run, 3)->state.unsound);
    tiny_free(&run);
}

/* Weights from before the explosion are named, the ones behind it are not. */
static void an_explosion_names_the_checkpoint_before_it(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    init(&run, DIVERGENCE_PAUSE);
    run.options.checkpoint_every = 1;
    run.saved = hurry;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_run(run.trainer, &error), -1);
    assert_non_null(
        strstr(run.diagnosis, ". The weights are already lost since step 4: `back` goes to checkpoint 2. "));
    tiny_free(&run);
}

int divergences_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rollback_goes_on_as_from_its_checkpoint_at_half_the_rate),
        cmocka_unit_test(after_a_rollback_the_same_rate_gives_the_same_losses),
        cmocka_unit_test(a_rollback_mends_what_no_step_would),
        cmocka_unit_test(a_rollback_passes_over_checkpoints_of_an_explosion),
        cmocka_unit_test(a_rollback_forgets_the_losses_behind_it),
        cmocka_unit_test(a_rollback_forgets_what_was_found_behind_it),
        cmocka_unit_test(while_the_loss_is_high_each_step_is_probed),
        cmocka_unit_test(a_batch_is_passed_over_and_nothing_else_changes),
        cmocka_unit_test(steps_that_are_passed_over_count),
        cmocka_unit_test(the_probe_of_a_diagnosis_says_nothing_twice),
        cmocka_unit_test(a_run_that_passed_over_most_batches_has_diverged),
        cmocka_unit_test(an_absurd_loss_is_never_the_best),
        cmocka_unit_test(passing_over_is_given_up_after_a_hundred),
        cmocka_unit_test(a_person_changes_something_and_the_step_is_tried_again),
        cmocka_unit_test(leaving_at_a_divergence_ends_as_diverged),
        cmocka_unit_test(the_policy_may_be_changed_on_the_way),
        cmocka_unit_test(a_person_goes_back_to_a_good_checkpoint),
        cmocka_unit_test(a_checkpoint_of_lost_weights_is_unsound),
        cmocka_unit_test(an_explosion_names_the_checkpoint_before_it),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
