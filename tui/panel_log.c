/* The log: what happened, the newest line at the bottom; long lines are wrapped, older ones come by Up and Page Up. */
#include "tui/keys.h"
#include "tui/panel.h"
#include "tui/words.h"

#include <stdio.h>
#include <time.h>

enum { TIME_COLUMNS = 10 };

static const enum role roles[] = {
    [JOURNAL_NOTE] = ROLE_TEXT, [JOURNAL_RESULT] = ROLE_SERIES_2, [JOURNAL_COMMAND] = ROLE_EVENT,
    [JOURNAL_GOOD] = ROLE_GOOD, [JOURNAL_WARNING] = ROLE_WARNING, [JOURNAL_ERROR] = ROLE_BAD,
    [JOURNAL_STRAY] = ROLE_DIM};

/* Rows that a line takes when its text is wrapped to so many columns. */
static int row_count(const struct journal_line *line, int columns)
{
    int rows = words_wrapped_lines(line->text, columns);

    return rows < 1 ? 1 : rows;
}

static int all_rows(const struct journal *journal, int columns, int limit)
{
    int rows = 0;

    for (int i = 0; i < journal_count(journal) && rows < limit; i++)
        rows += row_count(journal_line(journal, i), columns);
    return rows;
}

/* Draws a line whose first row is `row`; rows outside the area are clipped. */
static void draw_line(struct canvas *canvas, struct rect area, int row, const struct journal_line *line)
{
    struct tm when;
    char stamp[16] = "";
    const char *text = line->text, *next;

    if (line->time && localtime_r(&line->time, &when))
        strftime(stamp, sizeof(stamp), "%H:%M:%S", &when);
    canvas_text(canvas, area.column + 1, row, STYLE(ROLE_DIM), stamp);
    do {
        size_t length = words_wrap(text, area.columns - TIME_COLUMNS - 2, &next);

        canvas_printf(canvas, area.column + 1 + TIME_COLUMNS, row++, STYLE(roles[line->kind]), "%.*s", (int)length,
                      text);
        text = next;
    } while (*text);
}

static void draw(struct scene *scene, struct canvas *canvas, struct rect area)
{
    int columns = area.columns - TIME_COLUMNS - 2, row = area.row + area.rows;
    struct rect before;
    int total;

    if (columns < 4)
        return;
    total = all_rows(scene->journal, columns, area.rows + scene->journal_scroll);
    if (scene->journal_scroll > total - area.rows)
        scene->journal_scroll = total > area.rows ? total - area.rows : 0;
    row = area.row + (total < area.rows ? total : area.rows) + scene->journal_scroll;
    before = canvas_clip(canvas, area);
    for (int i = 0; i < journal_count(scene->journal) && row > area.row; i++) {
        const struct journal_line *line = journal_line(scene->journal, i);

        row -= row_count(line, columns);
        draw_line(canvas, area, row, line);
    }
    canvas_clip(canvas, before);
    if (scene->journal_scroll > 0)
        canvas_printf(canvas, area.column + area.columns - 14, area.row + area.rows - 1, STYLE(ROLE_SELECTED),
                      " \u2193 %4d more ", scene->journal_scroll);
}

static bool scroll(struct scene *scene, struct rect area, int key)
{
    int page = area.rows > 2 ? area.rows - 1 : 1;

    switch (key) {
    case KEY_CODE_UP:
        scene->journal_scroll++;
        return true;
    case KEY_CODE_DOWN:
        scene->journal_scroll--;
        break;
    case KEY_CODE_PAGE_UP:
        scene->journal_scroll += page;
        return true;
    case KEY_CODE_PAGE_DOWN:
        scene->journal_scroll -= page;
        break;
    case KEY_CODE_HOME:
        scene->journal_scroll = JOURNAL_LINES * 8; /* drawing stops at the oldest */
        return true;
    case KEY_CODE_END:
        scene->journal_scroll = 0;
        return true;
    default:
        return false;
    }
    if (scene->journal_scroll < 0)
        scene->journal_scroll = 0;
    return true;
}

static bool wheel(struct scene *scene, struct rect area, const struct mouse *mouse)
{
    enum { ROWS = 3 };

    if (mouse->act != MOUSE_WHEEL_UP && mouse->act != MOUSE_WHEEL_DOWN)
        return false;
    for (int i = 0; i < ROWS; i++)
        scroll(scene, area, mouse->act == MOUSE_WHEEL_UP ? KEY_CODE_UP : KEY_CODE_DOWN);
    return true;
}

const struct panel_ops panel_log = {
    .place = PLACE_LOG,
    .title = "Log",
    .draw = draw,
    .key = scroll,
    .mouse = wheel,
    .keys = {{"\u2191\u2193", "scroll"}},
    .help = "Log: Up, Down, Page Up and Down scroll; Home shows the oldest line, End the newest."};
