/* Charts without a terminal: golden texts, every size, and what a chart must never hide. NFBENCH_WRITE_GOLDEN=1 writes
 * the golden texts anew instead of comparing (run in the project's root; look at the difference before committing). */
#include "tests/viz/viz_test.h"
#include "viz/chart.h"
#include "viz/theme.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GOLDEN_COLUMNS = 80, GOLDEN_ROWS = 16, MANY = 8 };

/* Loss falling from 2.3 with noise. */
static float loss_at(int step, uint64_t *seed)
{
    return (float)(0.5 + 1.8 * exp(-step / 150.0) + 0.3 * (random_part(seed) - 0.5));
}

struct run {
    struct series *train, *validation;
    struct chart_series lines[2];
    struct chart chart;
};

static void start_run(struct run *run)
{
    run->train = new_series(0.95);
    run->validation = new_series(0);
    run->lines[0] = (struct chart_series){.series = run->train, .name = "train", .role = ROLE_SERIES_1};
    run->lines[1] = (struct chart_series){.series = run->validation,
                                          .name = "validation",
                                          .role = ROLE_SERIES_2,
                                          .kind = CHART_POINTS,
                                          .stroke = STROKE_DASHED};
    run->chart = chart_init();
    run->chart.title = "Loss";
    run->chart.x_label = "step";
    run->chart.empty_text = "The first step is being made";
    run->chart.series = run->lines;
    run->chart.series_count = 2;
}

static void train(struct run *run, int steps)
{
    uint64_t seed = 11;
    for (int step = 1; step <= steps; step++) {
        append(run->train, step, loss_at(step, &seed));
        if (step % 100 == 0)
            append(run->validation, step, (float)(0.7 + 1.6 * exp(-step / 140.0)));
    }
    run->chart.x_max = chart_hold_domain(0, steps, 0);
}

static void end_run(struct run *run)
{
    series_destroy(run->train);
    series_destroy(run->validation);
}

/* --- golden texts --- */

static void check_golden(const char *name, const struct chart *chart, enum glyph_set glyphs, int columns)
{
    struct canvas *canvas = cells_of(columns, GOLDEN_ROWS, glyphs);
    chart_draw(canvas, canvas_area(canvas), chart);
    char path[128];
    snprintf(path, sizeof path, "tests/viz/golden/%s.txt", name);
    check_golden_text(path, canvas);
}

static void charts_look_as_they_did(void **state)
{
    (void)state;
    struct run run;
    struct chart_event events[] = {{300, "lr 0.1 → 0.03"}, {330, "pause"}};
    start_run(&run);
    check_golden("empty", &run.chart, GLYPHS_BRAILLE, GOLDEN_COLUMNS);
    append(run.train, 1, 2.3f);
    check_golden("one-point", &run.chart, GLYPHS_BRAILLE, GOLDEN_COLUMNS);
    series_truncate(run.train, 0);
    train(&run, 700);
    run.chart.events = events;
    run.chart.event_count = 2;
    check_golden("loss-braille", &run.chart, GLYPHS_BRAILLE, GOLDEN_COLUMNS);
    check_golden("loss-block", &run.chart, GLYPHS_BLOCK, GOLDEN_COLUMNS);
    check_golden("loss-ascii", &run.chart, GLYPHS_ASCII, GOLDEN_COLUMNS);
    check_golden("narrow", &run.chart, GLYPHS_BRAILLE, GOLDEN_COLUMNS / 2);
    run.chart.log_y = true;
    run.chart.cursor = 400;
    check_golden("loss-log", &run.chart, GLYPHS_BRAILLE, GOLDEN_COLUMNS);
    end_run(&run);
}

/* What-if futures: dotted, each named at its end, the diverged one marked and without a say in the y axis. */
static void futures_look_as_they_did(void **state)
{
    (void)state;
    struct run run;
    struct chart_series lines[5];
    struct series *futures[3];
    static const char *const labels[] = {"0.05 0.912 best", "0.1 0.934", "0.4 diverged at 471"};
    uint64_t seed = 3;
    start_run(&run);
    train(&run, 300);
    memcpy(lines, run.lines, sizeof run.lines);
    for (int i = 0; i < 3; i++) {
        futures[i] = new_series(0.9);
        lines[2 + i] = (struct chart_series){.series = futures[i],
                                             .name = i ? NULL : "lr tried",
                                             .label = labels[i],
                                             .role = (enum role)(ROLE_SERIES_4 + i),
                                             .stroke = STROKE_DOTTED,
                                             .hide_raw = true,
                                             .unbounded = i == 2};
    }
    for (int step = 301; step <= 600; step++) {
        const float loss = loss_at(step, &seed);
        append(futures[0], step, loss - 0.001f * (float)(step - 300));
        append(futures[1], step, loss);
        if (step <= 471)
            append(futures[2], step, step == 471 ? NAN : loss * powf(1.06f, (float)(step - 301)));
    }
    run.chart.series = lines;
    run.chart.series_count = 5;
    run.chart.x_max = 800;
    check_golden("futures", &run.chart, GLYPHS_BRAILLE, GOLDEN_COLUMNS);
    check_golden("futures-ascii", &run.chart, GLYPHS_ASCII, GOLDEN_COLUMNS);
    for (int i = 0; i < 3; i++)
        series_destroy(futures[i]);
    end_run(&run);
}

