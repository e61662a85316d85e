/* Trains the trials of a tune: so many processes of `nfbench train` or `resume` at once, each with a claim on its
 * trial, so that any number of tune_runs, in any processes, share the work. A child ends with its parent. One thread.
 */
#ifndef NFBENCH_TUI_TUNE_RUN_H
#define NFBENCH_TUI_TUNE_RUN_H

#include "sessions/tune_watch.h"

#include <sys/types.h>

enum { TUNE_JOBS = 256 };

struct tune_run;

/* The tune must outlive it. Where the machine has several GPUs and a trial's settings leave the device open, its child
 * gets one of them in turn; `others`: jobs of other processes of this machine that come before. */
int tune_run_open(const struct tune *tune, int jobs, int others, struct tune_run **out, struct error *error);
/* Has children that still train save and end, and waits for that. NULL is fine. */
void tune_run_close(struct tune_run *run);

/* One look, which never waits: takes children that have ended, reads what is new, starts others. Call it a few times a
 * second. */
int tune_run_look(struct tune_run *run, struct error *error);
const struct tune_watch *tune_run_watch(const struct tune_run *run);
/* Children now; and whether one of them trains this trial. */
int tune_run_children(const struct tune_run *run);
bool tune_run_trains(const struct tune_run *run, int trial);
/* Nothing more will come of it: stopped and all children have ended, or all trials of the tune have. */
bool tune_run_is_over(const struct tune_run *run);
/* Whether there is nothing left to claim, though others may still train. */
bool tune_run_is_idle(const struct tune_run *run);

/* Starts no more, and has the children save and end; said again they end at once. */
void tune_run_stop(struct tune_run *run);
bool tune_run_is_stopping(const struct tune_run *run);

#endif
