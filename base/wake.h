/* One thread wakes another that sleeps in poll: an eventfd, readable from a call to the next look. */
#ifndef NFBENCH_BASE_WAKE_H
#define NFBENCH_BASE_WAKE_H

#include "base/error.h"

/* A descriptor for poll, to be closed with close(2); -1 and the message when there is none left. Nothing blocks on it.
 */
int wake_open(struct error *error);
/* From any thread. */
void wake_send(int wake);
/* The sleeper's: it has seen all calls so far. */
void wake_take(int wake);

#endif
