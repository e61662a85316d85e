/* See charts.h. */
#include "tui/charts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double LEAST_STEPS = 4; /* that are shown */

enum quantity charts_chosen(const struct scene *scene)
{
    enum place focus = scene_focus(scene);

    return focus >= PLACE_LOSS && focus <= PLACE_GRADIENT_NORM ? (enum quantity)(focus - PLACE_LOSS) : QUANTITY_LOSS;
}

/* That may come: none behind the end of a run that stopped early. */
static long last_step(const struct snapshot *now)
{
    return trainer_has_ended(now->state) && now->step.step > 0 ? now->step.step : now->steps_total;
}

bool scene_log_chart(const struct scene *scene, enum quantity quantity)
{
    enum axis_choice chosen = scene->axes[AXIS_CHARTS + quantity];

    return chosen == AXIS_BY_DATA ? curves_want_log(scene->curves, quantity) : chosen == AXIS_LOG;
}

struct curves_look scene_look(const struct scene *scene, enum quantity quantity)
{
    return (struct curves_look){.quantity = quantity,
                                .log_axis = scene_log_chart(scene, quantity),
                                .axis = scene->chart_axis,
                                .steps_total = (double)last_step(&scene->snapshot),
                                .from = scene->range.from,
                                .to = scene->range.to,
                                .overlays = scene->overlaid,
                                .overlay_count = scene->overlaid_count,
                                .cursor = scene->cursor};
}

/* ---- The part of the run ---- */

double charts_end(const struct scene *scene)
{
    const struct curves_look look = scene_look(scene, QUANTITY_LOSS);

    return curves_end(scene->curves, &look);
}

void charts_range(const struct scene *scene, double *from, double *to)
{
    bool all = scene->range.to <= scene->range.from;

    *from = all ? 0 : scene->range.from;
    *to = all ? charts_end(scene) : scene->range.to;
}

void charts_fit(struct scene *scene)
{
    scene->range = (struct chart_range){0, 0, false};
}

void charts_show(struct scene *scene, double from, double to)
{
    double end = charts_end(scene), width = fmax(to - from, LEAST_STEPS);

    from = fmax(fmin(from, end - width), 0);
    to = fmin(from + width, end);
    if (from <= 0 && to >= end)
        charts_fit(scene);
    else
        scene->range = (struct chart_range){from, to, to >= curves_last_step(scene->curves)};
}

void charts_zoom(struct scene *scene, double at, double factor)
{
    double from, to;

    charts_range(scene, &from, &to);
    at = isnan(at) ? scene->cursor : at;
    if (!(at >= from && at <= to))
        at = fmax(fmin(curves_last_step(scene->curves), to), from);
    charts_show(scene, at - (at - from) * factor, at + (to - at) * factor);
}

void charts_pan(struct scene *scene, double part)
{
    double from, to, by;

    charts_range(scene, &from, &to);
    by = part * (to - from);
    charts_show(scene, from + by, to + by);
}

void charts_follow(struct scene *scene)
{
    struct chart_range *range = &scene->range;
    double last = curves_last_step(scene->curves), half = (range->to - range->from) / 2;

    if (scene->cursor > last) /* the run went back */
        scene->cursor = last > 0 ? last : NAN;
    if (half > 0 && last < range->from)
        charts_show(scene, last - 2 * half, last);
    if (half <= 0 || !range->follows || last <= range->to)
        return;
    charts_show(scene, range->from + half * ceil((last - range->to) / half),
                range->to + half * ceil((last - range->to) / half));
    range->follows = true;
}

/* ---- Cursor ---- */

void charts_put_cursor(struct scene *scene, double step)
{
    double last = curves_last_step(scene->curves), from, to;

    if (last <= 0)
        return;
    scene->cursor = fmin(fmax(round(step), 1), last);
    charts_range(scene, &from, &to);
    if (scene->cursor < from)
        charts_show(scene, scene->cursor, scene->cursor + to - from);
    else if (scene->cursor > to)
        charts_show(scene, scene->cursor - (to - from), scene->cursor);
}

