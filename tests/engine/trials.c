/* See trials.h. */
#include "tests/engine/trials.h"

#include "tests/engine/tiny_reference.h"

#include "engine/lr_find.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { FROM = 3, LONG_ENOUGH = 10, /* over the end of the first epoch */ MOST_NEWS = 512 };

/* ---- A run and what its viewer is told ---- */

static struct {
    struct trial_event news[MOST_NEWS];
    int count, findings; /* before the trial: a pause probes, and what a probe shows is told */
    struct command_record last;
} viewer;

/* Takes events until a command of that kind is recorded; fails the test after a minute. */
static const struct command_record *wait_for_command(struct tiny_run *run, enum command_kind kind)
{
    struct event event;
    for (int tries = 0; tries < 60000; tries++) {
        while (trainer_next_event(run->trainer, &event)) {
            if (event.kind == EVENT_TRIAL) {
                assert_true(viewer.count < MOST_NEWS);
                viewer.news[viewer.count++] = event.trial;
            }
            if (event.kind != EVENT_COMMAND || event.command.command.kind != kind)
                continue;
            viewer.last = event.command;
            return &viewer.last;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    fail_msg("command %d was not done within a minute", (int)kind);
    return NULL;
}

static void send(struct tiny_run *run, enum command_kind kind, const struct trial_request *trial)
{
    struct error error = {0};
    const struct command command = {.kind = kind, .trial = *trial, .text = "as typed"};
    assert_int_equal(trainer_command(run->trainer, &command, &error), 0);
}

/* Paused behind step FROM. */
static void begin(struct tiny_run *run)
{
    struct error error = {0};
    viewer.count = 0;
    tiny_create(run, NULL);
    assert_int_equal(trainer_start(run->trainer, true, &error), 0);
    tiny_command(run, COMMAND_STEP, 0, FROM);
    wait_for_command(run, COMMAND_STEP);
    tiny_wait(run, TRAINER_PAUSED, FROM);
    viewer.findings = run->finding_count;
}

static void finish(struct tiny_run *run)
{
    struct error error = {0};
    tiny_command(run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run->trainer, &error), 0);
}

static const struct trial_request two_rates = {
    .setting = COMMAND_LEARNING_RATE, .values = {0.05, 0.3}, .count = 2, .steps = LONG_ENOUGH};

static const struct trial_event *news(enum trial_news kind, int index, int number)
{
    for (int i = 0; i < viewer.count; i++)
        if (viewer.news[i].news == kind && viewer.news[i].index == index && number-- == 0)
            return &viewer.news[i];
    return NULL;
}

/* The run went on as if nothing had been tried: every bit, and nothing more than ever told to the sink. */
static void assert_untouched(const struct tiny_run *run)
{
    const struct tiny_run *plain = tiny_reference();
    assert_int_equal(run->step_count, plain->step_count);
    assert_int_equal(run->epoch_count, plain->epoch_count);
    assert_int_equal(run->diverged_step, 0);
    assert_int_equal(run->rollback_count, 0);
    tiny_assert_same_steps(plain, run);
    tiny_assert_same_end(plain, run);
}

/* ---- The state afterwards ---- */

static void a_trial_leaves_the_run_as_it_was(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct snapshot now;
    tiny_init(&run, "micro");
    begin(&run);
    const int saved = run.checkpoint_count;
    send(&run, COMMAND_TRY, &two_rates);
    const struct command_record *record = wait_for_command(&run, COMMAND_TRY);
    assert_true(record->ok);
    assert_int_equal(record->step, FROM);
    assert_memory_equal(record->outcome, "tried lr 0.05, 0.3 for 10 steps: loss ", 38);
    assert_non_null(strstr(record->outcome, " (best)"));
    tiny_wait(&run, TRAINER_PAUSED, FROM);
    trainer_snapshot(run.trainer, &now);
    assert_int_equal(now.step.step, FROM);
    assert_int_equal(now.trial.count, 0);
    assert_int_equal(run.step_count, FROM); /* the sink has heard of none of it */
    assert_int_equal(run.checkpoint_count, saved);
    assert_int_equal(run.finding_count, viewer.findings);
    tiny_command(&run, COMMAND_DROP, 0, 0);
    assert_string_equal(wait_for_command(&run, COMMAND_DROP)->outcome, "dropped; paused at step 3");
    assert_non_null(news(TRIAL_GONE, 0, 0));
    finish(&run);
    assert_untouched(&run);
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
        begin(&runs[i]);
        tiny_command(&runs[i], COMMAND_BATCH, 6, 0);
        assert_true(wait_for_command(&runs[i], COMMAND_BATCH)->ok);
        if (i == 1) {
            send(&runs[i], COMMAND_TRY, &two_rates);
            assert_true(wait_for_command(&runs[i], COMMAND_TRY)->ok);
            assert_int_equal(news(TRIAL_ENDS, 1, 0)->result.steps, LONG_ENOUGH);
        }
        finish(&runs[i]);
    }
    assert_int_equal(runs[0].step_count, TINY_EPOCH + TINY_TRAIN / 6);
    tiny_assert_same_steps(&runs[0], &runs[1]);
    tiny_assert_same_end(&runs[0], &runs[1]);
    tiny_free(&runs[0]);
    tiny_free(&runs[1]);
}

