/* Canvases of cells: text, clipping, wide characters, lines, the three glyph sets. */
#include "tests/viz/viz_test.h"
#include "viz/print.h"
#include "viz/theme.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t code_at(const struct canvas *canvas, int column, int row)
{
    return cell_at(canvas, column, row)->code;
}

static void broken_utf8_is_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t codes[4];
    } cases[] = {{"aé→", {'a', 0xE9, 0x2192, 0}},    {"\xC3", {0xFFFD, 0}},
                 {"\x80x", {0xFFFD, 'x', 0}},        {"\xE2\x86z", {0xFFFD, 'z', 0}},
                 {"\xC0\x80", {0xFFFD, 0xFFFD, 0}},  {"\xED\xA0\x80", {0xFFFD, 0}},
                 {"\xF0\x9F\x98\x80", {0x1F600, 0}}, {"\xF8z", {0xFFFD, 'z', 0}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = cases[i].text;
        for (int k = 0; k < 4; k++) {
            uint32_t code = text_next(&text);
            assert_int_equal(code, cases[i].codes[k]);
            if (!code)
                break;
        }
    }
}

static void every_code_is_encoded_and_decoded(void **state)
{
    (void)state;
    for (uint32_t code = 1; code < 0x110000; code += code < 0x3000 ? 1 : 97) {
        char text[5];
        const char *rest = text;
        if (code >= 0xD800 && code < 0xE000)
            continue;
        int bytes = text_encode(code, text);
        assert_int_equal(text_next(&rest), code);
        assert_int_equal(rest - text, bytes);
    }
}

static void text_is_clipped_and_counted(void **state)
{
    (void)state;
    struct canvas *canvas = cells_of(10, 2, GLYPHS_BRAILLE);
    assert_int_equal(canvas_text(canvas, -2, 0, STYLE(ROLE_TEXT), "abcdé"), 5);
    assert_int_equal(code_at(canvas, 0, 0), 'c');
    assert_int_equal(code_at(canvas, 2, 0), 0xE9);
    canvas_text(canvas, 8, 0, STYLE(ROLE_TEXT), "xyz");
    canvas_text(canvas, 0, 2, STYLE(ROLE_TEXT), "below");
    canvas_text(canvas, 0, -1, STYLE(ROLE_TEXT), "above");
    assert_int_equal(code_at(canvas, 9, 0), 'y');
    struct rect before = canvas_clip(canvas, (struct rect){3, 1, 2, 5});
    canvas_text(canvas, 0, 1, STYLE(ROLE_TEXT), "0123456");
    canvas_clip(canvas, before);
    assert_int_equal(code_at(canvas, 2, 1), ' ');
    assert_int_equal(code_at(canvas, 3, 1), '3');
    assert_int_equal(code_at(canvas, 5, 1), ' ');
    canvas_text(canvas, 0, 1, STYLE(ROLE_TEXT), "\x1b[1m\n"); /* nothing that a terminal would obey */
    assert_int_equal(code_at(canvas, 0, 1), ' ');
    assert_int_equal(code_at(canvas, 4, 1), ' ');
    canvas_destroy(canvas);
}

static void text_that_is_cut_says_so(void **state)
{
    (void)state;
    struct canvas *canvas = cells_of(20, 1, GLYPHS_BRAILLE);
    assert_int_equal(canvas_text_cut(canvas, 0, 0, 5, STYLE(ROLE_TEXT), "airplane"), 5);
    assert_int_equal(code_at(canvas, 3, 0), 'p');
    assert_int_equal(code_at(canvas, 4, 0), 0x2026);
    assert_int_equal(code_at(canvas, 5, 0), ' ');
    assert_int_equal(canvas_text_cut(canvas, 10, 0, 8, STYLE(ROLE_TEXT), "airplane"), 8);
    assert_int_equal(code_at(canvas, 17, 0), 'e');
    assert_int_equal(canvas_text_cut(canvas, 0, 0, 0, STYLE(ROLE_TEXT), "x"), 0);
    assert_int_equal(canvas_printf(canvas, 0, 0, STYLE(ROLE_TEXT), "%d/%s", 3, "y"), 3);
    assert_int_equal(code_at(canvas, 2, 0), 'y');
    canvas_destroy(canvas);
}

