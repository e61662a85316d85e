/* `nfbench sessions rm` on the real program: what was asked for goes, and nothing else. */
#include "tests/tui/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_there(const char *name)
{
    return access(process_path(name), F_OK) == 0;
}

static void what_is_named_goes_and_forks_stay(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--steps 4 --session old");
    run_expecting(0, "train " TINY "--steps 4 --session other");
    run_expecting(0, "fork old --name young");
    assert_non_null(strstr(run_expecting(0, "sessions rm old --yes")->err, "young is a fork of old"));
    assert_false(is_there("nfbench/old"));
    assert_false(is_there("nfbench/.removed-old"));
    assert_non_null(strstr(run_expecting(0, "sessions verify young other")->out, "2 of 2 sessions fine"));
    run_expecting(0, "resume young --steps 6");
    run_expecting(0, "fork young --name youngest");
    const struct outcome *outcome = run_expecting(0, "sessions rm young youngest --yes"); /* nothing is left of them */
    assert_null(strstr(outcome->err, "is a fork of"));
    run_expecting(0, "fork other --name young");
    json_t *gone = last_json(run_expecting(0, "sessions rm young other --yes --json"));
    assert_int_equal(json_array_size(json_object_get(gone, "removed")), 2);
    json_decref(gone);
    assert_non_null(strstr(run_expecting(0, "sessions")->out, "no sessions"));
    run_expecting(1, "sessions rm old --yes");
}

static void nothing_goes_without_a_yes_or_beside_one_that_may_not(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--steps 1 --session kept");
    assert_non_null(strstr(run_expecting(2, "sessions rm kept")->err, "--yes"));
    run_expecting(2, "sessions rm kept --json");
    run_expecting(2, "sessions rm --yes");
    run_expecting(1, "sessions rm kept nothing --yes");
    assert_int_equal(mkdir(process_path("plain"), 0777), 0);
    run_expecting(1, "sessions rm %s --yes", process_path("plain"));
    assert_true(is_there("plain"));
    struct process process = process_start("train " TINY "--epochs 100000 --session busy", NULL);
    wait_for_text("nfbench/busy/metrics.jsonl", "\"step\":2");
    assert_non_null(strstr(run_expecting(1, "sessions rm kept busy --yes")->err, "being trained"));
    assert_int_equal(kill(process.pid, SIGTERM), 0);
    assert_int_equal(process_finish(&process)->status, 130);
    run_expecting(0, "sessions show kept");
    run_expecting(0, "sessions show busy");
}

/* One that was cut off is told, and brought to its end. */
static void what_is_left_of_a_removal_is_told(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--steps 1 --session half --sessions-dir cut");
    assert_int_equal(rename(process_path("cut/half"), process_path("cut/.removed-half")), 0);
    assert_non_null(strstr(run_expecting(0, "sessions --sessions-dir cut")->out, "no sessions"));
    assert_non_null(strstr(run_expecting(0, "sessions verify --sessions-dir cut")->out, "a session that was removed"));
    run_expecting(0, "sessions verify --repair --sessions-dir cut");
    assert_false(is_there("cut/.removed-half"));
    assert_non_null(strstr(run_expecting(0, "sessions verify --sessions-dir cut")->out, "no sessions in "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_test(what_is_named_goes_and_forks_stay),
        process_test(nothing_goes_without_a_yes_or_beside_one_that_may_not),
        process_test(what_is_left_of_a_removal_is_told),
    };
    return cmocka_run_group_tests(tests, process_setup, process_teardown);
}
