/* Tensor-core 3x3 convolution of stride 1, forward and input gradient: where most of a network's time goes.
 *
 * Counted along (n, h, w), tap (r, s) of position p is position p + (r - 1) * w + s - 1: what the nine taps of a block
 * of positions read is one window of rows + 2 * w + 2 positions, contiguous in memory. It is fetched once, and
 * ldmatrix, to which each lane names its row, does the rest: a tap only shifts the rows, and one that falls outside the
 * image is pointed to a row of zeros.
 *
 * The floor at batch 64 on an H100, counted with 660 TFLOP/s for mma.sync, 3.3 TB/s for memory, 5.5 TB/s for L2; not
 * measured:
 *
 * - `large`, 32 x 32, 64 -> 64 (its other stages cost the same): 4.8 GFLOP, 7.3 us; 16.8 MB, 5.1 us. 256 blocks of
 *   256 x 64, two a multiprocessor, all at once: 115 KB from L2 for each, 29 MB, 5.3 us, three fifths of it weights.
 *   Shared memory: 6 ldmatrix for 16 products, 24 cycles for 26. So it is the tensor cores, with little to spare.
 *
 * - `report`, 32 x 32, 16 -> 16: 0.3 GFLOP, 0.5 us; 4.2 MB, 1.3 us: memory, and the launch itself. Were each tap
 *   fetched on its own, 19 MB from L2 would take 3.5 us. */
#include "kernels/cuda/conv_mma.cuh"

enum { TAPS = 9 };

/* A block keeps DEPTH chunks of channels of its window at a time; weights come in stages of STAGE_TAPS taps. */
template <int ROWS, int COLUMNS, int WARP_ROWS, int WARP_COLUMNS, int DEPTH, int STAGE_TAPS, int STAGES>
struct window_layout : mma_layout<ROWS, COLUMNS, WARP_ROWS, WARP_COLUMNS> {
    enum {
        depth = DEPTH,
        stage_taps = STAGE_TAPS,
        groups = TAPS / STAGE_TAPS, /* steps for all taps of one slice of channels */
        stages = STAGES,
        tap_chunks = COLUMNS * DEPTH,
        stage_chunks = STAGE_TAPS * tap_chunks
    };
    static_assert(STAGES - 1 <= groups,
                  "the next window is issued one slice of channels ahead, and must be waited for");
};

static __host__ __device__ inline int window_positions(const struct mma_job &job, int rows)
{
    return rows + 2 * job.source_w + 2;
}

/* Issues the copies of one slice of channels of the window. */
template <typename L>
__device__ inline void window_fetch(const struct mma_job &job, uint4 *window, int slice, int first, int count)
{
    const int positions = window_positions(job, L::rows), chunk = threadIdx.x % L::depth;
    const int channel = slice * L::depth + chunk;
    int position = first - job.source_w - 1 + (int)threadIdx.x / L::depth;
    const uint4 *from = job.source + (ptrdiff_t)position * job.channels + channel;
#pragma unroll 2
    for (int row = threadIdx.x / L::depth; row < positions; row += L::threads / L::depth) {
        cp_async_16(window + mma_at<L::depth>(row, chunk), from,
                    position >= 0 && position < count && channel < job.channels);
        position += L::threads / L::depth;
        from += L::threads / L::depth * job.channels;
    }
}

/* Issues the copies of the weights of one group of taps. A thread's rows of the stage, (tap, output), are as far apart
 * as all threads reach at once: so many taps, or outputs of the one tap. */
