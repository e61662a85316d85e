/* Each allocation of our own code fails in turn, once and for ever; see allocations/failing.c. */
#include "tests/faults/scenarios.h"

#include <stdio.h>
#include <stdlib.h>

static int setup(void **state)
{
    const char *build = getenv("BUILD");
    char binary[1024];
    snprintf(binary, sizeof binary, "%s/tests/faults/nfbench-failing", build ? build : "build");
    if (setenv("NFBENCH_BINARY", binary, 1) != 0)
        return -1;
    return scenarios_setup(state);
}

static void set(const char *name, long value)
{
    char text[24];
    snprintf(text, sizeof text, "%ld", value);
    assert_int_equal(value ? setenv(name, text, 1) : unsetenv(name), 0);
}

static const struct outcome *run_failing(const struct scenario *scenario, long at, bool forever)
{
    set("FAIL_AT", at);
    set("FAIL_FOREVER", forever);
    const struct outcome *outcome = scenario_run(scenario);
    set("FAIL_AT", 0);
    set("FAIL_FOREVER", 0);
    return outcome;
}

static long count_all(const struct scenario *scenario)
{
    long count = 0;
    scenario_prepare(scenario);
    assert_int_equal(setenv("FAIL_COUNT", process_path("count"), 1), 0);
    assert_int_equal(scenario_run(scenario)->status, 0);
    assert_int_equal(unsetenv("FAIL_COUNT"), 0);
    FILE *file = fopen(process_path("count"), "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld", &count), 1);
    fclose(file);
    assert_true(count > 20);
    return count;
}

static void sweep(void **state)
{
    const struct scenario *scenario = *state;
    const long count = count_all(scenario), wanted = faults_count(8, 1000000);
    const long stride = count > wanted ? count / wanted : 1;
    long trials = 0;
    for (long at = 1 + faults_random(stride); at <= count; at += stride)
        for (int forever = 0; forever < 2; forever++) {
            char trial[100];
            snprintf(trial, sizeof trial, "%s, allocation %ld of %ld%s", scenario->name, at, count,
                     forever ? " and all behind it" : "");
            scenario_prepare(scenario);
            scenario_check(scenario, run_failing(scenario, at, forever), false, trial);
            trials++;
        }
    print_message("%s: %ld trials over %ld allocations\n", scenario->name, trials, count);
}

int main(void)
{
    struct CMUnitTest tests[SCENARIOS];
    for (int i = 0; i < SCENARIOS; i++)
        tests[i] = (struct CMUnitTest){scenarios[i].name, sweep, NULL, NULL, (void *)&scenarios[i]};
    return cmocka_run_group_tests_name("allocations fail", tests, setup, scenarios_teardown);
}
