/* See signals.h. */
#include "base/signals.h"

#include <stddef.h>
#include <string.h>

void signals_from_outside(sigset_t *set)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};

    sigfillset(set);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(set, faults[i]);
}

int signals_keep_out(sigset_t *before, struct error *error)
{
    sigset_t outside;
    signals_from_outside(&outside);
    const int code = pthread_sigmask(SIG_BLOCK, &outside, before);
    return code == 0 ? 0 : error_set(error, "cannot block signals: %s", strerror(code));
}

int signals_let_in(const sigset_t *before, struct error *error)
{
    const int code = pthread_sigmask(SIG_SETMASK, before, NULL);
    return code == 0 ? 0 : error_set(error, "cannot unblock signals: %s", strerror(code));
}
