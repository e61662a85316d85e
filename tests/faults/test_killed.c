/* kill -9: whenever a run is killed, its session can be read, and what goes on from its last checkpoint comes to the
 * same bits as the run that nobody killed. */
#include "tests/faults/faults.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRAIN "train " FAULTS_RUN "--session killed"

/* ---- Inside a save: at a call on a file of it ---- */

static bool is_of_a_save(const struct call *call)
{
    return strstr(call->path, "/checkpoints/") || strcmp(call->name, "fsync") == 0;
}

/* The number of one of the calls that a run's saves consist of. */
static long choose_call(const struct call *calls, long count)
{
    long chosen;
    do
        chosen = faults_random(count);
    while (!is_of_a_save(&calls[chosen]));
    return chosen + 1;
}

static void try_save(const struct call *calls, long count)
{
    struct shim shim = {.at = choose_call(calls, count), .signal = SIGKILL};
    shim.torn = strcmp(calls[shim.at - 1].name, "write") == 0 && faults_random(2);
    snprintf(trial, sizeof trial, "killed %s call %ld, %s %.160s", shim.torn ? "within" : "before", shim.at,
             calls[shim.at - 1].name, calls[shim.at - 1].path);
    shim_load(&shim);
    run_expecting(128 + SIGKILL, TRAIN);
    shim_unload();
    if (!session_is_there("killed")) { /* it died while it made the session */
        run_expecting(0, TRAIN);
        assert_same_course("killed", "whole");
    } else
        assert_resumes("killed", session_place("killed"));
    session_wipe("killed");
}

static void a_run_that_is_killed_inside_a_save_resumes_to_the_bit(void **state)
{
    (void)state;
    long count;
    shim_load(&(struct shim){.log = "calls"});
    run_expecting(0, TRAIN);
    shim_unload();
    session_wipe("killed");
    struct call *calls = shim_calls("calls", &count);
    for (int i = faults_count(30, 300); i > 0; i--)
        try_save(calls, count);
    free(calls);
    trial[0] = '\0';
}

/* ---- At any instant ---- */

/* One run from its start to its end, killed on the way at most so many times; how often it was. Now and then it is only
 * told to end, and saves: in the middle of an epoch's measurement, too. */
static int try_run(long span, int most)
{
    struct place before = {.saved = -1}, place = before;
    int kills = 0;
    while (kills < most) {
        const long after = faults_random(span);
        const int signal = faults_random(4) ? SIGKILL : SIGTERM;
        const bool made = session_is_there("killed");
        snprintf(trial, sizeof trial, "%s, from step %ld, signal %d after %ld us", made ? "resume" : "train",
                 before.saved, signal, after);
        if (!faults_end_after(made ? "resume killed" : TRAIN, after, signal))
            break;
        kills += signal == SIGKILL;
        if (!session_is_there("killed"))
            continue;
        place = session_place("killed");
        assert_true(place.saved >= before.saved && place.logged <= place.saved + FAULTS_EVERY);
        before = place;
    }
    if (!session_is_there("killed"))
        run_expecting(0, TRAIN);
    assert_resumes("killed", session_place("killed"));
    session_wipe("killed");
    return kills;
}

static void a_run_that_is_killed_at_any_instant_resumes_to_the_bit(void **state)
{
    (void)state;
    const long begin = faults_microseconds();
    run_expecting(0, TRAIN);
    const long span = faults_microseconds() - begin;
    session_wipe("killed");
    for (int left = faults_count(70, 700); left > 0;)
        left -= try_run(span, left);
    trial[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_run_that_is_killed_inside_a_save_resumes_to_the_bit, trial_teardown),
        cmocka_unit_test_teardown(a_run_that_is_killed_at_any_instant_resumes_to_the_bit, trial_teardown),
    };
    return cmocka_run_group_tests(tests, faults_setup, faults_teardown);
}
