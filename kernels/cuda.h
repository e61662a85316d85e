/* The CUDA back end's face: making one, and what can be known of the machine's GPUs. In a build without CUDA the same
 * functions say so. */
#ifndef NFBENCH_KERNELS_CUDA_BACKEND_H
#define NFBENCH_KERNELS_CUDA_BACKEND_H

#include "kernels/kernels.h"

/* What a GPU is. */
struct cuda_device {
    int index; /* its number, from 0 */
    char name[256];
    char bus[16];     /* its PCI address, by which other libraries know it: "0000:01:00.0" */
    int major, minor; /* compute capability */
    int multiprocessors;
    int driver, runtime; /* CUDA versions, 13000 for 13.0 */
    size_t memory_free, memory_total;
};

/* False in a build without CUDA; `architectures` then is "", else the ones that were compiled for ("75 80 90"). */
bool cuda_is_built(const char **architectures);

/* Whether NCCL is built in, so that several processes can train one run on a GPU each. */
bool cuda_has_nccl(void);

/* GPUs that the driver tells of, whether they can be used or not; 0 where there are none or it cannot be asked. */
int cuda_device_count(void);

/* Describes GPU `index`. Fails, with a line that a user can act on, when this build has no CUDA, there is no driver or
 * one too old, no GPU of that number, or one of an architecture that was not built. */
int cuda_device_find(int index, struct cuda_device *out, struct error *error);

/* True when the GPU's tensor cores take bf16, and TF32 that came with it (compute capability 8.0 and later). */
bool cuda_device_has_bf16(const struct cuda_device *device);

/* The back end on GPU `index`; fails as cuda_device_find does, and for want of memory. Owned by the caller, who frees
 * it with its `destroy`. Any thread may call it, one at a time. */
int backend_cuda_create(int index, struct backend **out, struct error *error);

#endif
