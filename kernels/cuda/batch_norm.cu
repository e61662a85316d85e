/* Batch normalisation (Ioffe and Szegedy, arXiv 1502.03167): the baseline that normaliser-free networks replace. Floor:
 * forward reads x twice and writes y, backward reads x, dy and the relu's y twice and writes dx; a batch's statistics
 * are needed before its first value is. */
#include "kernels/cuda/columns.cuh"

static const float running_rate = 0.1f;

static __device__ inline float inverse_deviation(float variance)
{
    return 1.0f / sqrtf(variance + 1e-5f);
}

/* Joins the batch's moments: `saved` and the running statistics. */
__global__ void batch_norm_statistics_kernel(const struct moments_parts from, const struct batch_norm norm, float rate)
{
    const unsigned channel = blockIdx.x * JOIN_CHANNELS + threadIdx.x;
    float mean, variance;
    join_moments(from, channel, &mean, &variance);
    if (threadIdx.y > 0 || channel >= from.c)
        return;
    const float unbiased = from.rows > 1 ? (float)from.rows / (float)(from.rows - 1) : 1.0f;
    norm.saved[channel] = mean;
    norm.saved[from.c + channel] = inverse_deviation(variance);
    if (!isfinite(mean) || !isfinite(variance)) /* the run may go on without this batch */
        return;
    norm.running_mean[channel] += rate * (mean - norm.running_mean[channel]);
    norm.running_variance[channel] += rate * (unbiased * variance - norm.running_variance[channel]);
}

/* `saved` of the running statistics. */
__global__ void batch_norm_running_kernel(const struct batch_norm norm)
{
    const unsigned channel = blockIdx.x * FLAT_THREADS + threadIdx.x;
    if (channel >= (unsigned)norm.c)
        return;
    norm.saved[channel] = norm.running_mean[channel];
    norm.saved[norm.c + channel] = inverse_deviation(norm.running_variance[channel]);
}

/* A thread keeps its channels' factors and goes down its part of the rows. */
template <typename T, int N, bool RELU>
__global__ void batch_norm_apply_kernel(const T *x, T *y, const struct batch_norm norm, const struct column_cut cut)
{
    const unsigned group = cut_group();
    if (group >= cut.groups)
        return;
    const size_t c = (size_t)cut.groups * N, end = cut_end(cut), first = (size_t)group * N;
    float mean[N], factor[N], weight[N], bias[N];
    load_vector(norm.saved + first, mean);
    load_vector(norm.saved + c + first, factor);
    load_vector(norm.weight + first, weight);
    load_vector(norm.bias + first, bias);
#pragma unroll
    for (int i = 0; i < N; i++)
        factor[i] *= weight[i];
#pragma unroll 2
    for (size_t row = cut_begin(cut) + threadIdx.y; row < end; row += blockDim.y) {
        float values[N];
        load_vector(x + row * c + first, values);
#pragma unroll
        for (int i = 0; i < N; i++) {
            values[i] = fmaf(values[i] - mean[i], factor[i], bias[i]);
            if (RELU && values[i] < 0.0f)
                values[i] = 0.0f;
        }
        store_vector(y + row * c + first, values);
    }
}

/* dy, taken through the relu by the sign of y. */
template <typename T, int N, bool RELU>
static __device__ inline void load_gradient(const T *dy, const T *y, float (&d)[N])
{
    load_vector(dy, d);
    if constexpr (RELU) {
        float output[N];
        load_vector(y, output);
#pragma unroll
        for (int i = 0; i < N; i++)
            d[i] = output[i] > 0.0f ? d[i] : 0.0f;
    }
}

struct backward_job {
    const void *x, *y, *dy;
    void *dx;
    float *parts; /* (parts, 2, c) sums of dy and of dy * xhat */
    struct batch_norm norm;
    struct column_cut cut;
};

