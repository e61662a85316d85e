/* Logs of metrics that tests make and read. */
#ifndef NFBENCH_TESTS_SESSIONS_METRICS_LOG_H
#define NFBENCH_TESTS_SESSIONS_METRICS_LOG_H

#include "fixture.h"

#include "sessions/metrics.h"

struct step_record log_step_of(long step);
/* A new log with step records 1..steps. */
struct metrics_log *log_make(const char *path, long steps);
struct metrics log_read(const char *path);
/* metrics_log_cut behind a step. */
int log_cut(struct metrics_log *log, long step, long known, struct error *error);

#endif
