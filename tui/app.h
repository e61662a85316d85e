/* The live screen: starts a run on threads of their own, shows it, and takes keys and commands. One thread (the
 * caller's) makes every curses and readline call; it never waits for the training and the training never for it. */
#ifndef NFBENCH_TUI_APP_H
#define NFBENCH_TUI_APP_H

#include "base/error.h"
#include "tui/run.h"

/* What a person wants to see when a run was left. */
struct app_next {
    char session[SETTINGS_PATH_SIZE]; /* its folder; empty: nothing more */
    bool attach;                      /* another process trains it; else it is to be resumed */
};

/* True when standard input and output are a terminal that the screen can drive; else false and the reason. */
bool app_can_run(struct error *error);

/* Opens the screen at once, puts the run of `request` together behind it (its `progress` and `context` are not used)
 * and trains until the person leaves; a run that has ended stays on screen until then. Leaving saves a checkpoint.
 * Returns 0 when the run ended well or was left; -1 with the message when it could not be put together, failed or
 * diverged, or when the terminal cannot be used. `interrupted` (may be NULL) is set when SIGINT, SIGTERM or SIGHUP
 * ended a run that was not finished. `next` (may be NULL) is set where `open` has asked for one. The terminal is as it
 * was before, on every way out. */
int app_run(const struct run_request *request, bool *interrupted, struct app_next *next, struct error *error);

#endif
