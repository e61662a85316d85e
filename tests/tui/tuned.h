/* A tune as tests of `nfbench tune` look at it. */
#ifndef NFBENCH_TESTS_TUI_TUNED_H
#define NFBENCH_TESTS_TUI_TUNED_H

#include "tests/tui/process.h"

#include <sys/stat.h>

#define SHARED NETWORK "--data synthetic --limit 96 --validation 48 --schedule constant --probe-every 0 "
#define GRID SHARED "--lr 0.02,0.05 --batch 16,32 --epochs 2 "

/* What `tune --show` says of it; to be freed by json_decref. */
json_t *tune_shown(const char *name);
const json_t *tune_trial(const json_t *tune, size_t index);
/* How many of its trials are in a state. */
int tune_in_state(const json_t *tune, const char *state);
/* Its content, until the next call. */
const char *tune_file(const char *name);
/* How often a text has these words. */
int tune_times_in(const char *text, const char *words);
/* Of a file that must be there; names are of the test's folder. */
struct stat tune_stat(const char *name);

#endif
