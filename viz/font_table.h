/* The letters of viz/font.c. */
#ifndef NFBENCH_VIZ_FONT_TABLE_H
#define NFBENCH_VIZ_FONT_TABLE_H

#include <stdint.h>

struct font_glyph {
    uint16_t code;
    uint8_t first;     /* row of the first line of bits; 0 from the top */
    uint16_t rows[20]; /* leftmost pixel in bit 9 */
};

extern const struct font_glyph font_glyphs[]; /* by rising code */
extern const int font_glyph_count;

#endif
