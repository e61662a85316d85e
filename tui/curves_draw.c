/* How the curves become a chart, and what is read off them; see curves.h. */
#include "tui/curves_impl.h"

#include <math.h>
#include <stdio.h>

static const struct {
    const char *name;
    enum role role;
    enum chart_kind kind;
    enum stroke stroke;
    enum marker_shape marker;
} looks[PART_COUNT] = {
    [PART_TRAIN] = {"training", ROLE_SERIES_1, CHART_LINE, STROKE_SOLID, MARKER_CIRCLE},
    [PART_VALIDATION] = {"validation", ROLE_SERIES_2, CHART_POINTS, STROKE_DASHED, MARKER_DIAMOND},
    [PART_TEST] = {"test", ROLE_SERIES_3, CHART_POINTS, STROKE_DOTTED, MARKER_SQUARE},
};

/* ---- The x axis ---- */

const char *curves_axis_word(int axis)
{
    static const char *const words[CURVES_AXES] = {"step", "epoch", "time"};

    return axis >= 0 && axis < CURVES_AXES ? words[axis] : NULL;
}

/* NULL: the steps themselves. */
static const struct scale *scale_of(const struct curves *curves, enum curves_axis axis)
{
    return axis == CURVES_EPOCH ? curves->epochs : axis == CURVES_TIME ? curves->seconds : NULL;
}

double curves_x(const struct curves *curves, enum curves_axis axis, double step)
{
    const struct scale *scale = scale_of(curves, axis);

    return scale ? scale_value(scale, step) : step;
}

double curves_step(const struct curves *curves, enum curves_axis axis, double x)
{
    const struct scale *scale = scale_of(curves, axis);

    return scale ? scale_find(scale, x) : x;
}

/* The last x of all that is drawn; behind the futures there is room for their names. */
static double last_x(const struct curves *curves, const struct curves_look *look)
{
    const double names = 1.15, future = names * futures_end(curves->futures);
    const double marked = curves->mark_count > 0 ? curves->marks[curves->mark_count - 1].step : 0;
    double last = curves_x(curves, look->axis, fmax(fmax(curves_last_step(curves), marked), future));

    for (int i = 0; i < look->overlay_count; i++) {
        const struct curves *other = look->overlays[i].curves;

        last = fmax(last, curves_x(other, look->axis, curves_last_step(other)));
    }
    return last;
}

/* The domain. Of the time nobody knows what is to come. */
static void find_domain(const struct curves *curves, const struct curves_look *look, double *from, double *to)
{
    double last = last_x(curves, look), total = curves_x(curves, look->axis, look->steps_total);

    *from = look->to > look->from ? curves_x(curves, look->axis, look->from) : 0;
    *to = look->to > look->from ? curves_x(curves, look->axis, look->to) : 0;
    if (*to > *from)
        return;
    *from = 0;
    if (look->axis == CURVES_TIME)
        *to = chart_hold_domain(0, last, 0);
    else if (look->axis == CURVES_EPOCH)
        *to = fmax(total, ceil(last));
    else
        *to = chart_hold_domain(0, last, fmax(total, look->overlay_count > 0 ? last : 0));
}

double curves_end(const struct curves *curves, const struct curves_look *look)
{
    struct curves_look all = *look;
    double from, to, end;

    all.from = all.to = 0;
    find_domain(curves, &all, &from, &to);
    end = curves_step(curves, look->axis, to);
    return isfinite(end) ? end : curves_last_step(curves);
}

/* Seconds as long as they are few. */
static const struct time_unit {
    const char *name;
    double seconds, up_to;
} units[] = {{"seconds", 1, 300}, {"minutes", 60, 3 * 3600}, {"hours", 3600, INFINITY}};

static const struct time_unit *unit_of(double seconds)
{
    int i = 0;

    while (seconds > units[i].up_to)
        i++;
    return &units[i];
}