static void a_pause_ends_a_trial_early(void **state)
{
    (void)state;
    static struct tiny_run run;
    tiny_init(&run, "micro");
    begin(&run);
    send(&run, COMMAND_TRY, &two_rates);
    tiny_command(&run, COMMAND_PAUSE, 0, 0);
    const struct command_record *record = wait_for_command(&run, COMMAND_TRY);
    assert_true(record->ok);
    assert_non_null(strstr(record->outcome, "; cut short"));
    wait_for_command(&run, COMMAND_PAUSE);
    assert_null(news(TRIAL_BEGINS, 1, 0)); /* the second value was not begun */
    assert_true(news(TRIAL_ENDS, 0, 0)->result.steps < LONG_ENOUGH);
    finish(&run);
    assert_untouched(&run);
    tiny_free(&run);
}

static void a_stop_ends_a_trial_and_saves_the_run(void **state)
{
    (void)state;
    static struct tiny_run run, resumed;
    struct error error = {0};
    tiny_init(&run, "micro");
    begin(&run);
    send(&run, COMMAND_TRY, &two_rates);
    trainer_request_stop(run.trainer);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_int_equal(tiny_last(&run)->state.step, FROM);
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
        .setting = COMMAND_LEARNING_RATE, .values = {1000, 0.05}, .count = 2, .steps = LONG_ENOUGH};
    tiny_init(&run, "report");
    run.options.schedule = SCHEDULE_CONSTANT;
    run.options.learning_rate = 0.01f;
    begin(&run);
    send(&run, COMMAND_TRY, &trial);
    const struct command_record *record = wait_for_command(&run, COMMAND_TRY);
    const struct trial_result first = news(TRIAL_ENDS, 0, 0)->result, second = news(TRIAL_ENDS, 1, 0)->result;
    assert_true(first.diverged > FROM);
    assert_int_equal(first.steps, first.diverged - 1 - FROM);
    assert_non_null(strstr(record->outcome, " diverged after "));
    assert_int_equal(second.diverged, 0);
    assert_int_equal(second.steps, LONG_ENOUGH);
    assert_true(isfinite(second.loss));
    assert_int_equal(run.finding_count, viewer.findings);
    assert_int_equal(run.diverged_step, 0);
    finish(&run);

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
    tiny_command(&run, COMMAND_STEP, 0, LONG_ENOUGH);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_wait(&run, TRAINER_PAUSED, FROM + LONG_ENOUGH);
    assert_int_equal(run.step_count, LONG_ENOUGH);
    double average = 0, weight = 0;
    for (int i = 0; i < LONG_ENOUGH; i++) {
        const struct trial_event *tried = news(TRIAL_STEPS, index, i);
        assert_non_null(tried);
        assert_int_equal(tried->taken.count, 1);
        assert_int_equal(tried->taken.last_step, run.steps[i].step);
        assert_true(tried->taken.loss_min == run.steps[i].loss);
        assert_true((float)tried->taken.accuracy_sum == run.steps[i].accuracy);
        assert_true(tried->taken.learning_rate == run.steps[i].learning_rate);
        average = 0.95 * average + 0.05 * (double)run.steps[i].loss;
        weight = 0.95 * weight + 0.05;
    }
    assert_true(fabs(average / weight - (double)news(TRIAL_ENDS, index, 0)->result.loss) < 1e-5);
    tiny_free(&run);
}