static void percent_chart_looks_as_it_did(void **state)
{
    (void)state;
    struct run run;
    uint64_t seed = 5;
    start_run(&run);
    for (int step = 1; step <= 150; step++)
        append(run.train, step, (float)(0.8 - 0.7 * exp(-step / 50.0) + 0.1 * (random_part(&seed) - 0.5)));
    run.chart.title = "Accuracy";
    run.chart.format = CHART_PERCENT;
    run.chart.x_max = 200;
    run.chart.y_min = 0;
    run.chart.series_count = 1;
    check_golden("accuracy", &run.chart, GLYPHS_BRAILLE, GOLDEN_COLUMNS);
    end_run(&run);
}

/* --- sizes --- */

static void no_size_fails(void **state)
{
    (void)state;
    static const char *const names[MANY] = {"a", "b", "c", "d", "e", "f", "g", "a rather long name of a series"};
    struct chart_series lines[MANY];
    struct chart_event events[] = {{10, "lr 0.1 → 0.01"}, {90, "pause"}, {1e9, "never"}, {50, NULL}};
    struct chart chart = chart_init();
    uint64_t seed = 9;
    for (int i = 0; i < MANY; i++) {
        struct series *series = new_series(i % 2 ? 0.9 : 0);
        for (int x = 0; x < (i == 3 ? 1 : 120); x++)
            append(series, x, x % 41 == 40 ? NAN : (float)(random_part(&seed) * pow(10, i - 4) - (i == 5)));
        lines[i] = (struct chart_series){.series = series,
                                         .name = names[i],
                                         .role = (enum role)(ROLE_SERIES_1 + i),
                                         .kind = i % 3 ? CHART_LINE : CHART_POINTS,
                                         .stroke = (enum stroke)(i % 3),
                                         .marker = (enum marker_shape)(i % MARKER_SHAPES)};
    }
    chart = (struct chart){.title = "All",
                           .x_label = "step",
                           .empty_text = "nothing yet",
                           .series = lines,
                           .events = events,
                           .event_count = 4,
                           .y_min = NAN,
                           .y_max = NAN,
                           .cursor = 60};
    for (int rows = 1; rows <= 100; rows += rows < 10 ? 1 : 30)
        for (int columns = 1; columns <= 300; columns += columns < 20 ? 1 : 56)
            for (int variant = 0; variant < 9; variant++) {
                static const int counts[] = {0, 1, MANY};
                struct canvas *canvas = cells_of(columns, rows, (enum glyph_set)(variant / 3));
                chart.series_count = counts[variant % 3];
                chart.log_y = (rows + columns) % 2;
                chart.log_x = rows % 3 == 0;
                chart_draw(canvas, canvas_area(canvas), &chart);
                canvas_destroy(canvas);
            }
    for (int i = 0; i < MANY; i++)
        series_destroy((struct series *)lines[i].series);
}

static void pixels_of_any_size_do_not_fail(void **state)
{
    (void)state;
    struct run run;
    struct error error = {""};
    start_run(&run);
    train(&run, 500);
    static const int sizes[] = {1, 2, 9, 10, 21, 64, 200, 333};
    for (size_t i = 0; i < 64; i++) {
        struct canvas *canvas;
        int scale = 1 + (int)i % 4;
        assert_int_equal(canvas_create_pixels(sizes[i % 8], sizes[i / 8], scale, theme_at((int)i % 3), &canvas, &error),
                         0);
        chart_draw(canvas, canvas_area(canvas), &run.chart);
        canvas_destroy(canvas);
    }
    end_run(&run);
}

