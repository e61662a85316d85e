/* Weight gradient of 3x3 convolutions of stride 1 on tensor cores: dW (out, tap, in) = sum over positions of dy
 * (position, out) * x (position shifted by the tap, in). A block goes along its share of the positions with all nine
 * taps of its channels in registers; x comes into a ring in shared memory, each value once, and a tap is a shift of the
 * ring's rows (see conv_mma_window.cu). Both operands lie position by position.
 *
 * The floor is the forward's, and the partial sums besides: `large`, one block of 64 x (9 x 32) sums (74 KB) on each of
 * 132 multiprocessors, 9.7 MB, written and read again in L2, 4 us beside 7 for the products. So blocks are as few as
 * fill the machine (cuda_mma_splits). */
#include "kernels/cuda/conv_mma.cuh"

enum { TAPS = 9, STAGES = 3 };

/* A block: OUT output channels, IN input channels, nine taps. A warp: one row of taps and 16 input channels. */
template <typename T, int OUT, int IN> struct ring_layout {
    enum {
        out = OUT,
        in = IN,
        depth = mma_positions<T>,
        out_chunks = OUT / mma_chunk<T>,
        in_chunks = IN / mma_chunk<T>,
        warps_in = IN / 16,
        threads = 3 * warps_in * 32,
        m = OUT / 16,
        n = 3, /* taps of a row */
        stage_chunks = depth * out_chunks
    };
};

/* Groups of `depth` positions of x that a step reads beyond its first. */
static __host__ __device__ inline int ring_lead(const struct mma_weights_job &job, int depth)
{
    return (2 * job.w + 2 + depth - 1) / depth;
}

/* Issues the copies of DEPTH rows from `first` on of a matrix of `columns` chunks a row into a tile of CHUNKS columns,
 * from column chunk `column` on; rows outside [begin, end) become zeros. */
template <typename T, int CHUNKS, int THREADS>
__device__ inline void ring_fetch(uint4 *tile, const uint4 *matrix, int columns, int column, int first, int begin,
                                  int end)
{
    enum { DEPTH = mma_positions<T>, rows = THREADS / CHUNKS }; /* that all threads reach at once */
    static_assert(THREADS % CHUNKS == 0 && rows % (sizeof(T) == sizeof(float) ? 4 : 8) == 0,
                  "one chunk and one swizzle for each thread");
    const int row = threadIdx.x / CHUNKS, chunk = threadIdx.x % CHUNKS, position = first + row;
    const uint4 *from = matrix + (ptrdiff_t)position * columns + column + chunk;
    uint4 *to = tile + mma_at_position<T, CHUNKS>(row, chunk);
#pragma unroll
    for (int i = 0; i < (DEPTH + rows - 1) / rows; i++)
        if ((i + 1) * rows <= DEPTH || row + i * rows < DEPTH)
            cp_async_16(to + i * THREADS, from + (ptrdiff_t)(i * rows) * columns,
                        position + i * rows >= begin && position + i * rows < end && column + chunk < columns);
}

