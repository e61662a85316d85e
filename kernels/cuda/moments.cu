/* Mean and variance per channel, for the probes and for batch norm, and histograms. Floor: x read once. */
#include "kernels/cuda/columns.cuh"

static __device__ inline bool is_finite(float x)
{
    return (__float_as_uint(x) & 0x7f800000u) != 0x7f800000u;
}

/* Sums are taken of x minus the part's first row, so that a mean far from 0 costs no digits. */
template <typename T, int N>
__global__ void moments_parts_kernel(const T *x, const struct column_cut cut, float *parts, float *flags)
{
    const unsigned group = cut_group();
    const size_t c = (size_t)cut.groups * N, begin = cut_begin(cut), end = cut_end(cut), first = (size_t)group * N;
    float shift[N] = {}, sums[2 * N] = {}, infinite[1] = {0.0f};
    if (group < cut.groups) {
        load_vector(x + begin * c + first, shift);
#pragma unroll 4
        for (size_t row = begin + threadIdx.y; row < end; row += blockDim.y) {
            float values[N];
            load_vector(x + row * c + first, values);
#pragma unroll
            for (int i = 0; i < N; i++) {
                const float d = values[i] - shift[i];
                sums[i] += d;
                sums[N + i] = fmaf(d, d, sums[N + i]);
                if (!is_finite(values[i]))
                    infinite[0] = 1.0f;
            }
        }
    }
    float *shared = shared_memory<float>();
    column_sums(sums, shared);
    __syncthreads();
    block_sums(infinite, shared);
    if (thread_rank() == 0)
        flags[blockIdx.x * gridDim.y + blockIdx.y] = infinite[0];
    if (threadIdx.y > 0 || group >= cut.groups)
        return;
    float mean[N], square[N];
#pragma unroll
    for (int i = 0; i < N; i++) {
        const float offset = sums[i] / (float)(end - begin);
        mean[i] = shift[i] + offset;
        square[i] = sums[N + i] - offset * sums[i];
    }
    float *part = parts + 2 * blockIdx.x * c;
    store_vector(part + first, mean);
    store_vector(part + c + first, square);
}

template <typename T, int N>
static int moments_parts(struct cuda_backend *cuda, const void *x, size_t rows, size_t c, struct moments_parts *out,
                         struct error *error)
{
    /* a part takes 2 * c floats and its blocks' flags, of which there are at most c */
    const size_t most = most_parts(c / N, 3 * c);
    if (most == 0)
        return error_set(error, "the moments of %zu channels are more than the CUDA back end holds", c);
    const struct column_cut cut = column_cut_of(rows, c / N, most);
    float *parts = (float *)cuda->scratch, *flags = parts + 2 * cut.grid.x * c;
    const size_t shared = 2 * N * cut.block.x * cut.block.y * sizeof(float);
    CUDA_LAUNCH((moments_parts_kernel<T, N>), cut.grid, cut.block, shared, (const T *)x, cut, parts, flags);
    *out = {parts, flags, cut.grid.x, cut.grid.x * cut.grid.y, (unsigned)c, rows, cut.rows_per_part};
    return 0;
}

int cuda_moments_parts(struct cuda_backend *cuda, enum dtype dtype, const void *x, size_t rows, size_t c,
                       struct moments_parts *out, struct error *error)
{
    WITH_DTYPE(dtype, WITH_WIDTH(T, c, return moments_parts<T, N>(cuda, x, rows, c, out, error)));
}

__global__ void channel_moments_kernel(const struct moments_parts from, float *moments, int *finite)
{
    const unsigned channel = blockIdx.x * JOIN_CHANNELS + threadIdx.x;
    float mean, variance;
    join_moments(from, channel, &mean, &variance);
    if (threadIdx.y == 0 && channel < from.c) {
        moments[channel] = mean;
        moments[from.c + channel] = variance;
    }
    if (blockIdx.x > 0)
        return;
    float infinite[1] = {0.0f};
    for (unsigned i = thread_rank(); i < from.flag_count; i += JOIN_CHANNELS * JOIN_LANES)
        infinite[0] += from.flags[i];
    block_sums(infinite, shared_memory<float>());
    if (thread_rank() == 0)
        *finite = infinite[0] == 0.0f;
}

