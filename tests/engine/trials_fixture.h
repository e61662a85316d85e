/* What the tests of trials share: a run that is paused where a trial is asked for, and what its viewer is told. */
#ifndef NFBENCH_TESTS_ENGINE_TRIALS_FIXTURE_H
#define NFBENCH_TESTS_ENGINE_TRIALS_FIXTURE_H

#include "tests/engine/tiny_run.h"

enum { TRIAL_FROM = 3, TRIAL_STEPS_MADE = 10, /* over the end of the first epoch */ TRIAL_MOST_NEWS = 512 };

extern struct trial_viewer {
    struct trial_event news[TRIAL_MOST_NEWS];
    int count, findings; /* before the trial: a pause probes, and what a probe shows is told */
    struct command_record last;
} trial_viewer;

extern const struct trial_request trial_two_rates; /* learning rates, for TRIAL_STEPS_MADE steps */

/* Takes events until a command of that kind is recorded; fails the test after TINY_PATIENCE. */
const struct command_record *trial_wait_for(struct tiny_run *run, enum command_kind kind);
void trial_send(struct tiny_run *run, enum command_kind kind, const struct trial_request *trial);
/* Paused behind step TRIAL_FROM; resumed, to its end. */
void trial_begin(struct tiny_run *run);
void trial_finish(struct tiny_run *run);
/* The number-th news of a kind on a future; NULL: there is none. */
const struct trial_event *trial_news(enum trial_news kind, int index, int number);
/* The run went on as if nothing had been tried: every bit, and nothing more than ever told to the sink. */
void trial_assert_untouched(const struct tiny_run *run);

/* The groups of tests, a file each. */
int trials_choice(void);

#endif