template <typename T, typename L>
__global__ void __launch_bounds__(L::threads, L::threads > 96 ? 2 : 4) mma_weights_ring(struct mma_weights_job job)
{
    enum { DEPTH = L::depth };
    const int count = job.n * job.h * job.w;
    const int begin = min(count, (int)blockIdx.x * job.per_split), end = min(count, begin + job.per_split);
    const int steps = (end - begin + DEPTH - 1) / DEPTH, lead = ring_lead(job, DEPTH), groups = lead + STAGES;
    const int in = blockIdx.y * L::in_chunks, out = blockIdx.z * L::out_chunks;
    uint4 *stages = shared_memory<uint4>(), *ring = stages + STAGES * L::stage_chunks;
    const int ring_rows = groups * DEPTH, zeros = ring_rows * L::in_chunks, before = begin - job.w - 1;
    if (threadIdx.x < L::in_chunks)
        ring[zeros + threadIdx.x] = make_uint4(0, 0, 0, 0);

    const int warp = threadIdx.x / 32;
    const int tap_row = warp / L::warps_in, in_first = warp % L::warps_in * 16;
    const int in_chunk = in_first / mma_chunk<T> + mma_right_chunk<T>();
    /* The position whose row this lane names next, from step to step without a division. */
    int position = begin + mma_right_row<T>(), x = position % job.w, y = position / job.w % job.h;
    const int by_x = mma_apart<T> % job.w, by_y = mma_apart<T> / job.w % job.h;
    static_assert(L::m <= L::threads / 32, "a warp for each fragment of the bias gradient");
    const int bias_fragment = mma_bias_fragment<L::m>(warp);
    float sums[L::m][2 * L::n][4] = {}, bias_sums[4] = {};

    int fetch_step = 0, fetch_group = 0; /* next to be fetched; groups of x, as a place in the ring */
    const auto fetch_x = [&](int group) {
        ring_fetch<T, L::in_chunks, L::threads>(ring + fetch_group * DEPTH * L::in_chunks, job.x, job.in, in,
                                                before + group * DEPTH, 0, count);
        fetch_group = fetch_group + 1 == groups ? 0 : fetch_group + 1;
    };
    const auto fetch = [&](int stage) {
        if (fetch_step < steps) {
            fetch_x(lead + fetch_step);
            ring_fetch<T, L::out_chunks, L::threads>(stages + stage * L::stage_chunks, job.dy, job.out, out,
                                                     begin + fetch_step * DEPTH, begin, end);
        }
        cp_async_commit();
        fetch_step++;
    };
    for (int group = 0; steps > 0 && group < lead; group++)
        fetch_x(group);
    for (int stage = 0; stage < STAGES - 1; stage++)
        fetch(stage);

    int reading = 0, writing = STAGES - 1, base = tap_row * job.w + mma_right_row<T>(); /* row of the ring */
    for (int step = 0; step < steps; step++) {
        cp_async_wait<STAGES - 2>();
        __syncthreads();
        fetch(writing);
        const uint4 *dy = stages + reading * L::stage_chunks;
#pragma unroll
        for (int k = 0; k < DEPTH; k += mma_deep<T>) {
            uint32_t a[L::m][4], b[L::n][4];
#pragma unroll
            for (int m = 0; m < L::m; m++)
                mma_load_left<T, L::out_chunks>(a[m], dy, k, m * 16 / mma_chunk<T>);
            mma_bias_step<T>(bias_sums, a, bias_fragment);
#pragma unroll
            for (int part = 0; part < mma_named<T>; part++) {
                const int source_y = y + tap_row - 1;
                const bool inside = source_y >= 0 && source_y < job.h && position < end;
#pragma unroll
                for (int n = 0; n < L::n; n++) {
                    int row = base + k + part * mma_apart<T> + n;
                    row = row >= ring_rows ? row - ring_rows : row;
                    const bool valid = inside && (n != 0 || x > 0) && (n != 2 || x + 1 < job.w);
                    mma_load_right<T>(b[n], part,
                                      ring + (valid ? mma_at_position<T, L::in_chunks>(row, in_chunk) : zeros));
                }
                position += mma_apart<T>;
                x += by_x;
                y += by_y;
                if (x >= job.w) {
                    x -= job.w;
                    y++;
                }
                y = y >= job.h ? y - job.h : y;
            }
            mma_step<T, L::m, L::n>(sums, a, b);
        }
        reading = reading + 1 == STAGES ? 0 : reading + 1;
        writing = writing + 1 == STAGES ? 0 : writing + 1;
        base = base + DEPTH >= ring_rows ? base + DEPTH - ring_rows : base + DEPTH;
    }

    mma_bias_store<T>(job, bias_fragment, out * mma_chunk<T>, bias_sums);
    const int outs = job.out * mma_chunk<T>, ins = job.in * mma_chunk<T>, first_in = in * mma_chunk<T> + in_first;
    const size_t pitch = (size_t)TAPS * ins;
    float *partial = job.partial + blockIdx.x * (outs * pitch) + first_in;
#pragma unroll
    for (int n = 0; n < L::n; n++)
#pragma unroll
        for (int m = 0; m < L::m; m++) {
            const int row = out * mma_chunk<T> + m * 16;
            mma_store_partial<T>(partial + row * pitch + (tap_row * 3 + n) * ins, pitch, outs - row, ins - first_in,
                                 sums[m][2 * n], sums[m][2 * n + 1]);
        }
}

template <typename L> static size_t ring_bytes(const struct mma_weights_job *job)
{
    const size_t rows = (size_t)(ring_lead(*job, L::depth) + STAGES) * L::depth + 1;
    return sizeof(uint4) * (STAGES * L::stage_chunks + rows * L::in_chunks);
}

#define RING(T, out, in, efficiency)                                                                                   \
    {                                                                                                                  \
        {out, TAPS * (in), ring_layout<T, out, in>::threads, efficiency},                                              \
            mma_weights_ring<T, ring_layout<T, out, in>>, ring_bytes<ring_layout<T, out, in>>                          \
    }

template <typename T> static const struct mma_weights_kernel *kernels_of(int *count)
{
    static const struct mma_weights_kernel kernels[] = {RING(T, 64, 32, 1.0), RING(T, 32, 32, 0.7),
                                                        RING(T, 16, 16, 0.4)};
    *count = sizeof kernels / sizeof *kernels;
    return kernels;
}

const struct mma_weights_kernel *mma_weights_window_kernels(enum dtype dtype, int *count)
{
    return dtype == DTYPE_BF16 ? kernels_of<bf16>(count) : kernels_of<float>(count);
}
