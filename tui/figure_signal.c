/* What a probe's points measured, over depth, over time and over channels; see figure_signal.h. */
#include "tui/figure_signal.h"

#include "tui/figure_grid.h"
#include "viz/profile.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char no_probe[] = "no probe yet";

/* ---- Signals ---- */

static const struct {
    const char *name, *label; /* of a legend; of an axis */
    size_t offset;            /* a float in struct probe_point */
    bool gradients;           /* only in a probe with them */
    bool branch;              /* the stem has none */
} signals[SIGNAL_COUNT] = {
#define SIGNAL_ROW(field_) .offset = offsetof(struct probe_point, field_)
    [SIGNAL_SQUARED_MEAN] = {"squared mean", "average channel squared mean", SIGNAL_ROW(squared_mean)},
    [SIGNAL_VARIANCE] = {"variance", "average channel variance", SIGNAL_ROW(variance)},
    [SIGNAL_BRANCH_VARIANCE] = {"branch", "residual branch variance", SIGNAL_ROW(branch_variance), .branch = true},
    [SIGNAL_SHORTCUT_VARIANCE] = {"shortcut", "shortcut variance", SIGNAL_ROW(shortcut_variance)},
    [SIGNAL_GRADIENT_NORM] = {"norm", "gradient norm", SIGNAL_ROW(gradient_norm), .gradients = true},
    [SIGNAL_GRADIENT_VARIANCE] = {"variance", "gradient variance", SIGNAL_ROW(gradient_variance), .gradients = true},
    [SIGNAL_WEIGHT_NORM] = {"weights", "weight norm", SIGNAL_ROW(weight_norm)},
    [SIGNAL_UPDATE_RATIO] = {"update", "update / weight norm", SIGNAL_ROW(update_ratio)},
};

const char *signal_name(enum signal signal)
{
    return signals[signal].label;
}

double signal_value(const struct probe *probe, int point, enum signal signal)
{
    const char *base = (const char *)&probe->points[point];
    if ((signals[signal].gradients && !probe->gradients) || (signals[signal].branch && point == 0))
        return NAN;
    float value;
    memcpy(&value, base + signals[signal].offset, sizeof value);
    if (signal == SIGNAL_UPDATE_RATIO && value == 0) /* before the first step */
        return NAN;
    return isfinite(value) ? (double)value : INFINITY;
}

double signal_predicted(const struct probe *probe, int point, enum signal signal)
{
    if (point >= probe->count || !(probe->points[point].predicted > 0))
        return NAN;
    switch (signal) {
    case SIGNAL_SQUARED_MEAN:
        return 0;
    case SIGNAL_VARIANCE:
        return probe->points[point].predicted;
    case SIGNAL_BRANCH_VARIANCE:
        return point ? 1 : NAN;
    default:
        return NAN;
    }
}

bool signal_start_differs(const struct probe *now, const struct probe *start)
{
    return start && start != now && start->step != now->step;
}

struct span {
    double least, most; /* above 0 */
};

static void widen(struct span *span, double value)
{
    if (!(value > 0) || !isfinite(value))
        return;
    span->least = fmin(span->least, value);
    span->most = fmax(span->most, value);
}

bool signals_want_log(const struct probe *now, const struct probe *start, unsigned signals)
{
    const double decades = 100;
    bool wants = false;
    for (int signal = 0; signal < SIGNAL_COUNT; signal++) {
        struct span span = {INFINITY, 0};
        if (!(signals & SIGNAL_SET(signal)) || signal == SIGNAL_SQUARED_MEAN) /* which is about 0 in any case */
            continue;
        for (int point = 0; point < now->count; point++) {
            widen(&span, signal_value(now, point, (enum signal)signal));
            widen(&span, signal_predicted(now, point, (enum signal)signal));
            if (start)
                widen(&span, signal_value(start, point, (enum signal)signal));
        }
        wants = wants || span.most > decades * span.least;
    }
    return wants;
}

/* ---- Over depth ---- */

/* One line's data. */
struct signal_line {
    const struct probe *probe;
    enum signal signal;
    bool positive; /* 0 is nothing: a logarithmic axis */
};

static double line_value(const void *data, int point)
{
    const struct signal_line *line = data;
    return point < line->probe->count ? signal_value(line->probe, point, line->signal) : NAN;
}

static double line_predicted(const void *data, int point)
{
    const struct signal_line *line = data;
    double value = signal_predicted(line->probe, point, line->signal);
    return line->positive && value <= 0 ? NAN : value;
}

void signal_depth_name(const void *data, int index, char out[TICK_LABEL])
{
    (void)data;
    if (index == 0)
        snprintf(out, TICK_LABEL, "stem");
    else
        snprintf(out, TICK_LABEL, "%d", index);
}

