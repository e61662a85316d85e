/* The tensor-core route of a convolution: says what the kernels shall compute, chooses each one's tile from the shape,
 * and launches. Nothing but the shape and the GPU decides, so the same run gives the same bits. */
#include "kernels/cuda/conv_mma.cuh"

static int output_length(const struct conv_shape *s, int length)
{
    return (length + 2 * (s->k / 2) - s->k) / s->stride + 1;
}

struct mma_job mma_forward_job(const struct conv_shape *s)
{
    struct mma_job job = {};
    job.dtype = s->dtype;
    job.n = s->n;
    job.source_h = s->h;
    job.source_w = s->w;
    job.out_h = output_length(s, s->h);
    job.out_w = output_length(s, s->w);
    job.k = s->k;
    job.channels = s->cin / mma_chunk_of(s->dtype);
    job.outputs = s->cout / mma_chunk_of(s->dtype);
    job.source_step = s->stride;
    job.out_step = 1;
    job.relu = s->relu;
    job.accumulate = s->accumulate;
    return job;
}

struct mma_job mma_backward_data_job(const struct conv_shape *s)
{
    struct mma_job job = {};
    job.dtype = s->dtype;
    job.n = s->n;
    job.source_h = output_length(s, s->h);
    job.source_w = output_length(s, s->w);
    job.out_h = s->h;
    job.out_w = s->w;
    job.k = s->k;
    job.channels = s->cout / mma_chunk_of(s->dtype);
    job.outputs = s->cin / mma_chunk_of(s->dtype);
    job.source_step = 1;
    job.out_step = s->stride;
    job.accumulate = s->add_dx;
    return job;
}

struct mma_weights_job mma_weights_job_of(const struct conv_shape *s)
{
    struct mma_weights_job job = {};
    job.dtype = s->dtype;
    job.n = s->n;
    job.h = s->h;
    job.w = s->w;
    job.out_h = output_length(s, s->h);
    job.out_w = output_length(s, s->w);
    job.k = s->k;
    job.stride = s->stride;
    job.in = s->cin / mma_chunk_of(s->dtype);
    job.out = s->cout / mma_chunk_of(s->dtype);
    return job;
}

/* What a multiprocessor has to do with this tile, in products of the whole depth. One block alone on it leaves waits
 * uncovered, about a third. */
static double forward_cost(const struct cuda_backend *cuda, const struct mma_job *job, const struct mma_kernel *kernel)
{
    const struct mma_tile *tile = &kernel->tile;
    const size_t positions = (size_t)job->n * (size_t)job->out_h * (size_t)job->out_w;
    const size_t blocks = (size_t)cuda_ceil_div(positions, (size_t)tile->rows) *
                          cuda_ceil_div((size_t)(job->outputs * mma_chunk_of(job->dtype)), (size_t)tile->columns);
    const unsigned rounds = cuda_ceil_div(blocks, (size_t)cuda->device.multiprocessors);
    const unsigned slices = cuda_ceil_div((size_t)job->channels, (size_t)kernel->channels);
    const double depth = kernel->whole_slices ? (double)slices * kernel->channels : job->channels;
    return rounds * (rounds == 1 ? 1.3 : 1.0) * tile->rows * tile->columns * depth / tile->efficiency;
}

static const struct mma_kernel *cheapest(const struct cuda_backend *cuda, const struct mma_job *job,
                                         const struct mma_kernel *kernels, int count)
{
    const struct mma_kernel *best = NULL;
    for (int i = 0; i < count; i++)
        if (kernels[i].shared_bytes(job) <= cuda->shared_most &&
            (!best || forward_cost(cuda, job, &kernels[i]) < forward_cost(cuda, job, best)))
            best = &kernels[i];
    return best;
}

/* NULL when no kernel's shared memory fits. */
static const struct mma_kernel *choose(const struct cuda_backend *cuda, const struct mma_job *job)
{
    int count;
    const struct mma_kernel *best = NULL;
    if (job->k == 3 && job->source_step == 1 && job->out_step == 1) {
        const struct mma_kernel *windows = mma_window_kernels(job->dtype, &count);
        best = cheapest(cuda, job, windows, count);
    }
    if (!best) {
        const struct mma_kernel *gathers = mma_gather_kernels(job->dtype, &count);
        best = cheapest(cuda, job, gathers, count);
    }
    return best;
}

