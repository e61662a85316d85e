/* The command line: readline's text with the usage of the command that is being typed beside it, or the last word on
 * what was done. Possible completions stand in a list above it, and why a line was refused where it is too long. */
#include "tui/command.h"
#include "tui/panel.h"
#include "tui/repl.h"
#include "tui/words.h"

#include <stdio.h>
#include <string.h>

/* "lr X|xF  Set the peak ..." while the line begins with a command's name; else "". */
static void usage_hint(char *hint, size_t size)
{
    const char *line = repl_text();
    const struct command_entry *entry;
    char name[32], usage[64];
    size_t length;

    *hint = 0;
    line += strspn(line, " :");
    length = strcspn(line, " ");
    if (length == 0 || length >= sizeof(name))
        return;
    snprintf(name, sizeof(name), "%.*s", (int)length, line);
    entry = command_find(name);
    if (!entry)
        return;
    command_usage(entry, usage, sizeof(usage));
    snprintf(hint, size, "%s: %s", usage, entry->help);
}

/* The columns behind a text that ends at `end`. */
static int room_behind(struct rect area, int end)
{
    return area.column + area.columns - end - 3;
}

/* Why something is not done is read to its end: where it has no room in the row it stands above it. */
static bool stands_above(const struct scene *scene, struct rect area)
{
    struct repl_view view;
    int room = area.columns - 2;

    if (scene->notice.role != ROLE_BAD || !*scene->notice.text)
        return false;
    if (scene->command_focused) {
        repl_look(area.columns - 1, &view);
        room = room_behind(area, area.column + view.prompt_columns + text_columns(view.text));
    }
    return text_columns(scene->notice.text) > room;
}

static void draw_line(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    struct repl_view view;
    char hint[256];
    int column = area.column, end;

    repl_look(area.columns - 1, &view);
    column += canvas_text(canvas, column, area.row, STYLE(ROLE_PROMPT), view.prompt);
    end = column + canvas_text(canvas, column, area.row, STYLE(ROLE_TEXT), view.text);
    if (view.cut_left)
        canvas_put(canvas, column, area.row, STYLE(ROLE_DIM), 0x2026);
    if (view.cut_right)
        canvas_put(canvas, area.column + area.columns - 1, area.row, STYLE(ROLE_DIM), 0x2026);
    if (*scene->notice.text) {
        if (!stands_above(scene, area))
            canvas_text_cut(canvas, end + 2, area.row, room_behind(area, end), STYLE(scene->notice.role),
                            scene->notice.text);
        return;
    }
    usage_hint(hint, sizeof(hint));
    canvas_text_cut(canvas, end + 2, area.row, room_behind(area, end), STYLE(ROLE_DIM), hint);
}

static void draw(struct scene *scene, struct canvas *canvas, struct rect area)
{
    if (scene->command_focused) {
        draw_line(scene, canvas, area);
        return;
    }
    if (scene->overlay == OVERLAY_MESSAGE && scene->asks_to_leave)
        canvas_text_cut(canvas, area.column + 1, area.row, area.columns - 2, STYLE(scene->message_role, STYLE_BOLD),
                        scene->facts.attached ? "Detach? y or q: yes, Esc: no" : "Leave? y or q: yes, Esc: no");
    else if (*scene->notice.text && !stands_above(scene, area))
        canvas_text_cut(canvas, area.column + 1, area.row, area.columns - 2, STYLE(scene->notice.role),
                        scene->notice.text);
    else
        canvas_text_cut(canvas, area.column + 1, area.row, area.columns - 2, STYLE(ROLE_DIM),
                        ": for the command line (lr x0.1, set agc 0.02, undo, ...); Tab completes there");
}

struct scene_cursor panel_command_cursor(struct rect area)
{
    struct repl_view view;

    repl_look(area.columns - 1, &view);
    return (struct scene_cursor){area.row, area.column + view.cursor};
}

static void draw_refusal(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    const int lines = words_wrapped_lines(scene->notice.text, area.columns - 2);
    const int rows = lines > area.row - 1 ? area.row - 1 : lines;

    canvas_fill(canvas, (struct rect){area.column, area.row - rows, area.columns, rows}, STYLE(ROLE_BAD));
    panel_draw_wrapped(canvas, (struct rect){area.column + 1, area.row - rows, area.columns - 2, rows}, STYLE(ROLE_BAD),
                       scene->notice.text);
}

static void draw_matches(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    int count, width = 0, per_row, rows;
    char *const *matches = repl_matches(&count);

    if (!scene->command_focused || count == 0)
        return;
    for (int i = 0; i < count; i++)
        width = text_columns(matches[i]) + 2 > width ? text_columns(matches[i]) + 2 : width;
    width = width > area.columns - 2 ? area.columns - 2 : width;
    per_row = (area.columns - 2) / width;
    rows = (count + per_row - 1) / per_row;
    rows = rows > area.row - 1 ? area.row - 1 : rows;
    area = (struct rect){area.column, area.row - rows, area.columns, rows};
    canvas_fill(canvas, area, STYLE(ROLE_HEADER));
    for (int i = 0; i < count && i < rows * per_row; i++) /* down the columns, as ls does */
        canvas_text_cut(canvas, area.column + 1 + i / rows * width, area.row + i % rows, width - 1, STYLE(ROLE_HEADER),
                        matches[i]);
}

void panel_command_above(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    if (stands_above(scene, area))
        draw_refusal(scene, canvas, area);
    draw_matches(scene, canvas, area);
}

const struct panel_ops panel_command = {.place = PLACE_COMMAND, .draw = draw};
