/* FNV-1a, 64 bits (Fowler, Noll, Vo): a digest that tells what differs by accident, and is no protection against more.
 */
#ifndef NFBENCH_BASE_HASH_H
#define NFBENCH_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_BEGIN UINT64_C(14695981039346656037)

/* The digest of what gave `hash`, HASH_BEGIN of nothing, with these bytes behind it. */
uint64_t hash_bytes(uint64_t hash, const void *data, size_t size);

#endif