/* Tiles of the gradient's matrix (out, (tap, in)). */
static unsigned tiles_down(const struct mma_weights_job *job, const struct mma_tile *tile)
{
    return cuda_ceil_div((size_t)(job->out * mma_chunk_of(job->dtype)), (size_t)tile->rows);
}

static unsigned tiles_right(const struct mma_weights_job *job, const struct mma_tile *tile)
{
    return cuda_ceil_div((size_t)(job->k * job->k * job->in * mma_chunk_of(job->dtype)), (size_t)tile->columns);
}

static unsigned steps_of(const struct mma_weights_job *job)
{
    return cuda_ceil_div((size_t)job->n * (size_t)job->out_h * (size_t)job->out_w,
                         (size_t)mma_positions_of(job->dtype));
}

/* So many parts that each multiprocessor holds sums of about 64 x 288 values (74 KB of registers): fewer leave it idle,
 * more cost their traffic twice. A part has at least four steps, which a block's pipeline needs to fill. */
static unsigned splits_of(const struct cuda_backend *cuda, const struct mma_weights_job *job,
                          const struct mma_tile *tile)
{
    int resident = 64 * 288 / (tile->rows * tile->columns);
    resident = resident < 1 ? 1 : resident > 4 ? 4 : resident;
    const unsigned tiles = tiles_down(job, tile) * tiles_right(job, tile), steps = steps_of(job);
    unsigned splits = (unsigned)(cuda->device.multiprocessors * resident) / tiles;
    if (splits > steps / 4)
        splits = steps / 4;
    return splits <= 1 ? 1 : cuda_ceil_div(steps, cuda_ceil_div(steps, splits));
}

/* As forward_cost; each sum that is written and read again costs as much as some five steps of it. */
static double weights_cost(const struct cuda_backend *cuda, const struct mma_weights_job *job,
                           const struct mma_tile *tile)
{
    const unsigned splits = splits_of(cuda, job, tile);
    const size_t blocks = (size_t)splits * tiles_down(job, tile) * tiles_right(job, tile);
    const unsigned rounds = cuda_ceil_div(blocks, (size_t)cuda->device.multiprocessors);
    const double steps = cuda_ceil_div(steps_of(job), splits) / tile->efficiency;
    return rounds * (steps * (rounds == 1 ? 1.3 : 1.0) + 5.0) * tile->rows * tile->columns;
}

static const struct mma_weights_kernel *cheapest_weights(const struct cuda_backend *cuda,
                                                         const struct mma_weights_job *job,
                                                         const struct mma_weights_kernel *kernels, int count)
{
    const struct mma_weights_kernel *best = NULL;
    for (int i = 0; i < count; i++)
        if (kernels[i].shared_bytes(job) <= cuda->shared_most &&
            (!best || weights_cost(cuda, job, &kernels[i].tile) < weights_cost(cuda, job, &best->tile)))
            best = &kernels[i];
    return best;
}

static const struct mma_weights_kernel *choose_weights(const struct cuda_backend *cuda,
                                                       const struct mma_weights_job *job)
{
    int count;
    const struct mma_weights_kernel *best = NULL;
    if (job->k == 3 && job->stride == 1) {
        const struct mma_weights_kernel *windows = mma_weights_window_kernels(job->dtype, &count);
        best = cheapest_weights(cuda, job, windows, count);
    }
    if (!best) {
        const struct mma_weights_kernel *gathers = mma_weights_gather_kernels(job->dtype, &count);
        best = cheapest_weights(cuda, job, gathers, count);
    }
    return best;
}

int cuda_mma_splits(const struct cuda_backend *cuda, const struct conv_shape *shape)
{
    const struct mma_weights_job job = mma_weights_job_of(shape);
    const struct mma_weights_kernel *kernel = choose_weights(cuda, &job);
    return kernel ? (int)splits_of(cuda, &job, &kernel->tile) : 1;
}

static int no_kernel(struct error *error, const struct conv_shape *s)
{
    return error_set(error,
                     "convolution %dx%d on images of %d x %d: no tensor-core kernel fits this GPU's shared memory",
                     s->k, s->k, s->h, s->w);
}

/* The limit belongs to the kernel, which serves other shapes too: it is raised as far as it goes. */
static size_t limit(const struct cuda_backend *cuda, size_t bytes)
{
    return bytes > 48 * 1024 ? cuda->shared_most : bytes;
}

