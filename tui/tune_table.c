/* See tune_table.h. */
#include "tui/tune_table.h"

#include "base/digits.h"
#include "base/line.h"
#include "tui/keys.h"
#include "tui/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELL = 32, WORDS = 256, MARK = 2, VALUE_MOST = 20, HEAD_ROWS = 4, DETAIL_ROWS = 4, FOOT_ROWS = 1 };

/* ---- Columns ---- */

struct row {
    const struct tune_trial *trial;
    const struct tune_status *status;
};

static void write_epoch(const struct row *row, char text[CELL])
{
    snprintf(text, CELL, "%d/%d", row->status->epoch, row->trial->epochs);
}

static void write_loss(const struct row *row, char text[CELL])
{
    const float loss = tune_status_newest_loss(row->status, row->trial);
    if (isnan(loss))
        snprintf(text, CELL, "-");
    else
        digits_loss((double)loss, text, CELL);
}

static void write_percent(float accuracy, char text[CELL])
{
    if (accuracy < 0)
        snprintf(text, CELL, "-");
    else
        snprintf(text, CELL, "%.2f", 100 * (double)accuracy);
}

static void write_accuracy(const struct row *row, char text[CELL])
{
    write_percent(row->status->accuracy, text);
}

static void write_best(const struct row *row, char text[CELL])
{
    write_percent(row->status->best, text);
}

static void write_speed(const struct row *row, char text[CELL])
{
    if (row->status->state == TUNE_TRAINING && row->status->images_per_second > 0)
        words_count(row->status->images_per_second, text, CELL);
    else
        snprintf(text, CELL, "-");
}

static void write_left(const struct row *row, char text[CELL])
{
    if (row->status->state == TUNE_TRAINING && row->status->left >= 0)
        words_duration(row->status->left, text, CELL);
    else
        snprintf(text, CELL, "-");
}

static void write_time(const struct row *row, char text[CELL])
{
    if (row->status->step > 0)
        words_duration(row->status->seconds, text, CELL);
    else
        snprintf(text, CELL, "-");
}

/* Behind the state, in the order in which they appear as the screen gets wider. */
static const struct column {
    const char *title;
    int columns; /* with the gap before it */
    void (*write)(const struct row *row, char text[CELL]);
} columns[] = {{"best %", 8, write_best}, {"now %", 8, write_accuracy}, {"epoch", 8, write_epoch},
               {"loss", 9, write_loss},   {"img/s", 8, write_speed},    {"to go", 8, write_left},
               {"trained", 9, write_time}};

enum { COLUMNS = sizeof columns / sizeof *columns, STATE = 12, SESSION_LEAST = 24 };

static int value_columns(const struct tune *tune, int axis)
{
    int most = text_columns(tune->axes[axis].row->name);
    for (int i = 0; i < tune->count; i++) {
        const int columns_of = text_columns(tune->trials[i].values[axis]);
        most = columns_of > most ? columns_of : most;
    }
    return (most < VALUE_MOST ? most : VALUE_MOST) + 2;
}

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

/* Seconds until all have come to their end, at the pace so far; < 0: not known. A halving ends most of them before. */
static double time_left(const struct tune_view *view)
{
    double seconds = 0, images = 0, left = 0;
    int training = 0;
    for (int i = 0; i < view->tune->count; i++) {
        const struct tune_trial *trial = &view->tune->trials[i];
        const struct tune_status *status = tune_watch_status(view->watch, i);
        seconds += status->seconds;
        images += (double)status->step * trial->batch;
        training += status->state == TUNE_TRAINING;
        if (!tune_state_is_end(status->state))
            left += (double)(trial->steps - status->step) * trial->batch;
    }
    return images > 0 && training > 0 && view->tune->factor == 0 ? left * seconds / images / training : -1;
}

/* Of all images; trials that have ended are behind us. */
static double share_done(const struct tune_view *view)
{
    double done = 0, all = 0;
    for (int i = 0; i < view->tune->count; i++) {
        const struct tune_trial *trial = &view->tune->trials[i];
        const struct tune_status *status = tune_watch_status(view->watch, i);
        const double images = (double)trial->steps * trial->batch;
        all += images;
        done += tune_state_is_end(status->state) ? images : fmin((double)status->step * trial->batch, images);
    }
    return all > 0 ? done / all : 0;
}

