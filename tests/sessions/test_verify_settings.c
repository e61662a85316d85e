/* Settings and checkpoints that are not each other's: each is told, and what can be is mended. */
#include "verified.h"

#include "sessions/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void change_settings(const char *session, const char *from, char to)
{
    size_t size;
    char *path = path_in(session, "settings.ini"), *text = read_file(path, &size), *at = strstr(text, from);
    assert_non_null(at);
    at[strlen(from) - 1] = to;
    write_file(path, text, size);
    free(text);
}

/* What was changed by hand may be meant; where it makes another network of it, the checkpoints are not in doubt. */
static void settings_must_be_those_of_the_checkpoints(void **state)
{
    (void)state;
    make_session("changed");
    change_settings("changed", "log-every = 2", '3');
    verify("changed", true);
    assert_int_equal(report.wrong, 0);
    assert_int_equal(found("settings.ini", "not as nfbench wrote it")->severity, VERIFY_NOTE);
    assert_false(exists(path_in("changed", "settings.ini.damaged")));
    change_settings("changed", "stem = 8", '9');
    verify("changed", false);
    assert_int_equal(report.wrong, 1);
    assert_true(*found("settings.ini", "other settings than it has now")->mend);
    verify("changed", true);
    assert_int_equal(report.wrong, 0);
    assert_true(exists(path_in("changed", "checkpoints/20.safetensors")));
    assert_true(exists(path_in("changed", "settings.ini.damaged")));
    verify("changed", false);
    assert_null(find("not as nfbench wrote it"));
    assert_null(find("other settings"));
}

/* Each checkpoint has a copy. */
static void damaged_settings_are_written_anew(void **state)
{
    (void)state;
    make_session("unread");
    change_settings("unread", "stem = 8", 'x');
    verify("unread", false);
    assert_int_equal(report.wrong, 1);
    found("settings.ini", "settings.ini, line");
    verify("unread", true);
    assert_int_equal(report.wrong, 0);
    verify("unread", false);
    assert_int_equal(report.count, 1); /* what was set aside */
    change_settings("unread", "stem = 8", 'x');
    for (int i = 0; i < 3; i++) {
        static const char *const files[] = {"checkpoints/10.safetensors", "checkpoints/20.safetensors",
                                            "checkpoints/first.safetensors"};
        assert_int_equal(unlink(path_in("unread", files[i])), 0);
    }
    verify("unread", true);
    assert_string_equal(found("settings.ini", "settings.ini, line")->mend, "");
}

static void a_checkpoint_of_another_step_is_told(void **state)
{
    (void)state;
    make_session("renamed");
    assert_int_equal(
        rename(path_in("renamed", "checkpoints/20.safetensors"), path_in("renamed", "checkpoints/30.safetensors")), 0);
    verify("renamed", true);
    found("checkpoints/30.safetensors", "it is of step 20");
    assert_true(exists(path_in("renamed", "checkpoints/30.safetensors")));
}

static void a_checkpoint_of_another_network_is_told(void **state)
{
    (void)state;
    make_session("swapped-in");
    struct settings wider = settings;
    assert_ok(settings_set(&wider, "stages", "16/4x1/2", &error), &error);
    struct rig rig = make_rig(&wider, 1);
    struct checkpoint_info info;
    char *path = path_in("swapped-in", "checkpoints/20.safetensors");
    assert_ok(checkpoint_read_info(path, &info, &error), &error);
    assert_ok(checkpoint_save(path, rig.network, &info, &error), &error);
    free_rig(&rig);
    verify("swapped-in", true);
    assert_int_equal(report.wrong, 1);
    found("checkpoints/20.safetensors", "its tensors are not this network's");
    assert_true(exists(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_must_be_those_of_the_checkpoints),
        cmocka_unit_test(damaged_settings_are_written_anew),
        cmocka_unit_test(a_checkpoint_of_another_step_is_told),
        cmocka_unit_test(a_checkpoint_of_another_network_is_told),
    };
    return cmocka_run_group_tests(tests, folder_setup, verified_teardown);
}
