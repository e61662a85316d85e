/* Profiles, histograms and strips: where things stand in them, and that nothing is lost at any size. */
#include "tests/viz/viz_test.h"
#include "viz/profile.h"
#include "viz/strip.h"
#include "viz/theme.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 12, BINS = 40 };

/* Row of the first cell of a role in a column, from the top; -1: none. */
static int first_row(const struct canvas *canvas, int column, enum role role)
{
    for (int row = 0; row < canvas_area(canvas).rows; row++)
        if (cell_at(canvas, column, row)->style.role == role)
            return row;
    return -1;
}

/* ---- Profiles ---- */

static double listed(const void *data, int index)
{
    return ((const double *)data)[index];
}

static void letter(const void *data, int index, char out[TICK_LABEL])
{
    (void)data;
    snprintf(out, TICK_LABEL, "p%d", index);
}

static struct profile_line line_of(const char *name, const double *values)
{
    return (struct profile_line){
        .name = name, .value = listed, .data = values, .style = STYLE(ROLE_SERIES_1), .width = 2};
}

static void a_profile_names_its_axes_and_points(void **state)
{
    (void)state;
    double values[POINTS] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    struct profile_line line = line_of("measured", values);
    struct profile_mark mark = {3.5, "stage 2", NULL};
    struct profile profile = {.title = "Signal",
                              .x_label = "block",
                              .y_label = "variance of a block",
                              .count = POINTS,
                              .name = letter,
                              .lines = &line,
                              .line_count = 1,
                              .marks = &mark,
                              .mark_count = 1,
                              .cursor = NAN};
    struct canvas *canvas = cells_of(80, 16, GLYPHS_BRAILLE);
    profile_draw(canvas, canvas_area(canvas), &profile);
    char *text = text_of(canvas);
    static const char *const said[] = {"Signal", "block", "variance of a block", "stage 2", "measured", "p0",
                                       "p11",    "15"};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        if (!strstr(text, said[i]))
            fail_msg("\"%s\" is missing in\n%s", said[i], text);
    free(text);
    canvas_destroy(canvas);
}

/* The predicted line lies where its values are, above and below the measured one. */
static void lines_lie_where_their_values_are(void **state)
{
    (void)state;
    double low[POINTS], high[POINTS];
    for (int i = 0; i < POINTS; i++)
        low[i] = 1, high[i] = 3;
    struct profile_line lines[] = {line_of("low", low), line_of("high", high)};
    lines[1].style = STYLE(ROLE_SERIES_2);
    lines[1].stroke = STROKE_DASHED;
    struct profile profile = {.count = POINTS, .lines = lines, .line_count = 2, .no_legend = true, .cursor = NAN};
    for (int log = 0; log < 2; log++) {
        struct canvas *canvas = cells_of(60, 20, GLYPHS_BRAILLE);
        profile.log_y = log;
        profile_draw(canvas, canvas_area(canvas), &profile);
        int columns = 0;
        for (int column = 10; column < 50; column++) {
            int above = first_row(canvas, column, ROLE_SERIES_2), below = first_row(canvas, column, ROLE_SERIES_1);
            assert_true(below >= 0);
            columns += above >= 0;
            assert_true(above < below);
        }
        assert_true(columns > 20); /* dashed, but there */
        canvas_destroy(canvas);
    }
}

/* One point of thousands stands out as far as it does, and what is not finite is marked. */
static void no_point_of_a_profile_is_lost(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    double *values = calloc(MANY, sizeof *values);
    assert_non_null(values);
    for (int at = 1; at < MANY; at += 617) {
        for (int i = 0; i < MANY; i++)
            values[i] = 1;
        values[at] = 9;
        values[(at + MANY / 2) % MANY] = INFINITY;
        struct profile_line line = line_of(NULL, values);
        struct profile profile = {.count = MANY, .lines = &line, .line_count = 1, .no_legend = true, .cursor = NAN};
        struct canvas *canvas = cells_of(60, 20, GLYPHS_BRAILLE);
        profile_draw(canvas, canvas_area(canvas), &profile);
        int top = 0, crosses = 0;
        for (int column = 0; column < 60; column++) {
            top += first_row(canvas, column, ROLE_SERIES_1) >= 0 && first_row(canvas, column, ROLE_SERIES_1) < 4;
            crosses += first_row(canvas, column, ROLE_BAD) == 0;
        }
        assert_true(top >= 1 && top <= 2);
        assert_int_equal(crosses, 1);
        canvas_destroy(canvas);
    }
    free(values);
}