template <typename T, int N, bool RELU> __global__ void batch_norm_sums_kernel(const struct backward_job job)
{
    const unsigned group = cut_group();
    const size_t c = (size_t)job.cut.groups * N, end = cut_end(job.cut), first = (size_t)group * N;
    const T *x = (const T *)job.x, *y = (const T *)job.y, *dy = (const T *)job.dy;
    float sums[2 * N] = {}, mean[N], inverse[N];
    if (group < job.cut.groups) {
        load_vector(job.norm.saved + first, mean);
        load_vector(job.norm.saved + c + first, inverse);
#pragma unroll 2
        for (size_t row = cut_begin(job.cut) + threadIdx.y; row < end; row += blockDim.y) {
            float values[N], d[N];
            load_vector(x + row * c + first, values);
            load_gradient<T, N, RELU>(dy + row * c + first, y + row * c + first, d);
#pragma unroll
            for (int i = 0; i < N; i++) {
                sums[i] += d[i];
                sums[N + i] = fmaf(d[i], (values[i] - mean[i]) * inverse[i], sums[N + i]);
            }
        }
    }
    column_sums(sums, shared_memory<float>());
    if (threadIdx.y > 0 || group >= job.cut.groups)
        return;
    float *part = job.parts + 2 * blockIdx.x * c + first;
#pragma unroll
    for (int i = 0; i < N; i++) {
        part[i] = sums[i];
        part[c + i] = sums[N + i];
    }
}

/* The gradients of weight and bias, which are also the sums that the gradient of x needs. */
__global__ void batch_norm_parameters_kernel(const float *parts, unsigned count, const struct batch_norm norm)
{
    const unsigned channel = blockIdx.x * JOIN_CHANNELS + threadIdx.x, c = (unsigned)norm.c;
    float sums[2] = {0.0f, 0.0f};
    for (unsigned part = threadIdx.y; part < count && channel < c; part += JOIN_LANES) {
        sums[0] += parts[2 * (size_t)part * c + channel];
        sums[1] += parts[(2 * (size_t)part + 1) * c + channel];
    }
    column_sums(sums, shared_memory<float>());
    if (threadIdx.y > 0 || channel >= c)
        return;
    norm.bias_gradient[channel] = sums[0];
    norm.weight_gradient[channel] = sums[1];
}

/* dx (+)= weight * inverse * (dy - mean(dy) - xhat * mean(dy * xhat)) */
template <typename T, int N, bool RELU, bool ADD>
__global__ void batch_norm_gradient_kernel(const struct backward_job job)
{
    const unsigned group = cut_group();
    if (group >= job.cut.groups)
        return;
    const size_t c = (size_t)job.cut.groups * N, end = cut_end(job.cut), first = (size_t)group * N;
    const T *x = (const T *)job.x, *y = (const T *)job.y, *dy = (const T *)job.dy;
    T *dx = (T *)job.dx;
    const float rows = (float)job.cut.rows;
    float mean[N], factor[N], dy_mean[N], slope[N];
    load_vector(job.norm.saved + first, mean);
    load_vector(job.norm.bias_gradient + first, dy_mean);
#pragma unroll
    for (int i = 0; i < N; i++) {
        const float inverse = job.norm.saved[c + first + i];
        dy_mean[i] /= rows;
        slope[i] = job.norm.weight_gradient[first + i] / rows * inverse;
        factor[i] = job.norm.weight[first + i] * inverse;
    }
#pragma unroll 2
    for (size_t row = cut_begin(job.cut) + threadIdx.y; row < end; row += blockDim.y) {
        float values[N], d[N], sum[N] = {};
        load_vector(x + row * c + first, values);
        load_gradient<T, N, RELU>(dy + row * c + first, y + row * c + first, d);
        if constexpr (ADD)
            load_vector(dx + row * c + first, sum);
#pragma unroll
        for (int i = 0; i < N; i++)
            sum[i] += factor[i] * (d[i] - dy_mean[i] - (values[i] - mean[i]) * slope[i]);
        store_vector(dx + row * c + first, sum);
    }
}

