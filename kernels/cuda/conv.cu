/* Convolutions of the CUDA back end: which route computes each direction, and the sums that all routes share. A weight
 * gradient comes as partial sums over parts of the batch, the bias gradient likewise, from the same kernel on the
 * MMA route, else from one of its own; one launch adds both up, in a fixed order. */
#include "kernels/cuda/columns.cuh"

#include <limits.h>
#include <stdlib.h>

enum { SUM_THREADS = 256, SUM_LANES = 8, SUM_VECTOR = 4, SCRATCH_ALIGNMENT = 256 };

/* ---- Routes ---- */

enum {
    MMA_TILE = 64,         /* channels, each way, of a tile of our own weight gradient ... */
    BLAS_TILE = 128,       /* ... and of cuBLAS's, as a guess */
    LAUNCH_BYTES = 4 << 20 /* that L2 gives in the microsecond that a launch more costs */
};

static bool mma_fits(const struct cuda_backend *cuda, const struct conv_shape *shape)
{
    const int chunk = 16 / (int)dtype_size(shape->dtype);
    return (shape->dtype == DTYPE_BF16 || shape->tf32) && cuda_device_has_bf16(&cuda->device) && shape->groups == 1 &&
           shape->cin % chunk == 0 && shape->cout % chunk == 0;
}

/* Bytes that operands of a weight gradient of k = 1 take from L2, by square tiles of so many channels. */
static double product_bytes(const struct conv_shape *shape, size_t tile)
{
    const size_t cin = (size_t)shape->cin, cout = (size_t)shape->cout;
    const size_t channels = cin * cuda_ceil_div(cout, tile) + cout * cuda_ceil_div(cin, tile);
    return (double)shape->n * shape->h * shape->w * (double)channels * (double)dtype_size(shape->dtype);
}

/* Whether cuBLAS, with its larger tiles, gains more than the bias costs, which it leaves to a pass over dy. */
static bool blas_repays_bias(const struct conv_shape *shape)
{
    const double bias = (double)shape->n * shape->h * shape->w * shape->cout * (double)dtype_size(shape->dtype);
    return product_bytes(shape, BLAS_TILE) + bias + LAUNCH_BYTES < product_bytes(shape, MMA_TILE);
}

/* The one place that chooses. Nothing of it is measured yet; `make gpu-bench` prints what each convolution takes.
 * What speaks for it: a 1x1 convolution is a plain matrix product, cuBLAS's trade, but only our own kernels mask by x >
 * 0, add an fp32 bias to bf16 results and sum the bias gradient without another pass over memory, which is what limits
 * these layers. Of the presets' weight gradients of k = 1 at batch 64, that leaves to cuBLAS those of `large` which
 * have 128 channels or more on both sides. */
static void choose_routes(const struct cuda_backend *cuda, struct cuda_conv *c)
{
    const struct conv_shape *shape = &c->conv.shape;
    const bool product = shape->k == 1 && shape->stride == 1 && shape->groups == 1;
    c->forward = c->backward_data = c->backward_weights = ROUTE_PLAIN;
    if (mma_fits(cuda, shape)) {
        c->forward = ROUTE_MMA;
        c->backward_data = product && !shape->relu_input ? ROUTE_BLAS : ROUTE_MMA;
        c->backward_weights = product && blas_repays_bias(shape) ? ROUTE_BLAS : ROUTE_MMA;
    } else if (product && shape->dtype == DTYPE_FP32) {
        c->forward = c->backward_weights = ROUTE_BLAS;
        c->backward_data = shape->relu_input && shape->add_dx ? ROUTE_PLAIN : ROUTE_BLAS;
    }
    if (!shape->input_gradient)
        c->backward_data = ROUTE_PLAIN; /* never called: wants neither weights of its own nor an algorithm */
    if (shape->frozen)
        c->backward_weights = ROUTE_NONE; /* the bias's gradient alone */
}

/* ---- The bias gradient: column sums of dy ---- */

/* Channels that a thread sums. */
static int bias_width(const struct conv_shape *shape)
{
    const int widest = shape->dtype == DTYPE_BF16 ? vector_width<bf16> : vector_width<float>;
    return shape->cout % widest == 0 ? widest : 1;
}