/* Lines without a value are not in it; marks at the edges are, where there are any. */
static void the_legend_of_a_profile_names_what_is_there(void **state)
{
    (void)state;
    double values[POINTS] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, none[POINTS];
    for (int i = 0; i < POINTS; i++)
        none[i] = NAN;
    struct profile_line lines[] = {line_of("start", none), line_of("now", values), line_of("now", values)};
    struct profile profile = {.count = POINTS, .lines = lines, .line_count = 3};
    struct legend_entry legend[LEGEND_MAX];
    assert_int_equal(profile_legend(&profile, legend), 1);
    assert_string_equal(legend[0].text, "now");
    values[3] = INFINITY;
    values[4] = 0;
    assert_int_equal(profile_legend(&profile, legend), 2);
    assert_string_equal(legend[1].text, "not finite");
    profile.log_y = true;
    assert_int_equal(profile_legend(&profile, legend), 3);
    assert_string_equal(legend[2].text, "0 or below");
}

/* ---- Histograms ---- */

/* Twenty bins on either side of 0, the further out the wider. */
static double edge(int index)
{
    int part = index - BINS / 2;
    if (index <= 0)
        return -INFINITY;
    if (index >= BINS)
        return INFINITY;
    return part * abs(part) / 10.0;
}

static double number(const void *data, int bin)
{
    return ((const double *)data)[bin];
}

static struct bins bins_of(const double *numbers)
{
    return (struct bins){edge, number, numbers, BINS};
}

static void quantiles_follow_the_edges(void **state)
{
    (void)state;
    double numbers[BINS] = {0};
    struct bins bins = bins_of(numbers);
    assert_true(isnan(bins_quantile(&bins, 0.5)));
    numbers[BINS / 2] = 100;     /* 0 to 0.1 */
    numbers[BINS / 2 + 9] = 100; /* 8.1 to 10 */
    assert_true(bins_total(&bins) == 200);
    assert_true(fabs(bins_quantile(&bins, 0.25) - 0.05) < 1e-12);
    assert_true(fabs(bins_quantile(&bins, 0.75) - 9.05) < 1e-12);
    assert_true(fabs(bins_between(&bins, 0.05, 8.1) - 50) < 1e-9);
    assert_true(bins_between(&bins, -INFINITY, INFINITY) == 200);
    numbers[0] = 7; /* what is smaller than all edges is no value that could be told, but counts */
    numbers[BINS - 1] = 3;
    assert_true(bins_between(&bins, -INFINITY, edge(1)) == 7);
    assert_true(bins_between(&bins, edge(BINS - 1), INFINITY) == 3);
    assert_true(bins_quantile(&bins, 0) == edge(1));
}

/* Wide bins are not high for being wide, and the peak stands over its value. */
static void density_is_a_bins_share_over_its_width(void **state)
{
    (void)state;
    double numbers[BINS] = {0};
    struct bins bins = bins_of(numbers);
    for (int bin = 1; bin < BINS - 1; bin++) /* everywhere the same density */
        numbers[bin] = 1000 * (edge(bin + 1) - edge(bin));
    struct histogram histogram = {
        .now = &bins, .low = -30, .high = 30, .no_legend = true, .mark = {NAN, NULL}, .x_label = "value"};
    struct canvas *canvas = cells_of(70, 14, GLYPHS_BRAILLE);
    histogram_draw(canvas, canvas_area(canvas), &histogram);
    int left = first_row(canvas, 20, ROLE_SERIES_1), middle = first_row(canvas, 35, ROLE_SERIES_1);
    assert_true(left >= 0 && left == middle);
    canvas_destroy(canvas);
    for (int bin = BINS / 2 - 8; bin < BINS / 2 + 8; bin++) { /* one bin of more */
        double before = numbers[bin];
        numbers[bin] *= 3;
        canvas = cells_of(70, 14, GLYPHS_BRAILLE);
        histogram.low = -8;
        histogram.high = 8;
        histogram_draw(canvas, canvas_area(canvas), &histogram);
        int peak = -1, highest = 14;
        for (int column = 0; column < 70; column++) {
            int row = first_row(canvas, column, ROLE_SERIES_1);
            if (row >= 0 && row < highest)
                peak = column, highest = row;
        }
        int first = 0; /* of the plot: right of its axis */
        while (cell_at(canvas, first, 3)->style.role != ROLE_BORDER)
            first++;
        double column = first + 1 + (edge(bin) + 8) / 16 * (69 - first), width = (edge(bin + 1) - edge(bin)) / 16 * 70;
        if (peak < column - 1.5 || peak > column + width + 1.5)
            fail_msg("the peak of bin %d stands in column %d, not in %.1f", bin, peak, column);
        numbers[bin] = before;
        canvas_destroy(canvas);
    }
}

