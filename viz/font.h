/* The bitmap font of pixel canvases. Letters are a table made from the X11 misc-fixed font; box drawing, blocks and
 * braille are drawn by rule, so that cells join without gaps at any scale. */
#ifndef NFBENCH_VIZ_FONT_H
#define NFBENCH_VIZ_FONT_H

#include <stdbool.h>
#include <stdint.h>

enum { FONT_WIDTH = 10, FONT_HEIGHT = 20, FONT_SCALE_MAX = 4 };

/* Whether the font can draw it. */
bool font_covers(uint32_t code);
/* Coverage 0..255 of the glyph at a scale of 1 to FONT_SCALE_MAX, row major, (FONT_HEIGHT * scale, FONT_WIDTH * scale),
 * twice as wide when `wide`. What the font lacks (all wide characters) is drawn as a frame. */
void font_render(uint32_t code, int scale, bool bold, bool wide, uint8_t *coverage);

#endif
