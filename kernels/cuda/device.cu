/* What GPUs this machine has, and whether this build can use them. */
#include "kernels/cuda/cuda.h"

/* The compute capabilities this was compiled for, as the Makefile says: "75 80 86 89 90". */
#ifndef NFBENCH_CUDA_ARCHITECTURES
#error "NFBENCH_CUDA_ARCHITECTURES must name the compute capabilities that are compiled for"
#endif

int cuda_failed(struct error *error, const char *statement, cudaError_t code)
{
    return error_set(error, "CUDA: %s (%s): %s", cudaGetErrorString(code), cudaGetErrorName(code), statement);
}

bool cuda_is_built(const char **architectures)
{
    *architectures = NFBENCH_CUDA_ARCHITECTURES;
    return true;
}

/* Code for X.Y runs on X.Z with Z >= Y. */
static bool is_supported(int major, int minor)
{
    const char *at = NFBENCH_CUDA_ARCHITECTURES;
    int number, used;
    while (sscanf(at, "%d%n", &number, &used) == 1) {
        if (number / 10 == major && number % 10 <= minor)
            return true;
        at += used;
    }
    return false;
}

/* "13.0" of 13000. */
static void version_text(int version, char *text, size_t size)
{
    snprintf(text, size, "%d.%d", version / 1000, version % 1000 / 10);
}

static int check_driver(struct cuda_device *out, struct error *error)
{
    char driver[16], runtime[16];
    CUDA_TRY(cudaDriverGetVersion(&out->driver));
    CUDA_TRY(cudaRuntimeGetVersion(&out->runtime));
    if (out->driver == 0)
        return error_set(error, "no NVIDIA driver is loaded; without one a GPU cannot be used");
    if (out->driver / 1000 >= out->runtime / 1000)
        return 0;
    version_text(out->driver, driver, sizeof driver);
    version_text(out->runtime, runtime, sizeof runtime);
    return error_set(error,
                     "the NVIDIA driver knows CUDA %s, but this nfbench was built with CUDA %s; update the driver, or "
                     "build with an older toolkit (make CUDA_HOME=...)",
                     driver, runtime);
}

cudaError_t cuda_use(int index)
{
    static thread_local int current = -1;
    if (current == index)
        return cudaSuccess;
    const cudaError_t code = cudaSetDevice(index);
    current = code == cudaSuccess ? index : -1;
    return code;
}

int cuda_device_count()
{
    struct cuda_device unused = {};
    struct error error;
    int count = 0;
    if (check_driver(&unused, &error) || cudaGetDeviceCount(&count) != cudaSuccess)
        count = 0;
    (void)cudaGetLastError(); /* or the next launch would report it */
    return count;
}

int cuda_device_find(int index, struct cuda_device *out, struct error *error)
{
    struct cudaDeviceProp properties;
    int count = 0;
    *out = (struct cuda_device){};
    out->index = index;
    if (check_driver(out, error))
        return -1;
    const cudaError_t code = cudaGetDeviceCount(&count);
    if (code == cudaErrorNoDevice || (code == cudaSuccess && count == 0))
        return error_set(error, "no NVIDIA GPU was found");
    if (code != cudaSuccess)
        return cuda_failed(error, "looking for GPUs", code);
    if (index < 0 || index >= count)
        return error_set(error, "there is no GPU %d; this machine has %d, numbered from 0", index, count);
    CUDA_TRY(cudaGetDeviceProperties(&properties, index));
    CUDA_TRY(cudaDeviceGetPCIBusId(out->bus, (int)sizeof out->bus, index));
    snprintf(out->name, sizeof out->name, "%s", properties.name);
    out->major = properties.major;
    out->minor = properties.minor;
    out->multiprocessors = properties.multiProcessorCount;
    if (!is_supported(out->major, out->minor))
        return error_set(error,
                         "%s has compute capability %d.%d, and this nfbench was built for %s; build it with make "
                         "CUDA_ARCHITECTURES=%d%d",
                         out->name, out->major, out->minor, NFBENCH_CUDA_ARCHITECTURES, out->major, out->minor);
    CUDA_TRY(cuda_use(index));
    CUDA_TRY(cudaMemGetInfo(&out->memory_free, &out->memory_total));
    return 0;
}

bool cuda_device_has_bf16(const struct cuda_device *device)
{
    return device->major >= 8;
}
