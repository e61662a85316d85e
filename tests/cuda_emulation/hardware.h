/* The names of kernels/cuda/hardware/hardware.h on the CPU; see emulation.h. */
#ifndef NFBENCH_TESTS_CUDA_EMULATION_HARDWARE_H
#define NFBENCH_TESTS_CUDA_EMULATION_HARDWARE_H

#include <cuda_runtime.h>

#include <time.h>

#define LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                                         \
    emulation_launch(#kernel, __FILE__, __LINE__, (kernel), (grid), (block), (shared_bytes), (stream), ##__VA_ARGS__)

template <typename T> inline T *shared_memory()
{
    return (T *)emulation_shared_memory();
}

inline uint64_t clock_nanoseconds()
{
    struct timespec now = {0, 0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- bf16 ---- */

struct bf16 {
    uint16_t bits;
};

inline float to_float(float x)
{
    return x;
}

inline float to_float(bf16 x)
{
    return __uint_as_float((uint32_t)x.bits << 16);
}

template <typename T> inline T from_float(float x);

template <> inline float from_float<float>(float x)
{
    return x;
}

template <> inline bf16 from_float<bf16>(float x)
{
    const uint32_t bits = __float_as_uint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return {0x7fff}; /* the NaN that CUDA's conversion gives */
    return {(uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
}

inline uint32_t pack_bf16(float low, float high)
{
    return (uint32_t)from_float<bf16>(low).bits | (uint32_t)from_float<bf16>(high).bits << 16;
}

/* ---- Asynchronous copies ---- */

/* The target holds NaN bytes from here until a wait covers the copy; the source is read at that wait. */
void cp_async_16(void *shared, const void *global, bool valid, EMULATION_PLACE);
void cp_async_commit();
void emulation_copy_wait(int pending, const char *file, int line);

template <int PENDING> inline void cp_async_wait(EMULATION_PLACE)
{
    static_assert(PENDING >= 0, "so many groups may be under way");
    emulation_copy_wait(PENDING, file, line);
}

/* ---- Tensor cores ---- */

void ldmatrix_x4(uint32_t registers[4], const void *row, EMULATION_PLACE);
void ldmatrix_x4_transposed(uint32_t registers[4], const void *row, EMULATION_PLACE);
void mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2], EMULATION_PLACE);
void mma_tf32(float d[4], const uint32_t a[4], const uint32_t b[2], EMULATION_PLACE);

inline uint32_t to_tf32(float x)
{
    const uint32_t bits = __float_as_uint(x);
    if ((bits & 0x7f800000u) == 0x7f800000u)
        return bits;
    return (bits + 0x1000u) & ~0x1fffu;
}

#endif
