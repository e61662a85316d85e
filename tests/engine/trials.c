/* See trials.h. */
#include "tests/engine/trials.h"

#include "tests/engine/tiny_reference.h"
#include "tests/engine/trials_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

/* ---- The state afterwards ---- */

static void a_trial_leaves_the_run_as_it_was(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct snapshot now;
    tiny_init(&run, "micro");
    trial_begin(&run);
    const int saved = run.checkpoint_count;
    trial_send(&run, COMMAND_TRY, &trial_two_rates);
    const struct command_record *record = trial_wait_for(&run, COMMAND_TRY);
    assert_true(record->ok);
    assert_int_equal(record->step, TRIAL_FROM);
    assert_memory_equal(record->outcome, "tried lr 0.05, 0.3 for 10 steps: loss ", 38);
    assert_non_null(strstr(record->outcome, " (best)"));
    tiny_wait(&run, TRAINER_PAUSED, TRIAL_FROM);
    trainer_snapshot(run.trainer, &now);
    assert_int_equal(now.step.step, TRIAL_FROM);
    assert_int_equal(now.trial.count, 0);
    assert_int_equal(run.step_count, TRIAL_FROM); /* the sink has heard of none of it */
    assert_int_equal(run.checkpoint_count, saved);
    assert_int_equal(run.finding_count, trial_viewer.findings);
    tiny_command(&run, COMMAND_DROP, 0, 0);
    assert_string_equal(trial_wait_for(&run, COMMAND_DROP)->outcome, "dropped; paused at step 3");
    assert_non_null(trial_news(TRIAL_GONE, 0, 0));
    trial_finish(&run);
    trial_assert_untouched(&run);
    tiny_free(&run);
}

/* Over the end of an epoch, behind which a batch of another size is to come: with it the data's order, the number of
 * steps and the plans change, and all of it changes back. */
static void a_trial_crosses_a_change_of_the_batch(void **state)
{
    (void)state;
    static struct tiny_run runs[2];
    for (int i = 0; i < 2; i++) {
        tiny_init(&runs[i], "micro");
        trial_begin(&runs[i]);
        tiny_command(&runs[i], COMMAND_BATCH, 6, 0);
        assert_true(trial_wait_for(&runs[i], COMMAND_BATCH)->ok);
        if (i == 1) {
            trial_send(&runs[i], COMMAND_TRY, &trial_two_rates);
            assert_true(trial_wait_for(&runs[i], COMMAND_TRY)->ok);
            assert_int_equal(trial_news(TRIAL_ENDS, 1, 0)->result.steps, TRIAL_STEPS_MADE);
        }
        trial_finish(&runs[i]);
    }
    assert_int_equal(runs[0].step_count, TINY_EPOCH + TINY_TRAIN / 6);
    tiny_assert_same_steps(&runs[0], &runs[1]);
    tiny_assert_same_end(&runs[0], &runs[1]);
    tiny_free(&runs[0]);
    tiny_free(&runs[1]);
}

/* Both are there before the run looks at either: a pause that comes later may find the trial at its end. */
static void try_and_pause(struct tiny_run *run, const struct step_record *record)
{
    if (record->step != TRIAL_FROM)
        return;
    trial_send(run, COMMAND_TRY, &trial_two_rates);
    tiny_command(run, COMMAND_PAUSE, 0, 0);
}

static void a_pause_ends_a_trial_early(void **state)
{
    (void)state;
    static struct tiny_run run;
    tiny_init(&run, "micro");
    run.watch = try_and_pause;
    trial_begin(&run);
    const struct command_record *record = trial_wait_for(&run, COMMAND_TRY);
    assert_true(record->ok);
    assert_non_null(strstr(record->outcome, "; cut short"));
    trial_wait_for(&run, COMMAND_PAUSE);
    assert_null(trial_news(TRIAL_BEGINS, 1, 0)); /* the second value was not begun */
    assert_true(trial_news(TRIAL_ENDS, 0, 0)->result.steps < TRIAL_STEPS_MADE);
    trial_finish(&run);
    trial_assert_untouched(&run);
    tiny_free(&run);
}

static void a_stop_ends_a_trial_and_saves_the_run(void **state)
{
    (void)state;
    static struct tiny_run run, resumed;
    struct error error = {0};
    tiny_init(&run, "micro");
    trial_begin(&run);
    trial_send(&run, COMMAND_TRY, &trial_two_rates);
    trainer_request_stop(run.trainer);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_int_equal(tiny_last(&run)->state.step, TRIAL_FROM);
    tiny_init(&resumed, "micro");
    tiny_run_to_end(&resumed, tiny_last(&run));
    tiny_assert_same_end(tiny_reference(), &resumed);
    tiny_free(&resumed);
    tiny_free(&run);
}

