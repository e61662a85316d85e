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

/* Of `rows` rows those that are to be seen inside the frame: the scroll is kept in its bounds, the clip is the frame
 * until the caller sets it back, and all the rows are drawn where the answer says. */
static struct rect scroll_inside(struct scene *scene, struct canvas *canvas, struct rect inside, int rows,
                                 struct rect *clip_before)
{
    int most = rows > inside.rows ? rows - inside.rows : 0;

    scene->overlay_scroll = scene->overlay_scroll < 0 ? 0 : scene->overlay_scroll;
    scene->overlay_scroll = scene->overlay_scroll > most ? most : scene->overlay_scroll;
    *clip_before = canvas_clip(canvas, inside);
    inside.row -= scene->overlay_scroll;
    inside.rows = rows;
    return inside;
}

static void draw_message(struct scene *scene, struct canvas *canvas, struct rect body)
{
    int columns = body.columns > 84 ? 76 : body.columns - 8, rows;
    struct rect inside, before;

    columns = columns < 10 ? 10 : columns;
    rows = words_wrapped_lines(scene->message, columns);
    inside = draw_frame(canvas, body, rows, columns, scene->message_role, scene->message_title,
                        rows + 2 > body.rows    ? "Up and Down scroll, Esc closes"
                        : scene->facts.attached ? "Esc closes, q detaches"
                                                : "Esc closes, q quits");
    inside = scroll_inside(scene, canvas, inside, rows, &before);
    panel_draw_wrapped(canvas, inside, STYLE(ROLE_TEXT), scene->message);
    canvas_clip(canvas, before);
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

enum { KEY_COLUMNS = 12, USAGE_COLUMNS = 24, HELP_COLUMNS = 110, BESIDE_FROM = 72, INDENT = 2 };

/* Where the text of a command stands: beside its name, or below where room is short. */
static struct rect help_text(struct rect area)
{
    const bool beside = area.columns >= BESIDE_FROM;
    const int left = beside ? KEY_COLUMNS + USAGE_COLUMNS : INDENT;

    return (struct rect){area.column + left, area.row + !beside, area.columns - left, area.rows - !beside};
}

static int help_rows(const struct command_entry *entry, struct rect area)
{
    const struct rect text = help_text(area);
    const int rows = words_wrapped_lines(entry->help, text.columns);

    return text.row - area.row + (rows < 1 ? 1 : rows);
}

static void draw_help_row(struct canvas *canvas, struct rect area, const struct command_entry *entry)
{
    char keys[64], usage[64];

    key_list(entry, keys, sizeof(keys));
    command_usage(entry, usage, sizeof(usage));
    canvas_text_cut(canvas, area.column, area.row, KEY_COLUMNS - 1, STYLE(ROLE_KEY), keys);
    canvas_text_cut(canvas, area.column + KEY_COLUMNS, area.row,
                    (area.columns >= BESIDE_FROM ? KEY_COLUMNS + USAGE_COLUMNS : area.columns + 1) - KEY_COLUMNS - 1,
                    STYLE(ROLE_TEXT, STYLE_BOLD), usage);
    panel_draw_wrapped(canvas, help_text(area), STYLE(ROLE_LABEL), entry->help);
}

/* What writes the help, or only counts its rows. */
struct pen {
    struct canvas *canvas; /* NULL: counts */
    struct rect area;      /* what is left of it */
    int rows;              /* so far */
};

static void move_pen(struct pen *pen, int rows)
{
    pen->area.row += rows;
    pen->rows += rows;
}

static void write_text(struct pen *pen, struct style style, const char *text)
{
    if (pen->canvas)
        panel_draw_wrapped(pen->canvas, pen->area, style, text);
    move_pen(pen, words_wrapped_lines(text, pen->area.columns));
}

static void write_command(struct pen *pen, const struct command_entry *entry)
{
    if (pen->canvas)
        draw_help_row(pen->canvas, pen->area, entry);
    move_pen(pen, help_rows(entry, pen->area));
}

/* One command, with an example. */
static void write_topic(struct pen *pen, const struct command_entry *topic)
{
    char text[128];

    write_command(pen, topic);
    snprintf(text, sizeof(text), "Example: %s", topic->example ? topic->example : topic->name);
    write_text(pen, STYLE(ROLE_TEXT), text);
}

static bool is_of_view(enum view view, enum place place)
{
    enum place of;

    for (int i = 0; (of = view_focus(view, i)) != PLACE_COUNT; i++)
        if (of == place)
            return true;
    return false;
}

/* What the keys of the panels do, of the open view or of the others; two that say the same say it once. */
static void write_panels(struct pen *pen, enum view view, bool of_view, struct style style)
{
    const struct panel_ops *panel;
    const char *before = NULL;

    for (int i = 0; (panel = panel_at(i)); i++) {
        if (!panel->help || is_of_view(view, panel->place) != of_view || panel->help == before)
            continue;
        write_text(pen, style, panel->help);
        before = panel->help;
    }
}

/* The open view's keys first, then what goes everywhere. */
static void write_help(struct pen *pen, enum view view)
{
    const struct command_entry *entry;

    write_panels(pen, view, true, STYLE(ROLE_TEXT));
    if (view_focus(view, 1) != PLACE_COUNT)
        write_text(
            pen, STYLE(ROLE_TEXT),
            "Panels: c chooses the next one, Enter gives it the whole body, Esc shows all again; a click chooses "
            "one, too, and in its title does what Enter does.");
    move_pen(pen, 1);
    for (int i = 0; (entry = command_at(i)); i++)
        write_command(pen, entry);
    move_pen(pen, 1);
    write_text(pen, STYLE(ROLE_DIM),
               "Mouse: a click opens a view by its name and marks a block or a run, a second one opens that; the wheel "
               "scrolls "
               "and zooms a chart of steps.");
    write_text(pen, STYLE(ROLE_DIM),
               "Command line: Tab completes, Up recalls, Ctrl-R searches. Ctrl-C saves and leaves, a second one leaves "
               "at once; Ctrl-Z stops, fg goes on.");
    write_panels(pen, view, false, STYLE(ROLE_DIM));
}

static void draw_help(struct scene *scene, struct canvas *canvas, struct rect body)
{
    const struct command_entry *topic = scene->help_topic ? command_find(scene->help_topic) : NULL;
    int columns = body.columns - 4 < HELP_COLUMNS ? body.columns - 4 : HELP_COLUMNS;
    struct pen pen = {.area = {.columns = columns}};
    struct rect inside, before;
    const char *scrolls =
        body.columns < BESIDE_FROM ? "Up and Down scroll" : "Up and Down scroll, any other key closes";
    char title[64];

    if (topic)
        write_topic(&pen, topic);
    else
        write_help(&pen, scene->view);
    snprintf(title, sizeof(title), "Keys and commands: %s", view_name(scene->view));
    inside = draw_frame(canvas, body, pen.rows, columns, ROLE_ACCENT, topic ? topic->name : title,
                        pen.rows + 2 > body.rows ? scrolls : "any key closes");
    inside = scroll_inside(scene, canvas, inside, pen.rows, &before);
    pen = (struct pen){canvas, inside, 0};
    if (topic)
        write_topic(&pen, topic);
    else
        write_help(&pen, scene->view);
    canvas_clip(canvas, before);
}

/* ---- The learning rate finder ---- */

static void draw_finder(const struct scene *scene, struct canvas *canvas, struct rect body)
{
    char words[200];
    struct rect inside =
        draw_frame(canvas, body, body.rows, body.columns, ROLE_ACCENT, "Learning rate finder",
                   scene->snapshot.state == TRAINER_TRYING ? "Esc hides, pause ends it" : "accept, drop; Esc hides");

    finder_words(scene->finder, words, sizeof(words));
    canvas_text_cut(canvas, inside.column, inside.row, inside.columns, STYLE(ROLE_TEXT, STYLE_BOLD), words);
    inside.row++;
    inside.rows--;
    finder_draw(scene->finder, NULL, canvas, inside);
}

void overlay_draw(struct scene *scene, struct canvas *canvas, struct rect body)
{
    if (scene->overlay == OVERLAY_HELP)
        draw_help(scene, canvas, body);
    if (scene->overlay == OVERLAY_MESSAGE)
        draw_message(scene, canvas, body);
    if (scene->overlay == OVERLAY_FINDER)
        draw_finder(scene, canvas, body);
}
