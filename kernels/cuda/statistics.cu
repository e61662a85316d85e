/* What the values of each channel are like, and how all of them are distributed: for the probes and for batch norm. The
 * twin of kernels/cpu/statistics.c. Floor: x read once. */
#include "kernels/cuda/columns.cuh"

static __device__ inline bool is_finite(float x)
{
    return (__float_as_uint(x) & 0x7f800000u) != 0x7f800000u;
}

/* ---- Counts: each warp into its own, in shared memory. They are integers, so the order in which they are added does
 * not show ---- */

enum { COUNTER_WARPS = 8, COUNTERS = COUNTER_WARPS * VALUE_BINS, COUNTER_BYTES = COUNTERS * sizeof(uint32_t) };
static_assert(COUNTER_BYTES % 16 == 0, "what lies behind the counters is aligned");

/* Most of the values may be zeros: the middle bin is the thread's own. */
template <int N> static __device__ inline void count_values(const float (&values)[N], uint32_t *mine, uint32_t *middle)
{
#pragma unroll
    for (int i = 0; i < N; i++) {
        const int bin = value_bin(values[i]);
        if (bin == VALUE_MIDDLE)
            ++*middle;
        else
            atomicAdd(&mine[bin], 1u);
    }
}

static __device__ inline void add_counters(const uint32_t *counters, uint32_t *counts)
{
    const unsigned threads = blockDim.x * blockDim.y;
    for (unsigned bin = thread_rank(); bin < VALUE_BINS; bin += threads) {
        uint32_t sum = 0;
        for (unsigned warp = 0; warp < threads / 32; warp++)
            sum += counters[warp * VALUE_BINS + bin];
        if (sum)
            atomicAdd(&counts[bin], sum);
    }
}

/* ---- Parts ---- */

/* What a thread gathers of its group of channels. */
template <int N> struct gathered {
    float shift[N], sums[2 * N];
    float extremes[2 * N]; /* the least, negated, and the most */
    float infinite[1];
    uint32_t middle;
};

/* Sums are taken of x minus the part's first row, so that a mean far from 0 costs no digits. */
template <bool ALL, typename T, int N>
static __device__ inline void gather_rows(const T *x, const struct column_cut &cut, unsigned group, uint32_t *counters,
                                          struct gathered<N> *to)
{
    const size_t c = (size_t)cut.groups * N, begin = cut_begin(cut), end = cut_end(cut), first = (size_t)group * N;
    uint32_t *mine = counters ? counters + thread_rank() / 32 * VALUE_BINS : NULL;
    load_vector(x + begin * c + first, to->shift);
#pragma unroll ALL ? 2 : 4
    for (size_t row = begin + threadIdx.y; row < end; row += blockDim.y) {
        float values[N];
        load_vector(x + row * c + first, values);
#pragma unroll
        for (int i = 0; i < N; i++) {
            const float d = values[i] - to->shift[i];
            to->sums[i] += d;
            to->sums[N + i] = fmaf(d, d, to->sums[N + i]);
            if (ALL) {
                to->extremes[i] = fmaxf(to->extremes[i], -values[i]);
                to->extremes[N + i] = fmaxf(to->extremes[N + i], values[i]);
            }
            if (!is_finite(values[i]))
                to->infinite[0] = 1.0f;
        }
        if (ALL && mine)
            count_values(values, mine, &to->middle);
    }
    if (ALL && mine)
        atomicAdd(&mine[VALUE_MIDDLE], to->middle);
}

/* The mean as its distance from the matrix's first row, `base`: of means far from 0 the parts would keep too few digits
 * of how they differ. */
template <int N>
static __device__ inline void store_moments(const struct gathered<N> &from, const float (&base)[N], float rows,
                                            size_t c, float *part)
{
    float mean[N], square[N];
#pragma unroll
    for (int i = 0; i < N; i++) {
        const float offset = from.sums[i] / rows;
        mean[i] = from.shift[i] - base[i] + offset;
        square[i] = from.sums[N + i] - offset * from.sums[i];
    }
    store_vector(part, mean);
    store_vector(part + c, square);
}

template <int N> static __device__ inline void store_extremes(const float (&extremes)[2 * N], size_t c, float *part)
{
    float least[N], most[N];
#pragma unroll
    for (int i = 0; i < N; i++) {
        least[i] = -extremes[i];
        most[i] = extremes[N + i];
    }
    store_vector(part + 2 * c, least);
    store_vector(part + 3 * c, most);
}

