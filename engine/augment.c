/* Augmentation and normalisation of one image. Pixel arithmetic is in whole numbers, with weights rounded once, so that
 * the images do not depend on how the compiler orders floating point. */
#include "engine/augment.h"

#include "kernels/philox.h"

#include <math.h>
#include <string.h>

enum {
    PAD = 4,
    CUTOUT_SIZE = 8,
    GROWING_EPOCHS = 8, /* until `standard` has its full strength */
    CUTOUT_GREY = 120,  /* the mean of CIFAR's pixels is 120.7 */
    BLUR_RADIUS = 4
};

enum padding { PADDING_ZERO, PADDING_MIRROR };

/* ---- Geometry ---- */

/* The source of each output row or column of a crop shifted by `shift`; IMAGE_SIZE stands for the zero outside. */
static void crop_sources(int shift, enum padding padding, bool flip, uint8_t source[IMAGE_SIZE])
{
    for (int i = 0; i < IMAGE_SIZE; i++) {
        int at = (flip ? IMAGE_SIZE - 1 - i : i) + shift;
        if (at < 0)
            at = padding == PADDING_MIRROR ? -at : IMAGE_SIZE;
        else if (at >= IMAGE_SIZE)
            at = padding == PADDING_MIRROR ? 2 * (IMAGE_SIZE - 1) - at : IMAGE_SIZE;
        source[i] = (uint8_t)at;
    }
}

/* Crop and flip in one pass: the flip mirrors what the crop shows. */
static void crop_image(const uint8_t *image, int shift_x, int shift_y, enum padding padding, bool flip, uint8_t *out)
{
    uint8_t columns[IMAGE_SIZE], rows[IMAGE_SIZE], row[IMAGE_SIZE + 1];
    crop_sources(shift_x, padding, flip, columns);
    crop_sources(shift_y, padding, false, rows);
    row[IMAGE_SIZE] = 0;
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < IMAGE_SIZE; y++, out += IMAGE_SIZE) {
            if (rows[y] == IMAGE_SIZE) {
                memset(out, 0, IMAGE_SIZE);
                continue;
            }
            memcpy(row, image + c * IMAGE_PIXELS + rows[y] * IMAGE_SIZE, IMAGE_SIZE);
            for (int x = 0; x < IMAGE_SIZE; x++)
                out[x] = row[columns[x]];
        }
}

/* Value of a plane at a whole position, zero outside. */
static int pixel_at(const uint8_t *plane, int x, int y)
{
    bool inside = x >= 0 && x < IMAGE_SIZE && y >= 0 && y < IMAGE_SIZE;
    return inside ? plane[y * IMAGE_SIZE + x] : 0;
}

/* Turns the content counter-clockwise: each output pixel looks back clockwise. Positions in Q16 pixels. */
static void rotate_image(const uint8_t *image, int degrees, uint8_t *out)
{
    double angle = degrees * 3.14159265358979323846 / 180;
    int c = (int)lrint(cos(angle) * 65536), s = (int)lrint(sin(angle) * 65536);
    for (int y = 0; y < IMAGE_SIZE; y++)
        for (int x = 0; x < IMAGE_SIZE; x++) {
            int dx = 2 * x - (IMAGE_SIZE - 1), dy = 2 * y - (IMAGE_SIZE - 1); /* half pixels from the centre */
            int from_x = (dx * c - dy * s + (IMAGE_SIZE - 1) * 65536) / 2;
            int from_y = (dx * s + dy * c + (IMAGE_SIZE - 1) * 65536) / 2;
            int left = from_x >> 16, top = from_y >> 16;
            int fx = (from_x & 65535) >> 8, fy = (from_y & 65535) >> 8; /* Q8 */
            for (int channel = 0; channel < 3; channel++) {
                const uint8_t *plane = image + channel * IMAGE_PIXELS;
                int above = pixel_at(plane, left, top) * (256 - fx) + pixel_at(plane, left + 1, top) * fx;
                int below = pixel_at(plane, left, top + 1) * (256 - fx) + pixel_at(plane, left + 1, top + 1) * fx;
                out[channel * IMAGE_PIXELS + y * IMAGE_SIZE + x] =
                    (uint8_t)((above * (256 - fy) + below * fy + 32768) >> 16);
            }
        }
}

/* ---- Blur and noise ---- */

/* exp(-d^2 / 2) for d = -4..4, normalised to a sum of 65536. */
static const uint32_t blur_weights[2 * BLUR_RADIUS + 1] = {9, 290, 3538, 15858, 26146, 15858, 3538, 290, 9};

