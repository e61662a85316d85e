/* What a tune is going to train, before it does: told in two lines, and with each trial for `--plan`. */
#ifndef NFBENCH_TUI_TUNE_PLAN_H
#define NFBENCH_TUI_TUNE_PLAN_H

#include "sessions/tune.h"

#include <jansson.h>
#include <stdio.h>

/* Trials, epochs, how many at a time, network; then the axes, wrapped to so many columns (0: any number). */
void tune_plan_say(const struct tune *tune, int jobs, int columns, FILE *file);
/* The same, and a row a trial. */
int tune_plan_print(const struct tune *tune, int jobs, int columns, FILE *file, struct error *error);
/* "preset micro", or the parts of a network that is none; what is an axis is left out. */
void tune_plan_network(const struct tune *tune, char *text, size_t size);
/* NULL without memory. */
json_t *tune_plan_json(const struct tune *tune);

#endif
