/* See scene.h. Frames around the panels, the panels in them, overlays above. */
#include "tui/scene.h"

#include "tui/panel.h"
#include "tui/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const struct panel_ops *panel_at(int index)
{
    static const struct panel_ops *const panels[] = {
        &panel_header,  &panel_tabs,   &panel_loss,  &panel_accuracy, &panel_learning_rate, &panel_gradient_norm,
        &panel_reading, &panel_blocks, &panel_block, &panel_signal,   &panel_gradients,     &panel_images,
        &panel_runs,    &panel_system, &panel_log,   &panel_keys,     &panel_command,       NULL};

    return panels[index];
}

int panel_draw_wrapped(struct canvas *canvas, struct rect area, struct style style, const char *text)
{
    int row = 0, width = 0;

    while (*text && row < area.rows && area.columns > 0) {
        const char *next;
        size_t length = words_wrap(text, area.columns, &next);

        width = canvas_printf(canvas, area.column, area.row + row++, style, "%.*s", (int)length, text);
        text = next;
    }
    if (*text && row > 0) /* there is more than has room */
        canvas_put(canvas, area.column + (width < area.columns ? width : area.columns - 1), area.row + row - 1, style,
                   0x2026);
    return row;
}

static void draw_too_small(struct canvas *canvas, struct rect all)
{
    char text[64];

    snprintf(text, sizeof(text), "%dx%d is too small", all.columns, all.rows);
    canvas_text_cut(canvas, all.column, all.row, all.columns, STYLE(ROLE_WARNING), text);
    snprintf(text, sizeof(text), "needs %dx%d; training goes on", LAYOUT_MIN_COLS, LAYOUT_MIN_ROWS);
    canvas_text_cut(canvas, all.column, all.row + 1, all.columns, STYLE(ROLE_TEXT), text);
}

/* One of several that take keys, and the one that does. */
static bool is_chosen(const struct scene *scene, enum place place)
{
    return view_focus(scene->view, 1) != PLACE_COUNT && place == scene_focus(scene);
}

/* A frame all around, or a title in a line above. */
static void draw_frame(const struct scene *scene, struct canvas *canvas, const struct layout *layout,
                       const struct panel_ops *panel)
{
    struct rect area = layout->places[panel->place];
    struct style style = STYLE(ROLE_BORDER);
    char title[PANEL_TITLE], chosen[PANEL_TITLE];

    snprintf(title, sizeof(title), "%s", panel->title ? panel->title : "");
    if (panel->heading)
        panel->heading(scene, title);
    if (is_chosen(scene, panel->place)) {
        snprintf(chosen, sizeof(chosen), "\u25b6 %s", title);
        snprintf(title, sizeof(title), "%s", chosen);
        style = STYLE(ROLE_ACCENT);
    }
    if (layout->framed && (panel->title || panel->place == PLACE_HEADER)) {
        canvas_box(canvas, area, style, *title ? title : NULL);
        return;
    }
    if (!panel->title)
        return;
    for (int column = 0; column < area.columns; column++)
        canvas_put(canvas, area.column + column, area.row, style, 0x2500);
    canvas_printf(canvas, area.column + 1, area.row, STYLE(ROLE_TITLE), " %s ", title);
}

/* Of the newest step; while paused, when the person may just have changed it, of the next one. */
static double rate_in_force(const struct snapshot *now)
{
    if (now->state == TRAINER_PAUSED || now->state == TRAINER_DIVERGED)
        return (double)now->next_learning_rate;
    return (double)(now->step.step ? now->step.learning_rate : now->peak_learning_rate);
}

bool scene_take_figures(struct scene *scene)
{
    const struct snapshot *now = &scene->snapshot;
    const struct figures before = scene->figures;

    scene->figures = (struct figures){.step = now->step.step,
                                      .epoch = now->steps_per_epoch > 0 ? (double)(now->step.step - now->extra_steps) /
                                                                              (double)now->steps_per_epoch
                                                                        : NAN,
                                      .learning_rate = rate_in_force(now),
                                      .loss = curves_latest(scene->curves, QUANTITY_LOSS),
                                      .accuracy = curves_latest(scene->curves, QUANTITY_ACCURACY),
                                      .images_per_second = now->step.images_per_second,
                                      .seconds = now->step.seconds,
                                      .eta_seconds = now->eta_seconds};
    return memcmp(&before, &scene->figures, sizeof(before)) != 0;
}

bool scene_is_over(const struct scene *scene)
{
    return scene->phase == PHASE_BROKEN || (scene->phase == PHASE_LIVE && trainer_has_ended(scene->snapshot.state));
}

struct scene_cursor scene_draw(struct scene *scene, struct canvas *canvas)
{
    struct rect all = canvas_area(canvas), header, command;
    struct layout layout = scene_layout(scene, all.rows, all.columns);
    const struct panel_ops *panel;

