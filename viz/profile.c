/* See profile.h. */
#include "viz/profile.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_GAP = 2, MARKER_COLUMNS = 2 };

static double x_of(const struct profile *profile, int index)
{
    return profile->x ? profile->x(profile->data, index) : index;
}

static double value_of(const struct profile_line *line, int index)
{
    return line->value(line->data, index);
}

/* ---- Layout ---- */

static void find_x(const struct profile *profile, struct axis *x)
{
    double first = profile->count ? x_of(profile, 0) : 0;
    double last = profile->count ? x_of(profile, profile->count - 1) : 1, room = 0.5;
    if (!(last > first))
        room = fmax(0.5, fabs(first) * 0.1);
    x->low = profile->x && last > first ? first : first - room;
    x->high = last + (profile->x && last > first ? (last - first) * 0.01 : room); /* for half a marker */
}

/* Bounds about all values; 0 belongs to them where it is no further away than they reach. */
static bool find_y(const struct profile *profile, struct axis *y, int ticks)
{
    double low = INFINITY, high = -INFINITY;
    for (int l = 0; l < profile->line_count; l++)
        for (int i = 0; i < profile->count; i++) {
            double value = value_of(&profile->lines[l], i);
            if (!isfinite(value) || (y->log && value <= 0))
                continue;
            low = fmin(low, value);
            high = fmax(high, value);
        }
    bool any = low <= high;
    if (!any)
        low = y->log ? 0.1 : 0, high = 1;
    if (!y->log && low > 0 && low < high - low)
        low = 0;
    if (!y->log && low > 0 && low == high)
        low = 0;
    if (y->log)
        ticks_round_log(&low, &high);
    else
        ticks_round_linear(&low, &high, ticks);
    y->low = low;
    y->high = high > low ? high : low + 1;
    return any;
}

static void name_of(const struct profile *profile, int index, char out[TICK_LABEL])
{
    profile->name(profile->data, index, out);
}

/* Ticks at points, every n-th so that their names stand apart; the first is always there. */
static void name_ticks(const struct profile *profile, struct axes *axes)
{
    int widest = 1, every = 1;
    char name[TICK_LABEL];
    double pitch = axes->plot.columns / fmax(1, profile->count);
    for (int i = 0; i < profile->count; i++) {
        name_of(profile, i, name);
        widest = text_columns(name) > widest && i > 0 ? text_columns(name) : widest;
    }
    static const int steps[] = {1, 2, 5};
    for (int i = 0, power = 1; every * pitch < widest + NAME_GAP || profile->count / every >= TICKS_MAX; i++) {
        every = steps[i % 3] * power;
        power *= i % 3 == 2 ? 10 : 1;
        if (every >= profile->count)
            break;
    }
    axes->x.ticks.count = 0;
    for (int i = 0; i < profile->count && axes->x.ticks.count < TICKS_MAX; i += every) {
        struct tick *tick = &axes->x.ticks.tick[axes->x.ticks.count++];
        tick->value = i;
        name_of(profile, i, tick->label);
    }
}

/* What stands at an edge of the plot in place of a value. */
enum edge { EDGE_NONE, EDGE_TOP, EDGE_BOTTOM, EDGES };

static const struct {
    enum marker_shape marker;
    enum role role;
    const char *name;
} edges[EDGES] = {
    [EDGE_TOP] = {MARKER_CROSS, ROLE_BAD, "not finite"}, [EDGE_BOTTOM] = {MARKER_TRIANGLE, ROLE_WARNING, "0 or below"}};

static enum edge edge_of(bool log_y, double value)
{
    return isinf(value) ? EDGE_TOP : log_y && value <= 0 ? EDGE_BOTTOM : EDGE_NONE;
}

static bool is_listed(const struct legend_entry *legend, int count, const char *name)
{
    bool listed = false;
    for (int i = 0; i < count; i++)
        listed = listed || strcmp(legend[i].text, name) == 0;
    return listed;
}

int profile_legend(const struct profile *profile, struct legend_entry legend[LEGEND_MAX])
{
    int count = 0;
    bool at[EDGES] = {false};
    for (int k = 2 * profile->line_count - 1; k >= 0; k--) { /* twice: those that stand for many lines come last */
        const struct profile_line *line = &profile->lines[k % profile->line_count];
        bool any = false;
        if (line->for_many != (k < profile->line_count))
            continue;
        for (int i = 0; i < profile->count; i++) {
            any = any || !isnan(value_of(line, i));
            at[edge_of(profile->log_y, value_of(line, i))] = true;
        }
        if (!any || !line->name || count == LEGEND_MAX - EDGES || is_listed(legend, count, line->name))
            continue;
        legend[count] = (struct legend_entry){.style = line->for_many ? STYLE(ROLE_TEXT) : line->style,
                                              .sample = line->markers ? SAMPLE_POINTS : SAMPLE_LINE,
                                              .stroke = line->stroke,
                                              .marker = line->marker};
        snprintf(legend[count++].text, LEGEND_TEXT, "%s", line->name);
    }
    for (int edge = EDGE_TOP; edge < EDGES; edge++) {
        if (!at[edge])
            continue;
        legend[count] = (struct legend_entry){
            .style = STYLE(edges[edge].role), .sample = SAMPLE_MARKER, .marker = edges[edge].marker};
        snprintf(legend[count++].text, LEGEND_TEXT, "%s", edges[edge].name);
    }
    return count;
}