/* One line of 32 values with mirrored edges; `stride` is between values. */
static void blur_line(const uint8_t *in, int stride, uint8_t *out)
{
    uint32_t padded[IMAGE_SIZE + 2 * BLUR_RADIUS];
    for (int i = 0; i < IMAGE_SIZE; i++)
        padded[BLUR_RADIUS + i] = in[i * stride];
    for (int i = 0; i < BLUR_RADIUS; i++) {
        padded[BLUR_RADIUS - 1 - i] = in[i * stride];
        padded[BLUR_RADIUS + IMAGE_SIZE + i] = in[(IMAGE_SIZE - 1 - i) * stride];
    }
    for (int i = 0; i < IMAGE_SIZE; i++) {
        uint32_t sum = 32768;
        for (int k = 0; k <= 2 * BLUR_RADIUS; k++)
            sum += blur_weights[k] * padded[i + k];
        out[i * stride] = (uint8_t)(sum >> 16);
    }
}

static void blur_image(const uint8_t *image, uint8_t *out)
{
    for (int row = 0; row < 3 * IMAGE_SIZE; row++)
        blur_line(image + row * IMAGE_SIZE, 1, out + row * IMAGE_SIZE);
    for (int c = 0; c < 3; c++)
        for (int x = 0; x < IMAGE_SIZE; x++)
            blur_line(out + c * IMAGE_PIXELS + x, IMAGE_SIZE, out + c * IMAGE_PIXELS + x);
}

/* Adds normal noise of deviation 0.1 * 255; blocks 1 and up of the image's draws. */
static void add_noise(const uint8_t *image, uint64_t seed, uint32_t epoch, uint32_t index, uint8_t *out)
{
    for (uint32_t i = 0; i < IMAGE_BYTES; i += 4) {
        struct philox words = philox_draw(seed, PHILOX_AUGMENT, epoch, index, 1 + i / 4);
        float normal[4];
        philox_normal(words.word[0], words.word[1], normal);
        philox_normal(words.word[2], words.word[3], normal + 2);
        for (uint32_t k = 0; k < 4; k++) {
            long value = lrint(image[i + k] + 25.5 * (double)normal[k]);
            out[i + k] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
        }
    }
}

/* ---- The three kinds ---- */

/* One change of the report's kinds, as `what` says. */
static void apply_change(const uint8_t *image, uint64_t seed, uint32_t epoch, uint32_t index, uint8_t *out,
                         const struct augmentation *what)
{
    if (what->blur)
        blur_image(image, out);
    else if (what->noise)
        add_noise(image, seed, epoch, index, out);
    else if (what->rotation)
        rotate_image(image, what->rotation, out);
    else
        crop_image(image, 0, 0, PADDING_ZERO, what->flip, out);
}

static void draw_crop(uint32_t word, struct augmentation *what)
{
    int place = (int)philox_below(word, (2 * PAD + 1) * (2 * PAD + 1));
    what->shift_x = place % (2 * PAD + 1) - PAD;
    what->shift_y = place / (2 * PAD + 1) - PAD;
}

static int draw_rotation(uint32_t word)
{
    return (int)philox_below(word, 30) - 15;
}

static void augment_report(const uint8_t *image, uint64_t seed, uint32_t epoch, uint32_t index, uint8_t *out,
                           struct augmentation *what)
{
    struct philox words = philox_draw(seed, PHILOX_AUGMENT, epoch, index, 0);
    uint8_t cropped[IMAGE_BYTES];
    uint32_t of_nine = philox_below(words.word[1], 9);
    draw_crop(words.word[0], what);
    what->blur = of_nine == 4 || of_nine == 5;
    what->rotation = of_nine == 6 || of_nine == 7 ? draw_rotation(words.word[2]) : 0;
    what->flip = of_nine == 8;
    crop_image(image, what->shift_x, what->shift_y, PADDING_ZERO, false, cropped);
    apply_change(cropped, seed, epoch, index, out, what);
}

static void augment_report_text(const uint8_t *image, uint64_t seed, uint32_t epoch, uint32_t index, uint8_t *out,
                                struct augmentation *what)
{
    struct philox words = philox_draw(seed, PHILOX_AUGMENT, epoch, index, 0);
    uint32_t of_five = philox_below(words.word[1], 5);
    what->noise = of_five == 2;
    what->rotation = of_five == 3 ? draw_rotation(words.word[2]) : 0;
    what->flip = of_five == 4;
    apply_change(image, seed, epoch, index, out, what);
}

