/* NCCL for emulated GPUs, by shared memory: each rank has a page there, and a sum goes page by page. Work of an
 * emulated stream is done when somebody waits for it, and a rank that waits for another's would wait for ever: so a sum
 * is done when it is queued, behind all that the stream has, which is among the things that NCCL may do. */
#include "tests/cuda_emulation/nccl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 1 << 16, MOST_RANKS = 16 };

struct meeting {
    unsigned arrived; /* ranks at barriers, so far */
    char pages[MOST_RANKS][PAGE];
};

struct ncclComm {
    struct meeting *meeting;
    int rank, ranks;
    unsigned barriers; /* that it came to */
};

const char *ncclGetErrorString(ncclResult_t code)
{
    static const char *const words[] = {"no error", "unhandled cuda error", "unhandled system error", "internal error",
                                        "invalid argument"};
    return words[code];
}

const char *ncclGetLastError(ncclComm_t comm)
{
    (void)comm;
    return "emulated";
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *id)
{
    static unsigned made;
    memset(id, 0, sizeof *id);
    snprintf(id->internal, sizeof id->internal, "/nfbench-nccl-%d-%u", (int)getpid(), made++);
    (void)shm_unlink(id->internal); /* of a process that had this number, and was killed before all had it */
    return ncclSuccess;
}

/* All ranks come by as often. */
static void wait_for_all(struct ncclComm *comm)
{
    const unsigned wanted = ++comm->barriers * (unsigned)comm->ranks;
    __atomic_fetch_add(&comm->meeting->arrived, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&comm->meeting->arrived, __ATOMIC_ACQUIRE) < wanted)
        usleep(20);
}

ncclResult_t ncclCommInitRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank)
{
    const int fd = shm_open(id.internal, O_RDWR | O_CREAT, 0600);
    if (ranks > MOST_RANKS || fd < 0 || ftruncate(fd, sizeof(struct meeting)) != 0)
        return ncclSystemError;
    void *memory = mmap(NULL, sizeof(struct meeting), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    struct ncclComm *made = (struct ncclComm *)calloc(1, sizeof *made);
    if (memory == MAP_FAILED || !made)
        return ncclSystemError;
    made->meeting = (struct meeting *)memory;
    made->rank = rank;
    made->ranks = ranks;
    wait_for_all(made);
    if (rank == 0)
        (void)shm_unlink(id.internal); /* all have it */
    *comm = made;
    return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm)
{
    (void)munmap(comm->meeting, sizeof *comm->meeting);
    free(comm);
    return ncclSuccess;
}

ncclResult_t ncclGroupStart(void)
{
    return ncclSuccess;
}

ncclResult_t ncclGroupEnd(void)
{
    return ncclSuccess;
}

template <typename T> static void add_pages(const struct ncclComm *comm, T *sums, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        T sum = ((const T *)comm->meeting->pages[0])[i];
        for (int r = 1; r < comm->ranks; r++)
            sum += ((const T *)comm->meeting->pages[r])[i];
        sums[i] = sum;
    }
}

ncclResult_t ncclAllReduce(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream)
{
    const size_t at_once = PAGE / 4;
    char sums[PAGE];
    (void)op;
    if (cudaStreamSynchronize(stream) != cudaSuccess)
        return ncclUnhandledCudaError;
    for (size_t done = 0; done < count; done += at_once) {
        const size_t some = count - done < at_once ? count - done : at_once;
        if (cudaMemcpy(comm->meeting->pages[comm->rank], (const char *)from + done * 4, some * 4,
                       cudaMemcpyDeviceToHost) != cudaSuccess)
            return ncclUnhandledCudaError;
        wait_for_all(comm);
        if (type == ncclFloat)
            add_pages(comm, (float *)sums, some);
        else
            add_pages(comm, (int *)sums, some);
        wait_for_all(comm);
        if (cudaMemcpy((char *)to + done * 4, sums, some * 4, cudaMemcpyHostToDevice) != cudaSuccess)
            return ncclUnhandledCudaError;
    }
    return ncclSuccess;
}