/* The area is 1: what lies between 8.1 and 10 alone has the density 0.53, and 10.9 a decade. */
static void densities_are_told_in_their_units(void **state)
{
    (void)state;
    double numbers[BINS] = {[BINS / 2 + 9] = 1e4};
    struct bins bins = bins_of(numbers);
    for (int log = 0; log < 2; log++) {
        const struct histogram histogram = {
            .now = &bins, .low = log ? 1 : -10, .high = 10, .log_x = log, .no_legend = true, .mark = {NAN, NULL}};
        struct canvas *canvas = cells_of(70, 24, GLYPHS_BRAILLE);
        histogram_draw(canvas, canvas_area(canvas), &histogram);
        char *text = text_of(canvas);
        assert_non_null(strstr(text, log ? "10 \u2524" : "0.5 \u2524"));
        assert_null(strstr(text, log ? "12 \u2524" : "0.6 \u2524"));
        free(text);
        canvas_destroy(canvas);
    }
}

static void a_histogram_shows_its_smallest_bin_and_what_is_beyond(void **state)
{
    (void)state;
    double numbers[BINS] = {0};
    struct bins bins = bins_of(numbers);
    numbers[BINS / 2 + 2] = 1e6;
    numbers[BINS / 2 + 9] = 1;
    struct histogram histogram = {.title = "Values",
                                  .now = &bins,
                                  .now_name = "now",
                                  .low = -10,
                                  .high = 10,
                                  .x_label = "activation",
                                  .y_label = "density",
                                  .mark = {5, "predicted"}};
    struct canvas *canvas = cells_of(80, 20, GLYPHS_BRAILLE);
    histogram_draw(canvas, canvas_area(canvas), &histogram);
    int marked = 0;
    for (int column = 70; column < 80; column++) /* 8.1 to 10 */
        marked += first_row(canvas, column, ROLE_SERIES_1) >= 0;
    assert_true(marked >= 5);
    canvas_destroy(canvas);
    numbers[BINS - 2] = 1e6; /* far beyond */
    canvas = cells_of(80, 20, GLYPHS_BRAILLE);
    histogram_draw(canvas, canvas_area(canvas), &histogram);
    char *text = text_of(canvas);
    assert_non_null(strstr(text, "50.0%"));
    assert_non_null(strstr(text, "activation"));
    assert_non_null(strstr(text, "density"));
    assert_non_null(strstr(text, "predicted"));
    free(text);
    canvas_destroy(canvas);
}

/* ---- Strips ---- */

static struct bins strip_bins(const void *data, int index)
{
    return bins_of((const double *)data + BINS * index);
}

static double step_of(const void *data, int index)
{
    (void)data;
    return 10.0 * index;
}

static uint32_t half_color(const struct canvas *canvas, int column, int row, bool lower)
{
    const struct style *style = &cell_at(canvas, column, row)->style;
    return (lower ? style->background : style->foreground) & 0xFFFFFF;
}

/* `count` measurements of BINS counts each, from -10 to 10. */
static struct strip bare_strip(const double *numbers, int count)
{
    return (struct strip){.count = count,
                          .x = step_of,
                          .bins = strip_bins,
                          .data = numbers,
                          .low = -10,
                          .high = 10,
                          .map = COLORMAP_VIRIDIS,
                          .bare = true,
                          .cursor = NAN};
}

