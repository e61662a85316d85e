/* What augmentation and normalisation do to an image: the kinds, the draws that decide, and each pixel's arithmetic, in
 * whole numbers with weights rounded once. Header only, shared by the engine (which changes images on the host) and the
 * CUDA kernels, so that both make the same images to the bit. What each kind does is described in engine/augment.h. */
#ifndef NFBENCH_KERNELS_AUGMENT_H
#define NFBENCH_KERNELS_AUGMENT_H

#include "kernels/philox.h"

#include <stdbool.h>

enum augment_kind { AUGMENT_NONE, AUGMENT_REPORT, AUGMENT_REPORT_TEXT, AUGMENT_STANDARD };
enum flip_kind { FLIP_NONE, FLIP_RANDOM, FLIP_ALTERNATING };
enum normalize_kind { NORMALIZE_DATASET, NORMALIZE_IMAGE };

/* The kind, and how much `standard` does of each change; the other kinds are what they are. */
struct augment_options {
    enum augment_kind kind;
    enum flip_kind flip;
    int crop;    /* pixels of padding, 0..AUGMENT_MOST_CROP; 0: no crop */
    int cutout;  /* side of the square, 0..IMAGE_SIZE; 0: no cutout */
    int growing; /* epochs until crop and cutout reach all images; 0: from the first epoch on */
};

/* As the kind is where nothing else is said. */
#define AUGMENT_USUAL(kind)                                                                                            \
    {                                                                                                                  \
        kind, FLIP_ALTERNATING, 4, 8, 8                                                                                \
    }

/* An image: planar bytes (3, 32, 32). */
enum { IMAGE_SIZE = 32, IMAGE_PIXELS = 1024, IMAGE_BYTES = 3072 };

enum {
    AUGMENT_PAD = 4, /* of `report` */
    AUGMENT_BLUR_RADIUS = 4,
    AUGMENT_MOST_DEGREES = 15,
    AUGMENT_MOST_CROP = 16,
    AUGMENT_CUTOUT_GREY = 120 /* the mean of CIFAR's pixels is 120.7 */
};

/* What was done to an image. All zero: nothing. */
struct augmentation {
    int shift_x, shift_y; /* of the padded crop: the content moves left by shift_x and up by shift_y */
    bool flip;
    bool blur, noise;
    int rotation;                        /* degrees, counter-clockwise as one looks at it */
    int cutout_x, cutout_y, cutout_size; /* size 0: none; centre in the image */
};

PHILOX_FUNCTION int augment_draw_rotation(uint32_t word)
{
    return (int)philox_below(word, 2 * AUGMENT_MOST_DEGREES) - AUGMENT_MOST_DEGREES;
}

PHILOX_FUNCTION struct augmentation augment_draw_report(uint64_t seed, uint32_t epoch, uint32_t index)
{
    const struct philox words = philox_draw(seed, PHILOX_AUGMENT, epoch, index, 0);
    const int place = (int)philox_below(words.word[0], (2 * AUGMENT_PAD + 1) * (2 * AUGMENT_PAD + 1));
    const uint32_t of_nine = philox_below(words.word[1], 9);
    struct augmentation what = {0, 0, false, false, false, 0, 0, 0, 0};
    what.shift_x = place % (2 * AUGMENT_PAD + 1) - AUGMENT_PAD;
    what.shift_y = place / (2 * AUGMENT_PAD + 1) - AUGMENT_PAD;
    what.blur = of_nine == 4 || of_nine == 5;
    what.rotation = of_nine == 6 || of_nine == 7 ? augment_draw_rotation(words.word[2]) : 0;
    what.flip = of_nine == 8;
    return what;
}

PHILOX_FUNCTION struct augmentation augment_draw_report_text(uint64_t seed, uint32_t epoch, uint32_t index)
{
    const struct philox words = philox_draw(seed, PHILOX_AUGMENT, epoch, index, 0);
    const uint32_t of_five = philox_below(words.word[1], 5);
    struct augmentation what = {0, 0, false, false, false, 0, 0, 0, 0};
    what.noise = of_five == 2;
    what.rotation = of_five == 3 ? augment_draw_rotation(words.word[2]) : 0;
    what.flip = of_five == 4;
    return what;
}

/* The sum of two draws in -pad/2..pad/2: small shifts are more frequent than large ones. */
PHILOX_FUNCTION int augment_draw_small_shift(uint32_t word, int pad)
{
    const int pair = (int)philox_below(word, (uint32_t)((pad + 1) * (pad + 1)));
    return pair % (pad + 1) + pair / (pad + 1) - pad;
}

