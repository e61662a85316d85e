/* Framed messages over the body of the screen: help, the diagnosis of a diverged run, why a run could not start. */
#include "tui/command.h"
#include "tui/panel.h"
#include "tui/words.h"

#include <stdio.h>
#include <string.h>

/* A cleared frame in the middle of the body for so many rows and columns of content; returns the room inside. */
static struct rect draw_frame(struct canvas *canvas, struct rect body, int rows, int columns, enum role role,
                              const char *title, const char *bottom)
{
    struct rect frame;
    int width = text_columns(bottom);

    columns = columns + 4 > body.columns ? body.columns : columns + 4;
    rows = rows + 2 > body.rows ? body.rows : rows + 2;
    frame = (struct rect){body.column + (body.columns - columns) / 2, body.row + (body.rows - rows) / 2, columns, rows};
    canvas_fill(canvas, frame, STYLE(ROLE_TEXT));
    canvas_box(canvas, frame, STYLE(role), title);
    if (width + 6 <= columns)
        canvas_printf(canvas, frame.column + columns - width - 4, frame.row + rows - 1, STYLE(ROLE_HINT), " %s ",
                      bottom);
    return (struct rect){frame.column + 2, frame.row + 1, columns - 4, rows - 2};
}

static void draw_message(const struct scene *scene, struct canvas *canvas, struct rect body)
{
    int columns = body.columns > 84 ? 76 : body.columns - 8, rows;
    struct rect inside;

    columns = columns < 10 ? 10 : columns;
    rows = words_wrapped_lines(scene->message, columns);
    inside = draw_frame(canvas, body, rows, columns, scene->message_role, scene->message_title, "Esc closes, q quits");
    panel_draw_wrapped(canvas, inside, STYLE(ROLE_TEXT), scene->message);
}

/* ---- Help ---- */

/* The keys of a command: "space", "+ > - <". */
static void key_list(const struct command_entry *entry, char *text, size_t size)
{
    size_t used = 0;

    *text = 0;
    for (int k = 0; k < COMMAND_KEYS && entry->keys[k].key && used < size; k++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", k ? " " : "", entry->keys[k].name);
}

enum { KEY_COLUMNS = 12, USAGE_COLUMNS = 18, HELP_COLUMNS = 110 };

static int help_rows(const struct command_entry *entry, int columns)
{
    int rows = words_wrapped_lines(entry->help, columns - KEY_COLUMNS - USAGE_COLUMNS);

    return rows < 1 ? 1 : rows;
}

/* Returns the row behind it. */
static int draw_help_row(struct canvas *canvas, struct rect area, const struct command_entry *entry)
{
    char keys[64], usage[64];
    struct rect text = {area.column + KEY_COLUMNS + USAGE_COLUMNS, area.row, area.columns - KEY_COLUMNS - USAGE_COLUMNS,
                        area.rows};

    key_list(entry, keys, sizeof(keys));
    command_usage(entry, usage, sizeof(usage));
    canvas_text_cut(canvas, area.column, area.row, KEY_COLUMNS - 1, STYLE(ROLE_KEY), keys);
    canvas_text_cut(canvas, area.column + KEY_COLUMNS, area.row, USAGE_COLUMNS - 1, STYLE(ROLE_TEXT, STYLE_BOLD),
                    usage);
    return area.row + panel_draw_wrapped(canvas, text, STYLE(ROLE_LABEL), entry->help);
}

static int scroll_limit(int scroll, int most)
{
    scroll = scroll > most ? most : scroll;
    return scroll < 0 ? 0 : scroll;
}

/* Wrapped text and its rows; only counts them where `canvas` is NULL. */
static int help_text(struct canvas *canvas, struct rect area, const char *text)
{
    if (canvas)
        panel_draw_wrapped(canvas, area, STYLE(ROLE_DIM), text);
    return words_wrapped_lines(text, area.columns);
}

/* What the panels' keys do, then the rest. */
static int help_on_keys(struct canvas *canvas, struct rect area)
{
    static const char rest[] = "Command line: Tab completes, Up recalls, Ctrl-R searches. Ctrl-C saves and leaves, a "
                               "second one leaves at once; Ctrl-Z stops, fg goes on.";
    const struct panel_ops *panel;
    int first = area.row;

    for (int i = 0; (panel = panel_at(i)); i++)
        if (panel->help)
            area.row += help_text(canvas, area, panel->help);
    return area.row + help_text(canvas, area, rest) - first;
}

static void draw_help(struct scene *scene, struct canvas *canvas, struct rect body)
{
    int columns = body.columns - 4 < HELP_COLUMNS ? body.columns - 4 : HELP_COLUMNS, rows = 0;
    const struct command_entry *entry, *topic = scene->help_topic ? command_find(scene->help_topic) : NULL;
    struct rect inside, before;

    for (int i = 0; (entry = command_at(i)); i++)
        rows += !topic || entry == topic ? help_rows(entry, columns) : 0;
    if (!topic)
        rows += 1 + help_on_keys(NULL, (struct rect){.columns = columns});
    inside = draw_frame(canvas, body, rows, columns, ROLE_ACCENT, topic ? topic->name : "Keys and commands",
                        rows + 2 > body.rows ? "Up and Down scroll, any other key closes" : "any key closes");
    scene->overlay_scroll = scroll_limit(scene->overlay_scroll, rows - inside.rows);
    before = canvas_clip(canvas, inside);
    inside.row -= scene->overlay_scroll;
    inside.rows = rows; /* all of it is drawn, and clipped */
    for (int i = 0; (entry = command_at(i)); i++)
        if (!topic || entry == topic)
            inside.row = draw_help_row(canvas, inside, entry);
    inside.row++;
    if (!topic)
        help_on_keys(canvas, inside);
    canvas_clip(canvas, before);
}

void overlay_draw(struct scene *scene, struct canvas *canvas, struct rect body)
{
    if (scene->overlay == OVERLAY_HELP)
        draw_help(scene, canvas, body);
    if (scene->overlay == OVERLAY_MESSAGE)
        draw_message(scene, canvas, body);
}
