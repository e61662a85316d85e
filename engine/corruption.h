/* Corrupted test images, to see how much of its accuracy a network keeps: those corruptions of CIFAR-10-C (Hendrycks
 * and Dietterich 2019, arXiv 1903.12261) that need no pictures of their own, with the constants of their code
 * (make_cifar_c.py) and rounding to the nearest byte, where they cut. Each image is corrupted as it is needed, always
 * in the same way: randomness is keyed (0, PHILOX_CORRUPTION, kind, image), so that all networks see the same images,
 * and the severities of a kind differ in their strength alone. */
#ifndef NFBENCH_ENGINE_CORRUPTION_H
#define NFBENCH_ENGINE_CORRUPTION_H

#include "base/error.h"

#include <stdint.h>

enum corruption_kind {
    CORRUPTION_GAUSSIAN_NOISE, /* normal, on each value */
    CORRUPTION_SHOT_NOISE,     /* Poisson: of few photons */
    CORRUPTION_IMPULSE_NOISE,  /* salt and pepper: values become 0 or 255 */
    CORRUPTION_DEFOCUS_BLUR,   /* a small disc, its edge smoothed */
    CORRUPTION_BRIGHTNESS,     /* added to the value of HSV */
    CORRUPTION_CONTRAST,       /* less distance from each channel's mean */
    CORRUPTION_PIXELATE,       /* made smaller and larger again, box filter */
    CORRUPTION_JPEG,           /* as libjpeg stores it: DCT of 8x8 blocks, quantised; colours at half the resolution */
    CORRUPTION_KINDS
};
enum { CORRUPTION_SEVERITIES = 5 };

const char *corruption_name(enum corruption_kind kind); /* "gaussian noise" */

struct corruption;

/* Of a severity of 1 to 5. Read only afterwards, so any number of threads may use one. -1 for want of memory. */
int corruption_create(enum corruption_kind kind, int severity, struct corruption **out, struct error *error);
void corruption_destroy(struct corruption *corruption); /* NULL is fine */

/* Planar bytes (3, 32, 32) of image `index` of its split into others; `out` must not overlap `image`. */
void corruption_apply(const struct corruption *corruption, uint32_t index, const uint8_t *image, uint8_t *out);

/* The image as JPEG of a quality of 1 to 100 would give it back, without the file: what is lossless is left out. */
void jpeg_degrade(int quality, const uint8_t *image, uint8_t *out);

#endif
