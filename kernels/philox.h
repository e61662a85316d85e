/* Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): the only source of randomness.
 * Counter-based: a value depends on (seed, purpose, epoch, index) alone, never on threads or on what was drawn before,
 * so a resumed run needs no generator state. Header only, shared by the C and the CUDA kernels. */
#ifndef NFBENCH_KERNELS_PHILOX_H
#define NFBENCH_KERNELS_PHILOX_H

#include <math.h>
#include <stdint.h>

#ifdef __CUDACC__
#define PHILOX_FUNCTION static __host__ __device__ inline
#else
#define PHILOX_FUNCTION static inline
#endif

/* What a number is drawn for: keeps the streams of one seed apart. Values are part of the session format: never reuse
 * one. Those left out were never any's, and are free. */
enum philox_purpose {
    PHILOX_INITIALISE = 1,  /* epoch = parameter number, index = element / 4 */
    PHILOX_SHUFFLE = 2,     /* index = position in the epoch's permutation */
    PHILOX_AUGMENT = 3,     /* index = image number in the data set */
    PHILOX_DROP_PATH = 4,   /* stochastic depth: epoch = step, index = block << 32 | sample */
    PHILOX_DROPOUT = 5,     /* epoch = step, index = element / 4 */
    PHILOX_SYNTHETIC = 6,   /* the synthetic data set */
    PHILOX_SAMPLES = 7,     /* images picked to be looked at; index = place in the list */
    PHILOX_MIX = 9,         /* mixup, CutMix: index = number of the batch in its epoch */
    PHILOX_CORRUPTION = 16, /* corrupted test images: epoch = kind, index = image number in its split */
    PHILOX_TUNE = 32        /* a random search: index = trial, block = axis, epoch = how often it was drawn anew */
};

struct philox {
    uint32_t word[4];
};

/* The raw function. Known answer: counter = key = 0 gives 6627e8d5 e169c58d bc57ac4c 9b00dbd8. */
PHILOX_FUNCTION struct philox philox_raw(const uint32_t counter[4], uint32_t key0, uint32_t key1)
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ key0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ key1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    struct philox out = {{c0, c1, c2, c3}};
    return out;
}

/* Four 32-bit words for (seed, purpose, epoch, index); `block` counts further groups of four for the same item (<
 * 2^24). */
PHILOX_FUNCTION struct philox philox_draw(uint64_t seed, enum philox_purpose purpose, uint32_t epoch, uint64_t index,
                                          uint32_t block)
{
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), epoch, (uint32_t)purpose << 24 | block};
    return philox_raw(counter, (uint32_t)seed, (uint32_t)(seed >> 32));
}

/* Uniform in [0, 1), 24 bits: exact in float. */
PHILOX_FUNCTION float philox_uniform(uint32_t word)
{
    return (float)(word >> 8) * (1.0f / 16777216.0f);
}

/* Uniform integer in [0, bound), by multiplication (bias below bound / 2^32). */
PHILOX_FUNCTION uint32_t philox_below(uint32_t word, uint32_t bound)
{
    return (uint32_t)(((uint64_t)word * bound) >> 32);
}

/* Two standard normal values of two words (Box and Muller). */
PHILOX_FUNCTION void philox_normal(uint32_t a, uint32_t b, float out[2])
{
    double radius = sqrt(-2.0 * log(((double)a + 1.0) / 4294967296.0));
    double angle = 6.283185307179586 * ((double)b / 4294967296.0);
    out[0] = (float)(radius * cos(angle));
    out[1] = (float)(radius * sin(angle));
}

#endif
