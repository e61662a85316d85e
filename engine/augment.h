/* One image: augmentation, then normalisation to what the network reads. Pure functions of (image, seed, epoch, index),
 * so any thread may do any image. */
#ifndef NFBENCH_ENGINE_AUGMENT_H
#define NFBENCH_ENGINE_AUGMENT_H

#include "engine/data.h"
#include "engine/options.h"

/* What was done to an image, for the preview. */
struct augmentation {
    int shift_x, shift_y; /* of the padded crop, -4..4 */
    bool flip;
    bool blur, noise;
    int rotation;                        /* degrees */
    int cutout_x, cutout_y, cutout_size; /* size 0: none; centre in the image */
};

/* Augments planar bytes (3, 32, 32) into another (3, 32, 32). `report`: always a 4-pixel zero-padded random crop, then
 * of nine equal cases four nothing, two Gaussian blur (sigma 1), two rotation by a whole angle in -15..14 degrees, one
 * horizontal flip. `report-text`: no crop; 40 % nothing, 20 % each noise, rotation, flip. `standard`: flip with 1/2,
 * 4-pixel padded crop, cutout. Draws are keyed (seed, PHILOX_AUGMENT, epoch, index). */
void augment_image(enum augment_kind kind, const uint8_t *image, uint64_t seed, uint32_t epoch, uint32_t index,
                   uint8_t *out, struct augmentation *what);

/* Planar bytes -> NHWC floats (32, 32, 3): (x / 255 - mean) / deviation per channel of the set, or each image by its
 * own mean and population deviation over all its values (the report). */
void normalize_image(enum normalize_kind kind, const struct channel_statistics *statistics, const uint8_t *image,
                     float *out);

#endif
