/* See chart.h. Drawn from the back to the front: grid, events, raw lines, smoothed lines, markers, marks of what is not
 * finite, cursor, texts. */
#include "viz/chart_layout.h"

#include <math.h>
#include <stdio.h>

enum { EVENT_LABELS = 32, END_LABELS = 16, LABEL_COLUMNS = 32 };

struct chart chart_init(void)
{
    return (struct chart){.y_min = NAN, .y_max = NAN, .cursor = NAN};
}

/* The next of 1, 1.5, 2, 3, 5, 7, 10 and so on: where it begins, at least three fifths of it are filled. */
static double next_domain(double held)
{
    static const double steps[] = {1.5, 2, 3, 5, 7, 10};
    const double decade = pow(10, floor(log10(held * 1.000001)));
    int i = 0;
    while (steps[i] * decade < held * 1.000001)
        i++;
    return steps[i] * decade;
}

double chart_hold_domain(double held, double last, double limit)
{
    if (held <= 0)
        held = CHART_FIRST_DOMAIN;
    while (held < last && held < 1e300)
        held = next_domain(held);
    return limit > 0 && held > limit && last <= limit ? limit : held;
}

/* y of a value, for a span's lower end at the bottom of a logarithmic axis where it has no place. */
static double value_dot(const struct axis *y, double value)
{
    double dot = axis_dot(y, value);
    return isnan(dot) ? y->origin + y->count - 0.5 : dot;
}

/* Whether a column's span is to be drawn: it always is where nothing leads to it. Of a dashed or dotted line that is
 * joined only what stands out: small spans, which many points in a column have, would fill its gaps. */
static bool span_shows(const struct axis *y, const struct chart_series *line, const struct series_summary *sum,
                       bool joined)
{
    const double least = 2; /* dots */
    if (!joined)
        return true;
    if (line->stroke == STROKE_SOLID)
        return sum->min < sum->max;
    return value_dot(y, sum->min) - value_dot(y, sum->max) >= least;
}

/* One vertical span a dot column, joined from column to column; broken where a value is not finite. */
static void draw_line(struct canvas *canvas, const struct layout *layout, const struct chart_series *line,
                      enum series_part part, struct style style, double width)
{
    struct column_walk walk = column_walk_start(line, part, &layout->axes.x);
    bool joined = false;
    double last_x = 0, last_y = 0, run = 0;
    canvas_line_begin(canvas, style, line->stroke, width);
    for (struct column column; column_walk_next(&walk, &column);) {
        const struct series_summary *sum = &column.sum;
        if (!sum->count || (layout->axes.y.log && sum->max <= 0)) {
            joined = false;
            continue;
        }
        joined = joined && sum->first_finite;
        if (joined)
            canvas_line(canvas, last_x, last_y, column.x, value_dot(&layout->axes.y, sum->first), line->stroke, &run);
        if (span_shows(&layout->axes.y, line, sum, joined))
            canvas_path_line(canvas, column.x, value_dot(&layout->axes.y, sum->max), column.x,
                             value_dot(&layout->axes.y, sum->min));
        joined = sum->last_finite;
        last_x = column.x;
        last_y = value_dot(&layout->axes.y, sum->last);
    }
    canvas_path_end(canvas);
}

/* Markers of a sparse series; none where they would cover each other. */
static void draw_markers(struct canvas *canvas, const struct layout *layout, const struct chart_series *line)
{
    size_t from = chart_find_point(line, layout->axes.x.low);
    size_t to = chart_find_point(line, nextafter(layout->axes.x.high, INFINITY));
    if (to - from > (size_t)layout->axes.plot.columns / 2 + 1)
        return;
    for (size_t i = from; i < to; i++)
        canvas_marker(canvas, axis_dot(&layout->axes.x, chart_point_x(line, i)),
                      axis_dot(&layout->axes.y, series_y(line->series, i)), line->marker, STYLE(line->role));
}

/* Crosses at the top where values are not finite, triangles at the bottom where a logarithmic axis has no place. */
static void draw_marks(struct canvas *canvas, const struct layout *layout, const struct chart_series *line)
{
    struct dot_grid dots = canvas_dots(canvas);
    double top = layout->axes.y.origin + dots.y * 0.5,
           bottom = layout->axes.y.origin + layout->axes.y.count - dots.y * 0.5;
    struct series_summary all = series_summarize(line->series, SERIES_RAW, 0, series_count(line->series));
    if (!all.non_finite && !layout->axes.y.log)
        return;
    double free_top = -INFINITY, free_bottom = -INFINITY; /* marks side by side would be a smear */
    struct column_walk walk = column_walk_start(line, SERIES_RAW, &layout->axes.x);
    for (struct column column; column_walk_next(&walk, &column);) {
        if (column.sum.non_finite && column.x >= free_top) {
            canvas_marker(canvas, column.x, top, MARKER_CROSS, STYLE(ROLE_BAD));
            free_top = column.x + dots.x;
        }
        if (layout->axes.y.log && column.sum.count && column.sum.min <= 0 && column.x >= free_bottom) {
            canvas_marker(canvas, column.x, bottom, MARKER_TRIANGLE, STYLE(ROLE_WARNING));
            free_bottom = column.x + dots.x;
        }
    }
}

