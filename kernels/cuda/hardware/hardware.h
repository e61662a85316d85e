/* All that only a GPU's compiler understands, behind one small header: launches, shared memory, bf16, asynchronous
 * copies and tensor-core instructions as PTX. Kernels include it as <hardware.h>; the tests put their emulation of the
 * same names (tests/cuda_emulation/hardware.h) earlier on the include path. Kernels use shared memory through
 * `shared_memory` alone: no `__shared__` variables. */
#ifndef NFBENCH_KERNELS_CUDA_HARDWARE_H
#define NFBENCH_KERNELS_CUDA_HARDWARE_H

#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <stdint.h>

/* Launches `kernel` on a grid (dim3) of blocks (dim3); errors show in cudaGetLastError. */
#define LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                                         \
    kernel<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__)

/* The block's shared memory, of the size that the launch gave; 128-byte aligned. */
template <typename T> __device__ inline T *shared_memory()
{
    extern __shared__ __align__(128) unsigned char shared_bytes_[];
    return reinterpret_cast<T *>(shared_bytes_);
}

/* The GPU's clock, the same for all of its multiprocessors. It moves in steps of up to a microsecond. */
__device__ inline uint64_t clock_nanoseconds()
{
    uint64_t now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now)::"memory");
    return now;
}

/* ---- bf16, stored as its 16 bits ---- */

struct bf16 {
    uint16_t bits;
};

__device__ inline float to_float(float x)
{
    return x;
}

__device__ inline float to_float(bf16 x)
{
    return __uint_as_float((uint32_t)x.bits << 16);
}

/* Rounds to nearest, ties to even. */
template <typename T> __device__ inline T from_float(float x);

template <> __device__ inline float from_float<float>(float x)
{
    return x;
}

template <> __device__ inline bf16 from_float<bf16>(float x)
{
    return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
}

/* Two values in one register, `low` in the low half (the lower address). */
__device__ inline uint32_t pack_bf16(float low, float high)
{
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high); /* one instruction from sm_80 on */
    return *reinterpret_cast<const uint32_t *>(&pair);
}

/* ---- Asynchronous copies, sm_80 and later ---- */

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define HARDWARE_REQUIRES_SM80 __trap()
#else
#define HARDWARE_REQUIRES_SM80 (void)0
#endif

/* 16 bytes, both addresses 16-byte aligned; zeros when not `valid` (then `global` is not read). L2 fetches the whole
 * 128-byte line. */
__device__ inline void cp_async_16(void *shared, const void *global, bool valid)
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    const uint32_t to = (uint32_t)__cvta_generic_to_shared(shared);
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(valid ? 16 : 0)
                 : "memory");
#endif
    HARDWARE_REQUIRES_SM80;
}

/* Closes a group of copies. */
__device__ inline void cp_async_commit()
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
    HARDWARE_REQUIRES_SM80;
}

/* Waits until at most PENDING of this thread's groups are under way. Other threads see the copies behind a barrier. */
template <int PENDING> __device__ inline void cp_async_wait()
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
#endif
    HARDWARE_REQUIRES_SM80;
}

/* ---- Tensor cores; all 32 lanes call these together ---- */

/* Four 8 x 8 matrices of 16-bit values. Lane l gives the address of row l % 8 of matrix l / 8 (16 bytes, aligned);
 * registers[m] gets of matrix m row lane / 4, columns 2 * (lane % 4) and + 1. */
__device__ inline void ldmatrix_x4(uint32_t registers[4], const void *row)
{
    const uint32_t from = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                 : "r"(from)
                 : "memory");
}

/* The same of the transposed matrices. */
__device__ inline void ldmatrix_x4_transposed(uint32_t registers[4], const void *row)
{
    const uint32_t from = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                 : "r"(from)
                 : "memory");
}

/* d (16 x 8) += a (16 x 16, row major) * b (16 x 8, column major), bf16 in, fp32 sums: mma.m16n8k16, PTX's layout. */
__device__ inline void mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2])
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
    HARDWARE_REQUIRES_SM80;
}

/* d (16 x 8) += a (16 x 8, row major) * b (8 x 8, column major), TF32 in (fp32 registers whose low 13 bits do not
 * count; see to_tf32), fp32 sums: mma.m16n8k8, PTX's layout. */
__device__ inline void mma_tf32(float d[4], const uint32_t a[4], const uint32_t b[2])
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
    HARDWARE_REQUIRES_SM80;
}

/* Rounds to TF32 (10 bits of mantissa), to nearest, ties away from zero. */
__device__ inline uint32_t to_tf32(float x)
{
    uint32_t result = 0;
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(result) : "f"(x));
#endif
    HARDWARE_REQUIRES_SM80;
    return result;
}

#endif
