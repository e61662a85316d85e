/* A build without NCCL: each GPU trains for one process alone; see ranks_nccl.cu. */
#include "kernels/cuda/cuda.h"

bool cuda_has_nccl(void)
{
    return false;
}

void cuda_ranks_offer(struct backend *backend)
{
    (void)backend;
}

void cuda_ranks_leave(struct cuda_backend *cuda)
{
    (void)cuda;
}
