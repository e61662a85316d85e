/* A disk that is full, as a person at the screen sees it: why the run waits, and that Space has it go on once there is
 * room; leaving ends it. */
#include "tests/faults/faults.h"
#include "tests/terminal/pty.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int set_up(void **state)
{
    return faults_setup(state) != 0 || pty_set_up(state) != 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    pty_tear_down(state);
    return faults_teardown(state);
}

/* The run, on a disk that is full from the middle of it on, as long as "full" is there. */
static void start(const char *session)
{
    enum { MIDDLE = 150 };
    char arguments[1024];
    FILE *full = fopen(process_path("full"), "w");
    assert_non_null(full);
    fclose(full);
    snprintf(arguments, sizeof arguments, FAULTS_RUN "--session %s --sessions-dir %s", session,
             process_path("nfbench"));
    shim_load(&(struct shim){
        .calls = "create write fsync", .at = MIDDLE, .forever = true, .error = ENOSPC, .torn = true, .during = "full"});
    pty_start(220, 36, "", arguments);
    shim_unload();
    pty_wait("waiting: disk full");
    pty_wait("the disk is full: training waits for room; resume tries again at once");
}

static void a_full_disk_is_said_and_space_goes_on(void **state)
{
    (void)state;
    start("screen");
    assert_true(session_place("screen").saved < FAULTS_STEPS);
    assert_int_equal(unlink(process_path("full")), 0);
    pty_keys(" ");
    pty_wait("finished");
    pty_command("view log");
    pty_wait("there is room again: training goes on");
    assert_non_null(strstr(pty_text(), "No space left on device; make room on its disk. Training waits"));
    pty_command("quit");
    assert_int_equal(pty_status(), 0);
    assert_same_course("screen", "whole");
}

static void who_leaves_meanwhile_is_told_what_is_not_saved(void **state)
{
    (void)state;
    start("left");
    pty_command("quit");
    pty_wait("leaving ends the run without saving");
    pty_command("quit");
    const int status = pty_status();
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_non_null(strstr(pty_text(), "Ended without saving"));
    assert_int_equal(unlink(process_path("full")), 0);
    run_expecting(0, "resume left");
    assert_same_course("left", "whole");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_is_said_and_space_goes_on),
        cmocka_unit_test(who_leaves_meanwhile_is_told_what_is_not_saved),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
