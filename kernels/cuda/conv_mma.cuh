/* What the tensor-core convolutions share. All four kernels are implicit matrix products: operands go from global to
 * shared memory in chunks of 16 bytes by asynchronous copies, several stages ahead of the products, and on by ldmatrix,
 * free of bank conflicts by the swizzles below. A template's T is the tensors' type: bf16, or float, whose products are
 * made in TF32; to ldmatrix a float is two 16-bit values, and what it delivers then are TF32's fragments. Where a
 * tensor's address is meant, channels are counted in chunks, so that an int reaches far beyond any GPU's memory. */
#ifndef NFBENCH_KERNELS_CUDA_CONV_MMA_H
#define NFBENCH_KERNELS_CUDA_CONV_MMA_H

#include "kernels/cuda/cuda.h"

/* Values in a chunk: 8 of bf16, 4 of float. */
template <typename T> constexpr int mma_chunk = 16 / (int)sizeof(T);

/* Positions that a step of a weight gradient takes: the same bytes for each type. */
template <typename T> constexpr int mma_positions = 8 * mma_chunk<T>;

/* The same where the type is known by its name alone. */
static inline int mma_chunk_of(enum dtype dtype)
{
    return dtype == DTYPE_BF16 ? mma_chunk<bf16> : mma_chunk<float>;
}

static inline int mma_positions_of(enum dtype dtype)
{
    return dtype == DTYPE_BF16 ? mma_positions<bf16> : mma_positions<float>;
}

/* A convolution whose result has the form of an activation: the forward pass, and the input gradient with dy as its
 * source, channels and outputs exchanged. */
struct mma_job {
    const uint4 *source;  /* (n, source_h, source_w, channels) */
    const uint4 *weights; /* (outputs, k, k, channels) */
    const float *bias;    /* (outputs) or NULL */
    const uint4 *mask; /* like out, or NULL: results where it is not above 0 become 0, before they are added to out */
    uint4 *out;        /* (n, out_h, out_w, outputs) */
    uint4 *relu_copy;  /* like out, or NULL: also gets relu of the result */
    enum dtype dtype;  /* DTYPE_FP32: with products in TF32 */
    int n, source_h, source_w, out_h, out_w, k;
    int channels, outputs; /* in chunks */
    int source_step;       /* forward: the stride */
    int out_step;          /* input gradient: the stride */
    bool relu, accumulate;
};

/* The weight gradient: `splits` partial sums over `per_split` positions of dy each (the last ones may be short or
 * empty). */
