/* The charts: loss, accuracy, learning rate and gradient norm. One set of code, four panels. */
#include "tui/charts.h"
#include "tui/keys.h"
#include "tui/panel.h"

#include <math.h>
#include <stdio.h>

static const double ZOOM = 2, PAN = 0.25, WHEEL = 1.25;

static void draw_chart(struct scene *scene, struct canvas *canvas, struct rect area, enum quantity quantity)
{
    struct curves_look look;

    charts_follow(scene);
    look = scene_look(scene, quantity);
    look.empty_text =
        scene->phase == PHASE_STARTING || scene->phase == PHASE_BROKEN ? scene->progress : "waiting for the first step";
    scene->plots[quantity] = curves_draw(scene->curves, &look, canvas, area);
}

/* Left and right move a cursor along the curves; all charts show it. */
static bool move_cursor(struct scene *scene, struct rect area, int key)
{
    if (curves_last_step(scene->curves) <= 0)
        return false;
    if (key == KEY_CODE_LEFT || key == KEY_CODE_RIGHT)
        charts_move_cursor(scene, key == KEY_CODE_LEFT ? -1 : 1, area.columns);
    else if (key == KEY_CODE_ESCAPE && !isnan(scene->cursor))
        scene->cursor = NAN;
    else if (key == KEY_CODE_ENTER && !isnan(scene->cursor)) /* the way back there, to be entered */
        snprintf(scene->prepared, sizeof(scene->prepared), "back %.0f", scene->cursor);
    else
        return false;
    return true;
}

static bool change_range(struct scene *scene, int key)
{
    if (key == ']' || key == '[')
        charts_zoom(scene, NAN, key == ']' ? 1 / ZOOM : ZOOM);
    else if (key == '}' || key == '{')
        charts_pan(scene, key == '}' ? PAN : -PAN);
    else if (key == 'f')
        charts_fit(scene);
    else
        return false;
    return true;
}

static bool change_axes(struct scene *scene, int key)
{
    if (key == 'l')
        return charts_turn_log(scene, charts_chosen(scene));
    if (key == 'x')
        scene->chart_axis = (enum curves_axis)(((int)scene->chart_axis + 1) % CURVES_AXES);
    else if (key == ',' || key == '.')
        charts_smooth_more(scene, key == '.');
    else
        return false;
    return true;
}

/* Keys that in the overview are the log's. */
static bool walk(struct scene *scene, int key)
{
    if (scene->view != VIEW_CHARTS)
        return false;
    if (key == KEY_CODE_UP || key == KEY_CODE_DOWN)
        charts_zoom(scene, NAN, key == KEY_CODE_UP ? 1 / ZOOM : ZOOM);
    else if (key == KEY_CODE_HOME || key == KEY_CODE_END)
        charts_put_cursor(scene, key == KEY_CODE_HOME ? 1 : curves_last_step(scene->curves));
    else
        return false;
    return true;
}

static bool key(struct scene *scene, struct rect area, int key)
{
    return move_cursor(scene, area, key) || change_range(scene, key) || change_axes(scene, key) || walk(scene, key);
}

/* A click puts the cursor there, the wheel shows fewer or more steps about its place. */
static bool take_mouse(struct scene *scene, enum quantity quantity, const struct mouse *mouse)
{
    double step = charts_step_at(scene, quantity, mouse->column);

    if (isnan(step))
        return false;
    if (mouse->act == MOUSE_PRESS)
        charts_put_cursor(scene, step);
    else if (mouse->act == MOUSE_WHEEL_UP || mouse->act == MOUSE_WHEEL_DOWN)
        charts_zoom(scene, step, mouse->act == MOUSE_WHEEL_UP ? 1 / WHEEL : WHEEL);
    else
        return false;
    return true;
}

/* In the view of charts the title says what is not to be seen: the logarithm. */
static void head(const struct scene *scene, enum quantity quantity, char text[PANEL_TITLE])
{
    bool log = scene->view == VIEW_CHARTS && scene_log_chart(scene, quantity);

    snprintf(text, PANEL_TITLE, "%s%s", quantity_title(quantity), log ? " \u00b7 log" : "");
}

static bool has_log(const struct scene *scene)
{
    return charts_chosen(scene) != QUANTITY_ACCURACY;
}

/* The panel of a quantity. */
#define CHART(NAME_, name_, title_, ...)                                                                               \
    static void draw_##name_(struct scene *scene, struct canvas *canvas, struct rect area)                             \
    {                                                                                                                  \
        draw_chart(scene, canvas, area, QUANTITY_##NAME_);                                                             \
    }                                                                                                                  \
    static bool mouse_##name_(struct scene *scene, struct rect area, const struct mouse *mouse)                        \
    {                                                                                                                  \
        (void)area;                                                                                                    \
        return take_mouse(scene, QUANTITY_##NAME_, mouse);                                                             \
    }                                                                                                                  \
    static void head_##name_(const struct scene *scene, char text[PANEL_TITLE])                                        \
    {                                                                                                                  \
        head(scene, QUANTITY_##NAME_, text);                                                                           \
    }                                                                                                                  \
    const struct panel_ops panel_##name_ = {.place = PLACE_##NAME_,                                                    \
                                            .title = (title_),                                                         \
                                            .heading = head_##name_,                                                   \
                                            .draw = draw_##name_,                                                      \
                                            .key = key,                                                                \
                                            .mouse = mouse_##name_,                                                    \
                                            .keys = {{"\u2190\u2192", "read"},                                         \
                                                     {"[]", "x zoom"},                                                 \
                                                     {",.", "smooth"},                                                 \
                                                     {"l", "log", has_log},                                            \
                                                     {"f", "fit"},                                                     \
                                                     {"x", "axis"},                                                    \
                                                     {"{}", "pan"}},                                                   \
                                            __VA_ARGS__}

CHART(LOSS, loss, "Loss",
      .help = "Charts: Left, Right, Home and End move a cursor, at which the values are read; Enter there prepares "
              "the way back to its step, Esc takes it away. ] and [ (Up, Down) show fewer or more steps, { and } "
              "earlier or later ones, f all. , and . smooth less or more, l changes between logarithmic and linear, "
              "x between steps, epochs and time. A click puts the cursor there, the wheel zooms about its place.");
CHART(ACCURACY, accuracy, "Accuracy");
CHART(LEARNING_RATE, learning_rate, "Learning rate");
CHART(GRADIENT_NORM, gradient_norm, "Gradient norm");
