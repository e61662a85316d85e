/* What the language says about settings and about commands that wait: what is understood, what is refused and with
 * which words, what completes, and files of commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/live.h"
#include "sessions/settings.h"
#include "tests/tui/parsed.h"
#include "tui/command.h"
#include "tui/script.h"

/* What a line asks of the trainer. */
static struct command asked(const char *line)
{
    struct action action;
    struct command command;
    struct error error = {""};

    if (command_parse(line, &action, &error) || command_for_trainer(&action, &command, &error))
        fail_msg("'%s': %s", line, error.message);
    assert_string_equal(command.text, line);
    return command;
}

static void assert_asked(const char *line, enum command_kind kind, double value)
{
    struct command command = asked(line);

    assert_int_equal(command.kind, kind);
    assert_true(command.value == value);
    assert_int_equal(command.when.quantity, WHEN_NOW);
}

/* ---- set ---- */

static void set_changes_every_setting_that_may(void **state)
{
    (void)state;
    assert_asked("set momentum 0.8", COMMAND_MOMENTUM, (double)0.8f);
    assert_asked("set weight-decay 0", COMMAND_WEIGHT_DECAY, 0);
    assert_asked("set agc 0.01", COMMAND_AGC, (double)0.01f);
    assert_asked("set label-smoothing 0.1", COMMAND_LABEL_SMOOTHING, (double)0.1f);
    assert_asked("set ema 0.99", COMMAND_EMA, (double)0.99f);
    assert_asked("set augment report-text", COMMAND_AUGMENT, AUGMENT_REPORT_TEXT);
    assert_asked("set schedule cosine", COMMAND_SCHEDULE, SCHEDULE_COSINE);
    assert_asked("set batch 128", COMMAND_BATCH, 128);
    assert_asked("set probe-every auto", COMMAND_PROBE_EVERY, PROBE_EVERY_AUTO);
    assert_asked("set log-every 10", COMMAND_LOG_EVERY, 10);
    assert_asked("set checkpoint-every 100", COMMAND_CHECKPOINT_EVERY, 100);
    assert_asked("set on-divergence rollback", COMMAND_ON_DIVERGENCE, DIVERGENCE_ROLLBACK);
    assert_asked("set lr 0.01", COMMAND_LEARNING_RATE, 0.01); /* one command with `lr` */
    assert_asked("set lr x0.5", COMMAND_SCALE_LEARNING_RATE, 0.5);
    assert_asked("lr x0.5", COMMAND_SCALE_LEARNING_RATE, 0.5);
    assert_asked("SET Momentum 0.8", COMMAND_MOMENTUM, (double)0.8f);
}

/* What may change is a setting by the same name, with the same words. */
static void settings_that_may_change_are_those_of_the_table(void **state)
{
    const struct live_setting *setting;
    int count = 0;

    (void)state;
    for (int i = 0; (setting = live_setting(i)); i++, count++) {
        const struct setting *row = settings_row(settings_find(setting->name));

        assert_non_null(row);
        assert_ptr_equal(row->choices, setting->words);
        assert_int_equal(row->automatic, setting->automatic != NULL);
        assert_int_equal(row->offset, offsetof(struct settings, train) + setting->offset);
        assert_ptr_equal(live_of_command(setting->command), setting);
        assert_ptr_equal(live_find(setting->name), setting);
    }
    assert_int_equal(count, LIVE_SETTINGS);
}

static void set_without_a_value_shows(void **state)
{
    struct action action;
    struct error error = {""};
    struct snapshot now = {
        .options = {.momentum = 0.8f, .batch = 64, .augment = {.kind = AUGMENT_STANDARD}, .probe_every = -1},
        .next_batch = 128,
        .probe_every = 200};
    struct train_options begun = now.options;
    char text[1024];

    (void)state;
    assert_int_equal(command_parse("set", &action, &error), 0);
    assert_int_equal(action.choice, -1);
    assert_true(command_is_asking(&action));
    assert_int_equal(command_parse("set batch", &action, &error), 0);
    assert_true(command_is_asking(&action));
    command_settings(&now, action.choice, text, sizeof(text));
    assert_string_equal(text, "batch 64 (128 from the next epoch on)");
    command_settings(&now, -1, text, sizeof(text));
    assert_non_null(strstr(text, "momentum          0.8\n"));
    assert_non_null(strstr(text, "augment           standard\n"));
    assert_non_null(strstr(text, "probe-every       auto (200)\n"));
    command_changes(&now, &begun, text, sizeof(text));
    assert_string_equal(text, "");
    begun.momentum = 0.9f;
    begun.augment.kind = AUGMENT_NONE;
    command_changes(&now, &begun, text, sizeof(text));
    assert_string_equal(text, "momentum 0.8, augment standard");
}