PHILOX_FUNCTION bool augment_draw_flip(enum flip_kind kind, uint64_t seed, uint32_t epoch, uint32_t index)
{
    if (kind == FLIP_NONE)
        return false;
    if (kind == FLIP_RANDOM)
        return philox_draw(seed, PHILOX_AUGMENT, epoch, index, 0).word[2] & 1;
    return (philox_draw(seed, PHILOX_AUGMENT, 0, index, 0).word[2] ^ epoch) & 1;
}

PHILOX_FUNCTION struct augmentation augment_draw_standard(const struct augment_options *options, uint64_t seed,
                                                          uint32_t epoch, uint32_t index)
{
    const struct philox words = philox_draw(seed, PHILOX_AUGMENT, epoch, index, 0);
    /* the share that is cropped and cut out grows from none in the first epoch to all of them */
    const bool altered =
        options->growing == 0 ||
        philox_below(philox_draw(seed, PHILOX_AUGMENT, epoch, index, 1).word[0], (uint32_t)options->growing) < epoch;
    struct augmentation what = {0, 0, false, false, false, 0, 0, 0, 0};
    if (altered) {
        what.shift_x = augment_draw_small_shift(words.word[0], options->crop);
        what.shift_y = augment_draw_small_shift(words.word[1], options->crop);
    }
    what.flip = augment_draw_flip(options->flip, seed, epoch, index);
    if (altered && options->cutout > 0 && words.word[2] >> 31) {
        what.cutout_size = options->cutout;
        what.cutout_x = (int)(words.word[3] >> 27);
        what.cutout_y = (int)(words.word[3] >> 22 & 31);
    }
    return what;
}

PHILOX_FUNCTION struct augmentation augment_draw(const struct augment_options *options, uint64_t seed, uint32_t epoch,
                                                 uint32_t index)
{
    const struct augmentation nothing = {0, 0, false, false, false, 0, 0, 0, 0};
    switch (options->kind) {
    case AUGMENT_REPORT:
        return augment_draw_report(seed, epoch, index);
    case AUGMENT_REPORT_TEXT:
        return augment_draw_report_text(seed, epoch, index);
    case AUGMENT_STANDARD:
        return augment_draw_standard(options, seed, epoch, index);
    case AUGMENT_NONE:
        break;
    }
    return nothing;
}

/* ---- Pixels ---- */

/* The source of row or column `i` of a crop moved by `shift`; IMAGE_SIZE stands for the zero outside. `mirror`: padded
 * by the image's mirror (c b | a b c) instead of by zeros; |shift| < IMAGE_SIZE. */
PHILOX_FUNCTION int augment_crop_source(int i, int shift, bool mirror)
{
    const int at = i + shift;
    if (at < 0)
        return mirror ? -at : IMAGE_SIZE;
    if (at >= IMAGE_SIZE)
        return mirror ? 2 * (IMAGE_SIZE - 1) - at : IMAGE_SIZE;
    return at;
}

/* A value blurred along one axis: exp(-d^2 / 2) for d = -4..4, normalised to a sum of 65536. `one` is the sum of the
 * two neighbours at distance 1, and so on. */
PHILOX_FUNCTION uint8_t augment_blurred(uint32_t centre, uint32_t one, uint32_t two, uint32_t three, uint32_t four)
{
    return (uint8_t)((26146 * centre + 15858 * one + 3538 * two + 290 * three + 9 * four + 32768) >> 16);
}

/* Where a blurred line, mirrored at its edges (d c b a | a b c d), reads for position `i`. */
PHILOX_FUNCTION int augment_blur_source(int i)
{
    return i < 0 ? -1 - i : i >= IMAGE_SIZE ? 2 * IMAGE_SIZE - 1 - i : i;
}

/* Cosine and sine of a whole angle up to AUGMENT_MOST_DEGREES, times 65536 and rounded: a table, for the mathematical
 * libraries of host and device may differ in the last bit. */
PHILOX_FUNCTION void augment_rotation(int degrees, int *cosine, int *sine)
{
    const int cosines[AUGMENT_MOST_DEGREES + 1] = {65536, 65526, 65496, 65446, 65376, 65287, 65177, 65048,
                                                   64898, 64729, 64540, 64332, 64104, 63856, 63589, 63303};
    const int sines[AUGMENT_MOST_DEGREES + 1] = {0,    1144,  2287,  3430,  4572,  5712,  6850,  7987,
                                                 9121, 10252, 11380, 12505, 13626, 14742, 15855, 16962};
    const int size = degrees < 0 ? -degrees : degrees;
    *cosine = cosines[size];
    *sine = degrees < 0 ? -sines[size] : sines[size];
}

/* A position between pixels: the pixel to its upper left, and the way from there in 1/256 of a pixel. */
struct augment_place {
    int left, top, right_part, lower_part;
};

