/* The one clock: for pace, progress and redraws, never for what is computed.
 *
 * $NFBENCH_CLOCK, seconds since 1970, makes all that is shown of time the same in each run, for tests of the screen:
 * the calendar stands there, and each look of a thread at clock_measured is 1/128 second behind its last. What waits
 * goes by clock_seconds, which is true in any case. ($NFBENCH_MACHINE does the same for what is shown of the machine:
 * see tui/app_monitor.c.) */
#ifndef NFBENCH_BASE_CLOCK_H
#define NFBENCH_BASE_CLOCK_H

#include <time.h>

/* CLOCK_MONOTONIC in seconds: it never jumps back. For waiting. */
double clock_seconds(void);
/* The same, for durations that are measured and shown. */
double clock_measured(void);
/* Seconds since 1970. */
time_t clock_calendar(void);

#endif
