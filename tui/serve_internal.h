/* What the files of the serving share: serve.c (the thread: who comes and goes, what the trainer says), serve_viewer.c
 * (one viewer: what it says, and what it is told). */
#ifndef NFBENCH_TUI_SERVE_INTERNAL_H
#define NFBENCH_TUI_SERVE_INTERNAL_H

#include "engine/port.h"
#include "tui/channel.h"
#include "tui/serve.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MOST_EVENTS = 4096 }; /* that wait for a slow viewer */

struct viewer {
    struct channel channel;
    struct port *port; /* what it is still to be told; NULL: it has not said hello */
    struct snapshot told;
    bool told_any, ended; /* ... and that nothing follows */
    long look;            /* that it was sent last */
    double since;         /* when it last read something, or came */
};

struct serve {
    char folder[4096];
    struct trainer *trainer;
    struct model_spec spec;
    struct wire_facts facts;
    double patience;
    struct port *port;
    int listener, wake;
    double rest; /* nobody is let in before: there was no descriptor left */
    pthread_t thread;
    bool started;
    atomic_bool ending, closing;
    atomic_bool holding; /* a viewer has said what leaves the run paused, and none that it shall go on */
    atomic_int attached;
    char failure[WIRE_TEXT]; /* written before `ending` */
    /* the thread's */
    struct viewer viewers[SERVE_VIEWERS];
    int count;
    struct snapshot now;
    long look;
    struct probe *incoming;
    struct event *trial; /* what there was of a trial that is not over: for who comes in the middle of it */
    size_t trial_count, trial_room;
};

/* Its channel is closed; it watches the run no more. */
void viewer_end(struct serve *serve, struct viewer *viewer);
/* Tells a newcomer why it is not let in: the words are all that it gets. */
void viewer_refuse(struct viewer *viewer, const char *why);
/* Hears what it has said. -1: it is gone, or speaks in a way that it is let go for. */
int viewer_listen(struct serve *serve, struct viewer *viewer);
/* Puts what there is for it into words, and sends of it what goes. -1: it is gone, or has read nothing for too long. */
int viewer_tell(struct serve *serve, struct viewer *viewer);
/* Tells a port what there was so far of a trial that is not over. */
int viewer_tell_trial(const struct serve *serve, struct port *port);

#endif
