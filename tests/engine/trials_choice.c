/* What becomes of a trial: accepted, taken back, dropped; and ranges of rates. See trials.h. */
#include "tests/engine/trials_fixture.h"

#include "tests/engine/tiny_reference.h"

#include "engine/lr_find.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* ---- The choice ---- */

static void try_two_rates(struct tiny_run *run)
{
    tiny_init(run, "micro");
    trial_begin(run);
    trial_send(run, COMMAND_TRY, &trial_two_rates);
    trial_wait_for(run, COMMAND_TRY);
}

/* Accepted, it is a command at the step, and the run then makes the trial's steps itself. */
static void accept_and_compare(double value, long count, int chosen)
{
    static struct tiny_run run;
    try_two_rates(&run);
    const struct trial_result results[] = {trial_news(TRIAL_ENDS, 0, 0)->result, trial_news(TRIAL_ENDS, 1, 0)->result};
    if (chosen < 0)
        chosen = trial_best(results, 2, TRIAL_STEPS_MADE);
    tiny_command(&run, COMMAND_ACCEPT, value, count);
    const struct command_record *record = trial_wait_for(&run, COMMAND_LEARNING_RATE);
    assert_true(record->ok);
    assert_int_equal(record->step, TRIAL_FROM);
    assert_true(record->command.value == trial_two_rates.values[chosen]);
    assert_string_equal(record->command.text, chosen ? "lr 0.3" : "lr 0.05");
    assert_non_null(trial_news(TRIAL_GONE, 0, 0));
    trial_finish(&run);
    for (int i = 0; i < TRIAL_STEPS_MADE; i++)
        assert_true(run.steps[TRIAL_FROM + i].loss == trial_news(TRIAL_STEPS, chosen, i)->taken.loss_min);
    tiny_free(&run);
}

static void what_is_accepted_becomes_the_runs_own(void **state)
{
    (void)state;
    accept_and_compare((double)NAN, 0, -1);
    accept_and_compare((double)NAN, 1, 0);
    accept_and_compare((double)NAN, 2, 1);
    accept_and_compare(0.3, -1, 1);
    accept_and_compare(0.0500001, -1, 0); /* as it is shown */
}

/* `back` leads to the state before what was accepted, to the bit. */
static void what_is_accepted_can_be_taken_back(void **state)
{
    (void)state;
    static struct tiny_run run;
    try_two_rates(&run);
    tiny_command(&run, COMMAND_ACCEPT, (double)NAN, 2);
    assert_true(trial_wait_for(&run, COMMAND_LEARNING_RATE)->ok);
    tiny_command(&run, COMMAND_STEP, 0, 2);
    tiny_wait(&run, TRAINER_PAUSED, TRIAL_FROM + 2);
    tiny_command(&run, COMMAND_BACK, 0, BACK_LAST);
    assert_true(trial_wait_for(&run, COMMAND_ROLLBACK)->ok);
    assert_int_equal(trial_viewer.last.step, TRIAL_FROM);
    trial_finish(&run);
    tiny_assert_same_steps(tiny_reference(), &run);
    tiny_assert_same_end(tiny_reference(), &run);
    tiny_free(&run);
}

static void what_was_not_tried_cannot_be_accepted(void **state)
{
    (void)state;
    static struct tiny_run run;
    try_two_rates(&run);
    tiny_command(&run, COMMAND_ACCEPT, 3, 3);
    assert_string_equal(trial_wait_for(&run, COMMAND_ACCEPT)->outcome,
                        "that was not tried: there are 0.05, 0.3, numbered from 1");
    struct trial_request wrong = trial_two_rates;
    wrong.values[0] = -1;
    trial_send(&run, COMMAND_TRY, &wrong); /* it is refused, and what was tried before is still there */
    assert_false(trial_wait_for(&run, COMMAND_TRY)->ok);
    tiny_command(&run, COMMAND_STEP, 0, 1);
    tiny_wait(&run, TRAINER_PAUSED, TRIAL_FROM + 1);
    tiny_command(&run, COMMAND_ACCEPT, (double)NAN, 0);
    assert_string_equal(trial_wait_for(&run, COMMAND_ACCEPT)->outcome,
                        "it was tried from step 3 on, and the run stands at 4: back 3 goes there");
    trial_finish(&run);
    trial_assert_untouched(&run);
    tiny_free(&run);
}

