/* The names of the views with their keys, the open one marked. Where room is short they stand close together; where
 * there is none for all the names, only the open one's stands beside the keys. */
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

/* From the roomiest on; in the last only the open view has its name. */
enum form { WIDE, TIGHT, KEYS };

/* " 4 Blocks ", "4 Blocks ", or " 4 ". */
static void tab_text(enum view view, enum view open, enum form form, char text[TAB_SIZE])
{
    const char *name = view_name(view);

    if (form == KEYS && view != open)
        snprintf(text, TAB_SIZE, " %s ", key_of(view));
    else
        snprintf(text, TAB_SIZE, "%s%s %c%s ", form == TIGHT ? "" : " ", key_of(view), toupper((unsigned char)*name),
                 name + 1);
}

static int all_columns(enum view open, enum form form)
{
    int columns = 0;

    for (int v = 0; v < VIEW_COUNT; v++) {
        char text[TAB_SIZE];

        if (!key_of((enum view)v))
            continue;
        tab_text((enum view)v, open, form, text);
        columns += text_columns(text);
    }
    return columns - 1; /* the last blank may be cut */
}

static enum form find_form(enum view open, int columns)
{
    return all_columns(open, WIDE) <= columns ? WIDE : all_columns(open, TIGHT) <= columns ? TIGHT : KEYS;
}

static enum view open_tab(const struct scene *scene)
{
    return scene->view == VIEW_BLOCK ? VIEW_BLOCKS : scene->view;
}

static void draw(struct scene *scene, struct canvas *canvas, struct rect area)
{
    enum view open = open_tab(scene);
    enum form form = find_form(open, area.columns);
    int column = area.column;

    for (int v = 0; v < VIEW_COUNT; v++) {
        char text[TAB_SIZE];
        enum role role = v == (int)open ? ROLE_SELECTED : ROLE_HINT;

        if (!key_of((enum view)v))
            continue;
        tab_text((enum view)v, open, form, text);
        canvas_text(canvas, column, area.row, STYLE(role), text);
        if (v != (int)open)
            canvas_text(canvas, column + (form != TIGHT), area.row, STYLE(ROLE_KEY), key_of((enum view)v));
        column += text_columns(text);
    }
}

static bool click(struct scene *scene, struct rect area, const struct mouse *mouse)
{
    enum view open = open_tab(scene);
    enum form form = find_form(open, area.columns);
    int column = area.column;

    for (int v = 0; v < VIEW_COUNT && mouse->act == MOUSE_PRESS; v++) {
        char text[TAB_SIZE];

        if (!key_of((enum view)v))
            continue;
        tab_text((enum view)v, open, form, text);
        column += text_columns(text);
        if (mouse->column < column) {
            scene_open(scene, (enum view)v);
            return true;
        }
    }
    return false;
}

const struct panel_ops panel_tabs = {.place = PLACE_TABS, .draw = draw, .mouse = click};
