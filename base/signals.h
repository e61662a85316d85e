/* Which signals a helper thread leaves to the main one. */
#ifndef NFBENCH_BASE_SIGNALS_H
#define NFBENCH_BASE_SIGNALS_H

#include <signal.h>

/* All signals but those of a fault of the thread itself (SIGSEGV, SIGABRT, ...): blocked, these would kill the process
 * before a handler could give the terminal back. */
void signals_from_outside(sigset_t *set);

#endif