static void what_set_refuses(void **state)
{
    (void)state;
    refused("set momentun 0.8", "no setting 'momentun': did you mean 'momentum'?");
    refused("set seed 3", "seed is kept from a session's beginning to its end");
    refused("set warmup 3", "warmup is kept from a session's beginning to its end");
    refused("set threads 3", "threads can change at a resume alone (--threads)");
    refused("set json on", "no setting 'json'"); /* of a call of the program */
    refused("set xyzzy 3", "no setting 'xyzzy'");
    refused("set momentum 2", "wanted a number from 0 to 0.9999");
    refused("set momentum nan", "wanted a number");
    refused("set batch 1.5", "wanted a whole number from 1 to 65536");
    refused("set augment standrad", "no augment 'standrad': did you mean 'standard'?");
    refused("set augment xyzzy", "none|report|report-text|standard");
    refused("set lr 0", "above 0");
}

/* ---- at, when, cancel ---- */

static void assert_waits(const char *line, enum quantity_kind quantity, enum relation relation, double bound,
                         enum command_kind kind)
{
    struct command command = asked(line);

    assert_int_equal(command.when.quantity, quantity);
    assert_int_equal(command.when.relation, relation);
    assert_true(command.when.value == bound);
    assert_int_equal(command.kind, kind);
}

static void commands_that_wait(void **state)
{
    (void)state;
    assert_waits("at 500 lr x0.1", WHEN_STEP, RELATION_AT, 500, COMMAND_SCALE_LEARNING_RATE);
    assert_waits("at 0 set momentum 0.5", WHEN_STEP, RELATION_AT, 0, COMMAND_MOMENTUM);
    assert_waits("at 8 quit", WHEN_STEP, RELATION_AT, 8, COMMAND_STOP);
    assert_waits("when loss < 0.5 save", WHEN_LOSS, RELATION_BELOW, 0.5, COMMAND_SAVE);
    assert_waits("when loss<=0.5 undo", WHEN_LOSS, RELATION_UP_TO, 0.5, COMMAND_UNDO);
    assert_waits("when val-accuracy > 80% pause", WHEN_VALIDATION_ACCURACY, RELATION_ABOVE, 0.8, COMMAND_PAUSE);
    assert_waits("when accuracy >= 0.25 note a quarter", WHEN_ACCURACY, RELATION_FROM, 0.25, COMMAND_NOTE);
    assert_waits("when gradient-norm > 1e3 lr x0.5", WHEN_GRADIENT_NORM, RELATION_ABOVE, 1000,
                 COMMAND_SCALE_LEARNING_RATE);
    assert_waits("when val-loss < 1 eval", WHEN_VALIDATION_LOSS, RELATION_BELOW, 1, COMMAND_EVALUATE);
    assert_waits("when epoch >= 3 set batch 64", WHEN_EPOCH, RELATION_FROM, 3, COMMAND_BATCH);
    assert_waits("when step > 9 probe", WHEN_STEP, RELATION_ABOVE, 9, COMMAND_PROBE);
    assert_int_equal(asked("cancel 3").count, 3);
    assert_int_equal(asked("cancel all").count, -1);
}