/* ALL: extremes and, unless `counts` is NULL, counts too. Shared memory: the counters where it counts, and the sums. */
template <bool ALL, typename T, int N>
static __global__ void parts_kernel(const T *x, const struct column_cut cut, float *parts, float *bases, float *flags,
                                    uint32_t *counts)
{
    const unsigned group = cut_group();
    uint32_t *counters = ALL && counts ? shared_memory<uint32_t>() : NULL;
    float *shared = shared_memory<float>() + (counters ? COUNTERS : 0);
    struct gathered<N> gathered = {
    };
    if (ALL) {
#pragma unroll
        for (int i = 0; i < 2 * N; i++)
            gathered.extremes[i] = -INFINITY;
    }
    if (counters) {
        for (unsigned i = thread_rank(); i < COUNTERS; i += blockDim.x * blockDim.y)
            counters[i] = 0;
        __syncthreads();
    }
    if (group < cut.groups)
        gather_rows<ALL>(x, cut, group, counters, &gathered);
    column_sums(gathered.sums, shared);
    __syncthreads();
    if (ALL) {
        column_mosts(gathered.extremes, shared);
        __syncthreads();
    }
    block_sums(gathered.infinite, shared);
    if (counters) /* complete: there were barriers since */
        add_counters(counters, counts);
    if (thread_rank() == 0)
        flags[blockIdx.x * gridDim.y + blockIdx.y] = gathered.infinite[0];
    if (threadIdx.y > 0 || group >= cut.groups)
        return;
    const size_t c = (size_t)cut.groups * N;
    const size_t first = (size_t)group * N;
    float base[N], *part = parts + (ALL ? 4 : 2) * blockIdx.x * c + first;
    load_vector(x + first, base);
    if (blockIdx.x == 0)
        store_vector(bases + first, base);
    store_moments(gathered, base, (float)(cut_end(cut) - cut_begin(cut)), c, part);
    if (ALL)
        store_extremes<N>(gathered.extremes, c, part);
}

template <bool ALL, typename T, int N>
static int measure_parts(struct cuda_backend *cuda, const void *x, size_t rows, size_t c, uint32_t *counts,
                         struct moments_parts *out, struct error *error)
{
    /* a part takes so many values a channel and its blocks' flags, of which there are at most c, and one the bases */
    const unsigned values = ALL ? 4 : 2;
    const size_t most = most_parts(c / N, (values + 2) * c);
    if (most == 0)
        return error_set(error, "the moments of %zu channels are more than the CUDA back end holds", c);
    const struct column_cut cut = column_cut_of(rows, c / N, most);
    float *parts = (float *)cuda->scratch, *bases = parts + values * cut.grid.x * c, *flags = bases + c;
    const size_t shared = 2 * N * cut.block.x * cut.block.y * sizeof(float) + (counts ? COUNTER_BYTES : 0);
    CUDA_LAUNCH((parts_kernel<ALL, T, N>), cut.grid, cut.block, shared, (const T *)x, cut, parts, bases, flags, counts);
    *out = {parts, bases, flags, cut.grid.x, cut.grid.x * cut.grid.y, (unsigned)c, values, rows, cut.rows_per_part};
    return 0;
}

int cuda_moments_parts(struct cuda_backend *cuda, enum dtype dtype, const void *x, size_t rows, size_t c,
                       struct moments_parts *out, struct error *error)
{
    WITH_DTYPE(dtype, WITH_WIDTH(T, c, return measure_parts<false, T, N>(cuda, x, rows, c, NULL, out, error)));
}

static int all_parts(struct cuda_backend *cuda, enum dtype dtype, const void *x, size_t rows, size_t c,
                     uint32_t *counts, struct moments_parts *out, struct error *error)
{
    WITH_DTYPE(dtype, WITH_WIDTH(T, c, return measure_parts<true, T, N>(cuda, x, rows, c, counts, out, error)));
}

/* ---- Joining ---- */

static __device__ inline void join_extremes(const struct moments_parts &from, unsigned channel, float *least,
                                            float *most)
{
    float *shared = shared_memory<float>();
    const float *leasts = from.parts + 2 * (size_t)from.c + (channel < from.c ? channel : 0), *mosts = leasts + from.c;
    float low = -INFINITY, high = -INFINITY;
    for (unsigned part = threadIdx.y; part < from.count; part += JOIN_LANES) {
        low = fmaxf(low, -leasts[4 * (size_t)from.c * part]);
        high = fmaxf(high, mosts[4 * (size_t)from.c * part]);
    }
    *least = -join_most(low, shared);
    *most = join_most(high, shared);
}

static __global__ void statistics_kernel(const struct moments_parts from, float *out, int *finite)
{
    const unsigned channel = blockIdx.x * JOIN_CHANNELS + threadIdx.x;
    float mean, variance, least, most;
    join_moments(from, channel, &mean, &variance);
    join_extremes(from, channel, &least, &most);
    if (threadIdx.y == 0 && channel < from.c) {
        out[channel] = mean;
        out[from.c + channel] = variance;
        out[2 * (size_t)from.c + channel] = least;
        out[3 * (size_t)from.c + channel] = most;
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

int cuda_statistics(struct backend *backend, enum dtype dtype, const void *x, size_t rows, int c, float *out,
                    uint32_t *counts, int *finite, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    struct moments_parts parts;
    if (rows == 0 || c < 1 || rows > UINT32_MAX / (size_t)c)
        return error_set(error, "statistics of %zu rows of %d channels; expected 1 to %u values", rows, c, UINT32_MAX);
    if (counts)
        CUDA_TRY(cudaMemsetAsync(counts, 0, VALUE_BINS * sizeof *counts, cuda->stream));
    if (all_parts(cuda, dtype, x, rows, (size_t)c, counts, &parts, error))
        return -1;
    CUDA_LAUNCH(statistics_kernel, join_grid((size_t)c), join_block(), JOIN_SHARED, parts, out, finite);
    return 0;
}
