/* The CUDA back end's table of functions; its stream, memory, read-back and recorded work; its birth and end. */
#include "kernels/cuda/cuda.h"

#include <stdlib.h>

enum { BLAS_WORKSPACE_BYTES = 32 << 20, SMALL_BYTES = 256, SMALL_SLOTS = 32 };

/* Pinned memory, and an event for each use of it that is under way: for each post, and for small copies to the device,
 * as each step has one: out of pageable memory the driver might wait for the stream first. */
struct cuda_posts {
    char (*slots)[POST_BYTES]; /* (POST_SLOTS), pinned */
    cudaEvent_t arrived[POST_SLOTS];
    int events; /* made so far */
    uint64_t posted;
    char (*small)[SMALL_BYTES]; /* (SMALL_SLOTS), pinned */
    cudaEvent_t taken[SMALL_SLOTS];
    int small_events;
    uint64_t small_copies;
};

struct graph {
    cudaGraphExec_t executable;
};

/* ---- Memory ---- */

static int memory(struct backend *backend, size_t *available, size_t *total, struct error *error)
{
    (void)cuda_of(backend);
    CUDA_TRY(cudaMemGetInfo(available, total));
    return 0;
}

static int allocate(struct backend *backend, size_t bytes, void **out, struct error *error)
{
    size_t available = 0, total = 0;
    (void)cuda_of(backend);
    const cudaError_t code = cudaMalloc(out, bytes > 0 ? bytes : 1);
    if (code == cudaSuccess)
        return 0;
    *out = NULL;
    if (code != cudaErrorMemoryAllocation)
        return cuda_failed(error, "cudaMalloc", code);
    (void)cudaGetLastError(); /* it would be reported again at the next launch */
    if (memory(backend, &available, &total, error))
        return -1;
    return error_set(error, "out of GPU memory: %.0f MB more are needed, %.0f of %.0f MB are free", (double)bytes / 1e6,
                     (double)available / 1e6, (double)total / 1e6);
}

static void release(struct backend *backend, void *pointer)
{
    (void)cuda_of(backend);
    (void)cudaFree(pointer); /* what it could report was reported by the call that failed */
}

static int copy_small(struct cuda_backend *cuda, void *device, const void *host, size_t bytes, struct error *error)
{
    struct cuda_posts *posts = cuda->posts;
    const uint64_t slot = posts->small_copies++ % SMALL_SLOTS;
    CUDA_TRY(cudaEventSynchronize(posts->taken[slot])); /* of its last use, 32 copies ago */
    memcpy(posts->small[slot], host, bytes);
    CUDA_TRY(cudaMemcpyAsync(device, posts->small[slot], bytes, cudaMemcpyHostToDevice, cuda->stream));
    CUDA_TRY(cudaEventRecord(posts->taken[slot], cuda->stream));
    return 0;
}

static int synchronize(struct backend *backend, struct error *error)
{
    CUDA_TRY(cudaStreamSynchronize(cuda_of(backend)->stream));
    return 0;
}

/* `host` is free again when it returns. Large copies are waited for: some machines read pageable memory directly. */
static int copy_in(struct backend *backend, void *device, const void *host, size_t bytes, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    if (bytes == 0)
        return 0;
    if (bytes <= SMALL_BYTES)
        return copy_small(cuda, device, host, bytes, error);
    CUDA_TRY(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, cuda->stream));
    return synchronize(backend, error);
}

static int copy_out(struct backend *backend, void *host, const void *device, size_t bytes, struct error *error)
{
    if (bytes == 0)
        return 0;
    CUDA_TRY(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, cuda_of(backend)->stream));
    return synchronize(backend, error);
}

static int fill_zero(struct backend *backend, void *device, size_t bytes, struct error *error)
{
    if (bytes > 0)
        CUDA_TRY(cudaMemsetAsync(device, 0, bytes, cuda_of(backend)->stream));
    return 0;
}

/* ---- Read-back without waiting ---- */

