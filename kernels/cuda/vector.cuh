/* What kernels share: accesses of up to 16 bytes to float registers, whole or cut off at the end of a tensor, and sums
 * over warps, blocks and the columns of a block, each over a fixed tree. */
#ifndef NFBENCH_KERNELS_CUDA_VECTOR_CUH
#define NFBENCH_KERNELS_CUDA_VECTOR_CUH

#include "kernels/cuda/cuda.h"

/* Values of type T in 16 bytes: what one thread moves at once. */
template <typename T> constexpr int vector_width = 16 / (int)sizeof(T);

/* Runs the statement with T as the C type of `dtype`. */
#define WITH_DTYPE(dtype, ...)                                                                                         \
    do {                                                                                                               \
        if ((dtype) == DTYPE_FP32) {                                                                                   \
            using T = float;                                                                                           \
            __VA_ARGS__;                                                                                               \
        } else {                                                                                                       \
            using T = bf16;                                                                                            \
            __VA_ARGS__;                                                                                               \
        }                                                                                                              \
    } while (0)

/* Runs the statement with N as 16 bytes' worth of values of T where channels come in such groups, else 1. */
#define WITH_WIDTH(T, channels, ...)                                                                                   \
    do {                                                                                                               \
        if ((channels) % vector_width<T> == 0) {                                                                       \
            constexpr int N = vector_width<T>;                                                                         \
            __VA_ARGS__;                                                                                               \
        } else {                                                                                                       \
            constexpr int N = 1;                                                                                       \
            __VA_ARGS__;                                                                                               \
        }                                                                                                              \
    } while (0)

/* ---- N values at an address aligned to the smaller of 16 bytes and their size, if N is a power of two ---- */

template <int N> __device__ inline void load_vector(const float *from, float (&values)[N])
{
    if constexpr (N % 4 == 0) {
#pragma unroll
        for (int i = 0; i < N; i += 4) {
            const float4 v = *reinterpret_cast<const float4 *>(from + i);
            values[i] = v.x, values[i + 1] = v.y, values[i + 2] = v.z, values[i + 3] = v.w;
        }
    } else {
#pragma unroll
        for (int i = 0; i < N; i++)
            values[i] = from[i];
    }
}

/* The two values of a register. */
__device__ inline void unpack_bf16(uint32_t pair, float *low, float *high)
{
    *low = __uint_as_float(pair << 16);
    *high = __uint_as_float(pair & 0xffff0000u);
}

template <int N> __device__ inline void load_vector(const bf16 *from, float (&values)[N])
{
    if constexpr (N % 8 == 0) {
#pragma unroll
        for (int i = 0; i < N; i += 8) {
            const uint4 v = *reinterpret_cast<const uint4 *>(from + i);
            unpack_bf16(v.x, &values[i], &values[i + 1]);
            unpack_bf16(v.y, &values[i + 2], &values[i + 3]);
            unpack_bf16(v.z, &values[i + 4], &values[i + 5]);
            unpack_bf16(v.w, &values[i + 6], &values[i + 7]);
        }
    } else if constexpr (N == 4) {
        const uint2 v = *reinterpret_cast<const uint2 *>(from);
        unpack_bf16(v.x, &values[0], &values[1]);
        unpack_bf16(v.y, &values[2], &values[3]);
    } else {
#pragma unroll
        for (int i = 0; i < N; i++)
            values[i] = to_float(from[i]);
    }
}

template <int N> __device__ inline void store_vector(float *to, const float (&values)[N])
{
    if constexpr (N % 4 == 0) {
#pragma unroll
        for (int i = 0; i < N; i += 4)
            *reinterpret_cast<float4 *>(to + i) = make_float4(values[i], values[i + 1], values[i + 2], values[i + 3]);
    } else {
#pragma unroll
        for (int i = 0; i < N; i++)
            to[i] = values[i];
    }
}

template <int N> __device__ inline void store_vector(bf16 *to, const float (&values)[N])
{
    if constexpr (N % 8 == 0) {
#pragma unroll
        for (int i = 0; i < N; i += 8)
            *reinterpret_cast<uint4 *>(to + i) =
                make_uint4(pack_bf16(values[i], values[i + 1]), pack_bf16(values[i + 2], values[i + 3]),
                           pack_bf16(values[i + 4], values[i + 5]), pack_bf16(values[i + 6], values[i + 7]));
    } else if constexpr (N == 4) {
        *reinterpret_cast<uint2 *>(to) = make_uint2(pack_bf16(values[0], values[1]), pack_bf16(values[2], values[3]));
    } else {
#pragma unroll
        for (int i = 0; i < N; i++)
            to[i] = from_float<bf16>(values[i]);
    }
}

