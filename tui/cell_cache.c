/* See cell_cache.h. */
#include "tui/cell_cache.h"

#include <stdlib.h>
#include <string.h>

struct cell_cache {
    int count, columns, rows;
    enum glyph_set glyphs;
    long version;
    bool *kept;         /* (count) */
    struct cell *cells; /* (count, rows, columns) */
};

void cell_cache_destroy(struct cell_cache *cache)
{
    if (!cache)
        return;
    free(cache->kept);
    free(cache->cells);
    free(cache);
}

static struct cell_cache *create(int count, int columns, int rows)
{
    struct cell_cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        return NULL;
    cache->count = count;
    cache->columns = columns;
    cache->rows = rows;
    cache->kept = calloc((size_t)count, sizeof(*cache->kept));
    cache->cells = calloc((size_t)count * (size_t)rows * (size_t)columns, sizeof(*cache->cells));
    if (cache->kept && cache->cells)
        return cache;
    cell_cache_destroy(cache);
    return NULL;
}

void cell_cache_fit(struct cell_cache **cache, int count, int columns, int rows, enum glyph_set glyphs, long version)
{
    struct cell_cache *old = *cache;

    if (!old || old->count != count || old->columns != columns || old->rows != rows) {
        cell_cache_destroy(old);
        *cache = create(count, columns, rows);
    } else if (old->glyphs != glyphs || old->version != version) {
        memset(old->kept, 0, (size_t)count * sizeof(*old->kept));
    }
    if (!*cache)
        return;
    (*cache)->glyphs = glyphs;
    (*cache)->version = version;
}

static struct cell *drawing(const struct cell_cache *cache, int index)
{
    return cache->cells + (size_t)index * (size_t)cache->rows * (size_t)cache->columns;
}

bool cell_cache_put(const struct cell_cache *cache, int index, struct canvas *canvas, int column, int row)
{
    const struct cell *cell;

    if (!cache || !cache->kept[index])
        return false;
    cell = drawing(cache, index);
    for (int r = 0; r < cache->rows; r++)
        for (int c = 0; c < cache->columns; c++, cell++)
            canvas_put(canvas, column + c, row + r, cell->style, cell->code);
    return true;
}

void cell_cache_keep(struct cell_cache *cache, int index, const struct canvas *canvas, int column, int row)
{
    const struct cell *cells = canvas_cells(canvas);
    struct rect all = canvas_area(canvas);

    if (!cache || !cells || column < 0 || row < 0 || column + cache->columns > all.columns ||
        row + cache->rows > all.rows)
        return;
    for (int r = 0; r < cache->rows; r++)
        memcpy(drawing(cache, index) + r * cache->columns, cells + (row + r) * all.columns + column,
               (size_t)cache->columns * sizeof(*cells));
    cache->kept[index] = true;
}