const char *curves_x_label(const struct curves *curves, const struct curves_look *look)
{
    double from, to;

    find_domain(curves, look, &from, &to);
    return look->axis == CURVES_TIME ? unit_of(to)->name : curves_axis_word((int)look->axis);
}

/* ---- The chart ---- */

enum { EVENTS = 256, SERIES_MOST = PART_COUNT + 2 * CURVES_OVERLAYS + TRIAL_VALUES };

/* What a chart points to. */
struct drawing {
    struct chart chart;
    struct chart_series list[SERIES_MOST];
    struct chart_event events[EVENTS]; /* of more the newest */
};

static void list_own(const struct curves *curves, const struct curves_look *look, struct drawing *drawing)
{
    for (int p = 0; p < PART_COUNT; p++) {
        if (series_count(curves->series[look->quantity][p]) == 0)
            continue;
        drawing->list[drawing->chart.series_count++] =
            (struct chart_series){.series = curves->series[look->quantity][p],
                                  .scale = scale_of(curves, look->axis),
                                  .name = looks[p].name,
                                  .role = looks[p].role,
                                  .kind = looks[p].kind,
                                  .stroke = looks[p].stroke,
                                  .marker = looks[p].marker};
    }
}

/* This run's own colours last. */
enum role curves_overlay_role(int place)
{
    return (enum role)(ROLE_SERIES_1 + (place + PART_COUNT) % SERIES_ROLES);
}

/* A colour, a stroke and a marker of its own, and a letter at the end: its training, smoothed, and what was measured.
 * Where other curves bound the axis, one that explodes leaves the plot. */
static void list_overlay(const struct curves_look *look, int index, bool bounded, struct drawing *drawing)
{
    const struct curves_overlay *overlay = &look->overlays[index];
    const struct curves *curves = overlay->curves;
    const int place = overlay->place;
    const struct chart_series line = {.scale = scale_of(curves, look->axis),
                                      .behind = true,
                                      .unbounded = bounded && curves_want_log(curves, look->quantity),
                                      .role = curves_overlay_role(place),
                                      .stroke = (enum stroke)(place % (STROKE_DOTTED + 1)),
                                      .marker = (enum marker_shape)(place % MARKER_SHAPES)};
    enum part measured =
        series_count(curves->series[look->quantity][PART_VALIDATION]) > 0 ? PART_VALIDATION : PART_TEST;
    struct chart_series *train = &drawing->list[drawing->chart.series_count], *points = train + 1;

    *train = *points = line;
    train->series = curves->series[look->quantity][PART_TRAIN];
    train->name = overlay->name;
    train->tag = overlay->tag;
    train->hide_raw = true;
    points->series = curves->series[look->quantity][measured];
    points->kind = CHART_POINTS;
    drawing->chart.series_count += series_count(points->series) > 0 ? 2 : 1;
}

/* Whether a curve is there that does not explode: this run's own, which had asked for a logarithm, or another one. */
static bool is_bounded(const struct curves_look *look, const struct drawing *drawing)
{
    bool bounded = drawing->chart.series_count > 0;
    for (int i = 0; i < look->overlay_count; i++)
        bounded = bounded || (curves_last_step(look->overlays[i].curves) > 0 &&
                              !curves_want_log(look->overlays[i].curves, look->quantity));
    return bounded && !look->log_axis;
}

static void list_futures(const struct curves *curves, const struct curves_look *look, struct drawing *drawing)
{
    struct chart_series *list = &drawing->list[drawing->chart.series_count];
    const int count = futures_list(curves->futures, look->quantity, list);

    for (int i = 0; i < count; i++)
        list[i].scale = scale_of(curves, look->axis);
    drawing->chart.series_count += count;
}

