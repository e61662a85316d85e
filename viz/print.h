/* Prints a canvas of cells as lines of text: `nfbench test`'s confusion matrix on a terminal or in a log, and the
 * expected texts of tests. */
#ifndef NFBENCH_VIZ_PRINT_H
#define NFBENCH_VIZ_PRINT_H

#include "viz/canvas.h"

#include <stdio.h>

/* UTF-8, a line a row without blanks at its end. With a theme in its colours, by ANSI escapes for 256 colours, reset
 * at each line's end; NULL: plain. -1 when the file cannot be written. */
int canvas_print(const struct canvas *canvas, FILE *file, const struct theme *theme, struct error *error);
/* Encodes one code point, ends it with 0; returns its bytes (1 to 4). */
int text_encode(uint32_t code, char out[5]);

#endif
