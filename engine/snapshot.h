/* The newest snapshot, handed from the trainer to its viewer by a triple buffer: neither side waits, and the viewer
 * never sees a half-written one. */
#ifndef NFBENCH_ENGINE_SNAPSHOT_H
#define NFBENCH_ENGINE_SNAPSHOT_H

#include "engine/trainer.h"

#include <stdatomic.h>

/* Of the three slots one is the writer's, one the reader's, and one lies in the middle with the newest or a read
 * snapshot; each side swaps its own with the middle one. */
struct snapshot_buffer {
    struct snapshot slots[3];
    unsigned writer, reader;
    atomic_uint middle; /* a slot's number, with SNAPSHOT_FRESH while nobody has read it */
};

void snapshot_init(struct snapshot_buffer *buffer, const struct snapshot *first);
void snapshot_publish(struct snapshot_buffer *buffer, const struct snapshot *snapshot); /* one writer thread */
void snapshot_read(struct snapshot_buffer *buffer, struct snapshot *out);               /* one reader thread */

#endif
