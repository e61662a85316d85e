/* An allocation of our own code fails, at each place that makes some, once and for ever; see allocations/failing.c. */
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

static void set(const char *name, const char *format, long value)
{
    char text[24];
    snprintf(text, sizeof text, format, value);
    assert_int_equal(value ? setenv(name, text, 1) : unsetenv(name), 0);
}

struct spot {
    unsigned long number;
    long allocations;
};
enum { PLACES_MOST = 8192 };

static int list_places(const struct scenario *scenario, struct spot spots[PLACES_MOST], long *allocations)
{
    int count = 0;
    scenario_prepare(scenario);
    assert_int_equal(setenv("FAIL_COUNT", process_path("places"), 1), 0);
    assert_int_equal(scenario_run(scenario)->status, 0);
    assert_int_equal(unsetenv("FAIL_COUNT"), 0);
    FILE *file = fopen(process_path("places"), "r");
    assert_non_null(file);
    *allocations = 0;
    for (struct spot *spot = spots; fscanf(file, "%lx %ld", &spot->number, &spot->allocations) == 2; spot++) {
        *allocations += spot->allocations;
        assert_true(++count < PLACES_MOST);
    }
    fclose(file);
    assert_true(count > 20);
    return count;
}

static void try(const struct scenario *scenario, const struct spot *spot, long at, bool forever)
{
    char trial[200];
    snprintf(trial, sizeof trial, "%s, allocation %ld of %ld at place %lx fails%s", scenario->name, at,
             spot->allocations, spot->number, forever ? ", and all behind it" : "");
    scenario_prepare(scenario);
    set("FAIL_PLACE", "%lx", (long)spot->number);
    set("FAIL_AT", "%ld", at);
    set("FAIL_FOREVER", "%ld", forever);
    const struct outcome *outcome = scenario_run(scenario);
    set("FAIL_PLACE", "", 0);
    set("FAIL_AT", "", 0);
    set("FAIL_FOREVER", "", 0);
    scenario_check(scenario, outcome, false, trial);
}

/* Of each place the first, the last and one between, once and for ever. */
static void sweep(void **state)
{
    enum { EACH = 6 };
    static struct spot spots[PLACES_MOST];
    const struct scenario *scenario = *state;
    long allocations, trials = 0;
    const int count = list_places(scenario, spots, &allocations), most = count * EACH;
    const int wanted = faults_count(16, most), stride = most > wanted ? most / wanted : 1;
    for (int i = (int)faults_random(stride); i < most; i += stride) {
        const struct spot *spot = &spots[i / EACH];
        const long last = spot->allocations, which = i % EACH / 2;
        if (which >= last)
            continue; /* it has no more than one or two */
        try(scenario, spot, which == 0 ? 1 : which == 1 ? last : 2 + faults_random(last - 2), i % 2);
        trials++;
    }
    print_message("%s: %ld trials; %d places, %ld allocations\n", scenario->name, trials, count, allocations);
}

int main(void)
{
    struct CMUnitTest tests[SCENARIOS];
    for (int i = 0; i < SCENARIOS; i++)
        tests[i] = (struct CMUnitTest){scenarios[i].name, sweep, NULL, NULL, (void *)&scenarios[i]};
    return cmocka_run_group_tests_name("allocations fail", tests, setup, scenarios_teardown);
}