static void drawing_stays_in_its_area(void **state)
{
    (void)state;
    struct run run;
    struct chart_event event = {20, "a label that is longer than the chart is wide, by far"};
    start_run(&run);
    train(&run, 90);
    run.chart.y_max = 1; /* most points lie above */
    run.chart.events = &event;
    run.chart.event_count = 1;
    for (int columns = 0; columns < 40; columns++)
        for (int rows = 0; rows < 14; rows++) {
            struct canvas *canvas = cells_of(50, 20, GLYPHS_BRAILLE);
            struct rect area = {5, 3, columns, rows};
            chart_draw(canvas, area, &run.chart);
            for (int y = 0; y < 20; y++)
                for (int x = 0; x < 50; x++)
                    if (rect_intersect(area, (struct rect){x, y, 1, 1}).columns == 0)
                        assert_int_equal(cell_at(canvas, x, y)->code, ' ');
            canvas_destroy(canvas);
        }
    end_run(&run);
}

/* A remark of many words: the curve is there to be seen, too. */
static void a_label_takes_half_of_a_wide_plot_at_most(void **state)
{
    (void)state;
    struct run run;
    struct chart_event event = {1,
                                "from here on the rate is a tenth of what it was, as the paper has it in its appendix"};
    struct canvas *canvas = cells_of(120, 14, GLYPHS_BRAILLE);
    start_run(&run);
    train(&run, 100);
    run.chart.events = &event;
    run.chart.event_count = 1;
    chart_draw(canvas, canvas_area(canvas), &run.chart);
    char *text = text_of(canvas);
    assert_non_null(strstr(text, "from here on the rate is a tenth of what it was"));
    assert_null(strstr(text, "as the paper has it in its appendix"));
    free(text);
    canvas_destroy(canvas);
    end_run(&run);
}

/* From the top down, as they were given; of more than there are rows the newest. */
static void events_of_one_step_stand_in_their_order(void **state)
{
    (void)state;
    struct run run;
    struct chart_event events[] = {{50, "one"}, {50, "two"}, {50, "three"}, {50, "four"}};
    start_run(&run);
    train(&run, 100);
    run.chart.events = events;
    run.chart.event_count = 4;
    for (int rows = 12; rows <= 24; rows += 12) {
        struct canvas *canvas = cells_of(80, rows, GLYPHS_BRAILLE);
        chart_draw(canvas, canvas_area(canvas), &run.chart);
        char *text = text_of(canvas);
        const char *three = strstr(text, "three"), *four = strstr(text, "four");
        assert_true(three && four && three < four);
        assert_true((strstr(text, "one") != NULL) == (rows == 24));
        assert_true(rows == 12 || (strstr(text, "one") < strstr(text, "two") && strstr(text, "two") < three));
        free(text);
        canvas_destroy(canvas);
    }
    end_run(&run);
}

/* A number that is cut would be another one: a label that fits on neither side of its line says that it goes on. */
static void a_label_without_room_ends_in_an_ellipsis(void **state)
{
    (void)state;
    struct run run;
    struct chart_event event = {50, "peak lr 0.05 -> 0.005, and more"};
    start_run(&run);
    train(&run, 100);
    run.chart.events = &event;
    run.chart.event_count = 1;
    for (int columns = 30; columns <= 90; columns += 30) {
        struct canvas *canvas = cells_of(columns, 14, GLYPHS_BRAILLE);
        chart_draw(canvas, canvas_area(canvas), &run.chart);
        char *text = text_of(canvas);
        bool whole = strstr(text, event.label) != NULL;
        assert_true(whole || strstr(text, "\u2026"));
        assert_int_equal(whole, columns > 80);
        assert_non_null(strstr(text, "peak"));
        free(text);
        canvas_destroy(canvas);
    }
    end_run(&run);
}

/* --- honesty --- */

/* Cells of a series' role in the upper half of the plot. */
static int cells_above_middle(const struct canvas *canvas, struct rect plot, enum role role)
{
    int found = 0;
    for (int y = plot.row; y < plot.row + plot.rows / 2; y++)
        for (int x = plot.column; x < plot.column + plot.columns; x++)
            found += cell_at(canvas, x, y)->style.role == role;
    return found;
}

