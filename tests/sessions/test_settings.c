/* Settings: every row goes through text, INI files and the command line to the same bits; precedence. */
#include "settings_line.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct error error;

static const char *text_of(const struct settings *settings, const char *name)
{
    static char value[SETTINGS_VALUE_SIZE];
    settings_get(settings, settings_row(settings_find(name)), value);
    return value;
}

/* The index-th value to try for a row; NULL behind the last. */
static const char *example(const struct setting *row, int index)
{
    static char value[64];
    static const char *const texts[] = {"a", "/with blank/and=equals/[x]", "../up", "na\xc3\xafve; # ok", NULL};
    static const char *const stages[] = {"16/8x1", "64/16x5, 128/32x5/2", "8/4x1/2, 8/4x2, 16/8x3/2", NULL};
    switch (row->type) {
    case SETTING_TEXT:
        return texts[index];
    case SETTING_STAGES:
        return stages[index];
    case SETTING_FLOAT:
        snprintf(value, sizeof value, "%.9g", index == 1 ? row->maximum : row->maximum / (3 + index));
        return index < 5 ? value : NULL;
    case SETTING_UINT64:
        return index == 0 ? "18446744073709551615" : index == 1 ? "0" : NULL;
    case SETTING_INT:
    case SETTING_LONG:
        snprintf(value, sizeof value, "%.0f", index ? row->maximum : row->minimum);
        return index < 2 ? value : setting_word(row, index - 2);
    case SETTING_FLAG:
        return NULL;
    default:
        return setting_word(row, index);
    }
}

/* ---- Every row ---- */

static void test_rows_are_well_formed(void **state)
{
    (void)state;
    for (int i = 0; settings_row(i); i++) {
        const struct setting *row = settings_row(i);
        assert_int_equal(settings_find(row->name), i);
        assert_non_null(row->help);
        assert_true(strlen(row->help) < 90);
        assert_true(row->type == SETTING_FLAG || row->argument);
        assert_true(row->offset < sizeof(struct settings));
    }
    assert_null(settings_row(-1));
    assert_int_equal(settings_find("nothing"), -1);
}

static void test_defaults_are_within_bounds(void **state)
{
    (void)state;
    for (int p = 0; model_preset_name(p); p++) {
        struct settings settings = default_settings(), again = settings;
        assert_ok(settings_set(&settings, "preset", model_preset_name(p), &error), &error);
        assert_ok(settings_validate(&settings, &error), &error);
        for (int i = 0; settings_row(i); i++) {
            const struct setting *row = settings_row(i);
            char value[SETTINGS_VALUE_SIZE];
            settings_get(&settings, row, value);
            if (row->type != SETTING_FLAG && *value)
                assert_ok(settings_set(&again, row->name, value, &error), &error);
        }
    }
}

/* What a message names as the highest value, the network takes. */
static void test_limits_of_the_network_hold(void **state)
{
    (void)state;
    static const char *const names[] = {"stem", "squeeze-excite", "classes", "alpha", "dropout", "stochastic-depth"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct settings settings = default_settings();
        char value[64];
        snprintf(value, sizeof value, "%.9g", settings_row(settings_find(names[i]))->maximum);
        assert_ok(settings_set(&settings, names[i], value, &error), &error);
        assert_ok(settings_validate(&settings, &error), &error);
    }
}

static void test_rows_round_trip_as_text(void **state)
{
    (void)state;
    for (int i = 0; settings_row(i); i++) {
        const struct setting *row = settings_row(i);
        for (int k = 0; example(row, k); k++) {
            struct settings once = default_settings(), twice = default_settings();
            char value[SETTINGS_VALUE_SIZE];
            assert_ok(settings_set(&once, row->name, example(row, k), &error), &error);
            settings_get(&once, row, value);
            assert_ok(settings_set(&twice, row->name, value, &error), &error);
            assert_memory_equal(&once, &twice, sizeof once);
            assert_true(settings_given(&once, row->name));
        }
    }
}

