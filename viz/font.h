/* The bitmap font of pixel canvases. Letters are a table made from the X11 misc-fixed font; box drawing, blocks and
 * braille are drawn by rule, so that cells join without gaps at any scale. */
#ifndef NFBENCH_VIZ_FONT_H
#define NFBENCH_VIZ_FONT_H

#include <stdbool.h>
#include <stdint.h>

enum { FONT_WIDTH = 10, FONT_HEIGHT = 20, FONT_SCALE_MAX = 4 };

/* Whether the font can draw it. */
bool font_covers(uint32_t code);
/* Coverage 0..255 of the glyph at a scale, row major, (FONT_HEIGHT * scale, FONT_WIDTH * scale * columns), where
 * columns is 2 for wide characters (drawn as a frame: the font has none) and 1 for all others. What the font lacks is
 * drawn as a small frame too. */
void font_render(uint32_t code, int scale, bool bold, uint8_t *coverage);

#endif
