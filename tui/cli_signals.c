/* See cli_signals.h. */
#include "tui/cli_signals.h"

#include <pthread.h>
#include <time.h>

sigset_t signals_block(void)
{
    sigset_t signals;
    struct sigaction hangup;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    return signals;
}

int signals_wait(const sigset_t *signals)
{
    const struct timespec tick = {.tv_nsec = 100000000};
    int signal = sigtimedwait(signals, NULL, &tick);
    return signal > 0 ? signal : 0;
}

void signals_die_of(int number)
{
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, number);
    (void)sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL); /* it may have been ignored */
    raise(number);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
}
