/* A part of the screen: one file each, one row in the table of scene.c. A panel draws inside an area of any size and
 * keeps no state of its own: all of it is in the scene. */
#ifndef NFBENCH_TUI_PANEL_H
#define NFBENCH_TUI_PANEL_H

#include "tui/scene.h"

struct panel_ops {
    enum place place;
    const char *title; /* in its frame or title line; NULL: it has none, or writes its own */
    void (*draw)(struct scene *scene, struct canvas *canvas, struct rect area);
    /* A key that no command has; true when it meant something here. NULL: it takes none. */
    bool (*key)(struct scene *scene, struct rect area, int key);
};

extern const struct panel_ops panel_header, panel_loss, panel_accuracy, panel_log, panel_keys, panel_command;

/* Where the terminal's cursor stands while the command line has the focus. */
struct scene_cursor panel_command_cursor(struct rect area);
/* The list of possible completions above the command line. */
void panel_command_matches(const struct scene *scene, struct canvas *canvas, struct rect area);

/* The overlay, over the whole screen's body. */
void overlay_draw(struct scene *scene, struct canvas *canvas, struct rect body);

#endif
