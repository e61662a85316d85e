/* Streams: queues of work that is done when somebody waits for it. Events are marks in them; captured work becomes a
 * list that a graph replays. */
#include "tests/cuda_emulation/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* What a queue or a graph holds; shared by both, and by a graph's executables. */
struct work {
    enum { KERNEL, CALL, COPY, FILL, RECORD, WAIT, GRAPH } kind;
    int references;
    struct kernel_launch kernel; /* KERNEL; of CALL only `call` */
    void *to;                    /* COPY, FILL */
    const void *from;
    void *staged; /* of COPY from memory that is not pinned: its bytes as they were; `from` points there */
    size_t bytes;
    int value;
    cudaEvent_t event; /* RECORD, WAIT */
    uint64_t ticket;
    struct work_list *graph; /* GRAPH */
};

struct work_list {
    struct work **items;
    int count, capacity;
    int references; /* of a graph, its executables and the queues that hold one */
};

struct CUstream_st {
    struct work_list queue;
    bool blocking; /* waits for the default stream and is waited for by it */
    bool asked;    /* cudaStreamQuery said "not ready" */
    struct work_list *capture;
    enum cudaStreamCaptureMode mode;
    bool spoilt; /* something in the capture was not allowed */
    struct CUstream_st *next;
};

struct CUevent_st {
    cudaStream_t stream;     /* that it was recorded in last; NULL: never, or done at once */
    uint64_t asked, reached; /* tickets: of the last record, and of the last one that was come to */
    bool captured, polled;
    double seconds;
};

struct CUgraph_st {
    struct work_list *list;
};

struct CUgraphExec_st {
    struct work_list *list;
};

static struct CUstream_st *streams, usual = {{}, true, false, NULL, cudaStreamCaptureModeGlobal, false, NULL};
static uint64_t kernels_run;

uint64_t emulation_kernels_run(void)
{
    return kernels_run;
}

/* ---- Lists ---- */

static void *checked(void *memory)
{
    if (!memory)
        emulation_report("out of the host's memory");
    return memory;
}

static void append(struct work_list *list, struct work *work)
{
    if (list->count == list->capacity) {
        list->capacity = 2 * list->capacity + 16;
        list->items = (struct work **)checked(realloc(list->items, (size_t)list->capacity * sizeof *list->items));
    }
    list->items[list->count++] = work;
}

static void list_release(struct work_list *list);

static void work_release(struct work *work)
{
    if (--work->references)
        return;
    if (work->kind == work::KERNEL || work->kind == work::CALL)
        work->kernel.call.destroy(work->kernel.call.data);
    if (work->kind == work::GRAPH)
        list_release(work->graph);
    free(work->staged);
    free(work);
}

static void list_release(struct work_list *list)
{
    if (--list->references)
        return;
    for (int i = 0; i < list->count; i++)
        work_release(list->items[i]);
    free(list->items);
    free(list);
}

static struct work *work_new(int kind)
{
    struct work *work = (struct work *)checked(calloc(1, sizeof *work));
    work->kind = (decltype(work->kind))kind;
    work->references = 1;
    return work;
}

/* ---- Doing it ---- */

static double now()
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void run_queue(cudaStream_t stream, cudaEvent_t until);

static void perform(struct work *work)
{
    switch (work->kind) {
    case work::KERNEL:
        kernels_run++;
        block_run_grid(&work->kernel);
        break;
    case work::CALL:
        work->kernel.call.run(work->kernel.call.data);
        break;
    case work::COPY:
        memmove(work->to, work->from, work->bytes);
        break;
    case work::FILL:
        memset(work->to, work->value, work->bytes);
        break;
    case work::RECORD:
        work->event->reached = work->ticket ? work->ticket : work->event->asked;
        work->event->seconds = now();
        break;
    case work::WAIT:
        if (work->event->stream && work->event->reached < work->ticket)
            run_queue(work->event->stream, work->event);
        break;
    case work::GRAPH:
        for (int i = 0; i < work->graph->count; i++)
            perform(work->graph->items[i]);
        break;
    }
}

/* All of the queue, or as far as the event's last record. */
static void run_queue(cudaStream_t stream, cudaEvent_t until)
{
    memory_open();
    int done = 0;
    while (done < stream->queue.count && !(until && until->reached >= until->asked)) {
        struct work *work = stream->queue.items[done++];
        perform(work);
        work_release(work);
    }
    stream->queue.count -= done;
    if (stream->queue.count)
        memmove(stream->queue.items, stream->queue.items + done,
                (size_t)stream->queue.count * sizeof *stream->queue.items);
    memory_close();
}

void stream_drain_all()
{
    for (cudaStream_t s = streams; s; s = s->next)
        run_queue(s, NULL);
}

