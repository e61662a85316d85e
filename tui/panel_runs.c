/* The sessions in the folder of sessions: a row each, those marked with a letter that lie over this run's curves; and
 * one of them in detail. */
#include "base/digits.h"
#include "tui/charts.h"
#include "tui/panel.h"
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

static void write_preset(const struct session_summary *row, char text[CELL])
{
    snprintf(text, CELL, "%s", *row->preset ? row->preset : "-");
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
               {"loss", 10, write_loss},       {"lr", 10, write_rate},      {"preset", 9, write_preset},
               {"started", 18, write_started}, {"parent", 30, write_parent}};

enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

/* ---- Order ---- */

static int by_start(const void *a, const void *b)
{
    const struct session_summary *left = a, *right = b;

    return left->started != right->started ? (left->started < right->started ? 1 : -1)
                                           : strcmp(right->name, left->name);
}

static int by_best(const void *a, const void *b)
{
    const struct session_summary *left = a, *right = b;

    return left->best_accuracy != right->best_accuracy ? (left->best_accuracy < right->best_accuracy ? 1 : -1)
                                                       : by_start(a, b);
}

static int by_loss(const void *a, const void *b)
{
    const struct session_summary *left = a, *right = b;
    double x = isnan(left->last_loss) ? INFINITY : (double)left->last_loss;
    double y = isnan(right->last_loss) ? INFINITY : (double)right->last_loss;

    return x != y ? (x > y ? 1 : -1) : by_start(a, b);
}

static int by_name(const void *a, const void *b)
{
    const struct session_summary *left = a, *right = b;

    return strcmp(left->name, right->name);
}

static const struct order {
    const char *name;
    int (*compare)(const void *, const void *);
    bool families; /* ... and forks below what they come from */
} orders[] = {{"newest first", by_start, false},
              {"best accuracy first", by_best, false},
              {"least loss first", by_loss, false},
              {"by name", by_name, false},
              {"forks below what they come from", by_start, true}};

enum { ORDERS = sizeof(orders) / sizeof(*orders) };

static const struct order *order_of(const struct scene *scene)
{
    return &orders[scene->runs_order % ORDERS];
}

static void sort(const struct scene *scene, const struct run_list *list)
{
    qsort(list->rows, (size_t)list->count, sizeof(*list->rows), order_of(scene)->compare);
    if (order_of(scene)->families)
        sessions_family(list->rows, list->count, NULL); /* without memory the newest come first */
}

/* A fork's name stands to the right of its parent's. */
static int indent_of(const struct scene *scene, const struct session_summary *row)
{
    enum { DEEPEST = 8 };

    return order_of(scene)->families ? 2 * (row->depth < DEEPEST ? row->depth : DEEPEST) : 0;
}

/* ---- The marked row ---- */

static int marked_index(const struct scene *scene)
{
    for (int i = 0; i < scene->runs.count; i++)
        if (strcmp(scene->runs.rows[i].name, scene->run_marked) == 0)
            return i;
    return 0;
}