enum { STAGE_LABEL = 24 };

struct stages {
    struct profile_mark marks[MODEL_MAX_STAGES];
    char labels[MODEL_MAX_STAGES][STAGE_LABEL], widths[MODEL_MAX_STAGES][STAGE_LABEL];
    int count;
};

static void find_stages(const struct model_spec *model, struct stages *out)
{
    out->count = model ? model->stage_count : 0;
    for (int stage = 0, block = 1; stage < out->count; block += model->stages[stage++].blocks) {
        snprintf(out->labels[stage], STAGE_LABEL, "%d channels", model->stages[stage].width);
        snprintf(out->widths[stage], STAGE_LABEL, "%d", model->stages[stage].width);
        out->marks[stage] = (struct profile_mark){block - 0.5, stage ? NULL : out->labels[stage], out->widths[stage]};
    }
}

enum { LINES_A_SIGNAL = 3, NAME_SIZE = 64 };

/* What all plots of a profile figure share. */
struct profile_parts {
    struct profile_line lines[LINES_A_SIGNAL * SIGNAL_COUNT];
    struct signal_line data[LINES_A_SIGNAL * SIGNAL_COUNT];
    char names[2][NAME_SIZE]; /* of now and start */
    struct stages stages;
    int count;
    struct profile_places places;
};

static bool shows_start(const struct profile_figure *figure)
{
    return signal_start_differs(figure->now, figure->start);
}

static void add_line(struct profile_parts *parts, struct signal_line data, struct profile_line line)
{
    parts->data[parts->count] = data;
    line.data = &parts->data[parts->count];
    parts->lines[parts->count++] = line;
}

/* The lines of one signal. Alone in its plot colours tell now from start; with others colours tell the signals, and
 * the legend names start and predicted once for all of them. */
static void add_signal(struct profile_parts *parts, const struct profile_figure *figure, enum signal signal, bool alone,
                       int number)
{
    enum role role = (enum role)(ROLE_SERIES_1 + (alone ? 0 : number % SERIES_ROLES));
    struct signal_line now = {figure->now, signal, figure->log_axis}, start = now;
    start.probe = figure->start;
    if (!alone || isfinite(signal_predicted(figure->now, 1, signal)))
        add_line(parts, now,
                 (struct profile_line){.name = "predicted",
                                       .for_many = !alone,
                                       .value = line_predicted,
                                       .style = STYLE(alone ? ROLE_TEXT : role),
                                       .stroke = STROKE_DASHED,
                                       .width = 2});
    if (shows_start(figure))
        add_line(parts, start,
                 (struct profile_line){.name = parts->names[1],
                                       .for_many = !alone,
                                       .value = line_value,
                                       .style = STYLE(alone ? ROLE_SERIES_2 : role, alone ? 0 : STYLE_FAINT),
                                       .stroke = STROKE_DOTTED,
                                       .width = 2,
                                       .markers = alone,
                                       .marker = MARKER_TRIANGLE});
    add_line(parts, now,
             (struct profile_line){.name = alone ? parts->names[0] : signals[signal].name,
                                   .value = line_value,
                                   .style = STYLE(role),
                                   .width = 2.5,
                                   .markers = true,
                                   .marker = (enum marker_shape)(alone ? 0 : number % MARKER_SHAPES)});
}

static void draw_profile(struct canvas *canvas, struct rect area, const struct profile_figure *figure,
                         struct profile_parts *parts, const char *title, const char *y_label, bool legend)
{
    struct profile profile = {.title = title,
                              .x_label = "block",
                              .y_label = y_label,
                              .empty_text = "not measured",
                              .count = figure->now->count,
                              .name = signal_depth_name,
                              .lines = parts->lines,
                              .line_count = parts->count,
                              .marks = parts->stages.marks,
                              .mark_count = parts->stages.count,
                              .log_y = figure->log_axis,
                              .no_legend = !legend,
                              .cursor = figure->selected >= 0 ? figure->selected : NAN};
    parts->places.plots[parts->places.count++] = profile_draw(canvas, area, &profile);
}

/* Title and legend above all plots; returns what is left for these. */
static struct rect draw_shared_header(struct canvas *canvas, struct rect area, const struct profile_figure *figure,
                                      struct profile_parts *parts)
{
    struct legend_entry legend[LEGEND_MAX];
    parts->count = 0;
    for (int signal = 0; signal < SIGNAL_COUNT; signal++)
        if (figure->signals & SIGNAL_SET(signal))
            add_signal(parts, figure, (enum signal)signal, true, 0);
    const struct profile all = {
        .count = figure->now->count, .lines = parts->lines, .line_count = parts->count, .log_y = figure->log_axis};
    int count = profile_legend(&all, legend);
    int rows = axes_draw_header(canvas, area, figure->title, legend, count) + 1;
    return (struct rect){area.column, area.row + rows, area.columns, area.rows - rows};
}