static bool in_view(const struct layout *layout, double x)
{
    return x >= layout->axes.x.low && x <= layout->axes.x.high;
}

/* From the newest on, a cell apart at least. */
static void draw_event_lines(struct canvas *canvas, const struct layout *layout, const struct chart *chart)
{
    double free_until = INFINITY;
    for (int i = chart->event_count - 1; i >= 0; i--) {
        const double x = axis_dot(&layout->axes.x, chart->events[i].x);
        if (!in_view(layout, chart->events[i].x) || x > free_until)
            continue;
        axes_draw_upright(canvas, &layout->axes, x, STYLE(ROLE_EVENT), true);
        free_until = x - canvas_dots(canvas).x;
    }
}

/* Finds the first of the plot's upper rows where no label placed before is in the way; -1 when there is none. */
static int free_row(const struct rect *placed, int count, struct rect label, int rows)
{
    for (int row = 0; row < rows; row++, label.row++) {
        bool taken = false;
        for (int i = 0; i < count && !taken; i++)
            taken = rect_intersect(placed[i], label).columns > 0;
        if (!taken)
            return label.row;
    }
    return -1;
}

/* Where a label beside an upright line has room, to its right if possible; on the wider side, cut, where it fits on
 * neither. No label takes more than half of the plot, if that is wide enough for a few words. */
static struct rect place_beside(const struct canvas *canvas, const struct layout *layout, double x, int row,
                                const char *text)
{
    int width = text_columns(text), column = (int)(x / canvas_dots(canvas).x);
    const struct rect *plot = &layout->axes.plot;
    const int most = plot->columns / 2 > LABEL_COLUMNS ? plot->columns / 2 : LABEL_COLUMNS;
    width = width > most ? most : width;
    int right = plot->column + plot->columns - column - 1, left = column - plot->column;
    if (width > right && width > left)
        width = right > left ? right : left;
    return (struct rect){width <= right ? column + 1 : column - width, row, width + 1, 1};
}

static void draw_beside(struct canvas *canvas, double x, struct rect place, enum role role, const char *text)
{
    struct dot_grid dots = canvas_dots(canvas);
    bool left = place.column * dots.x < x;
    if (text_columns(text) >= place.columns) {
        canvas_text_cut(canvas, place.column, place.row, place.columns - 1, STYLE(role), text);
        return;
    }
    canvas_label(canvas, x + (left ? -0.5 : 0.5) * dots.x, (place.row + 0.5) * dots.y, left ? ALIGN_RIGHT : ALIGN_LEFT,
                 STYLE(role), text);
}

/* The first of those at the place of the last that there are rows for. */
static int first_beside(const struct chart *chart, int last, int rows)
{
    int first = last;
    while (first > 0 && last - first + 1 < rows && chart->events[first - 1].x == chart->events[last].x)
        first--;
    return first;
}

/* The newest events first: they are what a person has just done. Those of one step stand in their order. */
static void draw_event_labels(struct canvas *canvas, const struct layout *layout, const struct chart *chart)
{
    const int rows = layout->axes.plot.rows / 3;
    struct rect placed[EVENT_LABELS];
    int count = 0;
    for (int last = chart->event_count - 1, first; last >= 0; last = first - 1) {
        first = first_beside(chart, last, rows);
        for (int i = first; i <= last && count < EVENT_LABELS; i++) {
            const struct chart_event *event = &chart->events[i];
            if (!in_view(layout, event->x) || !event->label)
                continue;
            double x = axis_dot(&layout->axes.x, event->x);
            struct rect place = place_beside(canvas, layout, x, layout->axes.plot.row, event->label);
            place.row = free_row(placed, count, place, rows);
            if (place.row < 0)
                continue;
            draw_beside(canvas, x, place, ROLE_EVENT, event->label);
            placed[count++] = place;
        }
    }
}

/* The free row that is nearest to where a label should stand; -1 when there is none in the plot. */
static int nearest_row(const struct rect *placed, int count, struct rect label, struct rect plot)
{
    const int wanted = label.row;
    for (int distance = 0; distance < plot.rows; distance++)
        for (int side = 1; side >= -1; side -= 2) {
            label.row = wanted + side * distance;
            if (label.row >= plot.row && label.row < plot.row + plot.rows && free_row(placed, count, label, 1) >= 0)
                return label.row;
        }
    return -1;
}

