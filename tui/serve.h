/* Shows a run to other processes: a thread that takes what the trainer says to its guests (trainer_open_guests), passes
 * it on to each viewer that has attached by the socket in the session's folder, and gives their commands to the
 * trainer. The training waits for none of them. A viewer that reads slowly gets the newest state, steps merged, and at
 * worst the word that it must read the records anew; one that reads nothing for long is let go. */
#ifndef NFBENCH_TUI_SERVE_H
#define NFBENCH_TUI_SERVE_H

#include "tui/wire.h"

struct serve;

enum { SERVE_VIEWERS = 16 };

struct serve_options {
    const char *folder; /* the session's, whose lock this process has */
    struct trainer *trainer;
    const struct model_spec *spec;
    const struct wire_facts *facts;
    double patience; /* seconds that a viewer may read nothing while something waits for it; 0: SERVE_PATIENCE */
};
#define SERVE_PATIENCE 600

/* Said before trainer_start; the trainer must outlive it. All is copied but the trainer. -1 where there can be no
 * socket. */
int serve_open(const struct serve_options *options, struct serve **out, struct error *error);
/* Viewers that are attached now. Any thread. */
int serve_viewers(const struct serve *serve);
/* Whether a viewer had the run pause or try something, and none has had it go on since: it may come back to it. */
bool serve_is_held(const struct serve *serve);
/* The run has ended, and its session says so: tells the viewers, with why it failed (empty: it did not), and lets those
 * that read take what is left. NULL is allowed. */
void serve_end(struct serve *serve, const char *failure);
void serve_close(struct serve *serve); /* NULL is allowed */

#endif
