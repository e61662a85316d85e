/* The processes that train one run together, each of them a rank: who they are, and what they say to each other. By
 * MPI in a build with it (dist_mpi.c), else there is one alone (dist_alone.c). What all ranks must call in the same
 * order is marked "collective": one that does not come leaves the others waiting. A lost rank ends all of them, by
 * whoever started them. One thread at a time. */
#ifndef NFBENCH_ENGINE_DIST_H
#define NFBENCH_ENGINE_DIST_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { DIST_HOST_SIZE = 64 };

/* True when this build has MPI. */
bool dist_is_built(void);
/* How many processes a launcher (mpirun, srun) started this one as one of; 1: it was started alone.
 * Known before dist_begin, from the environment. */
int dist_launched(int *rank);

/* Joins the ranks that were started with this one; nothing to do where it was started alone. Fails on every rank where
 * one of them is another program or has other arguments (argv[1] and on), or where MPI does not see all that were
 * started; dist_end is due then, too. Collective. */
int dist_begin(char **argv, struct error *error);
/* Takes leave. Collective, unless a run was broken off on this rank (dist_break): then the others are ended, with
 * `status` as their exit code. */
void dist_end(int status);
/* This rank cannot go on with what the others wait for. */
void dist_break(void);
bool dist_is_broken(void);

int dist_rank(void); /* from 0; 0 leads */
int dist_size(void); /* 1 before dist_begin */
/* Among the ranks of the same machine. */
int dist_local_rank(void);
int dist_local_size(void);
/* Processors for this rank's threads: those that it is bound to, and no more than its share of the machine. */
int dist_threads(void);
/* ... those that it would have if what started it had not bound it to fewer. */
int dist_unbound_threads(void);
const char *dist_host(void); /* the machine's name */

/* Who is told, on the thread that waits, that the other ranks have been waited for for some seconds (true; more each
 * time), and that they have come (false). NULL: nobody. */
typedef void dist_late(void *context, bool late);
void dist_watch(dist_late *told, void *context);

/* From rank 0 to all. Waits without using a processor. Collective. */
void dist_broadcast(void *data, size_t bytes);
/* all (dist_size(), bytes) becomes what each rank has in `mine`, on every rank. Collective. */
void dist_gather(const void *mine, void *all, size_t bytes);
/* data (count) becomes the sum over the ranks, added in their order: the same bits on every rank, each time. -1
 * without memory for it. Collective. */
int dist_sum(float *data, size_t count, struct error *error);

#endif