struct mma_weights_job {
    const uint4 *x;   /* (n, h, w, in) */
    const uint4 *dy;  /* (n, out_h, out_w, out) */
    float *partial;   /* (splits, out, k, k, in) */
    float *bias;      /* (splits, out): of the bias's gradient, the sums of dy over the positions */
    enum dtype dtype; /* as mma_job's */
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

/* conv_mma_window.cu, conv_mma_gather.cu: the instantiations for a dtype; *count says how many. */
const struct mma_kernel *mma_window_kernels(enum dtype dtype, int *count);
const struct mma_kernel *mma_gather_kernels(enum dtype dtype, int *count);
/* conv_mma_weights.cu, conv_mma_weights_gather.cu */
const struct mma_weights_kernel *mma_weights_window_kernels(enum dtype dtype, int *count);
const struct mma_weights_kernel *mma_weights_gather_kernels(enum dtype dtype, int *count);

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
template <int CHUNKS> __host__ __device__ inline int mma_at(int row, int chunk)
{
    const unsigned turn = CHUNKS >= 8 ? (unsigned)row % 8 : (unsigned)row / (8 / CHUNKS) % CHUNKS;
    return row * CHUNKS + (chunk ^ (int)turn);
}

/* Four fragments by ldmatrix, as mma_step wants them. */
template <typename T> __device__ inline void mma_load(uint32_t (&fragments)[4], const void *row)
{
    ldmatrix_x4(fragments, row);
    if constexpr (sizeof(T) == sizeof(float))
#pragma unroll
        for (int i = 0; i < 4; i++)
            fragments[i] = to_tf32(__uint_as_float(fragments[i]));
}

template <typename T> __device__ inline void mma_multiply(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    if constexpr (sizeof(T) == sizeof(float))
        mma_tf32(d, a, b);
    else
        mma_bf16(d, a, b);
}

/* sums (16 m x 16 n) += a (16 m rows, 2 chunks) * b (2 chunks, 16 n columns); fragments as mma_load leaves them. */
template <typename T, int M, int N>
__device__ inline void mma_step(float (&sums)[M][2 * N][4], const uint32_t (&a)[M][4], const uint32_t (&b)[N][4])
{
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
        for (int n = 0; n < 2 * N; n++)
            mma_multiply<T>(sums[m][n], a[m], b[n / 2] + n % 2 * 2);
}

/* ---- Operands that lie position by position, so that a product's depth goes along the rows (weight gradients) ----
 *
 * bf16 is transposed by ldmatrix. Nothing does this for 32 bits: each lane reads pairs of neighbouring channels on its
 * own, four positions and eight channels by half a warp at a time. So a fragment's rows (of the right operand: the
 * columns of two fragments) stand for channels in another order, which mma_store_partial undoes. */

/* Positions of one product, and how many of them a lane names of the right operand, so far apart. */
template <typename T> constexpr int mma_deep = 2 * mma_chunk<T>;
template <typename T> constexpr int mma_named = sizeof(T) == sizeof(float) ? 2 : 1;
template <typename T> constexpr int mma_apart = mma_deep<T> / mma_named<T>;

/* As mma_at; for floats any 4 rows that follow each other have the same two chunks, 2 c and 2 c + 1, in different
 * banks. */
template <typename T, int CHUNKS> __host__ __device__ inline int mma_at_position(int row, int chunk)
{
    if constexpr (sizeof(T) == sizeof(float)) {
        const unsigned turn = CHUNKS >= 8 ? (unsigned)row % 4 : (unsigned)row / (8 / CHUNKS) % (CHUNKS / 2);
        return row * CHUNKS + (chunk ^ (int)(2 * turn));
    } else {
        return mma_at<CHUNKS>(row, chunk);
    }
}

/* Of 16 channels: the one that row `row` of fragments' upper halves stands for, or of their lower halves. */
template <typename T> __device__ inline int mma_channel(int row, int half)
{
    return sizeof(T) == sizeof(float) ? 2 * row + half : row + 8 * half;
}

/* The left operand: 16 channels, from chunk `chunk` on, of mma_deep positions from `row` on. */
template <typename T, int CHUNKS>
__device__ inline void mma_load_left(uint32_t (&a)[4], const uint4 *tile, int row, int chunk)
{
    const int lane = threadIdx.x % 32;
    if constexpr (sizeof(T) == sizeof(float)) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const uint4 *from = tile + mma_at_position<T, CHUNKS>(row + 4 * i + lane % 4, chunk + lane / 8);
            const float2 pair = ((const float2 *)from)[lane / 4 % 2];
            a[2 * i] = to_tf32(pair.x);
            a[2 * i + 1] = to_tf32(pair.y);
        }
    } else {
        ldmatrix_x4_transposed(a,
                               tile + mma_at_position<T, CHUNKS>(row + lane % 8 + lane / 16 * 8, chunk + lane / 8 % 2));
    }
}

/* The right operand, 16 channels: this lane's position among mma_apart, and its chunk. */
template <typename T> __device__ inline int mma_right_row()
{
    return threadIdx.x % mma_apart<T>;
}

template <typename T> __device__ inline int mma_right_chunk()
{
    return threadIdx.x % 32 / (sizeof(T) == sizeof(float) ? 8 : 16);
}

/* Reads the `part`-th of mma_named positions, which lies at `from`. */
template <typename T> __device__ inline void mma_load_right(uint32_t (&b)[4], int part, const uint4 *from)
{
    if constexpr (sizeof(T) == sizeof(float)) {
        const float2 pair = ((const float2 *)from)[threadIdx.x / 4 % 2];
        b[part] = to_tf32(pair.x);
        b[2 + part] = to_tf32(pair.y);
    } else {
        ldmatrix_x4_transposed(b, from);
    }
}

/* Writes 16 x 16 sums, two fragments beside each other, to `to`, where rows are `pitch` floats apart; only what lies in
 * the first `rows` and `columns`. */
template <typename T>
__device__ inline void mma_store_partial(float *to, size_t pitch, int rows, int columns, const float (&left)[4],
                                         const float (&right)[4])
{
    const int lane = threadIdx.x % 32, column = lane % 4 * (sizeof(T) == sizeof(float) ? 4 : 2);
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = mma_channel<T>(lane / 4, half);
        float *at = to + row * pitch + column;
        const float2 l = make_float2(left[2 * half], left[2 * half + 1]);
        const float2 r = make_float2(right[2 * half], right[2 * half + 1]);
        if (row >= rows || column >= columns)
            continue;
        if constexpr (sizeof(T) == sizeof(float)) {
            *(float4 *)at = make_float4(l.x, r.x, l.y, r.y);
        } else {
            *(float2 *)at = l;
            if (column + 8 < columns)
                *(float2 *)(at + 8) = r;
        }
    }
}

/* The bias gradient, beside a weight gradient: a product more with a column of ones, where fragments of dy are in
 * registers anyway. Of the warps that share them, number i takes fragment i; the others, and blocks that meet the same
 * dy again, take none (-1). So it is one product more for a warp's 4 to 24. */
