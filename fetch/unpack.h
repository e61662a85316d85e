/* Inside fetch/: the files of a set out of an archive that nobody vouches for. */
#ifndef NFBENCH_FETCH_UNPACK_H
#define NFBENCH_FETCH_UNPACK_H

#include "fetch/fetch.h"

/* SHA-256 of each file of the set, in its order; empty: the archive has no such file (one beside the data). */
typedef char unpack_sums[FETCH_FILES][FETCH_SHA256_SIZE];

/* Reads the archive (tar or zip, however it is compressed) from the descriptor's beginning, and writes the set's files
 * into the folder, which holds none of them, by their names of the set: what the archive calls them chooses among
 * these, and no path of it is ever written to. Other files of it are passed over. An archive that has a set's file
 * twice, of another size or kind, a link, a device, a path that leads out of its folder, or much more than the set is
 * refused. Each file is synced.
 * Unless it is DONE, what was written until then stays, and the error says why (not of STOPPED). */
enum unpack_end {
    UNPACK_DONE,
    UNPACK_REFUSED, /* the archive is at fault */
    UNPACK_FAILED,  /* this machine is: its disk is full, say */
    UNPACK_STOPPED, /* the watch gave up */
};
enum unpack_end unpack(int archive, const struct fetch_set *set, int folder, const struct fetch_watch *watch,
                       unpack_sums sums, struct error *error);

#endif
