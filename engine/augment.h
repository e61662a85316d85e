/* One image: augmentation, then normalisation to what the network reads. Pure functions of (image, seed, epoch, index),
 * so any thread may do any image, in any order, and a resumed run sees the same images again. */
#ifndef NFBENCH_ENGINE_AUGMENT_H
#define NFBENCH_ENGINE_AUGMENT_H

#include "engine/data.h"
#include "engine/options.h"

#include <stdbool.h>

/* What was done to an image, for the preview. All zero: nothing. */
struct augmentation {
    int shift_x, shift_y; /* of the padded crop, -4..4: the content moves left by shift_x and up by shift_y */
    bool flip;
    bool blur, noise;
    int rotation;                        /* degrees, counter-clockwise as one looks at it */
    int cutout_x, cutout_y, cutout_size; /* size 0: none; centre in the image */
};

/* Augments planar bytes (3, 32, 32) into another (3, 32, 32); `out` must not overlap `image`, `what` may be NULL.
 *
 * `report`, as the report's code: always a random 32 x 32 crop of the image zero-padded by 4 pixels; then of nine equal
 * cases four nothing, two Gaussian blur, two rotation, one horizontal flip.
 * `report-text`, as its text: no crop; 40 % nothing, 20 % each noise, rotation, flip.
 *   Blur: sigma 1, cut at 4 sigma, edges mirrored (d c b a | a b c d), as scipy.ndimage.gaussian_filter does.
 *   Rotation: a whole angle in -15..14 degrees about the centre, bilinear, zero outside.
 *   Noise: normal, variance 0.01 for pixels in 0..1 (the default of skimage.util.random_noise), another draw for each
 *   value. The report gives no strength.
 * `standard`: horizontal flip with 1/2; a random crop of the image padded by 4 pixels; with 1/2 a cutout (DeVries and
 *   Taylor 2017) of 8 x 8 pixels, filled with mid grey, its centre anywhere in the image. Padding mirrors the image
 *   (c b | a b c) instead of adding black: no false edge for the network to learn. The cutout is half the paper's
 *   width and drawn half the time because runs here are short, 3 to 30 epochs: 16 x 16 pays after a hundred.
 *
 * Draws are keyed (seed, PHILOX_AUGMENT, epoch, index). */
void augment_image(enum augment_kind kind, const uint8_t *image, uint64_t seed, uint32_t epoch, uint32_t index,
                   uint8_t *out, struct augmentation *what);

/* Planar bytes (3, 32, 32) -> NHWC floats (32, 32, 3): (x / 255 - mean) / deviation, per channel of the set
 * (`statistics`; NORMALIZE_DATASET), or by the image's own mean and population deviation over all its values (the
 * report; `statistics` may be NULL). Where the deviation is 0 all values are the mean, and the result is 0. */
void normalize_image(enum normalize_kind kind, const struct channel_statistics *statistics, const uint8_t *image,
                     float *out);

#endif
