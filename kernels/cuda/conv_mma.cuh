/* What the tensor-core convolutions share. All four kernels are implicit matrix products: operands go from global to
 * shared memory in chunks of 8 bf16 values (16 bytes) by asynchronous copies, several stages ahead of the products, and
 * on by ldmatrix, free of bank conflicts by the swizzle below. Where a tensor's address is meant, channels are counted
 * in chunks, so that an int reaches far beyond any GPU's memory. */
#ifndef NFBENCH_KERNELS_CUDA_CONV_MMA_H
#define NFBENCH_KERNELS_CUDA_CONV_MMA_H

#include "kernels/cuda/cuda.h"

enum {
    MMA_CHUNK = 8,
    MMA_POSITIONS = 64 /* that a step of a weight gradient takes */
};

/* A convolution whose result has the form of an activation: the forward pass, and the input gradient with dy as its
 * source, channels and outputs exchanged. */
struct mma_job {
    const uint4 *source;  /* (n, source_h, source_w, channels) */
    const uint4 *weights; /* (outputs, k, k, channels) */
    const float *bias;    /* (outputs) or NULL */
    const uint4 *mask; /* like out, or NULL: results where it is not above 0 become 0, before they are added to out */
    uint4 *out;        /* (n, out_h, out_w, outputs) */
    uint4 *relu_copy;  /* like out, or NULL: also gets relu of the result */
    int n, source_h, source_w, out_h, out_w, k;
    int channels, outputs; /* in chunks */
    int source_step;       /* forward: the stride */
    int out_step;          /* input gradient: the stride */
    bool relu, accumulate;
};

/* The weight gradient: `splits` partial sums over `per_split` positions of dy each (the last ones may be short or
 * empty). */
struct mma_weights_job {
    const uint4 *x;  /* (n, h, w, in) */
    const uint4 *dy; /* (n, out_h, out_w, out) */
    float *partial;  /* (splits, out, k, k, in) */
    float *bias;     /* (splits, out): of the bias's gradient, the sums of dy over the positions */
    int n, h, w, out_h, out_w, k, stride;
    int in, out; /* channels, in chunks */
    int per_split;
};

/* One instantiation of a kernel: a block computes `rows` x `columns` of the result. `efficiency` is an estimate: the
 * share of the tensor cores' speed that a machine full of such blocks reaches (shared memory's bytes per product, and
 * how much of each copy is used). */
struct mma_tile {
    int rows, columns, threads;
    double efficiency;
};

struct mma_kernel {
    struct mma_tile tile;
    int channels;      /* chunks that a block takes at a time ... */
    bool whole_slices; /* ... of one tap: the last slice of channels costs as much as the others */
    void (*launch)(struct mma_job);
    size_t (*shared_bytes)(const struct mma_job *job);
};

struct mma_weights_kernel {
    struct mma_tile tile;
    void (*launch)(struct mma_weights_job);
    size_t (*shared_bytes)(const struct mma_weights_job *job);
};

/* conv_mma_window.cu, conv_mma_gather.cu: the instantiations; *count says how many. */
const struct mma_kernel *mma_window_kernels(int *count);
const struct mma_kernel *mma_gather_kernels(int *count);
/* conv_mma_weights.cu, conv_mma_weights_gather.cu */
const struct mma_weights_kernel *mma_weights_window_kernels(int *count);
const struct mma_weights_kernel *mma_weights_gather_kernels(int *count);

/* conv_mma.cu: the jobs of a shape (pointers, and per_split, still to be set), and a kernel's launch on one. The tests
 * use them to reach each instantiation; all others call the cuda_mma_* of cuda.h. */
struct mma_job mma_forward_job(const struct conv_shape *shape);
struct mma_job mma_backward_data_job(const struct conv_shape *shape);
struct mma_weights_job mma_weights_job_of(const struct conv_shape *shape);
int mma_launch(struct cuda_backend *cuda, const struct mma_kernel *kernel, const struct mma_job *job,
               struct error *error);
int mma_weights_launch(struct cuda_backend *cuda, const struct mma_weights_kernel *kernel, struct mma_weights_job job,
                       int splits, struct error *error);

/* ---- For kernels ---- */

/* A block's tile and how its warps share it. */
template <int ROWS, int COLUMNS, int WARP_ROWS, int WARP_COLUMNS> struct mma_layout {
    enum {
        rows = ROWS,
        columns = COLUMNS,
        warp_rows = WARP_ROWS,
        warp_columns = WARP_COLUMNS,
        threads = ROWS / WARP_ROWS * (COLUMNS / WARP_COLUMNS) * 32,
        m = WARP_ROWS / 16,   /* fragments of 16 rows a warp */
        n = WARP_COLUMNS / 16 /* pairs of fragments of 8 columns */
    };
};

