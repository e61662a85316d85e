/* What JPEG does to an image: see jpeg_degrade in corruption.h. As libjpeg does it by default: YCbCr, colours at half
 * the resolution (the mean of 2 x 2 pixels; brought back by its triangle filter), the 8 x 8 discrete cosine transform,
 * the tables of the standard's annex K scaled by the quality. Entropy coding loses nothing, and is left out. */
#include "engine/corruption.h"

#include "kernels/augment.h"

#include <math.h>
#include <pthread.h>

enum { BLOCK = 8, HALF = IMAGE_SIZE / 2 };

/* Steps of the coefficients at quality 50; row: vertical frequency. */
static const uint8_t luminance_steps[BLOCK][BLOCK] = {
    {16, 11, 10, 16, 24, 40, 51, 61},     {12, 12, 14, 19, 26, 58, 60, 55},    {14, 13, 16, 24, 40, 57, 69, 56},
    {14, 17, 22, 29, 51, 87, 80, 62},     {18, 22, 37, 56, 68, 109, 103, 77},  {24, 35, 55, 64, 81, 104, 113, 92},
    {49, 64, 78, 87, 103, 121, 120, 101}, {72, 92, 95, 98, 112, 100, 103, 99},
};
static const uint8_t chrominance_steps[BLOCK][BLOCK] = {
    {17, 18, 24, 47, 99, 99, 99, 99}, {18, 21, 26, 66, 99, 99, 99, 99}, {24, 26, 56, 99, 99, 99, 99, 99},
    {47, 66, 99, 99, 99, 99, 99, 99}, {99, 99, 99, 99, 99, 99, 99, 99}, {99, 99, 99, 99, 99, 99, 99, 99},
    {99, 99, 99, 99, 99, 99, 99, 99}, {99, 99, 99, 99, 99, 99, 99, 99},
};

static double cosines[BLOCK][BLOCK]; /* (frequency, position): the orthonormal transform */

static void make_cosines(void)
{
    for (int k = 0; k < BLOCK; k++)
        for (int i = 0; i < BLOCK; i++)
            cosines[k][i] = sqrt((k ? 2.0 : 1.0) / BLOCK) * cos((2 * i + 1) * k * M_PI / (2 * BLOCK));
}