static void draw_apart(struct canvas *canvas, struct rect area, const struct profile_figure *figure,
                       struct profile_parts *parts, int count)
{
    area = draw_shared_header(canvas, area, figure, parts);
    struct grid grid = grid_of(area, count, PROFILE_ASPECT);
    for (int signal = 0, number = 0; signal < SIGNAL_COUNT; signal++) {
        if (!(figure->signals & SIGNAL_SET(signal)))
            continue;
        parts->count = 0;
        add_signal(parts, figure, (enum signal)signal, true, 0);
        draw_profile(canvas, grid_cell(&grid, number++), figure, parts, signals[signal].label, NULL, false);
    }
}

static void draw_together(struct canvas *canvas, struct rect area, const struct profile_figure *figure,
                          struct profile_parts *parts)
{
    const char *label = NULL;
    int number = __builtin_popcount(figure->signals);
    for (int signal = SIGNAL_COUNT - 1; signal >= 0; signal--) { /* the legend begins with what is drawn last */
        if (!(figure->signals & SIGNAL_SET(signal)))
            continue;
        bool alone = figure->signals == SIGNAL_SET(signal);
        label = alone ? signals[signal].label : NULL;
        add_signal(parts, figure, (enum signal)signal, alone, --number);
    }
    draw_profile(canvas, area, figure, parts, figure->title, label, true);
}

struct profile_places figure_profile(struct canvas *canvas, struct rect area, const struct profile_figure *figure)
{
    struct profile_parts parts = {.places.points = figure->now ? figure->now->count : 0};
    int count = __builtin_popcount(figure->signals);
    if (!figure->now || count == 0) {
        grid_empty(canvas, area, figure->title, no_probe);
        return parts.places;
    }
    snprintf(parts.names[0], NAME_SIZE, shows_start(figure) ? "now (step %ld)" : "measured (step %ld)",
             figure->now->step);
    if (shows_start(figure))
        snprintf(parts.names[1], NAME_SIZE, "start (step %ld)", figure->start->step);
    find_stages(figure->model, &parts.stages);
    struct rect body = {area.column, area.row + 3, area.columns, area.rows - 3};
    struct grid grid = grid_of(body, count, PROFILE_ASPECT);
    if (count > 1 && grid.columns >= PROFILE_LEAST_COLUMNS && grid.rows >= PROFILE_LEAST_ROWS)
        draw_apart(canvas, area, figure, &parts, count);
    else
        draw_together(canvas, area, figure, &parts);
    return parts.places;
}

int profile_point_at(const struct profile_places *places, int row, int column)
{
    for (int i = 0; i < places->count; i++) {
        const struct rect *plot = &places->plots[i];
        if (row >= plot->row && row < plot->row + plot->rows && column >= plot->column &&
            column < plot->column + plot->columns)
            return (column - plot->column) * places->points / plot->columns;
    }
    return -1;
}

/* ---- Over time ---- */

struct history_line {
    const struct history_figure *figure;
    enum signal signal;
};

static double history_x(const void *data, int index)
{
    return (double)((const struct history_figure *)data)->probes[index]->step;
}

static double history_value(const void *data, int index)
{
    const struct history_line *line = data;
    return signal_value(line->figure->probes[index], line->figure->point, line->signal);
}

static double history_predicted(const void *data, int index)
{
    const struct history_line *line = data;
    double value = signal_predicted(line->figure->probes[index], line->figure->point, line->signal);
    return line->figure->log_axis && value <= 0 ? NAN : value;
}

void figure_history(struct canvas *canvas, struct rect area, const struct history_figure *figure)
{
    struct profile_line lines[2 * SIGNAL_COUNT];
    struct history_line data[SIGNAL_COUNT];
    const char *label = NULL;
    int count = 0, number = __builtin_popcount(figure->signals);
    for (int signal = SIGNAL_COUNT - 1; signal >= 0 && figure->count; signal--) {
        if (!(figure->signals & SIGNAL_SET(signal)))
            continue;
        bool alone = figure->signals == SIGNAL_SET(signal);
        enum role role = (enum role)(ROLE_SERIES_1 + --number % SERIES_ROLES);
        data[number] = (struct history_line){figure, (enum signal)signal};
        label = alone ? signals[signal].label : NULL;
        if (isfinite(signal_predicted(figure->probes[0], figure->point, (enum signal)signal)))
            lines[count++] = (struct profile_line){.name = alone ? "predicted" : NULL,
                                                   .value = history_predicted,
                                                   .data = &data[number],
                                                   .style = STYLE(alone ? ROLE_TEXT : role),
                                                   .stroke = STROKE_DASHED,
                                                   .width = 2};
        lines[count++] = (struct profile_line){.name = alone ? "measured" : signals[signal].name,
                                               .value = history_value,
                                               .data = &data[number],
                                               .style = STYLE(role),
                                               .width = 2.5,
                                               .markers = true,
                                               .marker = (enum marker_shape)(number % MARKER_SHAPES)};
    }
    struct profile profile = {.title = figure->title,
                              .x_label = "step",
                              .y_label = label,
                              .empty_text = no_probe,
                              .count = figure->count,
                              .x = history_x,
                              .data = figure,
                              .lines = lines,
                              .line_count = count,
                              .log_y = figure->log_axis,
                              .cursor = figure->cursor};
    profile_draw(canvas, area, &profile);
}

