/* See chart_layout.h. Everything here follows from the chart and the size alone. */
#include "viz/chart_layout.h"

#include <stdio.h>

enum { HEADER_ROWS = 4, AXIS_ROWS = 6, AXIS_COLUMNS = 16, FINE_DOTS = 4, COLUMNS_PER_TICK = 8 };

static double scaled(const struct axis *axis, double value)
{
    return axis->log ? log10(value) : value;
}

double axis_dot(const struct axis *axis, double value)
{
    double low = scaled(axis, axis->low), high = scaled(axis, axis->high);
    if (axis->log && !(value > 0))
        return NAN;
    double part = (scaled(axis, value) - low) / (high - low);
    if (axis->flip)
        part = 1 - part;
    return axis->origin + 0.5 + part * (axis->count - 1);
}

double axis_value(const struct axis *axis, double dot)
{
    double low = scaled(axis, axis->low), high = scaled(axis, axis->high);
    double part = axis->count > 1 ? (dot - axis->origin - 0.5) / (axis->count - 1) : 0;
    if (axis->flip)
        part = 1 - part;
    double value = low + part * (high - low);
    return axis->log ? pow(10, value) : value;
}

struct column_walk column_walk_start(const struct series *series, enum series_part part, const struct axis *x)
{
    return (struct column_walk){
        series, x, part, 0, series_find(series, x->low), series_find(series, nextafter(x->high, INFINITY))};
}

bool column_walk_next(struct column_walk *walk, struct column *out)
{
    while (walk->at < walk->end) {
        int column = walk->column++;
        bool last = column >= walk->x->count - 1;
        size_t to = walk->end;
        if (!last)
            to = series_find(walk->series, axis_value(walk->x, walk->x->origin + column + 1.0));
        if (to > walk->end)
            to = walk->end;
        if (to <= walk->at)
            continue;
        out->x = walk->x->origin + column + 0.5;
        if (to - walk->at == 1 && walk->x->count > 1)
            out->x = axis_dot(walk->x, series_x(walk->series, walk->at));
        out->sum = series_summarize(walk->series, walk->part, walk->at, to);
        walk->at = to;
        return true;
    }
    return false;
}

static void include(double *low, double *high, double value)
{
    *low = fmin(*low, value);
    *high = fmax(*high, value);
}

/* The x domain: the chart's own, else that of its points. */
static void find_domain(const struct chart *chart, struct axis *x)
{
    double low = INFINITY, high = -INFINITY;
    if (chart->x_max > chart->x_min) {
        low = chart->x_min;
        high = chart->x_max;
    } else {
        for (int i = 0; i < chart->series_count; i++) {
            const struct series *series = chart->series[i].series;
            if (!series_count(series))
                continue;
            include(&low, &high, series_x(series, 0));
            include(&low, &high, series_x(series, series_count(series) - 1));
        }
    }
    if (!(low <= high) || !isfinite(high - low))
        low = 0, high = CHART_FIRST_DOMAIN;
    if (low == high)
        high = low + fmax(CHART_FIRST_DOMAIN / 10.0, fabs(low) * 1e-9);
    if (x->log && high <= 0)
        low = 1, high = 10;
    if (x->log && low <= 0)
        low = fmin(1, high / 10);
    x->low = low;
    x->high = high;
}

static void include_part(const struct series *series, enum series_part part, const struct layout *layout, double *low,
                         double *high)
{
    if (!layout->y.log) {
        size_t from = series_find(series, layout->x.low), to = series_find(series, nextafter(layout->x.high, INFINITY));
        struct series_summary sum = series_summarize(series, part, from, to);
        if (sum.count)
            include(low, high, sum.min), include(low, high, sum.max);
        return;
    }
    struct column_walk walk = column_walk_start(series, part, &layout->x);
    for (struct column column; column_walk_next(&walk, &column);) {
        if (column.sum.count && column.sum.max > 0)
            include(low, high, column.sum.min > 0 ? column.sum.min : column.sum.max);
    }
}

static void find_bounds(const struct chart *chart, struct layout *layout, int ticks)
{
    double low = INFINITY, high = -INFINITY;
    layout->empty = true;
    for (int i = 0; i < chart->series_count; i++) {
        const struct chart_series *line = &chart->series[i];
        layout->empty = layout->empty && !series_count(line->series);
        if (!line->hide_raw || line->kind == CHART_POINTS)
            include_part(line->series, SERIES_RAW, layout, &low, &high);
        if (line->kind == CHART_LINE)
            include_part(line->series, SERIES_SMOOTHED, layout, &low, &high);
    }
    if (!(low <= high))
        low = layout->y.log ? 0.1 : 0, high = 1;
    if (layout->y.log)
        ticks_round_log(&low, &high);
    else
        ticks_round_linear(&low, &high, ticks);
    if (isfinite(chart->y_min) && (!layout->y.log || chart->y_min > 0))
        low = chart->y_min;
    if (isfinite(chart->y_max) && (!layout->y.log || chart->y_max > 0))
        high = chart->y_max;
    if (!(low < high)) { /* one bound is fixed and all points lie beyond it */
        high = layout->y.log ? low * 10 : low + fmax(1, fabs(low) * 0.1);
    }
    layout->y.low = low;
    layout->y.high = high;
}