static void test_rows_round_trip_as_options(void **state)
{
    (void)state;
    for (int i = 0; settings_row(i); i++) {
        const struct setting *row = settings_row(i);
        if (row->file_only || row->type == SETTING_FLAG)
            continue;
        for (int k = 0; example(row, k); k++) {
            struct settings set = default_settings(), parsed;
            char option[64], value[256], *words[] = {"nfbench", option, value, NULL};
            int first;
            snprintf(option, sizeof option, "--%s", row->name);
            snprintf(value, sizeof value, "%s", example(row, k));
            assert_ok(settings_set(&set, row->name, value, &error), &error);
            if (strcmp(row->name, "config") == 0 || settings_validate(&set, NULL))
                continue; /* another test's: files; values that only fit together with others */
            assert_ok(settings_parse(&parsed, SETTINGS_NEW, 3, words, &first, &error), &error);
            if (row->type == SETTING_STAGES || !strcmp(row->name, "family") || !strcmp(row->name, "stem"))
                strcpy(set.model.preset, parsed.model.preset);
            assert_memory_equal(&set, &parsed, sizeof set);
        }
    }
}

static void test_rows_round_trip_in_files(void **state)
{
    (void)state;
    const char *path = path_of("settings.ini");
    for (int i = 0; settings_row(i); i++) {
        const struct setting *row = settings_row(i);
        for (int k = 0; row->saved && example(row, k); k++) {
            struct settings written = default_settings(), read = default_settings();
            assert_ok(settings_set(&written, row->name, example(row, k), &error), &error);
            if (row->type == SETTING_STAGES || !strcmp(row->name, "family") || !strcmp(row->name, "stem"))
                strcpy(written.model.preset, "custom");
            assert_ok(settings_write(&written, path, &error), &error);
            assert_ok(settings_read(&read, path, &error), &error);
            written.given = read.given = 0;
            assert_memory_equal(&written, &read, sizeof read);
        }
    }
}

static void test_long_values_in_files(void **state)
{
    (void)state;
    struct settings written = default_settings(), read = default_settings();
    char path[SETTINGS_PATH_SIZE];
    for (size_t i = 0; i < sizeof path - 1; i++)
        path[i] = i % 61 == 0 ? '/' : i % 7 == 0 ? ' ' : i % 5 == 0 ? '#' : i % 11 == 0 ? ';' : 'a';
    for (size_t i = 0; i + 1 < sizeof path - 1; i++) {
        if (path[i] == ' ' && path[i + 1] == ';')
            path[i + 1] = 'b';
    }
    path[sizeof path - 2] = 'z';
    path[sizeof path - 1] = '\0';
    assert_ok(settings_set(&written, "data", path, &error), &error);
    assert_ok(settings_write(&written, path_of("long.ini"), &error), &error);
    assert_ok(settings_read(&read, path_of("long.ini"), &error), &error);
    assert_string_equal(read.data, written.data);
}

/* ---- Order ---- */

static void test_preset_then_config_then_options(void **state)
{
    (void)state;
    struct settings settings;
    char line[256];
    static const char config[] = "[train]\nlr = 0.25\nbatch = 32\n";
    write_file(path_of("c.ini"), config, strlen(config));
    snprintf(line, sizeof line, "--batch 16 --config %s --preset report", path_of("c.ini"));
    assert_ok(parse_line(&settings, SETTINGS_NEW, line, &error), &error);
    assert_string_equal(settings.model.preset, "report");
    assert_int_equal(settings.model.family, FAMILY_REPORT);
    assert_int_equal(settings.train.batch, 16);
    assert_string_equal(text_of(&settings, "lr"), "0.25");
    assert_true(settings_given(&settings, "lr") && settings_given(&settings, "preset"));
    assert_false(settings_given(&settings, "epochs"));
}

static void test_preset_in_config(void **state)
{
    (void)state;
    struct settings settings;
    char line[256];
    static const char config[] = "lr = 0.5\npreset = report\n"; /* before the section, after another value */
    write_file(path_of("p.ini"), config, strlen(config));
    snprintf(line, sizeof line, "--config %s", path_of("p.ini"));
    assert_ok(parse_line(&settings, SETTINGS_NEW, line, &error), &error);
    assert_string_equal(settings.model.preset, "report");
    assert_string_equal(text_of(&settings, "lr"), "0.5");
    snprintf(line, sizeof line, "--config %s --preset small", path_of("p.ini"));
    assert_ok(parse_line(&settings, SETTINGS_NEW, line, &error), &error);
    assert_string_equal(settings.model.preset, "small");
    assert_string_equal(text_of(&settings, "lr"), "0.5");
}