static void what_cannot_wait(void **state)
{
    (void)state;
    refused("at 500", "'at' needs a command");
    refused("at", "needs a value");
    refused("at x lr 1", "no step");
    refused("at -1 lr 1", "no step");
    refused("at 5 at 6 lr 1", "cannot wait in its turn");
    refused("at 5 view signal", "only the screen");
    refused("at 5 set momentum", "only shows");
    refused("at 5 puase", "did you mean 'pause'");
    refused("at 5 set momentun 1", "did you mean 'momentum'");
    refused("when los < 1 pause", "no quantity 'los': did you mean 'loss'?");
    refused("when loss = 1 pause", "< <= > >=");
    refused("when loss == 1 pause", "< <= > >=");
    refused("when loss < x pause", "'x' is no number");
    refused("when loss < nan pause", "'nan' is no number");
    refused("when accuracy > 80 pause", "a fraction from 0 to 1");
    refused("when loss < 1", "'when' needs a command");
    refused("at 5 try lr x0.5 x1 for 10", "somebody must choose");
    refused("at 5 lrfind", "somebody must choose");
    refused("cancel 0", "give the number");
    refused("cancel some", "'all'");
    refused("note", "needs a value");
}

static void those_that_wait_are_listed(void **state)
{
    struct snapshot now = {.pending_count = 2};
    char text[256];

    (void)state;
    now.pending[0] = asked("at 5 pause");
    now.pending[0].number = 3;
    now.pending[1] = asked("when loss < 1 save");
    now.pending[1].number = 4;
    command_pending(&now, text, sizeof(text));
    assert_string_equal(text, "3  at 5 pause\n4  when loss < 1 save");
}

/* ---- Completion ---- */