/* ---- Drawing ---- */

static void draw_line(struct canvas *canvas, const struct axes *axes, const struct profile *profile,
                      const struct profile_line *line)
{
    bool joined = false;
    double last_x = 0, last_y = 0, run = 0;
    canvas_line_begin(canvas, line->style, line->stroke, line->width);
    for (int i = 0; i < profile->count; i++) {
        double value = value_of(line, i), x = axis_dot(&axes->x, x_of(profile, i)), y = axis_dot(&axes->y, value);
        if (!isfinite(value) || !isfinite(y)) {
            joined = false;
            continue;
        }
        canvas_line(canvas, joined ? last_x : x, joined ? last_y : y, x, y, line->stroke, &run);
        joined = true;
        last_x = x;
        last_y = y;
    }
    canvas_path_end(canvas);
}

/* Crosses at the top where values are not finite, triangles at the bottom where a logarithmic axis has no place. */
static void draw_markers(struct canvas *canvas, const struct axes *axes, const struct profile *profile,
                         const struct profile_line *line)
{
    struct dot_grid dots = canvas_dots(canvas);
    double top = axes->y.origin + dots.y * 0.5, bottom = axes->y.origin + axes->y.count - dots.y * 0.5;
    double free_from = -INFINITY;
    bool room = line->markers && axes->plot.columns >= MARKER_COLUMNS * profile->count;
    for (int i = 0; i < profile->count; i++) {
        double value = value_of(line, i), x = axis_dot(&axes->x, x_of(profile, i));
        enum edge edge = edge_of(axes->y.log, value);
        if (edge != EDGE_NONE && x >= free_from) {
            canvas_marker(canvas, x, edge == EDGE_TOP ? top : bottom, edges[edge].marker, STYLE(edges[edge].role));
            free_from = x + dots.x;
        } else if (edge == EDGE_NONE && room && isfinite(value)) {
            canvas_marker(canvas, x, axis_dot(&axes->y, value), line->marker, line->style);
        }
    }
}

static void draw_marks(struct canvas *canvas, const struct axes *axes, const struct profile *profile)
{
    struct dot_grid dots = canvas_dots(canvas);
    for (int i = 0; i < profile->mark_count; i++) {
        const struct profile_mark *mark = &profile->marks[i];
        double x = axis_dot(&axes->x, mark->x), end = axes->x.origin + axes->x.count;
        if (i + 1 < profile->mark_count)
            end = axis_dot(&axes->x, profile->marks[i + 1].x);
        if (x > axes->x.origin + dots.x)
            axes_draw_upright(canvas, axes, x, STYLE(ROLE_LABEL, STYLE_FAINT), true);
        else
            x = axes->x.origin;
        const char *words[] = {mark->label, mark->brief};
        for (int w = 0; w < 2 && axes->band_shown; w++)
            if (words[w] && (text_columns(words[w]) + 1.5) * dots.x <= end - x) {
                canvas_label(canvas, x + 0.75 * dots.x, (axes->plot.row - 0.5) * dots.y, ALIGN_LEFT, STYLE(ROLE_DIM),
                             words[w]);
                break;
            }
    }
}

static struct rect with_band(const struct axes *axes)
{
    struct rect plot = axes->plot;
    return axes->band_shown ? (struct rect){plot.column, plot.row - 1, plot.columns, plot.rows + 1} : plot;
}

struct rect profile_draw(struct canvas *canvas, struct rect area, const struct profile *profile)
{
    struct legend_entry legend[LEGEND_MAX];
    struct axes axes = {.area = area,
                        .title = profile->title,
                        .x_label = profile->x_label,
                        .y_label = profile->y_label,
                        .legend = legend,
                        .legend_count = profile->no_legend ? 0 : profile_legend(profile, legend),
                        .percent = profile->percent,
                        .own_ticks_x = profile->name != NULL,
                        .band = profile->mark_count > 0,
                        .y.log = profile->log_y,
                        .y.flip = true};
    axes_begin(canvas, &axes);
    find_x(profile, &axes.x);
    bool any = find_y(profile, &axes.y, axes_y_ticks(&axes));
    axes_place(canvas, &axes);
    if (profile->name)
        name_ticks(profile, &axes);
    struct rect before = canvas_clip(canvas, area), visible = rect_intersect(before, area);
    canvas_clip(canvas, visible);
    axes_draw(canvas, &axes);
    if (axes.plot.columns > 0) {
        canvas_clip(canvas, rect_intersect(with_band(&axes), visible));
        axes_draw_grid(canvas, &axes);
        draw_marks(canvas, &axes, profile);
        if (profile->cursor >= axes.x.low && profile->cursor <= axes.x.high)
            axes_draw_upright(canvas, &axes, axis_dot(&axes.x, profile->cursor), STYLE(ROLE_CURSOR), false);
        canvas_clip(canvas, rect_intersect(axes_about_plot(&axes), visible));
        for (int l = 0; l < profile->line_count; l++)
            draw_line(canvas, &axes, profile, &profile->lines[l]);
        for (int l = 0; l < profile->line_count; l++)
            draw_markers(canvas, &axes, profile, &profile->lines[l]);
        if (!any && profile->empty_text)
            axes_draw_empty(canvas, axes.plot, profile->empty_text);
    }
    canvas_clip(canvas, before);
    return axes.plot;
}
