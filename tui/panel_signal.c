/* The signal propagation plot and the same of the gradients: quantities over the network's depth, now and at the start
 * of training, with what theory predicts. The marked block's values stand below. */
#include "tui/figure_signal.h"
#include "tui/panel_probe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_PLOT = 6, WIDE_COLUMNS = 90 };

/* "channel variance 1.02 (predicted 1.04, at first 0.97)" */
static int quantity_words(const struct scene *scene, enum signal signal, char *text, size_t size)
{
    const struct probe *now = probes_shown(scene->probes), *start = probes_first(scene->probes);
    double value = signal_value(now, scene->selected, signal), first = signal_value(start, scene->selected, signal);
    double predicted = signal_predicted(now, scene->selected, signal);
    char more[64] = "";

    if (isnan(value))
        return snprintf(text, size, "%s not measured", signal_name(signal));
    if (isfinite(predicted) && start != now && isfinite(first))
        snprintf(more, sizeof(more), " (predicted %.3g, at first %.3g)", predicted, first);
    else if (isfinite(predicted))
        snprintf(more, sizeof(more), " (predicted %.3g)", predicted);
    else if (start != now && isfinite(first))
        snprintf(more, sizeof(more), " (at first %.3g)", first);
    return snprintf(text, size, "%s %.4g%s", signal_name(signal), value, more);
}

/* The marked block's values, one beside the other as far as there is room; returns the rows. */
static int draw_values(const struct scene *scene, struct canvas *canvas, struct rect area, unsigned signals)
{
    char name[32], text[160];
    int row = area.row, column = area.column + 1, indent;

    probe_point_name(scene->selected, name, sizeof(name));
    column += canvas_text(canvas, column, row, STYLE(ROLE_SELECTED), name) + 2;
    indent = column;
    for (int s = 0; s < SIGNAL_COUNT; s++) {
        if (!(signals & SIGNAL_SET(s)) || (scene->selected == 0 && s == SIGNAL_BRANCH_VARIANCE)) /* the stem's */
            continue;
        quantity_words(scene, (enum signal)s, text, sizeof(text));
        if (column > indent && column + text_columns(text) > area.column + area.columns - 1) {
            column = indent;
            row++;
        }
        column += canvas_text_cut(canvas, column, row, area.column + area.columns - 1 - column, STYLE(ROLE_TEXT), text);
        column += 3;
    }
    return row + 1 - area.row;
}

static void draw_profile(struct scene *scene, struct canvas *canvas, struct rect area, unsigned signals, bool log_axis)
{
    const struct probe *now = probe_shown(scene, canvas, area);
    struct profile_figure figure = {.now = now, .signals = signals, .log_axis = log_axis, .selected = scene->selected};
    struct rect plot = area;
    int below = area.rows >= LEAST_PLOT + 5 ? 4 : area.rows > LEAST_PLOT ? 1 : 0;

    scene->depth.count = 0;
    if (!now)
        return;
    if (area.columns >= WIDE_COLUMNS) { /* a margin */
        plot.column++;
        plot.columns -= 2;
    }
    figure.start = probes_first(scene->probes);
    figure.model = probes_spec(scene->probes);
    plot.rows -= below;
    scene->depth = figure_profile(canvas, plot, &figure);
    if (below == 0)
        return;
    plot = (struct rect){area.column, area.row + plot.rows, area.columns, below};
    if (below > 1) {
        int rows = draw_values(scene, canvas, plot, signals);

        plot.row += rows;
        plot.rows -= rows;
    }
    plot.column++;
    plot.columns -= 2;
    probe_draw_sentence(scene, canvas, plot, scene->selected);
}

static void draw_signal(struct scene *scene, struct canvas *canvas, struct rect area)
{
    draw_profile(scene, canvas, area, SIGNALS_FORWARD, probe_log_axis(scene, AXIS_SIGNAL));
}

static void draw_gradients(struct scene *scene, struct canvas *canvas, struct rect area)
{
    draw_profile(scene, canvas, area, SIGNALS_BACKWARD, probe_log_axis(scene, AXIS_GRADIENTS));
}

static bool key_signal(struct scene *scene, struct rect area, int key)
{
    (void)area;
    if (key == 'l')
        probe_turn_axis(scene, AXIS_SIGNAL);
    return key == 'l' || probe_choose(scene, 5, key);
}

static bool key_gradients(struct scene *scene, struct rect area, int key)
{
    (void)area;
    if (key == 'l')
        probe_turn_axis(scene, AXIS_GRADIENTS);
    return key == 'l' || probe_choose(scene, 5, key);
}

/* A click marks the block whose part of a plot it points at, and opens the one that is marked. */
static bool mouse_over(struct scene *scene, struct rect area, const struct mouse *mouse)
{
    const int point = profile_point_at(&scene->depth, mouse->row, mouse->column);

    (void)area;
    if (mouse->act != MOUSE_PRESS)
        return probe_wheel(scene, mouse);
    if (point >= 0)
        probe_click(scene, point);
    return point >= 0;
}

static void head_signal(const struct scene *scene, char text[PANEL_TITLE])
{
    probe_heading(scene, "Signal propagation", text);
}

static void head_gradients(const struct scene *scene, char text[PANEL_TITLE])
{
    probe_heading(scene, "Gradients", text);
}

static const char help[] =
    "Signal and Gradients: Left and Right mark a block, Enter opens it, l changes between logarithmic and linear axes. "
    "In all views of the blocks , and . go back and on through the probes, n to the newest.";

const struct panel_ops panel_signal = {
    .place = PLACE_SIGNAL,
    .title = "Signal propagation",
    .heading = head_signal,
    .draw = draw_signal,
    .key = key_signal,
    .mouse = mouse_over,
    .keys = {{"\u2190\u2192", "block"}, {"Enter", "detail"}, {"l", "log axis"}, {",.", "step"}},
    .help = help};
const struct panel_ops panel_gradients = {
    .place = PLACE_GRADIENTS,
    .title = "Gradients",
    .heading = head_gradients,
    .draw = draw_gradients,
    .key = key_gradients,
    .mouse = mouse_over,
    .keys = {{"\u2190\u2192", "block"}, {"Enter", "detail"}, {"l", "log axis"}, {",.", "step"}},
    .help = help};