static void draw_head(struct canvas *canvas, const struct tune_view *view)
{
    const struct rect area = canvas_area(canvas);
    char time[CELL], words[WORDS];
    int counts[TUNE_STATES];
    struct line line = line_begin(words, sizeof words);
    words_duration(view->seconds, time, sizeof time);
    canvas_fill(canvas, (struct rect){0, 0, area.columns, 1}, STYLE(ROLE_HEADER));
    canvas_printf(canvas, 1, 0, STYLE(ROLE_HEADER, STYLE_BOLD), "nfbench tune %s", view->tune->name);
    canvas_text(canvas, area.columns - 1 - text_columns(time), 0, STYLE(ROLE_HEADER), time);
    tune_watch_count(view->watch, counts);
    line_add(&line, "%d trial%s:", view->tune->count, view->tune->count == 1 ? "" : "s");
    for (int s = 0, said = 0; s < TUNE_STATES; s++)
        if (counts[s] > 0)
            line_add(&line, "%s %d %s", said++ ? "," : "", counts[s], tune_state_name((enum tune_state)s));
    if (time_left(view) >= 0) {
        words_duration(time_left(view), time, sizeof time);
        line_add(&line, "; to go %s", time);
    }
    canvas_text_cut(canvas, 1, 1, area.columns - 2, STYLE(ROLE_TEXT), words);
    canvas_bar_right(canvas, 1, 2, share_done(view) * (area.columns - 2), STYLE(ROLE_ACCENT));
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
    int column = MARK;
    for (int a = 0; a < view->tune->axis_count; a++) {
        const char *name = view->tune->axes[a].row->name;
        column += value_columns(view->tune, a);
        canvas_text(canvas, column - text_columns(name), row, STYLE(ROLE_LABEL), name);
    }
    canvas_text(canvas, column + 2, row, STYLE(ROLE_LABEL), "state");
    column += 2 + STATE;
    for (int c = 0; c < COLUMNS && column + columns[c].columns < area.columns; c++) {
        column += columns[c].columns;
        canvas_text(canvas, column - text_columns(columns[c].title), row, STYLE(ROLE_LABEL), columns[c].title);
    }
    if (area.columns - column > SESSION_LEAST)
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
    const struct row row = {&view->tune->trials[trial], tune_watch_status(view->watch, trial)};
    const bool ill = tune_state_is_ill(row.status->state);
    const enum role role = ill ? ROLE_BAD : row.status->state == TUNE_DROPPED ? ROLE_DIM : ROLE_TEXT;
    const struct style style = STYLE(role, best ? STYLE_BOLD : 0);
    const bool marked = trial == view->marked;
    int column = MARK;
    if (best)
        canvas_text(canvas, 0, at, STYLE(ROLE_ACCENT, STYLE_BOLD), "*");
    for (int a = 0; a < view->tune->axis_count; a++) {
        const char *value = row.trial->values[a];
        column += value_columns(view->tune, a);
        const int width = text_columns(value) < VALUE_MOST ? text_columns(value) : VALUE_MOST;
        canvas_text_cut(canvas, column - width, at, VALUE_MOST, marked ? STYLE(ROLE_SELECTED) : style, value);
    }
    if (view->tune->axis_count == 0 || marked)
        canvas_text(canvas, 1, at, STYLE(ROLE_SELECTED), marked ? ">" : " ");
    canvas_text(canvas, column + 2, at, STYLE(state_role(row.status->state)), tune_state_name(row.status->state));
    column += 2 + STATE;
    if (ill) {
        char reason[WORDS];
        write_reason(row.status, reason);
        canvas_text_cut(canvas, column + 2, at, area.columns - column - 3, STYLE(ROLE_BAD), reason);
        return;
    }
    for (int c = 0; c < COLUMNS && column + columns[c].columns < area.columns; c++) {
        char text[CELL];
        columns[c].write(&row, text);
        column += columns[c].columns;
        canvas_text(canvas, column - text_columns(text), at, style, text);
    }
    if (area.columns - column > SESSION_LEAST)
        canvas_text_cut(canvas, column + 3, at, area.columns - column - 4, STYLE(ROLE_DIM), row.trial->session);
}

