/* Without MPI: one rank alone; see dist.h. */
#include "engine/dist.h"

#include <string.h>

bool dist_is_built(void)
{
    return false;
}

int dist_begin(char **argv, struct error *error)
{
    (void)argv;
    int rank;
    const int size = dist_launched(&rank);
    return size > 1 ? error_set(error,
                                "this build has no MPI: started %d times, it would train the same run %d times (build "
                                "it by `make MPI=1`)",
                                size, size)
                    : 0;
}

void dist_end(int status)
{
    (void)status;
}

void dist_break(void)
{
}

bool dist_is_broken(void)
{
    return false;
}

int dist_rank(void)
{
    return 0;
}

int dist_size(void)
{
    return 1;
}

int dist_local_rank(void)
{
    return 0;
}

int dist_local_size(void)
{
    return 1;
}

int dist_threads(void)
{
    return 0;
}

int dist_unbound_threads(void)
{
    return 0;
}

const char *dist_host(void)
{
    return "localhost";
}

void dist_watch(dist_late *told, void *context)
{
    (void)told;
    (void)context;
}

void dist_broadcast(void *data, size_t bytes)
{
    (void)data;
    (void)bytes;
}

void dist_gather(const void *mine, void *all, size_t bytes)
{
    memcpy(all, mine, bytes);
}

int dist_sum(float *data, size_t count, struct error *error)
{
    (void)data;
    (void)count;
    (void)error;
    return 0;
}
