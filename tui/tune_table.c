/* See tune_table.h. */
#include "tui/tune_table.h"

#include "base/line.h"
#include "tui/keys.h"
#include "tui/tune_columns.h"
#include "tui/tune_detail.h"
#include "tui/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CELL = 32,
    WORDS = 256,
    HEAD_ROWS = 4,
    DETAIL_ROWS = 5,
    FOOT_ROWS = 1,
    CURVES_LEAST = 7,
    CURVES_COLUMNS = 40,
    HELP_COLUMNS = 80
};

/* ---- Order ---- */

static const struct tune_view *sorted; /* qsort has no context */

static const struct tune_status *status_of(int trial)
{
    return tune_watch_status(sorted->watch, trial);
}

static int by_number(int a, int b)
{
    return a < b ? -1 : a > b;
}

static int by_best(int a, int b)
{
    const float left = status_of(a)->best, right = status_of(b)->best;
    return left != right ? (left < right ? 1 : -1) : by_number(a, b);
}

static float loss_of(int trial)
{
    const float loss = tune_status_newest_loss(status_of(trial), &sorted->tune->trials[trial]);
    return isnan(loss) ? INFINITY : loss;
}

static int by_loss(int a, int b)
{
    const float left = loss_of(a), right = loss_of(b);
    return left != right ? (left > right ? 1 : -1) : by_number(a, b);
}

/* What trains first, then what ended last. */
static int by_state(int a, int b)
{
    static const int places[TUNE_STATES] = {
        [TUNE_TRAINING] = 0, [TUNE_STARTING] = 1, [TUNE_INTERRUPTED] = 2, [TUNE_WAITING] = 3,
        [TUNE_FINISHED] = 4, [TUNE_DROPPED] = 5,  [TUNE_DIVERGED] = 6,    [TUNE_FAILED] = 7};
    const int left = places[status_of(a)->state], right = places[status_of(b)->state];
    return left != right ? left - right : by_best(a, b);
}

static const struct order {
    const char *name;
    int (*compare)(int a, int b);
} orders[] = {
    {"as planned", by_number}, {"best first", by_best}, {"least loss first", by_loss}, {"by state", by_state}};

enum { ORDERS = sizeof orders / sizeof *orders };

static int compare_rows(const void *a, const void *b)
{
    return orders[sorted->order % ORDERS].compare(*(const int *)a, *(const int *)b);
}

static void sort(struct tune_view *view)
{
    sorted = view;
    for (int i = 0; i < view->tune->count; i++)
        view->rows[i] = i;
    qsort(view->rows, (size_t)view->tune->count, sizeof *view->rows, compare_rows);
}

static int marked_row(const struct tune_view *view)
{
    for (int i = 0; i < view->tune->count; i++)
        if (view->rows[i] == view->marked)
            return i;
    return 0;
}

/* ---- Head ---- */

/* Seconds until all have come to their end, at the pace so far; < 0: not known. */
static double time_left(const struct tune_view *view, double left)
{
    double seconds = 0, images = 0;
    int training = 0;
    for (int i = 0; i < view->tune->count; i++) {
        const struct tune_status *status = tune_watch_status(view->watch, i);
        seconds += status->seconds;
        images += (double)status->step * view->tune->trials[i].batch;
        training += status->state == TUNE_TRAINING;
    }
    return images > 0 && training > 0 ? left * seconds / images / training : -1;
}

/* Of the images that are trained on in all; of trials that have ended those that were. */
static double share_done(const struct tune_view *view, double left)
{
    double done = 0;
    for (int i = 0; i < view->tune->count; i++)
        done += (double)tune_watch_status(view->watch, i)->step * view->tune->trials[i].batch;
    return done + left > 0 ? done / (done + left) : 0;
}

/* "4 training, 3 rung done": trials in the same state, in the order of the states. */
static void add_states(struct line *line, const struct tune_view *view)
{
    const char *said[TUNE_STATES + 3];
    int counts[TUNE_STATES + 3], count = 0;
    for (int s = 0; s < TUNE_STATES; s++)
        for (int i = 0; i < view->tune->count; i++) {
            int at = 0;
            if (tune_watch_status(view->watch, i)->state != (enum tune_state)s)
                continue;
            const char *words = tune_watch_state_words(view->watch, i);
            while (at < count && strcmp(said[at], words) != 0)
                at++;
            if (at == count) {
                said[count] = words;
                counts[count++] = 0;
            }
            counts[at]++;
        }
    for (int i = 0; i < count; i++)
        line_add(line, "%s %d %s", i ? "," : "", counts[i], said[i]);
}

