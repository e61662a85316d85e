/* What a chart shows of a part of the run: zoomed, over another measure than the steps, of several runs, with gaps and
 * many marks. Golden texts as in test_chart.c. */
#include "tests/viz/viz_test.h"
#include "viz/chart.h"

#include <math.h>

enum { COLUMNS = 80, ROWS = 16 };

static struct chart_series line_of(const struct series *series)
{
    return (struct chart_series){.series = series, .name = "loss", .role = ROLE_SERIES_1};
}

static struct chart chart_of(const struct chart_series *lines, int count)
{
    struct chart chart = chart_init();
    chart.title = "Loss";
    chart.x_label = "step";
    chart.series = lines;
    chart.series_count = count;
    return chart;
}

static void check_golden(const char *name, const struct chart *chart)
{
    struct canvas *canvas = cells_of(COLUMNS, ROWS, GLYPHS_BRAILLE);
    char path[128];
    chart_draw(canvas, canvas_area(canvas), chart);
    snprintf(path, sizeof path, "tests/viz/golden/%s.txt", name);
    check_golden_text(path, canvas);
}

static float value_at(int step)
{
    return (float)(0.5 + 1.8 * exp(-step / 150.0) + 0.2 * sin(step * 0.9));
}

static struct series *falling(int steps, double smoothing)
{
    struct series *series = new_series(smoothing);
    for (int step = 1; step <= steps; step++)
        append(series, step, value_at(step));
    return series;
}

static void a_part_of_a_run_with_cursor(void **state)
{
    (void)state;
    struct series *series = falling(700, 0.9);
    const struct chart_series line = line_of(series);
    const struct chart_event events[] = {{90, "before"}, {220, "lr 0.1 -> 0.03"}, {600, "behind"}};
    struct chart chart = chart_of(&line, 1);
    chart.events = events;
    chart.event_count = 3;
    chart.x_min = 200;
    chart.x_max = 300;
    chart.cursor = 250;
    check_golden("zoomed", &chart);
    chart.log_y = true;
    check_golden("zoomed-log", &chart);
    series_destroy(series);
}

/* Each with its own steps a second: over the time they lie elsewhere than over the steps. */
static void three_runs_over_their_time(void **state)
{
    (void)state;
    static const char *const names[] = {"this run", "20260131-micro-1", "20260130-a-long-name-of-a-session-2"};
    static const char *const tags[] = {NULL, "a", "b"};
    struct chart_series lines[3];
    struct scale *scales[3];
    struct error error = {""};
    for (int i = 0; i < 3; i++) {
        lines[i] = line_of(falling(300 + 100 * i, 0.8));
        lines[i].name = names[i];
        lines[i].tag = tags[i];
        lines[i].role = (enum role)(ROLE_SERIES_1 + 3 * i);
        lines[i].stroke = (enum stroke)i;
        lines[i].hide_raw = i > 0;
        assert_int_equal(scale_create(0, &scales[i], &error), 0);
        assert_int_equal(scale_append(scales[i], 1000, 2000.0 / (i + 1), &error), 0);
        lines[i].scale = scales[i];
    }
    struct chart chart = chart_of(lines, 3);
    chart.x_label = "minutes";
    chart.x_unit = 60;
    check_golden("overlays-time", &chart);
    for (int i = 0; i < 3; i++) {
        scale_destroy(scales[i]);
        series_destroy((struct series *)lines[i].series);
    }
}

/* What is laid over a run's own curve does not hide it. */
static void lines_behind_are_covered_by_the_others(void **state)
{
    (void)state;
    struct series *series = falling(300, 0.9);
    struct chart_series lines[2] = {line_of(series), line_of(series)};
    lines[1].role = ROLE_SERIES_4;
    lines[0].hide_raw = lines[1].hide_raw = lines[1].behind = true;
    const struct chart chart = chart_of(lines, 2);
    struct canvas *canvas = cells_of(COLUMNS, ROWS, GLYPHS_BRAILLE);
    const struct rect plot = chart_draw(canvas, canvas_area(canvas), &chart);
    int own = 0;
    for (int column = plot.column; column < plot.column + plot.columns; column++)
        for (int row = plot.row; row < plot.row + plot.rows; row++) {
            assert_int_not_equal(cell_at(canvas, column, row)->style.role, ROLE_SERIES_4);
            own += cell_at(canvas, column, row)->style.role == ROLE_SERIES_1;
        }
    assert_true(own >= plot.columns);
    canvas_destroy(canvas);
    series_destroy(series);
}

static void gaps_and_what_is_not_finite(void **state)
{
    (void)state;
    struct series *series = new_series(0.5);
    struct error error = {""};
    for (int step = 1; step <= 200; step++) {
        if (step > 60 && step < 90)
            continue;
        if (step == 90)
            assert_int_equal(series_break(series, &error), 0);
        append(series, step, step == 130 ? NAN : step == 131 ? INFINITY : value_at(step));
    }
    const struct chart_series line = line_of(series);
    struct chart chart = chart_of(&line, 1);
    check_golden("gaps", &chart);
    series_destroy(series);
}

