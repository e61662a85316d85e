/* Arrays that grow: room doubles, so that adding one item costs O(1) on average. */
#ifndef NFBENCH_BASE_ARRAY_H
#define NFBENCH_BASE_ARRAY_H

#include <stddef.h>

/* Room for `count` items (above 0) of `size` bytes: `items` (NULL: none yet, with *room 0), or where they have been
 * moved to, with *room as it is now. NULL when out of memory; the array and *room are then as before. */
void *array_grow(void *items, size_t *room, size_t count, size_t size);

#endif