static void one_spike_in_a_million_is_seen(void **state)
{
    (void)state;
    enum { POINTS = 1000000, SPIKE = 618033 };
    struct series *series = new_series(0.99);
    uint64_t seed = 3;
    for (int i = 0; i < POINTS; i++)
        append(series, i, i == SPIKE ? 100 : (float)random_part(&seed));
    struct chart_series line = {.series = series, .name = "loss", .role = ROLE_SERIES_1};
    struct chart chart = chart_init();
    chart.series = &line;
    chart.series_count = 1;
    for (int columns = 2; columns <= 300; columns += columns < 20 ? 3 : 35)
        for (int variant = 0; variant < 9; variant++) {
            struct canvas *canvas = cells_of(columns, 12, (enum glyph_set)(variant / 3));
            line.stroke = (enum stroke)(variant % 3); /* no pattern of dashes may hide it */
            const struct rect plot = chart_draw(canvas, canvas_area(canvas), &chart);
            assert_true(cells_above_middle(canvas, plot, ROLE_SERIES_1) >= plot.rows / 2);
            canvas_destroy(canvas);
        }
    series_destroy(series);
}

static void smoothing_is_the_same_at_every_width(void **state)
{
    (void)state;
    struct series *series = new_series(0.98);
    uint64_t seed = 8;
    for (int i = 0; i < 20000; i++)
        append(series, i, (float)(sin(i / 900.0) + 3 * random_part(&seed)));
    struct series_summary whole = series_summarize(series, SERIES_SMOOTHED, 0, 20000);
    struct chart_series line = {.series = series, .role = ROLE_SERIES_1, .hide_raw = true};
    struct chart chart = chart_init();
    chart.series = &line;
    chart.series_count = 1;
    chart.y_min = whole.min;
    chart.y_max = whole.max;
    for (int columns = 20; columns <= 300; columns += 20) {
        struct canvas *canvas = cells_of(columns, 12, GLYPHS_BRAILLE);
        const struct rect plot = chart_draw(canvas, canvas_area(canvas), &chart);
        int top = 0, bottom = 0; /* its extremes touch the bounds, whatever the width */
        for (int x = plot.column; x < plot.column + plot.columns; x++) {
            top += cell_at(canvas, x, plot.row)->style.role == ROLE_SERIES_1;
            bottom += cell_at(canvas, x, plot.row + plot.rows - 1)->style.role == ROLE_SERIES_1;
        }
        assert_true(top > 0 && bottom > 0);
        canvas_destroy(canvas);
    }
    series_destroy(series);
}

static void what_is_not_finite_is_marked_and_leaves_a_gap(void **state)
{
    (void)state;
    struct series *series = new_series(0);
    const float values[] = {1, 1, 1, 1, 1, NAN, 1, 1, INFINITY, -INFINITY, 1};
    for (int i = 0; i < 11; i++)
        append(series, i, values[i]);
    struct chart_series line = {.series = series, .role = ROLE_SERIES_1};
    struct chart chart = chart_init();
    chart.series = &line;
    chart.series_count = 1;
    struct canvas *canvas = cells_of(60, 12, GLYPHS_BRAILLE);
    const struct rect plot = chart_draw(canvas, canvas_area(canvas), &chart);
    int marks = 0, drawn_columns = 0;
    for (int x = plot.column; x < plot.column + plot.columns; x++) {
        const struct cell *top = cell_at(canvas, x, plot.row);
        bool mark = top->code == 0x00D7 && top->style.role == ROLE_BAD, drawn = false;
        for (int y = plot.row + 1; y < plot.row + plot.rows; y++)
            drawn = drawn || cell_at(canvas, x, y)->style.role == ROLE_SERIES_1;
        assert_false(mark && drawn);
        marks += mark;
        drawn_columns += drawn;
    }
    assert_int_equal(marks, 3);
    assert_in_range(drawn_columns, plot.columns / 3, plot.columns * 3 / 4); /* 5 of 10 stretches are whole */
    canvas_destroy(canvas);
    series_destroy(series);
}

/* From 0 to 10 with a NaN between, five points a dot column: where the NaN ends or begins a column, nothing may lead
 * up from 0 to 10; where it stands inside of one, the column's span does. */
static void a_gap_between_two_columns_is_left_open(void **state)
{
    (void)state;
    int open = 0;
    for (int gap = 50; gap < 55; gap++) {
        struct series *series = new_series(0);
        for (int i = 0; i < 95; i++)
            append(series, i, i == gap ? NAN : i < gap ? 0 : 10);
        struct chart_series line = {.series = series, .role = ROLE_SERIES_1};
        struct chart chart = chart_init();
        chart.series = &line;
        chart.series_count = 1;
        struct canvas *canvas = cells_of(10, 9, GLYPHS_BRAILLE); /* too small for axes: 20 dots */
        chart_draw(canvas, canvas_area(canvas), &chart);
        int between = 0;
        for (int x = 0; x < 10; x++)
            between += cell_at(canvas, x, 4)->style.role == ROLE_SERIES_1;
        open += between == 0;
        canvas_destroy(canvas);
        series_destroy(series);
    }
    assert_int_equal(open, 2);
}

