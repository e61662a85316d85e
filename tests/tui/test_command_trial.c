/* The lines of what-if trials: try, lrfind, accept and drop, and what is said where they mean nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "engine/lr_find.h"
#include "tests/tui/parsed.h"
#include "tui/command.h"

static void values_and_factors_are_tried(void **state)
{
    struct action action = parsed("try lr x0.5 0.1, X2 *3 for 200");
    struct command command;
    struct error error;

    (void)state;
    assert_int_equal(action.kind, ACTION_TRY);
    assert_int_equal(action.trial.setting, COMMAND_LEARNING_RATE);
    assert_int_equal(action.trial.count, 4);
    assert_int_equal(action.trial.steps, 200);
    assert_true(action.trial.values[0] == 0.5 && action.trial.relative[0]);
    assert_true(action.trial.values[1] == 0.1 && !action.trial.relative[1]);
    assert_true(action.trial.values[2] == 2 && action.trial.relative[2]);
    assert_true(action.trial.values[3] == 3 && action.trial.relative[3]);
    assert_int_equal(command_for_trainer(&action, &command, &error), 0);
    assert_int_equal(command.kind, COMMAND_TRY);
    assert_memory_equal(&command.trial, &action.trial, sizeof action.trial);
    assert_string_equal(command.text, "try lr x0.5 0.1, X2 *3 for 200");
}

static void every_number_that_a_step_goes_by_can_be_tried(void **state)
{
    static const struct {
        const char *line;
        enum command_kind setting;
    } lines[] = {{"try momentum 0.8 0.95 for 100 steps", COMMAND_MOMENTUM},
                 {"try weight-decay 0 x10", COMMAND_WEIGHT_DECAY},
                 {"try agc 0.01", COMMAND_AGC},
                 {"try label-smoothing 0 0.1", COMMAND_LABEL_SMOOTHING},
                 {"try ema 0.99", COMMAND_EMA}};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        assert_int_equal(parsed(lines[i].line).trial.setting, lines[i].setting);
        assert_int_equal(parsed(lines[i].line).trial.steps, 100);
    }
    refused("try batch 8 16", "cannot be tried");
    refused("try schedule cosine", "cannot be tried");
    refused("try momentun 0.8", "did you mean 'momentum'");
}

static void what_cannot_be_tried_is_refused(void **state)
{
    (void)state;
    refused("try", "needs a value");
    refused("try lr", "which values?");
    refused("try lr for 10", "which values?");
    refused("try lr 0.1 ten", "'ten' is no value of lr");
    refused("try lr x0", "is no value of lr");
    refused("try lr nan", "is no value of lr");
    refused("try lr 0", "lr");
    refused("try momentum 1.5", "momentum");
    refused("try lr 1 2 3 4 5 6 7 8 9", "more than 8 values");
    refused("try lr 0.1 for", "for how many steps?");
    refused("try lr 0.1 for 0", "for how many steps?");
    refused("try lr 0.1 for 1e9", "for how many steps?");
    refused("try lr 0.1 for 10 20", "too much");
    refused("try lr 0.1 for 10 steps more", "too much");
}

static void the_range_of_rates_has_defaults(void **state)
{
    struct action action = parsed("lrfind");

    (void)state;
    assert_int_equal(action.kind, ACTION_LR_FIND);
    assert_true(action.trial.values[0] == LR_FIND_FROM && action.trial.values[1] == LR_FIND_TO);
    assert_int_equal(action.trial.steps, LR_FIND_STEPS);
    action = parsed("lrfind 1e-4 0.5 for 300");
    assert_true(action.trial.values[0] == 1e-4 && action.trial.values[1] == 0.5);
    assert_int_equal(action.trial.steps, 300);
    assert_int_equal(parsed("lrfind for 50").trial.steps, 50);
    refused("lrfind 1", "from low to high");
    refused("lrfind 1 0.1", "from low to high");
    refused("lrfind 0 1", "no learning rate");
    refused("lrfind 1e-5 1 2", "too much");
    refused("lrfind low high", "no learning rate");
    refused("lrfind for 19", "20 to 1000");
    refused("lrfind for 1001", "20 to 1000");
}

static void a_choice_is_a_number_or_a_value(void **state)
{
    struct action action = parsed("accept");

    (void)state;
    assert_int_equal(action.kind, ACTION_ACCEPT);
    assert_int_equal(action.count, 0);
    assert_true(isnan(action.number));
    action = parsed("accept 2");
    assert_int_equal(action.count, 2);
    assert_true(action.number == 2);
    action = parsed("accept 0.05");
    assert_int_equal(action.count, -1);
    assert_true(action.number == 0.05);
    assert_int_equal(parsed("accept 100").count, -1);
    assert_int_equal(parsed("drop").kind, ACTION_DROP);
    refused("accept best", "neither a value");
    refused("accept 1 2", "neither a value");
    refused("drop 1", "takes no argument");
}

static void completion_knows_what_can_be_tried(void **state)
{
    const char *words[9];

    (void)state;
    assert_int_equal(command_complete("try mo", 4, 6, words, 8), 1);
    assert_string_equal(words[0], "momentum");
    assert_int_equal(command_complete("try ", 4, 4, words, 9), 8);
    assert_int_equal(command_complete("try lr ", 7, 7, words, 8), 0);
    assert_int_equal(command_complete("lrf", 0, 3, words, 8), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_factors_are_tried),
        cmocka_unit_test(every_number_that_a_step_goes_by_can_be_tried),
        cmocka_unit_test(what_cannot_be_tried_is_refused),
        cmocka_unit_test(the_range_of_rates_has_defaults),
        cmocka_unit_test(a_choice_is_a_number_or_a_value),
        cmocka_unit_test(completion_knows_what_can_be_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