template <typename T, typename L>
__device__ inline void window_fetch_weights(const struct mma_job &job, uint4 *stage, int slice, int group)
{
    enum { rows = L::threads / L::depth, by_taps = rows / L::columns, by_outputs = by_taps > 0 ? 0 : rows };
    static_assert(rows % 8 == 0 && (by_taps > 0 ? rows % L::columns == 0 : L::stage_taps == 1),
                  "one swizzle, one step");
    const int row = threadIdx.x / L::depth, chunk = threadIdx.x % L::depth, channel = slice * L::depth + chunk;
    const int output = blockIdx.y * L::columns + row % L::columns, tap = group * L::stage_taps + row / L::columns;
    const int from = (output * TAPS + tap) * job.channels + channel;
    const int step = (by_taps + by_outputs * TAPS) * job.channels;
    uint4 *to = stage + mma_at<L::depth>(row, chunk);
#pragma unroll
    for (int i = 0; i < (L::stage_chunks + L::threads - 1) / L::threads; i++)
        if (L::stage_chunks % L::threads == 0 || i * L::threads + (int)threadIdx.x < L::stage_chunks)
            cp_async_16(to + i * L::threads, job.weights + (from + i * step),
                        channel < job.channels && output + i * by_outputs < job.outputs * mma_chunk<T>);
}

/* Which of a position's nine taps lie inside its image, a bit each. */
__device__ inline uint32_t window_taps(const struct mma_job &job, int position)
{
    const int x = position % job.source_w, y = position / job.source_w % job.source_h;
    const uint32_t columns = (x > 0 ? 1u : 0u) | 2u | (x + 1 < job.source_w ? 4u : 0u);
    return (y > 0 ? columns : 0u) | columns << 3 | (y + 1 < job.source_h ? columns << 6 : 0u);
}

template <typename T, typename L>
__global__ void __launch_bounds__(L::threads, L::rows *L::columns > 128 * 64   ? 2
                                              : L::rows * L::columns > 64 * 64 ? 3
                                                                               : 4) mma_window(struct mma_job job)
{
    const int count = job.n * job.source_h * job.source_w, first = blockIdx.x * L::rows;
    const int positions = window_positions(job, L::rows), window_chunks = (positions + 1) * L::depth;
    const int slices = (job.channels + L::depth - 1) / L::depth;
    uint4 *stages = shared_memory<uint4>(), *windows = stages + L::stages * L::stage_chunks;
    const int zeros = positions * L::depth; /* the row of zeros, in each window */
    if (threadIdx.x < L::depth) {
        windows[zeros + threadIdx.x] = make_uint4(0, 0, 0, 0);
        if (slices > 1)
            windows[window_chunks + zeros + threadIdx.x] = make_uint4(0, 0, 0, 0);
    }

    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int warp_row = warp / (L::columns / L::warp_columns) * L::warp_rows;
    const int warp_column = warp % (L::columns / L::warp_columns) * L::warp_columns;
    const int weights_at = mma_at<L::depth>(warp_column + lane % 8 + lane / 16 * 8, lane / 8 % 2);
    uint32_t taps[L::m];
#pragma unroll
    for (int m = 0; m < L::m; m++)
        taps[m] = window_taps(job, first + warp_row + m * 16 + lane % 16);
    float sums[L::m][2 * L::n][4] = {};

    window_fetch<L>(job, windows, 0, first, count);
    for (int stage = 0; stage < L::stages - 1; stage++) {
        if (stage < L::groups || slices > 1)
            window_fetch_weights<T, L>(job, stages + stage * L::stage_chunks, stage / L::groups, stage % L::groups);
        cp_async_commit();
    }
    int reading = 0;
    for (int slice = 0, group = 0; slice < slices;) {
        cp_async_wait<L::stages - 2>();
        __syncthreads();
        if (group == 0 && slice + 1 < slices)
            window_fetch<L>(job, windows + (slice + 1) % 2 * window_chunks, slice + 1, first, count);
        /* The weights of stages - 1 steps ahead go where those of the step before this one were. */
        const int ahead = group + L::stages - 1, wrap = ahead >= L::groups ? 1 : 0;
        if (slice + wrap < slices)
            window_fetch_weights<T, L>(job, stages + (reading ? reading - 1 : L::stages - 1) * L::stage_chunks,
                                       slice + wrap, ahead - wrap * L::groups);
        cp_async_commit();
        const uint4 *window = windows + slice % 2 * window_chunks, *weights = stages + reading * L::stage_chunks;
#pragma unroll
        for (int t = 0; t < L::stage_taps; t++) {
            const int tap = group * L::stage_taps + t, shift = tap / 3 * job.source_w + tap % 3;
            /* Rows 16 apart are turned alike: so one place in the row, for all fragments. */
            const int row = warp_row + lane % 16 + shift, place = mma_at<L::depth>(row, lane / 16) - row * L::depth;
            const uint4 *rows[L::m];
#pragma unroll
            for (int m = 0; m < L::m; m++)
                rows[m] = window + (taps[m] >> tap & 1 ? row + m * 16 : positions) * L::depth;
#pragma unroll
            for (int k = 0; k < L::depth; k += 2) {
                uint32_t a[L::m][4], b[L::n][4];
#pragma unroll
                for (int m = 0; m < L::m; m++)
                    mma_load<T>(a[m], rows[m] + (place ^ k));
#pragma unroll
                for (int n = 0; n < L::n; n++)
                    mma_load<T>(b[n], weights + t * L::tap_chunks + n * 16 * L::depth + (weights_at ^ k));
                mma_step<T, L::m, L::n>(sums, a, b);
            }
        }
        reading = reading + 1 == L::stages ? 0 : reading + 1;
        if (++group == L::groups) {
            group = 0;
            slice++;
        }
    }
    const struct mma_axis down = mma_axis_of(job, job.out_h, 0), right = mma_axis_of(job, job.out_w, 0);
    mma_store<T, L>(job, down, right, 0, first, count, sums);
}

