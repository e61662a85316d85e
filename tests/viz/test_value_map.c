/* The map of values: each cell has its number, its colour and its name; what came to nothing is crossed out. */
#include "tests/viz/viz_test.h"
#include "viz/print.h"
#include "viz/value_map.h"

#include <math.h>
#include <stdlib.h>

static const char *const rates[] = {"0.01", "0.1"};
static const char *const batches[] = {"32", "64", "128"};
static const struct value_cell cells[] = {
    {.value = 50, .text = "50.00", .sub = "epoch 2"},
    {.value = 60, .text = "60.00"},
    {.value = 75, .text = "75.00", .marked = true},
    {.value = NAN, .text = "diverged", .sub = "at step 8", .crossed = true},
    {.value = NAN, .text = "waiting"},
    {.value = 70, .text = "70.00"},
};

static struct value_map map_of_six(void)
{
    return (struct value_map){.title = "agc 0",
                              .cells = cells,
                              .rows = 2,
                              .columns = 3,
                              .row_names = rates,
                              .column_names = batches,
                              .row_label = "lr",
                              .column_label = "batch",
                              .low = 50,
                              .high = 75,
                              .map = COLORMAP_VIRIDIS};
}

/* A row of the canvas as text. */
static const char *row_text(const struct canvas *canvas, int row)
{
    static char text[512];
    const struct rect area = canvas_area(canvas);
    size_t used = 0;
    for (int x = 0; x < area.columns; x++)
        used += (size_t)text_encode(canvas_cells(canvas)[row * area.columns + x].code, text + used);
    text[used] = '\0';
    return text;
}

static uint32_t ground_of(const struct canvas *canvas, const char *words)
{
    const struct rect area = canvas_area(canvas);
    for (int y = 0; y < area.rows; y++) {
        const char *found = strstr(row_text(canvas, y), words);
        if (found)
            return canvas_cells(canvas)[y * area.columns + text_columns(row_text(canvas, y)) - text_columns(found)]
                .style.background;
    }
    fail_msg("'%s' is not drawn", words);
    return 0;
}

static void each_cell_has_its_number_and_colour(void **state)
{
    struct canvas *canvas;
    struct error error;
    int columns, rows;
    (void)state;
    const struct value_map map = map_of_six();
    value_map_size(&map, &columns, &rows);
    assert_int_equal(canvas_create_cells(columns, rows, GLYPHS_BLOCK, &canvas, &error), 0);
    value_map_draw(canvas, canvas_area(canvas), &map);
    assert_non_null(strstr(row_text(canvas, 0), "agc 0"));
    assert_non_null(strstr(row_text(canvas, 1), "batch"));
    assert_non_null(strstr(row_text(canvas, 2), "lr"));
    const char *heads = row_text(canvas, 2);
    assert_true(strstr(heads, "32") < strstr(heads, "64") && strstr(heads, "64") < strstr(heads, "128"));
    assert_int_equal(ground_of(canvas, "50.00"), COLOR_EXACT | colormap_color(COLORMAP_VIRIDIS, 0));
    assert_int_equal(ground_of(canvas, "epoch 2"), COLOR_EXACT | colormap_color(COLORMAP_VIRIDIS, 0));
    assert_int_equal(ground_of(canvas, "75.00"), COLOR_EXACT | colormap_color(COLORMAP_VIRIDIS, 1));
    assert_int_equal(ground_of(canvas, "70.00"), COLOR_EXACT | colormap_color(COLORMAP_VIRIDIS, 0.8));
    assert_int_equal(ground_of(canvas, "diverged"), COLOR_BY_ROLE);
    assert_int_equal(ground_of(canvas, "waiting"), COLOR_BY_ROLE);
    canvas_destroy(canvas);
}

/* The strokes of the cross are in the cell that came to nothing, and in no other. */
static void what_came_to_nothing_is_crossed_out(void **state)
{
    struct canvas *canvas;
    struct error error;
    int columns, rows, strokes[2] = {0, 0};
    (void)state;
    const struct value_map map = map_of_six();
    value_map_size(&map, &columns, &rows);
    assert_int_equal(canvas_create_cells(columns, rows, GLYPHS_BRAILLE, &canvas, &error), 0);
    value_map_draw(canvas, canvas_area(canvas), &map);
    const int top = rows - 5, left = columns - 3 * ((columns - 6) / 3);
    for (int y = 0; y < rows; y++)
        for (int x = left; x < columns; x++)
            if (canvas_cells(canvas)[y * columns + x].style.role == ROLE_BAD)
                strokes[y >= top && x < left + (columns - 6) / 3]++;
    assert_int_equal(strokes[0], 0);
    assert_true(strokes[1] > 20);
    canvas_destroy(canvas);
}

static void it_fits_anywhere(void **state)
{
    struct error error;
    (void)state;
    const struct value_map map = map_of_six();
    for (int size = 1; size < 40; size += 3) {
        struct canvas *canvas;
        assert_int_equal(canvas_create_cells(size, size / 2 + 1, GLYPHS_ASCII, &canvas, &error), 0);
        value_map_draw(canvas, canvas_area(canvas), &map);
        value_scale_draw(canvas, canvas_area(canvas), COLORMAP_VIRIDIS, "50", "75");
        canvas_destroy(canvas);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cell_has_its_number_and_colour),
        cmocka_unit_test(what_came_to_nothing_is_crossed_out),
        cmocka_unit_test(it_fits_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