static void wide_characters_take_two_columns(void **state)
{
    (void)state;
    struct canvas *canvas = cells_of(6, 1, GLYPHS_BRAILLE);
    assert_int_equal(text_columns("a猫e\xCC\x81"), 4);
    canvas_text(canvas, 0, 0, STYLE(ROLE_TEXT), "a猫b");
    assert_int_equal(cell_at(canvas, 1, 0)->width, 2);
    assert_int_equal(cell_at(canvas, 2, 0)->width, 0);
    assert_int_equal(code_at(canvas, 3, 0), 'b');
    canvas_put(canvas, 2, 0, STYLE(ROLE_TEXT), 'x'); /* over its right half: the left one cannot stay */
    assert_int_equal(code_at(canvas, 1, 0), ' ');
    assert_int_equal(cell_at(canvas, 1, 0)->width, 1);
    canvas_text(canvas, 2, 0, STYLE(ROLE_TEXT), "猫");
    canvas_put(canvas, 2, 0, STYLE(ROLE_TEXT), 'y');
    assert_int_equal(cell_at(canvas, 3, 0)->width, 1);
    canvas_text(canvas, 5, 0, STYLE(ROLE_TEXT), "猫"); /* half of it has no place */
    assert_int_equal(code_at(canvas, 5, 0), ' ');
    assert_int_equal(cell_at(canvas, 5, 0)->width, 1);
    canvas_destroy(canvas);
}

static void ascii_canvases_hold_ascii_alone(void **state)
{
    (void)state;
    struct canvas *canvas = cells_of(30, 12, GLYPHS_ASCII);
    uint8_t rgb[27] = {255, 255, 255, 0, 9};
    canvas_box(canvas, canvas_area(canvas), STYLE(ROLE_BORDER), "lr 0.1 → 0.03 …");
    canvas_text(canvas, 1, 1, STYLE(ROLE_TEXT), "± × α β γ é 猫 ✓ • ⣿ █");
    canvas_path_begin(canvas, STYLE(ROLE_SERIES_1), STROKE_SOLID, 1);
    canvas_path_line(canvas, 2, 10, 25, 2);
    canvas_path_end(canvas);
    canvas_rule(canvas, 3, 3.5, 20, 3.5, STYLE(ROLE_BORDER));
    canvas_bar_up(canvas, 3, 10, 3, 2.6, STYLE(ROLE_SERIES_2));
    canvas_bar_right(canvas, 10, 9, 4.4, STYLE(ROLE_SERIES_2));
    canvas_image(canvas, (struct rect){20, 5, 5, 3}, rgb, 3, 3);
    for (int shape = 0; shape < MARKER_SHAPES; shape++)
        canvas_marker(canvas, 4 + shape * 2, 7, (enum marker_shape)shape, STYLE(ROLE_TEXT));
    for (int i = 0; i < 30 * 12; i++)
        assert_in_range(canvas_cells(canvas)[i].code, 0x20, 0x7E);
    assert_int_equal(code_at(canvas, 0, 0), '+');
    canvas_destroy(canvas);
}

static void dots_make_braille_and_quadrants(void **state)
{
    (void)state;
    static const struct {
        enum glyph_set glyphs;
        double x, y;
        uint32_t code;
    } cases[] = {{GLYPHS_BRAILLE, 2.5, 4.5, 0x2801},
                 {GLYPHS_BRAILLE, 3.5, 7.5, 0x2880},
                 {GLYPHS_BLOCK, 2.5, 2.5, 0x2598},
                 {GLYPHS_BLOCK, 3.5, 3.5, 0x2597},
                 {GLYPHS_ASCII, 1.5, 1.5, '*'}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct canvas *canvas = cells_of(3, 3, cases[i].glyphs);
        canvas_path_begin(canvas, STYLE(ROLE_SERIES_1), STROKE_SOLID, 1);
        canvas_path_line(canvas, cases[i].x, cases[i].y, cases[i].x, cases[i].y);
        canvas_path_end(canvas);
        assert_int_equal(code_at(canvas, 1, 1), cases[i].code);
        canvas_destroy(canvas);
    }
}

