/* Puts a run together on a thread of its own, so that the screen is there from the first moment; what is being done
 * comes line by line. */
#ifndef NFBENCH_TUI_LAUNCH_H
#define NFBENCH_TUI_LAUNCH_H

#include "tui/run.h"

struct launch;

/* Begins. `request` is copied but for what it points to; its progress, given_up and context are not used. */
int launch_start(const struct run_request *request, struct launch **out, struct error *error);
/* Asks it to give up when it can. */
void launch_cancel(struct launch *launch);
/* Readable (an eventfd) when there is a new line or the end. */
int launch_fd(const struct launch *launch);
/* The next line; false when there is none. */
bool launch_next_line(struct launch *launch, char *text, size_t size);
bool launch_ended(struct launch *launch);
/* Once it has ended: the run (the caller's from now on) and, of one that is resumed or another process's, its records
 * so far (freed by the caller with metrics_free); or -1 and why there is none. */
int launch_take(struct launch *launch, struct run **run, struct metrics *history, struct error *error);
/* Waits for its end; frees what was not taken. NULL is allowed. */
void launch_destroy(struct launch *launch);

#endif
