/* The two charts: loss and accuracy over the steps. One set of code, two rows. */
#include "tui/keys.h"
#include "tui/panel.h"

#include <math.h>

/* That may come: none behind the end of a run that stopped early. */
static long last_step(const struct snapshot *now)
{
    return trainer_has_ended(now->state) && now->step.step > 0 ? now->step.step : now->steps_total;
}

static void draw_chart(struct scene *scene, struct canvas *canvas, struct rect area, enum quantity quantity)
{
    const struct curves_look look = {
        .quantity = quantity,
        .log_axis = quantity == QUANTITY_LOSS && scene_log_loss(scene),
        .steps_total = (double)last_step(&scene->snapshot),
        .cursor = scene->cursor,
        .empty_text = scene->phase == PHASE_STARTING ? scene->progress : "waiting for the first step",
    };

    curves_draw(scene->curves, &look, canvas, area);
}

static void draw_loss(struct scene *scene, struct canvas *canvas, struct rect area)
{
    draw_chart(scene, canvas, area, QUANTITY_LOSS);
}

static void draw_accuracy(struct scene *scene, struct canvas *canvas, struct rect area)
{
    draw_chart(scene, canvas, area, QUANTITY_ACCURACY);
}

/* Left and right move a cursor along the curves; both charts show it. */
static bool move_cursor(struct scene *scene, struct rect area, int key)
{
    double last = curves_last_step(scene->curves), stride = last / (area.columns > 20 ? area.columns - 10 : 10);
    double from = isnan(scene->cursor) ? last : scene->cursor;

    stride = stride < 1 ? 1 : stride;
    if (last <= 0)
        return false;
    if (key == KEY_CODE_LEFT)
        scene->cursor = from - stride;
    else if (key == KEY_CODE_RIGHT)
        scene->cursor = from + stride;
    else if (key == KEY_CODE_ESCAPE && !isnan(scene->cursor))
        scene->cursor = NAN;
    else
        return false;
    if (!isnan(scene->cursor))
        scene->cursor = fmin(fmax(round(scene->cursor), 1), last);
    return true;
}

const struct panel_ops panel_loss = {
    .place = PLACE_LOSS,
    .title = "Loss",
    .draw = draw_loss,
    .key = move_cursor,
    .keys = {{"\u2190\u2192", "read values"}},
    .help = "Charts: Left and Right move a cursor, at which the values are read; Esc takes it away."};
const struct panel_ops panel_accuracy = {.place = PLACE_ACCURACY,
                                         .title = "Accuracy",
                                         .draw = draw_accuracy,
                                         .key = move_cursor,
                                         .keys = {{"\u2190\u2192", "read values"}}};
