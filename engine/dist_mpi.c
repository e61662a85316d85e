/* The ranks by MPI; see dist.h. Every wait looks, and sleeps in between: a rank that waits for a person, a disk or
 * another rank leaves its processor to the threads that compute. What is under way is waited for more closely. */
#include "engine/dist.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/signals.h"

#include <fcntl.h>
#include <mpi.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
    bool on, broken;
    int rank, size, local_rank, local_size;
    char host[DIST_HOST_SIZE];
    float *pieces; /* of a sum: what the ranks have of this one's part */
    size_t pieces_room;
    int *counts, *offsets, *mine, *starts; /* (size) each, in one allocation from `counts` on */
    dist_late *late;
    void *late_context;
    double patience; /* seconds until `late` is told; twice as many each time: a slow rank is late in every step */
} dist = {.size = 1, .local_size = 1, .host = "localhost"};

bool dist_is_built(void)
{
    return true;
}

/* ---- Who they are ---- */

struct identity {
    uint64_t program, arguments;
    char host[DIST_HOST_SIZE];
};

/* 0 where it cannot be read. */
static uint64_t program_digest(void)
{
    static unsigned char block[1 << 16];
    uint64_t hash = HASH_BEGIN;
    ssize_t got = -1;
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && (got = read(fd, block, sizeof block)) > 0)
        hash = hash_bytes(hash, block, (size_t)got);
    if (fd >= 0)
        close(fd);
    return got == 0 ? hash : 0;
}

static uint64_t arguments_digest(char **argv)
{
    uint64_t hash = HASH_BEGIN;
    for (int i = 1; argv[0] && argv[i]; i++)
        hash = hash_bytes(hash, argv[i], strlen(argv[i]) + 1);
    return hash;
}

/* Of this rank alone, which the others must not wait for. */
static int no_memory(struct error *error)
{
    dist_break();
    return error_set(error, "out of memory for %d ranks", dist.size);
}

static int compare_ranks(char **argv, struct error *error)
{
    struct identity mine = {program_digest(), arguments_digest(argv), ""};
    struct identity *all = calloc((size_t)dist.size, sizeof *all);
    int status = 0;
    if (!all)
        return no_memory(error);
    snprintf(mine.host, sizeof mine.host, "%s", dist.host);
    dist_gather(&mine, all, sizeof mine);
    for (int i = 1; i < dist.size && status == 0; i++) {
        if (all[i].program != all[0].program)
            status =
                error_set(error, "rank %d on %s is another nfbench than rank 0 on %s: install the same one on both", i,
                          all[i].host, all[0].host);
        else if (all[i].arguments != all[0].arguments)
            status = error_set(error, "rank %d on %s has other arguments than rank 0 on %s: all ranks take the same", i,
                               all[i].host, all[0].host);
    }
    free(all);
    return status;
}

static void find_neighbours(void)
{
    MPI_Comm machine;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
    MPI_Comm_rank(machine, &dist.local_rank);
    MPI_Comm_size(machine, &dist.local_size);
    MPI_Comm_free(&machine);
}

/* The trainer's thread talks while it runs, the program's own before and behind it; errors of MPI are fatal. The
 * threads of MPI's own leave signals to the program's. */
static int start_mpi(int *provided, struct error *error)
{
    sigset_t before;
    if (signals_keep_out(&before, error) != 0)
        return -1;
    dist.on = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, provided) == MPI_SUCCESS;
    if (signals_let_in(&before, error) != 0)
        return -1;
    return dist.on ? 0 : error_set(error, "MPI cannot be started");
}

int dist_begin(char **argv, struct error *error)
{
    int provided, rank;
    const int launched = dist_launched(&rank);
    if (launched == 1)
        return 0;
    if (start_mpi(&provided, error) != 0)
        return -1;
    if (gethostname(dist.host, sizeof dist.host - 1) != 0)
        snprintf(dist.host, sizeof dist.host, "unknown");
    MPI_Comm_rank(MPI_COMM_WORLD, &dist.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &dist.size);
    find_neighbours();
    if (dist.size < launched) /* each would train the whole run as rank 0 */
        return error_set(error,
                         "started %d times, but MPI sees %d of them: this nfbench needs OpenMPI's mpirun or `srun "
                         "--mpi=pmix`",
                         launched, dist.size);
    if (provided < MPI_THREAD_SERIALIZED)
        return error_set(error, "this MPI serves the program's first thread alone (MPI_THREAD_SERIALIZED is needed)");
    dist.counts = calloc(4 * (size_t)dist.size, sizeof *dist.counts);
    if (!dist.counts)
        return no_memory(error);
    dist.offsets = dist.counts + dist.size;
    dist.mine = dist.offsets + dist.size;
    dist.starts = dist.mine + dist.size;
    return compare_ranks(argv, error);
}

void dist_break(void)
{
    dist.broken = dist.on;
}

bool dist_is_broken(void)
{
    return dist.broken;
}

void dist_end(int status)
{
    if (!dist.on)
        return;
    if (dist.broken)
        MPI_Abort(MPI_COMM_WORLD, status ? status : 1);
    MPI_Finalize();
    free(dist.counts);
    free(dist.pieces);
    dist.on = false;
    dist.rank = dist.local_rank = 0;
    dist.size = dist.local_size = 1;
}

int dist_rank(void)
{
    return dist.rank;
}

int dist_size(void)
{
    return dist.size;
}

int dist_local_rank(void)
{
    return dist.local_rank;
}

int dist_local_size(void)
{
    return dist.local_size;
}

const char *dist_host(void)
{
    return dist.host;
}