static void dot(struct canvas *canvas, struct style style, double x, double y)
{
    canvas_path_begin(canvas, style, STROKE_SOLID, 1);
    canvas_path_line(canvas, x, y, x, y);
    canvas_path_end(canvas);
}

static void fuller_lines_win_a_cell(void **state)
{
    (void)state;
    struct canvas *canvas = cells_of(1, 1, GLYPHS_BRAILLE);
    dot(canvas, STYLE(ROLE_GRID), 0.5, 0.5);
    dot(canvas, STYLE(ROLE_SERIES_1, STYLE_FAINT), 0.5, 1.5);
    assert_int_equal(code_at(canvas, 0, 0), 0x2802); /* the grid's dot is gone */
    dot(canvas, STYLE(ROLE_SERIES_1), 0.5, 2.5);
    assert_int_equal(code_at(canvas, 0, 0), 0x2804);
    dot(canvas, STYLE(ROLE_SERIES_2), 1.5, 0.5); /* its like joins */
    assert_int_equal(code_at(canvas, 0, 0), 0x280C);
    dot(canvas, STYLE(ROLE_GRID), 0.5, 0.5);
    assert_int_equal(code_at(canvas, 0, 0), 0x280C);
    canvas_destroy(canvas);
}

static void rules_join_where_they_meet(void **state)
{
    (void)state;
    struct canvas *canvas = cells_of(5, 3, GLYPHS_BRAILLE);
    canvas_rule(canvas, 5, 0, 5, 10, STYLE(ROLE_BORDER));   /* down to the middle of the last row */
    canvas_rule(canvas, 5, 10, 10, 10, STYLE(ROLE_BORDER)); /* from there to the right */
    canvas_rule(canvas, 4, 2, 5, 2, STYLE(ROLE_BORDER));    /* a tick to the left */
    assert_int_equal(code_at(canvas, 2, 0), 0x2524);
    assert_int_equal(code_at(canvas, 2, 1), 0x2502);
    assert_int_equal(code_at(canvas, 2, 2), 0x2514);
    assert_int_equal(code_at(canvas, 3, 2), 0x2500);
    assert_int_equal(code_at(canvas, 1, 2), ' ');
    canvas_destroy(canvas);
}

static void lines_are_clipped_not_bent(void **state)
{
    (void)state;
    struct canvas *whole = cells_of(40, 20, GLYPHS_BRAILLE), *part = cells_of(40, 20, GLYPHS_BRAILLE);
    struct rect clip = {10, 5, 12, 6};
    const double lines[][4] = {
        {0, 0, 80, 80}, {-1e7, 40, 1e7, 40}, {45, -300, 45, 1e9}, {NAN, 1, 2, 3}, {0, INFINITY, 9, 9}};
    canvas_clip(part, clip);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        for (int k = 0; k < 2; k++) {
            struct canvas *canvas = k ? part : whole;
            canvas_path_begin(canvas, STYLE(ROLE_SERIES_1), STROKE_SOLID, 1);
            canvas_path_line(canvas, lines[i][0], lines[i][1], lines[i][2], lines[i][3]);
            canvas_path_end(canvas);
        }
    for (int y = 0; y < 20; y++)
        for (int x = 0; x < 40; x++) {
            bool inside = rect_intersect(clip, (struct rect){x, y, 1, 1}).columns > 0;
            assert_int_equal(code_at(part, x, y), inside ? code_at(whole, x, y) : ' ');
        }
    canvas_destroy(whole);
    canvas_destroy(part);
}