static int make_posts(struct cuda_backend *cuda, struct error *error)
{
    cuda->posts = (struct cuda_posts *)calloc(1, sizeof *cuda->posts);
    if (!cuda->posts)
        return error_set(error, "out of memory");
    CUDA_TRY(cudaMallocHost((void **)&cuda->posts->slots, (size_t)POST_SLOTS * POST_BYTES));
    for (int i = 0; i < POST_SLOTS; i++, cuda->posts->events++)
        CUDA_TRY(cudaEventCreateWithFlags(&cuda->posts->arrived[i], cudaEventDisableTiming));
    CUDA_TRY(cudaMallocHost((void **)&cuda->posts->small, (size_t)SMALL_SLOTS * SMALL_BYTES));
    for (int i = 0; i < SMALL_SLOTS; i++, cuda->posts->small_events++)
        CUDA_TRY(cudaEventCreateWithFlags(&cuda->posts->taken[i], cudaEventDisableTiming));
    return 0;
}

static void discard_posts(struct cuda_posts *posts)
{
    if (!posts)
        return;
    for (int i = 0; i < posts->events; i++)
        (void)cudaEventDestroy(posts->arrived[i]);
    for (int i = 0; i < posts->small_events; i++)
        (void)cudaEventDestroy(posts->taken[i]);
    if (posts->slots)
        (void)cudaFreeHost(posts->slots);
    if (posts->small)
        (void)cudaFreeHost(posts->small);
    free(posts);
}

static int post(struct backend *backend, const void *device, size_t bytes, uint64_t *ticket, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    struct cuda_posts *posts = cuda->posts;
    if (bytes > POST_BYTES)
        return error_set(error, "post: %zu bytes, at most %d", bytes, (int)POST_BYTES);
    const uint64_t slot = posts->posted % POST_SLOTS;
    CUDA_TRY(cudaMemcpyAsync(posts->slots[slot], device, bytes, cudaMemcpyDeviceToHost, cuda->stream));
    CUDA_TRY(cudaEventRecord(posts->arrived[slot], cuda->stream));
    *ticket = posts->posted++;
    return 0;
}

static int collect(struct backend *backend, uint64_t ticket, void *host, size_t bytes, bool wait, struct error *error)
{
    struct cuda_posts *posts = cuda_of(backend)->posts;
    const uint64_t slot = ticket % POST_SLOTS;
    if (ticket >= posts->posted || posts->posted - ticket > POST_SLOTS || bytes > POST_BYTES)
        return error_set(error, "collect: there is no post %llu of %zu bytes", (unsigned long long)ticket, bytes);
    if (wait) {
        CUDA_TRY(cudaEventSynchronize(posts->arrived[slot]));
    } else {
        const cudaError_t code = cudaEventQuery(posts->arrived[slot]);
        if (code == cudaErrorNotReady) {
            (void)cudaGetLastError(); /* or the next launch would report it */
            return 1;
        }
        CUDA_TRY(code);
    }
    memcpy(host, posts->slots[slot], bytes);
    return 0;
}

/* ---- Recorded work ---- */

/* Thread-local: another thread's CUDA calls, as NVML-like tools make them, do not spoil the recording. */
static int capture_begin(struct backend *backend, struct error *error)
{
    CUDA_TRY(cudaStreamBeginCapture(cuda_of(backend)->stream, cudaStreamCaptureModeThreadLocal));
    return 0;
}

static int capture_end(struct backend *backend, struct graph **out, struct error *error)
{
    cudaGraph_t recorded;
    *out = NULL;
    CUDA_TRY(cudaStreamEndCapture(cuda_of(backend)->stream, &recorded));
    struct graph *graph = (struct graph *)calloc(1, sizeof *graph);
    const cudaError_t code = graph ? cudaGraphInstantiate(&graph->executable, recorded, 0) : cudaSuccess;
    (void)cudaGraphDestroy(recorded);
    if (!graph)
        return error_set(error, "out of memory");
    if (code != cudaSuccess) {
        free(graph);
        return cuda_failed(error, "cudaGraphInstantiate", code);
    }
    *out = graph;
    return 0;
}

static int graph_launch(struct backend *backend, struct graph *graph, struct error *error)
{
    CUDA_TRY(cudaGraphLaunch(graph->executable, cuda_of(backend)->stream));
    return 0;
}

/* Work that was queued from the graph is done before it goes. */
static void graph_destroy(struct backend *backend, struct graph *graph)
{
    (void)cudaStreamSynchronize(cuda_of(backend)->stream);
    (void)cudaGraphExecDestroy(graph->executable);
    free(graph);
}

/* ---- Birth and end ---- */