    if (!layout.fits) {
        draw_too_small(canvas, all);
        return (struct scene_cursor){-1, 0};
    }
    for (int i = 0; (panel = panel_at(i)); i++) {
        struct rect inside = layout_inside(&layout, panel->place), before;

        if (layout.places[panel->place].rows < 1)
            continue;
        draw_frame(scene, canvas, &layout, panel);
        before = canvas_clip(canvas, inside);
        panel->draw(scene, canvas, inside);
        canvas_clip(canvas, before);
    }
    header = layout.places[PLACE_HEADER];
    command = layout.places[PLACE_COMMAND];
    overlay_draw(
        scene, canvas,
        (struct rect){0, header.rows, all.columns, all.rows - header.rows - layout.places[PLACE_KEYS].rows - 1});
    panel_command_above(scene, canvas, command);
    return scene->command_focused ? panel_command_cursor(command) : (struct scene_cursor){-1, 0};
}

struct layout scene_layout(const struct scene *scene, int rows, int columns)
{
    return layout_compute(rows, columns, scene->view, scene_focus(scene), scene->zoomed);
}

/* In a view of several panels one is chosen, and may have the body to itself. */
static bool choose_panel(struct scene *scene, int key)
{
    if (view_focus(scene->view, 1) == PLACE_COUNT)
        return false;
    if (key == 'c')
        scene_focus_next(scene);
    else if (key == KEY_CODE_ENTER)
        scene->zoomed = !scene->zoomed;
    else if (key == KEY_CODE_ESCAPE && scene->zoomed)
        scene->zoomed = false;
    else
        return false;
    return true;
}

static bool give_key(struct scene *scene, const struct layout *layout, const struct panel_ops *panel, int key)
{
    return panel->key && layout->places[panel->place].rows > 0 &&
           panel->key(scene, layout_inside(layout, panel->place), key);
}

bool scene_takes_first(const struct scene *scene, int key)
{
    const struct panel_ops *panel;

    for (int i = 0; (panel = panel_at(i)); i++)
        if (panel->place == scene_focus(scene) && panel->before && key > 0 && key < 0x80)
            return strchr(panel->before, key) != NULL;
    return false;
}

bool scene_key(struct scene *scene, int rows, int columns, int key)
{
    struct layout layout = scene_layout(scene, rows, columns);
    const enum place first = scene_focus(scene);
    const struct panel_ops *panel;

    for (int i = 0; (panel = panel_at(i)); i++)
        if (panel->place == first && give_key(scene, &layout, panel, key))
            return true;
    for (int i = 0; (panel = panel_at(i)); i++)
        if (panel->place != first && give_key(scene, &layout, panel, key))
            return true;
    return choose_panel(scene, key);
}

static bool holds(struct rect area, const struct mouse *mouse)
{
    return mouse->row >= area.row && mouse->row < area.row + area.rows && mouse->column >= area.column &&
           mouse->column < area.column + area.columns;
}

/* A click chooses a panel; in its title it gives it the body, and takes that away again. */
static bool click_panel(struct scene *scene, const struct layout *layout, const struct mouse *mouse)
{
    enum place place;

    for (int i = 0; (place = view_focus(scene->view, i)) != PLACE_COUNT; i++) {
        struct rect area = layout->places[place];

        if (!holds(area, mouse))
            continue;
        scene->focus[scene->view] = place;
        if (mouse->row == area.row && view_focus(scene->view, 1) != PLACE_COUNT)
            scene->zoomed = !scene->zoomed;
        return true;
    }
    return false;
}

bool scene_mouse(struct scene *scene, int rows, int columns, const struct mouse *mouse)
{
    struct layout layout = scene_layout(scene, rows, columns);
    const struct panel_ops *panel;
    bool chosen = mouse->act == MOUSE_PRESS && click_panel(scene, &layout, mouse);

    for (int i = 0; (panel = panel_at(i)); i++) {
        struct rect inside = layout_inside(&layout, panel->place);

        if (panel->mouse && layout.places[panel->place].rows > 0 && holds(inside, mouse))
            return panel->mouse(scene, inside, mouse) || chosen;
    }
    return chosen;
}

void scene_open(struct scene *scene, enum view view)
{
    if (view == VIEW_BLOCK && scene->view != VIEW_BLOCK)
        scene->block_from = scene->view;
    scene->view = view;
    scene->zoomed = false;
}

void scene_open_chart(struct scene *scene, enum place chart)
{
    scene_open(scene, VIEW_CHARTS);
    scene->focus[VIEW_CHARTS] = chart;
    scene->zoomed = true;
}

enum place scene_focus(const struct scene *scene)
{
    enum place chosen = scene->focus[scene->view];

    for (int i = 0; view_focus(scene->view, i) != PLACE_COUNT; i++)
        if (view_focus(scene->view, i) == chosen)
            return chosen;
    return view_focus(scene->view, 0);
}

void scene_focus_next(struct scene *scene)
{
    enum place now = scene_focus(scene), next = view_focus(scene->view, 0);

    for (int i = 0; view_focus(scene->view, i) != PLACE_COUNT; i++)
        if (view_focus(scene->view, i) == now && view_focus(scene->view, i + 1) != PLACE_COUNT)
            next = view_focus(scene->view, i + 1);
    scene->focus[scene->view] = next;
}