static uint8_t to_byte(double value)
{
    return (uint8_t)lrint(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* ---- Blocks ---- */

/* out = the transform of `in` along its rows and columns, or its inverse. */
static void transform(const double in[BLOCK][BLOCK], bool inverse, double out[BLOCK][BLOCK])
{
    double rows[BLOCK][BLOCK];
    for (int y = 0; y < BLOCK; y++)
        for (int k = 0; k < BLOCK; k++) {
            rows[y][k] = 0;
            for (int i = 0; i < BLOCK; i++)
                rows[y][k] += in[y][i] * (inverse ? cosines[i][k] : cosines[k][i]);
        }
    for (int k = 0; k < BLOCK; k++)
        for (int x = 0; x < BLOCK; x++) {
            out[k][x] = 0;
            for (int i = 0; i < BLOCK; i++)
                out[k][x] += rows[i][x] * (inverse ? cosines[i][k] : cosines[k][i]);
        }
}

/* A step of the table at that quality, as libjpeg scales it. */
static int scaled_step(int step, int quality)
{
    const int percent = quality < 50 ? 5000 / quality : 200 - 2 * quality;
    const int scaled = (step * percent + 50) / 100;
    return scaled < 1 ? 1 : scaled > 255 ? 255 : scaled;
}

/* Its transform gives whole eighths, and halves of a step go away from 0. */
static double quantized(double coefficient, int step)
{
    const long eighths = lround(fabs(coefficient) * 8);
    return copysign((double)((eighths + 4 * step) / (8 * step) * step), coefficient);
}

static void quantize_block(uint8_t *plane, int stride, const uint8_t steps[BLOCK][BLOCK], int quality)
{
    double values[BLOCK][BLOCK], coefficients[BLOCK][BLOCK];
    for (int y = 0; y < BLOCK; y++)
        for (int x = 0; x < BLOCK; x++)
            values[y][x] = plane[y * stride + x] - 128;
    transform(values, false, coefficients);
    for (int y = 0; y < BLOCK; y++)
        for (int x = 0; x < BLOCK; x++)
            coefficients[y][x] = quantized(coefficients[y][x], scaled_step(steps[y][x], quality));
    transform(coefficients, true, values);
    for (int y = 0; y < BLOCK; y++)
        for (int x = 0; x < BLOCK; x++)
            plane[y * stride + x] = to_byte(values[y][x] + 128);
}

static void quantize_plane(uint8_t *plane, int size, const uint8_t steps[BLOCK][BLOCK], int quality)
{
    for (int y = 0; y < size; y += BLOCK)
        for (int x = 0; x < size; x += BLOCK)
            quantize_block(plane + y * size + x, size, steps, quality);
}

/* ---- Colours ---- */

static void split_colours(const uint8_t *image, uint8_t *y, uint8_t *cb, uint8_t *cr)
{
    for (int p = 0; p < IMAGE_PIXELS; p++) {
        const double r = image[p], g = image[IMAGE_PIXELS + p], b = image[2 * IMAGE_PIXELS + p];
        y[p] = to_byte(0.299 * r + 0.587 * g + 0.114 * b);
        cb[p] = to_byte(128 - 0.168735892 * r - 0.331264108 * g + 0.5 * b);
        cr[p] = to_byte(128 + 0.5 * r - 0.418687589 * g - 0.081312411 * b);
    }
}

static void join_colours(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, uint8_t *out)
{
    for (int p = 0; p < IMAGE_PIXELS; p++) {
        const double blue = cb[p] - 128, red = cr[p] - 128;
        out[p] = to_byte(y[p] + 1.402 * red);
        out[IMAGE_PIXELS + p] = to_byte(y[p] - 0.344136286 * blue - 0.714136286 * red);
        out[2 * IMAGE_PIXELS + p] = to_byte(y[p] + 1.772 * blue);
    }
}

/* Means of 2 x 2 pixels, halves up and down in turn. */
static void halve(const uint8_t *plane, uint8_t *half)
{
    for (int y = 0; y < HALF; y++)
        for (int x = 0; x < HALF; x++) {
            const uint8_t *from = plane + 2 * y * IMAGE_SIZE + 2 * x;
            half[y * HALF + x] =
                (uint8_t)((from[0] + from[1] + from[IMAGE_SIZE] + from[IMAGE_SIZE + 1] + 1 + x % 2) / 4);
        }
}

static int clipped(int at)
{
    return at < 0 ? 0 : at >= HALF ? HALF - 1 : at;
}

/* Each pixel from the four nearest: 9, 3, 3 and 1 sixteenths of them. */
static void double_size(const uint8_t *half, uint8_t *plane)
{
    for (int y = 0; y < IMAGE_SIZE; y++) {
        const uint8_t *near = half + y / 2 * HALF, *far = half + clipped(y / 2 + (y % 2 ? 1 : -1)) * HALF;
        for (int x = 0; x < IMAGE_SIZE; x++) {
            const int own = x / 2, other = clipped(own + (x % 2 ? 1 : -1));
            const int sum = 3 * (3 * near[own] + far[own]) + 3 * near[other] + far[other];
            plane[y * IMAGE_SIZE + x] = (uint8_t)((sum + (x % 2 ? 7 : 8)) / 16);
        }
    }
}

void jpeg_degrade(int quality, const uint8_t *image, uint8_t *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint8_t y[IMAGE_PIXELS], colours[2][IMAGE_PIXELS], half[HALF * HALF];
    pthread_once(&once, make_cosines);
    split_colours(image, y, colours[0], colours[1]);
    quantize_plane(y, IMAGE_SIZE, luminance_steps, quality);
    for (int c = 0; c < 2; c++) {
        halve(colours[c], half);
        quantize_plane(half, HALF, chrominance_steps, quality);
        double_size(half, colours[c]);
    }
    join_colours(y, colours[0], colours[1], out);
}