static bool offers(const char *line, const char *word)
{
    const char *words[64];
    int end = (int)strlen(line), start = end, count;

    while (start > 0 && line[start - 1] != ' ')
        start--;
    count = command_complete(line, start, end, words, 64);
    for (int i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static void completion_follows_the_line(void **state)
{
    const char *words[64];

    (void)state;
    assert_true(offers("set mo", "momentum"));
    assert_false(offers("set mo", "agc"));
    assert_true(offers("set augment st", "standard"));
    assert_true(offers("set probe-every ", "auto"));
    assert_false(offers("set augment standard ", "none"));
    assert_false(offers("set momentum ", "standard"));
    assert_true(offers("at 500 pa", "pause"));
    assert_true(offers("at 500 set sch", "schedule"));
    assert_true(offers(":at 500 set schedule co", "cosine"));
    assert_false(offers("at 5", "pause"));
    assert_true(offers("when val", "val-loss"));
    assert_true(offers("when loss ", "<="));
    assert_false(offers("when loss < ", "pause"));
    assert_true(offers("when loss < 0.5 se", "set"));
    assert_true(offers("when loss < 0.5 set momen", "momentum"));
    assert_true(offers("cancel a", "all"));
    assert_true(offers("help whe", "when"));
    assert_int_equal(command_complete("source x", 7, 8, words, 64), -1); /* a file */
    assert_int_equal(command_complete("note pa", 5, 7, words, 64), 0);
}

static void examples_are_understood(void **state)
{
    const struct command_entry *entry;
    struct action action;
    struct error error = {""};

    (void)state;
    for (int i = 0; (entry = command_at(i)); i++) {
        const char *example = entry->example ? entry->example : entry->name;

        if (command_parse(example, &action, &error))
            fail_msg("'%s': %s", example, error.message);
        assert_memory_equal(example, entry->name, strlen(entry->name));
    }
}

/* ---- Files ---- */

static char folder[] = "/tmp/nfbench-script-XXXXXX";
static char said[4096];

static void write_file(const char *name, const char *text)
{
    char path[64];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const char *path_of(const char *name)
{
    static char path[64];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int depth;

static int keep_line(void *context, const char *line, struct error *error)
{
    (void)context;
    if (strncmp(line, "bad", 3) == 0)
        return error_set(error, "it is bad");
    if (strncmp(line, "source ", 7) == 0)
        return script_run(line + 7, &depth, keep_line, NULL, error);
    strcat(strcat(said, line), ";");
    return 0;
}

static int open_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[64];

    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void files_are_run_line_by_line(void **state)
{
    struct error error = {""};
    char text[256], expected[256];

    (void)state;
    said[0] = 0;
    write_file("good", "# a comment\n\n  one\t \n\ttwo three\r\n  # more\nlast");
    assert_int_equal(script_run(path_of("good"), &depth, keep_line, NULL, &error), 0);
    assert_string_equal(said, "one;two three;last;");

    said[0] = 0;
    const char *home = getenv("HOME");
    snprintf(text, sizeof text, "%s", home ? home : "");
    snprintf(expected, sizeof expected, "%s", path_of("good"));
    *strrchr(expected, '/') = 0;
    assert_int_equal(setenv("HOME", expected, 1), 0);
    assert_int_equal(script_run("~/good", &depth, keep_line, NULL, &error), 0);
    assert_string_equal(said, "one;two three;last;");
    assert_int_equal(setenv("HOME", text, 1), 0);

    said[0] = 0;
    write_file("bad", "one\n\nbad line\nnever\n");
    assert_int_equal(script_run(path_of("bad"), &depth, keep_line, NULL, &error), -1);
    snprintf(expected, sizeof expected, "%s, line 3: it is bad", path_of("bad"));
    assert_string_equal(error.message, expected);
    assert_string_equal(said, "one;");

    said[0] = 0;
    snprintf(text, sizeof text, "before\nsource %s\nafter\n", path_of("good"));
    write_file("outer", text);
    assert_int_equal(script_run(path_of("outer"), &depth, keep_line, NULL, &error), 0);
    assert_string_equal(said, "before;one;two three;last;after;");

    snprintf(text, sizeof text, "source %s\n", path_of("self"));
    write_file("self", text);
    assert_int_equal(script_run(path_of("self"), &depth, keep_line, NULL, &error), -1);
    assert_non_null(strstr(error.message, "more than 8 files run each other"));
    assert_int_equal(depth, 0);
    assert_int_equal(script_run(path_of("absent"), &depth, keep_line, NULL, &error), -1);
    assert_non_null(strstr(error.message, "cannot read"));
}

static void files_are_checked_without_being_run(void **state)
{
    struct error error = {""};
    char text[256];

    (void)state;
    write_file("fine", "set momentum 0.5\nat 5 lr x0.5\nset\npending\nhelp at\nquit\n");
    assert_int_equal(script_check(path_of("fine"), false, &error), 0);
    write_file("forgot", "momentun 0.5\n");
    assert_int_equal(script_check(path_of("forgot"), false, &error), -1);
    assert_non_null(strstr(error.message, "line 1: no command 'momentun': did you mean 'set momentum'?"));
    write_file("typo", "lr 0.1\nset momentun 0.5\n");
    assert_int_equal(script_check(path_of("typo"), false, &error), -1);
    assert_non_null(strstr(error.message, "line 2: no setting 'momentun': did you mean 'momentum'?"));
    snprintf(text, sizeof text, "pause\nsource %s\n", path_of("typo"));
    write_file("nested", text);
    assert_int_equal(script_check(path_of("nested"), true, &error), -1);
    assert_non_null(strstr(error.message, "nested, line 2: "));
    assert_non_null(strstr(error.message, "typo, line 2: "));
    write_file("screen", "theme light\n");
    assert_int_equal(script_check(path_of("screen"), true, &error), 0);
    assert_int_equal(script_check(path_of("screen"), false, &error), -1);
    assert_non_null(strstr(error.message, "line 1: theme: only the screen"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_changes_every_setting_that_may),
        cmocka_unit_test(settings_that_may_change_are_those_of_the_table),
        cmocka_unit_test(set_without_a_value_shows),
        cmocka_unit_test(what_set_refuses),
        cmocka_unit_test(commands_that_wait),
        cmocka_unit_test(what_cannot_wait),
        cmocka_unit_test(those_that_wait_are_listed),
        cmocka_unit_test(completion_follows_the_line),
        cmocka_unit_test(examples_are_understood),
        cmocka_unit_test(files_are_run_line_by_line),
        cmocka_unit_test(files_are_checked_without_being_run),
    };
    return cmocka_run_group_tests(tests, open_folder, remove_folder);
}
