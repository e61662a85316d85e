/* What the tests of viz share: cmocka, files, canvases and series that must exist, and numbers that are the same
 * everywhere. */
#ifndef NFBENCH_TESTS_VIZ_VIZ_TEST_H
#define NFBENCH_TESTS_VIZ_VIZ_TEST_H

#include "viz/canvas.h"
#include "viz/print.h"
#include "viz/series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those four */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

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

/* What is drawn, as text without colours; the caller frees it. (Inlined, gcc takes `text` for what it points to, and
 * warns of it.) */
__attribute__((noinline, unused)) static char *text_of(const struct canvas *canvas)
{
    char *text = NULL;
    size_t size;
    struct error error = {""};
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    if (canvas_print(canvas, file, NULL, &error))
        fail_msg("%s", error.message);
    assert_int_equal(fclose(file), 0);
    return text;
}

/* Compares with the golden text in `path`, or writes it with NFBENCH_WRITE_GOLDEN=1; gives the canvas up. */
static inline void check_golden_text(const char *path, struct canvas *canvas)
{
    char *text = text_of(canvas), expected[32768] = "";
    bool write = getenv("NFBENCH_WRITE_GOLDEN") != NULL;
    FILE *file = fopen(path, write ? "w" : "r");
    if (!file)
        fail_msg("%s cannot be opened (run in the project's root)", path);
    if (write)
        assert_true(fputs(text, file) >= 0);
    else
        assert_true(fread(expected, 1, sizeof expected - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    if (!write && strcmp(text, expected))
        fail_msg("%s differs from what is drawn:\n%s", path, text);
    free(text);
    canvas_destroy(canvas);
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
