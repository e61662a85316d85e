/* See corruption.h. A kind is a row of the table: its name, its constants and what it does to an image. */
#include "engine/corruption.h"

#include "kernels/augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 256, KERNEL_REACH = 2, KERNEL = 2 * KERNEL_REACH + 1, POISSON_MOST = 352 };

/* The distribution of a Poisson variable, as far as it matters: value first + i up to thresholds[i] / 2^32. */
struct poisson {
    int first, count;
    uint32_t thresholds[POISSON_MOST];
};

typedef void corruption_function(const struct corruption *corruption, uint32_t index, const uint8_t *image,
                                 uint8_t *out);

struct corruption_row {
    const char *name;
    double strength[CORRUPTION_SEVERITIES];
    corruption_function *apply;
};

struct corruption {
    const struct corruption_row *row;
    enum corruption_kind kind;
    double strength;
    float kernel[KERNEL][KERNEL]; /* CORRUPTION_DEFOCUS_BLUR */
    struct poisson *poisson;      /* (LEVELS): of each byte; CORRUPTION_SHOT_NOISE */
};

static uint8_t to_byte(double value)
{
    return (uint8_t)lrint(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Four random words for values [4 * group, 4 * group + 4) of an image. */
static struct philox draw(const struct corruption *corruption, uint32_t index, int group)
{
    return philox_draw(0, PHILOX_CORRUPTION, (uint32_t)corruption->kind, index, (uint32_t)group);
}

/* ---- Noise ---- */

static void gaussian_noise(const struct corruption *corruption, uint32_t index, const uint8_t *image, uint8_t *out)
{
    for (int group = 0; group < IMAGE_BYTES / 4; group++) {
        const struct philox words = draw(corruption, index, group);
        float normal[4];
        philox_normal(words.word[0], words.word[1], normal);
        philox_normal(words.word[2], words.word[3], normal + 2);
        for (int k = 0; k < 4; k++)
            out[4 * group + k] = to_byte(image[4 * group + k] + 255 * corruption->strength * (double)normal[k]);
    }
}

static void make_poisson(double rate, struct poisson *out)
{
    const double spread = sqrt(rate);
    const int from = (int)(rate - 7 * spread - 8); /* what lies beyond is rarer than 2^-32 */
    double sum = 0;
    int sign;
    out->first = from > 0 ? from : 0;
    out->count = (int)(rate + 7 * spread + 16) - out->first;
    for (int i = 0; i < out->count; i++) {
        const double k = out->first + i;
        sum += rate > 0 ? exp(k * log(rate) - rate - lgamma_r(k + 1, &sign)) : k == 0;
        out->thresholds[i] = sum < 1 ? (uint32_t)(sum * 4294967295.0) : UINT32_MAX;
    }
    out->thresholds[out->count - 1] = UINT32_MAX;
}

static int poisson_draw(const struct poisson *poisson, uint32_t word)
{
    int low = 0, high = poisson->count - 1;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (word <= poisson->thresholds[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return poisson->first + low;
}

static void shot_noise(const struct corruption *corruption, uint32_t index, const uint8_t *image, uint8_t *out)
{
    for (int group = 0; group < IMAGE_BYTES / 4; group++) {
        const struct philox words = draw(corruption, index, group);
        for (int k = 0; k < 4; k++) {
            const int photons = poisson_draw(&corruption->poisson[image[4 * group + k]], words.word[k]);
            out[4 * group + k] = to_byte(255 * photons / corruption->strength);
        }
    }
}

static void impulse_noise(const struct corruption *corruption, uint32_t index, const uint8_t *image, uint8_t *out)
{
    for (int group = 0; group < IMAGE_BYTES / 4; group++) {
        const struct philox words = draw(corruption, index, group);
        for (int k = 0; k < 4; k++) {
            const bool hit = words.word[k] < corruption->strength * 4294967296.0;
            out[4 * group + k] = hit ? (words.word[k] & 1 ? 255 : 0) : image[4 * group + k];
        }
    }
}

/* ---- Blur ---- */

/* The disc of a radius below 2, smoothed by a normal curve over 3 x 3 pixels. */
static void make_disc(double radius, double smoothing, float kernel[KERNEL][KERNEL])
{
    const double side = exp(-1 / (2 * smoothing * smoothing)), curve[3] = {side, 1, side}, whole = 1 + 2 * side;
    int pixels = 0;
    memset(kernel, 0, sizeof(float[KERNEL][KERNEL]));
    for (int y = -1; y <= 1; y++)
        for (int x = -1; x <= 1; x++) {
            if (x * x + y * y > radius * radius)
                continue;
            pixels++;
            for (int i = 0; i < 9; i++) {
                const double part = curve[i / 3] * curve[i % 3] / (whole * whole);
                kernel[KERNEL_REACH + y + i / 3 - 1][KERNEL_REACH + x + i % 3 - 1] += (float)part;
            }
        }
    for (int i = 0; i < KERNEL * KERNEL; i++)
        kernel[i / KERNEL][i % KERNEL] /= (float)pixels;
}

static void defocus_blur(const struct corruption *corruption, uint32_t index, const uint8_t *image, uint8_t *out)
{
    enum { WIDE = IMAGE_SIZE + 2 * KERNEL_REACH };
    float padded[WIDE][WIDE];
    (void)index;
    for (int c = 0; c < 3; c++, image += IMAGE_PIXELS, out += IMAGE_PIXELS) {
        for (int y = 0; y < WIDE; y++) /* mirrored about the outermost pixels: c b | a b c */
            for (int x = 0; x < WIDE; x++)
                padded[y][x] = image[augment_crop_source(y, -KERNEL_REACH, true) * IMAGE_SIZE +
                                     augment_crop_source(x, -KERNEL_REACH, true)];
        for (int y = 0; y < IMAGE_SIZE; y++)
            for (int x = 0; x < IMAGE_SIZE; x++) {
                float sum = 0;
                for (int j = 0; j < KERNEL; j++)
                    for (int i = 0; i < KERNEL; i++)
                        sum += corruption->kernel[j][i] * padded[y + j][x + i];
                out[y * IMAGE_SIZE + x] = to_byte((double)sum);
            }
    }
}

/* ---- Light ---- */

/* The greatest of a pixel's channels is HSV's value; hue and saturation stay when all are multiplied. */
static void brightness(const struct corruption *corruption, uint32_t index, const uint8_t *image, uint8_t *out)
{
    (void)index;
    for (int p = 0; p < IMAGE_PIXELS; p++) {
        int value = 0;
        for (int c = 0; c < 3; c++)
            value = image[c * IMAGE_PIXELS + p] > value ? image[c * IMAGE_PIXELS + p] : value;
        const double brighter = fmin(255, value + 255 * corruption->strength);
        for (int c = 0; c < 3; c++)
            out[c * IMAGE_PIXELS + p] = to_byte(value ? image[c * IMAGE_PIXELS + p] * brighter / value : brighter);
    }
}

static void contrast(const struct corruption *corruption, uint32_t index, const uint8_t *image, uint8_t *out)
{
    (void)index;
    for (int c = 0; c < 3; c++, image += IMAGE_PIXELS, out += IMAGE_PIXELS) {
        int sum = 0;
        for (int p = 0; p < IMAGE_PIXELS; p++)
            sum += image[p];
        const double mean = sum / (double)IMAGE_PIXELS;
        for (int p = 0; p < IMAGE_PIXELS; p++)
            out[p] = to_byte((image[p] - mean) * corruption->strength + mean);
    }
}

/* ---- Resolution ---- */

/* One line of `from` values as one of `to`: each the mean of those that its width covers with their middles, as the box
 * filter of PIL has it. */
static void resize_line(const uint8_t *in, int from, int in_stride, uint8_t *out, int to, int out_stride)
{
    const double scale = (double)from / to, reach = 0.5 * fmax(scale, 1);
    for (int i = 0; i < to; i++) {
        const double middle = (i + 0.5) * scale;
        double sum = 0;
        int count = 0;
        for (int k = 0; k < from; k++) {
            const double distance = k + 0.5 - middle;
            if (distance > -reach && distance <= reach) {
                sum += in[k * in_stride];
                count++;
            }
        }
        out[i * out_stride] = to_byte(floor(sum / count + 0.5));
    }
}

/* A plane of from x from pixels as one of to x to: rows first, then columns. */
static void resize_plane(const uint8_t *in, int from, uint8_t *out, int to)
{
    uint8_t narrow[IMAGE_PIXELS];
    for (int y = 0; y < from; y++)
        resize_line(in + y * from, from, 1, narrow + y * to, to, 1);
    for (int x = 0; x < to; x++)
        resize_line(narrow + x, from, to, out + x, to, to);
}

static void pixelate(const struct corruption *corruption, uint32_t index, const uint8_t *image, uint8_t *out)
{
    const int size = (int)(IMAGE_SIZE * corruption->strength);
    uint8_t small[IMAGE_PIXELS];
    (void)index;
    for (int c = 0; c < 3; c++) {
        resize_plane(image + c * IMAGE_PIXELS, IMAGE_SIZE, small, size);
        resize_plane(small, size, out + c * IMAGE_PIXELS, IMAGE_SIZE);
    }
}

static void jpeg(const struct corruption *corruption, uint32_t index, const uint8_t *image, uint8_t *out)
{
    (void)index;
    jpeg_degrade((int)corruption->strength, image, out);
}

/* ---- The table ---- */

static const struct corruption_row rows[CORRUPTION_KINDS] = {
    [CORRUPTION_GAUSSIAN_NOISE] = {"gaussian noise", {0.04, 0.06, 0.08, 0.09, 0.1}, gaussian_noise},
    [CORRUPTION_SHOT_NOISE] = {"shot noise", {500, 250, 100, 75, 50}, shot_noise},
    [CORRUPTION_IMPULSE_NOISE] = {"impulse noise", {0.01, 0.02, 0.03, 0.05, 0.07}, impulse_noise},
    [CORRUPTION_DEFOCUS_BLUR] = {"defocus blur", {0.3, 0.4, 0.5, 1, 1.5}, defocus_blur},
    [CORRUPTION_BRIGHTNESS] = {"brightness", {0.05, 0.1, 0.15, 0.2, 0.3}, brightness},
    [CORRUPTION_CONTRAST] = {"contrast", {0.75, 0.5, 0.4, 0.3, 0.15}, contrast},
    [CORRUPTION_PIXELATE] = {"pixelate", {0.95, 0.9, 0.85, 0.75, 0.65}, pixelate},
    [CORRUPTION_JPEG] = {"jpeg", {80, 65, 58, 50, 40}, jpeg},
};
/* of the disc's edge, by severity */
static const double disc_smoothing[CORRUPTION_SEVERITIES] = {0.4, 0.5, 0.6, 0.2, 0.1};

const char *corruption_name(enum corruption_kind kind)
{
    return rows[kind].name;
}

int corruption_create(enum corruption_kind kind, int severity, struct corruption **out, struct error *error)
{
    struct corruption *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, "out of memory for corrupted images");
    made->row = &rows[kind];
    made->kind = kind;
    made->strength = rows[kind].strength[severity - 1];
    if (kind == CORRUPTION_DEFOCUS_BLUR)
        make_disc(made->strength, disc_smoothing[severity - 1], made->kernel);
    if (kind == CORRUPTION_SHOT_NOISE) {
        made->poisson = malloc(LEVELS * sizeof *made->poisson);
        if (!made->poisson) {
            free(made);
            return error_set(error, "out of memory for corrupted images");
        }
        for (int byte = 0; byte < LEVELS; byte++)
            make_poisson(byte / 255.0 * made->strength, &made->poisson[byte]);
    }
    *out = made;
    return 0;
}

void corruption_destroy(struct corruption *corruption)
{
    if (!corruption)
        return;
    free(corruption->poisson);
    free(corruption);
}

void corruption_apply(const struct corruption *corruption, uint32_t index, const uint8_t *image, uint8_t *out)
{
    corruption->row->apply(corruption, index, image, out);
}
