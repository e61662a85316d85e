/* A part of the screen: one file each, one row in the table of scene.c. A panel draws inside an area of any size and
 * keeps no state of its own: all of it is in the scene. */
#ifndef NFBENCH_TUI_PANEL_H
#define NFBENCH_TUI_PANEL_H

#include "tui/keys.h"
#include "tui/scene.h"

enum { PANEL_KEYS = 10, PANEL_TITLE = 160 };

/* A key of a panel as the key bar shows it, where it does something now. */
struct panel_key {
    const char *name, *hint;
    bool (*works)(const struct scene *scene); /* NULL: always */
};

struct panel_ops {
    enum place place;
    const char *title; /* in its frame or title line; NULL: it has none */
    /* The title with what changes in it, in place of `title`; NULL: `title` is all. */
    void (*heading)(const struct scene *scene, char text[PANEL_TITLE]);
    void (*draw)(struct scene *scene, struct canvas *canvas, struct rect area);
    /* A key that no command has; true when it meant something here. NULL: it takes none. */
    bool (*key)(struct scene *scene, struct rect area, int key);
    const char *before; /* keys of a command that it takes all the same, while it has the focus; NULL: none */
    /* A press or a turn of the wheel inside the area; true when it meant something. NULL: it takes none. */
    bool (*mouse)(struct scene *scene, struct rect area, const struct mouse *mouse);
    struct panel_key keys[PANEL_KEYS]; /* for the key bar, while the panel has the focus; up to a NULL name */
    const char *help;                  /* what its keys do, in sentences for the help; NULL: nothing to say */
};

extern const struct panel_ops panel_header, panel_tabs, panel_loss, panel_accuracy, panel_learning_rate,
    panel_gradient_norm, panel_reading, panel_blocks, panel_block, panel_signal, panel_gradients, panel_images,
    panel_runs, panel_system, panel_log, panel_keys, panel_command;

/* All of them, from top to bottom; NULL behind the last. */
const struct panel_ops *panel_at(int index);

/* Text wrapped at the area's columns, from its first row to its last; returns the rows it took. */
int panel_draw_wrapped(struct canvas *canvas, struct rect area, struct style style, const char *text);

/* Where the terminal's cursor stands while the command line has the focus. */
struct scene_cursor panel_command_cursor(struct rect area);
/* What stands above the command line: the list of possible completions, a refusal that is too long for the line. */
void panel_command_above(const struct scene *scene, struct canvas *canvas, struct rect area);

/* The overlay, over the whole screen's body. */
void overlay_draw(struct scene *scene, struct canvas *canvas, struct rect body);

#endif
