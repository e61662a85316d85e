/* Streams: queues of work that is done when somebody waits for it. Events are marks in them; captured work becomes a
 * list that a graph replays. */
#include "tests/cuda_emulation/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct CUstream_st {
    struct work_list queue;
    bool blocking; /* waits for the default stream and is waited for by it */
    bool asked;    /* cudaStreamQuery said "not ready" */
    struct work_list *capture;
    enum cudaStreamCaptureMode mode;
    bool spoilt; /* something in the capture was not allowed */
    int device;  /* that it was made on */
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

static struct CUstream_st *streams, usual = {{}, true, false, NULL, cudaStreamCaptureModeGlobal, false, 0, NULL};
static uint64_t kernels_run;

uint64_t emulation_kernels_run(void)
{
    return kernels_run;
}

/* ---- Lists ---- */

void *work_checked(void *memory)
{
    if (!memory)
        emulation_report("out of the host's memory");
    return memory;
}

static void append(struct work_list *list, struct work *work)
{
    if (list->count == list->capacity) {
        list->capacity = 2 * list->capacity + 16;
        list->items = (struct work **)work_checked(realloc(list->items, (size_t)list->capacity * sizeof *list->items));
    }
    list->items[list->count++] = work;
}

static void list_release(struct work_list *list);

void work_release(struct work *work)
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

struct work *work_new(int kind)
{
    struct work *work = (struct work *)work_checked(calloc(1, sizeof *work));
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
            stream_run(work->event->stream, work->event);
        break;
    case work::GRAPH:
        for (int i = 0; i < work->graph->count; i++)
            perform(work->graph->items[i]);
        break;
    }
}

void stream_run(cudaStream_t stream, cudaEvent_t until)
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
        stream_run(s, NULL);
}

static void drain_blocking()
{
    for (cudaStream_t s = streams; s; s = s->next)
        if (s->blocking)
            stream_run(s, NULL);
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

bool stream_is_captured(cudaStream_t stream)
{
    return stream && is_known(stream) && stream->capture;
}

cudaError_t stream_queue(cudaStream_t stream, struct work *work)
{
    /* all but copies and fills are refused while the thread's device is another */
    const bool anywhere = !stream || work->kind == work::COPY || work->kind == work::FILL;
    if (!is_known(stream) || (!anywhere && stream->device != machine_device)) {
        work_release(work);
        return cudaErrorInvalidResourceHandle;
    }
    if (stream_is_captured(stream)) {
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
    stream_run(&usual, NULL);
    return cudaSuccess;
}

cudaError_t stream_queue_call(cudaStream_t stream, struct emulation_call call)
{
    machine_lock();
    struct work *work = work_new(work::CALL);
    work->kernel.call = call;
    const cudaError_t code = stream_queue(stream, work);
    machine_unlock();
    return code;
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
        cudaStream_t stream = (cudaStream_t)work_checked(calloc(1, sizeof *stream));
        stream->blocking = !(flags & cudaStreamNonBlocking);
        stream->device = machine_device;
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
            stream_run(stream, NULL);
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
        stream_run(stream, NULL);
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
        stream_run(stream, NULL);
        code = cudaErrorNotReady;
    }
    machine_unlock();
    return machine_result(code); /* the real one keeps even "not ready" as the last error */
}

/* ---- Events ---- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned)
{
    if (machine.devices == 0)
        return machine_result(cudaErrorNoDevice);
    *out = (cudaEvent_t)work_checked(calloc(1, sizeof **out));
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
    const bool captured = stream_is_captured(stream);
    struct work *work = work_new(work::RECORD);
    work->event = event;
    event->captured = captured && !(flags & cudaEventRecordExternal);
    event->polled = false;
    if (!captured) {
        event->stream = stream;
        work->ticket = ++event->asked;
    }
    const cudaError_t code = machine_result(stream_queue(stream, work));
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
    stream_run(event->stream, event);
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

/* How often a query of an event says "not ready" before the work is done, and what is left of that. */
static int polls = 1, polls_left = 1;

void emulation_set_polls(int count)
{
    polls = polls_left = count;
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    machine_lock();
    bool waited = event->stream && !event->captured && event->reached < event->asked;
    cudaError_t code = cudaErrorNotReady;
    if (!waited || --polls_left <= 0) {
        code = reach(event, &waited);
        polls_left = polls;
        if (code == cudaSuccess && waited)
            code = cudaErrorNotReady;
    }
    machine_unlock();
    return machine_result(code); /* the real one keeps even "not ready" as the last error */
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    machine_lock();
    struct work *work = work_new(work::WAIT);
    work->event = event;
    work->ticket = event->asked;
    const cudaError_t code = machine_result(stream_queue(stream, work));
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
        stream->capture = (struct work_list *)work_checked(calloc(1, sizeof *stream->capture));
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
        *out = (cudaGraph_t)work_checked(calloc(1, sizeof **out));
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
    const bool capturing = stream_is_captured(stream);
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
        *out = (cudaGraphExec_t)work_checked(calloc(1, sizeof **out));
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
        code = stream_queue(stream, work);
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
