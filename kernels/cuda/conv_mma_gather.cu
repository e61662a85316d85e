/* Tensor-core convolution for any stride: rows of the left operand are outputs, each of whose taps is fetched from the
 * source on its own. Strided layers and their input gradients come here, and 3x3 layers too wide for the window kernel
 * (conv_mma_window.cu), which fetches each value once for all taps. */
#include "kernels/cuda/conv_mma.cuh"

enum { DEPTH = 8, STAGES = 3 }; /* chunks a step along (tap, channel): 64 values of bf16 */

/* Where this thread's chunk stands along (tap row, tap column, channel chunk): from step to step without a division. */
struct gather_walk {
    int row, column, chunk;
    int by_row, by_column, by_chunk;
};

__device__ inline struct gather_walk gather_begin(int start, int channels, int taps_right)
{
    const int tap = start / channels, by_tap = DEPTH / channels;
    return {tap / taps_right,    tap % taps_right,    start % channels,
            by_tap / taps_right, by_tap % taps_right, DEPTH % channels};
}

__device__ inline void gather_advance(struct gather_walk &walk, int channels, int taps_right)
{
    walk.chunk += walk.by_chunk;
    walk.column += walk.by_column;
    walk.row += walk.by_row;
    if (walk.chunk >= channels) {
        walk.chunk -= channels;
        walk.column++;
    }
    if (walk.column >= taps_right) {
        walk.column -= taps_right;
        walk.row++;
    }
}

/* One of the thread's rows of the left operand: its first tap, and which of its taps lie inside the source (a bit
 * each). */
struct gather_row {
    int offset;
    uint32_t taps;
};

__device__ inline struct gather_row gather_row_of(const struct mma_job &job, struct mma_axis down,
                                                  struct mma_axis right, int position, int count)
{
    const int line = position / right.rows, image = line / down.rows;
    const int y = line % down.rows * job.source_step + down.origin;
    const int x = position % right.rows * job.source_step + right.origin;
    struct gather_row result = {((image * job.source_h + y) * job.source_w + x) * job.channels, 0};
    uint32_t columns = 0;
    for (int t = 0; t < right.taps; t++)
        if (x + t >= 0 && x + t < job.source_w)
            columns |= 1u << t;
    for (int t = 0; t < down.taps; t++)
        if (y + t >= 0 && y + t < job.source_h)
            result.taps |= columns << (t * right.taps);
    if (position >= count)
        result.taps = 0;
    return result;
}

