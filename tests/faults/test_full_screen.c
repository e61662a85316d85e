/* A disk that is full, as a person at the screen sees it: why the run waits, and that Space has it go on once there is
 * room; leaving ends it. And one that is full just when the run comes to its end, without a screen. */
#include "tests/faults/faults.h"
#include "tests/terminal/pty.h"

#include <errno.h>
#include <signal.h>
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

/* Room, and Space, without any time between: the run tries again by itself now and then, and Space pauses one that has
 * gone on. */
static void make_room_and_press_space(void)
{
    siginfo_t stopped;
    assert_int_equal(kill(pty_pid(), SIGSTOP), 0);
    assert_int_equal(waitid(P_PID, (id_t)pty_pid(), &stopped, WSTOPPED), 0);
    assert_int_equal(unlink(process_path("full")), 0);
    pty_keys(" ");
    assert_int_equal(kill(pty_pid(), SIGCONT), 0);
}

static void a_full_disk_is_said_and_space_goes_on(void **state)
{
    (void)state;
    start("screen");
    assert_true(session_place("screen").saved < FAULTS_STEPS);
    make_room_and_press_space();
    pty_wait("finished");
    pty_command("view log");
    pty_wait("there is room again: training goes on");
    pty_wait(
        "No space left on device; make room on its disk. Training waits"); /* the view before has not room for both */
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

/* The disk is full when the run is saved because somebody leaves: nothing is lost to who makes room. */
static void who_leaves_before_it_is_known_may_make_room(void **state)
{
    (void)state;
    char arguments[1024];
    write_script("pause", "at 14 pause\n");
    snprintf(arguments, sizeof arguments, FAULTS_RUN "--session leaving --sessions-dir %s --script %s",
             process_path("nfbench"), process_path("pause"));
    shim_load(
        &(struct shim){.calls = "create write fsync", .at = 1, .forever = true, .error = ENOSPC, .during = "full"});
    pty_start(220, 36, "", arguments);
    shim_unload();
    pty_wait("paused  │"); /* the state in the corner: it stands still, and that is recorded */
    fclose(fopen(process_path("full"), "w"));
    pty_command("quit");
    pty_wait("waiting: disk full");
    assert_int_equal(unlink(process_path("full")), 0);
    assert_int_equal(pty_status(), 0);
    assert_int_equal(session_place("leaving").saved, 14);
    run_expecting(0, "resume leaving");
    assert_same_course("leaving", "whole");
}

/* ---- The last record of all ---- */

/* A run that has no room for it, which is that of `log`; returns when it waits. */
static struct process start_without_an_end(const char *session, const char *more, const char *log)
{
    char arguments[1024];
    long count;
    shim_load(&(struct shim){.log = "calls", .calls = "write"});
    snprintf(arguments, sizeof arguments, "train " FAULTS_RUN "--session counted %s", more);
    run_expecting(0, arguments);
    struct call *calls = shim_calls("calls", &count);
    while (count > 0 && !strstr(calls[count - 1].path, log)) /* those of TensorBoard are behind it */
        count--;
    free(calls);
    session_wipe("counted");
    fclose(fopen(process_path("full"), "w"));
    snprintf(arguments, sizeof arguments, "train " FAULTS_RUN "--session %s %s", session, more);
    shim_load(&(struct shim){
        .calls = "write", .at = count, .forever = true, .error = ENOSPC, .torn = true, .during = "full"});
    struct process process = process_start(arguments, NULL);
    shim_unload();
    process_read_until(process.err, "No space left on device; make room on its disk. Training waits");
    return process;
}

/* Whether the list of sessions says so by now: the run says that it waits a moment before it stands there. */
static bool is_seen_to_wait(const char *session)
{
    char arguments[64];
    snprintf(arguments, sizeof arguments, "sessions show %s --json", session);
    json_t *shown = last_json(run_expecting(0, arguments));
    const bool waits = strcmp(json_text_at(shown, "state"), "waits") == 0;
    if (waits)
        assert_string_equal(json_text_at(shown, "waits_for"), "room on its disk");
    json_decref(shown);
    return waits;
}

static void a_run_waits_for_room_for_its_end(void **state)
{
    (void)state;
    struct process process = start_without_an_end("end", "", "/metrics.jsonl");
    for (const long limit = pty_now() + PTY_PATIENCE_MS; !is_seen_to_wait("end");)
        assert_true(pty_now() < limit);
    assert_int_equal(unlink(process_path("full")), 0);
    assert_int_equal(process_finish(&process)->status, 0);
    assert_non_null(strstr(run_expecting(0, "sessions show end")->out, ", finished\n"));
    assert_same_course("end", "whole");
}

/* As a trial of a tune is by halves: a command is recorded, and then the end. */
static void a_run_that_goes_so_far_waits_for_room_too(void **state)
{
    (void)state;
    struct process process = start_without_an_end("so-far", "--until 2", "/commands.jsonl");
    assert_int_equal(unlink(process_path("full")), 0);
    assert_int_equal(process_finish(&process)->status, 0);
    assert_non_null(strstr(run_expecting(0, "sessions show so-far")->out, ", stopped\n"));
    run_expecting(0, "resume so-far");
    assert_same_course("so-far", "whole");
}

static void who_stops_it_there_loses_nothing(void **state)
{
    (void)state;
    struct process process = start_without_an_end("unended", "", "/metrics.jsonl");
    assert_int_equal(kill(process.pid, SIGTERM), 0);
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 1);
    assert_non_null(strstr(outcome->err, "All steps are saved: a resume goes on from there"));
    assert_int_equal(unlink(process_path("full")), 0);
    assert_non_null(strstr(run_expecting(0, "sessions show unended")->out, ", interrupted\n"));
    assert_non_null(strstr(run_expecting(0, "resume unended")->out, "finished at step 30 of 30"));
    assert_non_null(strstr(run_expecting(0, "sessions show unended")->out, ", finished\n"));
    assert_same_course("unended", "whole");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_is_said_and_space_goes_on),
        cmocka_unit_test(who_leaves_meanwhile_is_told_what_is_not_saved),
        cmocka_unit_test(who_leaves_before_it_is_known_may_make_room),
        cmocka_unit_test(a_run_waits_for_room_for_its_end),
        cmocka_unit_test(a_run_that_goes_so_far_waits_for_room_too),
        cmocka_unit_test(who_stops_it_there_loses_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
