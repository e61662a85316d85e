/* The weight gradient of a convolution on AVX2, where oneDNN leaves half of the machine unused on narrow layers.
 * dW[o, i, r, s] = sum over positions of dy[p, o] * x[p * stride + (r, s) - pad, i]: for each tap a product of two tall
 * matrices. Tiles of 4 input by 16 output channels stay in eight registers while a cache-sized block of rows goes by;
 * each thread sums its own images, and the partial sums are added in the order of the threads. */
#include "kernels/cpu/conv_weights.h"

#include <string.h>

enum { TILE_IN = 4, TILE_OUT = 16, TILE = TILE_IN * TILE_OUT, BLOCK_BYTES = 20 * 1024, BLOCK_POSITIONS = 64 };

typedef float vector __attribute__((vector_size(32), aligned(4), may_alias));

bool conv_weights_fits(const struct conv_shape *shape)
{
#if defined(__AVX2__) && defined(__FMA__) && !defined(__AVX512F__)
    return shape->dtype == DTYPE_FP32 && shape->groups == 1 && shape->cin % TILE_IN == 0 &&
           shape->cout % TILE_OUT == 0 && shape->h > 1;
#else
    (void)shape; /* with AVX-512, oneDNN's own kernel is the faster one */
    return false;
#endif
}

static size_t partial_floats(const struct conv_shape *shape)
{
    return (size_t)shape->cout * ((size_t)shape->cin * (size_t)(shape->k * shape->k) + 1);
}

size_t conv_weights_scratch(const struct conv_shape *shape, int threads)
{
    return (size_t)threads * partial_floats(shape) * sizeof(float);
}

/* A range of output rows or columns for which one tap stays inside the input. */
struct range {
    int begin, end;
};

static struct range tap_range(int tap, int pad, int stride, int in, struct range out)
{
    while (out.begin < out.end && out.begin * stride + tap - pad < 0)
        out.begin++;
    while (out.end > out.begin && (out.end - 1) * stride + tap - pad >= in)
        out.end--;
    return out;
}

/* What one tile reads: `rows` by `columns` positions. */
struct window {
    const float *x, *dy;
    int rows, columns;
    ptrdiff_t x_row, x_step, dy_row, dy_step;
};

static inline vector load(const float *p)
{
    return *(const vector *)p;
}

static inline void accumulate_tile(float *restrict sums, const struct window *w)
{
    vector s[TILE_IN][2];
    for (int i = 0; i < TILE_IN; i++)
        for (int v = 0; v < 2; v++)
            s[i][v] = load(sums + i * TILE_OUT + v * 8);
    for (int r = 0; r < w->rows; r++) {
        const float *x = w->x + r * w->x_row, *dy = w->dy + r * w->dy_row;
        for (int c = 0; c < w->columns; c++, x += w->x_step, dy += w->dy_step) {
            vector d0 = load(dy), d1 = load(dy + 8);
            __asm__("" : "+x"(d0), "+x"(d1)); /* in registers: else gcc loads them again for each product */
            for (int i = 0; i < TILE_IN; i++) {
                s[i][0] += x[i] * d0;
                s[i][1] += x[i] * d1;
            }
        }
    }
    for (int i = 0; i < TILE_IN; i++)
        for (int v = 0; v < 2; v++)
            *(vector *)(sums + i * TILE_OUT + v * 8) = s[i][v];
}

/* Output channels outside: their narrow strip of dy stays in the first-level cache while x goes by, and each cache line
 * of x serves four tiles. */
static void accumulate_tap(const struct conv_shape *shape, float *sums, struct window window)
{
    const float *x = window.x;
    for (int out = 0; out < shape->cout; out += TILE_OUT, window.dy += TILE_OUT) {
        window.x = x;
        for (int in = 0; in < shape->cin; in += TILE_IN, window.x += TILE_IN, sums += TILE)
            accumulate_tile(sums, &window);
    }
}

static void accumulate_bias(const struct conv_shape *shape, float *restrict sums, const float *dy, int positions)
{
    for (int p = 0; p < positions; p++, dy += shape->cout)
        for (int c = 0; c < shape->cout; c++)
            sums[c] += dy[c];
}

