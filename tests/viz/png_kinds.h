/* PNG files of every kind: grey, palette, colours, with alpha and with a transparent colour, 1 to 16 bit, interlaced or
 * not; and what their pixels are as RGB over white. */
#ifndef NFBENCH_TESTS_VIZ_PNG_KINDS_H
#define NFBENCH_TESTS_VIZ_PNG_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PNG_KINDS = 16 };

struct png_file {
    uint8_t bytes[1 << 17];
    size_t size;
};

/* Fails the test when it cannot. */
void png_kind_make(int index, int width, int height, struct png_file *file);
uint8_t png_kind_value(int index, int x, int y, int channel);

#endif
