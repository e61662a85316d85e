/* A picture's middle, resized; see bitmap.h. Weights in fixed point and the order of the two passes are Pillow's, so
 * that the bytes are. */
#include "viz/bitmap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHT_BITS = 22 }; /* of their fractions: 8 bits of a pixel and the sum's sign and overshoot fit above */

/* Pixels along one side, and what each of them becomes on the other: a weighted sum of `length[i]` from `first[i]`. */
struct weights {
    int taps; /* room for each */
    int *first, *length;
    int *weight; /* (size, taps) */
};

static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static int allocate_weights(struct weights *weights, int size)
{
    weights->first = calloc((size_t)size, sizeof *weights->first);
    weights->length = calloc((size_t)size, sizeof *weights->length);
    weights->weight = calloc((size_t)size * (size_t)weights->taps, sizeof *weights->weight);
    return weights->first && weights->length && weights->weight ? 0 : -1;
}

static void free_weights(struct weights *weights)
{
    free(weights->first);
    free(weights->length);
    free(weights->weight);
}

/* The weights of pixel i, which sum up to 1 before they are rounded; `exact` has room for them. */
static void weigh(struct weights *weights, int i, int side, double scale, double *exact)
{
    const double stretch = scale > 1 ? scale : 1, squeeze = 1 / stretch;
    const double support = 2 * stretch, centre = (i + 0.5) * scale;
    const int from = (int)(centre - support + 0.5), to = (int)(centre + support + 0.5);
    const int first = from > 0 ? from : 0, length = (to < side ? to : side) - first;
    double sum = 0;
    for (int k = 0; k < length; k++) {
        exact[k] = cubic((k + first - centre + 0.5) * squeeze);
        sum += exact[k];
    }
    for (int k = 0; k < length; k++) {
        const double weight = exact[k] / sum * (1 << WEIGHT_BITS);
        weights->weight[i * weights->taps + k] = (int)(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    weights->first[i] = first;
    weights->length[i] = length;
}

static int make_weights(struct weights *weights, int side, int size)
{
    const double scale = (double)side / size;
    weights->taps = 2 * (int)ceil(2 * (scale > 1 ? scale : 1)) + 1;
    double *exact = malloc((size_t)weights->taps * sizeof *exact);
    const int result = exact ? allocate_weights(weights, size) : -1;
    for (int i = 0; result == 0 && i < size; i++)
        weigh(weights, i, side, scale, exact);
    free(exact);
    return result;
}

/* Pixel i of the pixels that begin at `from`, `step` bytes apart. */
static void blend(const struct weights *weights, int i, const uint8_t *from, size_t step, uint8_t out[3])
{
    const int *weight = weights->weight + i * weights->taps;
    int sum[3] = {1 << (WEIGHT_BITS - 1), 1 << (WEIGHT_BITS - 1), 1 << (WEIGHT_BITS - 1)};
    from += (size_t)weights->first[i] * step;
    for (int k = 0; k < weights->length[i]; k++, from += step)
        for (int c = 0; c < 3; c++)
            sum[c] += from[c] * weight[k];
    for (int c = 0; c < 3; c++) {
        const int value = sum[c] >> WEIGHT_BITS;
        out[c] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

int bitmap_square(const struct bitmap *bitmap, int size, uint8_t *out, struct error *error)
{
    const int side = bitmap->width < bitmap->height ? bitmap->width : bitmap->height;
    const size_t line = (size_t)bitmap->width * 3, narrow = (size_t)size * 3;
    const uint8_t *middle =
        bitmap->rgb + (size_t)((bitmap->height - side) / 2) * line + (size_t)((bitmap->width - side) / 2) * 3;
    struct weights weights = {0};
    uint8_t *rows = NULL; /* (side, size, 3) */
    if (side == size) {
        for (int y = 0; y < size; y++)
            memcpy(out + (size_t)y * narrow, middle + (size_t)y * line, narrow);
        return 0;
    }
    int result = make_weights(&weights, side, size);
    if (result == 0 && !(rows = malloc((size_t)side * narrow)))
        result = -1;
    for (int y = 0; result == 0 && y < side; y++)
        for (int x = 0; x < size; x++)
            blend(&weights, x, middle + (size_t)y * line, 3, rows + (size_t)y * narrow + (size_t)x * 3);
    for (int y = 0; result == 0 && y < size; y++)
        for (int x = 0; x < size; x++)
            blend(&weights, y, rows + (size_t)x * 3, narrow, out + (size_t)y * narrow + (size_t)x * 3);
    free(rows);
    free_weights(&weights);
    return result ? error_set(error, "out of memory for resizing %d x %d pixels", bitmap->width, bitmap->height) : 0;
}