static void write_rung(const struct tune_view *view, char text[WORDS])
{
    const struct tune_rung *rung = tune_watch_rung(view->watch);
    struct line line = line_begin(text, WORDS);
    if (rung->of < 2)
        return;
    line_add(&line, "rung %d of %d, to epoch %d: %d of %d done", rung->number, rung->of, rung->epochs, rung->done,
             rung->trials);
    if (rung->go_on > 0)
        line_add(&line, ", %d go%s on", rung->go_on, rung->go_on == 1 ? "es" : "");
}

static void draw_title(struct canvas *canvas, const struct tune_view *view)
{
    const struct rect area = canvas_area(canvas);
    char name[WORDS], rung[WORDS], time[CELL];
    snprintf(name, sizeof name, "nfbench tune %s", view->tune->name);
    write_rung(view, rung);
    words_duration(view->seconds, time, sizeof time);
    const int from = 1 + text_columns(name) + 3, end = area.columns - 1 - text_columns(time);
    canvas_fill(canvas, (struct rect){0, 0, area.columns, 1}, STYLE(ROLE_HEADER));
    canvas_text(canvas, 1, 0, STYLE(ROLE_HEADER, STYLE_BOLD), name);
    canvas_text_cut(canvas, from, 0, end - from - 1, STYLE(ROLE_HEADER), rung);
    canvas_text(canvas, end, 0, STYLE(ROLE_HEADER), time);
}

static void draw_head(struct canvas *canvas, const struct tune_view *view)
{
    const struct rect area = canvas_area(canvas);
    const double left = tune_watch_work_left(view->watch), seconds = time_left(view, left);
    char words[WORDS];
    struct line line = line_begin(words, sizeof words);
    draw_title(canvas, view);
    line_add(&line, "%d trial%s:", view->tune->count, view->tune->count == 1 ? "" : "s");
    add_states(&line, view);
    if (seconds >= 0) {
        char time[CELL];
        words_duration(seconds, time, sizeof time);
        line_add(&line, "; to go %s", time);
    }
    canvas_text_cut(canvas, 1, 1, area.columns - 2, STYLE(ROLE_TEXT), words);
    canvas_bar_right(canvas, 1, 2, share_done(view, left) * (area.columns - 2), STYLE(ROLE_ACCENT));
}

/* ---- Table ---- */

static enum role state_role(enum tune_state state)
{
    switch (state) {
    case TUNE_TRAINING:
    case TUNE_STARTING:
        return ROLE_GOOD;
    case TUNE_INTERRUPTED:
        return ROLE_WARNING;
    case TUNE_DIVERGED:
    case TUNE_FAILED:
        return ROLE_BAD;
    case TUNE_WAITING:
    case TUNE_DROPPED:
        return ROLE_DIM;
    default:
        return ROLE_TEXT;
    }
}

static void draw_titles(struct canvas *canvas, const struct tune_view *view, int row)
{
    const struct rect area = canvas_area(canvas);
    const struct tune_width fit = tune_fit_columns(view->tune, area.columns);
    int column = TUNE_MARK_COLUMNS;
    for (int a = 0; a < view->tune->axis_count; a++) {
        const char *name = view->tune->axes[a].row->name;
        column += tune_value_columns(view->tune, a);
        canvas_text(canvas, column - text_columns(name), row, STYLE(ROLE_LABEL), name);
    }
    canvas_text(canvas, column + 2, row, STYLE(ROLE_LABEL), "state");
    column += 2 + TUNE_STATE_COLUMNS;
    for (int c = 0; c < fit.count; c++) {
        const struct tune_column *of = tune_column(view->tune, c);
        column += of->columns;
        canvas_text(canvas, column - text_columns(of->title), row, STYLE(ROLE_LABEL), of->title);
    }
    if (fit.session)
        canvas_text(canvas, column + 3, row, STYLE(ROLE_LABEL), "session");
}

/* "step 8: block 2 of 15 left the finite range first ..." */
static void write_reason(const struct tune_status *status, char text[WORDS])
{
    const char *reason = strstr(status->why, ": ");
    if (status->state == TUNE_DIVERGED && status->diverged_step > 0 && reason)
        snprintf(text, WORDS, "step %ld%s", status->diverged_step, reason);
    else
        snprintf(text, WORDS, "%s", status->why);
}