static void mark(struct scene *scene, int index)
{
    const struct run_list *list = &scene->runs;

    index = index >= list->count ? list->count - 1 : index;
    index = index < 0 ? 0 : index;
    if (list->count > 0)
        snprintf(scene->run_marked, sizeof(scene->run_marked), "%s", list->rows[index].name);
}

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

    for (int i = 0; i < list->count; i++) {
        int width = text_columns(list->rows[i].name) + indent_of(scene, &list->rows[i]);

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
    } roles[] = {{"training", ROLE_GOOD},
                 {"diverged", ROLE_BAD},
                 {"failed", ROLE_BAD},
                 {"damaged", ROLE_BAD},
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
                     int index, bool marked)
{
    const struct session_summary *row = &scene->runs.rows[index];
    int column = area.column + MARK_COLUMNS, indent = indent_of(scene, row);
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

static void draw_table(struct scene *scene, struct canvas *canvas, struct rect area)
{
    struct run_list *list = &scene->runs;
    struct table table = lay_out(scene, area);
    int marked = marked_index(scene), *top = &scene->runs_top;
    char text[128];

    draw_titles(canvas, area, &table);
    *top = *top > marked ? marked : *top < marked - table.rows + 1 ? marked - table.rows + 1 : *top;
    *top = *top > list->count - table.rows ? list->count - table.rows : *top;
    *top = *top < 0 ? 0 : *top;
    for (int i = 0; i < table.rows && *top + i < list->count; i++)
        draw_row(scene, canvas, (struct rect){area.column, area.row + 1 + i, area.columns, 1}, &table, *top + i,
                 *top + i == marked);
    snprintf(text, sizeof(text), "%d of %d, %s; \u25b6 is this run, letters lie over its charts", marked + 1,
             list->count, order_of(scene)->name);
    canvas_text_cut(canvas, area.column + MARK_COLUMNS, area.row + area.rows - 1, area.columns - MARK_COLUMNS,
                    STYLE(ROLE_DIM), text);
}

/* ---- One of them ---- */

static int draw_pair(struct canvas *canvas, struct rect area, int row, const char *name, const char *text)
{
    if (row >= area.row + area.rows)
        return row;
    canvas_text_cut(canvas, area.column + 1, row, 20, STYLE(ROLE_LABEL), name);
    canvas_text_cut(canvas, area.column + 22, row, area.columns - 23, STYLE(ROLE_TEXT), text);
    return row + 1;
}

static int draw_measured(struct canvas *canvas, struct rect area, int row, const char *name, float loss, float accuracy)
{
    char percent[32], words[32], text[80];

    if (accuracy < 0)
        return row;
    words_percent((double)accuracy, percent, sizeof(percent));
    digits_loss((double)loss, words, sizeof(words));
    snprintf(text, sizeof(text), "%s, loss %s", percent, words);
    return draw_pair(canvas, area, row, name, text);
}

static void draw_differences(struct canvas *canvas, struct rect area, int row, const struct run_details *details)
{
    const int third = (area.columns - 22) / 2;

    if (row >= area.row + area.rows)
        return;
    if (details->difference_count == 0) {
        canvas_text(canvas, area.column + 1, row, STYLE(ROLE_DIM), "the settings are this run's");
        return;
    }
    canvas_text(canvas, area.column + 1, row, STYLE(ROLE_LABEL), "setting");
    canvas_text(canvas, area.column + 22, row, STYLE(ROLE_LABEL), "there");
    canvas_text(canvas, area.column + 22 + third, row, STYLE(ROLE_LABEL), "this run");
    for (int i = 0; i < details->difference_count && ++row < area.row + area.rows; i++) {
        canvas_text_cut(canvas, area.column + 1, row, 20, STYLE(ROLE_TEXT), details->differences[i].name);
        canvas_text_cut(canvas, area.column + 22, row, third - 1, STYLE(ROLE_TEXT), details->differences[i].there);
        canvas_text_cut(canvas, area.column + 22 + third, row, third - 1, STYLE(ROLE_DIM),
                        details->differences[i].here);
    }
}

static void draw_details(struct scene *scene, struct canvas *canvas, struct rect area)
{
    const struct run_details *details = &scene->runs.details;
    const struct session_summary *summary = &scene->runs.rows[marked_index(scene)];
    int row = area.row;
    char steps[32], text[RUN_WORDS + 64];

    if (strcmp(details->name, scene->run_marked) != 0) {
        canvas_text(canvas, area.column + 1, row, STYLE(ROLE_DIM), "reading ...");
        return;
    }
    if (details->failed) {
        panel_draw_wrapped(canvas, area, STYLE(ROLE_BAD), details->message);
        return;
    }
    words_count((double)summary->step, steps, sizeof(steps));
    snprintf(text, sizeof(text), "%s at step %s%s%s", summary->state, steps, *details->message ? ": " : "",
             details->message);
    row = draw_pair(canvas, area, row, "state", text);
    row = draw_pair(canvas, area, row, "folder", details->path);
    if (*summary->parent) {
        words_count((double)summary->parent_step, steps, sizeof(steps));
        snprintf(text, sizeof(text), "%s at step %s", summary->parent, steps);
        row = draw_pair(canvas, area, row, "fork of", text);
    }
    if (summary->attachable && strcmp(summary->name, scene->runs.own) != 0) {
        snprintf(text, sizeof(text), "nfbench attach %s", details->path);
        row = draw_pair(canvas, area, row, "in another shell", text);
    }
    if (details->last.step > 0) {
        row = draw_measured(canvas, area, row, "last validation", details->last.validation_loss,
                            details->last.validation_accuracy);
        row = draw_measured(canvas, area, row, "last test", details->last.test_loss, details->last.test_accuracy);
    }
    if (*details->note)
        row = draw_pair(canvas, area, row, "newest note", details->note);
    draw_differences(canvas, area, row + 1, details);
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
    sort(scene, list);
    mark(scene, marked_index(scene));
    if (scene->run_opened)
        draw_details(scene, canvas, area);
    else
        draw_table(scene, canvas, area);
}

static bool walk(struct scene *scene, struct rect area, int key)
{
    int at = marked_index(scene), page = lay_out(scene, area).rows - 1;

    switch (key) {
    case KEY_CODE_UP:
        mark(scene, at - 1);
        return true;
    case KEY_CODE_DOWN:
        mark(scene, at + 1);
        return true;
    case KEY_CODE_PAGE_UP:
        mark(scene, at - page);
        return true;
    case KEY_CODE_PAGE_DOWN:
        mark(scene, at + page);
        return true;
    case KEY_CODE_HOME:
        mark(scene, 0);
        return true;
    case KEY_CODE_END:
        mark(scene, scene->runs.count - 1);
        return true;
    default:
        return false;
    }
}

static void turn_overlay(struct scene *scene)
{
    struct error error;
    const char *name = scene->runs.rows[marked_index(scene)].name;

    if (charts_overlay(scene, name, run_list_overlay(&scene->runs, name) < 0, &error) == 0)
        return;
    scene->notice.role = ROLE_BAD;
    snprintf(scene->notice.text, sizeof(scene->notice.text), "%s", error.message);
}

static bool key(struct scene *scene, struct rect area, int key)
{
    if (!has_rows(scene))
        return false;
    if (walk(scene, area, key))
        return true;
    if (key == ' ')
        turn_overlay(scene);
    else if (key == 'o')
        scene->runs_order = (scene->runs_order + 1) % ORDERS;
    else if (key == 'g') /* to be entered: it leaves this run */
        snprintf(scene->prepared, sizeof(scene->prepared), "open %.*s", (int)sizeof(scene->prepared) - 6,
                 scene->runs.rows[marked_index(scene)].name);
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
    if (mouse->act != MOUSE_PRESS || scene->run_opened || mouse->row == area.row || index >= scene->runs.count)
        return false;
    if (index == marked_index(scene))
        scene->run_opened = true;
    mark(scene, index);
    return true;
}

static void head(const struct scene *scene, char text[PANEL_TITLE])
{
    if (scene->run_opened && has_rows(scene))
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
             {"o", "order", is_listed}},
    .help = "Runs: the arrows, Page Up and Down, Home and End choose a session, space lays its curves over this run's "
            "charts or takes them away, Enter shows where it differs, Esc goes back; o sorts in another way, g goes to "
            "it by `open`."};