static void test_custom_network(void **state)
{
    (void)state;
    struct settings settings;
    char line[256];
    static const char config[] = "; comment\n[model]\nstem = 24\nstages = 48/24x1, 96/48x2/2\n";
    write_file(path_of("m.ini"), config, strlen(config));
    snprintf(line, sizeof line, "--config %s", path_of("m.ini"));
    assert_ok(parse_line(&settings, SETTINGS_NEW, line, &error), &error);
    assert_string_equal(settings.model.preset, "custom");
    assert_int_equal(settings.model.stem, 24);
    assert_int_equal(settings.model.stage_count, 2);
    assert_int_equal(settings.model.stages[1].width, 96);
    assert_int_equal(settings.model.stages[1].mid, 48);
    assert_int_equal(settings.model.stages[1].blocks, 2);
    assert_int_equal(settings.model.stages[1].stride, 2);
    assert_int_equal(settings.model.stages[0].stride, 1);
}

static void test_stages_of_the_preset_keep_its_name(void **state)
{
    (void)state;
    struct settings settings;
    char stages[] = "64/16x5,128/32x5/2 , 256/64x5 / 2",
         *words[] = {"nfbench", "--stages", stages, "--preset", "report", NULL};
    int first;
    assert_ok(settings_parse(&settings, SETTINGS_NEW, 5, words, &first, &error), &error);
    assert_string_equal(settings.model.preset, "report");
}

static void test_operands_and_flags(void **state)
{
    (void)state;
    struct settings settings;
    char *words[] = {"nfbench", "one", "--json", "two", "--lr=0.3", "--", "--three", NULL};
    int first;
    assert_ok(settings_parse(&settings, SETTINGS_NEW, 7, words, &first, &error), &error);
    assert_true(settings.json);
    assert_string_equal(text_of(&settings, "lr"), "0.3");
    assert_int_equal(first, 4);
    assert_string_equal(words[4], "one");
    assert_string_equal(words[5], "two");
    assert_string_equal(words[6], "--three");
    assert_ok(parse_line(&settings, SETTINGS_NEW, "--help --lr nonsense", &error), &error);
    assert_true(settings.help);
    settings.help = false;
    assert_ok(parse_line(&settings, SETTINGS_NEW, "-hhhhhhhhhhhh -h", &error), &error);
    assert_true(settings.help);
}

/* ---- Sessions ---- */

static void test_a_session_keeps_what_it_is(void **state)
{
    (void)state;
    struct settings session = default_settings();
    assert_ok(settings_set(&session, "batch", "32", &error), &error);
    struct settings changed = session;
    assert_ok(parse_line(&changed, SETTINGS_SESSION, "--epochs 7 --batch 32 --threads 2", &error), &error);
    assert_int_equal(changed.train.epochs, 7);
    assert_int_equal(changed.train.batch, 32);
    assert_ok(parse_line(&changed, SETTINGS_SESSION, "--batch 64 --mixup 0.2", &error), &error); /* as by `set` */
    assert_int_equal(changed.train.batch, 64);
    assert_error(parse_line(&changed, SETTINGS_SESSION, "--limit 64", &error), &error,
                 "--limit 64: a session keeps its limit (0)");
    assert_error(parse_line(&changed, SETTINGS_SESSION, "--seed 5", &error), &error, "keeps its seed");
    assert_error(parse_line(&changed, SETTINGS_SESSION, "--alpha 0.3", &error), &error, "keeps its alpha (0.2)");
    assert_error(parse_line(&changed, SETTINGS_SESSION, "--preset report", &error), &error, "keeps its preset (micro)");
    assert_error(parse_line(&changed, SETTINGS_SESSION, "--session x", &error), &error, "keeps its session");
}

static void test_digest(void **state)
{
    (void)state;
    struct settings settings = default_settings();
    char first[SETTINGS_DIGEST_SIZE], second[SETTINGS_DIGEST_SIZE];
    settings_digest(&settings, first);
    assert_int_equal(strlen(first), 64);
    assert_ok(settings_set(&settings, "threads", "7", &error), &error);
    settings_digest(&settings, second);
    assert_string_equal(first, second);
    assert_ok(settings_set(&settings, "seed", "7", &error), &error);
    settings_digest(&settings, second);
    assert_string_not_equal(first, second);
    assert_ok(settings_set(&settings, "seed", "1", &error), &error);
    assert_ok(settings_set(&settings, "shortcut", "conv", &error), &error);
    settings_digest(&settings, second);
    assert_string_not_equal(first, second);
}

