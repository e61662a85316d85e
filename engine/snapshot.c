/* See snapshot.h. The swaps are acquire and release at once: a slot's contents travel with its number. */
#include "engine/snapshot.h"

enum { SNAPSHOT_FRESH = 4 };

void snapshot_init(struct snapshot_buffer *buffer, const struct snapshot *first)
{
    for (int i = 0; i < 3; i++)
        buffer->slots[i] = *first;
    buffer->writer = 0;
    buffer->reader = 1;
    atomic_init(&buffer->middle, 2);
}

void snapshot_publish(struct snapshot_buffer *buffer, const struct snapshot *snapshot)
{
    buffer->slots[buffer->writer] = *snapshot;
    unsigned previous =
        atomic_exchange_explicit(&buffer->middle, buffer->writer | SNAPSHOT_FRESH, memory_order_acq_rel);
    buffer->writer = previous & ~(unsigned)SNAPSHOT_FRESH;
}

void snapshot_read(struct snapshot_buffer *buffer, struct snapshot *out)
{
    if (atomic_load_explicit(&buffer->middle, memory_order_relaxed) & SNAPSHOT_FRESH)
        buffer->reader =
            atomic_exchange_explicit(&buffer->middle, buffer->reader, memory_order_acq_rel) & ~(unsigned)SNAPSHOT_FRESH;
    *out = buffer->slots[buffer->reader];
}
