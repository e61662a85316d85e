/* kernels/cuda.h in a build without CUDA: every function says so, and what to do. The Makefile compiles this file where
 * it finds no CUDA compiler, or was told CUDA=0, in place of kernels/cuda. */
#include "kernels/cuda.h"

#include <string.h>

static int absent(struct error *error)
{
    return error_set(error, "this nfbench was built without CUDA (build it with `make` where the CUDA toolkit is, and "
                            "without CUDA=0; CUDA_HOME= says where it is)");
}

bool cuda_is_built(const char **architectures)
{
    *architectures = "";
    return false;
}

bool cuda_has_nccl(void)
{
    return false;
}

int cuda_device_count(void)
{
    return 0;
}

int cuda_device_find(int index, struct cuda_device *out, struct error *error)
{
    (void)index;
    memset(out, 0, sizeof *out);
    return absent(error);
}

bool cuda_device_has_bf16(const struct cuda_device *device)
{
    (void)device;
    return false;
}

int backend_cuda_create(int index, struct backend **out, struct error *error)
{
    (void)index;
    *out = NULL;
    return absent(error);
}
