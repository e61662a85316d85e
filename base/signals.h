/* Which signals a helper thread leaves to the main one, whoever starts it. */
#ifndef NFBENCH_BASE_SIGNALS_H
#define NFBENCH_BASE_SIGNALS_H

#include "base/error.h"

#include <signal.h>

/* All signals but those of a fault of the thread itself (SIGSEGV, SIGABRT, ...): blocked, these would kill the process
 * before a handler could give the terminal back. */
void signals_from_outside(sigset_t *set);

/* Blocks these for the calling thread, and so for every thread that is started until signals_let_in: a library's own
 * (CUDA's, MPI's) would be given a signal whenever the main one does not happen to wait for it, and die of it with the
 * whole process. `before` is for signals_let_in. Returns 0, or -1 with an error. */
int signals_keep_out(sigset_t *before, struct error *error);
int signals_let_in(const sigset_t *before, struct error *error);

#endif
