/* A tune on a terminal: a table that is redrawn while the trials train, and keys. */
#ifndef NFBENCH_TUI_TUNE_SCREEN_H
#define NFBENCH_TUI_TUNE_SCREEN_H

#include "tui/tune_run.h"

/* Whether standard input and output are a terminal that it can draw on. */
bool tune_screen_can_run(void);
/* Trains until all is done, or the person leaves; the terminal is then as it was. */
int tune_screen_run(const struct tune *tune, struct tune_run *run, struct error *error);

#endif
