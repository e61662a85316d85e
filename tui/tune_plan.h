/* What a tune is going to train, before it does: told in two lines, and with each trial for `--plan`. */
#ifndef NFBENCH_TUI_TUNE_PLAN_H
#define NFBENCH_TUI_TUNE_PLAN_H

#include "sessions/tune.h"

#include <jansson.h>
#include <stdio.h>

/* Trials, epochs, how many at a time, network; then the axes, wrapped to so many columns (0: any number). */
void tune_plan_say(const struct tune *tune, int jobs, int columns, FILE *file);
/* The same, the time that it may take where that is known, and a row a trial. */
int tune_plan_print(const struct tune *tune, int jobs, int columns, FILE *file, struct error *error);
/* Its name as the lists of sessions have it; empty where the preset is an axis. */
void tune_plan_network(const struct tune *tune, char text[SETTINGS_NETWORK_SIZE]);
/* How long a plan may take from now on, by the speed of those of its trials that have ended before. */
struct tune_time {
    double seconds; /* < 0: none has, so nothing is known */
    int ended;
};
struct tune_time tune_plan_time(const struct tune *tune, int jobs);
/* NULL without memory. */
json_t *tune_plan_json(const struct tune *tune, int jobs);

#endif