/* Where chunk `chunk` of row `row` lies in a tile of rows of CHUNKS chunks. Any 8 rows that follow each other have the
 * same chunk in different banks, and for even e: at(row, c ^ e) == at(row, c) ^ e. */
template <int CHUNKS> __device__ inline int mma_at(int row, int chunk)
{
    const unsigned turn = CHUNKS >= 8 ? (unsigned)row % 8 : (unsigned)row / (8 / CHUNKS) % CHUNKS;
    return row * CHUNKS + (chunk ^ (int)turn);
}

/* sums (16 m x 16 n) += a (16 m x 16) * b (16 x 16 n); fragments as ldmatrix_x4 leaves them. */
template <int M, int N>
__device__ inline void mma_step(float (&sums)[M][2 * N][4], const uint32_t (&a)[M][4], const uint32_t (&b)[N][4])
{
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
        for (int n = 0; n < 2 * N; n++)
            mma_bf16(sums[m][n], a[m], b[n / 2] + n % 2 * 2);
}

/* The bias gradient, beside a weight gradient: a product more with a column of ones, where fragments of dy are in
 * registers anyway. Of the warps that share them, number i takes fragment i; the others, and blocks that meet the same
 * dy again, take none (-1). So it is one product more for a warp's 4 to 24. */
template <int M> __device__ inline int mma_bias_fragment(int sharing_warp)
{
    return blockIdx.y == 0 && sharing_warp < M ? sharing_warp : -1;
}

template <int M> __device__ inline void mma_bias_step(float (&sums)[4], const uint32_t (&dy)[M][4], int fragment)
{
    const uint32_t ones[2] = {0x3F803F80u, 0x3F803F80u}; /* 1.0 in bf16 */
#pragma unroll
    for (int m = 0; m < M; m++)
        if (m == fragment)
            mma_bf16(sums, dy[m], ones);
}

/* `first` is the output channel of the warp's first row of fragments. */
__device__ inline void mma_bias_store(const struct mma_weights_job &job, int fragment, int first,
                                      const float (&sums)[4])
{
    const int lane = threadIdx.x % 32, channel = first + fragment * 16 + lane / 4, channels = job.out * MMA_CHUNK;
    float *bias = job.bias + (size_t)blockIdx.x * channels;
    if (fragment < 0 || lane % 4 != 0) /* all columns are the same */
        return;
    if (channel < channels)
        bias[channel] = sums[0];
    if (channel + 8 < channels)
        bias[channel + 8] = sums[2];
}

/* Which outputs a block computes along one axis, and where it reads: output `rows` in all, number i of them at
 * out_step * i + parity; its tap t (of `taps`) reads source_step * i + origin + t and belongs to row first + t * step
 * of the weights. */
struct mma_axis {
    int rows, taps, origin, first, step;
};

/* An input gradient of stride 2 falls into four convolutions, by the parity of row and column: each has those taps
 * alone that meet a value of dy, and none where k is 1 and the parity odd (the result is 0). */
__device__ inline struct mma_axis mma_axis_of(const struct mma_job &job, int out, int parity)
{
    if (job.out_step == 1)
        return {out, job.k, -(job.k / 2), 0, 1};
    const int rows = (out - parity + 1) / 2;
    if (job.k == 1)
        return {rows, 1 - parity, 0, 0, 1};
    return {rows, 1 + parity, 0, 1 - parity, 2};
}

/* The sums of a block go through shared memory (fp32, `columns` + 8 floats a row: free of bank conflicts), so that
 * global memory is met in 16-byte accesses; all copies into shared memory must be over. */
template <typename L> constexpr size_t mma_store_bytes()
{
    return sizeof(float) * L::rows * (L::columns + 8);
}

__device__ inline float mma_unpack(const uint32_t (&pairs)[4], int i)
{
    return to_float(bf16{(uint16_t)(pairs[i / 2] >> i % 2 * 16)});
}

/* relu of two bf16 values; NaN stays. */
__device__ inline uint32_t mma_relu(uint32_t pair)
{
    const float low = to_float(bf16{(uint16_t)pair}), high = to_float(bf16{(uint16_t)(pair >> 16)});
    return (low < 0.0f ? 0 : pair & 0xFFFF) | (high < 0.0f ? 0 : pair & 0xFFFF0000u);
}