static void draw_row(struct canvas *canvas, const struct tune_view *view, int trial, int at, bool best)
{
    const struct rect area = canvas_area(canvas);
    const struct tune_row row = {view->tune, &view->tune->trials[trial], tune_watch_status(view->watch, trial)};
    const struct tune_width fit = tune_fit_columns(view->tune, area.columns);
    const bool ill = tune_state_is_ill(row.status->state);
    const enum role role = ill ? ROLE_BAD : row.status->state == TUNE_DROPPED ? ROLE_DIM : ROLE_TEXT;
    const struct style style = STYLE(role, best ? STYLE_BOLD : 0);
    const bool marked = trial == view->marked;
    int column = TUNE_MARK_COLUMNS;
    if (best)
        canvas_text(canvas, 0, at, STYLE(ROLE_ACCENT, STYLE_BOLD), "*");
    for (int a = 0; a < view->tune->axis_count; a++) {
        const char *value = row.trial->values[a];
        column += tune_value_columns(view->tune, a);
        const int width = text_columns(value) < TUNE_VALUE_MOST ? text_columns(value) : TUNE_VALUE_MOST;
        canvas_text_cut(canvas, column - width, at, TUNE_VALUE_MOST, marked ? STYLE(ROLE_SELECTED) : style, value);
    }
    if (view->tune->axis_count == 0 || marked)
        canvas_text(canvas, 1, at, STYLE(ROLE_SELECTED), marked ? ">" : " ");
    canvas_text(canvas, column + 2, at, STYLE(state_role(row.status->state)),
                tune_watch_state_words(view->watch, trial));
    column += 2 + TUNE_STATE_COLUMNS;
    if (ill) {
        char reason[WORDS];
        write_reason(row.status, reason);
        canvas_text_cut(canvas, column + 2, at, area.columns - column - 3, STYLE(ROLE_BAD), reason);
        return;
    }
    for (int c = 0; c < fit.count; c++) {
        const struct tune_column *of = tune_column(view->tune, c);
        char text[TUNE_CELL];
        of->write(&row, text);
        column += of->columns;
        canvas_text(canvas, column - text_columns(text), at, style, text);
    }
    if (fit.session)
        canvas_text_cut(canvas, column + 3, at, area.columns - column - 4, STYLE(ROLE_DIM), row.trial->session);
}

/* Rows of the screen, from the head on. */
struct layout {
    int table, curves, detail; /* curves 0: the table takes all that there is */
};

static struct layout lay_out(const struct tune_view *view, struct rect area)
{
    struct layout layout = {.detail = DETAIL_ROWS - 1};
    int left = area.rows - HEAD_ROWS - DETAIL_ROWS - FOOT_ROWS;
    if (left < 1) {
        layout.detail = 0;
        left = area.rows - HEAD_ROWS - FOOT_ROWS;
    }
    left = left > 1 ? left : 1;
    layout.table = left;
    if (left - view->tune->count - 1 >= CURVES_LEAST && area.columns >= CURVES_COLUMNS) {
        layout.table = view->tune->count;
        layout.curves = left - layout.table - 1;
    }
    return layout;
}

static void draw_table(struct canvas *canvas, struct tune_view *view, int shown)
{
    const int at = marked_row(view), count = view->tune->count;
    const int best = tune_watch_best(view->watch);
    view->top = view->top > at ? at : view->top < at - shown + 1 ? at - shown + 1 : view->top;
    view->top = view->top > count - shown ? count - shown : view->top;
    view->top = view->top < 0 ? 0 : view->top;
    draw_titles(canvas, view, HEAD_ROWS - 1);
    for (int i = 0; i < shown && view->top + i < count; i++)
        draw_row(canvas, view, view->rows[view->top + i], HEAD_ROWS + i, view->rows[view->top + i] == best);
}

/* ---- Foot ---- */

static void draw_keys(struct canvas *canvas, const struct tune_view *view, int row)
{
    static const char *const keys[][2] = {
        {"\u2191\u2193", "trial"}, {"o", "order"}, {"c", "curves"}, {"q", "leave"}, {"?", "help"}};
    const bool curves = lay_out(view, canvas_area(canvas)).curves > 0;
    int column = 1;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if ((!curves && *keys[i][0] == 'c') || (*keys[i][0] == '?' && canvas_area(canvas).columns < HELP_COLUMNS))
            continue;
        if (column + text_columns(keys[i][0]) + 1 + text_columns(keys[i][1]) > canvas_area(canvas).columns)
            return;
        column += canvas_text(canvas, column, row, STYLE(ROLE_KEY), keys[i][0]) + 1;
        column += canvas_text(canvas, column, row, STYLE(ROLE_HINT), keys[i][1]) + 2;
    }
    canvas_printf(canvas, column + 1, row, STYLE(ROLE_DIM), "%d of %d, %s", marked_row(view) + 1, view->tune->count,
                  orders[view->order % ORDERS].name);
}

