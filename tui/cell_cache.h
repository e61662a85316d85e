/* Drawings that cost much and change seldom, such as the strips in the table of blocks: the cells of each are kept and
 * put down again until something changes, so that a screen which shows a hundred of them takes no time from the
 * training. */
#ifndef NFBENCH_TUI_CELL_CACHE_H
#define NFBENCH_TUI_CELL_CACHE_H

#include "viz/canvas.h"

struct cell_cache;

/* `*cache` may be NULL: then it is made; where memory is out it stays NULL, which the calls below take. For `count`
 * drawings of the same size on canvases of these glyphs; `version` tells what they show. All that is kept is forgotten
 * when any of this differs from before. */
void cell_cache_fit(struct cell_cache **cache, int count, int columns, int rows, enum glyph_set glyphs, long version);
/* Puts a drawing down with its left upper corner there; false when it is not kept. */
bool cell_cache_put(const struct cell_cache *cache, int index, struct canvas *canvas, int column, int row);
/* Keeps what has just been drawn there; nothing on a canvas of pixels. */
void cell_cache_keep(struct cell_cache *cache, int index, const struct canvas *canvas, int column, int row);
void cell_cache_destroy(struct cell_cache *cache);

#endif