static int table_rows(int rows)
{
    const int left = rows - HEAD_ROWS - DETAIL_ROWS - FOOT_ROWS;
    return left > 1 ? left : 1;
}

static void draw_table(struct canvas *canvas, struct tune_view *view)
{
    const int shown = table_rows(canvas_area(canvas).rows), at = marked_row(view), count = view->tune->count;
    const int best = tune_watch_best(view->watch);
    view->top = view->top > at ? at : view->top < at - shown + 1 ? at - shown + 1 : view->top;
    view->top = view->top > count - shown ? count - shown : view->top;
    view->top = view->top < 0 ? 0 : view->top;
    draw_titles(canvas, view, HEAD_ROWS - 1);
    for (int i = 0; i < shown && view->top + i < count; i++)
        draw_row(canvas, view, view->rows[view->top + i], HEAD_ROWS + i, view->rows[view->top + i] == best);
}

/* ---- What is known of the marked one ---- */

static void draw_wrapped(struct canvas *canvas, struct rect area, struct style style, const char *text)
{
    for (int row = 0; *text && row < area.rows; row++) {
        const char *next;
        char line[WORDS];
        size_t length = words_wrap(text, area.columns, &next);
        const bool cut = *next && row == area.rows - 1;
        if (cut)
            length = words_wrap(text, area.columns - 2, &next);
        snprintf(line, sizeof line, "%.*s%s", (int)length, text, cut ? " \u2026" : "");
        canvas_text_cut(canvas, area.column, area.row + row, area.columns, style, line);
        text = next;
    }
}

static void draw_detail(struct canvas *canvas, const struct tune_view *view)
{
    const struct rect area = canvas_area(canvas);
    const struct tune_status *status = tune_watch_status(view->watch, view->marked);
    const struct rect at = {1, area.rows - FOOT_ROWS - DETAIL_ROWS + 1, area.columns - 2, DETAIL_ROWS - 1};
    char reference[FILE_PATH_SIZE], words[FILE_PATH_SIZE + WORDS];
    if (at.row < HEAD_ROWS + 1)
        return;
    tune_trial_reference(view->tune, view->marked, reference, sizeof reference);
    if (*status->why && tune_state_is_ill(status->state)) {
        draw_wrapped(canvas, at, STYLE(ROLE_BAD), status->why);
        return;
    }
    if (status->state == TUNE_TRAINING)
        snprintf(words, sizeof words, "In another shell: nfbench attach %s", reference);
    else if (status->begun)
        snprintf(words, sizeof words, "nfbench sessions show %s", reference);
    else
        snprintf(words, sizeof words, "not begun yet");
    draw_wrapped(canvas, at, STYLE(ROLE_DIM), words);
}

/* ---- Foot ---- */

static void draw_keys(struct canvas *canvas, const struct tune_view *view, int row)
{
    static const char *const keys[][2] = {{"\u2191\u2193", "trial"}, {"o", "order"}, {"q", "leave"}};
    int column = 1;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
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

void tune_table_draw(struct canvas *canvas, struct tune_view *view)
{
    canvas_clear(canvas);
    sort(view);
    draw_head(canvas, view);
    draw_table(canvas, view);
    draw_detail(canvas, view);
    draw_foot(canvas, view);
}

/* ---- Keys ---- */

static void walk_to(struct tune_view *view, int row)
{
    row = row >= view->tune->count ? view->tune->count - 1 : row;
    view->marked = view->rows[row < 0 ? 0 : row];
}

bool tune_table_key(struct tune_view *view, int rows, int key)
{
    sort(view);
    const int at = marked_row(view), page = table_rows(rows) - 1;
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
    default:
        return false;
    }
}

void tune_table_mouse(struct tune_view *view, int rows, const struct mouse *mouse)
{
    if (mouse->act == MOUSE_WHEEL_UP || mouse->act == MOUSE_WHEEL_DOWN)
        (void)tune_table_key(view, rows, mouse->act == MOUSE_WHEEL_UP ? KEY_CODE_UP : KEY_CODE_DOWN);
    else if (mouse->act == MOUSE_PRESS && mouse->row >= HEAD_ROWS && mouse->row < HEAD_ROWS + table_rows(rows) &&
             view->top + mouse->row - HEAD_ROWS < view->tune->count)
        walk_to(view, view->top + mouse->row - HEAD_ROWS);
}
