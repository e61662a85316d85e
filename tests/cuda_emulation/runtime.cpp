/* The emulated machine: its properties, error codes, and the lock. */
#include "tests/cuda_emulation/machine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

const struct emulation_machine emulation_usual_machine = {1, 13000, 13000, 9, 0, 132, (size_t)4 << 30};

/* Whole programs, which no test can set, get another compute capability by EMULATED_CAPABILITY=7.5, and more GPUs by
 * EMULATED_DEVICES=2. */
static struct emulation_machine machine_asked_for()
{
    struct emulation_machine asked = emulation_usual_machine;
    const char *capability = getenv("EMULATED_CAPABILITY");
    if (capability && sscanf(capability, "%d.%d", &asked.major, &asked.minor) != 2)
        emulation_report("EMULATED_CAPABILITY=%s: wanted like 7.5", capability);
    const char *devices = getenv("EMULATED_DEVICES");
    if (devices)
        asked.devices = atoi(devices);
    return asked;
}

struct emulation_machine machine = machine_asked_for();

static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static thread_local cudaError_t last;
__thread int machine_device;

void machine_lock()
{
    pthread_mutex_lock(&mutex);
    report_watch_faults();
}

void machine_unlock()
{
    pthread_mutex_unlock(&mutex);
}

void emulation_set_machine(const struct emulation_machine *other)
{
    machine_lock();
    if (other->devices > MOST_DEVICES)
        emulation_report("at most %d devices", (int)MOST_DEVICES);
    machine = *other;
    machine_unlock();
}

cudaError_t machine_result(cudaError_t code)
{
    if (code != cudaSuccess)
        last = code;
    return code;
}

cudaError_t cudaPeekAtLastError()
{
    return last;
}

cudaError_t cudaGetLastError()
{
    const cudaError_t code = last;
    last = cudaSuccess;
    return code;
}

static const struct {
    cudaError_t code;
    const char *name, *words;
} codes[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
     "operation not permitted on an event last recorded in a capturing stream"},
};

static const char *words_of(cudaError_t code, bool name)
{
    for (const auto &row : codes)
        if (row.code == code)
            return name ? row.name : row.words;
    return name ? "cudaErrorUnknown" : "unknown error";
}

const char *cudaGetErrorName(cudaError_t code)
{
    return words_of(code, true);
}

const char *cudaGetErrorString(cudaError_t code)
{
    return words_of(code, false);
}

/* ---- Devices ---- */

static cudaError_t usable()
{
    if (machine.driver / 1000 < machine.runtime / 1000)
        return cudaErrorInsufficientDriver;
    return machine.devices ? cudaSuccess : cudaErrorNoDevice;
}

static cudaError_t find(int device)
{
    const cudaError_t code = usable();
    return code == cudaSuccess && (device < 0 || device >= machine.devices) ? cudaErrorInvalidDevice : code;
}

cudaError_t cudaGetDeviceCount(int *count)
{
    const cudaError_t code = usable();
    *count = code == cudaSuccess ? machine.devices : 0;
    return machine_result(code);
}

cudaError_t cudaSetDevice(int device)
{
    const cudaError_t code = find(device);
    if (code == cudaSuccess)
        machine_device = device;
    return machine_result(code);
}

cudaError_t cudaGetDevice(int *device)
{
    *device = machine_device;
    return machine_result(usable());
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device)
{
    const cudaError_t code = find(device);
    if (code != cudaSuccess)
        return machine_result(code);
    memset(properties, 0, sizeof *properties);
    snprintf(properties->name, sizeof properties->name, "emulated GPU");
    properties->major = machine.major;
    properties->minor = machine.minor;
    properties->multiProcessorCount = machine.multiprocessors;
    properties->totalGlobalMem = machine.memory;
    properties->sharedMemPerBlock = USUAL_SHARED;
    properties->sharedMemPerBlockOptin = MOST_SHARED;
    properties->sharedMemPerMultiprocessor = MOST_SHARED + 1024;
    properties->maxThreadsPerBlock = MOST_THREADS;
    properties->warpSize = WARP;
    properties->l2CacheSize = 50 << 20;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char *text, int size, int device)
{
    snprintf(text, (size_t)size, "0000:%02x:00.0", (unsigned)device + 1);
    return machine_result(find(device));
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device)
{
    cudaDeviceProp p;
    const cudaError_t code = cudaGetDeviceProperties(&p, device);
    if (code != cudaSuccess)
        return code;
    switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
        *value = p.maxThreadsPerBlock;
        return code;
    case cudaDevAttrMaxSharedMemoryPerBlock:
        *value = (int)p.sharedMemPerBlock;
        return code;
    case cudaDevAttrWarpSize:
        *value = p.warpSize;
        return code;
    case cudaDevAttrMultiProcessorCount:
        *value = p.multiProcessorCount;
        return code;
    case cudaDevAttrL2CacheSize:
        *value = p.l2CacheSize;
        return code;
    case cudaDevAttrComputeCapabilityMajor:
        *value = p.major;
        return code;
    case cudaDevAttrComputeCapabilityMinor:
        *value = p.minor;
        return code;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
        *value = (int)p.sharedMemPerMultiprocessor;
        return code;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = (int)p.sharedMemPerBlockOptin;
        return code;
    }
    return machine_result(cudaErrorInvalidValue);
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = machine.driver;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = machine.runtime;
    return cudaSuccess;
}
