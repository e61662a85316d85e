/* Inside fetch/: the SHA-256 of a file. */
#ifndef NFBENCH_FETCH_SUM_H
#define NFBENCH_FETCH_SUM_H

#include "fetch/fetch.h"

/* Of the descriptor's whole file, whose path is for the message. The watch is told `*done`, to which its bytes are
 * added, and `total`. 0; -1: it cannot be read; 1: the watch gave up. */
int fetch_sum(int descriptor, const char *path, const struct fetch_watch *watch, long long *done, long long total,
              char sum[FETCH_SHA256_SIZE], struct error *error);

#endif
