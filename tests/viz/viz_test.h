/* What the tests of viz share: cmocka, canvases and series that must exist, and numbers that are the same everywhere.
 */
#ifndef NFBENCH_TESTS_VIZ_VIZ_TEST_H
#define NFBENCH_TESTS_VIZ_VIZ_TEST_H

#include "viz/canvas.h"
#include "viz/series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those four */
#include <cmocka.h>

static inline struct canvas *cells_of(int columns, int rows, enum glyph_set glyphs)
{
    struct error error = {""};
    struct canvas *canvas = NULL;
    if (canvas_create_cells(columns, rows, glyphs, &canvas, &error))
        fail_msg("%s", error.message);
    return canvas;
}

static inline const struct cell *cell_at(const struct canvas *canvas, int column, int row)
{
    return canvas_cells(canvas) + row * canvas_area(canvas).columns + column;
}

static inline struct series *new_series(double smoothing)
{
    struct error error = {""};
    struct series *series = NULL;
    if (series_create(smoothing, &series, &error))
        fail_msg("%s", error.message);
    return series;
}

static inline void append(struct series *series, double x, float y)
{
    struct error error = {""};
    if (series_append(series, x, y, &error))
        fail_msg("%s", error.message);
}

/* Evenly in [0, 1), from a linear congruential generator (Knuth's MMIX). */
static inline double random_part(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0;
}

#endif