/* ---- Over channels ---- */

static double channel_mean(const void *data, int channel)
{
    const struct probe_point *point = data;
    return isfinite(point->channel_mean[channel]) ? point->channel_mean[channel] : INFINITY;
}

static double channel_variance(const void *data, int channel)
{
    const struct probe_point *point = data;
    return isfinite(point->channel_variance[channel]) ? point->channel_variance[channel] : INFINITY;
}

static double channel_predicted(const void *data, int channel)
{
    (void)channel;
    return *(const double *)data;
}

void figure_channels(struct canvas *canvas, struct rect area, const struct channels_figure *figure)
{
    if (!figure->now || figure->point < 0 || figure->point >= figure->now->count) {
        grid_empty(canvas, area, figure->title, no_probe);
        return;
    }
    const struct probe_point *point = &figure->now->points[figure->point];
    if (!point->channel_mean) { /* read back from a log, which keeps no channels */
        grid_empty(canvas, area, figure->title, "the log keeps no channels");
        return;
    }
    const double predicted = signal_predicted(figure->now, figure->point, SIGNAL_VARIANCE);
    const struct profile_line lines[] = {
        {isfinite(predicted) ? "predicted" : NULL, channel_predicted, &predicted, STYLE(ROLE_TEXT), STROKE_DASHED, 2,
         false, 0, false},
        {"variance", channel_variance, point, STYLE(ROLE_SERIES_1), STROKE_SOLID, 2, true, MARKER_CIRCLE, false},
        {"mean", channel_mean, point, STYLE(ROLE_SERIES_2), STROKE_SOLID, 2, true, MARKER_DIAMOND, false}};
    struct profile profile = {.title = figure->title,
                              .x_label = "channel",
                              .y_label = figure->log_axis ? "variance" : "mean and variance",
                              .empty_text = "not measured",
                              .count = point->channels,
                              .lines = lines,
                              .line_count = figure->log_axis ? 2 : 3, /* means are of either sign */
                              .log_y = figure->log_axis,
                              .cursor = NAN};
    profile_draw(canvas, area, &profile);
}

/* ---- A row's bar ---- */

void figure_bar(struct canvas *canvas, struct rect area, const struct bar_figure *figure)
{
    struct dot_grid dots = canvas_dots(canvas);
    struct rect before = canvas_clip(canvas, area);
    canvas_clip(canvas, rect_intersect(before, area));
    double most = figure->most > 0 ? figure->most : 1;
    double measured = isnan(figure->measured) ? INFINITY : figure->measured / most;
    double length = fmin(fmax(measured, 0), 1) * area.columns;
    for (int row = area.row; row < area.row + area.rows; row++) {
        canvas_bar_right(canvas, area.column, row, length, STYLE(figure->role));
        if (measured > 1)
            canvas_put(canvas, area.column + area.columns - 1, row, STYLE(figure->role), 0x25B6);
    }
    if (figure->predicted >= 0 && figure->predicted <= most) {
        double x = (area.column + fmin(figure->predicted / most * area.columns, area.columns - 0.5)) * dots.x;
        canvas_rule(canvas, x, area.row * dots.y, x, (area.row + area.rows) * dots.y, STYLE(ROLE_TITLE));
    }
    canvas_clip(canvas, before);
}

double figure_bar_most(const struct probe *probe)
{
    enum { APART = 10 }; /* a tenth of the axis from 0 is apart */
    double predicted = 0, greatest = 0;
    for (int point = 0; point < probe->count; point++) {
        double value = signal_value(probe, point, SIGNAL_VARIANCE);
        predicted = fmax(predicted, probe->points[point].predicted);
        greatest = isfinite(value) ? fmax(greatest, value) : greatest;
    }
    greatest = fmax(greatest, predicted) * 1.05;
    if (predicted > 0)
        greatest = fmin(greatest, APART * predicted);
    return greatest > 0 ? greatest : 1;
}
