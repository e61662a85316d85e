/* The part of a training state that commands have a hand in, as JSON and back: to the bit, of older checkpoints too,
 * and never what no run could have written. */
#include "fixture.h"

#include "engine/live.h"
#include "sessions/state_record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct error error;

static int index_of(const char *name)
{
    for (int i = 0; live_setting(i); i++)
        if (strcmp(live_setting(i)->name, name) == 0)
            return i;
    fail_msg("no setting %s", name);
    return -1;
}

static struct training_state full_state(void)
{
    struct training_state state = {.learning_rate = 0.25f,
                                   .last_accuracy = 0.1f,
                                   .last_gradient_norm = 1.0f / 3,
                                   .validation_loss = -1,
                                   .validation_accuracy = -1,
                                   .has_values = true,
                                   .next_batch = 128,
                                   .extra_steps = -7,
                                   .pending_number = 9,
                                   .changes = {{COMMAND_LEARNING_RATE, (double)0.1f}, {COMMAND_BATCH, 64}},
                                   .change_count = 2,
                                   .pending_count = 2};
    state.values[index_of("momentum")] = (double)0.7f;
    state.values[index_of("augment")] = AUGMENT_REPORT_TEXT;
    state.values[index_of("schedule")] = SCHEDULE_ONECYCLE;
    state.values[index_of("batch")] = 96;
    state.values[index_of("epochs")] = 12;
    state.values[index_of("steps")] = 3000;
    state.pending[0] = (struct command){.kind = COMMAND_SCALE_LEARNING_RATE,
                                        .value = 0.1,
                                        .count = 1,
                                        .when = {WHEN_STEP, RELATION_AT, 500},
                                        .number = 7,
                                        .name = "mine",
                                        .text = "at 500 lr x0.1"};
    state.pending[1] = (struct command){.kind = COMMAND_NOTE,
                                        .count = 1,
                                        .when = {WHEN_VALIDATION_ACCURACY, RELATION_UP_TO, 1.0 / 3},
                                        .number = 9,
                                        .text = "when val-accuracy <= 0.3333333333333333 note \"quoted\" \xc3\xa9"};
    return state;
}

static char *written(const struct training_state *state)
{
    struct text text = {0};
    state_record_write(state, &text);
    assert_false(text.failed);
    return text.data;
}

static void test_round_trip(void **state)
{
    (void)state;
    const struct training_state before = full_state();
    struct training_state after = {.learning_rate = 0.25f};
    char *text = written(&before);
    assert_ok(state_record_read(text, &after, &error), &error);
    free(text);
    assert_true(after.last_accuracy == before.last_accuracy && after.last_gradient_norm == before.last_gradient_norm);
    assert_true(after.validation_loss == -1 && after.next_batch == 128 && after.extra_steps == -7);
    assert_true(after.has_values && after.pending_number == 9);
    for (int i = 0; live_setting(i); i++) {
        const bool kept = !live_setting(i)->of_session && live_setting(i)->command != COMMAND_LEARNING_RATE;
        assert_true(kept ? after.values[i] == before.values[i] : isnan(after.values[i]));
    }
    assert_int_equal(after.change_count, 2);
    assert_true(after.changes[0].kind == COMMAND_LEARNING_RATE && after.changes[0].before == (double)0.1f);
    assert_int_equal(after.pending_count, 2);
    for (int i = 0; i < 2; i++) {
        const struct command *a = &after.pending[i], *b = &before.pending[i];
        assert_true(a->kind == b->kind && a->value == b->value && a->count == b->count && a->number == b->number);
        assert_true(a->when.quantity == b->when.quantity && a->when.relation == b->when.relation);
        assert_true(a->when.value == b->when.value);
        assert_string_equal(a->text, b->text);
        assert_string_equal(a->name, b->name);
    }
    struct settings settings = small_settings();
    state_settings(&after, &settings);
    assert_true(settings.train.momentum == 0.7f && settings.train.batch == 96 && settings.train.learning_rate == 0.25f);
    assert_int_equal(settings.train.augment.kind, AUGMENT_REPORT_TEXT);
    assert_true(settings.train.epochs == 12 && settings.train.steps == 3000);
}

static void test_older_checkpoints(void **state)
{
    (void)state;
    struct training_state after = {.learning_rate = 0.25f};
    struct settings settings = small_settings(), before = settings;
    assert_ok(state_record_read(NULL, &after, &error), &error);
    assert_false(after.has_values);
    assert_true(after.last_accuracy < 0 && after.validation_accuracy < 0);
    assert_int_equal(after.pending_count + after.change_count, 0);
    state_settings(&after, &settings);
    assert_true(settings.train.momentum == before.train.momentum && settings.train.batch == before.train.batch);
}

/* Of a program that knew fewer settings: those that are absent stay as the run began. */
static void test_settings_that_came_later(void **state)
{
    (void)state;
    struct training_state before = full_state(), after = {0};
    char *text = written(&before), *batch = strstr(text, ",\"batch\":\"96\"");
    assert_non_null(batch);
    memmove(batch, batch + strlen(",\"batch\":\"96\""), strlen(batch + strlen(",\"batch\":\"96\"")) + 1);
    assert_ok(state_record_read(text, &after, &error), &error);
    free(text);
    assert_true(isnan(after.values[index_of("batch")]));
    assert_true(after.values[index_of("momentum")] == (double)0.7f);
}

static void refuse(const char *part, const char *by)
{
    const struct training_state before = full_state();
    struct training_state after = {0};
    char *text = written(&before), *at = strstr(text, part), *changed = NULL;
    assert_non_null(at);
    assert_true(asprintf(&changed, "%.*s%s%s", (int)(at - text), text, by, at + strlen(part)) > 0);
    assert_int_equal(state_record_read(changed, &after, &error), -1);
    free(changed);
    free(text);
}

static void test_what_makes_no_sense(void **state)
{
    (void)state;
    struct training_state after = {0};
    assert_int_equal(state_record_read("nonsense", &after, &error), -1);
    assert_int_equal(state_record_read("{}", &after, &error), -1);
    refuse("\"momentum\":\"0.7\"", "\"momentum\":\"7\"");
    refuse("\"momentum\":\"0.7\"", "\"momentum\":0.7");
    refuse("\"augment\":\"report-text\"", "\"augment\":\"xyzzy\"");
    refuse("\"next_batch\":128", "\"next_batch\":-1");
    refuse("\"action\":\"batch\"", "\"action\":\"save\"");
    refuse("\"before\":64", "\"before\":-64");
    refuse("\"action\":\"note\"", "\"action\":\"wait\"");
    refuse("\"action\":\"scale-lr\",\"value\":0.1", "\"action\":\"augment\",\"value\":4");
    refuse("\"action\":\"scale-lr\",\"value\":0.1", "\"action\":\"momentum\",\"value\":7");
    refuse("\"when\":\"step\"", "\"when\":\"now\"");
    refuse("\"relation\":\"at\"", "\"relation\":\"==\"");
    refuse("\"pending\":[", "\"pending\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_older_checkpoints),
        cmocka_unit_test(test_settings_that_came_later),
        cmocka_unit_test(test_what_makes_no_sense),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