/* All values of a trial, behind which the run goes on as if there had been none. */
static void compare_all(const struct trial_request *trial)
{
    static struct tiny_run run;
    tiny_init(&run, "micro");
    begin(&run);
    tiny_command(&run, COMMAND_SAVE, 0, 0);
    send(&run, COMMAND_TRY, trial);
    assert_true(wait_for_command(&run, COMMAND_TRY)->ok);
    finish(&run);
    assert_untouched(&run);
    const struct tiny_checkpoint *from = NULL;
    for (int c = 0; c < run.checkpoint_count && !from; c++)
        from = run.checkpoints[c].state.step == FROM ? &run.checkpoints[c] : NULL;
    assert_non_null(from);
    for (int v = 0; v < trial->count; v++)
        compare_with_a_run(from, (enum command_kind)trial->setting, trial->values[v], v);
    assert_true(news(TRIAL_ENDS, 0, 0)->result.loss != news(TRIAL_ENDS, 1, 0)->result.loss);
    tiny_free(&run);
}

static void a_trials_losses_are_those_of_a_run_with_the_rate(void **state)
{
    (void)state;
    compare_all(&two_rates);
}

static void a_trials_losses_are_those_of_a_run_with_the_value(void **state)
{
    (void)state;
    static const struct trial_request trials[] = {
        {.setting = COMMAND_MOMENTUM, .values = {0, 0.95}, .count = 2, .steps = LONG_ENOUGH},
        {.setting = COMMAND_WEIGHT_DECAY, .values = {0, 0.01}, .count = 2, .steps = LONG_ENOUGH},
        {.setting = COMMAND_AGC, .values = {0.001, 1}, .count = 2, .steps = LONG_ENOUGH},
        {.setting = COMMAND_LABEL_SMOOTHING, .values = {0, 0.3}, .count = 2, .steps = LONG_ENOUGH},
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
    begin(&run);
    send(&run, COMMAND_TRY, &trial);
    assert_memory_equal(wait_for_command(&run, COMMAND_TRY)->outcome, "tried lr 0.25, 0.25 for 1 steps", 31);
    assert_true(news(TRIAL_STEPS, 0, 0)->taken.loss_min == news(TRIAL_STEPS, 1, 0)->taken.loss_min);
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
    begin(&run);
    send(&run, COMMAND_TRY, &trial);
    assert_false(wait_for_command(&run, COMMAND_TRY)->ok);
    assert_non_null(strstr(viewer.last.outcome, "the learning rate must be above 0 and up to 1000"));
    trial =
        (struct trial_request){.setting = COMMAND_MOMENTUM, .values = {2}, .relative = {true}, .count = 1, .steps = 2};
    send(&run, COMMAND_TRY, &trial);
    assert_false(wait_for_command(&run, COMMAND_TRY)->ok);
    assert_int_equal(viewer.count, 0);
    tiny_command(&run, COMMAND_ACCEPT, (double)NAN, 0);
    assert_string_equal(wait_for_command(&run, COMMAND_ACCEPT)->outcome, "nothing was tried that could be accepted");
    tiny_command(&run, COMMAND_DROP, 0, 0);
    assert_string_equal(wait_for_command(&run, COMMAND_DROP)->outcome, "nothing was tried that could be dropped");
    finish(&run);
    assert_untouched(&run);
    tiny_free(&run);
}

/* No trial waits in a checkpoint for its step. */
static void a_trial_cannot_be_put_off(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {0};
    const struct command later = {.kind = COMMAND_TRY,
                                  .trial = two_rates,
                                  .when = {.quantity = WHEN_STEP, .relation = RELATION_AT, .value = 5},
                                  .text = "at 5 try lr 0.05 0.3"};
    tiny_init(&run, "micro");
    begin(&run);
    assert_int_equal(trainer_command(run.trainer, &later, &error), 0);
    assert_false(wait_for_command(&run, COMMAND_WAIT)->ok);
    finish(&run);
    assert_untouched(&run);
    tiny_free(&run);
}

static void a_trial_ends_where_the_run_does(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct trial_request trial = two_rates;
    trial.steps = 1000;
    tiny_init(&run, "micro");
    begin(&run);
    send(&run, COMMAND_TRY, &trial);
    assert_true(wait_for_command(&run, COMMAND_TRY)->ok);
    assert_int_equal(news(TRIAL_ENDS, 1, 0)->result.steps, 2 * TINY_EPOCH - FROM);
    finish(&run);
    assert_untouched(&run);
    tiny_free(&run);
}

/* ---- The choice ---- */

/* Accepted, it is a command at the step, and the run then makes the trial's steps itself. */
static void accept_and_compare(double value, long count, int chosen)
{
    static struct tiny_run run;
    tiny_init(&run, "micro");
    begin(&run);
    send(&run, COMMAND_TRY, &two_rates);
    wait_for_command(&run, COMMAND_TRY);
    const struct trial_result results[] = {news(TRIAL_ENDS, 0, 0)->result, news(TRIAL_ENDS, 1, 0)->result};
    if (chosen < 0)
        chosen = trial_best(results, 2, LONG_ENOUGH);
    tiny_command(&run, COMMAND_ACCEPT, value, count);
    const struct command_record *record = wait_for_command(&run, COMMAND_LEARNING_RATE);
    assert_true(record->ok);
    assert_int_equal(record->step, FROM);
    assert_true(record->command.value == two_rates.values[chosen]);
    assert_string_equal(record->command.text, chosen ? "lr 0.3" : "lr 0.05");
    assert_non_null(news(TRIAL_GONE, 0, 0));
    finish(&run);
    for (int i = 0; i < LONG_ENOUGH; i++)
        assert_true(run.steps[FROM + i].loss == news(TRIAL_STEPS, chosen, i)->taken.loss_min);
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
    tiny_init(&run, "micro");
    begin(&run);
    send(&run, COMMAND_TRY, &two_rates);
    wait_for_command(&run, COMMAND_TRY);
    tiny_command(&run, COMMAND_ACCEPT, (double)NAN, 2);
    assert_true(wait_for_command(&run, COMMAND_LEARNING_RATE)->ok);
    tiny_command(&run, COMMAND_STEP, 0, 2);
    tiny_wait(&run, TRAINER_PAUSED, FROM + 2);
    tiny_command(&run, COMMAND_BACK, 0, BACK_LAST);
    assert_true(wait_for_command(&run, COMMAND_ROLLBACK)->ok);
    assert_int_equal(viewer.last.step, FROM);
    finish(&run);
    tiny_assert_same_steps(tiny_reference(), &run);
    tiny_assert_same_end(tiny_reference(), &run);
    tiny_free(&run);
}

static void what_was_not_tried_cannot_be_accepted(void **state)
{
    (void)state;
    static struct tiny_run run;
    tiny_init(&run, "micro");
    begin(&run);
    send(&run, COMMAND_TRY, &two_rates);
    wait_for_command(&run, COMMAND_TRY);
    tiny_command(&run, COMMAND_ACCEPT, 3, 3);
    assert_string_equal(wait_for_command(&run, COMMAND_ACCEPT)->outcome,
                        "that was not tried: there are 0.05, 0.3, numbered from 1");
    struct trial_request wrong = two_rates;
    wrong.values[0] = -1;
    send(&run, COMMAND_TRY, &wrong); /* it is refused, and what was tried before is still there */
    assert_false(wait_for_command(&run, COMMAND_TRY)->ok);
    tiny_command(&run, COMMAND_STEP, 0, 1);
    tiny_wait(&run, TRAINER_PAUSED, FROM + 1);
    tiny_command(&run, COMMAND_ACCEPT, (double)NAN, 0);
    assert_string_equal(wait_for_command(&run, COMMAND_ACCEPT)->outcome,
                        "it was tried from step 3 on, and the run stands at 4: back 3 goes there");
    finish(&run);
    assert_untouched(&run);
    tiny_free(&run);
}

static void try_at_three(struct tiny_run *run, const struct step_record *record)
{
    if (record->step == FROM)
        send(run, COMMAND_TRY, &two_rates);
}

/* A run that was not paused waits for the choice, and goes on by itself. */
static void a_run_goes_on_as_before(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    run.watch = try_at_three;
    viewer.count = 0;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, false, &error), 0);
    wait_for_command(&run, COMMAND_TRY);
    tiny_wait(&run, TRAINER_PAUSED, FROM);
    send(&run, COMMAND_TRY, &two_rates); /* once more: that it is paused now is not how it was */
    wait_for_command(&run, COMMAND_TRY);
    tiny_command(&run, COMMAND_PAUSE, 0, 0); /* and this is what it is to be */
    send(&run, COMMAND_TRY, &two_rates);
    wait_for_command(&run, COMMAND_TRY);
    tiny_command(&run, COMMAND_DROP, 0, 0);
    assert_string_equal(wait_for_command(&run, COMMAND_DROP)->outcome, "dropped; paused at step 3");
    run.watch = NULL;
    send(&run, COMMAND_TRY, &two_rates);
    tiny_command(&run, COMMAND_DROP, 0, 0);
    assert_string_equal(wait_for_command(&run, COMMAND_DROP)->outcome, "dropped; paused at step 3");
    finish(&run);
    assert_untouched(&run);
    tiny_free(&run);
    tiny_init(&run, "micro");
    run.watch = try_at_three;
    viewer.count = 0;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, false, &error), 0);
    wait_for_command(&run, COMMAND_TRY);
    tiny_command(&run, COMMAND_DROP, 0, 0);
    assert_string_equal(wait_for_command(&run, COMMAND_DROP)->outcome, "dropped; running from step 3");
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_untouched(&run);
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
    begin(&run);
    send(&run, COMMAND_LR_FIND, &range);
    const struct command_record *record = wait_for_command(&run, COMMAND_LR_FIND);
    assert_true(record->ok);
    assert_memory_equal(record->outcome, "tried lr 0.0001 to 1 over ", 26);
    struct lr_find find = {.steps = 40};
    for (int i = 0; news(TRIAL_STEPS, 0, i); i++) {
        const struct step_summary *taken = &news(TRIAL_STEPS, 0, i)->taken;
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
    wait_for_command(&run, COMMAND_DROP);
    finish(&run);
    tiny_assert_same_steps(&plain, &run);
    tiny_assert_same_end(&plain, &run);
    tiny_free(&plain);
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
        cmocka_unit_test(what_is_accepted_becomes_the_runs_own),
        cmocka_unit_test(what_is_accepted_can_be_taken_back),
        cmocka_unit_test(what_was_not_tried_cannot_be_accepted),
        cmocka_unit_test(a_run_goes_on_as_before),
        cmocka_unit_test(a_range_of_rates_leaves_the_run_as_it_was),
    };
    return cmocka_run_group_tests_name("what-if trials", tests, tiny_open, tiny_close_reference);
}