static void find_ticks(struct axis *axis, int most, bool percent)
{
    if (axis->log)
        ticks_log(axis->low, axis->high, most, &axis->ticks);
    else
        ticks_linear(axis->low, axis->high, most, percent, &axis->ticks);
}

/* The value that the legend tells: smoothed where the line is, at the cursor or at the end. */
static double legend_value(const struct chart *chart, const struct chart_series *line)
{
    size_t count = series_count(line->series);
    if (!isnan(chart->cursor))
        count = series_find(line->series, nextafter(chart->cursor, INFINITY));
    if (!count)
        return NAN;
    return line->kind == CHART_POINTS ? series_y(line->series, count - 1) : series_smoothed(line->series, count - 1);
}

void chart_legend_text(const struct chart *chart, int index, char out[LEGEND_TEXT])
{
    const struct chart_series *line = &chart->series[index];
    const char *name = line->name ? line->name : "";
    double value = legend_value(chart, line);
    char number[32] = "-";
    if (isfinite(value) && chart->format == CHART_PERCENT)
        snprintf(number, sizeof number, "%.1f%%", 100 * value);
    else if (isfinite(value) && value != 0 && (fabs(value) < 1e-3 || fabs(value) >= 1e4))
        tick_format(value, number);
    else if (isfinite(value)) /* always as wide, so that a live legend stands still */
        snprintf(number, sizeof number, "%#.4g", value);
    else if (series_count(line->series) && isnan(chart->cursor))
        snprintf(number, sizeof number, "NaN");
    snprintf(out, LEGEND_TEXT, "%s %6s", name, number);
}

static int legend_columns(const struct chart *chart)
{
    int columns = 0;
    for (int i = 0; i < chart->series_count; i++) {
        char text[LEGEND_TEXT];
        chart_legend_text(chart, i, text);
        columns += (i ? LEGEND_GAP : 0) + LEGEND_SAMPLE + 1 + text_columns(text);
    }
    return columns;
}

/* Title and legend share the top row where they fit, else the legend gets the next. */
static void place_header(const struct canvas *canvas, const struct chart *chart, struct layout *out)
{
    struct rect area = out->area;
    int title = chart->title ? text_columns(chart->title) : 0, legend = legend_columns(chart);
    out->legend_row = -1;
    if (area.rows < HEADER_ROWS)
        return;
    out->title = title > 0;
    if (chart->series_count) {
        bool beside = !title || title + 2 + legend <= area.columns;
        out->legend = beside || area.rows >= 2 * HEADER_ROWS;
        out->legend_row = !out->legend ? -1 : area.row + !beside;
        out->legend_column = area.column;
        if (beside && legend < area.columns)
            out->legend_column += area.columns - legend;
    }
    int rows = out->legend_row > area.row ? 2 : out->title || out->legend;
    if (rows && canvas_dots(canvas).y > FINE_DOTS)
        rows++; /* a label stands on its tick there, half a row above the plot */
    out->plot.row += rows;
    out->plot.rows -= rows;
}

static int widest_label(const struct ticks *ticks)
{
    int widest = 0;
    for (int i = 0; i < ticks->count; i++) {
        int columns = text_columns(ticks->tick[i].label);
        widest = columns > widest ? columns : widest;
    }
    return widest;
}

static int most_y_ticks(int rows)
{
    int most = rows < 12 ? rows / 2 : rows / 3 + 2;
    return most > 2 ? most : 2;
}

/* Columns of the y labels, wide enough for the x axis's name below them, so that charts above each other line up. */
static int gutter_columns(const struct layout *layout, const struct chart *chart)
{
    int labels = widest_label(&layout->y.ticks) + 2;
    int name = chart->x_label ? text_columns(chart->x_label) + 2 : 0;
    return name > labels && name * 6 <= layout->area.columns ? name : labels;
}

void chart_lay_out(const struct canvas *canvas, struct rect area, const struct chart *chart, struct layout *out)
{
    struct dot_grid dots = canvas_dots(canvas);
    *out = (struct layout){.area = area, .plot = area, .legend_row = -1};
    out->x.log = chart->log_x;
    out->y.log = chart->log_y;
    out->y.flip = true;
    out->axis_gap = dots.y > FINE_DOTS ? 0 : 0.5;
    place_header(canvas, chart, out);
    out->x_axis = area.rows >= AXIS_ROWS;
    if (out->x_axis)
        out->plot.rows -= 2;
    int y_ticks = most_y_ticks(out->plot.rows);
    find_domain(chart, &out->x);
    out->x.count = out->plot.columns * dots.x; /* near enough to find the bounds by */
    find_bounds(chart, out, y_ticks);
    find_ticks(&out->y, y_ticks + 1, chart->format == CHART_PERCENT);
    int gutter = gutter_columns(out, chart);
    out->y_axis = area.columns >= AXIS_COLUMNS && gutter * 2 <= area.columns;
    if (out->y_axis) {
        out->plot.column += gutter;
        out->plot.columns -= gutter;
    }
    if (out->plot.columns < 1 || out->plot.rows < 1)
        out->plot.columns = out->plot.rows = 0;
    out->x.origin = out->plot.column * dots.x;
    out->x.count = out->plot.columns * dots.x;
    out->y.origin = out->plot.row * dots.y;
    out->y.count = out->plot.rows * dots.y;
    find_ticks(&out->x, out->plot.columns / COLUMNS_PER_TICK + 1, false);
}