/* What sessions had that were written before --shortcut: a row that came later changes nothing until it is used. */
static void test_digest_of_older_sessions(void **state)
{
    (void)state;
    struct settings settings = default_settings();
    char digest[SETTINGS_DIGEST_SIZE];
    assert_ok(settings_set(&settings, "preset", "micro", &error), &error);
    assert_ok(settings_set(&settings, "batch", "16", &error), &error);
    settings_digest(&settings, digest);
    assert_string_equal(digest, "e26a6a519245072de9085e0f82d530b84bb563e01d767fa7228235600785410a");
}

static char *help_of(const struct setting *row, int width)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    setting_help(file, row, width);
    fclose(file);
    return text;
}

static void test_help_names_the_option_within_the_width(void **state)
{
    (void)state;
    for (int width = 50; width <= 120; width += 35)
        for (int i = 0; settings_row(i); i++) {
            const struct setting *row = settings_row(i);
            char option[80], *text = help_of(row, width);
            snprintf(option, sizeof option, "  --%s%s%s", row->name, row->argument ? " " : "",
                     row->argument ? row->argument : "");
            assert_ptr_equal(strstr(text, option), text);
            for (const char *line = text + strcspn(text, "\n") + 1; *line; line += strcspn(line, "\n") + 1)
                assert_true(strcspn(line, "\n") <= (size_t)width);
            free(text);
        }
}

static void test_help_names_the_presets(void **state)
{
    (void)state;
    char *text = help_of(settings_row(settings_find("preset")), 80);
    for (int i = 0; model_preset_name(i); i++)
        assert_non_null(strstr(text, model_preset_name(i)));
    free(text);
}

static void test_decimal_comma(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "nl_NL.UTF-8"};
    const char *found = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++)
        found = setlocale(LC_NUMERIC, names[i]);
    if (!found) {
        print_message("SKIPPED: no locale with a decimal comma is installed\n");
        skip();
    }
    struct settings settings = default_settings();
    int result = settings_set(&settings, "lr", "0.25", &error);
    char value[SETTINGS_VALUE_SIZE];
    strcpy(value, text_of(&settings, "lr"));
    setlocale(LC_NUMERIC, "C");
    assert_ok(result, &error);
    assert_string_equal(value, "0.25");
}

/* "cuda:1" is the second GPU, and its number in the enum. */
static void test_a_device_may_have_a_number(void **state)
{
    static const char *const refused[] = {"cuda:", "cuda:-1", "cuda:64", "cuda:1x", "cuda1", "cpu:1", "auto:0", ":1"};
    struct settings settings = default_settings();
    struct error error = {""};
    (void)state;
    assert_ok(settings_set(&settings, "device", "cuda:3", &error), &error);
    assert_int_equal(settings.train.device, DEVICE_CUDA + 3);
    assert_string_equal(text_of(&settings, "device"), "cuda:3");
    assert_ok(settings_set(&settings, "device", "cuda:0", &error), &error);
    assert_int_equal(settings.train.device, DEVICE_CUDA);
    assert_string_equal(text_of(&settings, "device"), "cuda");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_int_equal(settings_set(&settings, "device", refused[i], &error), -1);
        assert_non_null(strstr(error.message, "wanted auto|cpu|cuda[:N]"));
    }
    assert_int_equal(settings_set(&settings, "augment", "standard:1", &error), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_well_formed),
        cmocka_unit_test(test_defaults_are_within_bounds),
        cmocka_unit_test(test_limits_of_the_network_hold),
        cmocka_unit_test(test_rows_round_trip_as_text),
        cmocka_unit_test(test_rows_round_trip_as_options),
        cmocka_unit_test(test_rows_round_trip_in_files),
        cmocka_unit_test(test_long_values_in_files),
        cmocka_unit_test(test_preset_then_config_then_options),
        cmocka_unit_test(test_preset_in_config),
        cmocka_unit_test(test_custom_network),
        cmocka_unit_test(test_stages_of_the_preset_keep_its_name),
        cmocka_unit_test(test_operands_and_flags),
        cmocka_unit_test(test_a_session_keeps_what_it_is),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_digest_of_older_sessions),
        cmocka_unit_test(test_help_names_the_option_within_the_width),
        cmocka_unit_test(test_help_names_the_presets),
        cmocka_unit_test(test_a_device_may_have_a_number),
        cmocka_unit_test(test_decimal_comma),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
