/* Turns a screen of cells into a picture of a terminal window: the README's picture and `export screen`. */
#ifndef NFBENCH_VIZ_SCREENSHOT_H
#define NFBENCH_VIZ_SCREENSHOT_H

#include "viz/canvas.h"
#include "viz/png.h"

struct screenshot_options {
    const struct theme *theme;     /* NULL: dark */
    const char *title;             /* in the window's frame; NULL: no frame, padding alone */
    int scale;                     /* of the font, 1..4; 0: 2 */
    int cursor_column, cursor_row; /* where the terminal's cursor stands; < 0: hidden */
};

/* Draws a cell canvas into a new pixel canvas that the caller destroys. */
int screenshot_render(const struct canvas *cells, const struct screenshot_options *options, struct canvas **out,
                      struct error *error);
int screenshot_write(const char *path, const struct canvas *cells, const struct screenshot_options *options,
                     const struct png_caption *texts, int text_count, struct error *error);

#endif
