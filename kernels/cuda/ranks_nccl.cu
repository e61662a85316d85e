/* Processes that train together, each with a GPU of its own: their gradients are added up by NCCL, on the stream of the
 * step. Without NCCL: ranks_absent.cu. */
#include "kernels/cuda/cuda.h"

#include <nccl.h>

static_assert(RANKS_ID_BYTES == sizeof(ncclUniqueId), "an id as NCCL makes it");

/* With NCCL's own account of what went wrong, which names the device or the address. */
static int nccl_failed(struct error *error, const char *statement, ncclResult_t code, ncclComm_t ranks)
{
    return error_set(error, "%s: %s (%.300s)", statement, ncclGetErrorString(code), ncclGetLastError(ranks));
}

/* Needs `error` and `cuda` in scope; returns -1 from the function around it. */
#define NCCL_TRY(call)                                                                                                 \
    do {                                                                                                               \
        const ncclResult_t code_ = (call);                                                                             \
        if (code_ != ncclSuccess)                                                                                      \
            return nccl_failed(error, #call, code_, cuda->ranks);                                                      \
    } while (0)

static int make_id(struct backend *backend, char id[RANKS_ID_BYTES], struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    ncclUniqueId made;
    NCCL_TRY(ncclGetUniqueId(&made));
    memcpy(id, &made, sizeof made);
    return 0;
}

static int join(struct backend *backend, const char id[RANKS_ID_BYTES], int rank, int ranks, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    ncclUniqueId given;
    cuda_ranks_leave(cuda);
    memcpy(&given, id, sizeof given);
    NCCL_TRY(ncclCommInitRank(&cuda->ranks, ranks, given, rank));
    return 0;
}

static int sum(struct backend *backend, float *values, size_t count, struct loss_result *loss, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    NCCL_TRY(ncclGroupStart());
    NCCL_TRY(ncclAllReduce(values, values, count, ncclFloat, ncclSum, cuda->ranks, cuda->stream));
    NCCL_TRY(ncclAllReduce(&loss->loss, &loss->loss, 1, ncclFloat, ncclSum, cuda->ranks, cuda->stream));
    NCCL_TRY(ncclAllReduce(&loss->correct, &loss->correct, 1, ncclInt, ncclSum, cuda->ranks, cuda->stream));
    NCCL_TRY(ncclGroupEnd());
    return 0;
}

bool cuda_has_nccl(void)
{
    return true;
}

void cuda_ranks_offer(struct backend *backend)
{
    backend->ranks_id = make_id;
    backend->ranks_join = join;
    backend->ranks_sum = sum;
}

void cuda_ranks_leave(struct cuda_backend *cuda)
{
    if (cuda->ranks)
        (void)ncclCommDestroy(cuda->ranks);
    cuda->ranks = NULL;
}