void charts_move_cursor(struct scene *scene, int columns, int chart_columns)
{
    const int beside = 10; /* columns that are not the plot's */
    double from, to, at = isnan(scene->cursor) ? curves_last_step(scene->curves) : scene->cursor, stride;

    charts_range(scene, &from, &to);
    stride = (fmin(to, fmax(curves_last_step(scene->curves), from + 1)) - from) /
             (chart_columns > 2 * beside ? chart_columns - beside : beside);
    charts_put_cursor(scene, at + columns * fmax(stride, 1));
}

/* ---- Smoothing and axes ---- */

void charts_list_overlays(struct scene *scene)
{
    static const char *const tags[CURVES_OVERLAYS] = {"a", "b", "c", "d", "e", "f", "g", "h"};

    scene->overlaid_count = 0;
    for (int i = 0; i < CURVES_OVERLAYS; i++) {
        const struct run_overlay *overlay = &scene->runs.overlays[i];

        if (!*overlay->name || !overlay->curves)
            continue;
        if (curves_smoothing(overlay->curves) != curves_smoothing(scene->curves))
            curves_set_smoothing(overlay->curves, curves_smoothing(scene->curves));
        scene->overlaid[scene->overlaid_count++] =
            (struct curves_overlay){.curves = overlay->curves, .name = overlay->name, .tag = tags[i], .place = i};
    }
}

static void free_place(struct run_overlay *overlay)
{
    curves_destroy(overlay->curves);
    memset(overlay, 0, sizeof(*overlay));
}

int charts_overlay(struct scene *scene, const char *session, bool on, struct error *error)
{
    int place = run_list_overlay(&scene->runs, session);

    if (strcmp(session, scene->runs.own) == 0)
        return error_set(error, "%s is this run itself", session);
    if (!on && place >= 0)
        free_place(&scene->runs.overlays[place]);
    for (int i = 0; on && place < 0 && i < CURVES_OVERLAYS; i++)
        if (!*scene->runs.overlays[i].name)
            run_list_lay(&scene->runs, place = i, session);
    charts_list_overlays(scene);
    return on && place < 0
               ? error_set(error, "%d sessions lie over the charts: overlay NAME takes that one away", CURVES_OVERLAYS)
               : 0;
}

void charts_overlay_none(struct scene *scene)
{
    for (int i = 0; i < CURVES_OVERLAYS; i++)
        free_place(&scene->runs.overlays[i]);
    charts_list_overlays(scene);
}

void charts_smooth(struct scene *scene, double smoothing)
{
    curves_set_smoothing(scene->curves, smoothing);
    charts_list_overlays(scene);
}

void charts_smooth_more(struct scene *scene, bool more)
{
    static const double levels[] = {0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999};
    const int count = sizeof(levels) / sizeof(*levels);
    double now = curves_smoothing(scene->curves);
    int i;

    if (more) {
        for (i = 0; i + 1 < count && levels[i] <= now + 1e-9;)
            i++;
    } else {
        for (i = count - 1; i > 0 && levels[i] >= now - 1e-9;)
            i--;
    }
    charts_smooth(scene, levels[i]);
}

bool charts_turn_log(struct scene *scene, enum quantity quantity)
{
    if (quantity == QUANTITY_ACCURACY)
        return false;
    scene->axes[AXIS_CHARTS + quantity] = scene_log_chart(scene, quantity) ? AXIS_LINEAR : AXIS_LOG;
    return true;
}

double charts_step_at(const struct scene *scene, enum quantity quantity, int column)
{
    const struct curves_look look = scene_look(scene, quantity);
    const struct rect *plot = &scene->plots[quantity];

    if (column < plot->column || column >= plot->column + plot->columns)
        return NAN;
    return curves_step_at(scene->curves, &look, (column + 0.5 - plot->column) / plot->columns);
}
