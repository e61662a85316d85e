/* The sessions in the folder of sessions: a row each, those marked with a letter that lie over this run's curves. */
#include "tui/panel_runs.h"
#include "base/digits.h"
#include "tui/charts.h"
#include "tui/runs_lines.h"
#include "tui/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MARK_COLUMNS = 4, NAME_LEAST = 12, NAME_MOST = 40, CELL = 32 };

/* ---- Columns ---- */

static void write_state(const struct session_summary *row, char text[CELL])
{
    snprintf(text, CELL, "%s", row->state);
}

static void write_step(const struct session_summary *row, char text[CELL])
{
    words_count((double)row->step, text, CELL);
}

static void write_best(const struct session_summary *row, char text[CELL])
{
    words_percent((double)row->best_accuracy, text, CELL);
}

static void write_loss(const struct session_summary *row, char text[CELL])
{
    if (isnan(row->last_loss))
        snprintf(text, CELL, "-");
    else
        digits_loss((double)row->last_loss, text, CELL);
}

static void write_rate(const struct session_summary *row, char text[CELL])
{
    if (isnan(row->learning_rate))
        snprintf(text, CELL, "-");
    else
        words_rate((double)row->learning_rate, text, CELL);
}

static void write_network(const struct session_summary *row, char text[CELL])
{
    snprintf(text, CELL, "%s", *row->network ? row->network : "-");
}

static void write_started(const struct session_summary *row, char text[CELL])
{
    struct tm when;

    *text = 0;
    if (row->started > 0 && localtime_r(&row->started, &when))
        strftime(text, CELL, "%Y-%m-%d %H:%M", &when);
}

static void write_parent(const struct session_summary *row, char text[CELL])
{
    if (*row->parent)
        snprintf(text, CELL, "%.20s @ %ld", row->parent, row->parent_step);
    else
        snprintf(text, CELL, "-");
}

/* In the order in which they appear as the screen gets wider. */
static const struct column {
    const char *title;
    int columns; /* with the gap before it */
    void (*write)(const struct session_summary *row, char text[CELL]);
} columns[] = {{"state", 13, write_state},     {"steps", 11, write_step},   {"best", 10, write_best},
               {"loss", 10, write_loss},       {"lr", 10, write_rate},      {"network", 24, write_network},
               {"started", 18, write_started}, {"parent", 30, write_parent}};

enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

/* ---- The table ---- */

struct table {
    int name, count; /* columns of the names; of `columns` */
    int rows;
};

static struct table lay_out(const struct scene *scene, struct rect area)
{
    const struct run_list *list = &scene->runs;
    struct table table = {.name = NAME_LEAST, .rows = area.rows - 2};
    int room;

    for (int i = 0; i < list->line_count; i++) {
        const struct session_summary *row = runs_session(scene, i);
        int width = row ? text_columns(row->name) + runs_indent(scene, i) : 0;

        table.name = width > table.name ? width : table.name;
    }
    table.name = table.name > NAME_MOST ? NAME_MOST : table.name;
    room = area.columns - MARK_COLUMNS - 2 - table.name;
    while (table.count < COLUMNS && room >= columns[table.count].columns)
        room -= columns[table.count++].columns;
    table.rows = table.rows < 1 ? 1 : table.rows;
    return table;
}

static void draw_titles(struct canvas *canvas, struct rect area, const struct table *table)
{
    int column = area.column + MARK_COLUMNS + table->name;

    canvas_text(canvas, area.column + MARK_COLUMNS, area.row, STYLE(ROLE_LABEL), "session");
    for (int i = 0; i < table->count; i++) {
        column += columns[i].columns;
        canvas_text(canvas, column - text_columns(columns[i].title), area.row, STYLE(ROLE_LABEL), columns[i].title);
    }
}

static enum role state_role(const struct session_summary *row)
{
    static const struct {
        const char *state;
        enum role role;
    } roles[] = {{"training", ROLE_GOOD},      {"paused", ROLE_WARNING}, {"waits", ROLE_WARNING},
                 {"diverged", ROLE_BAD},       {"failed", ROLE_BAD},     {"damaged", ROLE_BAD},
                 {"interrupted", ROLE_WARNING}};

    for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
        if (strcmp(roles[i].state, row->state) == 0)
            return roles[i].role;
    return ROLE_TEXT;
}

/* The letter of one that lies over the charts, as they show it; of this run a star. */
static void draw_mark(const struct scene *scene, struct canvas *canvas, int column, int row, const char *name)
{
    const struct run_list *list = &scene->runs;
    int place = run_list_overlay(list, name);

    if (strcmp(name, list->own) == 0)
        canvas_text(canvas, column, row, STYLE(ROLE_ACCENT), "\u25b6");
    else if (place >= 0)
        canvas_put(canvas, column, row,
                   list->overlays[place].curves ? STYLE(curves_overlay_role(place), STYLE_BOLD) : STYLE(ROLE_DIM),
                   (uint32_t)('a' + place));
}