static void drain_blocking()
{
    for (cudaStream_t s = streams; s; s = s->next)
        if (s->blocking)
            run_queue(s, NULL);
}

static bool is_known(cudaStream_t stream)
{
    if (!stream)
        return true;
    for (cudaStream_t s = streams; s; s = s->next)
        if (s == stream)
            return true;
    return false;
}

/* Takes the work over. The default stream works at once, behind all blocking streams. */
static cudaError_t queue(cudaStream_t stream, struct work *work)
{
    if (!is_known(stream)) {
        work_release(work);
        return cudaErrorInvalidResourceHandle;
    }
    if (stream && stream->capture) {
        append(stream->capture, work);
        return cudaSuccess;
    }
    if (stream) {
        append(&stream->queue, work);
        return cudaSuccess;
    }
    const cudaError_t may = stream_may_wait();
    if (may != cudaSuccess) {
        work_release(work);
        return may;
    }
    drain_blocking();
    append(&usual.queue, work);
    run_queue(&usual, NULL);
    return cudaSuccess;
}

cudaError_t stream_queue_call(cudaStream_t stream, struct emulation_call call)
{
    machine_lock();
    struct work *work = work_new(work::CALL);
    work->kernel.call = call;
    const cudaError_t code = queue(stream, work);
    machine_unlock();
    return code;
}

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
        machine_result(queue(stream, work));
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
        o = (struct opted *)checked(calloc(1, sizeof *o));
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
    const bool captured = stream && stream->capture;
    struct work *work = work_new(work::COPY);
    work->to = to;
    work->from = from;
    work->bytes = bytes;
    if (!captured && is_host(from) && !memory_is_pinned(from)) {
        work->staged = checked(malloc(bytes));
        memcpy(work->staged, from, bytes);
        work->from = work->staged;
    }
    const cudaError_t code = queue(stream, work);
    if (code == cudaSuccess && stream && !captured && is_host(to) && !memory_is_pinned(to))
        run_queue(stream, NULL); /* to pageable memory: returns when it is done */
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
        code = queue(stream, work);
    }
    machine_result(code);
    machine_unlock();
    return code;
}

cudaError_t cudaMemset(void *to, int value, size_t bytes)
{
    return cudaMemsetAsync(to, value, bytes, NULL);
}

/* ---- Streams ---- */

cudaError_t stream_may_wait()
{
    cudaError_t code = cudaSuccess;
    for (cudaStream_t s = streams; s; s = s->next)
        if (s->capture && s->mode != cudaStreamCaptureModeRelaxed) {
            s->spoilt = true;
            code = cudaErrorStreamCaptureUnsupported;
        }
    return code;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags)
{
    machine_lock();
    cudaError_t code = machine.devices ? cudaSuccess : cudaErrorNoDevice;
    if (code == cudaSuccess) {
        cudaStream_t stream = (cudaStream_t)checked(calloc(1, sizeof *stream));
        stream->blocking = !(flags & cudaStreamNonBlocking);
        stream->next = streams;
        streams = stream;
        *out = stream;
    }
    machine_result(code);
    machine_unlock();
    return code;
}

cudaError_t cudaStreamCreate(cudaStream_t *out)
{
    return cudaStreamCreateWithFlags(out, cudaStreamDefault);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    machine_lock();
    cudaError_t code = cudaErrorInvalidResourceHandle;
    for (cudaStream_t *s = &streams; stream && *s; s = &(*s)->next)
        if (*s == stream) {
            run_queue(stream, NULL);
            *s = stream->next;
            if (stream->capture)
                list_release(stream->capture);
            free(stream->queue.items);
            free(stream);
            code = cudaSuccess;
            break;
        }
    machine_result(code);
    machine_unlock();
    return code;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    machine_lock();
    cudaError_t code = is_known(stream) ? stream_may_wait() : cudaErrorInvalidResourceHandle;
    if (code == cudaSuccess && stream)
        run_queue(stream, NULL);
    else if (code == cudaSuccess)
        drain_blocking();
    machine_result(code);
    machine_unlock();
    return code;
}

cudaError_t cudaDeviceSynchronize()
{
    machine_lock();
    const cudaError_t code = stream_may_wait();
    if (code == cudaSuccess)
        stream_drain_all();
    machine_result(code);
    machine_unlock();
    return code;
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    machine_lock();
    cudaError_t code = stream && is_known(stream) ? stream_may_wait() : cudaErrorInvalidResourceHandle;
    if (code == cudaSuccess && stream->queue.count) {
        run_queue(stream, NULL);
        code = cudaErrorNotReady;
    }
    machine_unlock();
    return code == cudaErrorNotReady ? code : machine_result(code);
}