/* One image, in blocks of output rows: as many as fit the first-level cache, and enough to be worth a tile's loads. */
static void accumulate_image(const struct conv_shape *shape, int out_h, int out_w, const float *x, const float *dy,
                             float *sums)
{
    const int pad = shape->k / 2, taps = shape->k * shape->k;
    const int row_bytes = (int)sizeof(float) * out_w * (shape->stride * shape->cin + shape->cout);
    const int by_bytes = BLOCK_BYTES / row_bytes, by_positions = (BLOCK_POSITIONS + out_w - 1) / out_w;
    const int block = by_bytes > by_positions ? by_bytes : by_positions;
    for (int top = 0; top < out_h; top += block) {
        const struct range all = {top, top + block < out_h ? top + block : out_h};
        for (int tap = 0; tap < taps; tap++) {
            const int down = tap / shape->k, right = tap % shape->k;
            struct range rows = tap_range(down, pad, shape->stride, shape->h, all);
            struct range columns = tap_range(right, pad, shape->stride, shape->w, (struct range){0, out_w});
            const int y0 = rows.begin * shape->stride + down - pad;
            const int x0 = columns.begin * shape->stride + right - pad;
            const struct window window = {
                .x = x + ((ptrdiff_t)y0 * shape->w + x0) * shape->cin,
                .dy = dy + ((ptrdiff_t)rows.begin * out_w + columns.begin) * shape->cout,
                .rows = rows.end - rows.begin,
                .columns = columns.end - columns.begin,
                .x_row = (ptrdiff_t)shape->stride * shape->w * shape->cin,
                .x_step = (ptrdiff_t)shape->stride * shape->cin,
                .dy_row = (ptrdiff_t)out_w * shape->cout,
                .dy_step = shape->cout,
            };
            accumulate_tap(shape, sums + (size_t)tap * (size_t)(shape->cin * shape->cout), window);
        }
        accumulate_bias(shape, sums + (size_t)taps * (size_t)(shape->cin * shape->cout),
                        dy + (ptrdiff_t)all.begin * out_w * shape->cout, (all.end - all.begin) * out_w);
    }
}

/* Adds the threads' partial sums up, out of tile order into (cout, cin, k, k), for TILE_OUT output channels. */
static void gather(const struct conv_shape *shape, const float *partial, int parts, int first_out, float *weights,
                   float *bias, bool add)
{
    const int taps = shape->k * shape->k, cin = shape->cin, cout = shape->cout;
    const size_t stride = partial_floats(shape);
    for (int o = 0; o < TILE_OUT; o++) {
        float *row = weights + (size_t)(first_out + o) * (size_t)(cin * taps);
        for (int i = 0; i < cin; i++)
            for (int tap = 0; tap < taps; tap++) {
                const float *from = partial + (size_t)tap * (size_t)(cin * cout) + (size_t)first_out * (size_t)cin +
                                    (size_t)(i / TILE_IN * TILE + i % TILE_IN * TILE_OUT + o);
                float sum = add ? row[i * taps + tap] : 0;
                for (int part = 0; part < parts; part++)
                    sum += from[(size_t)part * stride];
                row[i * taps + tap] = sum;
            }
        float sum = add ? bias[first_out + o] : 0;
        for (int part = 0; part < parts; part++)
            sum += partial[(size_t)part * stride + (size_t)taps * (size_t)(cin * cout) + (size_t)(first_out + o)];
        bias[first_out + o] = sum;
    }
}

void conv_weights_gradient(const struct conv_shape *shape, int out_h, int out_w, int threads, const float *x,
                           const float *dy, float *weight_gradient, float *bias_gradient, bool add, float *scratch)
{
    const int parts = threads < shape->n ? threads : shape->n;
    const size_t x_image = (size_t)(shape->h * shape->w * shape->cin);
    const size_t dy_image = (size_t)(out_h * out_w * shape->cout);
#pragma omp parallel num_threads(parts)
    {
#pragma omp for schedule(static)
        for (int part = 0; part < parts; part++) {
            float *sums = scratch + (size_t)part * partial_floats(shape);
            memset(sums, 0, partial_floats(shape) * sizeof(float));
            for (int n = shape->n * part / parts; n < shape->n * (part + 1) / parts; n++)
                accumulate_image(shape, out_h, out_w, x + (size_t)n * x_image, dy + (size_t)n * dy_image, sums);
        }
#pragma omp for schedule(static)
        for (int out = 0; out < shape->cout; out += TILE_OUT)
            gather(shape, scratch, parts, out, weight_gradient, bias_gradient, add);
    }
}
