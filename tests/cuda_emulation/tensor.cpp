/* ldmatrix and mma over the 32 lanes of a warp, registers in the layouts that PTX documents. */
#include "tests/cuda_emulation/machine.h"

#include <hardware.h>

struct load {
    const void *row;
    uint32_t *registers;
    const char *file;
    int line;
};

static void combine_load(void *const slots[32], bool transposed)
{
    uint16_t matrices[4][8][8];
    for (int l = 0; l < WARP; l++) {
        const struct load *load = (const struct load *)slots[l];
        if (!load)
            emulation_report("ldmatrix wants all 32 lanes");
        if ((uintptr_t)load->row % 16)
            emulation_report("ldmatrix at %s:%d: lane %d's row %p is not 16-byte aligned", load->file, load->line, l,
                             load->row);
        memcpy(matrices[l / 8][l % 8], load->row, 16);
    }
    for (int l = 0; l < WARP; l++)
        for (int m = 0; m < 4; m++) {
            const int i = l / 4, j = 2 * (l % 4);
            const uint32_t low = transposed ? matrices[m][j][i] : matrices[m][i][j];
            const uint32_t high = transposed ? matrices[m][j + 1][i] : matrices[m][i][j + 1];
            ((const struct load *)slots[l])->registers[m] = low | high << 16;
        }
}

static void combine_straight(void *const slots[32])
{
    combine_load(slots, false);
}

static void combine_transposed(void *const slots[32])
{
    combine_load(slots, true);
}

void ldmatrix_x4(uint32_t registers[4], const void *row, const char *file, int line)
{
    struct load load = {row, registers, file, line};
    emulation_collective("ldmatrix", ~0u, file, line, combine_straight, &load);
}

void ldmatrix_x4_transposed(uint32_t registers[4], const void *row, const char *file, int line)
{
    struct load load = {row, registers, file, line};
    emulation_collective("ldmatrix.trans", ~0u, file, line, combine_transposed, &load);
}

struct product {
    float *d;
    const uint32_t *a, *b;
};

/* d += a (16, depth) * b (depth, 8), sums in fp32 from the first k to the last. */
static void multiply(void *const slots[32], const float *a, const float *b, int depth)
{
    for (int l = 0; l < WARP; l++) {
        float *d = ((const struct product *)slots[l])->d;
        for (int i = 0; i < 4; i++) {
            const int row = l / 4 + 8 * (i / 2), column = 2 * (l % 4) + i % 2;
            float sum = 0.0f;
            for (int k = 0; k < depth; k++)
                sum += a[row * depth + k] * b[k * 8 + column];
            d[i] += sum;
        }
    }
}

static void want_all(void *const slots[32])
{
    for (int l = 0; l < WARP; l++)
        if (!slots[l])
            emulation_report("mma wants all 32 lanes");
}

static float half_of(uint32_t pair, int high)
{
    return __uint_as_float(high ? pair & 0xffff0000u : pair << 16);
}

static void combine_bf16(void *const slots[32])
{
    float a[16 * 16], b[16 * 8];
    want_all(slots);
    for (int l = 0; l < WARP; l++) {
        const struct product *p = (const struct product *)slots[l];
        const int group = l / 4, pair = 2 * (l % 4);
        for (int i = 0; i < 4; i++)
            for (int h = 0; h < 2; h++)
                a[(group + 8 * (i % 2)) * 16 + pair + 8 * (i / 2) + h] = half_of(p->a[i], h);
        for (int i = 0; i < 2; i++)
            for (int h = 0; h < 2; h++)
                b[(pair + 8 * i + h) * 8 + group] = half_of(p->b[i], h);
    }
    multiply(slots, a, b, 16);
}

static void combine_tf32(void *const slots[32])
{
    float a[16 * 8], b[8 * 8];
    want_all(slots);
    for (int l = 0; l < WARP; l++) {
        const struct product *p = (const struct product *)slots[l];
        const int group = l / 4, k = l % 4;
        for (int i = 0; i < 4; i++)
            a[(group + 8 * (i % 2)) * 8 + k + 4 * (i / 2)] = __uint_as_float(p->a[i] & ~0x1fffu);
        for (int i = 0; i < 2; i++)
            b[(k + 4 * i) * 8 + group] = __uint_as_float(p->b[i] & ~0x1fffu);
    }
    multiply(slots, a, b, 8);
}

void mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2], const char *file, int line)
{
    struct product product = {d, a, b};
    emulation_collective("mma (bf16)", ~0u, file, line, combine_bf16, &product);
}

void mma_tf32(float d[4], const uint32_t a[4], const uint32_t b[2], const char *file, int line)
{
    struct product product = {d, a, b};
    emulation_collective("mma (tf32)", ~0u, file, line, combine_tf32, &product);
}
