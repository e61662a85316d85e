/* Threads beside the main one. */
#ifndef NFBENCH_BASE_THREAD_H
#define NFBENCH_BASE_THREAD_H

#include "base/error.h"

#include <pthread.h>

/* Starts a thread that leaves signals to the main one (base/signals.h), and has a stack of its own for the handlers of
 * its faults: when its stack is what overflows, these can still give the terminal back. To be joined. */
int thread_start(pthread_t *thread, void *(*run)(void *), void *argument, struct error *error);

#endif
