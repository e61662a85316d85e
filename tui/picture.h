/* Pictures of the run: the screen as it is, and each chart as a figure. */
#ifndef NFBENCH_TUI_PICTURE_H
#define NFBENCH_TUI_PICTURE_H

#include "tui/scene.h"
#include "viz/theme.h"

/* Writes PATH (the screen, so many cells) and PATH's name with -loss and -accuracy before its .png (the charts). `path`
 * ends in .png. */
int picture_write(struct scene *scene, const struct theme *theme, struct rect cells, enum glyph_set glyphs,
                  const char *path, struct error *error);

#endif