/* Bias, then mask, sum, relu: 8 channels of one output. */
__device__ inline uint4 mma_finish(const struct mma_job &job, const float *sums, const float *bias, uint4 mask,
                                   uint4 added)
{
    const float4 low = *(const float4 *)sums, high = *(const float4 *)(sums + 4);
    float v[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
    const uint32_t masks[4] = {mask.x, mask.y, mask.z, mask.w}, sums_so_far[4] = {added.x, added.y, added.z, added.w};
#pragma unroll
    for (int i = 0; i < 8; i++) {
        v[i] += bias[i];
        if (job.mask)
            v[i] = mma_unpack(masks, i) > 0.0f ? v[i] : 0.0f;
        if (job.accumulate)
            v[i] += mma_unpack(sums_so_far, i);
        if (job.relu)
            v[i] = v[i] < 0.0f ? 0.0f : v[i]; /* NaN stays */
    }
    return make_uint4(pack_bf16(v[0], v[1]), pack_bf16(v[2], v[3]), pack_bf16(v[4], v[5]), pack_bf16(v[6], v[7]));
}

/* Where in `out`, counted in positions, number i of the outputs along the axes lies. */
__device__ inline int mma_position(const struct mma_job &job, struct mma_axis down, struct mma_axis right, int parity,
                                   int i)
{
    if (job.out_step == 1)
        return i;
    const int line = i / right.rows, image = line / down.rows;
    return (image * job.out_h + 2 * (line % down.rows) + (parity >> 1)) * job.out_w + 2 * (i % right.rows) +
           (parity & 1);
}

/* Writes the sums of the block's tile, whose first row is output number `first` of `count` along the axes. */
template <typename L>
__device__ inline void mma_store(const struct mma_job &job, struct mma_axis down, struct mma_axis right, int parity,
                                 int first, int count, const float (&sums)[L::m][2 * L::n][4])
{
    enum {
        stride = L::columns + 8,
        chunks = L::columns / MMA_CHUNK,
        rows_at_once = L::threads / chunks,
        rows_each = L::rows / rows_at_once,
        batch = rows_each < 4 ? rows_each : 4
    };
    static_assert(L::threads % chunks == 0 && L::rows % rows_at_once == 0, "each thread has one chunk of columns");
    float *stage = shared_memory<float>();
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int warp_row = warp / (L::columns / L::warp_columns) * L::warp_rows;
    const int warp_column = warp % (L::columns / L::warp_columns) * L::warp_columns;
    float *mine = stage + (warp_row + lane / 4) * stride + warp_column + lane % 4 * 2;
    __syncthreads();
#pragma unroll
    for (int m = 0; m < L::m; m++)
#pragma unroll
        for (int n = 0; n < 2 * L::n; n++) {
            float *to = mine + m * 16 * stride + n * 8;
            *(float2 *)to = make_float2(sums[m][n][0], sums[m][n][1]);
            *(float2 *)(to + 8 * stride) = make_float2(sums[m][n][2], sums[m][n][3]);
        }
    __syncthreads();
    const int chunk = threadIdx.x % chunks, column = blockIdx.y * chunks + chunk;
    if (column >= job.outputs)
        return;
    float bias[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
    if (job.bias)
#pragma unroll
        for (int i = 0; i < 8; i++)
            bias[i] = __ldg(job.bias + column * MMA_CHUNK + i);
            /* What lies beside comes for several rows at a time: one after another, the waits would add up. */
#pragma unroll 1
    for (int start = threadIdx.x / chunks; start < L::rows && first + start < count; start += batch * rows_at_once) {
        size_t at[batch];
        uint4 masks[batch], added[batch];
#pragma unroll
        for (int i = 0; i < batch; i++) {
            const int row = start + i * rows_at_once;
            at[i] = (size_t)mma_position(job, down, right, parity, first + row) * job.outputs + column;
            masks[i] = job.mask && first + row < count ? job.mask[at[i]] : make_uint4(0, 0, 0, 0);
            added[i] = job.accumulate && first + row < count ? job.out[at[i]] : make_uint4(0, 0, 0, 0);
        }
#pragma unroll
        for (int i = 0; i < batch; i++) {
            const int row = start + i * rows_at_once;
            if (first + row >= count)
                continue;
            const uint4 y = mma_finish(job, stage + row * stride + chunk * MMA_CHUNK, bias, masks[i], added[i]);
            job.out[at[i]] = y;
            if (job.relu_copy)
                job.relu_copy[at[i]] = make_uint4(mma_relu(y.x), mma_relu(y.y), mma_relu(y.z), mma_relu(y.w));
        }
    }
}

#endif
