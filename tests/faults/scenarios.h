/* What is done to sessions while something fails: to start, resume, import, fork, export, read one. Whatever it was,
 * the program ends in order, says what is wrong in one line, and nothing is lost; or it says nothing, and all is as it
 * would have been. */
#ifndef NFBENCH_TESTS_FAULTS_SCENARIOS_H
#define NFBENCH_TESTS_FAULTS_SCENARIOS_H

#include "tests/faults/faults.h"

struct scenario {
    const char *name, *arguments; /* of session "s" */
    const char *from;             /* the session that "s" is a copy of before; NULL: there is none */
    const char *result;           /* what "s" is in the end, when nothing fails */
    const char *untouched;        /* a session that is only read; NULL: none */
    bool once;                    /* what a person commanded behind the last checkpoint is not done again */
    int lines;                    /* of a failure, at most; -1: a report says it */
};
enum { SCENARIOS = 10 };
extern const struct scenario scenarios[SCENARIOS];

/* As a group's fixtures: the sessions that the table names. */
int scenarios_setup(void **state);
int scenarios_teardown(void **state);

/* Makes or removes "s". */
void scenario_prepare(const struct scenario *scenario);
/* Does it. The result is static. */
const struct outcome *scenario_run(const struct scenario *scenario);
/* Fails the test, naming `trial`, unless the outcome is as said above; `named`: the line must name a file. What was
 * not done is done again, without failures, and must come to the same result. */
void scenario_check(const struct scenario *scenario, const struct outcome *outcome, bool named, const char *trial);

#endif
