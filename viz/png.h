/* Writes RGB images as PNG files, whole or not at all. */
#ifndef NFBENCH_VIZ_PNG_H
#define NFBENCH_VIZ_PNG_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct canvas;

struct png_caption {
    const char *key;   /* 1 to 79 Latin-1 characters, "nfbench:session" */
    const char *value; /* UTF-8 */
};

/* `rgb` is (height, width, 3). Writes an sRGB chunk, iTXt "Software" and the further texts; a temporary file in the
 * same folder, fsync, rename. Where a link stands, the file that it leads to is replaced; a pipe or a device is written
 * into. */
int png_write(const char *path, const uint8_t *rgb, int width, int height, const struct png_caption *texts,
              int text_count, struct error *error);
/* The same of a pixel canvas. */
int png_write_canvas(const char *path, const struct canvas *canvas, const struct png_caption *texts, int text_count,
                     struct error *error);

/* The bytes of such a file without texts, to be freed by the caller. */
int png_encode(const uint8_t *rgb, int width, int height, char **data, size_t *size, struct error *error);

#endif
