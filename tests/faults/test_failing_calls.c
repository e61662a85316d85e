/* Each call on a session's files fails in turn, in four ways, once and for ever; see preload/shim.c. Where the disk is
 * full, training waits; here somebody ends it then. */
#include "tests/faults/scenarios.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int numbers[] = {ENOSPC, EIO, EMFILE, EACCES};
enum { NUMBERS = sizeof numbers / sizeof *numbers, PATIENCE = 3, CALLS_MOST = 2000 };

static char *calls[CALLS_MOST]; /* "write PATH", of the program when nothing fails */

static long list_calls(const struct scenario *scenario)
{
    char line[8192];
    long count = 0;
    const struct shim shim = {.log = "calls"};
    scenario_prepare(scenario);
    shim_load(&shim);
    const int status = scenario_run(scenario)->status;
    shim_unload();
    assert_int_equal(status, 0);
    FILE *file = fopen(process_path("calls"), "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        assert_true(count < CALLS_MOST);
        line[strcspn(line, "\n")] = '\0';
        calls[count++] = strdup(line);
    }
    fclose(file);
    assert_int_equal(remove(process_path("calls")), 0);
    assert_true(count > 10);
    return count;
}

static void forget_calls(long count)
{
    for (long i = 0; i < count; i++)
        free(calls[i]);
}

static void try(const struct scenario *scenario, long at, int number, bool forever)
{
    char trial[8400];
    const struct shim shim = {
        .at = at, .error = number, .forever = forever, .torn = number == ENOSPC, .patience = PATIENCE};
    snprintf(trial, sizeof trial, "%s, call %ld (%s) fails%s: %s", scenario->name, at, calls[at - 1],
             forever ? " with all behind it" : "", strerror(number));
    scenario_prepare(scenario);
    shim_load(&shim);
    const struct outcome *outcome = scenario_run(scenario);
    shim_unload();
    scenario_check(scenario, outcome, true, trial);
}

static void sweep(void **state)
{
    const struct scenario *scenario = *state;
    const long count = list_calls(scenario), most = count * NUMBERS * 2, wanted = faults_count(8, CALLS_MOST * 8);
    const long stride = (most > wanted ? most / wanted : 1) | 1; /* odd: else some ways would never be taken */
    long trials = 0;
    for (long i = faults_random(stride); i < most; i += stride, trials++)
        try(scenario, 1 + i / (NUMBERS * 2), numbers[i / 2 % NUMBERS], i % 2);
    print_message("%s: %ld trials over %ld calls\n", scenario->name, trials, count);
    forget_calls(count);
}

int main(void)
{
    struct CMUnitTest tests[SCENARIOS];
    for (int i = 0; i < SCENARIOS; i++)
        tests[i] = (struct CMUnitTest){scenarios[i].name, sweep, NULL, NULL, (void *)&scenarios[i]};
    return cmocka_run_group_tests_name("calls fail", tests, scenarios_setup, scenarios_teardown);
}