/* Marks at each step would hide the curve: lines stand a cell apart, and the newest is one of them. */
static void many_marks_leave_the_curve_in_sight(void **state)
{
    (void)state;
    struct series *series = falling(200, 0);
    const struct chart_series line = line_of(series);
    struct chart_event events[200];
    struct chart chart = chart_of(&line, 1);
    for (int i = 0; i < 200; i++)
        events[i] = (struct chart_event){i + 1, "lr 0.1 -> 0.09"};
    chart.events = events;
    chart.event_count = 200;
    enum { LEFT = 0x47, RIGHT = 0xB8 }; /* dots of a cell of braille */
    struct canvas *canvas = cells_of(COLUMNS, ROWS, GLYPHS_BRAILLE);
    const struct rect plot = chart_draw(canvas, canvas_area(canvas), &chart);
    int curve = 0;
    for (int column = plot.column; column < plot.column + plot.columns; column++)
        for (int row = plot.row + plot.rows / 3; row < plot.row + plot.rows; row++) {
            const struct cell *cell = cell_at(canvas, column, row);
            curve += cell->style.role == ROLE_SERIES_1;
            assert_false(cell->style.role == ROLE_EVENT && cell->code & LEFT && cell->code & RIGHT);
        }
    assert_true(curve >= plot.columns * 3 / 4);
    assert_int_equal(cell_at(canvas, plot.column + plot.columns - 1, plot.row + plot.rows / 2)->style.role, ROLE_EVENT);
    canvas_destroy(canvas);
    series_destroy(series);
}

static bool spike_is_seen(struct canvas *canvas, const struct chart *chart)
{
    canvas_clear(canvas);
    const struct rect plot = chart_draw(canvas, canvas_area(canvas), chart);
    int high = 0;
    for (int row = plot.row; row < plot.row + plot.rows / 2; row++)
        for (int column = plot.column; column < plot.column + plot.columns; column++)
            high += cell_at(canvas, column, row)->style.role == ROLE_SERIES_1;
    return high >= plot.rows / 2;
}

/* Wherever the spike stands in a million points, every part of the run that holds it shows it; and what is looked at
 * for that depends on the columns alone. */
static void a_spike_is_seen_at_every_zoom(void **state)
{
    (void)state;
    enum { POINTS = 1000000, TRIES = 400 };
    struct series *series = new_series(0.99);
    struct canvas *canvas = cells_of(COLUMNS, 12, GLYPHS_BRAILLE);
    uint64_t seed = 21;
    static const int spikes[] = {3, 77777, 262144, 500001, 999999};
    for (int i = 0, next = 0; i < POINTS; i++) {
        next += i > 0 && i == spikes[next] + 1 && next < 4;
        append(series, i, i == spikes[next] ? 100 : (float)random_part(&seed));
    }
    const struct chart_series line = line_of(series);
    struct chart chart = chart_of(&line, 1);
    for (int i = 0; i < TRIES; i++) {
        const double spike = spikes[i % 5], width = pow(10, 1 + 5 * random_part(&seed));
        chart.x_min = fmax(0, floor(spike - width * random_part(&seed)));
        chart.x_max = fmax(spike, chart.x_min + width);
        const size_t before = series_nodes_read();
        assert_true(spike_is_seen(canvas, &chart));
        /* two parts, each for the bounds and the dots; up to 16 nodes a level and end */
        assert_true(series_nodes_read() - before < (size_t)2 * (2 * COLUMNS + 2) * 2 * 5 * 16);
    }
    canvas_destroy(canvas);
    series_destroy(series);
}

/* The same points cost the same, be there a thousand more or a million. */
static void drawing_does_not_slow_as_the_run_grows(void **state)
{
    (void)state;
    size_t work[3];
    struct series *series = new_series(0.9);
    struct canvas *canvas = cells_of(COLUMNS, ROWS, GLYPHS_BRAILLE);
    const struct chart_series line = line_of(series);
    struct chart chart = chart_of(&line, 1);
    for (int i = 0, next = 0; next < 3; i++) {
        append(series, i, value_at(i));
        if (i + 1 != (next == 0 ? 10000 : next == 1 ? 100000 : 1000000))
            continue;
        const size_t before = series_nodes_read();
        canvas_clear(canvas);
        chart_draw(canvas, canvas_area(canvas), &chart);
        work[next++] = series_nodes_read() - before;
    }
    assert_true(work[1] < 3 * work[0]);
    assert_true(work[2] < 2 * work[1]);
    canvas_destroy(canvas);
    series_destroy(series);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_of_a_run_with_cursor),
        cmocka_unit_test(three_runs_over_their_time),
        cmocka_unit_test(lines_behind_are_covered_by_the_others),
        cmocka_unit_test(gaps_and_what_is_not_finite),
        cmocka_unit_test(many_marks_leave_the_curve_in_sight),
        cmocka_unit_test(a_spike_is_seen_at_every_zoom),
        cmocka_unit_test(drawing_does_not_slow_as_the_run_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