/* A rate that breaks the network breaks its own trial, and nothing else. */
static void a_trial_that_diverges_is_a_result(void **state)
{
    (void)state;
    static struct tiny_run run;
    const struct trial_request trial = {
        .setting = COMMAND_LEARNING_RATE, .values = {1000, 0.05}, .count = 2, .steps = TRIAL_STEPS_MADE};
    tiny_init(&run, "report");
    run.options.schedule = SCHEDULE_CONSTANT;
    run.options.learning_rate = 0.01f;
    trial_begin(&run);
    trial_send(&run, COMMAND_TRY, &trial);
    const struct command_record *record = trial_wait_for(&run, COMMAND_TRY);
    const struct trial_result first = trial_news(TRIAL_ENDS, 0, 0)->result,
                              second = trial_news(TRIAL_ENDS, 1, 0)->result;
    assert_true(first.diverged > TRIAL_FROM);
    assert_int_equal(first.steps, first.diverged - 1 - TRIAL_FROM);
    assert_non_null(strstr(record->outcome, " diverged after "));
    assert_int_equal(second.diverged, 0);
    assert_int_equal(second.steps, TRIAL_STEPS_MADE);
    assert_true(isfinite(second.loss));
    assert_int_equal(run.finding_count, trial_viewer.findings);
    assert_int_equal(run.diverged_step, 0);
    trial_finish(&run);

    static struct tiny_run plain;
    tiny_init(&plain, "report");
    plain.options.schedule = SCHEDULE_CONSTANT;
    plain.options.learning_rate = 0.01f;
    tiny_run_to_end(&plain, NULL);
    tiny_assert_same_steps(&plain, &run);
    tiny_assert_same_end(&plain, &run);
    tiny_free(&plain);
    tiny_free(&run);
}

/* ---- The losses ---- */

/* The steps of a run that has the value from the same checkpoint on. */
static void compare_with_a_run(const struct tiny_checkpoint *from, enum command_kind setting, double value, int index)
{
    static struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    tiny_create(&run, from);
    tiny_command(&run, setting, value, 0);
    tiny_command(&run, COMMAND_STEP, 0, TRIAL_STEPS_MADE);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_wait(&run, TRAINER_PAUSED, TRIAL_FROM + TRIAL_STEPS_MADE);
    assert_int_equal(run.step_count, TRIAL_STEPS_MADE);
    double average = 0, weight = 0;
    for (int i = 0; i < TRIAL_STEPS_MADE; i++) {
        const struct trial_event *tried = trial_news(TRIAL_STEPS, index, i);
        assert_non_null(tried);
        assert_int_equal(tried->taken.count, 1);
        assert_int_equal(tried->taken.last_step, run.steps[i].step);
        assert_true(tried->taken.loss_min == run.steps[i].loss);
        assert_true((float)tried->taken.accuracy_sum == run.steps[i].accuracy);
        assert_true(tried->taken.learning_rate == run.steps[i].learning_rate);
        average = 0.95 * average + 0.05 * (double)run.steps[i].loss;
        weight = 0.95 * weight + 0.05;
    }
    assert_true(fabs(average / weight - (double)trial_news(TRIAL_ENDS, index, 0)->result.loss) < 1e-5);
    tiny_free(&run);
}

/* All values of a trial, behind which the run goes on as if there had been none. */
static void compare_all(const struct trial_request *trial)
{
    static struct tiny_run run;
    tiny_init(&run, "micro");
    trial_begin(&run);
    tiny_command(&run, COMMAND_SAVE, 0, 0);
    trial_send(&run, COMMAND_TRY, trial);
    assert_true(trial_wait_for(&run, COMMAND_TRY)->ok);
    trial_finish(&run);
    trial_assert_untouched(&run);
    const struct tiny_checkpoint *from = NULL;
    for (int c = 0; c < run.checkpoint_count && !from; c++)
        from = run.checkpoints[c].state.step == TRIAL_FROM ? &run.checkpoints[c] : NULL;
    assert_non_null(from);
    for (int v = 0; v < trial->count; v++)
        compare_with_a_run(from, (enum command_kind)trial->setting, trial->values[v], v);
    assert_true(trial_news(TRIAL_ENDS, 0, 0)->result.loss != trial_news(TRIAL_ENDS, 1, 0)->result.loss);
    tiny_free(&run);
}

static void a_trials_losses_are_those_of_a_run_with_the_rate(void **state)
{
    (void)state;
    compare_all(&trial_two_rates);
}

static void a_trials_losses_are_those_of_a_run_with_the_value(void **state)
{
    (void)state;
    static const struct trial_request trials[] = {
        {.setting = COMMAND_MOMENTUM, .values = {0, 0.95}, .count = 2, .steps = TRIAL_STEPS_MADE},
        {.setting = COMMAND_WEIGHT_DECAY, .values = {0, 0.01}, .count = 2, .steps = TRIAL_STEPS_MADE},
        {.setting = COMMAND_AGC, .values = {0.001, 1}, .count = 2, .steps = TRIAL_STEPS_MADE},
        {.setting = COMMAND_LABEL_SMOOTHING, .values = {0, 0.3}, .count = 2, .steps = TRIAL_STEPS_MADE},
    };
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++)
        compare_all(&trials[i]);
}

