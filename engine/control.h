/* The queues between the trainer and a viewer: commands in, events and probes out. Each has one producer at a time (the
 * trainer has a lock among those who give it commands) and a single consumer, and neither side ever waits for the
 * other: a full command queue refuses, a full event ring makes the producer keep what is left over on its own side,
 * where step summaries are merged. */
#ifndef NFBENCH_ENGINE_CONTROL_H
#define NFBENCH_ENGINE_CONTROL_H

#include "engine/trainer.h"

#include <stdatomic.h>

enum { EVENT_RING_SIZE = 256 }; /* a power of two, as is COMMAND_QUEUE_SIZE */

struct command_queue {
    struct command slots[COMMAND_QUEUE_SIZE];
    atomic_uint head; /* commands taken so far; written by the consumer */
    atomic_uint tail; /* commands put in so far; written by the producer */
};

/* A zeroed queue is empty. False when it is full (push), empty (pop). */
bool command_queue_push(struct command_queue *queue, const struct command *command);
bool command_queue_pop(struct command_queue *queue, struct command *out);
/* The producer's: whether a push would find room. */
bool command_queue_has_room(struct command_queue *queue);
/* How many commands of that kind wait that are for now, none that waits for a step or a figure; `in_turn`: those that
 * do not cut short what was given before them, too. The consumer's. */
int command_queue_count(struct command_queue *queue, enum command_kind kind, bool in_turn);

/* Order is kept. What does not fit waits in a list of the producer: a step summary is merged into the one at the
 * list's end (of a trial's, into that of the same value), so a sleeping viewer costs memory only by the epoch and the
 * command, and no step is lost. */
struct event_ring {
    struct event slots[EVENT_RING_SIZE];
    atomic_uint head, tail;
    atomic_bool backlog;   /* the producer has events waiting */
    struct event *waiting; /* producer's: a queue of waiting_count events from waiting_first */
    size_t waiting_first, waiting_count, waiting_capacity;
};

void event_ring_free(struct event_ring *ring);
/* Puts the event behind all others. -1 when memory for a waiting event is refused. */
int event_ring_push(struct event_ring *ring, const struct event *event, struct error *error);
/* Moves what waits into the ring, as far as there is room: for a producer that has nothing new to say. */
void event_ring_flush(struct event_ring *ring);
bool event_ring_pop(struct event_ring *ring, struct event *out);
/* True while the producer holds events back. Any thread. */
bool event_ring_has_backlog(struct event_ring *ring);

/* Probes for the viewer, in their order; while the ring is full, the newest waits on the producer's side and gives way
 * to a newer one. All memory is taken at creation. */
enum { PROBE_RING_SIZE = 8 };

struct probe_ring {
    struct probe *slots[PROBE_RING_SIZE];
    atomic_uint head, tail;
    struct probe *waiting; /* producer's */
    bool waits;            /* ... it holds one */
};

int probe_ring_create(struct probe_ring *ring, const struct model_spec *spec, struct error *error);
void probe_ring_free(struct probe_ring *ring);
void probe_ring_push(struct probe_ring *ring, const struct probe *probe);
void probe_ring_flush(struct probe_ring *ring);
bool probe_ring_pop(struct probe_ring *ring, struct probe *into);

/* A summary of one step, and the join of two that follow each other. */
struct step_summary step_summary_of(const struct step_record *record);
void step_summary_merge(struct step_summary *into, const struct step_summary *next);

#endif
