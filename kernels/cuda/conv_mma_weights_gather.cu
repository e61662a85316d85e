/* Weight gradient on tensor cores for any stride: a matrix product over positions whose right operand, (position, (tap,
 * channel)), is fetched value by value from x. For strided and 1x1 layers, and for images too wide for the ring of
 * conv_mma_weights.cu. */
#include "kernels/cuda/conv_mma.cuh"

enum { STAGES = 3 };

template <typename T, typename L>
__global__ void __launch_bounds__(L::threads, 4) mma_weights_gather(struct mma_weights_job job)
{
    enum {
        DEPTH = mma_positions<T>,
        left_chunks = L::rows / mma_chunk<T>,
        right_chunks = L::columns / mma_chunk<T>,
        left_at_once = L::threads / left_chunks,
        right_at_once = L::threads / right_chunks,
        stage_chunks = DEPTH * (left_chunks + right_chunks)
    };
    static_assert(L::threads % left_chunks == 0 && DEPTH % left_at_once == 0 && L::threads % right_chunks == 0 &&
                      DEPTH % right_at_once == 0,
                  "whole rows for all threads");
    uint4 *shared = shared_memory<uint4>();
    const int count = job.n * job.out_h * job.out_w;
    const int begin = min(count, (int)blockIdx.x * job.per_split), end = min(count, begin + job.per_split);
    const int steps = (end - begin + DEPTH - 1) / DEPTH;
    const int row_chunks = job.k * job.k * job.in; /* of the gradient */

    /* The thread's column of the left operand, and of the right one: a tap and a chunk of channels. */
    const int left_chunk = threadIdx.x % left_chunks, left_row = threadIdx.x / left_chunks;
    const int left_column = blockIdx.z * left_chunks + left_chunk;
    const int right_chunk = threadIdx.x % right_chunks, right_row = threadIdx.x / right_chunks;
    const int right_column = blockIdx.y * right_chunks + right_chunk;
    const int tap = right_column / job.in, channel = right_column % job.in;
    const int down = tap / job.k - job.k / 2, right = tap % job.k - job.k / 2;
    /* The position that it fetches next, from one to the next without a division. */
    const int start = begin + right_row, image_positions = job.out_h * job.out_w;
    int image = start / image_positions, y = start / job.out_w % job.out_h, x = start % job.out_w, fetched = start;
    const int by_image = right_at_once / image_positions, by_y = right_at_once / job.out_w % job.out_h,
              by_x = right_at_once % job.out_w;

    const auto fetch = [&](int step, int stage) {
        uint4 *left = shared + stage * stage_chunks, *tile = left + DEPTH * left_chunks;
#pragma unroll
        for (int i = 0; i < DEPTH / left_at_once; i++) {
            const int row = left_row + i * left_at_once, position = begin + step * DEPTH + row;
            cp_async_16(left + mma_at_position<T, left_chunks>(row, left_chunk),
                        job.dy + (ptrdiff_t)position * job.out + left_column, position < end && left_column < job.out);
        }
#pragma unroll
        for (int i = 0; i < DEPTH / right_at_once; i++) {
            const int source_y = y * job.stride + down, source_x = x * job.stride + right;
            const bool inside = source_y >= 0 && source_y < job.h && source_x >= 0 && source_x < job.w;
            cp_async_16(tile + mma_at_position<T, right_chunks>(right_row + i * right_at_once, right_chunk),
                        job.x + (ptrdiff_t)((image * job.h + source_y) * job.w + source_x) * job.in + channel,
                        inside && fetched < end && right_column < row_chunks);
            fetched += right_at_once;
            image += by_image;
            y += by_y;
            x += by_x;
            if (x >= job.out_w) {
                x -= job.out_w;
                y++;
            }
            if (y >= job.out_h) {
                y -= job.out_h;
                image++;
            }
        }
    };

    const int warp = threadIdx.x / 32;
    const int warp_row = warp / (L::columns / L::warp_columns) * L::warp_rows;
    const int warp_column = warp % (L::columns / L::warp_columns) * L::warp_columns;
    static_assert(L::m <= L::columns / L::warp_columns, "a warp for each fragment of the bias gradient");
    const int bias_fragment = mma_bias_fragment<L::m>(warp_column / L::warp_columns);
    float sums[L::m][2 * L::n][4] = {}, bias_sums[4] = {};
    for (int stage = 0; stage < STAGES - 1; stage++) {
        if (stage < steps)
            fetch(stage, stage);
        cp_async_commit();
    }
    int reading = 0, writing = STAGES - 1;
    for (int step = 0; step < steps; step++) {
        cp_async_wait<STAGES - 2>();
        __syncthreads();
        if (step + STAGES - 1 < steps)
            fetch(step + STAGES - 1, writing);
        cp_async_commit();
        const uint4 *left = shared + reading * stage_chunks, *tile = left + DEPTH * left_chunks;
#pragma unroll
        for (int k = 0; k < DEPTH; k += mma_deep<T>) {
            uint32_t a[L::m][4], b[L::n][4];
#pragma unroll
            for (int m = 0; m < L::m; m++)
                mma_load_left<T, left_chunks>(a[m], left, k, (warp_row + m * 16) / mma_chunk<T>);
            mma_bias_step<T>(bias_sums, a, bias_fragment);
#pragma unroll
            for (int n = 0; n < L::n; n++)
#pragma unroll
                for (int part = 0; part < mma_named<T>; part++)
                    mma_load_right<T>(b[n], part,
                                      tile + mma_at_position<T, right_chunks>(
                                                 k + part * mma_apart<T> + mma_right_row<T>(),
                                                 (warp_column + n * 16) / mma_chunk<T> + mma_right_chunk<T>()));
            mma_step<T, L::m, L::n>(sums, a, b);
        }
        reading = reading + 1 == STAGES ? 0 : reading + 1;
        writing = writing + 1 == STAGES ? 0 : writing + 1;
    }

    const int first_row = blockIdx.z * L::rows + warp_row, first_column = blockIdx.y * L::columns + warp_column;
    const int rows = job.out * mma_chunk<T>, columns = row_chunks * mma_chunk<T>;
    mma_bias_store<T>(job, bias_fragment, first_row, bias_sums);
    float *partial = job.partial + blockIdx.x * ((size_t)rows * columns);
#pragma unroll
    for (int n = 0; n < L::n; n++)
#pragma unroll
        for (int m = 0; m < L::m; m++) {
            const int row = first_row + m * 16, column = first_column + n * 16;
            mma_store_partial<T>(partial + (size_t)row * columns + column, columns, rows - row, columns - column,
                                 sums[m][2 * n], sums[m][2 * n + 1]);
        }
}

template <typename T, typename L> static size_t gather_bytes(const struct mma_weights_job *job)
{
    (void)job;
    return sizeof(uint4) * STAGES * mma_positions<T> * (L::rows + L::columns) / mma_chunk<T>;
}

typedef mma_layout<64, 64, 32, 32> layout_64_64;
typedef mma_layout<32, 64, 16, 32> layout_32_64;

#define GATHER(T, layout, efficiency)                                                                                  \
    {                                                                                                                  \
        {layout::rows, layout::columns, layout::threads, efficiency}, mma_weights_gather<T, layout>,                   \
            gather_bytes<T, layout>                                                                                    \
    }

template <typename T> static const struct mma_weights_kernel *kernels_of(int *count)
{
    static const struct mma_weights_kernel kernels[] = {GATHER(T, layout_64_64, 0.6), GATHER(T, layout_32_64, 0.45)};
    *count = sizeof kernels / sizeof *kernels;
    return kernels;
}

const struct mma_weights_kernel *mma_weights_gather_kernels(enum dtype dtype, int *count)
{
    return dtype == DTYPE_BF16 ? kernels_of<bf16>(count) : kernels_of<float>(count);
}