static void a_factor_is_of_the_value_in_force(void **state)
{
    (void)state;
    static struct tiny_run run;
    const struct trial_request trial = {
        .setting = COMMAND_LEARNING_RATE, .values = {0.5, 0.25}, .relative = {true, false}, .count = 2, .steps = 1};
    tiny_init(&run, "micro");
    run.options.learning_rate = 0.5f;
    trial_begin(&run);
    trial_send(&run, COMMAND_TRY, &trial);
    assert_memory_equal(trial_wait_for(&run, COMMAND_TRY)->outcome, "tried lr 0.25, 0.25 for 1 steps", 31);
    assert_true(trial_news(TRIAL_STEPS, 0, 0)->taken.loss_min == trial_news(TRIAL_STEPS, 1, 0)->taken.loss_min);
    tiny_free(&run);
}

/* ---- What is refused ---- */

static void what_cannot_be_is_refused_before_a_step(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct trial_request trial = {
        .setting = COMMAND_LEARNING_RATE, .values = {0.1, 1e9}, .relative = {false, true}, .count = 2, .steps = 2};
    tiny_init(&run, "micro");
    trial_begin(&run);
    trial_send(&run, COMMAND_TRY, &trial);
    assert_false(trial_wait_for(&run, COMMAND_TRY)->ok);
    assert_non_null(strstr(trial_viewer.last.outcome, "the learning rate must be above 0 and up to 1000"));
    trial =
        (struct trial_request){.setting = COMMAND_MOMENTUM, .values = {2}, .relative = {true}, .count = 1, .steps = 2};
    trial_send(&run, COMMAND_TRY, &trial);
    assert_false(trial_wait_for(&run, COMMAND_TRY)->ok);
    assert_int_equal(trial_viewer.count, 0);
    tiny_command(&run, COMMAND_ACCEPT, (double)NAN, 0);
    assert_string_equal(trial_wait_for(&run, COMMAND_ACCEPT)->outcome, "nothing was tried that could be accepted");
    tiny_command(&run, COMMAND_DROP, 0, 0);
    assert_string_equal(trial_wait_for(&run, COMMAND_DROP)->outcome, "nothing was tried that could be dropped");
    trial_finish(&run);
    trial_assert_untouched(&run);
    tiny_free(&run);
}

/* No trial waits in a checkpoint for its step. */
static void a_trial_cannot_be_put_off(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {0};
    const struct command later = {.kind = COMMAND_TRY,
                                  .trial = trial_two_rates,
                                  .when = {.quantity = WHEN_STEP, .relation = RELATION_AT, .value = 5},
                                  .text = "at 5 try lr 0.05 0.3"};
    tiny_init(&run, "micro");
    trial_begin(&run);
    assert_int_equal(trainer_command(run.trainer, &later, &error), 0);
    assert_false(trial_wait_for(&run, COMMAND_WAIT)->ok);
    trial_finish(&run);
    trial_assert_untouched(&run);
    tiny_free(&run);
}

static void a_trial_ends_where_the_run_does(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct trial_request trial = trial_two_rates;
    trial.steps = 1000;
    tiny_init(&run, "micro");
    trial_begin(&run);
    trial_send(&run, COMMAND_TRY, &trial);
    assert_true(trial_wait_for(&run, COMMAND_TRY)->ok);
    assert_int_equal(trial_news(TRIAL_ENDS, 1, 0)->result.steps, 2 * TINY_EPOCH - TRIAL_FROM);
    trial_finish(&run);
    trial_assert_untouched(&run);
    tiny_free(&run);
}

int trials_run_few(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trial_leaves_the_run_as_it_was),
        cmocka_unit_test(a_trial_that_diverges_is_a_result),
        cmocka_unit_test(a_trials_losses_are_those_of_a_run_with_the_rate),
    };
    return cmocka_run_group_tests_name("what-if trials, a few", tests, tiny_open, tiny_close_reference);
}

int trials_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trials_losses_are_those_of_a_run_with_the_rate),
        cmocka_unit_test(a_trial_leaves_the_run_as_it_was),
        cmocka_unit_test(a_trial_crosses_a_change_of_the_batch),
        cmocka_unit_test(a_pause_ends_a_trial_early),
        cmocka_unit_test(a_stop_ends_a_trial_and_saves_the_run),
        cmocka_unit_test(a_trial_that_diverges_is_a_result),
        cmocka_unit_test(a_trials_losses_are_those_of_a_run_with_the_value),
        cmocka_unit_test(a_factor_is_of_the_value_in_force),
        cmocka_unit_test(what_cannot_be_is_refused_before_a_step),
        cmocka_unit_test(a_trial_cannot_be_put_off),
        cmocka_unit_test(a_trial_ends_where_the_run_does),
    };
    return cmocka_run_group_tests_name("what-if trials", tests, tiny_open, tiny_close_reference) + trials_choice();
}
