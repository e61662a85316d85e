/* Augmentation and normalisation of one image on the host: loops around kernels/augment.h. */
#include "engine/augment.h"

#include <stdio.h>
#include <string.h>

/* ---- Geometry ---- */

/* Crop and flip in one pass: the flip mirrors what the crop shows. */
static void crop_image(const uint8_t *image, const struct augmentation *what, bool mirror, uint8_t *out)
{
    uint8_t columns[IMAGE_SIZE], row[IMAGE_SIZE + 1];
    if (!what->shift_x && !what->shift_y && !what->flip) {
        memcpy(out, image, IMAGE_BYTES);
        return;
    }
    for (int x = 0; x < IMAGE_SIZE; x++)
        columns[x] = (uint8_t)augment_crop_source(what->flip ? IMAGE_SIZE - 1 - x : x, what->shift_x, mirror);
    row[IMAGE_SIZE] = 0;
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < IMAGE_SIZE; y++, out += IMAGE_SIZE) {
            const int from = augment_crop_source(y, what->shift_y, mirror);
            if (from == IMAGE_SIZE) {
                memset(out, 0, IMAGE_SIZE);
                continue;
            }
            memcpy(row, image + c * IMAGE_PIXELS + from * IMAGE_SIZE, IMAGE_SIZE);
            for (int x = 0; x < IMAGE_SIZE; x++)
                out[x] = row[columns[x]];
        }
}

static void rotate_image(const uint8_t *image, int degrees, uint8_t *out)
{
    int cosine, sine;
    augment_rotation(degrees, &cosine, &sine);
    for (int y = 0; y < IMAGE_SIZE; y++)
        for (int x = 0; x < IMAGE_SIZE; x++) {
            const struct augment_place from = augment_rotated_from(x, y, cosine, sine);
            for (int c = 0; c < 3; c++)
                out[c * IMAGE_PIXELS + y * IMAGE_SIZE + x] = augment_between(image + c * IMAGE_PIXELS, from);
        }
}

static void cut_out(uint8_t *image, const struct augmentation *what)
{
    int left, right, top, bottom;
    augment_square(what->cutout_x, what->cutout_size, &left, &right);
    augment_square(what->cutout_y, what->cutout_size, &top, &bottom);
    for (int c = 0; c < 3; c++)
        for (int y = top; y < bottom; y++)
            memset(image + c * IMAGE_PIXELS + y * IMAGE_SIZE + left, AUGMENT_CUTOUT_GREY, (size_t)(right - left));
}

/* ---- Blur and noise ---- */

/* One line of 32 values with mirrored edges; `stride` is between values. */
static void blur_line(const uint8_t *in, int stride, uint8_t *out)
{
    uint32_t padded[IMAGE_SIZE + 2 * AUGMENT_BLUR_RADIUS];
    for (int i = 0; i < IMAGE_SIZE + 2 * AUGMENT_BLUR_RADIUS; i++)
        padded[i] = in[augment_blur_source(i - AUGMENT_BLUR_RADIUS) * stride];
    for (int i = 0; i < IMAGE_SIZE; i++) {
        const uint32_t *at = padded + AUGMENT_BLUR_RADIUS + i;
        out[i * stride] = augment_blurred(at[0], at[-1] + at[1], at[-2] + at[2], at[-3] + at[3], at[-4] + at[4]);
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

static void add_noise(const uint8_t *image, uint64_t seed, uint32_t epoch, uint32_t index, uint8_t *out)
{
    for (uint32_t group = 0; group < IMAGE_BYTES / 4; group++)
        augment_noise(image + 4 * group, seed, epoch, index, group, out + 4 * group);
}

void augment_image(const struct augment_options *options, const uint8_t *image, uint64_t seed, uint32_t epoch,
                   uint32_t index, uint8_t *out, struct augmentation *what)
{
    const struct augmentation done = augment_draw(options, seed, epoch, index);
    const bool changed = done.blur || done.noise || done.rotation; /* one of them at most */
    uint8_t cropped[IMAGE_BYTES];
    crop_image(image, &done, options->kind == AUGMENT_STANDARD, changed ? cropped : out);
    if (done.blur)
        blur_image(cropped, out);
    else if (done.noise)
        add_noise(cropped, seed, epoch, index, out);
    else if (done.rotation)
        rotate_image(cropped, done.rotation, out);
    if (done.cutout_size)
        cut_out(out, &done);
    if (what)
        *what = done;
}

void augment_describe(const struct augmentation *what, char *text, size_t size)
{
    char crop[24] = "", turn[24] = "";
    if (what->shift_x || what->shift_y)
        snprintf(crop, sizeof crop, ", crop %+d,%+d", what->shift_x, what->shift_y);
    if (what->rotation)
        snprintf(turn, sizeof turn, ", rotate %+d°", what->rotation);
    char all[AUGMENT_TEXT_SIZE];
    const int length =
        snprintf(all, sizeof all, "%s%s%s%s%s%s", crop, what->flip ? ", flip" : "", what->blur ? ", blur" : "",
                 what->noise ? ", noise" : "", turn, what->cutout_size ? ", cutout" : "");
    snprintf(text, size, "%s", length > 0 ? all + 2 : "unchanged");
}

/* ---- Normalisation ---- */

static void image_sums(const uint8_t *image, uint32_t *sum, uint32_t *squares)
{
    uint32_t total = 0, square_total = 0; /* 3072 * 255^2 fits */
    for (int i = 0; i < IMAGE_BYTES; i++) {
        total += image[i];
        square_total += (uint32_t)image[i] * image[i];
    }
    *sum = total;
    *squares = square_total;
}

void normalize_by_set(const struct channel_statistics *statistics, float mean[3], float scale[3])
{
    for (int c = 0; c < 3; c++) {
        const double deviation = statistics->deviation[c] * 255.0;
        mean[c] = (float)(statistics->mean[c] * 255.0);
        scale[c] = deviation > 0 ? (float)(1 / deviation) : 0;
    }
}

void normalize_by(enum normalize_kind kind, const struct channel_statistics *statistics, const uint8_t *image,
                  float mean[3], float scale[3])
{
    uint32_t sum, squares;
    if (kind != NORMALIZE_IMAGE) {
        normalize_by_set(statistics, mean, scale);
        return;
    }
    image_sums(image, &sum, &squares);
    normalize_by_sums(sum, squares, 1, &mean[0], &scale[0]);
    mean[2] = mean[1] = mean[0];
    scale[2] = scale[1] = scale[0];
}

void normalize_image(enum normalize_kind kind, const struct channel_statistics *statistics, const uint8_t *image,
                     float *out)
{
    float mean[3], scale[3];
    normalize_by(kind, statistics, image, mean, scale);
    /* the loop's body has no branch and no other dependence: it becomes vector code */
    for (int p = 0; p < IMAGE_PIXELS; p++) {
        out[3 * p] = ((float)image[p] - mean[0]) * scale[0];
        out[3 * p + 1] = ((float)image[IMAGE_PIXELS + p] - mean[1]) * scale[1];
        out[3 * p + 2] = ((float)image[2 * IMAGE_PIXELS + p] - mean[2]) * scale[2];
    }
}