/* A measurement that differs shows in its own columns and nowhere else, at any width; so does one of hundreds. */
static void every_measurement_shows_in_a_strip(void **state)
{
    (void)state;
    enum { TIMES = 300, ROWS = 6 };
    double *numbers = calloc((size_t)TIMES * BINS, sizeof *numbers);
    assert_non_null(numbers);
    for (int i = 0; i < TIMES; i++)
        numbers[i * BINS + BINS / 2 + 1] = 50;
    int odd = 123;
    numbers[odd * BINS + BINS / 2 + 1] = 0;
    numbers[odd * BINS + BINS / 2 + 9] = 50; /* 8.1 to 10: at the top */
    const struct strip strip = bare_strip(numbers, TIMES);
    uint32_t nothing = colormap_color(COLORMAP_VIRIDIS, 0), peak = colormap_color(COLORMAP_VIRIDIS, 1);
    for (int columns = 7; columns < 400; columns += 31) {
        struct canvas *canvas = cells_of(columns, ROWS, GLYPHS_BRAILLE);
        strip_draw(canvas, canvas_area(canvas), &strip);
        int lit = 0;
        for (int column = 0; column < columns; column++) {
            bool top = half_color(canvas, column, 0, false) == peak;
            lit += top;
            if (top) /* in its place */
                assert_true(abs(column - odd * columns / TIMES) <= columns / TIMES + 1);
            assert_int_equal(half_color(canvas, column, ROWS - 1, true), nothing);
        }
        assert_true(lit >= 1 && lit <= columns / TIMES + 2);
        canvas_destroy(canvas);
    }
    free(numbers);
}

/* Step 10 is the last that was measured: the axis ends there, and each half of it shows the measurement nearest to it.
 */
static void a_strip_ends_with_its_last_measurement(void **state)
{
    (void)state;
    enum { COLUMNS = 60, ROWS = 8 };
    double numbers[2 * BINS] = {0};
    numbers[BINS / 2 + 1] = 50;
    numbers[BINS + BINS / 2 + 9] = 50; /* at the top */
    struct strip strip = bare_strip(numbers, 2);
    struct canvas *canvas = cells_of(COLUMNS, ROWS, GLYPHS_BRAILLE);
    strip_draw(canvas, canvas_area(canvas), &strip);
    for (int column = 0; column < COLUMNS; column++) {
        const uint32_t top = half_color(canvas, column, 0, false);
        assert_int_equal(top == colormap_color(COLORMAP_VIRIDIS, 1), column >= COLUMNS / 2);
    }
    canvas_destroy(canvas);
    canvas = cells_of(COLUMNS, ROWS, GLYPHS_BRAILLE);
    strip.bare = false;
    strip_draw(canvas, canvas_area(canvas), &strip);
    char *text = text_of(canvas);
    assert_non_null(strstr(text, " 10\n")); /* the last tick, at the right end */
    assert_null(strstr(text, " 15"));
    assert_null(strstr(text, " 20"));
    free(text);
    canvas_destroy(canvas);
}

/* What went far beyond the axis is seen at its end, at any height. */
static void what_is_beyond_a_strip_is_seen(void **state)
{
    (void)state;
    double numbers[2 * BINS] = {0};
    numbers[BINS / 2] = 50;
    numbers[2 * BINS - 1] = 50; /* of the second: above all edges */
    const struct strip strip = bare_strip(numbers, 2);
    uint32_t nothing = colormap_color(COLORMAP_VIRIDIS, 0), peak = colormap_color(COLORMAP_VIRIDIS, 1);
    for (int rows = 1; rows < 200; rows += 33) {
        struct canvas *canvas = cells_of(20, rows, GLYPHS_BRAILLE);
        strip_draw(canvas, canvas_area(canvas), &strip);
        int lit = 0;
        for (int half = 0; half < 2 * rows; half++)
            lit += half_color(canvas, 18, half / 2, half % 2) == peak;
        assert_int_equal(half_color(canvas, 18, 0, false), peak);
        assert_int_equal(half_color(canvas, 18, rows - 1, true), nothing);
        assert_true(lit >= 1 && lit >= rows / 13 && lit <= 1 + rows / 6);
        canvas_destroy(canvas);
    }
}

/* A distribution that has become broad is not pressed flat by the narrow one it began as. */
static void what_is_now_keeps_its_height(void **state)
{
    (void)state;
    double now[BINS] = {0}, start[BINS] = {0};
    struct bins now_bins = bins_of(now), start_bins = bins_of(start);
    for (int bin = 1; bin < BINS - 1; bin++)
        now[bin] = edge(bin + 1) - edge(bin);
    start[BINS / 2] = 50;
    const struct histogram histogram = {
        .now = &now_bins, .start = &start_bins, .low = -30, .high = 30, .no_legend = true, .mark = {NAN, NULL}};
    struct canvas *canvas = cells_of(70, 24, GLYPHS_BRAILLE);
    histogram_draw(canvas, canvas_area(canvas), &histogram);
    assert_in_range(first_row(canvas, 50, ROLE_SERIES_1), 10, 18);
    canvas_destroy(canvas);
}

