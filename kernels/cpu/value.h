/* Values and scalar functions of the CPU kernels, written so that loops over them become vector code: no branch, no
 * library call. A kernel is an always-inline function that takes the dtype as a constant, so one source makes a fast
 * version for each. */
#ifndef NFBENCH_KERNELS_CPU_VALUE_H
#define NFBENCH_KERNELS_CPU_VALUE_H

#include "kernels/kernels.h"

#include <string.h>

#define CPU_TEMPLATE static inline __attribute__((always_inline))

/* Calls `kernel(DTYPE, ...)` with the dtype as a constant. */
#define CPU_DISPATCH(dtype, kernel, ...)                                                                               \
    do {                                                                                                               \
        if ((dtype) == DTYPE_FP32)                                                                                     \
            kernel(DTYPE_FP32, __VA_ARGS__);                                                                           \
        else                                                                                                           \
            kernel(DTYPE_BF16, __VA_ARGS__);                                                                           \
    } while (0)

CPU_TEMPLATE uint32_t cpu_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

CPU_TEMPLATE float cpu_from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Round to nearest, ties to even; a NaN keeps its sign and becomes quiet. All in 32 bits until the last shift: GCC then
 * makes a quarter less code of it than of a choice between two 16-bit results. */
CPU_TEMPLATE uint16_t cpu_to_bf16(float x)
{
    uint32_t bits = cpu_bits(x), nan = x != x ? 0xffffffffu : 0u;
    uint32_t rounded = (bits | (nan & 0x400000u)) + (~nan & (0x7fffu + ((bits >> 16) & 1u)));
    return (uint16_t)(rounded >> 16);
}

CPU_TEMPLATE float cpu_load(enum dtype dtype, const void *x, size_t i)
{
    if (dtype == DTYPE_FP32)
        return ((const float *)x)[i];
    return cpu_from_bits((uint32_t)((const uint16_t *)x)[i] << 16);
}

CPU_TEMPLATE void cpu_store(enum dtype dtype, void *x, size_t i, float value)
{
    if (dtype == DTYPE_FP32)
        ((float *)x)[i] = value;
    else
        ((uint16_t *)x)[i] = cpu_to_bf16(value);
}

/* Element i, which may lie behind element 0 of a tensor. */
CPU_TEMPLATE void *cpu_at(enum dtype dtype, void *x, size_t i)
{
    return (char *)x + i * dtype_size(dtype);
}

CPU_TEMPLATE const void *cpu_at_const(enum dtype dtype, const void *x, size_t i)
{
    return (const char *)x + i * dtype_size(dtype);
}

CPU_TEMPLATE bool cpu_is_finite(float x)
{
    return (cpu_bits(x) & 0x7f800000u) != 0x7f800000u;
}

/* exp(x) to 2 units in the last place between -87 and 88, clamped outside; NaN stays. Method and coefficients: Cephes
 * expf. The integer part comes from the low bits of x / ln 2 + 1.5 * 2^23. */
CPU_TEMPLATE float cpu_exp(float x)
{
    x = x > 88.0f ? 88.0f : x;
    x = x < -87.0f ? -87.0f : x;
    float shifted = x * 1.44269504f + 12582912.0f;
    float n = shifted - 12582912.0f;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return p * cpu_from_bits((cpu_bits(shifted) << 23) + 0x3f800000u);
}

CPU_TEMPLATE float cpu_sigmoid(float x)
{
    return 1.0f / (1.0f + cpu_exp(-x));
}

/* Cephes tanhf: a polynomial near 0, where 1 - 2 / (e^2x + 1) would cancel. */
CPU_TEMPLATE float cpu_tanh(float x)
{
    float z = x * x;
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    float near = p * z * x + x;
    float far = 1.0f - 2.0f / (cpu_exp(2.0f * x) + 1.0f);
    return z < 0.390625f ? near : far;
}

/* The standard normal distribution: density, and cumulative by Abramowitz and Stegun 7.1.26 (error below 1e-7). */
struct cpu_normal {
    float density, cumulative;
};

CPU_TEMPLATE struct cpu_normal cpu_normal(float x)
{
    float e = cpu_exp(-0.5f * x * x);
    float magnitude = x < 0.0f ? -x : x;
    float t = 1.0f / (1.0f + 0.3275911f * 0.70710678f * magnitude);
    float p = 1.061405429f;
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    float tail = 0.5f * p * t * e;
    struct cpu_normal normal = {0.39894228f * e, x < 0.0f ? tail : 1.0f - tail};
    return normal;
}

#endif