static void try_at_three(struct tiny_run *run, const struct step_record *record)
{
    if (record->step == TRIAL_FROM)
        trial_send(run, COMMAND_TRY, &trial_two_rates);
}

/* A run that was not paused waits for the choice, and goes on by itself. */
static void a_run_goes_on_as_before(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    run.watch = try_at_three;
    trial_viewer.count = 0;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, false, &error), 0);
    trial_wait_for(&run, COMMAND_TRY);
    tiny_wait(&run, TRAINER_PAUSED, TRIAL_FROM);
    trial_send(&run, COMMAND_TRY, &trial_two_rates); /* once more: that it is paused now is not how it was */
    trial_wait_for(&run, COMMAND_TRY);
    tiny_command(&run, COMMAND_PAUSE, 0, 0); /* and this is what it is to be */
    trial_send(&run, COMMAND_TRY, &trial_two_rates);
    trial_wait_for(&run, COMMAND_TRY);
    tiny_command(&run, COMMAND_DROP, 0, 0);
    assert_string_equal(trial_wait_for(&run, COMMAND_DROP)->outcome, "dropped; paused at step 3");
    run.watch = NULL;
    trial_send(&run, COMMAND_TRY, &trial_two_rates);
    tiny_command(&run, COMMAND_DROP, 0, 0);
    assert_string_equal(trial_wait_for(&run, COMMAND_DROP)->outcome, "dropped; paused at step 3");
    trial_finish(&run);
    trial_assert_untouched(&run);
    tiny_free(&run);
    tiny_init(&run, "micro");
    run.watch = try_at_three;
    trial_viewer.count = 0;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, false, &error), 0);
    trial_wait_for(&run, COMMAND_TRY);
    tiny_command(&run, COMMAND_DROP, 0, 0);
    assert_string_equal(trial_wait_for(&run, COMMAND_DROP)->outcome, "dropped; running from step 3");
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    trial_assert_untouched(&run);
    tiny_free(&run);
}

/* ---- A range of rates ---- */

static void a_range_of_rates_leaves_the_run_as_it_was(void **state)
{
    (void)state;
    static struct tiny_run run, plain;
    const struct trial_request range = {.setting = COMMAND_LEARNING_RATE, .values = {1e-4, 1}, .count = 2, .steps = 40};
    for (int i = 0; i < 2; i++) {
        struct tiny_run *each = i ? &run : &plain;
        tiny_init(each, "micro");
        each->options.epochs = 6;
        each->options.steps = 48;
    }
    tiny_run_to_end(&plain, NULL);
    trial_begin(&run);
    trial_send(&run, COMMAND_LR_FIND, &range);
    const struct command_record *record = trial_wait_for(&run, COMMAND_LR_FIND);
    assert_true(record->ok);
    assert_memory_equal(record->outcome, "tried lr 0.0001 to 1 over ", 26);
    struct lr_find find = {.steps = 40};
    for (int i = 0; trial_news(TRIAL_STEPS, 0, i); i++) {
        const struct step_summary *taken = &trial_news(TRIAL_STEPS, 0, i)->taken;
        assert_true(taken->learning_rate == (float)lr_find_rate(1e-4, 1, 40, i)); /* no schedule takes part */
        (void)lr_find_add(&find, taken->learning_rate, taken->loss_min);
    }
    assert_true(find.count >= LR_FIND_LEAST);
    const struct lr_advice advice = lr_find_advise(&find);
    if (advice.steepest > 0) {
        char words[64];
        snprintf(words, sizeof words, "steepest fall at %.2g,", advice.steepest);
        assert_non_null(strstr(record->outcome, words));
    }
    tiny_command(&run, COMMAND_DROP, 0, 0);
    trial_wait_for(&run, COMMAND_DROP);
    trial_finish(&run);
    tiny_assert_same_steps(&plain, &run);
    tiny_assert_same_end(&plain, &run);
    tiny_free(&plain);
    tiny_free(&run);
}

int trials_choice(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_accepted_becomes_the_runs_own),
        cmocka_unit_test(what_is_accepted_can_be_taken_back),
        cmocka_unit_test(what_was_not_tried_cannot_be_accepted),
        cmocka_unit_test(a_run_goes_on_as_before),
        cmocka_unit_test(a_range_of_rates_leaves_the_run_as_it_was),
    };
    return cmocka_run_group_tests_name("choices after trials", tests, tiny_open, tiny_close_reference);
}
