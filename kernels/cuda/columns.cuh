/* Sums per channel over the rows of a matrix (rows, c): how it is cut into blocks, and mean and variance, which batch
 * norm and the statistics share. A first kernel sums over parts of the rows into scratch memory, a second one joins the
 * parts; both go over fixed trees that depend on the shape alone. */
#ifndef NFBENCH_KERNELS_CUDA_COLUMNS_CUH
#define NFBENCH_KERNELS_CUDA_COLUMNS_CUH

#include "kernels/cuda/vector.cuh"

/* blockIdx.x is a part of the rows, blockIdx.y some groups of N channels; in the block threadIdx.x is a group and
 * threadIdx.y takes every blockDim.y-th row of the part. */
struct column_cut {
    dim3 grid, block;
    unsigned groups;
    size_t rows, rows_per_part;
};

/* Cuts (rows, groups of channels), rows > 0, into at most `most_parts` parts in which a thread has at least a few rows.
 */
static inline struct column_cut column_cut_of(size_t rows, size_t groups, size_t most_parts)
{
    struct column_cut cut = {dim3(), column_block(groups, rows, ENOUGH_BLOCKS), (unsigned)groups, rows, 0};
    const size_t shortest = 4 * (size_t)cut.block.y;
    size_t parts = (rows + shortest - 1) / shortest;
    if (parts > most_parts)
        parts = most_parts;
    cut.rows_per_part = (rows + parts - 1) / parts;
    cut.grid = dim3(cuda_ceil_div(rows, cut.rows_per_part), cuda_ceil_div(groups, cut.block.x));
    return cut;
}

/* Parts that make enough blocks, and of which `floats_per_part` fit the scratch memory (0: not one does). */
static inline size_t most_parts(size_t groups, size_t floats_per_part)
{
    const unsigned x = column_block(groups, SIZE_MAX, ENOUGH_BLOCKS).x;
    const size_t enough = cuda_ceil_div(2 * ENOUGH_BLOCKS, cuda_ceil_div(groups, x));
    const size_t fit = CUDA_SCRATCH_BYTES / sizeof(float) / floats_per_part;
    return enough < fit ? enough : fit;
}

/* The thread's group of channels, and the rows of its block's part. */
static __device__ inline unsigned cut_group()
{
    return blockIdx.y * blockDim.x + threadIdx.x;
}

static __device__ inline size_t cut_begin(const struct column_cut &cut)
{
    return blockIdx.x * cut.rows_per_part;
}

static __device__ inline size_t cut_end(const struct column_cut &cut)
{
    const size_t end = cut_begin(cut) + cut.rows_per_part;
    return end < cut.rows ? end : cut.rows;
}

/* ---- Joining: blocks of JOIN_CHANNELS x JOIN_LANES threads, a channel for each threadIdx.x ---- */

enum { JOIN_CHANNELS = 32, JOIN_LANES = 8, JOIN_SHARED = JOIN_CHANNELS * JOIN_LANES * sizeof(float) };

static inline dim3 join_grid(size_t c)
{
    return dim3(cuda_ceil_div(c, JOIN_CHANNELS));
}

static inline dim3 join_block()
{
    return dim3(JOIN_CHANNELS, JOIN_LANES);
}

/* The sum of a channel's values over its threads, for all of them. */
static __device__ inline float join_sum(float value, float *shared)
{
    float sum[1] = {value};
    column_sums(sum, shared);
    const float all = shared[threadIdx.x];
    __syncthreads();
    return all;
}

/* Likewise the largest, NaN passed over. */
static __device__ inline float join_most(float value, float *shared)
{
    float most[1] = {value};
    column_mosts(most, shared);
    const float all = shared[threadIdx.x];
    __syncthreads();
    return all;
}

/* ---- Mean and variance (statistics.cu) ---- */

/* What the first kernel leaves: parts (parts, values, c), mean less base and sum of squared deviations from it of each
 * part's rows, of the statistics least and most too; bases (c), the matrix's first row; and flags (blocks), 0 where all
 * values are finite. */
struct moments_parts {
    const float *parts, *bases, *flags;
    unsigned count, flag_count, c, values;
    size_t rows, rows_per_part;
};

int cuda_moments_parts(struct cuda_backend *cuda, enum dtype dtype, const void *x, size_t rows, size_t c,
                       struct moments_parts *out, struct error *error);

/* Joins the parts of a channel, below c or not, in the threads of a join block: mean and biased variance over all rows
 * (Chan, Golub and LeVeque, 1979). All threads of the block take part and get the results. */
static __device__ inline void join_moments(const struct moments_parts &from, unsigned channel, float *mean,
                                           float *variance)
{
    float *shared = shared_memory<float>();
    const bool valid = channel < from.c;
    const float *means = from.parts + (valid ? channel : 0), *squares = means + from.c;
    const size_t step = from.values * (size_t)from.c;
    const float first = means[0]; /* sums of differences from it keep their digits */
    float sum = 0.0f, square = 0.0f;
    for (unsigned part = threadIdx.y; part < from.count; part += JOIN_LANES) {
        const size_t left = from.rows - part * from.rows_per_part;
        const float rows = (float)(left < from.rows_per_part ? left : from.rows_per_part);
        sum += rows * (means[part * step] - first);
    }
    const float offset = first + join_sum(sum, shared) / (float)from.rows;
    for (unsigned part = threadIdx.y; part < from.count; part += JOIN_LANES) {
        const size_t left = from.rows - part * from.rows_per_part;
        const float rows = (float)(left < from.rows_per_part ? left : from.rows_per_part);
        const float delta = means[part * step] - offset;
        square += squares[part * step] + rows * delta * delta;
    }
    square = join_sum(square, shared);
    *mean = from.bases[valid ? channel : 0] + offset;
    *variance = square > 0.0f ? square / (float)from.rows : square * 0.0f; /* a NaN stays */
}

#endif