/* Where no weight gradient brings it along. */
static struct column_cut bias_cut(const struct conv *conv)
{
    const size_t cout = (size_t)conv->shape.cout, groups = cout / (size_t)bias_width(&conv->shape);
    return column_cut_of((size_t)conv->shape.n * (size_t)(conv->out_h * conv->out_w), groups, most_parts(groups, cout));
}

/* dy (rows, channels) -> sums (gridDim.x, channels), a part of the rows each */
template <typename T, int WIDTH>
static __global__ void bias_parts_kernel(struct column_cut cut, const T *__restrict__ dy, float *__restrict__ sums)
{
    const size_t channels = (size_t)cut.groups * WIDTH, channel = (size_t)cut_group() * WIDTH, end = cut_end(cut);
    float sum[WIDTH] = {};
    if (channel < channels) {
#pragma unroll 4
        for (size_t row = cut_begin(cut) + threadIdx.y; row < end; row += blockDim.y) {
            float values[WIDTH];
            load_vector(dy + row * channels + channel, values);
#pragma unroll
            for (int i = 0; i < WIDTH; i++)
                sum[i] += values[i];
        }
    }
    column_sums(sum, shared_memory<float>());
    if (threadIdx.y == 0 && channel < channels) {
#pragma unroll
        for (int i = 0; i < WIDTH; i++)
            sums[blockIdx.x * channels + channel + (size_t)i] = sum[i];
    }
}

template <typename T>
static int bias_parts_sum(struct cuda_backend *cuda, const struct conv *conv, const void *dy, float *sums,
                          struct error *error)
{
    const struct column_cut cut = bias_cut(conv);
    const int width = bias_width(&conv->shape);
    const size_t shared = (size_t)cut.block.x * cut.block.y * (size_t)width * sizeof(float);
    const auto bias_parts = width == 1 ? bias_parts_kernel<T, 1> : bias_parts_kernel<T, vector_width<T>>;
    CUDA_LAUNCH(bias_parts, cut.grid, cut.block, shared, cut, (const T *)dy, sums);
    return 0;
}

/* ---- Partial sums, added up ---- */

/* parts (part_count, units, taps, channels) -> out (units, channels, taps), added to when `add` */
struct sum_job {
    const float *parts;
    float *out;
    int part_count, count; /* count = units * taps * channels */
    int taps, channels;
    int lanes; /* threads that share a column, a power of two up to SUM_LANES */
    int blocks;
    bool add;
};

/* Lane l adds parts l, l + lanes, ...; then the lanes are added as a tree. */
template <int WIDTH> static __device__ inline void sum_parts(const struct sum_job &job, int block, float *shared)
{
    const int columns = SUM_THREADS / job.lanes, lane = (int)threadIdx.x / columns;
    const int first = (block * columns + (int)threadIdx.x % columns) * WIDTH;
    float sum[WIDTH] = {};
    if (first < job.count) {
#pragma unroll 4
        for (int part = lane; part < job.part_count; part += job.lanes) {
            float values[WIDTH];
            load_vector(job.parts + (size_t)part * (size_t)job.count + first, values);
#pragma unroll
            for (int i = 0; i < WIDTH; i++)
                sum[i] += values[i];
        }
    }
    float *own = shared + threadIdx.x;
#pragma unroll
    for (int i = 0; i < WIDTH; i++)
        own[i * SUM_THREADS] = sum[i];
    for (int half = job.lanes / 2; half > 0; half /= 2) {
        __syncthreads();
        if (lane < half) {
#pragma unroll
            for (int i = 0; i < WIDTH; i++)
                own[i * SUM_THREADS] += own[i * SUM_THREADS + half * columns];
        }
    }
    if (lane != 0 || first >= job.count)
        return;
    const int row = first / job.channels, channel = first - row * job.channels;
    const int unit = row / job.taps, tap = row - unit * job.taps;
    float *out = job.out + (size_t)(unit * job.channels + channel) * (size_t)job.taps + tap;
#pragma unroll
    for (int i = 0; i < WIDTH; i++)
        out[i * job.taps] = (job.add ? out[i * job.taps] : 0.0f) + own[i * SUM_THREADS];
}

/* The weights' blocks, then the bias's. */
template <int WIDTH> static __global__ void sum_parts_kernel(struct sum_job weights, struct sum_job bias)
{
    const int block = (int)blockIdx.x;
    float *shared = shared_memory<float>();
    if (block < weights.blocks)
        sum_parts<WIDTH>(weights, block, shared);
    else
        sum_parts<1>(bias, block - weights.blocks, shared);
}

