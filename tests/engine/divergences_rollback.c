/* --on-divergence rollback, and the probes that are taken while the loss rises; see divergences.h. */
#include "tests/engine/divergences_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void a_rollback_goes_on_as_from_its_checkpoint_at_half_the_rate(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    diverging_init(&run, DIVERGENCE_ROLLBACK);
    tiny_create(&run, NULL);
    diverging_finish(&run);
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

    struct tiny_checkpoint from = *diverging_checkpoint(&run, BROKEN - 1);
    assert_true(from.state.learning_rate == 0.1f);
    from.state.learning_rate = 0.05f;
    diverging_train_from(&reference, &from);
    diverging_assert_same_steps(&run, BROKEN, &reference);
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
    diverging_init(&run, DIVERGENCE_ROLLBACK);
    run.found = restore_rate;
    tiny_create(&run, NULL);
    diverging_finish(&run);
    diverging_init(&reference, DIVERGENCE_PAUSE);
    reference.saved = NULL;
    tiny_create(&reference, NULL);
    diverging_finish(&reference);
    diverging_assert_same_steps(&run, 1, &reference);
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
    diverging_init(&run, DIVERGENCE_ROLLBACK);
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
static void a_rollback_passes_over_checkpoints_of_an_explosion(void **state)
{
    (void)state;
    static struct tiny_run run;
    diverging_init(&run, DIVERGENCE_ROLLBACK);
    run.options.checkpoint_every = 1;
    run.saved = diverging_hurry;
    tiny_create(&run, NULL);
    diverging_finish(&run);
    assert_true(diverging_checkpoint(&run, 4)->state.last_loss > 10);
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
        diverging_hurry(run, step);
}

static void a_rollback_forgets_the_losses_behind_it(void **state)
{
    (void)state;
    static struct tiny_run run;
    char losses[64];
    diverging_init(&run, DIVERGENCE_ROLLBACK);
    run.options.checkpoint_every = 1;
    run.saved = hurry_then_spoil;
    tiny_create(&run, NULL);
    diverging_finish(&run);
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
    if (step == BROKEN - 1 && !diverging_spoilt)
        tiny_spoil(run, "stem.bias", PART_VALUE, INFINITY, 1);
    diverging_spoilt |= step == BROKEN - 1;
}

/* What was probed and found in the steps that are undone neither comes again nor ends. */
static void a_rollback_forgets_what_was_found_behind_it(void **state)
{
    (void)state;
    static struct tiny_run run;
    static const long expected[] = {0, 1, 4, 8, 12, 2 * TINY_EPOCH};
    diverging_init(&run, DIVERGENCE_ROLLBACK);
    run.options.epochs = 2;
    run.options.probe_every = 4;
    run.saved = spoil_stem_once;
    tiny_create(&run, NULL);
    diverging_finish(&run);
    assert_int_equal(run.rollback_count, 1);
    assert_probed_at(&run, expected, sizeof expected / sizeof *expected);
    assert_int_equal(run.finding_count, 2);
    assert_int_equal(run.findings[0].kind, FINDING_NOT_FINITE);
    assert_int_equal(run.findings[1].kind, FINDING_DIVERGENCE);
    tiny_free(&run);
}

static void spoil_behind_10(struct tiny_run *run, const struct step_record *record)
{
    if (record->step == 10 && run->rollback_count == 0)
        tiny_spoil(run, "head.bias", PART_VALUE, INFINITY, 1);
}

/* The probe of step 10 was of weights that are undone, and its record is gone: it is taken again. */
static void a_rollback_probes_again_what_it_undid(void **state)
{
    (void)state;
    static struct tiny_run run;
    static const long expected[] = {0, 1, 4, 5, 10, 10, 15, 2 * TINY_EPOCH};
    diverging_init(&run, DIVERGENCE_ROLLBACK);
    run.options.epochs = 2;
    run.options.probe_every = 5;
    run.options.checkpoint_every = 3;
    run.watch = spoil_behind_10;
    tiny_create(&run, NULL);
    diverging_finish(&run);
    assert_int_equal(run.rollback_count, 1);
    assert_int_equal(run.rollbacks[0], 9); /* where none is due */
    assert_probed_at(&run, expected, sizeof expected / sizeof *expected);
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
    diverging_init(&run, DIVERGENCE_PAUSE);
    run.options.checkpoint_every = 1;
    run.options.probe_every = 1000;
    run.saved = only_hurry;
    tiny_create(&run, NULL);
    diverging_finish(&run);
    assert_true(run.steps[3].loss > 10 && run.steps[7].loss > 10);
    assert_probed_at(&run, expected, sizeof expected / sizeof *expected);
    tiny_free(&run);
}

/* With the policy that is in force again the weights are looked at: what it goes back to was before the change. */
static void an_undo_that_rolls_back_leaves_no_change(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    diverging_init(&run, DIVERGENCE_ROLLBACK);
    run.saved = NULL;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_ON_DIVERGENCE, DIVERGENCE_PAUSE, 0);
    tiny_command(&run, COMMAND_STEP, 0, 2);
    tiny_wait(&run, TRAINER_PAUSED, 2);
    tiny_spoil(&run, "head.bias", PART_MOMENTUM, INFINITY, 1);
    tiny_command(&run, COMMAND_UNDO, 0, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_int_equal(run.rollback_count, 1);
    assert_int_equal(tiny_last(&run)->state.change_count, 0);
    tiny_free(&run);
}

static long none_is_good(void *context, long limit)
{
    (void)context;
    (void)limit;
    return -1;
}

/* Chosen while the loss is high already: no copy of good weights was made, and none is on the disk. */
static void choose_rollback(struct tiny_run *run, const struct step_record *record)
{
    if (record->step == BROKEN - 1)
        tiny_command(run, COMMAND_ON_DIVERGENCE, DIVERGENCE_ROLLBACK, 0);
}

static void a_rollback_that_has_nowhere_to_go_says_so(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    diverging_init(&run, DIVERGENCE_PAUSE);
    run.options.checkpoint_every = 1;
    run.saved = diverging_hurry;
    run.watch = choose_rollback;
    run.sink.good_step = none_is_good;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_run(run.trainer, &error), -1);
    assert_int_equal(run.rollback_count, 0);
    assert_non_null(
        strstr(run.diagnosis, "no checkpoint from before the loss rose is there to roll back to: diverged"));
    tiny_free(&run);
}

int divergences_rollback(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rollback_goes_on_as_from_its_checkpoint_at_half_the_rate),
        cmocka_unit_test(after_a_rollback_the_same_rate_gives_the_same_losses),
        cmocka_unit_test(a_rollback_mends_what_no_step_would),
        cmocka_unit_test(an_undo_that_rolls_back_leaves_no_change),
        cmocka_unit_test(a_rollback_passes_over_checkpoints_of_an_explosion),
        cmocka_unit_test(a_rollback_forgets_the_losses_behind_it),
        cmocka_unit_test(a_rollback_forgets_what_was_found_behind_it),
        cmocka_unit_test(a_rollback_probes_again_what_it_undid),
        cmocka_unit_test(while_the_loss_is_high_each_step_is_probed),
        cmocka_unit_test(a_rollback_that_has_nowhere_to_go_says_so),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
