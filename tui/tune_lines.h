/* A tune without a screen: a plain line at each trial's start and end, and at each of its epochs. */
#ifndef NFBENCH_TUI_TUNE_LINES_H
#define NFBENCH_TUI_TUNE_LINES_H

#include "tui/tune_run.h"

/* Trains until all is done, or a signal has ended it. `quiet`: says nothing (a rank of many); `leaves`: as soon as no
 * trial is left to claim. */
int tune_lines_run(const struct tune *tune, struct tune_run *run, bool quiet, bool leaves, struct error *error);

#endif
