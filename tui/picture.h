/* Pictures of the run: the screen as it is, and each chart as a figure. Drawn at once, packed and written on a thread,
 * since that takes longer than a frame. */
#ifndef NFBENCH_TUI_PICTURE_H
#define NFBENCH_TUI_PICTURE_H

#include "tui/scene.h"
#include "viz/theme.h"

struct picture;

/* Draws the scene, so many cells large, and its charts, and begins to write PATH (the screen) and PATH's name with
 * -loss and -accuracy before its .png (the charts). `path` ends in .png. The theme must outlive it. */
int picture_start(struct scene *scene, const struct theme *theme, struct rect cells, enum glyph_set glyphs,
                  const char *path, struct picture **out, struct error *error);
/* Readable (an eventfd) when all is written, or has failed. */
int picture_fd(const struct picture *picture);
const char *picture_path(const struct picture *picture);
/* Waits for the end, frees, and says how it went. */
int picture_finish(struct picture *picture, struct error *error);

#endif
