/* Confusion matrix, image grid: the numbers are there, and no size fails. */
#include "tests/viz/viz_test.h"
#include "viz/heatmap.h"
#include "viz/image_grid.h"
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

/* A hundred classes: columns headed by numbers, which stand before the names of the rows; counts of 0 blank; the notes
 * behind; and all of it in the size that it asks for. */
static void many_classes_are_numbered_and_noted(void **state)
{
    (void)state;
    static uint32_t counts[MANY_CLASSES * MANY_CLASSES];
    static char labels[MANY_CLASSES][16], notes[MANY_CLASSES][16];
    static const char *label_list[MANY_CLASSES], *note_list[MANY_CLASSES];
    for (int i = 0; i < MANY_CLASSES; i++) {
        snprintf(labels[i], sizeof labels[i], "sort_%c_of_fish", 'a' + i % 26);
        snprintf(notes[i], sizeof notes[i], "%d.25 %%", i);
        label_list[i] = labels[i];
        note_list[i] = notes[i];
        counts[i * MANY_CLASSES + i] = 88;
        counts[i * MANY_CLASSES + (i + 3) % MANY_CLASSES] = 12;
    }
    counts[5 * MANY_CLASSES + 50] = 7;
    struct heatmap heatmap = {.title = "Confusion",
                              .note = "of a hundred",
                              .counts = counts,
                              .rows = MANY_CLASSES,
                              .columns = MANY_CLASSES,
                              .row_names = label_list,
                              .column_names = label_list,
                              .row_label = "truth",
                              .column_label = "predicted",
                              .row_notes = note_list,
                              .note_label = "right",
                              .map = COLORMAP_BLUE};
    int columns, rows;
    heatmap_size(&heatmap, &columns, &rows);
    struct canvas *canvas = cells_of(columns, rows, GLYPHS_BRAILLE);
    heatmap_draw(canvas, canvas_area(canvas), &heatmap);
    char *text = text_of(canvas), *line = text, *rest = NULL;
    for (int skip = 0; skip < 3; skip++) /* title, note, labels */
        line = strchr(line, '\n') + 1;
    assert_int_equal(strncmp(line, "truth", 5), 0);
    const long below_50 = strstr(line, " 50 ") + 2 - line; /* its last digit */
    rest = line + 5;
    for (int column = 0; column < MANY_CLASSES; column++)
        assert_int_equal(strtol(rest, &rest, 10), column);
    assert_int_equal(strncmp(rest + strspn(rest, " "), "right\n", 6), 0);
    for (int row = 0; row < MANY_CLASSES; row++) {
        char expected[32];
        line = strchr(line, '\n') + 1;
        snprintf(expected, sizeof expected, "%2d %s ", row, labels[row]);
        assert_int_equal(strncmp(line, expected, strlen(expected)), 0);
        const long first = strtol(line + strlen(expected), &rest, 10), second = strtol(rest, &rest, 10);
        assert_int_equal(first, row < 97 ? 88 : 12);
        assert_int_equal(second, row < 97 ? 12 : 88);
        assert_int_equal(line[below_50], row == 5 ? '7' : row == 50 ? '8' : row == 47 ? '2' : ' ');
        if (row == 5)
            assert_int_equal(strtol(rest, &rest, 10), 7);
        snprintf(expected, sizeof expected, "%s\n", notes[row]);
        assert_int_equal(strncmp(rest + strspn(rest, " "), expected, strlen(expected)), 0);
    }
    free(text);
    canvas_destroy(canvas);
}