/* Rows that a thread goes down where nothing is summed: its channels' factors are loaded once for all of them. */
enum { ROWS_A_THREAD = 16 };

static struct column_cut elementwise_cut(size_t rows, size_t groups)
{
    const unsigned lanes = column_block(groups, rows, ENOUGH_BLOCKS).y;
    return column_cut_of(rows, groups, cuda_ceil_div(rows, (size_t)lanes * ROWS_A_THREAD));
}

template <typename T, int N>
static int apply(struct cuda_backend *cuda, const struct batch_norm *norm, const void *x, void *y, bool relu,
                 size_t rows, struct error *error)
{
    const struct column_cut cut = elementwise_cut(rows, (size_t)norm->c / N);
    if (relu)
        CUDA_LAUNCH((batch_norm_apply_kernel<T, N, true>), cut.grid, cut.block, 0, (const T *)x, (T *)y, *norm, cut);
    else
        CUDA_LAUNCH((batch_norm_apply_kernel<T, N, false>), cut.grid, cut.block, 0, (const T *)x, (T *)y, *norm, cut);
    return 0;
}

int cuda_batch_norm_forward(struct backend *backend, enum dtype dtype, const struct batch_norm *norm, const void *x,
                            void *y, bool training, bool relu, size_t rows, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    const size_t c = (size_t)norm->c;
    if (rows == 0)
        return 0;
    if (training) {
        struct moments_parts parts;
        if (cuda_moments_parts(cuda, dtype, x, rows, c, &parts, error))
            return -1;
        CUDA_LAUNCH(batch_norm_statistics_kernel, join_grid(c), join_block(), JOIN_SHARED, parts, *norm, running_rate);
    } else {
        CUDA_LAUNCH(batch_norm_running_kernel, flat_grid(c, 1), dim3(FLAT_THREADS), 0, *norm);
    }
    WITH_DTYPE(dtype, WITH_WIDTH(T, c, return apply<T, N>(cuda, norm, x, y, relu, rows, error)));
}

template <typename T, int N, bool RELU>
static int backward(struct cuda_backend *cuda, struct backward_job *job, bool add, size_t rows, struct error *error)
{
    const size_t c = (size_t)job->norm.c, most = most_parts(c / N, 2 * c);
    if (most == 0)
        return error_set(error, "batch norm over %zu channels is more than the CUDA back end holds", c);
    job->cut = column_cut_of(rows, c / N, most);
    const size_t shared = 2 * N * job->cut.block.x * job->cut.block.y * sizeof(float);
    CUDA_LAUNCH((batch_norm_sums_kernel<T, N, RELU>), job->cut.grid, job->cut.block, shared, *job);
    CUDA_LAUNCH(batch_norm_parameters_kernel, join_grid(c), join_block(), 2 * JOIN_SHARED, job->parts, job->cut.grid.x,
                job->norm);
    job->cut = elementwise_cut(rows, c / N);
    if (add)
        CUDA_LAUNCH((batch_norm_gradient_kernel<T, N, RELU, true>), job->cut.grid, job->cut.block, 0, *job);
    else
        CUDA_LAUNCH((batch_norm_gradient_kernel<T, N, RELU, false>), job->cut.grid, job->cut.block, 0, *job);
    return 0;
}

int cuda_batch_norm_backward(struct backend *backend, enum dtype dtype, const struct batch_norm *norm, const void *x,
                             const void *y, const void *dy, void *dx, bool relu, bool add, size_t rows,
                             struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    struct backward_job job = {x, y, dy, dx, (float *)cuda->scratch, *norm, {}};
    if (rows == 0)
        return 0;
    if (relu)
        WITH_DTYPE(dtype, WITH_WIDTH(T, norm->c, return backward<T, N, true>(cuda, &job, add, rows, error)));
    WITH_DTYPE(dtype, WITH_WIDTH(T, norm->c, return backward<T, N, false>(cuda, &job, add, rows, error)));
}