/* ---- All of them ---- */

static void draw_one(struct canvas *canvas, struct rect area, int kind)
{
    static const double values[POINTS] = {1, 2, 0, -1, NAN, 1e30, 3, INFINITY, 1e-30, 0, 1, 2};
    double numbers[3 * BINS] = {[20] = 5, [30] = 2, [60] = 1, [90] = 1};
    struct bins bins = bins_of(numbers);
    struct profile_line line = line_of("measured", values);
    line.markers = true;
    struct profile_mark mark = {0.5, "stage", "s"};
    if (kind < 4) {
        struct profile profile = {.title = "title",
                                  .x_label = "x",
                                  .y_label = "y",
                                  .empty_text = "nothing",
                                  .count = kind % 2 ? POINTS : 0,
                                  .name = letter,
                                  .lines = &line,
                                  .line_count = 1,
                                  .marks = &mark,
                                  .mark_count = 1,
                                  .log_y = kind > 1,
                                  .cursor = 3};
        profile_draw(canvas, area, &profile);
    } else if (kind < 6) {
        struct histogram histogram = {.title = "title",
                                      .x_label = "activation",
                                      .y_label = "density",
                                      .now = &bins,
                                      .start = &bins,
                                      .now_name = "now",
                                      .low = kind == 4 ? -10 : 0.1,
                                      .high = 10,
                                      .log_x = kind == 5,
                                      .mark = {1, "predicted"},
                                      .normal_variance = kind == 4};
        histogram_draw(canvas, area, &histogram);
    } else {
        struct strip strip = {"title",  "step",           "value",   "nothing", kind == 6 ? 0 : 3,
                              step_of,  strip_bins,       numbers,   0.1,       10,
                              kind > 7, COLORMAP_VIRIDIS, kind == 8, false,     5};
        strip_draw(canvas, area, &strip);
    }
}

/* Any size, with and without points; nothing outside of the area is touched, and cut off by a clip it stays. */
static void figures_of_any_size_stay_in_their_area(void **state)
{
    (void)state;
    for (int kind = 0; kind < 9; kind++)
        for (int rows = 0; rows <= 40; rows = rows * 3 / 2 + 1)
            for (int columns = 0; columns <= 200; columns = columns * 3 / 2 + 1)
                for (int glyphs = GLYPHS_BRAILLE; glyphs <= GLYPHS_ASCII; glyphs++) {
                    struct canvas *canvas = cells_of(columns + 4, rows + 4, (enum glyph_set)glyphs);
                    draw_one(canvas, (struct rect){2, 2, columns, rows}, kind);
                    for (int row = 0; row < rows + 4; row++)
                        for (int column = 0; column < columns + 4; column++) {
                            const struct cell *cell = cell_at(canvas, column, row);
                            bool in = row >= 2 && row < rows + 2 && column >= 2 && column < columns + 2;
                            assert_true(in || (cell->code == ' ' && !cell->style.background));
                            assert_true(glyphs != GLYPHS_ASCII || cell->code < 0x80);
                        }
                    canvas_destroy(canvas);
                }
    struct error error = {""};
    for (int kind = 0; kind < 9; kind++)
        for (int side = 1; side < 700; side += 137) {
            struct canvas *canvas;
            assert_int_equal(canvas_create_pixels(side * 2, side, 1, theme_at(1), &canvas, &error), 0);
            draw_one(canvas, canvas_area(canvas), kind);
            canvas_destroy(canvas);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_names_its_axes_and_points),
        cmocka_unit_test(lines_lie_where_their_values_are),
        cmocka_unit_test(no_point_of_a_profile_is_lost),
        cmocka_unit_test(the_legend_of_a_profile_names_what_is_there),
        cmocka_unit_test(quantiles_follow_the_edges),
        cmocka_unit_test(density_is_a_bins_share_over_its_width),
        cmocka_unit_test(densities_are_told_in_their_units),
        cmocka_unit_test(a_histogram_shows_its_smallest_bin_and_what_is_beyond),
        cmocka_unit_test(every_measurement_shows_in_a_strip),
        cmocka_unit_test(a_strip_ends_with_its_last_measurement),
        cmocka_unit_test(what_is_beyond_a_strip_is_seen),
        cmocka_unit_test(what_is_now_keeps_its_height),
        cmocka_unit_test(figures_of_any_size_stay_in_their_area),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
