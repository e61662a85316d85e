/* SIGTERM, Ctrl-C and a hang-up: whatever a run is doing, it saves and is out within ten seconds with exit code 130,
 * and loses no step: what goes on from there comes to the bits of the run that nobody stopped. One that has not begun
 * leaves nothing. */
#include "tests/faults/faults.h"
#include "tests/terminal/pty.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

/* In whose time most is spent at one thing. */
#define STEPS FAULTS_RUN "--limit 800 --epochs 1 --checkpoint-every 0 "
#define EVALUATIONS FAULTS_RUN "--limit 600 --validation 560 --epochs 2 "
#define PROBES FAULTS_RUN "--probe-every 1 "

static const struct phase {
    const char *name;
    const char *from;      /* the session that the victim is a copy of; NULL: the arguments make it */
    const char *arguments; /* get the signal */
    const char *expected;  /* what `resume victim` then comes to */
} phases[] = {
    {"start and training", NULL, "train " STEPS "--session victim", "steps"},
    {"evaluation", NULL, "train " EVALUATIONS "--session victim", "evaluations"},
    {"saving", NULL, "train " FAULTS_RUN "--checkpoint-every 1 --session victim", "saves"},
    {"probes", NULL, "train " PROBES "--session victim", "probes"},
    {"a trial", NULL, "train " STEPS "--script try --session victim", "steps"},
    {"the finder", NULL, "train " STEPS "--script find --session victim", "steps"},
    {"start and training after a resume", "stopped", "resume victim", "steps"},
    {"back", "stopped", "resume victim --script back", "steps"},
};

static int set_up(void **state)
{
    if (faults_setup(state) != 0 || pty_set_up(state) != 0)
        return -1;
    write_script("stop", "step 60\n"); /* and then a pause with nobody there */
    write_script("try", "try lr 0.01 0.02 0.05 0.1 for 90\n");
    write_script("find", "lrfind 1e-5 1 for 90\n");
    write_script("back", "back 40\n");
    run_expecting(0, "train " STEPS "--session steps");
    run_expecting(0, "train " EVALUATIONS "--session evaluations");
    run_expecting(0, "train " FAULTS_RUN "--checkpoint-every 1 --session saves");
    run_expecting(0, "train " PROBES "--session probes");
    run_expecting(130, "train " STEPS "--script stop --session stopped");
    return 0;
}

static int tear_down(void **state)
{
    pty_tear_down(state);
    return faults_teardown(state);
}

static void prepare(const struct phase *phase)
{
    session_wipe("victim");
    if (phase->from)
        session_copy(phase->from, "victim");
}

/* Nobody listens to signals before a run begins to begin. */
static void assert_nothing_done(const struct phase *phase)
{
    assert_int_equal(session_is_there("victim"), phase->from != NULL);
    if (phase->from)
        assert_same_course("victim", phase->from);
}

static void assert_saved(const struct phase *phase)
{
    const struct place place = session_place("victim");
    assert_int_equal(place.saved, place.logged);
    if (!phase->from)
        assert_non_null(strstr(run_expecting(0, "sessions show victim")->out, ", stopped"));
}

static void check(const struct phase *phase, int status, int signal)
{
    if (status == 128 + signal && signal != SIGINT)
        assert_nothing_done(phase);
    else if (status != 0 && status != 130)
        fail_msg("exit code %d", status);
    if (!session_is_there("victim")) /* it had not begun */
        return;
    if (status == 130)
        assert_saved(phase);
    run_expecting(0, "resume victim");
    assert_same_course("victim", phase->expected);
}

/* Ctrl-C and a hang-up now and then, where they are not SIGTERM's twins by their exit code. */
static int choose_signal(const struct phase *phase)
{
    static const int signals[] = {SIGTERM, SIGTERM, SIGHUP, SIGINT};
    return signals[faults_random(phase->from ? 3 : 4)];
}

static void signal_at_instant(const struct phase *phase, long span)
{
    const long after = faults_random(span);
    const int signal = choose_signal(phase);
    prepare(phase);
    snprintf(trial, sizeof trial, "%s, signal %d after %ld us", phase->name, signal, after);
    struct process process = process_start(phase->arguments, NULL);
    faults_sleep(after);
    assert_int_equal(kill(process.pid, signal), 0);
    const int status = process_finish(&process)->status;
    check(phase, status, signal);
}

/* From its start to its end. */
static long time_of(const struct phase *phase)
{
    prepare(phase);
    const long begin = faults_microseconds();
    struct process process = process_start(phase->arguments, NULL);
    (void)process_finish(&process); /* a trial ends paused, with nobody there */
    return faults_microseconds() - begin;
}

