/* Confusion matrix, image grid: the numbers are there, and no size fails. */
#include "tests/viz/viz_test.h"
#include "viz/heatmap.h"
#include "viz/image_grid.h"
#include "viz/print.h"
#include "viz/theme.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 10, MANY_CLASSES = 100 };

static const char *const names[CLASSES] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                           "dog",      "frog",       "horse", "ship", "truck"};

static void fill_counts(uint32_t *counts, int classes)
{
    for (int i = 0; i < classes * classes; i++)
        counts[i] = i % (classes + 1) == 0 ? 900 : (uint32_t)(i % 13);
}

static char *text_of(const struct canvas *canvas)
{
    char *text = NULL;
    size_t size;
    struct error error = {""};
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    assert_int_equal(canvas_print(canvas, file, NULL, &error), 0);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void a_confusion_matrix_has_all_its_numbers(void **state)
{
    (void)state;
    uint32_t counts[CLASSES * CLASSES];
    fill_counts(counts, CLASSES);
    struct heatmap heatmap = {.title = "Confusion",
                              .counts = counts,
                              .rows = CLASSES,
                              .columns = CLASSES,
                              .row_names = names,
                              .column_names = names,
                              .row_label = "truth",
                              .column_label = "predicted",
                              .map = COLORMAP_BLUE};
    int columns, rows;
    heatmap_size(&heatmap, &columns, &rows);
    for (int glyphs = GLYPHS_BRAILLE; glyphs <= GLYPHS_ASCII; glyphs++) {
        struct canvas *canvas = cells_of(columns, rows, (enum glyph_set)glyphs);
        heatmap_draw(canvas, canvas_area(canvas), &heatmap);
        char *text = text_of(canvas), *line = text, *rest = NULL;
        assert_non_null(strstr(text, "Confusion"));
        for (int skip = 0; skip < 3; skip++) /* title, labels, names */
            line = strchr(line, '\n') + 1;
        for (int row = 0; row < CLASSES; row++) {
            assert_int_equal(strncmp(line, names[row], strlen(names[row])), 0);
            line += strlen(names[row]);
            for (int column = 0; column < CLASSES; column++, line = rest)
                assert_int_equal(strtol(line, &rest, 10), counts[row * CLASSES + column]);
            assert_int_equal(*line, '\n');
            line++;
        }
        free(text);
        canvas_destroy(canvas);
    }
}

static void heatmaps_of_any_size_do_not_fail(void **state)
{
    (void)state;
    static uint32_t counts[MANY_CLASSES * MANY_CLASSES];
    for (int classes = 1; classes <= MANY_CLASSES; classes *= 10) {
        fill_counts(counts, classes);
        struct heatmap heatmap = {.title = "Confusion",
                                  .counts = counts,
                                  .rows = classes,
                                  .columns = classes,
                                  .row_label = "truth",
                                  .column_label = "predicted",
                                  .map = COLORMAP_VIRIDIS};
        for (int rows = 1; rows <= 110; rows = rows * 3 / 2 + 1)
            for (int columns = 1; columns <= 300; columns = columns * 3 / 2 + 1) {
                struct canvas *canvas = cells_of(columns + 4, rows + 4, GLYPHS_BRAILLE);
                heatmap_draw(canvas, (struct rect){2, 2, columns, rows}, &heatmap);
                for (int x = 0; x < columns + 4; x++) { /* and stays in its area */
                    assert_int_equal(cell_at(canvas, x, 1)->style.background, 0);
                    assert_int_equal(cell_at(canvas, x, rows + 2)->style.background, 0);
                }
                canvas_destroy(canvas);
            }
    }
}

static void colormaps_get_lighter_and_stay_readable(void **state)
{
    (void)state;
    assert_int_equal(colormap_color(COLORMAP_VIRIDIS, 0), 0x440154);
    assert_int_equal(colormap_color(COLORMAP_VIRIDIS, 1), 0xFDE725);
    assert_int_equal(colormap_color(COLORMAP_VIRIDIS, 7), 0xFDE725);
    assert_int_equal(colormap_color(COLORMAP_DIVERGING, 0.5), 0xF4F4F4);
    assert_int_equal(colormap_color(COLORMAP_BLUE, NAN), 0x808080);
    assert_int_equal(color_readable_on(0x000000), 0xFFFFFF);
    assert_int_equal(color_readable_on(0xFFFFFF), 0x000000);
    for (int map = COLORMAP_VIRIDIS; map <= COLORMAP_BLUE; map++) {
        double before = -1;
        for (int i = 0; i <= 100; i++) {
            uint32_t color = colormap_color((enum colormap)map, i / 100.0);
            double grey = 0.2126 * (color >> 16) + 0.7152 * (color >> 8 & 0xFF) + 0.0722 * (color & 0xFF);
            assert_true(grey >= before);
            before = grey;
        }
    }
}

static void an_image_grid_shows_every_image(void **state)
{
    (void)state;
    enum { IMAGES = 12, SIZE = 32 };
    static uint8_t planes[3 * SIZE * SIZE], rgb[IMAGES][3 * SIZE * SIZE];
    struct grid_image images[IMAGES];
    struct error error = {""};
    for (int i = 0; i < IMAGES; i++) {
        memset(planes, 20 * i, SIZE * SIZE);
        memset(planes + SIZE * SIZE, 100, 2 * SIZE * SIZE);
        rgb_from_planes(planes, SIZE, rgb[i]);
        images[i] = (struct grid_image){rgb[i], names[i % CLASSES], ROLE_GOOD};
    }
    assert_int_equal(rgb[3][0], 60);
    assert_int_equal(rgb[3][2], 100);
    struct image_grid grid = {.title = "A batch", .images = images, .count = IMAGES, .size = SIZE};
    struct canvas *canvas;
    for (int enlarge = 1; enlarge <= 6; enlarge++) {
        assert_int_equal(image_grid_render(&grid, enlarge, theme_at(0), &canvas, &error), 0);
        int width, height;
        const uint8_t *pixels = canvas_pixels(canvas, &width, &height);
        long found[IMAGES] = {0};
        for (long p = 0; p < (long)width * height; p++)
            if (pixels[3 * p + 1] == 100 && pixels[3 * p + 2] == 100 && pixels[3 * p] % 20 == 0)
                found[pixels[3 * p] / 20]++;
        for (int i = 0; i < IMAGES; i++)
            assert_int_equal(found[i], (long)SIZE * SIZE * enlarge * enlarge);
        canvas_destroy(canvas);
    }
    assert_int_equal(image_grid_render(&grid, 0, theme_at(0), &canvas, &error), -1);
    for (int rows = 0; rows <= 60; rows += 3)
        for (int columns = 0; columns <= 140; columns += 7) {
            canvas = cells_of(columns, rows, GLYPHS_BRAILLE);
            grid.per_row = columns % 3 ? 0 : 4;
            image_grid_draw(canvas, canvas_area(canvas), &grid);
            canvas_destroy(canvas);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_confusion_matrix_has_all_its_numbers),
        cmocka_unit_test(heatmaps_of_any_size_do_not_fail),
        cmocka_unit_test(colormaps_get_lighter_and_stay_readable),
        cmocka_unit_test(an_image_grid_shows_every_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
