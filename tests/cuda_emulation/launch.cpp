/* What is queued: launches, held to the limits of the machine, and copies, held to their direction and size. */
#include "tests/cuda_emulation/work.h"

#include <stdlib.h>

/* ---- Launches ---- */

static size_t allowed_shared(const void *kernel);

static cudaError_t check_launch(const void *kernel, dim3 grid, dim3 block, size_t shared_bytes)
{
    const uint64_t threads = (uint64_t)block.x * block.y * block.z;
    if (machine.devices == 0)
        return cudaErrorNoDevice;
    if (threads == 0 || threads > MOST_THREADS || block.z > 64 || grid.x == 0 || grid.y == 0 || grid.z == 0 ||
        grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
        return cudaErrorInvalidConfiguration;
    return shared_bytes > allowed_shared(kernel) ? cudaErrorInvalidValue : cudaSuccess;
}

void emulation_queue_kernel(const char *name, const char *file, int line, const void *kernel, dim3 grid, dim3 block,
                            size_t shared_bytes, cudaStream_t stream, struct emulation_call call)
{
    machine_lock();
    const cudaError_t code = check_launch(kernel, grid, block, shared_bytes);
    if (code == cudaSuccess) {
        struct work *work = work_new(work::KERNEL);
        work->kernel = {name, file, line, grid, block, shared_bytes, call};
        machine_result(stream_queue(stream, work));
    } else {
        machine_result(code);
        call.destroy(call.data);
    }
    machine_unlock();
}

static struct opted {
    const void *kernel;
    size_t bytes;
    struct opted *next;
} * opted;

static size_t allowed_shared(const void *kernel)
{
    for (const struct opted *o = opted; o; o = o->next)
        if (o->kernel == kernel)
            return o->bytes;
    return USUAL_SHARED;
}

cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute attribute, int value)
{
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize)
        return cudaSuccess;
    if (!kernel)
        return machine_result(cudaErrorInvalidDeviceFunction);
    if (value < 0 || value > MOST_SHARED)
        return machine_result(cudaErrorInvalidValue);
    machine_lock();
    struct opted *o = opted;
    while (o && o->kernel != kernel)
        o = o->next;
    if (!o) {
        o = (struct opted *)work_checked(calloc(1, sizeof *o));
        o->kernel = kernel;
        o->next = opted;
        opted = o;
    }
    o->bytes = (size_t)value;
    machine_unlock();
    return cudaSuccess;
}

/* ---- Copies ---- */

static bool is_host(const void *pointer)
{
    return pointer && !memory_in_range(pointer);
}

static bool sides_are_right(const void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (kind == cudaMemcpyDefault)
        return (is_host(to) || memory_is_device(to, bytes)) && (is_host(from) || memory_is_device(from, bytes));
    return (to_device ? memory_is_device(to, bytes) : is_host(to)) &&
           (from_device ? memory_is_device(from, bytes) : is_host(from));
}

static cudaError_t copy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream, bool wait)
{
    if (bytes == 0)
        return cudaSuccess;
    if (!sides_are_right(to, from, bytes, kind))
        return cudaErrorInvalidValue;
    if (wait) {
        const cudaError_t may = stream_may_wait();
        if (may != cudaSuccess)
            return may;
    }
    const bool captured = stream_is_captured(stream);
    struct work *work = work_new(work::COPY);
    work->to = to;
    work->from = from;
    work->bytes = bytes;
    if (!captured && is_host(from) && !memory_is_pinned(from)) {
        work->staged = work_checked(malloc(bytes));
        memcpy(work->staged, from, bytes);
        work->from = work->staged;
    }
    const cudaError_t code = stream_queue(stream, work);
    if (code == cudaSuccess && stream && !captured && is_host(to) && !memory_is_pinned(to))
        stream_run(stream, NULL); /* to pageable memory: returns when it is done */
    return code;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    machine_lock();
    const cudaError_t code = machine_result(copy(to, from, bytes, kind, NULL, true));
    machine_unlock();
    return code;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream)
{
    machine_lock();
    const cudaError_t code = machine_result(copy(to, from, bytes, kind, stream, false));
    machine_unlock();
    return code;
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream)
{
    machine_lock();
    cudaError_t code = cudaSuccess;
    if (bytes && !memory_is_device(to, bytes)) {
        code = cudaErrorInvalidValue;
    } else if (bytes) {
        struct work *work = work_new(work::FILL);
        work->to = to;
        work->value = value;
        work->bytes = bytes;
        code = stream_queue(stream, work);
    }
    machine_result(code);
    machine_unlock();
    return code;
}

cudaError_t cudaMemset(void *to, int value, size_t bytes)
{
    return cudaMemsetAsync(to, value, bytes, NULL);
}