/* What series say at their last point in view, in their own colours; no label covers another. */
static void draw_end_labels(struct canvas *canvas, const struct layout *layout, const struct chart *chart)
{
    struct rect placed[END_LABELS];
    int count = 0;
    for (int i = 0; i < chart->series_count && count < END_LABELS; i++) {
        const struct chart_series *line = &chart->series[i];
        const char *label = line->tag ? line->tag : line->label;
        const size_t end = chart_find_point(line, nextafter(layout->axes.x.high, INFINITY));
        struct series_summary all = series_summarize(line->series, SERIES_SMOOTHED, 0, end);
        if (!label || !all.count || !in_view(layout, chart_point_x(line, end - 1)))
            continue;
        double x = axis_dot(&layout->axes.x, chart_point_x(line, end - 1));
        double y = value_dot(&layout->axes.y, fmin(fmax(all.last, layout->axes.y.low), layout->axes.y.high));
        struct rect place = place_beside(canvas, layout, x, (int)(y / canvas_dots(canvas).y), label);
        place.row = nearest_row(placed, count, place, layout->axes.plot);
        if (place.row < 0)
            continue;
        draw_beside(canvas, x, place, line->role, label);
        placed[count++] = place;
    }
}

static void draw_cursor(struct canvas *canvas, const struct layout *layout, const struct chart *chart)
{
    if (!in_view(layout, chart->cursor))
        return;
    char text[64];
    double x = axis_dot(&layout->axes.x, chart->cursor);
    snprintf(text, sizeof text, "%.32s%s%.10g", chart->x_label ? chart->x_label : "", chart->x_label ? " " : "",
             chart->x_unit > 0 ? round(chart->cursor / chart->x_unit * 1e3) / 1e3 : chart->cursor);
    axes_draw_upright(canvas, &layout->axes, x, STYLE(ROLE_CURSOR), false);
    struct rect place = place_beside(canvas, layout, x, layout->axes.plot.row + layout->axes.plot.rows - 1, text);
    if (text_columns(text) < place.columns)
        draw_beside(canvas, x, place, ROLE_CURSOR, text);
}

static void draw_stroke(struct canvas *canvas, const struct layout *layout, const struct chart_series *line)
{
    bool raw = line->kind == CHART_POINTS || series_smoothing(line->series) <= 0;
    struct rect before = canvas_clip(canvas, canvas_area(canvas)), within = before;
    if (line->unbounded) /* it may lie anywhere: over the plot, and not over what stands about it */
        within = rect_intersect(before, layout->axes.plot);
    canvas_clip(canvas, within);
    draw_line(canvas, layout, line, raw ? SERIES_RAW : SERIES_SMOOTHED, STYLE(line->role), 2);
    canvas_clip(canvas, before);
}

static void draw_points(struct canvas *canvas, const struct layout *layout, const struct chart_series *line)
{
    if (line->kind == CHART_POINTS)
        draw_markers(canvas, layout, line);
    draw_marks(canvas, layout, line);
}

static void draw_each(struct canvas *canvas, const struct layout *layout, const struct chart *chart,
                      void (*draw)(struct canvas *, const struct layout *, const struct chart_series *))
{
    for (int behind = 1; behind >= 0; behind--)
        for (int i = 0; i < chart->series_count; i++)
            if (chart->series[i].behind == behind)
                draw(canvas, layout, &chart->series[i]);
}

static void draw_series(struct canvas *canvas, const struct layout *layout, const struct chart *chart)
{
    for (int i = 0; i < chart->series_count; i++) {
        const struct chart_series *line = &chart->series[i];
        if (line->kind == CHART_LINE && !line->hide_raw && series_smoothing(line->series) > 0)
            draw_line(canvas, layout, line, SERIES_RAW, STYLE(line->role, STYLE_FAINT), 1);
    }
    draw_each(canvas, layout, chart, draw_stroke);
    draw_each(canvas, layout, chart, draw_points);
}

struct rect chart_draw(struct canvas *canvas, struct rect area, const struct chart *chart)
{
    struct layout layout;
    chart_lay_out(canvas, area, chart, &layout);
    struct rect before = canvas_clip(canvas, area), visible = rect_intersect(before, area);
    canvas_clip(canvas, visible);
    axes_draw(canvas, &layout.axes);
    if (layout.axes.plot.columns > 0) {
        canvas_clip(canvas, rect_intersect(layout.axes.plot, visible));
        axes_draw_grid(canvas, &layout.axes);
        draw_event_lines(canvas, &layout, chart);
        canvas_clip(canvas, rect_intersect(axes_about_plot(&layout.axes), visible));
        draw_series(canvas, &layout, chart);
        canvas_clip(canvas, rect_intersect(layout.axes.plot, visible));
        draw_cursor(canvas, &layout, chart);
        draw_event_labels(canvas, &layout, chart);
        draw_end_labels(canvas, &layout, chart);
        if (layout.empty && chart->empty_text)
            axes_draw_empty(canvas, layout.axes.plot, chart->empty_text);
    }
    canvas_clip(canvas, before);
    return layout.axes.plot;
}
