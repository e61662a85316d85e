/* The signals by which a person ends a subcommand that works for long: blocked in all threads and waited for in one, so
 * that nothing runs inside a handler. */
#ifndef NFBENCH_TUI_CLI_SIGNALS_H
#define NFBENCH_TUI_CLI_SIGNALS_H

#include <signal.h>

/* Before any thread is made. SIGHUP is left alone where someone (nohup) had it ignored. */
sigset_t signals_block(void);
/* The signal that comes within a tenth of a second; 0: none. */
int signals_wait(const sigset_t *signals);
/* The second signal ends the process as if nobody had caught it: the person does not want to wait for the saving. */
void signals_die_of(int number);

#endif
