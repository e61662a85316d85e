/* One image: augmentation, then normalisation to what the network reads. Pure functions of (image, seed, epoch, index),
 * so any thread may do any image, in any order, and a resumed run sees the same images again. */
#ifndef NFBENCH_ENGINE_AUGMENT_H
#define NFBENCH_ENGINE_AUGMENT_H

#include "engine/data.h"
#include "kernels/augment.h"

#include <stddef.h>

/* Augments planar bytes (3, 32, 32) into another (3, 32, 32); `out` must not overlap `image`, `what` may be NULL.
 *
 * `report`, as the report's code: always a random 32 x 32 crop of the image zero-padded by 4 pixels; then of nine equal
 * cases four nothing, two Gaussian blur, two rotation, one horizontal flip.
 * `report-text`, as its text: no crop; 40 % nothing, 20 % each noise, rotation, flip.
 *   Blur: sigma 1, cut at 4 sigma, edges mirrored (d c b a | a b c d), as scipy.ndimage.gaussian_filter does.
 *   Rotation: a whole angle in -15..14 degrees about the centre, bilinear, zero outside.
 *   Noise: normal, variance 0.01 for pixels in 0..1 (the default of skimage.util.random_noise), another draw for each
 *   value. The report gives no strength.
 * `standard`, as its options say. AUGMENT_USUAL is made for runs of 3 to 30 epochs, where a network has little time to
 * learn from hard images:
 *   Horizontal flip, FLIP_ALTERNATING: half of the images, chosen for epoch 0; from epoch to epoch each image
 * alternates (Jordan 2024, arXiv 2404.00498), so that two epochs show all images both ways, which the independent draws
 * of FLIP_RANDOM do not. Crop of the image padded by 4 pixels; each shift is the sum of two draws in -2..2, so that
 * small shifts come more often. Padding mirrors the image (c b | a b c): black would be a false edge. Cutout (DeVries
 * and Taylor 2017) with 1/2: 8 x 8 pixels of mid grey, the centre anywhere in the image. Half the paper's width and
 * half of the time: 16 x 16 pays after a hundred epochs. Crop and cutout reach no image in epoch 0, and an eighth more
 * of them in each later one, all from epoch 8 on: a network that has not yet seen an image cannot overfit it, and runs
 * of three epochs lose by harder images (micro on real images: 70.2 % after three epochs with all of them altered from
 * the start).
 *
 * Draws are keyed (seed, PHILOX_AUGMENT, epoch, index). */
void augment_image(const struct augment_options *options, const uint8_t *image, uint64_t seed, uint32_t epoch,
                   uint32_t index, uint8_t *out, struct augmentation *what);

/* What was done in the words of a caption, in the order in which it was done: "crop +2,-3, flip, cutout", "rotate -7°",
 * "unchanged". The crop's numbers are where its window went, to the right and down; a positive angle turns
 * counter-clockwise. Always ended within `size` bytes; AUGMENT_TEXT_SIZE hold any. */
enum { AUGMENT_TEXT_SIZE = 64 };
void augment_describe(const struct augmentation *what, char *text, size_t size);

/* The set's statistics as normalisation uses them, of bytes: (byte - mean) * scale; scale 0 where the deviation is 0.
 */
void normalize_by_set(const struct channel_statistics *statistics, float mean[3], float scale[3]);

/* The values of an image (3, 32, 32) as normalisation makes them of its bytes, by channel: (byte - mean) * scale. See
 * the next. */
void normalize_by(enum normalize_kind kind, const struct channel_statistics *statistics, const uint8_t *image,
                  float mean[3], float scale[3]);

/* Planar bytes (3, 32, 32) -> NHWC floats (32, 32, 3): (x / 255 - mean) / deviation, per channel of the set
 * (`statistics`; NORMALIZE_DATASET), or by the image's own mean and population deviation over all its values (the
 * report; `statistics` may be NULL). Where the deviation is 0 all values are the mean, and the result is 0. */
void normalize_image(enum normalize_kind kind, const struct channel_statistics *statistics, const uint8_t *image,
                     float *out);

#endif