static void draw_row(const struct scene *scene, struct canvas *canvas, struct rect area, const struct table *table,
                     int line, bool marked)
{
    const struct session_summary *row = runs_session(scene, line);
    int column = area.column + MARK_COLUMNS, indent = runs_indent(scene, line);
    char text[CELL];

    draw_mark(scene, canvas, area.column + 1, area.row, row->name);
    if (indent > 0)
        canvas_text(canvas, column + indent - 2, area.row, STYLE(ROLE_DIM), "\u2514");
    canvas_text_cut(canvas, column + indent, area.row, table->name - indent, STYLE(marked ? ROLE_SELECTED : ROLE_TEXT),
                    row->name);
    column += table->name;
    for (int i = 0; i < table->count; i++) {
        columns[i].write(row, text);
        column += columns[i].columns;
        canvas_text(canvas, column - text_columns(text), area.row,
                    STYLE(columns[i].write == write_state ? state_role(row) : ROLE_TEXT), text);
    }
}

/* This run may be one of its trials. */
static bool holds_own(const struct scene *scene, const struct tune_group *tune)
{
    const struct run_list *list = &scene->runs;

    for (int i = 0; i < list->count; i++)
        if (strcmp(list->rows[i].name, list->own) == 0)
            return strcmp(list->rows[i].tune, tune->name) == 0;
    return false;
}

static void draw_tune(const struct scene *scene, struct canvas *canvas, struct rect area, const struct tune_group *tune,
                      bool marked)
{
    char percent[CELL], words[2 * TUNE_WORDS_SIZE];
    bool unfolded = strcmp(scene->runs_unfolded, tune->name) == 0;

    words_percent((double)tune->best, percent, sizeof(percent));
    tune_group_words(tune, percent, words, sizeof(words));
    if (!unfolded && holds_own(scene, tune))
        draw_mark(scene, canvas, area.column, area.row, scene->runs.own);
    canvas_text(canvas, area.column + MARK_COLUMNS - 2, area.row, STYLE(ROLE_DIM), unfolded ? "-" : "+");
    canvas_text_cut(canvas, area.column + MARK_COLUMNS, area.row, area.columns - MARK_COLUMNS - 1,
                    STYLE(marked           ? ROLE_SELECTED
                          : tune->training ? ROLE_GOOD
                                           : ROLE_TEXT),
                    words);
}

static void draw_table(struct scene *scene, struct canvas *canvas, struct rect area)
{
    struct run_list *list = &scene->runs;
    struct table table = lay_out(scene, area);
    int marked = runs_marked(scene), *top = &scene->runs_top;
    char text[128];

    draw_titles(canvas, area, &table);
    *top = *top > marked ? marked : *top < marked - table.rows + 1 ? marked - table.rows + 1 : *top;
    *top = *top > list->line_count - table.rows ? list->line_count - table.rows : *top;
    *top = *top < 0 ? 0 : *top;
    for (int i = 0; i < table.rows && *top + i < list->line_count; i++) {
        struct rect at = {area.column, area.row + 1 + i, area.columns, 1};

        if (runs_session(scene, *top + i))
            draw_row(scene, canvas, at, &table, *top + i, *top + i == marked);
        else
            draw_tune(scene, canvas, at, runs_tune(scene, *top + i), *top + i == marked);
    }
    snprintf(text, sizeof(text), "%d of %d, %s; \u25b6 is this run, letters lie over its charts", marked + 1,
             list->line_count, runs_order_name(scene));
    canvas_text_cut(canvas, area.column + MARK_COLUMNS, area.row + area.rows - 1, area.columns - MARK_COLUMNS,
                    STYLE(ROLE_DIM), text);
}

/* ---- The panel ---- */

static bool has_rows(const struct scene *scene)
{
    return scene->runs.count > 0;
}

static void draw(struct scene *scene, struct canvas *canvas, struct rect area)
{
    struct run_list *list = &scene->runs;

    if (*list->error || !has_rows(scene)) {
        panel_draw_wrapped(canvas, area, STYLE(*list->error ? ROLE_BAD : ROLE_DIM),
                           *list->error  ? list->error
                           : list->known ? "There is no session yet."
                                         : "reading the folder of sessions ...");
        return;
    }
    if (runs_make_lines(scene) != 0) {
        panel_draw_wrapped(canvas, area, STYLE(ROLE_BAD), "out of memory");
        return;
    }
    runs_mark(scene, runs_marked(scene));
    if (scene->run_opened)
        runs_draw_details(scene, canvas, area);
    else
        draw_table(scene, canvas, area);
}

