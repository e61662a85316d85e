/* What a network is called: by the preset or recipe that its settings began from, with a word where it is another now;
 * recorded with the session, kept by all that goes on from it, and no part of what the experiment is. */
#include "session_log.h"
#include "settings_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct error error;

static void assert_called(const struct settings *settings, const char *expected)
{
    char name[SETTINGS_NETWORK_SIZE];
    settings_network_name(settings, name);
    assert_string_equal(name, expected);
}

static void parse(struct settings *settings, enum settings_base base, const char *line)
{
    if (parse_line(settings, base, line, &error) != 0)
        fail_msg("%s: %s", line, error.message);
}

static void write_ini(const char *name, const char *text)
{
    write_file(path_of(name), text, strlen(text));
}

static void a_network_is_called_after_its_origin(void **state)
{
    (void)state;
    static const struct {
        const char *line, *name;
    } cases[] = {
        {"--lr 0.3", "micro"},
        {"--preset small --epochs 2", "small"},
        {"--stem 8", "micro, changed"},
        {"--preset report --stages 64/16x3", "report, changed"},
        {"--config fast", "recipe fast"},
        {"--config fast --limit 100 --threads 1", "recipe fast"},
        {"--config fast --lr 0.2", "recipe fast"},
        {"--config fast --lr 0.3", "recipe fast, changed"},
        {"--config fast --stem 8", "recipe fast, changed"},
        {"--config report", "recipe report"},
        {"--config report --stem 8", "recipe report, changed"},
        {"--config fast-94 --batch 8", "recipe fast-94, changed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings settings;
        parse(&settings, SETTINGS_NEW, cases[i].line);
        assert_called(&settings, cases[i].name);
    }
}

static void a_session_keeps_it(void **state)
{
    (void)state;
    struct settings settings, again, resumed;
    char line[256];
    parse(&settings, SETTINGS_NEW, "--config fast");
    assert_int_equal(settings_write(&settings, path_of("settings.ini"), &error), 0);
    assert_int_equal(settings_default(&again, &error), 0);
    assert_int_equal(settings_read(&again, path_of("settings.ini"), &error), 0);
    assert_called(&again, "recipe fast");
    snprintf(line, sizeof line, "--config %s", path_of("settings.ini"));
    parse(&again, SETTINGS_NEW, line);
    assert_called(&again, "recipe fast");
    write_ini("other.ini", "epochs = 5\norigin = small\n");
    snprintf(line, sizeof line, "--config %s", path_of("other.ini"));
    resumed = settings;
    parse(&resumed, SETTINGS_SESSION, line);
    assert_int_equal(resumed.train.epochs, 5);
    assert_called(&resumed, "recipe fast, changed");
    resumed = settings;
    parse(&resumed, SETTINGS_SESSION, "--config fast");
    assert_called(&resumed, "recipe fast");
    assert_int_equal(settings_set(&settings, "preset", "small", &error), 0);
    assert_called(&settings, "small");
}

static char *settings_text(const struct session *session)
{
    size_t size;
    return read_file(inside(session, "settings.ini"), &size);
}

/* So that an nfbench which does not know of it can read most sessions. */
static void it_is_written_where_the_preset_does_not_say_it(void **state)
{
    (void)state;
    static const struct {
        const char *line, *written, *name;
    } cases[] = {
        {"--lr 0.3", NULL, "micro"},
        {"--preset small", NULL, "small"},
        {"--stem 8", "\norigin = micro\n", "micro, changed"},
        {"--config fast", "\norigin = recipe fast\n", "recipe fast"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings settings;
        struct session *session;
        char name[20];
        parse(&settings, SETTINGS_NEW, cases[i].line);
        strcpy(settings.sessions_dir, folder);
        snprintf(name, sizeof name, "written-%zu", i);
        session = create_session(&settings, name);
        char *text = settings_text(session), *end = text + strlen(text);
        assert_int_equal(strstr(text, "origin") != NULL, cases[i].written != NULL);
        assert_true(!cases[i].written || strstr(text, cases[i].written));
        strcpy(end - 1, " "); /* changed by hand: nothing is missing from it for that */
        write_file(inside(session, "settings.ini"), text, strlen(text));
        free(text);
        session_close(session);
        assert_ok(session_open(&settings, name, SESSION_READ, &session, &error), &error);
        assert_called(session_settings(session), cases[i].name);
        session_close(session);
    }
}

static void older_sessions_show_what_they_have(void **state)
{
    (void)state;
    struct settings settings;
    assert_int_equal(settings_default(&settings, &error), 0);
    write_ini("old.ini", "[model]\npreset = custom\nstem = 8\n");
    assert_int_equal(settings_read(&settings, path_of("old.ini"), &error), 0);
    assert_called(&settings, "custom");
    assert_int_equal(settings_default(&settings, &error), 0);
    write_ini("old.ini", "[model]\npreset = small\n");
    assert_int_equal(settings_read(&settings, path_of("old.ini"), &error), 0);
    assert_called(&settings, "small");
}

static void nonsense_is_told_and_recipes_of_others_are_not(void **state)
{
    (void)state;
    static const char *const wrong[] = {"nowhere", "recipe", "recipe  x", "recipe A/b",
                                        "recipe of-a-name-that-is-far-too-long"};
    struct settings settings;
    assert_int_equal(settings_default(&settings, &error), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(settings_set(&settings, "origin", wrong[i], &error), -1);
        assert_non_null(strstr(error.message, "wanted a preset, or `recipe` and its name"));
    }
    assert_int_equal(settings_set(&settings, "origin", "recipe of-later", &error), 0);
    assert_called(&settings, "recipe of-later");
    assert_int_equal(parse_line(&settings, SETTINGS_NEW, "--origin small", &error), -1); /* it is no option */
}

static void it_is_no_part_of_the_experiment(void **state)
{
    (void)state;
    struct settings settings, base;
    char digest[2][SETTINGS_DIGEST_SIZE];
    parse(&settings, SETTINGS_NEW, "--config fast");
    settings_digest(&settings, digest[0]);
    assert_int_equal(settings_set(&settings, "origin", "small", &error), 0);
    settings_digest(&settings, digest[1]);
    assert_string_equal(digest[0], digest[1]);
    parse(&settings, SETTINGS_NEW, "--config fast --stem 8 --lr 1");
    assert_int_equal(settings_of_origin(&settings, &base, &error), 0);
    assert_int_equal(base.model.stem, 24);
    assert_true(base.train.learning_rate == 0.2f);
    assert_called(&base, "recipe fast");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_is_called_after_its_origin),
        cmocka_unit_test(a_session_keeps_it),
        cmocka_unit_test(it_is_written_where_the_preset_does_not_say_it),
        cmocka_unit_test(older_sessions_show_what_they_have),
        cmocka_unit_test(nonsense_is_told_and_recipes_of_others_are_not),
        cmocka_unit_test(it_is_no_part_of_the_experiment),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