/* ---- Events ---- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned)
{
    if (machine.devices == 0)
        return machine_result(cudaErrorNoDevice);
    *out = (cudaEvent_t)checked(calloc(1, sizeof **out));
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *out)
{
    return cudaEventCreateWithFlags(out, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    machine_lock();
    stream_drain_all();
    free(event);
    machine_unlock();
    return event ? cudaSuccess : machine_result(cudaErrorInvalidResourceHandle);
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags)
{
    machine_lock();
    const bool captured = stream && is_known(stream) && stream->capture;
    struct work *work = work_new(work::RECORD);
    work->event = event;
    event->captured = captured && !(flags & cudaEventRecordExternal);
    event->polled = false;
    if (!captured) {
        event->stream = stream;
        work->ticket = ++event->asked;
    }
    const cudaError_t code = machine_result(queue(stream, work));
    machine_unlock();
    return code;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    return cudaEventRecordWithFlags(event, stream, cudaEventRecordDefault);
}

/* Comes to the event's last record; *waited: it had not been come to. */
static cudaError_t reach(cudaEvent_t event, bool *waited)
{
    *waited = false;
    if (event->captured)
        return cudaErrorCapturedEvent;
    *waited = event->stream && event->reached < event->asked;
    if (!*waited)
        return cudaSuccess;
    if (!is_known(event->stream))
        emulation_report("an event is waited for whose stream was destroyed");
    if (event->stream->capture && event->stream->mode == cudaStreamCaptureModeGlobal) {
        event->stream->spoilt = true;
        return cudaErrorStreamCaptureUnsupported;
    }
    run_queue(event->stream, event);
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    machine_lock();
    bool waited;
    cudaError_t code = stream_may_wait();
    if (code == cudaSuccess)
        code = reach(event, &waited);
    machine_result(code);
    machine_unlock();
    return code;
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    machine_lock();
    bool waited;
    cudaError_t code = reach(event, &waited);
    if (code == cudaSuccess && waited)
        code = cudaErrorNotReady;
    machine_unlock();
    return code == cudaErrorNotReady ? code : machine_result(code);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    machine_lock();
    struct work *work = work_new(work::WAIT);
    work->event = event;
    work->ticket = event->asked;
    const cudaError_t code = machine_result(queue(stream, work));
    machine_unlock();
    return code;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end)
{
    if (begin->reached < begin->asked || end->reached < end->asked)
        return machine_result(cudaErrorNotReady);
    *milliseconds = (float)(1e3 * (end->seconds - begin->seconds));
    return cudaSuccess;
}

/* ---- Capture and graphs ---- */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode)
{
    machine_lock();
    cudaError_t code = cudaSuccess;
    if (!stream || !is_known(stream)) {
        code = cudaErrorStreamCaptureUnsupported;
    } else if (stream->capture) {
        code = cudaErrorInvalidValue;
    } else {
        stream->capture = (struct work_list *)checked(calloc(1, sizeof *stream->capture));
        stream->capture->references = 1;
        stream->mode = mode;
        stream->spoilt = false;
    }
    machine_result(code);
    machine_unlock();
    return code;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out)
{
    machine_lock();
    *out = NULL;
    cudaError_t code = cudaSuccess;
    if (!stream || !is_known(stream) || !stream->capture) {
        code = cudaErrorInvalidValue;
    } else if (stream->spoilt) {
        list_release(stream->capture);
        code = cudaErrorStreamCaptureInvalidated;
    } else {
        *out = (cudaGraph_t)checked(calloc(1, sizeof **out));
        (*out)->list = stream->capture;
    }
    if (stream)
        stream->capture = NULL;
    machine_result(code);
    machine_unlock();
    return code;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *status)
{
    machine_lock();
    const bool capturing = stream && is_known(stream) && stream->capture;
    *status = !capturing        ? cudaStreamCaptureStatusNone
              : !stream->spoilt ? cudaStreamCaptureStatusActive
                                : cudaStreamCaptureStatusInvalidated;
    machine_unlock();
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long)
{
    machine_lock();
    *out = NULL;
    const cudaError_t code = graph ? cudaSuccess : cudaErrorInvalidValue;
    if (graph) {
        *out = (cudaGraphExec_t)checked(calloc(1, sizeof **out));
        (*out)->list = graph->list;
        graph->list->references++;
    }
    machine_result(code);
    machine_unlock();
    return code;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t graph, cudaStream_t stream)
{
    return machine_result(graph && stream ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream)
{
    machine_lock();
    cudaError_t code = cudaErrorInvalidValue;
    if (graph) {
        struct work *work = work_new(work::GRAPH);
        work->graph = graph->list;
        graph->list->references++;
        code = queue(stream, work);
    }
    machine_result(code);
    machine_unlock();
    return code;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph)
{
    machine_lock();
    list_release(graph->list);
    free(graph);
    machine_unlock();
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    machine_lock();
    list_release(graph->list);
    free(graph);
    machine_unlock();
    return cudaSuccess;
}