/* A rank's share of the processors that a process may use: 0 is this one. */
static int share_of(pid_t process)
{
    cpu_set_t bound;
    const int all = (int)sysconf(_SC_NPROCESSORS_ONLN), share = all / dist.local_size;
    const int own = sched_getaffinity(process, sizeof bound, &bound) == 0 ? CPU_COUNT(&bound) : all;
    const int threads = share < own ? share : own;
    return threads > 0 ? threads : 1;
}

int dist_threads(void)
{
    return share_of(0);
}

int dist_unbound_threads(void)
{
    return share_of(getppid());
}

/* ---- What they say ---- */

/* At ease: lets others run at first, then sleeps, longer from time to time up to a millisecond. Closely, for what is
 * large and goes piece by piece, each when both sides look: hardly sleeps until it has arrived, as briefly as can be,
 * which on a busy machine brings one back sooner than sched_yield does. Who is late may be so in either. */
enum pace { AT_EASE, CLOSELY };

static void wait_for(MPI_Request *request, enum pace pace)
{
    enum { YIELDS = 200, LOOKS = 64, SHORTEST = 20000, LONGEST = 1000000, PATIENCE_MOST = 48 };
    const double begin = clock_seconds();
    long sleep = pace == CLOSELY ? 1 : SHORTEST;
    bool late = false;
    int done = 0;
    for (unsigned looks = 1;; looks++) {
        MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (done)
            break;
        if (pace == AT_EASE && looks <= YIELDS) {
            sched_yield();
            continue;
        }
        if (pace == CLOSELY && looks % LOOKS != 0)
            continue;
        if (!late && dist.late && clock_seconds() - begin > dist.patience) {
            late = true;
            pace = AT_EASE;
            sleep = SHORTEST;
            dist.patience = dist.patience < PATIENCE_MOST ? 2 * dist.patience : dist.patience;
            dist.late(dist.late_context, true);
        }
        nanosleep(&(struct timespec){.tv_nsec = sleep}, NULL);
        if (pace == AT_EASE)
            sleep = sleep * 9 / 8 < LONGEST ? sleep * 9 / 8 : LONGEST;
    }
    if (late)
        dist.late(dist.late_context, false);
}

void dist_watch(dist_late *told, void *context)
{
    dist.late = told;
    dist.late_context = context;
    dist.patience = 3;
}

/* Before what is large all meet, which may take long. Collective. */
static void meet(void)
{
    MPI_Request request;
    MPI_Ibarrier(MPI_COMM_WORLD, &request);
    wait_for(&request, AT_EASE);
}

void dist_broadcast(void *data, size_t bytes)
{
    enum { PIECE = 1 << 28, LARGE = 1 << 16 }; /* MPI counts in int */
    if (dist.size > 1 && bytes > LARGE)
        meet();
    for (size_t done = 0; dist.size > 1 && done < bytes; done += PIECE) {
        MPI_Request request;
        const size_t left = bytes - done;
        MPI_Ibcast((char *)data + done, (int)(left < PIECE ? left : PIECE), MPI_BYTE, 0, MPI_COMM_WORLD, &request);
        wait_for(&request, bytes > LARGE ? CLOSELY : AT_EASE);
    }
}

void dist_gather(const void *mine, void *all, size_t bytes)
{
    MPI_Request request;
    if (dist.size == 1) {
        memcpy(all, mine, bytes);
        return;
    }
    MPI_Iallgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, MPI_COMM_WORLD, &request);
    wait_for(&request, AT_EASE);
}

/* Where the part of a rank begins, of so many values. */
static size_t part_begin(size_t count, int rank)
{
    return count * (size_t)rank / (size_t)dist.size;
}

/* Each rank sums one part, of which it gets what the others have, in the order of the ranks; then the parts go to all.
 * As little goes over the wire as in any way, and the order hangs on no library. */
static int sum_some(float *data, size_t count, struct error *error)
{
    const size_t begin = part_begin(count, dist.rank), own = part_begin(count, dist.rank + 1) - begin;
    const size_t needed = own * (size_t)dist.size;
    MPI_Request request;
    if (needed > dist.pieces_room) {
        float *room = realloc(dist.pieces, needed * sizeof *room);
        if (!room)
            return error_set(error, "out of memory for the gradients of %d ranks", dist.size);
        dist.pieces = room;
        dist.pieces_room = needed;
    }
    for (int i = 0; i < dist.size; i++) {
        dist.offsets[i] = (int)part_begin(count, i);
        dist.counts[i] = (int)part_begin(count, i + 1) - dist.offsets[i];
        dist.mine[i] = (int)own;
        dist.starts[i] = (int)own * i;
    }
    MPI_Ialltoallv(data, dist.counts, dist.offsets, MPI_FLOAT, dist.pieces, dist.mine, dist.starts, MPI_FLOAT,
                   MPI_COMM_WORLD, &request);
    wait_for(&request, CLOSELY);
    for (size_t i = 0; i < own; i++) {
        float sum = dist.pieces[i];
        for (int r = 1; r < dist.size; r++)
            sum += dist.pieces[(size_t)r * own + i];
        data[begin + i] = sum;
    }
    MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_FLOAT, data, dist.counts, dist.offsets, MPI_FLOAT, MPI_COMM_WORLD, &request);
    wait_for(&request, CLOSELY);
    return 0;
}

int dist_sum(float *data, size_t count, struct error *error)
{
    enum { PIECE = 1 << 28 }; /* MPI counts in int */
    if (dist.size > 1)
        meet();
    for (size_t done = 0; dist.size > 1 && done < count; done += PIECE)
        if (sum_some(data + done, count - done < PIECE ? count - done : PIECE, error) != 0)
            return -1;
    return 0;
}