static void draw_foot(struct canvas *canvas, const struct tune_view *view)
{
    const struct rect area = canvas_area(canvas);
    const int row = area.rows - 1;
    if (view->stopping)
        canvas_text_cut(canvas, 1, row, area.columns - 2, STYLE(ROLE_WARNING),
                        "The trials save and end (q again: leave at once)");
    else if (view->asking)
        canvas_text_cut(canvas, 1, row, area.columns - 2, STYLE(ROLE_WARNING),
                        "Leave? The trials save, --resume goes on. y: yes, any other key: no");
    else
        draw_keys(canvas, view, row);
}

/* In place of the trials, until the next key. */
static void draw_help(struct canvas *canvas)
{
    static const char *const lines[][2] = {{"not begun", "nobody has trained it yet"},
                                           {"starting", "its process is on its way"},
                                           {"stopped", "ended before its end, and saved: --resume goes on"},
                                           {"interrupted", "its process is gone without a word: --resume goes on"},
                                           {"rung done", "of a halving: it waits for the others of its rung"},
                                           {"goes on", "of a halving: it is about to be trained further"},
                                           {"dropped", "of a halving: others of its rung were better"},
                                           {"diverged", "a step was not finite, or the loss is absurd"},
                                           {"failed", "its process failed or crashed twice"},
                                           {"*", "the best; loss: the mean of the last whole epoch"},
                                           {"o", "another order: as planned, best, least loss, by state"},
                                           {"c", "the curves are those of the loss, or of accuracy"},
                                           {"q", "leaves, after a question; the trials save"}};
    const struct rect area = canvas_area(canvas);
    for (int i = 0; i < (int)(sizeof lines / sizeof *lines) && HEAD_ROWS + i < area.rows - FOOT_ROWS; i++) {
        canvas_text(canvas, 1, HEAD_ROWS + i, STYLE(ROLE_KEY), lines[i][0]);
        canvas_text_cut(canvas, 1 + TUNE_STATE_COLUMNS, HEAD_ROWS + i, area.columns - TUNE_STATE_COLUMNS - 2,
                        STYLE(ROLE_TEXT), lines[i][1]);
    }
}

void tune_table_draw(struct canvas *canvas, struct tune_view *view)
{
    const struct rect area = canvas_area(canvas);
    const struct layout layout = lay_out(view, area);
    canvas_clear(canvas);
    sort(view);
    draw_head(canvas, view);
    if (view->helping) {
        draw_help(canvas);
        draw_foot(canvas, view);
        return;
    }
    draw_table(canvas, view, layout.table);
    if (layout.curves > 0)
        tune_draw_curves(canvas, (struct rect){1, HEAD_ROWS + layout.table + 1, area.columns - 2, layout.curves}, view);
    if (layout.detail > 0)
        tune_draw_detail(
            canvas, (struct rect){1, area.rows - FOOT_ROWS - layout.detail, area.columns - 2, layout.detail}, view);
    draw_foot(canvas, view);
}

/* ---- Keys ---- */

static void walk_to(struct tune_view *view, int row)
{
    row = row >= view->tune->count ? view->tune->count - 1 : row;
    view->marked = view->rows[row < 0 ? 0 : row];
}

bool tune_table_key(struct tune_view *view, struct rect area, int key)
{
    const bool helping = view->helping;
    view->helping = !helping && (key == '?' || key == 'h');
    if (helping || view->helping)
        return true;
    sort(view);
    const int at = marked_row(view), page = lay_out(view, area).table - 1;
    switch (key) {
    case KEY_CODE_UP:
        walk_to(view, at - 1);
        return true;
    case KEY_CODE_DOWN:
        walk_to(view, at + 1);
        return true;
    case KEY_CODE_PAGE_UP:
        walk_to(view, at - page);
        return true;
    case KEY_CODE_PAGE_DOWN:
        walk_to(view, at + page);
        return true;
    case KEY_CODE_HOME:
        walk_to(view, 0);
        return true;
    case KEY_CODE_END:
        walk_to(view, view->tune->count - 1);
        return true;
    case 'o':
        view->order = (view->order + 1) % ORDERS;
        return true;
    case 'c':
        view->losses = !view->losses;
        return true;
    default:
        return false;
    }
}

void tune_table_mouse(struct tune_view *view, struct rect area, const struct mouse *mouse)
{
    if (mouse->act == MOUSE_WHEEL_UP || mouse->act == MOUSE_WHEEL_DOWN)
        (void)tune_table_key(view, area, mouse->act == MOUSE_WHEEL_UP ? KEY_CODE_UP : KEY_CODE_DOWN);
    else if (mouse->act == MOUSE_PRESS && mouse->row >= HEAD_ROWS &&
             mouse->row < HEAD_ROWS + lay_out(view, area).table &&
             view->top + mouse->row - HEAD_ROWS < view->tune->count)
        walk_to(view, view->top + mouse->row - HEAD_ROWS);
}