static void colormaps_get_lighter_and_stay_readable(void **state)
{
    (void)state;
    assert_int_equal(colormap_color(COLORMAP_VIRIDIS, 0), 0x440154);
    assert_int_equal(colormap_color(COLORMAP_VIRIDIS, 1), 0xFDE725);
    assert_int_equal(colormap_color(COLORMAP_VIRIDIS, 7), 0xFDE725);
    assert_int_equal(colormap_color(COLORMAP_DIVERGING, 0.5), 0xF4F4F4);
    assert_int_equal(colormap_color(COLORMAP_BLUE, NAN), 0x808080);
    assert_int_equal(colormap_color(COLORMAP_BLUE_LIGHT, 0), 0xFFFFFF);
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

/* On pixels, `area` of a grid's own size; what is drawn in it is the whole grid. */
static struct canvas *render(const struct image_grid *grid, int tile, int scale)
{
    struct canvas *canvas;
    struct error error = {""};
    int columns, rows;
    image_grid_size(grid, tile, &columns, &rows);
    const struct dot_grid dots = {10 * scale, 20 * scale};
    assert_int_equal(
        canvas_create_pixels((columns + 2) * dots.x, (rows + 2) * dots.y, scale, theme_find("light"), &canvas, &error),
        0);
    assert_int_equal(canvas_dots(canvas).x, dots.x);
    image_grid_draw(canvas, (struct rect){1, 1, columns, rows}, grid);
    return canvas;
}

/* Pixels of just this colour. */
static long pixels_of(const struct canvas *canvas, int red, int green, int blue)
{
    int width, height;
    const uint8_t *pixels = canvas_pixels(canvas, &width, &height);
    long found = 0;
    for (long p = 0; p < (long)width * height; p++)
        found += pixels[3 * p] == red && pixels[3 * p + 1] == green && pixels[3 * p + 2] == blue;
    return found;
}

enum { IMAGES = 12, SIZE = 32, IMAGE_VALUES = 3 * SIZE * SIZE };

static void an_image_grid_shows_every_image(void **state)
{
    (void)state;
    static uint8_t planes[3 * SIZE * SIZE], rgb[IMAGES][3 * SIZE * SIZE];
    struct grid_image images[IMAGES];
    struct canvas *canvas;
    for (int i = 0; i < IMAGES; i++) {
        memset(planes, 20 * i, SIZE * SIZE);
        memset(planes + SIZE * SIZE, 100, SIZE * SIZE);
        memset(planes + 2 * SIZE * SIZE, 7, SIZE * SIZE);
        rgb_from_planes(planes, SIZE, rgb[i]);
        images[i] = (struct grid_image){.rgb = rgb[i], .caption = names[i % CLASSES], .role = ROLE_GOOD};
    }
    assert_int_equal(rgb[3][0], 60);
    assert_int_equal(rgb[3][1], 100);
    assert_int_equal(rgb[3][2], 7);
    struct image_grid grid = {.title = "A batch", .note = "of twelve", .images = images, .count = IMAGES, .size = SIZE};
    for (grid.per_row = 1; grid.per_row <= IMAGES; grid.per_row += 3)
        for (int scale = 1; scale <= 2; scale++)
            for (int tile = 10; tile <= 20; tile += 2) {
                const int enlarge = tile * 10 * scale / SIZE; /* whole multiples: all pixels of one size */
                canvas = render(&grid, tile, scale);
                for (int i = 0; i < IMAGES; i++)
                    assert_int_equal(pixels_of(canvas, 20 * i, 100, 7), (long)SIZE * SIZE * enlarge * enlarge);
                canvas_destroy(canvas);
            }
    for (int rows = 0; rows <= 60; rows += 3)
        for (int columns = 0; columns <= 140; columns += 7) {
            canvas = cells_of(columns, rows, GLYPHS_BRAILLE);
            grid.per_row = columns % 3 ? 0 : 4;
            image_grid_draw(canvas, canvas_area(canvas), &grid);
            canvas_destroy(canvas);
        }
}

/* Before and after stand side by side, one caption below both; empty places keep theirs. */
static void a_grid_of_pairs_shows_both_and_keeps_empty_places(void **state)
{
    (void)state;
    static uint8_t before[IMAGE_VALUES], after[IMAGE_VALUES];
    for (int p = 0; p < SIZE * SIZE; p++) {
        memcpy(before + 3 * p, (uint8_t[]){200, 100, 7}, 3);
        memcpy(after + 3 * p, (uint8_t[]){7, 100, 200}, 3);
    }
    struct grid_image images[6] = {{0}};
    for (int i = 0; i < 6; i++)
        images[i] = (struct grid_image){
            .rgb = i == 4 ? NULL : before, .beside = after, .caption = "crop +2,-3\nflip", .role = ROLE_TEXT};
    struct image_grid grid = {.images = images, .count = 6, .size = SIZE, .per_row = 3};
    struct canvas *canvas = render(&grid, 10, 1);
    assert_int_equal(pixels_of(canvas, 200, 100, 7), 5L * SIZE * SIZE * 9);
    assert_int_equal(pixels_of(canvas, 7, 100, 200), 5L * SIZE * SIZE * 9);
    canvas_destroy(canvas);

    /* three pairs of 8 + 1 + 8 columns, then the captions' two lines */
    canvas = cells_of(3 * 20 - 3, 2 * 6, GLYPHS_ASCII);
    image_grid_draw(canvas, canvas_area(canvas), &grid);
    char *text = text_of(canvas), *line = text;
    for (int row = 0; row < 4; row++)
        line = strchr(line, '\n') + 1;
    assert_int_equal(strncmp(line, "crop +2,-3          crop +2,-3          crop +2,-3", 50), 0);
    line = strchr(line, '\n') + 1;
    assert_int_equal(strncmp(line, "flip                flip                flip", 44), 0);
    for (int row = 0; row < 5; row++)
        line = strchr(line, '\n') + 1;
    assert_int_equal(strncmp(line, "crop +2,-3                              crop +2,-3", 50), 0);
    free(text);
    canvas_destroy(canvas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_confusion_matrix_has_all_its_numbers),
        cmocka_unit_test(heatmaps_of_any_size_do_not_fail),
        cmocka_unit_test(colormaps_get_lighter_and_stay_readable),
        cmocka_unit_test(an_image_grid_shows_every_image),
        cmocka_unit_test(a_grid_of_pairs_shows_both_and_keeps_empty_places),
        cmocka_unit_test(many_classes_are_numbered_and_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