static void values_without_a_place_on_a_log_axis_are_marked(void **state)
{
    (void)state;
    struct series *series = new_series(0);
    for (int i = 0; i < 50; i++)
        append(series, i, i == 20 ? 0 : i == 30 ? -1 : 10);
    struct chart_series line = {.series = series, .role = ROLE_SERIES_1};
    struct chart chart = chart_init();
    chart.series = &line;
    chart.series_count = 1;
    chart.log_y = true;
    struct canvas *canvas = cells_of(80, 12, GLYPHS_BRAILLE);
    const struct rect plot = chart_draw(canvas, canvas_area(canvas), &chart);
    int marks = 0;
    for (int x = plot.column; x < plot.column + plot.columns; x++)
        marks += cell_at(canvas, x, plot.row + plot.rows - 1)->style.role == ROLE_WARNING;
    assert_int_equal(marks, 2);
    canvas_destroy(canvas);
    series_destroy(series);
}

/* --- few bytes --- */

static void the_domain_grows_in_few_steps_and_is_never_half_empty_then(void **state)
{
    (void)state;
    double held = chart_hold_domain(0, 1, 0);
    int changes = 0;
    assert_true(held == 100);
    for (int step = 1; step <= 100000; step++) {
        double next = chart_hold_domain(held, step, 0);
        assert_true(next >= step && (next == held || next < 1.7 * held));
        assert_true(chart_hold_domain(0, step, 0) == next); /* whatever was held before */
        changes += next != held;
        held = next;
    }
    assert_true(held == 100000);
    assert_int_equal(changes, 18); /* six a decade */
    assert_true(chart_hold_domain(0, 150, 160) == 150);
    assert_true(chart_hold_domain(0, 151, 160) == 160); /* the run's end, when it is known */
    assert_true(chart_hold_domain(0, 170, 160) == 200); /* a run that goes on behind it */
}

static void a_new_point_changes_few_cells(void **state)
{
    (void)state;
    enum { COLUMNS = 100, ROWS = 30, STEPS = 1000 };
    struct run run;
    start_run(&run);
    train(&run, 1000);
    run.chart.x_max = 2000;
    uint64_t seed = 12;
    struct canvas *before = cells_of(COLUMNS, ROWS, GLYPHS_BRAILLE), *after = cells_of(COLUMNS, ROWS, GLYPHS_BRAILLE);
    chart_draw(before, canvas_area(before), &run.chart);
    long changed = 0;
    for (int step = 1001; step <= 1000 + STEPS; step++) {
        append(run.train, step, loss_at(step, &seed));
        canvas_clear(after);
        chart_draw(after, canvas_area(after), &run.chart);
        for (int i = 0; i < COLUMNS * ROWS; i++) {
            const struct cell *a = &canvas_cells(before)[i], *b = &canvas_cells(after)[i];
            changed += a->code != b->code || !style_equal(a->style, b->style);
        }
        struct canvas *swap = before;
        before = after;
        after = swap;
    }
    assert_true(changed < 8 * STEPS); /* the legend's number is four of them */
    canvas_destroy(before);
    canvas_destroy(after);
    end_run(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(charts_look_as_they_did),
        cmocka_unit_test(futures_look_as_they_did),
        cmocka_unit_test(percent_chart_looks_as_it_did),
        cmocka_unit_test(no_size_fails),
        cmocka_unit_test(pixels_of_any_size_do_not_fail),
        cmocka_unit_test(drawing_stays_in_its_area),
        cmocka_unit_test(one_spike_in_a_million_is_seen),
        cmocka_unit_test(smoothing_is_the_same_at_every_width),
        cmocka_unit_test(what_is_not_finite_is_marked_and_leaves_a_gap),
        cmocka_unit_test(a_gap_between_two_columns_is_left_open),
        cmocka_unit_test(a_label_takes_half_of_a_wide_plot_at_most),
        cmocka_unit_test(events_of_one_step_stand_in_their_order),
        cmocka_unit_test(a_label_without_room_ends_in_an_ellipsis),
        cmocka_unit_test(values_without_a_place_on_a_log_axis_are_marked),
        cmocka_unit_test(the_domain_grows_in_few_steps_and_is_never_half_empty_then),
        cmocka_unit_test(a_new_point_changes_few_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
