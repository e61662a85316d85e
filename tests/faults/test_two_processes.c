/* Two processes on one session: the second is refused, and says who is there; one that has died is not in the way. */
#include "tests/faults/faults.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A run that goes on until somebody ends it, and trains by now. */
static struct process start_endless(const char *session)
{
    char arguments[1024], log[128];
    snprintf(arguments, sizeof arguments, "train " FAULTS_RUN "--epochs 1000000 --session %s", session);
    snprintf(log, sizeof log, "nfbench/%s/metrics.jsonl", session);
    struct process process = process_start(arguments, NULL);
    wait_for_text(log, "\"kind\":\"step\"");
    return process;
}

static void end(struct process *process, int signal, int status)
{
    assert_int_equal(kill(process->pid, signal), 0);
    assert_int_equal(process_finish(process)->status, status);
}

/* One line, which says so. */
static void assert_refused(const struct outcome *outcome, const char *part)
{
    const char *end = strchr(outcome->err, '\n');
    if (!end || end[1] || !strstr(outcome->err, part))
        print_error("not one line with %s: %s\n", part, outcome->err);
    assert_true(end && end[1] == '\0');
    assert_non_null(strstr(outcome->err, part));
    assert_string_equal(outcome->out, "");
}

static void the_second_writer_is_refused_and_told_who_is_there(void **state)
{
    (void)state;
    char owner[64];
    struct process process = start_endless("taken");
    snprintf(owner, sizeof owner, "session taken is in use by process %d:", (int)process.pid);
    assert_refused(run_expecting(1, "resume taken"), owner);
    assert_refused(run_expecting(1, "resume taken --checkpoint best --lr 0.01"), owner);
    assert_refused(run_expecting(2, "train " FAULTS_RUN "--session taken"), "taken");
    assert_refused(run_expecting(1, "fork whole --name taken"), "session taken exists already");
    assert_refused(run_expecting(1, "sessions verify taken --repair"), owner);
    end(&process, SIGINT, 130);
    run_expecting(0, "resume taken --steps 1");
}

static void readers_and_forks_are_not_in_each_others_way(void **state)
{
    (void)state;
    struct process process = start_endless("read");
    run_expecting(0, "sessions show read");
    run_expecting(0, "fork read --name beside");
    run_expecting(0, "export read --what loss");
    run_expecting(0, "resume beside --steps 1");
    end(&process, SIGTERM, 130);
}

static void the_lock_of_a_dead_process_is_no_obstacle(void **state)
{
    (void)state;
    struct process process = start_endless("left");
    end(&process, SIGKILL, 128 + SIGKILL);
    struct stat lock;
    assert_int_equal(stat(process_path("nfbench/left/lock"), &lock), 0);
    assert_true(lock.st_size > 0);
    run_expecting(0, "resume left --steps 1");
}

/* Starts both at once. How many of them end with 0; the others are refused in one line. */
static int race(const char *one, const char *other)
{
    struct process processes[] = {process_start(one, NULL), process_start(other, NULL)};
    int done = 0;
    for (int i = 0; i < 2; i++) {
        const struct outcome *outcome = process_finish(&processes[i]);
        done += outcome->status == 0;
        if (outcome->status == 0)
            continue;
        assert_in_range(outcome->status, 1, 2);
        assert_refused(outcome, "race");
    }
    return done;
}

/* Of two that want the same name or session one has it at least, whole; the other may come when that has ended. */
static void two_that_start_at_once_do_not_mix(void **state)
{
    (void)state;
    FILE *script = fopen(process_path("nine"), "w");
    assert_non_null(script);
    fputs("step 9\n", script); /* and then a pause with nobody there */
    assert_int_equal(fclose(script), 0);
    for (int i = faults_count(3, 100); i > 0; i--) {
        assert_int_equal(race("train " FAULTS_RUN "--session race", "train " FAULTS_RUN "--session race"), 1);
        assert_same_course("race", "whole");
        session_wipe("race");
        run_expecting(130, "train " FAULTS_RUN "--script nine --session race");
        assert_in_range(race("resume race", "resume race"), 1, 2);
        assert_same_course("race", "whole");
        session_wipe("race");
    }
}

static void two_without_a_name_get_one_each(void **state)
{
    (void)state;
    for (int i = faults_count(2, 50); i > 0; i--)
        assert_int_equal(race("train " FAULTS_RUN "--steps 2", "train " FAULTS_RUN "--steps 2"), 2);
}

/* As on network file systems of some kinds. */
static void without_locks_no_session_is_written(void **state)
{
    (void)state;
    static const int reasons[] = {ENOLCK, EOPNOTSUPP};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        shim_load(&(struct shim){.calls = "flock", .at = 1, .forever = true, .error = reasons[i]});
        assert_refused(run_expecting(1, "resume whole"), "this file system has no locks");
        const struct outcome *outcome = run_expecting(1, "train " FAULTS_RUN "--session unlocked");
        assert_non_null(strstr(outcome->err, "this file system has no locks"));
        assert_false(session_is_there("unlocked"));
        run_expecting(0, "sessions show whole");
        run_expecting(0, "test whole");
        shim_unload();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_writer_is_refused_and_told_who_is_there),
        cmocka_unit_test(readers_and_forks_are_not_in_each_others_way),
        cmocka_unit_test(the_lock_of_a_dead_process_is_no_obstacle),
        cmocka_unit_test(two_that_start_at_once_do_not_mix),
        cmocka_unit_test(two_without_a_name_get_one_each),
        cmocka_unit_test(without_locks_no_session_is_written),
    };
    return cmocka_run_group_tests(tests, faults_setup, faults_teardown);
}