/* The first `left` of N values where fewer are left; the others are 0 (loads) or untouched (stores). */
template <typename T, int N> __device__ inline void load_part(const T *from, size_t left, float (&values)[N])
{
    if (left >= N) {
        load_vector(from, values);
        return;
    }
#pragma unroll
    for (int i = 0; i < N; i++)
        values[i] = (size_t)i < left ? to_float(from[i]) : 0.0f;
}

template <typename T, int N> __device__ inline void store_part(T *to, size_t left, const float (&values)[N])
{
    if (left >= N) {
        store_vector(to, values);
        return;
    }
#pragma unroll
    for (int i = 0; i < N; i++)
        if ((size_t)i < left)
            to[i] = from_float<T>(values[i]);
}

/* ---- Sums ---- */

/* Over the 32 lanes; every lane gets the same bits. All lanes take part. */
__device__ inline float warp_sum(float value)
{
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2)
        value += __shfl_xor_sync(0xffffffffu, value, offset);
    return value;
}

/* The thread's number in its block. */
__device__ inline unsigned thread_rank()
{
    return threadIdx.y * blockDim.x + threadIdx.x;
}

/* Sums each of the N values over the block; every thread gets the same bits. All threads take part, a multiple of 32.
 * `shared` holds 32 * N floats and is free again after the next barrier. */
template <int N> __device__ inline void block_sums(float (&values)[N], float *shared)
{
    const unsigned rank = thread_rank(), lane = rank % 32, warps = blockDim.x * blockDim.y / 32;
#pragma unroll
    for (int i = 0; i < N; i++) {
        const float sum = warp_sum(values[i]);
        if (lane == 0)
            shared[i * 32 + rank / 32] = sum;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < N; i++)
        values[i] = warp_sum(lane < warps ? shared[i * 32 + lane] : 0.0f);
}

/* Joins each of the N values over the threads of one threadIdx.x; those with threadIdx.y 0 get the results, the others'
 * values are lost. blockDim.y is a power of two. `shared` holds N floats a thread and is free again after the next
 * barrier; until then all threads find the result of value i in shared[i * threads + threadIdx.x]. */
template <int N, typename Join> __device__ inline void column_join(float (&values)[N], float *shared, Join join)
{
    const unsigned rank = thread_rank(), threads = blockDim.x * blockDim.y;
#pragma unroll
    for (int i = 0; i < N; i++)
        shared[i * threads + rank] = values[i];
    __syncthreads();
    for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
        if (threadIdx.y < half) {
#pragma unroll
            for (int i = 0; i < N; i++) {
                float *at = &shared[i * threads + rank];
                *at = join(*at, at[half * blockDim.x]);
            }
        }
        __syncthreads();
    }
    if (threadIdx.y == 0) {
#pragma unroll
        for (int i = 0; i < N; i++)
            values[i] = shared[i * threads + rank];
    }
}

template <int N> __device__ inline void column_sums(float (&values)[N], float *shared)
{
    column_join(values, shared, [](float a, float b) { return a + b; });
}

/* The largest, NaN passed over. */
template <int N> __device__ inline void column_mosts(float (&values)[N], float *shared)
{
    column_join(values, shared, [](float a, float b) { return fmaxf(a, b); });
}

/* ---- Grids ---- */

/* Threads of a block that goes over a tensor element by element. */
enum { FLAT_THREADS = 256 };

/* Blocks of FLAT_THREADS in which each thread does `per` of `count` elements. */
static inline dim3 flat_grid(size_t count, size_t per)
{
    return dim3(cuda_ceil_div(count, per * FLAT_THREADS));
}

/* The first element of a thread of such a block that does `per`. */
__device__ inline size_t flat_first(int per)
{
    return ((size_t)blockIdx.x * FLAT_THREADS + threadIdx.x) * (size_t)per;
}

/* Blocks that are to be there at least: two for each multiprocessor of an H100. A constant, not the number of the GPU
 * at hand, so that sums go over the same trees everywhere. */
enum { ENOUGH_BLOCKS = 264 };

/* The block that sums over `rows` the columns of a matrix `groups` of columns wide: threadIdx.x is a group, threadIdx.y
 * takes every blockDim.y-th row. Both are powers of two, 256 threads at most and at least 32. Narrower, down to 4
 * groups of 16 bytes, while `matrices` of them make too few blocks. */
static inline dim3 column_block(size_t groups, size_t rows, size_t matrices)
{
    unsigned x = 32, y = 8;
    while (x > 1 && (x / 2 >= groups || (x > 4 && matrices * cuda_ceil_div(groups, x) < ENOUGH_BLOCKS)))
        x /= 2, y *= 2;
    while (y / 2 >= rows && x * y > 32)
        y /= 2;
    return dim3(x, y);
}

#endif