static bool walk(struct scene *scene, struct rect area, int key)
{
    int at = runs_marked(scene), page = lay_out(scene, area).rows - 1;

    switch (key) {
    case KEY_CODE_UP:
        runs_mark(scene, at - 1);
        return true;
    case KEY_CODE_DOWN:
        runs_mark(scene, at + 1);
        return true;
    case KEY_CODE_PAGE_UP:
        runs_mark(scene, at - page);
        return true;
    case KEY_CODE_PAGE_DOWN:
        runs_mark(scene, at + page);
        return true;
    case KEY_CODE_HOME:
        runs_mark(scene, 0);
        return true;
    case KEY_CODE_END:
        runs_mark(scene, scene->runs.line_count - 1);
        return true;
    default:
        return false;
    }
}

static void tell_of_trials(struct scene *scene)
{
    scene->notice.role = ROLE_WARNING;
    snprintf(scene->notice.text, sizeof(scene->notice.text), "this is a tune: t shows its trials");
}

static void turn_overlay(struct scene *scene)
{
    struct error error;
    const struct session_summary *row = runs_session(scene, runs_marked(scene));

    if (!row) {
        tell_of_trials(scene);
        return;
    }
    if (charts_overlay(scene, row->name, run_list_overlay(&scene->runs, row->name) < 0, &error) == 0)
        return;
    scene->notice.role = ROLE_BAD;
    snprintf(scene->notice.text, sizeof(scene->notice.text), "%s", error.message);
}

/* To be entered: it leaves this run. */
static void prepare_open(struct scene *scene)
{
    const struct session_summary *row = runs_session(scene, runs_marked(scene));

    if (row)
        snprintf(scene->prepared, sizeof(scene->prepared), "open %.*s", (int)sizeof(scene->prepared) - 6, row->name);
    else
        tell_of_trials(scene);
}

static bool key(struct scene *scene, struct rect area, int key)
{
    if (!has_rows(scene) || runs_make_lines(scene) != 0)
        return false;
    if (walk(scene, area, key))
        return true;
    if (key == ' ')
        turn_overlay(scene);
    else if (key == 'o')
        runs_next_order(scene);
    else if (key == 'g')
        prepare_open(scene);
    else if (key == 't' && !scene->run_opened)
        return runs_turn_tune(scene);
    else if (key == KEY_CODE_ENTER)
        scene->run_opened = true;
    else if (key == KEY_CODE_ESCAPE && scene->run_opened)
        scene->run_opened = false;
    else
        return false;
    return true;
}

/* A click marks a row, on the marked one it opens it; the wheel walks. */
static bool mouse(struct scene *scene, struct rect area, const struct mouse *mouse)
{
    int index = scene->runs_top + mouse->row - area.row - 1;

    if (mouse->act == MOUSE_WHEEL_UP || mouse->act == MOUSE_WHEEL_DOWN)
        return key(scene, area, mouse->act == MOUSE_WHEEL_UP ? KEY_CODE_UP : KEY_CODE_DOWN);
    if (mouse->act != MOUSE_PRESS || scene->run_opened || mouse->row == area.row || runs_make_lines(scene) != 0 ||
        index >= scene->runs.line_count)
        return false;
    if (index == runs_marked(scene))
        scene->run_opened = true;
    runs_mark(scene, index);
    return true;
}

static void head(const struct scene *scene, char text[PANEL_TITLE])
{
    const struct tune_group *tune = runs_tune(scene, runs_marked(scene));

    if (scene->run_opened && tune)
        snprintf(text, PANEL_TITLE, "Tune %s", tune->name);
    else if (scene->run_opened && has_rows(scene))
        snprintf(text, PANEL_TITLE, "Session %s", scene->run_marked);
    else
        snprintf(text, PANEL_TITLE, "Runs");
}

static bool is_opened(const struct scene *scene)
{
    return scene->run_opened;
}

static bool is_listed(const struct scene *scene)
{
    return !is_opened(scene);
}

static bool has_tune(const struct scene *scene)
{
    return is_listed(scene) && scene->runs.tune_count > 0;
}

const struct panel_ops panel_runs = {
    .place = PLACE_RUNS,
    .title = "Runs",
    .heading = head,
    .draw = draw,
    .key = key,
    .before = " ",
    .mouse = mouse,
    .keys = {{"\u2191\u2193", "run"},
             {"space", "overlay"},
             {"Enter", "detail", is_listed},
             {"Esc", "back", is_opened},
             {"g", "go to"},
             {"t", "trials", has_tune},
             {"o", "order", is_listed}},
    .help = "Runs: arrows, Page Up and Down, Home and End choose a session, space lays its curves over this run's "
            "charts or "
            "takes them away, Enter shows more, Esc goes back; t: a tune's trials, o: another order, g: `open` it."};