/* Those that are in view. */
static void list_events(const struct curves *curves, const struct curves_look *look, struct drawing *drawing)
{
    struct chart *chart = &drawing->chart;
    int first = 0, end = curves->mark_count;

    while (end > 0 && curves_x(curves, look->axis, curves->marks[end - 1].step) > chart->x_max)
        end--;
    first = end > EVENTS ? end - EVENTS : 0;
    for (int i = first; i < end; i++)
        drawing->events[i - first] = (struct chart_event){.x = curves_x(curves, look->axis, curves->marks[i].step),
                                                          .label = curves->marks[i].label};
    chart->events = drawing->events;
    chart->event_count = end - first;
}

static void fill_chart(const struct curves *curves, const struct curves_look *look, struct drawing *drawing)
{
    struct chart *chart = &drawing->chart;

    *chart = chart_init();
    chart->title = look->title;
    chart->x_label = curves_x_label(curves, look);
    chart->y_label = look->y_label;
    chart->empty_text = look->empty_text;
    find_domain(curves, look, &chart->x_min, &chart->x_max);
    if (look->axis == CURVES_TIME)
        chart->x_unit = unit_of(chart->x_max)->seconds;
    chart->series = drawing->list;
    list_own(curves, look, drawing);
    const bool bounded = is_bounded(look, drawing);
    for (int i = 0; i < look->overlay_count && i < CURVES_OVERLAYS; i++)
        list_overlay(look, i, bounded, drawing);
    list_futures(curves, look, drawing);
    list_events(curves, look, drawing);
    chart->log_y = look->log_axis;
    chart->format = look->quantity == QUANTITY_ACCURACY ? CHART_PERCENT : CHART_NUMBER;
    chart->cursor = isnan(look->cursor) ? NAN : curves_x(curves, look->axis, look->cursor);
}

struct rect curves_draw(const struct curves *curves, const struct curves_look *look, struct canvas *canvas,
                        struct rect area)
{
    struct drawing drawing;

    fill_chart(curves, look, &drawing);
    return chart_draw(canvas, area, &drawing.chart);
}

double curves_step_at(const struct curves *curves, const struct curves_look *look, double part)
{
    double from, to;

    find_domain(curves, look, &from, &to);
    return curves_step(curves, look->axis, from + part * (to - from));
}

/* ---- Reading ---- */

/* The index of the last point that is not behind a step; false when there is none. */
static bool find_last(const struct series *series, double step, size_t *index)
{
    size_t end = series_find(series, nextafter(step, INFINITY));

    *index = end - 1;
    return end > 0;
}

static double measured_at(const struct curves *curves, int quantity, enum part part, double step)
{
    size_t index;

    return find_last(curves->series[quantity][part], step, &index)
               ? (double)series_y(curves->series[quantity][part], index)
               : NAN;
}

bool curves_read(const struct curves *curves, double step, struct curves_reading *out)
{
    size_t index;

    *out = (struct curves_reading){.step = step};
    if (!find_last(curves->series[QUANTITY_LOSS][PART_TRAIN], step, &index))
        return false;
    out->epoch = scale_value(curves->epochs, step);
    out->seconds = scale_value(curves->seconds, step);
    for (int q = 0; q < QUANTITY_COUNT; q++) {
        const struct series *series = curves->series[q][PART_TRAIN];

        out->raw[q] = out->smoothed[q] = NAN;
        if (!find_last(series, step, &index))
            continue;
        out->raw[q] = (double)series_y(series, index);
        out->smoothed[q] = (double)series_smoothed(series, index);
    }
    for (int q = QUANTITY_LOSS; q <= QUANTITY_ACCURACY; q++) {
        out->validation[q] = measured_at(curves, q, PART_VALIDATION, step);
        out->test[q] = measured_at(curves, q, PART_TEST, step);
    }
    return true;
}

const char *curves_mark_between(const struct curves *curves, double from, double to, int index, double *step)
{
    for (int i = curves->mark_count - 1; i >= 0; i--) {
        if (curves->marks[i].step > to || curves->marks[i].step <= from || index-- > 0)
            continue;
        *step = curves->marks[i].step;
        return curves->marks[i].label;
    }
    return NULL;
}
