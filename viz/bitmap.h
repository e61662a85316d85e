/* Pictures that come from elsewhere: a PNG or JPEG file decoded, and its middle made small enough for a network. */
#ifndef NFBENCH_VIZ_BITMAP_H
#define NFBENCH_VIZ_BITMAP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pixels that a picture may have. */
enum { BITMAP_MOST_PIXELS = 100000000 };

struct bitmap {
    int width, height;
    uint8_t *rgb; /* (height, width, 3) */
};

/* Whether these bytes begin as a PNG file does. */
bool png_is_one(const void *data, size_t size);

/* Decodes the bytes of a PNG file of any kind: grey, palette, colours, 1 to 16 bit, interlaced. 16 bits are rounded to
 * 8; transparent pixels are laid over white, in the values as they are, as browsers do. Values are taken as they are,
 * whatever gamma or colour profile the file names (so does PIL). The pixels are freed with bitmap_free. -1 when the
 * file is broken, cut short or has more than BITMAP_MOST_PIXELS. */
int png_read(const void *data, size_t size, struct bitmap *out, struct error *error);

/* Whether these bytes begin as a JPEG file does. */
bool jpeg_is_one(const void *data, size_t size);

/* The same of a JPEG file: grey, YCbCr, RGB, CMYK or YCCK, baseline or progressive; bit for bit what Pillow gives where
 * both use one libjpeg. CMYK becomes RGB as Image.convert makes it. It is turned as its EXIF orientation says (in
 * Pillow by ImageOps.exif_transpose). What stands behind the image's end is not looked at. A JPEG has no checksum: -1
 * for damage that its decoding shows, other damage is not seen. */
int jpeg_read(const void *data, size_t size, struct bitmap *out, struct error *error);
void bitmap_free(struct bitmap *bitmap);

/* The greatest square in the picture's middle, as `out` (size, size, 3). It is resized by the bicubic filter (Keys
 * 1981, a = -1/2) over its true support, which is wider the smaller the picture becomes, so that nothing aliases; in
 * sRGB values, first along rows, then along columns, each time rounded to bytes: bit for bit what Image.resize of
 * Pillow gives, with which most small-image sets of today are made. A square of that size already is copied. */
int bitmap_square(const struct bitmap *bitmap, int size, uint8_t *out, struct error *error);

#endif