/* Where the pixel (x, y) of an image turned counter-clockwise comes from: it looks back clockwise. */
PHILOX_FUNCTION struct augment_place augment_rotated_from(int x, int y, int cosine, int sine)
{
    const int dx = 2 * x - (IMAGE_SIZE - 1), dy = 2 * y - (IMAGE_SIZE - 1);      /* half pixels from the centre */
    const int from_x = (dx * cosine - dy * sine + (IMAGE_SIZE - 1) * 65536) / 2; /* Q16 */
    const int from_y = (dx * sine + dy * cosine + (IMAGE_SIZE - 1) * 65536) / 2;
    const struct augment_place place = {from_x >> 16, from_y >> 16, (from_x & 65535) >> 8, (from_y & 65535) >> 8};
    return place;
}

/* Value of a plane at a whole position, zero outside. */
PHILOX_FUNCTION int augment_pixel(const uint8_t *plane, int x, int y)
{
    const bool inside = x >= 0 && x < IMAGE_SIZE && y >= 0 && y < IMAGE_SIZE;
    return inside ? plane[y * IMAGE_SIZE + x] : 0;
}

/* Value of a plane between its pixels, bilinear. */
PHILOX_FUNCTION uint8_t augment_between(const uint8_t *plane, struct augment_place at)
{
    const int above = augment_pixel(plane, at.left, at.top) * (256 - at.right_part) +
                      augment_pixel(plane, at.left + 1, at.top) * at.right_part;
    const int below = augment_pixel(plane, at.left, at.top + 1) * (256 - at.right_part) +
                      augment_pixel(plane, at.left + 1, at.top + 1) * at.right_part;
    return (uint8_t)((above * (256 - at.lower_part) + below * at.lower_part + 32768) >> 16);
}

/* Adds normal noise of deviation 0.1 * 255 to values [4 * group, 4 * group + 4): blocks 1 and up of the image's draws.
 * Logarithm, cosine and sine may differ in the last bit between libraries: then one value in some 10^9 differs by 1. */
PHILOX_FUNCTION void augment_noise(const uint8_t in[4], uint64_t seed, uint32_t epoch, uint32_t index, uint32_t group,
                                   uint8_t out[4])
{
    const struct philox words = philox_draw(seed, PHILOX_AUGMENT, epoch, index, 1 + group);
    float normal[4];
    philox_normal(words.word[0], words.word[1], normal);
    philox_normal(words.word[2], words.word[3], normal + 2);
    for (int k = 0; k < 4; k++) {
        const long value = lrint(in[k] + 25.5 * (double)normal[k]); /* the product is exact */
        out[k] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

/* Rows or columns [first, last) that a square covers, from its centre. */
PHILOX_FUNCTION void augment_square(int centre, int size, int *first, int *last)
{
    const int from = centre - size / 2, to = from + size;
    *first = from < 0 ? 0 : from;
    *last = to > IMAGE_SIZE ? IMAGE_SIZE : to;
}

/* ---- Mixing with a partner: mixup and CutMix (engine/mix.h) ---- */

/* Shares are counted in pixels. */
enum { MIX_WHOLE = IMAGE_PIXELS };

/* How the images of a batch are mixed with their partners. All zero: not at all. */
struct mix {
    int partner; /* its share of the image and of the label, of MIX_WHOLE */
    /* CutMix: the pixels of columns [left, right) and rows [top, bottom) are the partner's; right 0: mixup, all pixels
     * are both */
    int left, right, top, bottom;
};

/* MIX_WHOLE times the value of a mixed pixel: exact in float, and the squares of an image sum up in 64 bits. */
PHILOX_FUNCTION uint32_t mix_value(const struct mix *mix, uint32_t own, uint32_t partner, int x, int y)
{
    if (mix->right == 0)
        return (uint32_t)(MIX_WHOLE - mix->partner) * own + (uint32_t)mix->partner * partner;
    const bool cut = x >= mix->left && x < mix->right && y >= mix->top && y < mix->bottom;
    return MIX_WHOLE * (cut ? partner : own);
}

/* The same as a byte's value is, with what lies between two bytes: exact. */
PHILOX_FUNCTION float mix_byte(uint32_t value)
{
    return (float)value * (1.0f / MIX_WHOLE);
}

/* ---- Normalisation: (byte - mean) * scale ---- */

/* By the image's own mean and population deviation, from the sum of its values and of their squares; `whole`: what they
 * are multiples of bytes by, 1 or MIX_WHOLE. */
PHILOX_FUNCTION void normalize_by_sums(uint64_t sum, uint64_t squares, int whole, float *mean, float *scale)
{
    /* IMAGE_BYTES^2 times the variance, exact; never negative */
    const uint64_t spread = squares * IMAGE_BYTES - sum * sum;
    const double count = (double)IMAGE_BYTES * whole;
    *mean = (float)((double)sum / count);
    *scale = spread > 0 ? (float)(count / sqrt((double)spread)) : 0.0f;
}

#endif
