/* The names of the views with their keys, the open one marked. Where there is no room for all the names, only its own
 * stands beside the keys. */
#include "tui/command.h"
#include "tui/panel.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { TAB_SIZE = 24, GAP = 2 };

/* The key that opens a view, from the table of commands; NULL when it has none. */
static const char *key_of(enum view view)
{
    const struct command_entry *entry = command_find("view");
    char line[64];

    snprintf(line, sizeof(line), "view %s", view_name(view));
    for (int k = 0; k < COMMAND_KEYS && entry->keys[k].key; k++)
        if (strcmp(entry->keys[k].line, line) == 0)
            return entry->keys[k].name;
    return NULL;
}

/* "4 Blocks", or "4". */
static void tab_text(enum view view, bool named, char text[TAB_SIZE])
{
    const char *name = view_name(view);

    snprintf(text, TAB_SIZE, named ? " %s %c%s " : " %s ", key_of(view), toupper((unsigned char)*name), name + 1);
}

static int all_columns(enum view open, bool named)
{
    int columns = 0;

    for (int v = 0; v < VIEW_COUNT; v++) {
        char text[TAB_SIZE];

        if (!key_of((enum view)v))
            continue;
        tab_text((enum view)v, named || v == (int)open, text);
        columns += text_columns(text);
    }
    return columns;
}

static enum view open_tab(const struct scene *scene)
{
    return scene->view == VIEW_BLOCK ? VIEW_BLOCKS : scene->view;
}

static void draw(struct scene *scene, struct canvas *canvas, struct rect area)
{
    enum view open = open_tab(scene);
    bool named = all_columns(open, true) <= area.columns;
    int column = area.column;

    for (int v = 0; v < VIEW_COUNT; v++) {
        char text[TAB_SIZE];
        enum role role = v == (int)open ? ROLE_SELECTED : ROLE_HINT;

        if (!key_of((enum view)v))
            continue;
        tab_text((enum view)v, named || v == (int)open, text);
        canvas_text(canvas, column, area.row, STYLE(role), text);
        if (v != (int)open)
            canvas_text(canvas, column + 1, area.row, STYLE(ROLE_KEY), key_of((enum view)v));
        column += text_columns(text);
    }
}

static bool click(struct scene *scene, struct rect area, const struct mouse *mouse)
{
    enum view open = open_tab(scene);
    bool named = all_columns(open, true) <= area.columns;
    int column = area.column;

    for (int v = 0; v < VIEW_COUNT && mouse->act == MOUSE_PRESS; v++) {
        char text[TAB_SIZE];

        if (!key_of((enum view)v))
            continue;
        tab_text((enum view)v, named || v == (int)open, text);
        column += text_columns(text);
        if (mouse->column < column) {
            scene_open(scene, (enum view)v);
            return true;
        }
    }
    return false;
}

const struct panel_ops panel_tabs = {.place = PLACE_TABS, .draw = draw, .mouse = click};