int cuda_channel_moments(struct backend *backend, enum dtype dtype, const void *x, size_t rows, int c, float *moments,
                         int *finite, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    struct moments_parts parts;
    if (rows == 0)
        return error_set(error, "channel moments of no rows");
    if (cuda_moments_parts(cuda, dtype, x, rows, (size_t)c, &parts, error))
        return -1;
    CUDA_LAUNCH(channel_moments_kernel, join_grid((size_t)c), join_block(), JOIN_SHARED, parts, moments, finite);
    return 0;
}

/* ---- Histogram ---- */

enum { HISTOGRAM_THREADS = FLAT_THREADS, HISTOGRAM_WARPS = HISTOGRAM_THREADS / 32 };

/* Each warp counts into its own bins: a relu's zeros all fall into one. Counts are integers, so the order in which they
 * are added does not show. */
template <typename T>
__global__ void histogram_kernel(const T *x, size_t count, float low, float high, float scale, int bins,
                                 uint32_t *counts)
{
    constexpr int width = vector_width<T>;
    uint32_t *shared = shared_memory<uint32_t>();
    const unsigned cells = (unsigned)bins + 2, warp = threadIdx.x / 32;
    for (unsigned i = threadIdx.x; i < HISTOGRAM_WARPS * cells; i += HISTOGRAM_THREADS)
        shared[i] = 0;
    __syncthreads();
    for (size_t first = flat_first(width); first < count; first += (size_t)gridDim.x * HISTOGRAM_THREADS * width) {
        float values[width];
        load_part(x + first, count - first, values);
#pragma unroll
        for (int i = 0; i < width; i++)
            if (first + (size_t)i < count)
                atomicAdd(&shared[warp * cells + (unsigned)histogram_bin(values[i], low, high, scale, bins)], 1u);
    }
    __syncthreads();
    for (unsigned cell = threadIdx.x; cell < cells; cell += HISTOGRAM_THREADS) {
        uint32_t sum = 0;
        for (unsigned i = 0; i < HISTOGRAM_WARPS; i++)
            sum += shared[i * cells + cell];
        if (sum)
            atomicAdd(&counts[cell], sum);
    }
}

template <typename T>
static int histogram(struct cuda_backend *cuda, const void *x, size_t count, float low, float high, int bins,
                     uint32_t *counts, struct error *error)
{
    const size_t cells = (size_t)bins + 2;
    CUDA_TRY(cudaMemsetAsync(counts, 0, cells * sizeof *counts, cuda->stream));
    if (count == 0)
        return 0;
    const unsigned blocks = flat_grid(count, vector_width<T>).x;
    CUDA_LAUNCH(histogram_kernel<T>, dim3(blocks < 2 * ENOUGH_BLOCKS ? blocks : 2 * ENOUGH_BLOCKS),
                dim3(HISTOGRAM_THREADS), HISTOGRAM_WARPS * cells * sizeof *counts, (const T *)x, count, low, high,
                (float)bins / (high - low), bins, counts);
    return 0;
}

int cuda_histogram(struct backend *backend, enum dtype dtype, const void *x, size_t count, float low, float high,
                   int bins, uint32_t *counts, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    if (bins < 1 || bins > HISTOGRAM_MOST_BINS || !(low < high))
        return error_set(error, "histogram: %d bins from %g to %g; expected 1 to %d bins and a range", bins,
                         (double)low, (double)high, (int)HISTOGRAM_MOST_BINS);
    WITH_DTYPE(dtype, return histogram<T>(cuda, x, count, low, high, bins, counts, error));
}