static int sum_lanes(int parts)
{
    int lanes = 1;
    while (lanes < SUM_LANES && 2 * lanes <= parts)
        lanes *= 2;
    return lanes;
}

static unsigned sum_blocks(const struct sum_job *job, int width)
{
    return cuda_ceil_div((size_t)(job->count / width), (size_t)(SUM_THREADS / job->lanes));
}

/* ---- The slots ---- */

static int weight_count(const struct conv_shape *shape)
{
    return shape->cout * shape->k * shape->k * (shape->cin / shape->groups);
}

/* Whether the weights' gradient comes as parts. */
static bool has_weight_parts(const struct cuda_conv *c)
{
    return c->backward_weights == ROUTE_MMA || c->backward_weights == ROUTE_PLAIN;
}

static size_t weight_parts_bytes(const struct cuda_conv *c)
{
    const size_t bytes =
        has_weight_parts(c) ? (size_t)c->weight_splits * (size_t)weight_count(&c->conv.shape) * sizeof(float) : 0;
    return (bytes + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
}

static int bias_part_count(const struct cuda_conv *c)
{
    return c->backward_weights == ROUTE_MMA ? c->weight_splits : (int)bias_cut(&c->conv).grid.x;
}

static int check_shape(const struct conv_shape *shape, struct error *error)
{
    if ((shape->k != 1 && shape->k != 3) || (shape->stride != 1 && shape->stride != 2) || shape->groups < 1 ||
        shape->cin % shape->groups || shape->cout % shape->groups)
        return error_set(error, "convolution: kernel %d, stride %d, %d -> %d channels in %d groups is not supported",
                         shape->k, shape->stride, shape->cin, shape->cout, shape->groups);
    if ((size_t)shape->n * (size_t)shape->h * (size_t)shape->w > INT_MAX / 2)
        return error_set(error, "convolution: %d images of %d x %d are too many for one step; take a smaller batch",
                         shape->n, shape->h, shape->w);
    return 0;
}

static int prepare(struct cuda_backend *cuda, struct cuda_conv *c, struct error *error)
{
    const struct conv_shape *shape = &c->conv.shape;
    choose_routes(cuda, c);
    const bool mma = mma_fits(cuda, shape);
    if (cuda_blas_prepare(cuda, c, mma ? ROUTE_MMA : ROUTE_PLAIN, error) ||
        (mma && cuda_mma_prepare(cuda, shape, error)))
        return -1;
    c->weight_splits = 1;
    if (c->backward_weights == ROUTE_MMA)
        c->weight_splits = cuda_mma_splits(cuda, shape);
    else if (c->backward_weights == ROUTE_PLAIN)
        c->weight_splits = cuda_plain_splits(cuda, &c->conv);
    const size_t packed_bytes = (size_t)weight_count(shape) * dtype_size(shape->dtype);
    c->conv.packed_forward_bytes = packed_bytes;
    c->conv.packed_backward_bytes = c->backward_data == ROUTE_MMA ? packed_bytes : 0;
    c->conv.scratch_bytes = weight_parts_bytes(c) + (size_t)bias_part_count(c) * (size_t)shape->cout * sizeof(float);
    return 0;
}

int cuda_conv_create(struct backend *backend, const struct conv_shape *shape, struct conv **out, struct error *error)
{
    if (check_shape(shape, error))
        return -1;
    struct cuda_conv *c = (struct cuda_conv *)calloc(1, sizeof *c);
    if (!c)
        return error_set(error, "out of memory");
    const int padding = 2 * (shape->k / 2);
    c->conv.shape = *shape;
    c->conv.out_h = (shape->h + padding - shape->k) / shape->stride + 1;
    c->conv.out_w = (shape->w + padding - shape->k) / shape->stride + 1;
    if (prepare(cuda_of(backend), c, error)) {
        cuda_conv_destroy(backend, &c->conv);
        return -1;
    }
    *out = &c->conv;
    return 0;
}

void cuda_conv_destroy(struct backend *backend, struct conv *conv)
{
    (void)backend;
    if (!conv)
        return;
    cuda_blas_release(cuda_conv_of(conv));
    free(cuda_conv_of(conv));
}

int cuda_conv_forward(struct backend *backend, struct conv *conv, const void *x, const void *packed_forward,
                      const float *bias, void *y, void *y_relu, void *scratch, struct error *error)
{
    (void)scratch;
    struct cuda_backend *cuda = cuda_of(backend);
    const struct cuda_conv *c = cuda_conv_of(conv);
    if (c->forward == ROUTE_PLAIN)
        return cuda_plain_forward(cuda, c, x, packed_forward, bias, y, y_relu, error);
    if (c->forward == ROUTE_MMA)
        return cuda_mma_forward(cuda, c, x, packed_forward, bias, y, y_relu, error);
    const int result = cuda_blas_forward(cuda, c, x, packed_forward, bias, y, error);
    if (result || !y_relu)
        return result;
    const struct conv_shape *shape = &conv->shape;
    const size_t count = (size_t)shape->n * (size_t)(conv->out_h * conv->out_w) * (size_t)shape->cout;
    return cuda_activation_forward(backend, ACTIVATION_RELU, shape->dtype, y, y_relu, count, error);
}

int cuda_conv_backward_data(struct backend *backend, struct conv *conv, const void *x, const void *dy,
                            const void *packed_backward, void *dx, void *scratch, struct error *error)
{
    (void)scratch;
    struct cuda_backend *cuda = cuda_of(backend);
    const struct cuda_conv *c = cuda_conv_of(conv);
    if (!conv->shape.input_gradient)
        return error_set(error, "convolution: made without input_gradient, but its input gradient was asked for");
    if (c->backward_data == ROUTE_MMA)
        return cuda_mma_backward_data(cuda, c, x, dy, packed_backward, dx, error);
    if (c->backward_data == ROUTE_BLAS)
        return cuda_blas_backward_data(cuda, c, x, dy, packed_backward, dx, error);
    return cuda_plain_backward_data(cuda, c, x, dy, packed_backward, dx, error);
}

/* Adds up what lies in scratch: the weights' parts, if the route left any, and the bias's. */
static int add_parts(struct cuda_backend *cuda, const struct cuda_conv *c, const float *weight_parts,
                     const float *bias_parts, float *weight_gradient, float *bias_gradient, bool add,
                     struct error *error)
{
    const struct conv_shape *shape = &c->conv.shape;
    const int channels = shape->cin / shape->groups, width = channels % SUM_VECTOR == 0 ? SUM_VECTOR : 1;
    struct sum_job weights = {weight_parts,
                              weight_gradient,
                              c->weight_splits,
                              weight_count(shape),
                              shape->k * shape->k,
                              channels,
                              sum_lanes(c->weight_splits),
                              0,
                              add};
    const int parts = bias_part_count(c);
    struct sum_job bias = {bias_parts, bias_gradient, parts, shape->cout, 1, 1, sum_lanes(parts), 0, add};
    if (has_weight_parts(c))
        weights.blocks = (int)sum_blocks(&weights, width);
    bias.blocks = (int)sum_blocks(&bias, 1);
    const auto sum = width == 1 ? sum_parts_kernel<1> : sum_parts_kernel<SUM_VECTOR>;
    CUDA_LAUNCH(sum, dim3((unsigned)(weights.blocks + bias.blocks)), dim3(SUM_THREADS),
                (size_t)(width * SUM_THREADS) * sizeof(float), weights, bias);
    return 0;
}

int cuda_conv_backward_weights(struct backend *backend, struct conv *conv, const void *x, const void *dy,
                               float *weight_gradient, float *bias_gradient, bool add, void *scratch,
                               struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    const struct cuda_conv *c = cuda_conv_of(conv);
    float *weight_parts = (float *)scratch;
    float *bias_parts = (float *)((char *)scratch + weight_parts_bytes(c));
    int result = 0;
    if (c->backward_weights == ROUTE_MMA)
        result = cuda_mma_backward_weights(cuda, c, x, dy, weight_parts, bias_parts, error);
    else if (c->backward_weights == ROUTE_BLAS)
        result = cuda_blas_backward_weights(cuda, c, x, dy, weight_gradient, add, error);
    else if (c->backward_weights == ROUTE_PLAIN)
        result = cuda_plain_backward_weights(cuda, c, x, dy, weight_parts, error);
    if (!result && c->backward_weights != ROUTE_MMA)
        WITH_DTYPE(conv->shape.dtype, result = bias_parts_sum<T>(cuda, conv, dy, bias_parts, error));
    return result ? -1 : add_parts(cuda, c, weight_parts, bias_parts, weight_gradient, bias_gradient, add, error);
}
