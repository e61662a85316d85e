/* Pictures as terminals with pixel graphics take them: DEC's sixels and kitty's graphics protocol. Both write escape
 * sequences to a file; where the cursor stands is where the picture's upper left corner comes. */
#ifndef NFBENCH_VIZ_SIXEL_H
#define NFBENCH_VIZ_SIXEL_H

#include "base/error.h"

#include <stdint.h>
#include <stdio.h>

/* RGB (source_height, source_width, 3), enlarged or shrunk (nearest pixel) to width x height, in at most 256 colours
 * chosen for it (median cut: Heckbert, Color image quantization for frame buffer display, 1982). -1 for want of memory.
 */
int sixel_write(FILE *file, const uint8_t *rgb, int source_width, int source_height, int width, int height,
                struct error *error);

/* The picture number `id` (from 1) over columns x rows cells, to which the terminal fits it; one of the same number
 * goes. Small pictures are enlarged first, for the terminal would blur their pixels. */
int kitty_write(FILE *file, unsigned id, const uint8_t *rgb, int width, int height, int columns, int rows,
                struct error *error);
/* Takes the picture away and forgets it. */
void kitty_delete(FILE *file, unsigned id);

#endif