template <typename T, typename L>
__global__ void __launch_bounds__(L::threads, L::rows *L::columns >= 128 * 64 ? 3 : 4) mma_gather(struct mma_job job)
{
    enum {
        rows_at_once = L::threads / DEPTH,
        left_rows = L::rows / rows_at_once,
        right_rows = L::columns / rows_at_once,
        stage_chunks = (L::rows + L::columns) * DEPTH
    };
    static_assert(L::rows % rows_at_once == 0 && L::columns % rows_at_once == 0, "whole rows for all threads");
    uint4 *shared = shared_memory<uint4>();
    const int parity = job.out_step == 1 ? 0 : 3 - (int)blockIdx.z; /* those with the most taps begin first */
    const struct mma_axis down = mma_axis_of(job, job.out_h, parity >> 1);
    const struct mma_axis right = mma_axis_of(job, job.out_w, parity & 1);
    const int count = job.n * down.rows * right.rows, first = blockIdx.x * L::rows;
    const int taps = down.taps * right.taps;
    if (first >= count || (job.accumulate && taps == 0)) /* beyond, or nothing to add */
        return;

    const int chunk = threadIdx.x % DEPTH, own_row = threadIdx.x / DEPTH;
    struct gather_row rows[left_rows];
#pragma unroll
    for (int i = 0; i < left_rows; i++)
        rows[i] = gather_row_of(job, down, right, first + own_row + i * rows_at_once, count);
    const int weights_row = job.k * job.k * job.channels;
    const int first_output = blockIdx.y * L::columns + own_row;
    const int steps = (taps * job.channels + DEPTH - 1) / DEPTH;
    struct gather_walk walk = gather_begin(chunk, job.channels, taps ? right.taps : 1);

    /* Issues the copies of the next step into a stage. */
    const auto fetch = [&](int stage) {
        const int tap = walk.row * right.taps + walk.column;
        const int from = (walk.row * job.source_w + walk.column) * job.channels + walk.chunk;
        const int weight_tap = (down.first + walk.row * down.step) * job.k + right.first + walk.column * right.step;
        uint4 *left = shared + stage * stage_chunks, *weights = left + L::rows * DEPTH;
#pragma unroll
        for (int i = 0; i < left_rows; i++)
            cp_async_16(left + mma_at<DEPTH>(own_row + i * rows_at_once, chunk), job.source + rows[i].offset + from,
                        rows[i].taps >> tap & 1);
#pragma unroll
        for (int i = 0; i < right_rows; i++) {
            const int output = first_output + i * rows_at_once;
            cp_async_16(weights + mma_at<DEPTH>(own_row + i * rows_at_once, chunk),
                        job.weights + output * weights_row + weight_tap * job.channels + walk.chunk,
                        tap < taps && output < job.outputs * mma_chunk<T>);
        }
        gather_advance(walk, job.channels, right.taps);
    };

    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int warp_row = warp / (L::columns / L::warp_columns) * L::warp_rows;
    const int warp_column = warp % (L::columns / L::warp_columns) * L::warp_columns;
    const int left_at = mma_at<DEPTH>(warp_row + lane % 16, lane / 16);
    const int weights_at = mma_at<DEPTH>(warp_column + lane % 8 + lane / 16 * 8, lane / 8 % 2);
    float sums[L::m][2 * L::n][4] = {};

    for (int stage = 0; stage < STAGES - 1; stage++) {
        if (stage < steps)
            fetch(stage);
        cp_async_commit();
    }
    int reading = 0, writing = STAGES - 1;
    for (int step = 0; step < steps; step++) {
        cp_async_wait<STAGES - 2>();
        __syncthreads();
        if (step + STAGES - 1 < steps)
            fetch(writing);
        cp_async_commit();
        const uint4 *left = shared + reading * stage_chunks, *weights = left + L::rows * DEPTH;
#pragma unroll
        for (int k = 0; k < DEPTH; k += 2) {
            uint32_t a[L::m][4], b[L::n][4];
#pragma unroll
            for (int m = 0; m < L::m; m++)
                mma_load<T>(a[m], left + m * 16 * DEPTH + (left_at ^ k));
#pragma unroll
            for (int n = 0; n < L::n; n++)
                mma_load<T>(b[n], weights + n * 16 * DEPTH + (weights_at ^ k));
            mma_step<T, L::m, L::n>(sums, a, b);
        }
        reading = reading + 1 == STAGES ? 0 : reading + 1;
        writing = writing + 1 == STAGES ? 0 : writing + 1;
    }
    mma_store<T, L>(job, down, right, parity, first, count, sums);
}

template <typename L> static size_t gather_bytes(const struct mma_job *job)
{
    (void)job;
    const size_t stages = sizeof(uint4) * STAGES * (L::rows + L::columns) * DEPTH;
    return stages > mma_store_bytes<L>() ? stages : mma_store_bytes<L>();
}

typedef mma_layout<128, 64, 64, 32> layout_128_64;
typedef mma_layout<64, 64, 32, 32> layout_64_64;
typedef mma_layout<64, 32, 32, 16> layout_64_32;
typedef mma_layout<64, 16, 16, 16> layout_64_16;

#define GATHER(T, layout, efficiency)                                                                                  \
    {                                                                                                                  \
        {layout::rows, layout::columns, layout::threads, efficiency}, DEPTH, false, mma_gather<T, layout>,             \
            gather_bytes<layout>                                                                                       \
    }

template <typename T> static const struct mma_kernel *kernels_of(int *count)
{
    static const struct mma_kernel kernels[] = {GATHER(T, layout_128_64, 0.8), GATHER(T, layout_64_64, 0.65),
                                                GATHER(T, layout_64_32, 0.45), GATHER(T, layout_64_16, 0.3)};
    *count = sizeof kernels / sizeof *kernels;
    return kernels;
}

const struct mma_kernel *mma_gather_kernels(enum dtype dtype, int *count)
{
    return dtype == DTYPE_BF16 ? kernels_of<bf16>(count) : kernels_of<float>(count);
}
