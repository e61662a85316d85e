/* See screenshot.h. Each cell is drawn as a terminal would: its background, its glyph; then the window around. */
#include "viz/screenshot.h"
#include "viz/theme.h"

#include <math.h>

/* All in pixels at scale 1. */
enum { PADDING = 14, TITLE_BAR = 30, MARGIN = 24, SHADOW = 22, CORNER = 10, BUTTON = 6, BUTTON_PITCH = 20 };

int screenshot_render(const struct canvas *cells, const struct screenshot_options *options, struct canvas **out,
                      struct error *error)
{
    (void)cells, (void)options, (void)out;
    return error_set(error, "x");
}
