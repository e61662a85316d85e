/* What came of a tune: as a table, as CSV, as JSON, and beside the seed report's own search where it is that one. */
#ifndef NFBENCH_TUI_TUNE_RESULTS_H
#define NFBENCH_TUI_TUNE_RESULTS_H

#include "sessions/tune_watch.h"

#include <jansson.h>
#include <stdio.h>

/* The epochs whose accuracy is told: of a halving the ends of its rungs, by which it decides, else the quarters of the
 * whole, as the report has them (10, 20, 30, 40 of 40). Returns how many. */
enum { TUNE_MARKS = TUNE_RUNGS };
int tune_marks(const struct tune *tune, int marks[TUNE_MARKS]);

/* The trials, the highest accuracy first, within so many columns (0: any number). */
int tune_results_print(const struct tune *tune, const struct tune_watch *watch, int columns, FILE *file,
                       struct error *error);
/* A row a trial, in the order of the plan, as RFC 4180 has it. */
int tune_results_csv(const struct tune *tune, const struct tune_watch *watch, const char *path, struct error *error);
/* NULL without memory. */
json_t *tune_results_json(const struct tune *tune, const struct tune_watch *watch);
/* The axes' values of a trial, by their names. NULL without memory. */
json_t *tune_values_json(const struct tune *tune, int trial);
/* "validation accuracy", or "test accuracy" where nothing is held out. */
const char *tune_metric(const struct tune *tune);

#endif
