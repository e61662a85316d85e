/* A set of three small files, one of them beside the data, for tests of fetch/. */
#ifndef NFBENCH_TESTS_FETCH_TINY_H
#define NFBENCH_TESTS_FETCH_TINY_H

#include "fetch/fetch.h"
#include "tests/fetch/packing.h"

enum { TINY_ONE = 200000, TINY_TWO = 9000, TINY_NAMES = 18, TINY_ENTRIES = 3 };

/* Without archive, size and sum. Its check wants both files whole, and a first byte below 10. */
struct fetch_set tiny_set(void);
/* The bytes of its files; the data do not compress. */
extern char tiny_one[TINY_ONE], tiny_two[TINY_TWO];
extern const char tiny_names[];
/* As an honest archive has them. */
extern const struct packed tiny_entries[TINY_ENTRIES];
void tiny_fill(void);
/* The file is these bytes; at most TINY_ONE. */
void assert_bytes(const char *path, const char *bytes, size_t size);

#endif