static int prepare(struct cuda_backend *cuda, const struct conv_shape *shape, const struct mma_job *job,
                   struct error *error)
{
    const struct mma_kernel *kernel = choose(cuda, job);
    if (!kernel)
        return no_kernel(error, shape);
    CUDA_ALLOW_SHARED(kernel->launch, limit(cuda, kernel->shared_bytes(job)));
    return 0;
}

int cuda_mma_prepare(struct cuda_backend *cuda, const struct conv_shape *shape, struct error *error)
{
    const struct mma_job forward = mma_forward_job(shape), backward = mma_backward_data_job(shape);
    const struct mma_weights_job weights = mma_weights_job_of(shape);
    const struct mma_weights_kernel *kernel = choose_weights(cuda, &weights);
    if (!kernel)
        return no_kernel(error, shape);
    CUDA_ALLOW_SHARED(kernel->launch, limit(cuda, kernel->shared_bytes(&weights)));
    if (prepare(cuda, shape, &forward, error))
        return -1;
    return shape->input_gradient ? prepare(cuda, shape, &backward, error) : 0;
}

int mma_launch(struct cuda_backend *cuda, const struct mma_kernel *kernel, const struct mma_job *job,
               struct error *error)
{
    const int step = job->out_step; /* with 2: a grid for each parity, as large as the largest needs */
    const size_t rows = (size_t)job->n * cuda_ceil_div((size_t)job->out_h, (size_t)step) *
                        cuda_ceil_div((size_t)job->out_w, (size_t)step);
    const dim3 grid(cuda_ceil_div(rows, (size_t)kernel->tile.rows),
                    cuda_ceil_div((size_t)(job->outputs * mma_chunk_of(job->dtype)), (size_t)kernel->tile.columns),
                    (unsigned)(step * step));
    void (*const convolution)(struct mma_job) = kernel->launch;
    CUDA_LAUNCH(convolution, grid, dim3((unsigned)kernel->tile.threads), kernel->shared_bytes(job), *job);
    return 0;
}

int mma_weights_launch(struct cuda_backend *cuda, const struct mma_weights_kernel *kernel, struct mma_weights_job job,
                       int splits, struct error *error)
{
    job.per_split = (int)cuda_ceil_div(steps_of(&job), (size_t)splits) * mma_positions_of(job.dtype);
    const dim3 grid((unsigned)splits, tiles_right(&job, &kernel->tile), tiles_down(&job, &kernel->tile));
    void (*const weight_gradient)(struct mma_weights_job) = kernel->launch;
    CUDA_LAUNCH(weight_gradient, grid, dim3((unsigned)kernel->tile.threads), kernel->shared_bytes(&job), job);
    return 0;
}

static int launch_chosen(struct cuda_backend *cuda, const struct conv_shape *shape, const struct mma_job *job,
                         struct error *error)
{
    const struct mma_kernel *kernel = choose(cuda, job);
    return kernel ? mma_launch(cuda, kernel, job, error) : no_kernel(error, shape);
}

int cuda_mma_forward(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *packed,
                     const float *bias, void *y, void *y_relu, struct error *error)
{
    struct mma_job job = mma_forward_job(&conv->conv.shape);
    job.source = (const uint4 *)x;
    job.weights = (const uint4 *)packed;
    job.bias = bias;
    job.out = (uint4 *)y;
    job.relu_copy = (uint4 *)y_relu;
    return launch_chosen(cuda, &conv->conv.shape, &job, error);
}

int cuda_mma_backward_data(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *dy,
                           const void *packed_backward, void *dx, struct error *error)
{
    struct mma_job job = mma_backward_data_job(&conv->conv.shape);
    job.source = (const uint4 *)dy;
    job.weights = (const uint4 *)packed_backward;
    job.mask = conv->conv.shape.relu_input ? (const uint4 *)x : NULL;
    job.out = (uint4 *)dx;
    return launch_chosen(cuda, &conv->conv.shape, &job, error);
}

int cuda_mma_backward_weights(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *dy,
                              float *partial, float *bias_partial, struct error *error)
{
    struct mma_weights_job job = mma_weights_job_of(&conv->conv.shape);
    const struct mma_weights_kernel *kernel = choose_weights(cuda, &job);
    if (!kernel)
        return no_kernel(error, &conv->conv.shape);
    job.x = (const uint4 *)x;
    job.dy = (const uint4 *)dy;
    job.partial = partial;
    job.bias = bias_partial;
    return mma_weights_launch(cuda, kernel, job, conv->weight_splits, error);
}
