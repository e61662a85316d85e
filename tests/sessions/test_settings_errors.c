/* Settings that are refused: what the message says, and that nothing was changed. */
#include "settings_line.h"

#include <stdlib.h>
#include <string.h>

static struct error error;

static void test_command_line_errors(void **state)
{
    (void)state;
    static const struct {
        const char *line, *part;
    } cases[] = {
        {"--lr 0.1x", "--lr '0.1x': wanted a number above 0, at most 1000"},
        {"--lr nan", "--lr 'nan': wanted a number"},
        {"--lr inf", "wanted a number"},
        {"--lr 0x1p3", "wanted a number"},
        {"--lr -0.1", "above 0, at most 1000"},
        {"--lr 1e99", "above 0, at most 1000"},
        {"--lr ,1", "wanted a number"},
        {"--alpha 0", "above 0"},
        {"--alpha 1e-60", "above 0"},
        {"--batch 0", "--batch '0': wanted a whole number from 1 to 65536"},
        {"--batch 1.5", "whole number"},
        {"--batch 99999999999999999999", "whole number"},
        {"--seed -1", "from 0 to 18446744073709551615"},
        {"--seed 18446744073709551616", "from 0 to 18446744073709551615"},
        {"--steps 1e3", "whole number"},
        {"--steps auto", "whole number"},
        {"--probe-every -1", "wanted a whole number from 0 to 1000000000000, or auto"},
        {"--probe-every automatic", "or auto"},
        {"--schedule linear", "--schedule 'linear': wanted constant|step|cosine|onecycle"},
        {"--ws yes", "--ws 'yes': wanted on|off"},
        {"--preset tiny", "report, micro"},
        {"--stages 64", "WIDTH/MIDxBLOCKS"},
        {"--stages 64/16x5/2/2", "comma"},
        {"--stages 64/16x5,", "WIDTH/MIDxBLOCKS"},
        {"--stages 8/4x1,8/4x1,8/4x1,8/4x1,8/4x1,8/4x1,8/4x1,8/4x1,8/4x1", "more than 8"},
        {"--device gpu", "wanted auto|cpu|cuda"},
        {"--bacth 3", "--bacth: no such option; did you mean --batch?"},
        {"--bacth=3", "did you mean --batch?"},
        {"--classes 10", "no such option"},
        {"--xyzzy", "--xyzzy: no such option"},
        {"-x", "-x: no such option"},
        {"--lr", "--lr: needs a value: X"},
        {"--json=1", "--json: takes no value"},
        {"--augment none --cutout 16", "--cutout 16: only --augment standard reads it, and this is --augment none"},
        {"--flip none --augment report", "--flip none: only --augment standard reads it"},
        {"--crop 2 --preset report", "and this is --augment report"},
        {"--config report --augment-grow 0", "--augment-grow 0: only --augment standard"},
        {"--config /does/not/exist", "cannot read /does/not/exist: No such file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings settings = default_settings(), before = settings;
        assert_error(parse_line(&settings, SETTINGS_NEW, cases[i].line, &error), &error, cases[i].part);
        assert_memory_equal(&settings, &before, sizeof settings);
    }
}

static void test_text_errors(void **state)
{
    (void)state;
    static const char *const bad[] = {"", " a", "a ", ";a", "#a", "a ;b", "a\nb", "a\x7f"};
    char *long_text = calloc(1, SETTINGS_PATH_SIZE + 1);
    struct settings settings = default_settings();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_error(settings_set(&settings, "data", bad[i], &error), &error, "data");
    memset(long_text, 'a', SETTINGS_PATH_SIZE);
    assert_error(settings_set(&settings, "data", long_text, &error), &error, "longer than 1023 bytes");
    assert_error(settings_set(&settings, "bach", "1", &error), &error, "did you mean batch?");
    assert_string_equal(settings.data, "synthetic");
    free(long_text);
}

static void test_file_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"[train]\nlr = 0.1\nbach = 3\n", "line 3: did you mean batch? Unknown key bach"},
        {"[model]\nlr = 0.1\n", "line 2: lr belongs in [train], not in model"},
        {"[train]\nlr = x\n", "line 2: lr 'x': wanted a number"},
        {"[train]\nlr = 0.1\nlr = 0.2\n", "line 3: a second value of lr"},
        {"[train]\nlr = 0.1\n  0.2\n", "lr"},
        {"[train]\n\nwhat\n", "line 3: wanted `key = value`"},
        {"[train\n", "line 1: wanted"},
        {"[run]\njson = on\n", "json"},
    };
    const char *path = path_of("bad.ini");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings settings = default_settings(), before = settings;
        write_file(path, cases[i].text, strlen(cases[i].text));
        memset(&error, 0, sizeof error);
        assert_error(settings_read(&settings, path, &error), &error, cases[i].part);
        assert_memory_equal(&settings, &before, sizeof settings);
    }
    char text[600] = "data = ";
    struct settings settings = default_settings();
    memset(text + 7, 'x', sizeof text - 8);
    write_file(path, text, sizeof text - 1);
    assert_error(settings_read(&settings, path, &error), &error, "line 1: line too long");
    write_file(path, "lr = 0.1\n\0lr\n", 13);
    assert_error(settings_read(&settings, path, &error), &error, "line 2");
    assert_error(settings_read(&settings, folder, &error), &error, "cannot read");
    assert_error(settings_write(&settings, path_of("no/such/folder"), &error), &error, "No such file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_line_errors),
        cmocka_unit_test(test_text_errors),
        cmocka_unit_test(test_file_errors),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
