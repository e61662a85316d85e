/* The reliability diagram: what its areas say, and that any size and any bins can be drawn. */
#include "viz/reliability.h"
#include "viz/theme.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

enum { WIDTH = 640, HEIGHT = 880 };

/* Pixels in the colour of a style. */
static double pixels_of(const struct canvas *canvas, const struct theme *theme, struct style style)
{
    int width, height;
    uint32_t colour, ground;
    long count = 0;
    const uint8_t *rgb = canvas_pixels(canvas, &width, &height);
    theme_resolve(theme, style, &colour, &ground);
    for (long p = 0; p < (long)width * height; p++)
        count += ((uint32_t)rgb[3 * p] << 16 | (uint32_t)rgb[3 * p + 1] << 8 | rgb[3 * p + 2]) == colour;
    return (double)count;
}

static struct canvas *draw(const struct reliability *reliability)
{
    struct canvas *canvas;
    struct error error;
    assert_int_equal(canvas_create_pixels(WIDTH, HEIGHT, 1, theme_find("light"), &canvas, &error), 0);
    reliability_draw(canvas, canvas_area(canvas), reliability);
    return canvas;
}

/* One bin over the whole axis: the areas are to each other as accuracy and gap are, of which the latter is half as
 * wide: the bar of the accuracy is seen up to its top, wherever the confidence is. */
static void areas_are_accuracy_and_gap(void **state)
{
    (void)state;
    static const struct {
        double accuracy, confidence;
        struct style gap, no_gap;
    } cases[] = {{0.5, 0.9, STYLE(ROLE_BAD, STYLE_FAINT), STYLE(ROLE_SERIES_3, STYLE_FAINT)},
                 {0.9, 0.5, STYLE(ROLE_SERIES_3, STYLE_FAINT), STYLE(ROLE_BAD, STYLE_FAINT)}};
    for (int i = 0; i < 2; i++) {
        const struct reliability_bin bin = {0, 1, 100, cases[i].accuracy, cases[i].confidence};
        const struct reliability reliability = {
            .bins = &bin, .bin_count = 1, .accuracy = bin.accuracy, .confidence = bin.confidence};
        struct canvas *canvas = draw(&reliability);
        const struct theme *theme = theme_find("light");
        const double gap = pixels_of(canvas, theme, cases[i].gap);
        const double accuracy = pixels_of(canvas, theme, STYLE(ROLE_SERIES_1));
        const double width = 0.46 / 0.92, lies_over = cases[i].confidence < cases[i].accuracy ? 0.4 * width : 0;
        const double seen = (cases[i].accuracy - lies_over) / (0.4 * width);
        assert_float_equal(accuracy / gap, seen, 0.05 * seen);
        assert_true(pixels_of(canvas, theme, cases[i].no_gap) == 0);
        canvas_destroy(canvas);
    }
}

static void shares_are_below(void **state)
{
    (void)state;
    const struct reliability_bin bins[] = {{0, 0.5, 100, 0.3, 0.3}, {0.5, 1, 300, 0.8, 0.8}};
    const struct reliability reliability = {.bins = bins, .bin_count = 2, .accuracy = 0.1, .confidence = 0.1};
    struct canvas *canvas = draw(&reliability);
    const double shares = pixels_of(canvas, theme_find("light"), STYLE(ROLE_SERIES_1, STYLE_FAINT));
    const double accuracy = pixels_of(canvas, theme_find("light"), STYLE(ROLE_SERIES_1));
    assert_true(shares > 0.05 * accuracy && shares < accuracy);
    canvas_destroy(canvas);
}

static void any_size_and_no_images_are_drawn(void **state)
{
    (void)state;
    const struct reliability_bin bins[] = {{0, 0.5, 0, 0, 0}, {0.5, 1, 3, 1, 0.6}};
    for (int columns = 0; columns < 90; columns += 7)
        for (int rows = 0; rows < 60; rows += 5)
            for (int count = 0; count <= 2; count++) {
                struct canvas *canvas;
                struct error error;
                const struct reliability reliability = {
                    .title = "title", .notes = {"note"}, .bins = bins, .bin_count = count};
                assert_int_equal(canvas_create_cells(80, 40, GLYPHS_BRAILLE, &canvas, &error), 0);
                reliability_draw(canvas, (struct rect){1, 1, columns, rows}, &reliability);
                canvas_destroy(canvas);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(areas_are_accuracy_and_gap),
        cmocka_unit_test(shares_are_below),
        cmocka_unit_test(any_size_and_no_images_are_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