static void bars_grow_by_eighths(void **state)
{
    (void)state;
    struct canvas *canvas = cells_of(4, 4, GLYPHS_BLOCK);
    canvas_bar_up(canvas, 0, 3, 1, 2.375, STYLE(ROLE_SERIES_1));
    assert_int_equal(code_at(canvas, 0, 3), 0x2588);
    assert_int_equal(code_at(canvas, 0, 2), 0x2588);
    assert_int_equal(code_at(canvas, 0, 1), 0x2583);
    assert_int_equal(code_at(canvas, 0, 0), ' ');
    canvas_bar_right(canvas, 1, 0, 1.25, STYLE(ROLE_SERIES_1));
    assert_int_equal(code_at(canvas, 1, 0), 0x2588);
    assert_int_equal(code_at(canvas, 2, 0), 0x258E);
    assert_int_equal(code_at(canvas, 3, 0), ' ');
    canvas_bar_up(canvas, 3, 3, 1, 1e30, STYLE(ROLE_SERIES_1)); /* clipped */
    assert_int_equal(code_at(canvas, 3, 0), 0x2588);
    canvas_destroy(canvas);
}

/* A line over a bar or a picture leaves them in sight: dots cut out of the one, drawn on the other. */
static void lines_spare_what_is_behind_them(void **state)
{
    (void)state;
    struct canvas *canvas = cells_of(4, 2, GLYPHS_BRAILLE);
    canvas_bar_up(canvas, 0, 1, 4, 1.5, STYLE(ROLE_SERIES_1));
    dot(canvas, STYLE(ROLE_SERIES_2), 2, 4);
    dot(canvas, STYLE(ROLE_SERIES_2), 3, 4);
    assert_int_equal(code_at(canvas, 1, 1), 0x2809);
    assert_int_equal(cell_at(canvas, 1, 1)->style.role, ROLE_SERIES_1);
    assert_true(cell_at(canvas, 1, 1)->style.flags & STYLE_REVERSE);
    dot(canvas, STYLE(ROLE_SERIES_2), 4, 0); /* half full: the line alone */
    assert_int_equal(cell_at(canvas, 2, 0)->style.role, ROLE_SERIES_2);
    assert_false(cell_at(canvas, 2, 0)->style.flags & STYLE_REVERSE);
    canvas_text(canvas, 3, 1, STYLE(ROLE_TEXT), "x"); /* what is written over the bar is no bar any more */
    dot(canvas, STYLE(ROLE_SERIES_2), 6, 5);
    assert_int_equal(cell_at(canvas, 3, 1)->style.role, ROLE_SERIES_2);
    static const uint8_t grey[3] = {90, 90, 90};
    canvas_image(canvas, (struct rect){0, 0, 1, 1}, grey, 1, 1);
    dot(canvas, STYLE(ROLE_CURSOR), 0, 0);
    assert_int_equal(cell_at(canvas, 0, 0)->style.role, ROLE_CURSOR);
    assert_int_equal(cell_at(canvas, 0, 0)->style.background, COLOR_EXACT | 0x5A5A5A);
    canvas_destroy(canvas);
}

static void images_become_half_blocks(void **state)
{
    (void)state;
    const uint8_t rgb[12] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7};
    struct canvas *canvas = cells_of(2, 1, GLYPHS_BRAILLE);
    canvas_image(canvas, canvas_area(canvas), rgb, 2, 2);
    const struct cell *cell = cell_at(canvas, 0, 0);
    assert_int_equal(cell[0].code, 0x2580);
    assert_int_equal(cell[0].style.foreground, COLOR_EXACT | 0xFF0000);
    assert_int_equal(cell[0].style.background, COLOR_EXACT | 0x0000FF);
    assert_int_equal(cell[1].style.background, COLOR_EXACT | 0x090807);
    canvas_destroy(canvas);
    canvas = cells_of(1, 1, GLYPHS_BRAILLE); /* smaller: the mean */
    canvas_image(canvas, canvas_area(canvas), rgb, 2, 2);
    assert_int_equal(cell_at(canvas, 0, 0)->style.foreground, COLOR_EXACT | 0x808000);
    canvas_destroy(canvas);
}

