/* The one clock: for pace, progress and redraws, never for what is computed. */
#ifndef NFBENCH_BASE_CLOCK_H
#define NFBENCH_BASE_CLOCK_H

/* CLOCK_MONOTONIC in seconds: it never jumps back. */
double clock_seconds(void);

#endif
