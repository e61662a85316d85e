/* Below the charts: what is read off them at the cursor; without one, what they show. */
#include "base/digits.h"
#include "tui/charts.h"
#include "tui/panel.h"
#include "tui/words.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ITEM_SIZE = 256, GAP = 3, MARKS_MOST = 8 };

/* Items one behind the other, none broken between two rows. */
struct flow {
    struct canvas *canvas;
    struct rect area;
    int row, column;
};

__attribute__((format(printf, 3, 4))) static void add(struct flow *flow, enum role role, const char *format, ...)
{
    char text[ITEM_SIZE];
    int right = flow->area.column + flow->area.columns - 1;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (flow->column > flow->area.column + 1 && flow->column + text_columns(text) > right) {
        flow->row++;
        flow->column = flow->area.column + 1;
    }
    if (flow->row >= flow->area.row + flow->area.rows)
        return;
    flow->column += canvas_text_cut(flow->canvas, flow->column, flow->row, right - flow->column, STYLE(role), text);
    flow->column += GAP;
}

static void add_loss(struct flow *flow, const char *name, double value)
{
    char text[32];

    if (isnan(value))
        return;
    digits_loss(value, text, sizeof(text));
    add(flow, ROLE_TEXT, "%s %s", name, text);
}

/* "accuracy 45.31 % (44.02 %)": as it was, and smoothed. */
static void add_trained(struct flow *flow, const char *name, void (*words)(double, char *, size_t), double raw,
                        double smoothed)
{
    char text[32], behind[32];

    words(raw, text, sizeof(text));
    words(smoothed, behind, sizeof(behind));
    add(flow, ROLE_TEXT, "%s %s (%s)", name, text, behind);
}

static void add_measured(struct flow *flow, const char *name, const double values[2])
{
    char loss[32], percent[32];

    if (isnan(values[QUANTITY_ACCURACY]))
        return;
    digits_loss(values[QUANTITY_LOSS], loss, sizeof(loss));
    words_percent(values[QUANTITY_ACCURACY], percent, sizeof(percent));
    add(flow, ROLE_TEXT, "%s %s, %s", name, loss, percent);
}

/* What was done at the steps that the cursor's column stands for. */
static void add_marks(const struct scene *scene, struct flow *flow)
{
    double from, to, half, step;
    const char *label;
    char at[32];

    charts_range(scene, &from, &to);
    half = fmax((to - from) / (flow->area.columns + 1), 0.5);
    for (int i = 0; i < MARKS_MOST; i++) {
        label = curves_mark_between(scene->curves, scene->cursor - half, scene->cursor + half, i, &step);
        if (!label)
            return;
        words_count(step, at, sizeof(at));
        add(flow, ROLE_EVENT, "at %s: %s", at, label);
    }
}

static void draw_reading(const struct scene *scene, struct flow *flow)
{
    struct curves_reading now;
    char step[32], time[32], rate[32];

    if (!curves_read(scene->curves, scene->cursor, &now))
        return;
    words_count(now.step, step, sizeof(step));
    words_duration(now.seconds, time, sizeof(time));
    words_rate(now.raw[QUANTITY_LEARNING_RATE], rate, sizeof(rate));
    add(flow, ROLE_CURSOR, "step %s", step);
    add_marks(scene, flow);
    add_trained(flow, "loss", digits_loss, now.raw[QUANTITY_LOSS], now.smoothed[QUANTITY_LOSS]);
    add_trained(flow, "accuracy", words_percent, now.raw[QUANTITY_ACCURACY], now.smoothed[QUANTITY_ACCURACY]);
    add(flow, ROLE_TEXT, "lr %s", rate);
    add_loss(flow, "gradient", now.raw[QUANTITY_GRADIENT_NORM]);
    add_measured(flow, "validation", now.validation);
    add_measured(flow, "test", now.test);
    add(flow, ROLE_DIM, "epoch %.2f, %s", now.epoch, time);
}

static void draw_range(const struct scene *scene, struct flow *flow)
{
    const struct curves_look look = scene_look(scene, QUANTITY_LOSS);
    const char *label = curves_x_label(scene->curves, &look), *word = curves_axis_word((int)scene->chart_axis);
    char first[32], last[32];
    double from, to;

    charts_range(scene, &from, &to);
    words_count(from, first, sizeof(first));
    words_count(to, last, sizeof(last));
    add(flow, ROLE_LABEL, "smoothing %.3g", curves_smoothing(scene->curves));
    if (strcmp(word, label) == 0)
        add(flow, ROLE_LABEL, "axis %s", word);
    else
        add(flow, ROLE_LABEL, "axis %s, in %s", word, label);
    if (scene->range.to <= scene->range.from)
        add(flow, ROLE_LABEL, "all steps");
    else
        add(flow, ROLE_LABEL, "steps %s to %s%s", first, last, scene->range.follows ? ", going on" : "");
}

static void draw(struct scene *scene, struct canvas *canvas, struct rect area)
{
    struct flow flow = {canvas, area, area.row, area.column + 1};

    if (isnan(scene->cursor))
        draw_range(scene, &flow);
    else
        draw_reading(scene, &flow);
}

const struct panel_ops panel_reading = {.place = PLACE_READING, .draw = draw};