static void a_run_that_is_told_to_end_saves_and_leaves(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        const long span = time_of(&phases[i]);
        for (int k = faults_count(2, 11); k > 0; k--)
            signal_at_instant(&phases[i], span);
    }
    trial[0] = '\0';
}

/* Of processor time, in seconds: a process's, and that of all that have ended. */
static double time_used(pid_t process)
{
    clockid_t clock;
    struct timespec used;
    assert_int_equal(clock_getcpuclockid(process, &clock), 0);
    assert_int_equal(clock_gettime(clock, &used), 0);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

static double time_of_ended(void)
{
    struct rusage used;
    assert_int_equal(getrusage(RUSAGE_CHILDREN, &used), 0);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* One that did not hear a signal would go on for ever; and a busy machine gives no more processor time, but later. */
static void a_run_without_an_end_leaves_within_ten_seconds_of_work(void **state)
{
    static const struct {
        struct phase phase;
        const char *begun; /* stands in its log then */
    } endless[] = {
        {{"training", NULL, "train " STEPS "--epochs 1000000 --session victim", NULL}, "\"kind\":\"step\""},
        {{"evaluation", NULL, "train " EVALUATIONS "--epochs 1000000 --session victim", NULL}, "\"kind\":\"epoch\""},
        {{"saving", NULL, "train " FAULTS_RUN "--checkpoint-every 1 --epochs 1000000 --session victim", NULL},
         "\"kind\":\"step\""},
        {{"probes", NULL, "train " PROBES "--epochs 1000000 --session victim", NULL}, "\"kind\":\"step\""},
        {{"a trial", NULL, "train " STEPS "--epochs 1000000 --script endless --session victim", NULL}, "\"kind\""},
    };
    (void)state;
    write_script("endless", "try lr 0.01 0.02 for 90000\n");
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        snprintf(trial, sizeof trial, "%s without an end", endless[i].phase.name);
        prepare(&endless[i].phase);
        const double before = time_of_ended();
        struct process process = process_start(endless[i].phase.arguments, NULL);
        wait_for_text("nfbench/victim/metrics.jsonl", endless[i].begun);
        const double until_then = time_used(process.pid);
        assert_int_equal(kill(process.pid, SIGTERM), 0);
        assert_int_equal(process_finish(&process)->status, 130);
        assert_true(time_of_ended() - before - until_then < 10);
        assert_saved(&endless[i].phase);
    }
    trial[0] = '\0';
}

/* At a call on a file of one of its saves. */
static void a_run_that_is_told_to_end_inside_a_save_finishes_the_save(void **state)
{
    (void)state;
    const struct phase *phase = &phases[2];
    long count;
    prepare(phase);
    shim_load(&(struct shim){.log = "calls"});
    run_expecting(0, "%s", phase->arguments);
    shim_unload();
    struct call *calls = shim_calls("calls", &count);
    for (int i = faults_count(3, 30); i > 0; i--) {
        const long number = 1 + faults_random(count);
        snprintf(trial, sizeof trial, "SIGTERM at call %ld, %s %.160s", number, calls[number - 1].name,
                 calls[number - 1].path);
        prepare(phase);
        shim_load(&(struct shim){.at = number, .signal = SIGTERM});
        struct process process = process_start(phase->arguments, NULL);
        shim_unload();
        check(phase, process_finish(&process)->status, SIGTERM);
    }
    free(calls);
    trial[0] = '\0';
}

/* ---- The screen ---- */

static void a_screen_that_is_told_to_end_saves_and_leaves(void **state)
{
    (void)state;
    char arguments[1024];
    snprintf(arguments, sizeof arguments, STEPS "--session victim --sessions-dir %s", process_path("nfbench"));
    for (int i = faults_count(3, 12); i > 0; i--) {
        const long until = faults_microseconds() + faults_random(500000);
        const int signal = faults_random(2) ? SIGTERM : SIGHUP;
        snprintf(trial, sizeof trial, "the screen, signal %d", signal);
        session_wipe("victim");
        pty_start(80, 24, "", arguments);
        while (faults_microseconds() < until)
            (void)pty_take(1);
        assert_int_equal(kill(pty_pid(), signal), 0);
        const int status = pty_status();
        check(&phases[0], WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), signal);
    }
    trial[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_run_that_is_told_to_end_saves_and_leaves, trial_teardown),
        cmocka_unit_test_teardown(a_run_without_an_end_leaves_within_ten_seconds_of_work, trial_teardown),
        cmocka_unit_test_teardown(a_run_that_is_told_to_end_inside_a_save_finishes_the_save, trial_teardown),
        cmocka_unit_test_teardown(a_screen_that_is_told_to_end_saves_and_leaves, trial_teardown),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
