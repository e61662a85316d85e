/* --on-divergence continue; see divergences.h. */
#include "tests/engine/divergences_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

/* The batch is passed over, then the bias is mended by what it was at the checkpoint before. */
static void mend(struct tiny_run *run, const struct finding *finding)
{
    if (!finding->over)
        tiny_restore(run, diverging_checkpoint(run, BROKEN - 1));
}

static void a_batch_is_passed_over_and_nothing_else_changes(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    struct snapshot snapshot;
    diverging_init(&run, DIVERGENCE_CONTINUE);
    run.found = mend;
    tiny_create(&run, NULL);
    diverging_finish(&run);
    assert_int_equal(run.finding_count, 2);
    assert_non_null(strstr(run.findings[0].text, "batch passed over: diverged at step 5"));
    assert_int_equal(run.findings[0].severity, FINDING_WARNING);
    assert_true(run.findings[1].over && run.findings[1].since == BROKEN && run.findings[1].step == BROKEN + 1);
    assert_int_equal(run.step_count, TINY_EPOCH - 1); /* all but that one */
    trainer_snapshot(run.trainer, &snapshot);
    assert_int_equal(snapshot.skipped_batches, 1);
    assert_int_equal(snapshot.trained_steps, TINY_EPOCH - 1); /* nor are its images among those of the speed */
    assert_int_equal(snapshot.images, TINY_TRAIN - 8);
    assert_int_equal(run.steps[BROKEN - 1].step, BROKEN + 1);

    struct tiny_checkpoint from = *diverging_checkpoint(&run, BROKEN - 1);
    from.state.step++;
    from.state.batch_in_epoch++;
    diverging_train_from(&reference, &from);
    diverging_assert_same_steps(&run, BROKEN + 1, &reference);
    tiny_assert_same_end(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* The probe of a diagnosis tells what led to it; that the step was not finite is said once, by the diagnosis. */
static void the_probe_of_a_diagnosis_says_nothing_twice(void **state)
{
    (void)state;
    static struct tiny_run run;
    diverging_init(&run, DIVERGENCE_CONTINUE);
    run.options.probe_every = 3;
    run.found = mend;
    tiny_create(&run, NULL);
    diverging_finish(&run);
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
    diverging_init(&run, DIVERGENCE_CONTINUE);
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
    diverging_init(&run, DIVERGENCE_CONTINUE);
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
    diverging_init(&run, DIVERGENCE_PAUSE);
    run.saved = inflate;
    tiny_create(&run, NULL);
    diverging_finish(&run);
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
    diverging_init(&run, DIVERGENCE_CONTINUE);
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

int divergences_continue(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_passed_over_and_nothing_else_changes),
        cmocka_unit_test(steps_that_are_passed_over_count),
        cmocka_unit_test(the_probe_of_a_diagnosis_says_nothing_twice),
        cmocka_unit_test(a_run_that_passed_over_most_batches_has_diverged),
        cmocka_unit_test(an_absurd_loss_is_never_the_best),
        cmocka_unit_test(passing_over_is_given_up_after_a_hundred),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
