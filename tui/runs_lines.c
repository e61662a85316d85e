/* See runs_lines.h. */
#include "tui/runs_lines.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

const char *runs_order_name(const struct scene *scene)
{
    return order_of(scene)->name;
}

void runs_next_order(struct scene *scene)
{
    scene->runs_order = (scene->runs_order + 1) % ORDERS;
}

/* ---- Lines ---- */

static void sort(const struct scene *scene, const struct run_list *list)
{
    if (list->count > 0)
        qsort(list->rows, (size_t)list->count, sizeof(*list->rows), order_of(scene)->compare);
    if (order_of(scene)->families) /* without memory the newest come first */
        sessions_family(list->rows, tunes_set_apart(list->rows, list->count), NULL);
}

static void add_trials(struct run_list *list, int tune)
{
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->rows[i].tune, list->tunes[tune].name) == 0)
            list->lines[list->line_count++] = (struct run_line){.row = i, .tune = -1};
}

/* Where the first of its trials would stand. */
static void add_tune(struct scene *scene, const char *name, bool *placed)
{
    struct run_list *list = &scene->runs;

    for (int t = 0; t < list->tune_count; t++) {
        if (placed[t] || strcmp(list->tunes[t].name, name) != 0)
            continue;
        placed[t] = true;
        list->lines[list->line_count++] = (struct run_line){.row = -1, .tune = t};
        if (strcmp(scene->runs_unfolded, name) == 0)
            add_trials(list, t);
    }
}

int runs_make_lines(struct scene *scene)
{
    struct run_list *list = &scene->runs;
    const size_t most = (size_t)list->count + (size_t)list->tune_count;
    bool *placed = calloc((size_t)list->tune_count + 1, sizeof(*placed));
    struct run_line *lines = reallocarray(list->lines, most + 1, sizeof(*lines));

    list->line_count = 0;
    if (lines)
        list->lines = lines;
    if (!lines || !placed) {
        free(placed);
        return -1;
    }
    sort(scene, list);
    for (int i = 0; i < list->count; i++)
        if (*list->rows[i].tune)
            add_tune(scene, list->rows[i].tune, placed);
        else
            lines[list->line_count++] = (struct run_line){.row = i, .tune = -1};
    free(placed);
    return 0;
}

struct session_summary *runs_session(const struct scene *scene, int line)
{
    const struct run_list *list = &scene->runs;

    return line < list->line_count && list->lines[line].row >= 0 ? &list->rows[list->lines[line].row] : NULL;
}

const struct tune_group *runs_tune(const struct scene *scene, int line)
{
    const struct run_list *list = &scene->runs;

    return line < list->line_count && list->lines[line].tune >= 0 ? &list->tunes[list->lines[line].tune] : NULL;
}

int runs_indent(const struct scene *scene, int line)
{
    enum { DEEPEST = 8 };
    const struct session_summary *row = runs_session(scene, line);

    if (!row || (!*row->tune && !order_of(scene)->families))
        return 0;
    return *row->tune ? 2 : 2 * (row->depth < DEEPEST ? row->depth : DEEPEST);
}

/* ---- The marked line ---- */

/* No session can have the name of a tune's folder. */
static void name_line(const struct scene *scene, int line, char name[SESSION_NAME_SIZE])
{
    const struct session_summary *row = runs_session(scene, line);

    if (row)
        snprintf(name, SESSION_NAME_SIZE, "%s", row->name);
    else
        snprintf(name, SESSION_NAME_SIZE, "%s" TUNE_FOLDER_END, runs_tune(scene, line)->name);
}

int runs_marked(const struct scene *scene)
{
    char name[SESSION_NAME_SIZE];

    for (int i = 0; i < scene->runs.line_count; i++) {
        name_line(scene, i, name);
        if (strcmp(name, scene->run_marked) == 0)
            return i;
    }
    return 0;
}

void runs_mark(struct scene *scene, int line)
{
    const int count = scene->runs.line_count;

    line = line >= count ? count - 1 : line;
    if (count > 0)
        name_line(scene, line < 0 ? 0 : line, scene->run_marked);
}

bool runs_marks_tune(const struct scene *scene)
{
    return runs_tune(scene, runs_marked(scene));
}

bool runs_turn_tune(struct scene *scene)
{
    const int marked = runs_marked(scene);
    const struct tune_group *tune = runs_tune(scene, marked);
    const struct session_summary *row = runs_session(scene, marked);
    char name[TUNE_NAME_SIZE];

    snprintf(name, sizeof(name), "%s", tune ? tune->name : row ? row->tune : "");
    if (!*name)
        return false;
    snprintf(scene->run_marked, sizeof(scene->run_marked), "%s" TUNE_FOLDER_END, name);
    snprintf(scene->runs_unfolded, sizeof(scene->runs_unfolded), "%s",
             strcmp(scene->runs_unfolded, name) == 0 ? "" : name);
    return true;
}