static void cut_out(uint8_t *image, int centre_x, int centre_y)
{
    int left = centre_x - CUTOUT_SIZE / 2, right = left + CUTOUT_SIZE;
    int top = centre_y - CUTOUT_SIZE / 2, bottom = top + CUTOUT_SIZE;
    left = left < 0 ? 0 : left;
    top = top < 0 ? 0 : top;
    right = right > IMAGE_SIZE ? IMAGE_SIZE : right;
    bottom = bottom > IMAGE_SIZE ? IMAGE_SIZE : bottom;
    for (int c = 0; c < 3; c++)
        for (int y = top; y < bottom; y++)
            memset(image + c * IMAGE_PIXELS + y * IMAGE_SIZE + left, CUTOUT_GREY, (size_t)(right - left));
}

/* The sum of two draws in -2..2: small shifts are more frequent than large ones. */
static int draw_small_shift(uint32_t word)
{
    int pair = (int)philox_below(word, (PAD + 1) * (PAD + 1));
    return pair % (PAD + 1) + pair / (PAD + 1) - PAD;
}

/* Whether an image is cropped and cut out at all: the share grows from none in the first epoch to all of them. */
static bool is_altered(uint64_t seed, uint32_t epoch, uint32_t index)
{
    return philox_below(philox_draw(seed, PHILOX_AUGMENT, epoch, index, 1).word[0], GROWING_EPOCHS) < epoch;
}

static void augment_standard(const uint8_t *image, uint64_t seed, uint32_t epoch, uint32_t index, uint8_t *out,
                             struct augmentation *what)
{
    const struct philox words = philox_draw(seed, PHILOX_AUGMENT, epoch, index, 0);
    const bool altered = is_altered(seed, epoch, index);
    if (altered) {
        what->shift_x = draw_small_shift(words.word[0]);
        what->shift_y = draw_small_shift(words.word[1]);
    }
    what->flip = (philox_draw(seed, PHILOX_AUGMENT, 0, index, 0).word[2] ^ epoch) & 1;
    crop_image(image, what->shift_x, what->shift_y, PADDING_MIRROR, what->flip, out);
    if (altered && words.word[2] >> 31) {
        what->cutout_size = CUTOUT_SIZE;
        what->cutout_x = (int)(words.word[3] >> 27);
        what->cutout_y = (int)(words.word[3] >> 22 & 31);
        cut_out(out, what->cutout_x, what->cutout_y);
    }
}

void augment_image(enum augment_kind kind, const uint8_t *image, uint64_t seed, uint32_t epoch, uint32_t index,
                   uint8_t *out, struct augmentation *what)
{
    struct augmentation done = {0};
    switch (kind) {
    case AUGMENT_NONE:
        memcpy(out, image, IMAGE_BYTES);
        break;
    case AUGMENT_REPORT:
        augment_report(image, seed, epoch, index, out, &done);
        break;
    case AUGMENT_REPORT_TEXT:
        augment_report_text(image, seed, epoch, index, out, &done);
        break;
    case AUGMENT_STANDARD:
        augment_standard(image, seed, epoch, index, out, &done);
        break;
    }
    if (what)
        *what = done;
}

/* ---- Normalisation ---- */

/* Mean and population deviation of all values, as bytes. The sums are whole numbers, so exact. */
static void image_moments(const uint8_t *image, double *mean, double *deviation)
{
    uint32_t sum = 0, squares = 0; /* 3072 * 255^2 fits */
    for (int i = 0; i < IMAGE_BYTES; i++) {
        sum += image[i];
        squares += (uint32_t)image[i] * image[i];
    }
    *mean = sum / (double)IMAGE_BYTES;
    double variance = squares / (double)IMAGE_BYTES - *mean * *mean;
    *deviation = sqrt(variance > 0 ? variance : 0);
}

void normalize_image(enum normalize_kind kind, const struct channel_statistics *statistics, const uint8_t *image,
                     float *out)
{
    float mean[3], scale[3]; /* of bytes */
    double image_mean = 0, image_deviation = 0;
    if (kind == NORMALIZE_IMAGE)
        image_moments(image, &image_mean, &image_deviation);
    for (int c = 0; c < 3; c++) {
        double deviation = kind == NORMALIZE_IMAGE ? image_deviation : statistics->deviation[c] * 255.0;
        mean[c] = (float)(kind == NORMALIZE_IMAGE ? image_mean : statistics->mean[c] * 255.0);
        scale[c] = deviation > 0 ? (float)(1 / deviation) : 0;
    }
    /* the loop's body has no branch and no other dependence: it becomes vector code */
    for (int p = 0; p < IMAGE_PIXELS; p++) {
        out[3 * p] = ((float)image[p] - mean[0]) * scale[0];
        out[3 * p + 1] = ((float)image[IMAGE_PIXELS + p] - mean[1]) * scale[1];
        out[3 * p + 2] = ((float)image[2 * IMAGE_PIXELS + p] - mean[2]) * scale[2];
    }
}
