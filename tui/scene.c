/* See scene.h. Frames around the panels, the panels in them, overlays above. */
#include "tui/scene.h"

#include "tui/panel.h"
#include "tui/words.h"

#include <stdio.h>

const struct panel_ops *panel_at(int index)
{
    static const struct panel_ops *const panels[] = {&panel_header, &panel_tabs,  &panel_loss,    &panel_accuracy,
                                                     &panel_blocks, &panel_block, &panel_signal,  &panel_gradients,
                                                     &panel_log,    &panel_keys,  &panel_command, NULL};

    return panels[index];
}

int panel_draw_wrapped(struct canvas *canvas, struct rect area, struct style style, const char *text)
{
    int row = 0;

    while (*text && row < area.rows && area.columns > 0) {
        const char *next;
        size_t length = words_wrap(text, area.columns, &next);

        canvas_printf(canvas, area.column, area.row + row++, style, "%.*s", (int)length, text);
        text = next;
    }
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

/* A frame all around, or a title in a line above. */
static void draw_frame(const struct scene *scene, struct canvas *canvas, const struct layout *layout,
                       const struct panel_ops *panel)
{
    struct rect area = layout->places[panel->place];
    char title[PANEL_TITLE];

    snprintf(title, sizeof(title), "%s", panel->title ? panel->title : "");
    if (panel->heading)
        panel->heading(scene, title);
    if (layout->framed && (panel->title || panel->place == PLACE_HEADER)) {
        canvas_box(canvas, area, STYLE(ROLE_BORDER), *title ? title : NULL);
        return;
    }
    if (!panel->title)
        return;
    for (int column = 0; column < area.columns; column++)
        canvas_put(canvas, area.column + column, area.row, STYLE(ROLE_BORDER), 0x2500);
    canvas_printf(canvas, area.column + 1, area.row, STYLE(ROLE_TITLE), " %s ", title);
}

bool scene_log_loss(const struct scene *scene)
{
    enum axis_choice chosen = scene->axes[AXIS_LOSS];

    return chosen == AXIS_BY_DATA ? curves_want_log(scene->curves) : chosen == AXIS_LOG;
}

struct scene_cursor scene_draw(struct scene *scene, struct canvas *canvas)
{
    struct rect all = canvas_area(canvas), header, command;
    struct layout layout = layout_compute(all.rows, all.columns, scene->view);
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
    panel_command_matches(scene, canvas, command);
    return scene->command_focused ? panel_command_cursor(command) : (struct scene_cursor){-1, 0};
}

bool scene_key(struct scene *scene, int rows, int columns, int key)
{
    struct layout layout = layout_compute(rows, columns, scene->view);
    const struct panel_ops *panel;

    for (int i = 0; (panel = panel_at(i)); i++)
        if (panel->key && layout.places[panel->place].rows > 0 &&
            panel->key(scene, layout_inside(&layout, panel->place), key))
            return true;
    return false;
}

void scene_open(struct scene *scene, enum view view)
{
    if (view == VIEW_BLOCK && scene->view != VIEW_BLOCK)
        scene->block_from = scene->view;
    scene->view = view;
}