static void printing_cuts_blanks_and_colours_on_demand(void **state)
{
    (void)state;
    struct canvas *canvas = cells_of(8, 2, GLYPHS_BRAILLE);
    struct error error = {""};
    char *text = NULL;
    size_t size;
    canvas_text(canvas, 1, 0, STYLE(ROLE_BAD), "no");
    for (int colored = 0; colored < 2; colored++) {
        FILE *file = open_memstream(&text, &size);
        assert_non_null(file);
        assert_int_equal(canvas_print(canvas, file, colored ? theme_find("dark") : NULL, &error), 0);
        assert_int_equal(fclose(file), 0);
        if (colored)
            assert_non_null(strstr(text, "\033[0m\n\n"));
        else
            assert_string_equal(text, " no\n\n");
        free(text);
    }
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(canvas_print(canvas, full, NULL, &error), -1);
    fclose(full);
    canvas_destroy(canvas);
}

static void colors_have_near_ones_on_any_terminal(void **state)
{
    (void)state;
    assert_int_equal(theme_color_256(0x000000), 16);
    assert_int_equal(theme_color_256(0xFFFFFF), 231);
    assert_int_equal(theme_color_256(0xFF0000), 196);
    assert_int_equal(theme_color_256(0x767676), 243);
    assert_int_equal(theme_color_8(0xE03030), 1);
    assert_int_equal(theme_color_8(0x20C040), 2);
    assert_int_equal(theme_color_8(0x3050F0), 4);
    assert_int_equal(theme_color_8(0xF0F0F0), 7);
    assert_int_equal(theme_color_8(0x101418), 0);
    assert_int_equal(color_mix(0x000000, 0xFFFFFF, 0.5), 0x808080);
    assert_null(theme_find("none"));
    for (int i = 0; theme_at(i); i++)
        assert_ptr_equal(theme_find(theme_at(i)->name), theme_at(i));
}

/* Relative luminance and contrast of WCAG 2. */
static double luminance(uint32_t rgb)
{
    double sum = 0;
    const double weights[3] = {0.2126, 0.7152, 0.0722};
    for (int i = 0; i < 3; i++) {
        double value = (rgb >> (16 - 8 * i) & 0xFF) / 255.0;
        sum += weights[i] * (value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4));
    }
    return sum;
}

static void what_is_to_be_read_stands_out(void **state)
{
    (void)state;
    for (int i = 0; theme_at(i); i++)
        for (int role = 0; role < ROLE_COUNT; role++) {
            uint32_t front, back;
            theme_resolve(theme_at(i), STYLE(role), &front, &back);
            double a = luminance(front) + 0.05, b = luminance(back) + 0.05, least = 4.0;
            if (role == ROLE_GRID)
                least = 1.15;
            else if (role == ROLE_BORDER)
                least = 2;
            assert_true(fmax(a / b, b / a) >= least);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_utf8_is_replaced),
        cmocka_unit_test(every_code_is_encoded_and_decoded),
        cmocka_unit_test(text_is_clipped_and_counted),
        cmocka_unit_test(text_that_is_cut_says_so),
        cmocka_unit_test(wide_characters_take_two_columns),
        cmocka_unit_test(ascii_canvases_hold_ascii_alone),
        cmocka_unit_test(dots_make_braille_and_quadrants),
        cmocka_unit_test(fuller_lines_win_a_cell),
        cmocka_unit_test(rules_join_where_they_meet),
        cmocka_unit_test(lines_are_clipped_not_bent),
        cmocka_unit_test(bars_grow_by_eighths),
        cmocka_unit_test(lines_spare_what_is_behind_them),
        cmocka_unit_test(images_become_half_blocks),
        cmocka_unit_test(printing_cuts_blanks_and_colours_on_demand),
        cmocka_unit_test(colors_have_near_ones_on_any_terminal),
        cmocka_unit_test(what_is_to_be_read_stands_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