static void destroy(struct backend *backend)
{
    if (!backend)
        return;
    struct cuda_backend *cuda = cuda_of(backend);
    if (cuda->stream)
        (void)cudaStreamSynchronize(cuda->stream);
    cuda_ranks_leave(cuda);
    discard_posts(cuda->posts);
    if (cuda->blas)
        (void)cublasLtDestroy(cuda->blas);
    if (cuda->blas_workspace)
        (void)cudaFree(cuda->blas_workspace);
    if (cuda->scratch)
        (void)cudaFree(cuda->scratch);
    if (cuda->stream)
        (void)cudaStreamDestroy(cuda->stream);
    free(cuda);
}

static struct backend table()
{
    struct backend b = {};
    b.name = "cuda";
    b.threads = 1;
    b.whole_batch = true;
    b.fuses_stream = true;
    b.allocate = allocate;
    b.release = release;
    b.copy_in = copy_in;
    b.copy_out = copy_out;
    b.fill_zero = fill_zero;
    b.synchronize = synchronize;
    b.destroy = destroy;
    b.memory = memory;
    b.post = post;
    b.collect = collect;
    b.lap = cuda_lap;
    b.capture_begin = capture_begin;
    b.capture_end = capture_end;
    b.graph_launch = graph_launch;
    b.graph_destroy = graph_destroy;
    b.load_batch = cuda_load_batch;
    b.conv_create = cuda_conv_create;
    b.conv_destroy = cuda_conv_destroy;
    b.conv_forward = cuda_conv_forward;
    b.conv_backward_data = cuda_conv_backward_data;
    b.conv_backward_weights = cuda_conv_backward_weights;
    b.weights_create = cuda_weights_create;
    b.weights_destroy = cuda_weights_destroy;
    b.weights_prepare = cuda_weights_prepare;
    b.weights_backward = cuda_weights_backward;
    b.activation_forward = cuda_activation_forward;
    b.activation_backward = cuda_activation_backward;
    b.average_pool_forward = cuda_average_pool_forward;
    b.average_pool_backward = cuda_average_pool_backward;
    b.global_pool_forward = cuda_global_pool_forward;
    b.global_pool_backward = cuda_global_pool_backward;
    b.residual_add_forward = cuda_residual_add_forward;
    b.residual_add_backward = cuda_residual_add_backward;
    b.gate_forward = cuda_gate_forward;
    b.gate_backward = cuda_gate_backward;
    b.dropout = cuda_dropout;
    b.drop_path = cuda_drop_path;
    b.batch_norm_forward = cuda_batch_norm_forward;
    b.batch_norm_backward = cuda_batch_norm_backward;
    b.softmax_cross_entropy = cuda_softmax_cross_entropy;
    b.updater_create = cuda_updater_create;
    b.updater_destroy = cuda_updater_destroy;
    b.update = cuda_update;
    b.copy_unless_halted = cuda_copy_unless_halted;
    b.unit_squares = cuda_unit_squares;
    b.statistics = cuda_statistics;
    b.convert = cuda_convert;
    return b;
}

static int open_device(struct cuda_backend *cuda, int index, struct error *error)
{
    int shared_most;
    if (cuda_device_find(index, &cuda->device, error))
        return -1;
    CUDA_TRY(cudaDeviceGetAttribute(&shared_most, cudaDevAttrMaxSharedMemoryPerBlockOptin, index));
    cuda->shared_most = (size_t)shared_most;
    CUDA_TRY(cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking));
    if (allocate(&cuda->backend, CUDA_SCRATCH_BYTES, &cuda->scratch, error) ||
        allocate(&cuda->backend, BLAS_WORKSPACE_BYTES, &cuda->blas_workspace, error))
        return -1;
    cuda->blas_workspace_bytes = BLAS_WORKSPACE_BYTES;
    const cublasStatus_t status = cublasLtCreate(&cuda->blas);
    if (status != CUBLAS_STATUS_SUCCESS)
        return error_set(error, "cuBLASLt cannot be opened (status %d)", (int)status);
    return make_posts(cuda, error);
}

int backend_cuda_create(int index, struct backend **out, struct error *error)
{
    *out = NULL;
    struct cuda_backend *cuda = (struct cuda_backend *)calloc(1, sizeof *cuda);
    if (!cuda)
        return error_set(error, "out of memory for the CUDA back end");
    cuda->backend = table();
    cuda_ranks_offer(&cuda->backend);
    if (open_device(cuda, index, error)) {
        destroy(&cuda->backend);
        return -1;
    }
    *out = &cuda->backend;
    return 0;
}