template <typename L> static size_t window_bytes(const struct mma_job *job)
{
    const size_t window = ((size_t)window_positions(*job, L::rows) + 1) * L::depth;
    const size_t windows = job->channels > L::depth ? 2 : 1;
    const size_t fetched = sizeof(uint4) * (L::stages * L::stage_chunks + windows * window);
    return fetched > mma_store_bytes<L>() ? fetched : mma_store_bytes<L>();
}

typedef window_layout<256, 64, 64, 32, 8, 1, 4> layout_256_64;
typedef window_layout<128, 128, 64, 64, 8, 1, 3> layout_128_128;
typedef window_layout<128, 64, 64, 32, 8, 1, 4> layout_128_64;
typedef window_layout<64, 64, 32, 32, 8, 1, 4> layout_64_64;
typedef window_layout<64, 32, 32, 16, 8, 1, 4> layout_64_32;
typedef window_layout<128, 32, 32, 32, 4, 3, 3> layout_128_32_narrow;
typedef window_layout<64, 32, 32, 16, 4, 3, 3> layout_64_32_narrow;
typedef window_layout<128, 16, 32, 16, 2, 9, 2> layout_128_16_narrow;

#define WINDOW(T, layout, efficiency)                                                                                  \
    {                                                                                                                  \
        {layout::rows, layout::columns, layout::threads, efficiency}, layout::depth, true, mma_window<T, layout>,      \
            window_bytes<layout>                                                                                       \
    }

template <typename T> static const struct mma_kernel *kernels_of(int *count)
{
    static const struct mma_kernel kernels[] = {
        WINDOW(T, layout_256_64, 0.95),      WINDOW(T, layout_128_128, 1.0),       WINDOW(T, layout_128_64, 0.9),
        WINDOW(T, layout_64_64, 0.75),       WINDOW(T, layout_64_32, 0.5),         WINDOW(T, layout_128_32_narrow, 0.6),
        WINDOW(T, layout_64_32_narrow, 0.5), WINDOW(T, layout_128_16_narrow, 0.35)};
    *count = sizeof kernels / sizeof *kernels;
    return kernels;
}

const struct mma_kernel *mma_window_kernels(enum dtype dtype, int *count)
{
    return dtype == DTYPE_BF16 ? kernels_of<bf16>(count) : kernels_of<float>(count);
}
