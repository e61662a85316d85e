/* See chart_layout.h. Everything here follows from the chart and the size alone. */
#include "viz/chart_layout.h"

#include "base/digits.h"

#include <stdio.h>

double chart_point_x(const struct chart_series *line, size_t index)
{
    const double x = series_x(line->series, index);
    return line->scale ? scale_value(line->scale, x) : x;
}

size_t chart_find_point(const struct chart_series *line, double x)
{
    const size_t count = series_count(line->series);
    size_t found = series_find(line->series, line->scale ? scale_find(line->scale, x) : x);
    if (!line->scale)
        return found;
    while (found > 0 && chart_point_x(line, found - 1) >= x) /* there and back again rounds */
        found--;
    while (found < count && chart_point_x(line, found) < x)
        found++;
    return found;
}

struct column_walk column_walk_start(const struct chart_series *line, enum series_part part, const struct axis *x)
{
    return (struct column_walk){
        line, x, part, 0, chart_find_point(line, x->low), chart_find_point(line, nextafter(x->high, INFINITY))};
}

bool column_walk_next(struct column_walk *walk, struct column *out)
{
    while (walk->at < walk->end) {
        int column = walk->column++;
        bool last = column >= walk->x->count - 1;
        size_t to = walk->end;
        if (!last)
            to = chart_find_point(walk->line, axis_value(walk->x, walk->x->origin + column + 1.0));
        if (to > walk->end)
            to = walk->end;
        if (to <= walk->at)
            continue;
        out->x = walk->x->origin + column + 0.5;
        if (to - walk->at == 1 && walk->x->count > 1)
            out->x = axis_dot(walk->x, chart_point_x(walk->line, walk->at));
        out->sum = series_summarize(walk->line->series, walk->part, walk->at, to);
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
            const struct chart_series *line = &chart->series[i];
            if (!series_count(line->series))
                continue;
            include(&low, &high, chart_point_x(line, 0));
            include(&low, &high, chart_point_x(line, series_count(line->series) - 1));
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

static void include_part(const struct chart_series *line, enum series_part part, const struct layout *layout,
                         double *low, double *high)
{
    if (!layout->axes.y.log) {
        size_t from = chart_find_point(line, layout->axes.x.low),
               to = chart_find_point(line, nextafter(layout->axes.x.high, INFINITY));
        struct series_summary sum = series_summarize(line->series, part, from, to);
        if (sum.count)
            include(low, high, sum.min), include(low, high, sum.max);
        return;
    }
    struct column_walk walk = column_walk_start(line, part, &layout->axes.x);
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
        if (line->unbounded)
            continue;
        if (!line->hide_raw || line->kind == CHART_POINTS)
            include_part(line, SERIES_RAW, layout, &low, &high);
        if (line->kind == CHART_LINE)
            include_part(line, SERIES_SMOOTHED, layout, &low, &high);
    }
    if (!(low <= high))
        low = layout->axes.y.log ? 0.1 : 0, high = 1;
    if (layout->axes.y.log)
        ticks_round_log(&low, &high);
    else
        ticks_round_linear(&low, &high, ticks);
    if (isfinite(chart->y_min) && (!layout->axes.y.log || chart->y_min > 0))
        low = chart->y_min;
    if (isfinite(chart->y_max) && (!layout->axes.y.log || chart->y_max > 0))
        high = chart->y_max;
    if (!(low < high)) { /* one bound is fixed and all points lie beyond it */
        high = layout->axes.y.log ? low * 10 : low + fmax(1, fabs(low) * 0.1);
    }
    layout->axes.y.low = low;
    layout->axes.y.high = high;
}

/* The value that the legend tells: smoothed where the line is, at the cursor or at the end. */
static double legend_value(const struct chart *chart, const struct chart_series *line)
{
    size_t count = series_count(line->series);
    if (!isnan(chart->cursor))
        count = chart_find_point(line, nextafter(chart->cursor, INFINITY));
    if (!count)
        return NAN;
    return line->kind == CHART_POINTS ? series_y(line->series, count - 1) : series_smoothed(line->series, count - 1);
}

/* "train 0.5321": of a series, at the cursor or at its end. */
static void legend_text(const struct chart *chart, const struct chart_series *line, char out[LEGEND_TEXT])
{
    double value = legend_value(chart, line);
    char number[32] = "-";
    if (line->label) { /* it has its number */
        snprintf(out, LEGEND_TEXT, "%s", line->name);
        return;
    }
    if (isfinite(value) && chart->format == CHART_PERCENT)
        snprintf(number, sizeof number, "%.1f%%", 100 * value);
    else if (isfinite(value) && value != 0 && (fabs(value) < 1e-3 || fabs(value) >= 1e4))
        tick_format(value, number);
    else if (isfinite(value)) /* always as wide, so that a live legend stands still */
        digits_steady(value, 4, number, sizeof number);
    else if (series_count(line->series) && isnan(chart->cursor))
        snprintf(number, sizeof number, "NaN");
    snprintf(out, LEGEND_TEXT, "%s%s%s %6s", line->tag ? line->tag : "", line->tag ? " " : "", line->name, number);
}

static void fill_legend(const struct chart *chart, struct layout *out)
{
    int count = 0;
    for (int i = 0; i < chart->series_count && count < LEGEND_MAX; i++) {
        const struct chart_series *line = &chart->series[i];
        if (!line->name)
            continue;
        out->legend[count] = (struct legend_entry){.style = STYLE(line->role),
                                                   .sample = line->kind == CHART_POINTS ? SAMPLE_POINTS : SAMPLE_LINE,
                                                   .stroke = line->stroke,
                                                   .marker = line->marker};
        legend_text(chart, line, out->legend[count++].text);
    }
    out->axes.legend = out->legend;
    out->axes.legend_count = count;
}

void chart_lay_out(const struct canvas *canvas, struct rect area, const struct chart *chart, struct layout *out)
{
    struct axes *axes = &out->axes;
    *axes = (struct axes){.area = area,
                          .title = chart->title,
                          .x_label = chart->x_label,
                          .y_label = chart->y_label,
                          .percent = chart->format == CHART_PERCENT,
                          .x.log = chart->log_x,
                          .x.unit = chart->x_unit,
                          .y.log = chart->log_y,
                          .y.flip = true};
    fill_legend(chart, out);
    axes_begin(canvas, axes);
    find_domain(chart, &axes->x);
    axes->x.count = axes->plot.columns * canvas_dots(canvas).x; /* near enough to find the bounds by */
    find_bounds(chart, out, axes_y_ticks(axes));
    axes_place(canvas, axes);
}