template <int M> __device__ inline int mma_bias_fragment(int sharing_warp)
{
    return blockIdx.y == 0 && sharing_warp < M ? sharing_warp : -1;
}

template <typename T, int M>
__device__ inline void mma_bias_step(float (&sums)[4], const uint32_t (&dy)[M][4], int fragment)
{
    const uint32_t one = sizeof(T) == sizeof(float) ? 0x3F800000u : 0x3F803F80u; /* two of bf16 */
    const uint32_t ones[2] = {one, one};
#pragma unroll
    for (int m = 0; m < M; m++)
        if (m == fragment)
            mma_multiply<T>(sums, dy[m], ones);
}

/* `first` is the output channel of the warp's first row of fragments. */
template <typename T>
__device__ inline void mma_bias_store(const struct mma_weights_job &job, int fragment, int first,
                                      const float (&sums)[4])
{
    const int lane = threadIdx.x % 32, channels = job.out * mma_chunk<T>;
    float *bias = job.bias + (size_t)blockIdx.x * channels;
    if (fragment < 0 || lane % 4 != 0) /* all columns are the same */
        return;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int channel = first + fragment * 16 + mma_channel<T>(lane / 4, half);
        if (channel < channels)
            bias[channel] = sums[2 * half];
    }
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

/* Value i of a chunk. */
template <typename T> __device__ inline float mma_value(const uint32_t (&words)[4], int i)
{
    if constexpr (sizeof(T) == sizeof(float))
        return __uint_as_float(words[i]);
    else
        return to_float(bf16{(uint16_t)(words[i / 2] >> i % 2 * 16)});
}

__device__ inline uint4 mma_pack(const float (&v)[4])
{
    return make_uint4(__float_as_uint(v[0]), __float_as_uint(v[1]), __float_as_uint(v[2]), __float_as_uint(v[3]));
}

__device__ inline uint4 mma_pack(const float (&v)[8])
{
    return make_uint4(pack_bf16(v[0], v[1]), pack_bf16(v[2], v[3]), pack_bf16(v[4], v[5]), pack_bf16(v[6], v[7]));
}

/* relu of a word, one float or two of bf16; NaN stays. */
template <typename T> __device__ inline uint32_t mma_relu(uint32_t word)
{
    if constexpr (sizeof(T) == sizeof(float))
        return __uint_as_float(word) < 0.0f ? 0 : word;
    const float low = to_float(bf16{(uint16_t)word}), high = to_float(bf16{(uint16_t)(word >> 16)});
    return (low < 0.0f ? 0 : word & 0xFFFF) | (high < 0.0f ? 0 : word & 0xFFFF0000u);
}

/* Bias, then mask, sum, relu: a chunk of channels of one output. */
template <typename T>
__device__ inline uint4 mma_finish(const struct mma_job &job, const float *sums, const float (&bias)[mma_chunk<T>],
                                   uint4 mask, uint4 added)
{
    float v[mma_chunk<T>];
    const uint32_t masks[4] = {mask.x, mask.y, mask.z, mask.w}, sums_so_far[4] = {added.x, added.y, added.z, added.w};
#pragma unroll
    for (int i = 0; i < mma_chunk<T>; i += 4) {
        const float4 four = *(const float4 *)(sums + i);
        v[i] = four.x, v[i + 1] = four.y, v[i + 2] = four.z, v[i + 3] = four.w;
    }
#pragma unroll
    for (int i = 0; i < mma_chunk<T>; i++) {
        v[i] += bias[i];
        if (job.mask)
            v[i] = mma_value<T>(masks, i) > 0.0f ? v[i] : 0.0f;
        if (job.accumulate)
            v[i] += mma_value<T>(sums_so_far, i);
        if (job.relu)
            v[i] = v[i] < 0.0f ? 0.0f : v[i]; /* NaN stays */
    }
    return mma_pack(v);
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
template <typename T, typename L>
__device__ inline void mma_store(const struct mma_job &job, struct mma_axis down, struct mma_axis right, int parity,
                                 int first, int count, const float (&sums)[L::m][2 * L::n][4])
{
    enum {
        stride = L::columns + 8,
        chunks = L::columns / mma_chunk<T>,
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
    float bias[mma_chunk<T>] = {};
    if (job.bias)
#pragma unroll
        for (int i = 0; i < mma_chunk<T>; i++)
            bias[i] = __ldg(job.bias + column * mma_chunk<T> + i);
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
            const uint4 y = mma_finish<T>(job, stage + row * stride + chunk * mma_chunk<T>, bias, masks[i], added[i]);
            job.out[at[i]] = y;
            if (job.relu_copy)
                job.relu_copy[at[i]] =
                    make_uint4(mma_relu<T>(y.x), mma_relu<T>(y.y), mma_relu<T>(y.z), mma_relu<T>(y.w));
        }
    }
}

#endif
