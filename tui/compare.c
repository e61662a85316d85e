/* See compare.h. */
#include "tui/compare.h"

#include "base/line.h"
#include "engine/live.h"
#include "tui/export.h"
#include "tui/words.h"
#include "viz/theme.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Figures ---- */

static const struct {
    const char *title, *key;
    size_t offset; /* a float in struct epoch_record; below 0: not measured */
    bool accuracy;
} figures[COMPARE_FIGURES] = {
    [COMPARE_TRAIN_LOSS] = {"training loss", "train_loss", offsetof(struct epoch_record, train_loss), false},
    [COMPARE_VALIDATION_ACCURACY] = {"validation accuracy", "validation_accuracy",
                                     offsetof(struct epoch_record, validation_accuracy), true},
    [COMPARE_VALIDATION_LOSS] = {"validation loss", "validation_loss", offsetof(struct epoch_record, validation_loss),
                                 false},
    [COMPARE_TEST_ACCURACY] = {"test accuracy", "test_accuracy", offsetof(struct epoch_record, test_accuracy), true},
    [COMPARE_TEST_LOSS] = {"test loss", "test_loss", offsetof(struct epoch_record, test_loss), false},
};

const char *compare_figure_title(enum compare_figure figure)
{
    return figures[figure].title;
}

const char *compare_figure_key(enum compare_figure figure)
{
    return figures[figure].key;
}

bool compare_figure_is_accuracy(enum compare_figure figure)
{
    return figures[figure].accuracy;
}

static void take_value(struct compared *session, int figure, double value, long step)
{
    struct compare_value *best = &session->best[figure];
    const bool better = figures[figure].accuracy ? value > best->value : value < best->value;
    session->last[figure] = (struct compare_value){value, step};
    if (isnan(best->value) || better)
        *best = session->last[figure];
}

static void take_epoch(struct compared *session, const struct epoch_record *epoch)
{
    for (int i = 0; i < COMPARE_FIGURES; i++) {
        float value;
        memcpy(&value, (const char *)epoch + figures[i].offset, sizeof value);
        if (value >= 0)
            take_value(session, i, (double)value, epoch->step);
    }
}

static int by_size(const void *a, const void *b)
{
    const double *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static int take_speed(struct compared *session, struct error *error)
{
    const struct metrics *metrics = &session->metrics;
    double *rates = reallocarray(NULL, (size_t)metrics->step_count + 1, sizeof *rates);
    int count = 0;
    if (!rates)
        return error_set(error, "out of memory");
    for (int i = 0; i < metrics->step_count; i++)
        if (metrics->steps[i].images_per_second > 0)
            rates[count++] = metrics->steps[i].images_per_second;
    if (count > 0) {
        qsort(rates, (size_t)count, sizeof *rates, by_size);
        session->images_per_second = rates[count / 2];
    }
    free(rates);
    return 0;
}

static struct compare_signal signal_of(const struct probe *probe)
{
    struct compare_signal worst = {NAN, -1, probe->step};
    for (int i = 0; i < probe->count; i++) {
        const struct probe_point *point = &probe->points[i];
        const double ratio = point->finite && isfinite(point->variance)
                                 ? (double)point->variance / (double)point->predicted
                                 : (double)INFINITY;
        if (point->predicted > 0 && (isnan(worst.ratio) || fabs(log(ratio)) > fabs(log(worst.ratio)))) {
            worst.ratio = ratio;
            worst.point = i;
        }
    }
    return worst;
}

static int take_figures(struct compared *session, struct error *error)
{
    const struct metrics *metrics = &session->metrics;
    const struct compare_value unknown = {NAN, -1};
    for (int i = 0; i < COMPARE_FIGURES; i++)
        session->last[i] = session->best[i] = unknown;
    session->images_per_second = session->seconds = NAN;
    session->signal_start = session->signal_now = (struct compare_signal){NAN, -1, -1};
    for (int i = 0; i < metrics->epoch_count; i++)
        take_epoch(session, &metrics->epochs[i]);
    if (metrics->step_count > 0) {
        const struct step_record *last = &metrics->steps[metrics->step_count - 1];
        session->seconds = last->seconds;
        if (isnan(session->last[COMPARE_TRAIN_LOSS].value))
            take_value(session, COMPARE_TRAIN_LOSS, (double)last->loss, last->step);
    }
    if (metrics->probe_count > 0) {
        session->signal_start = signal_of(metrics->probes[0]);
        session->signal_now = signal_of(metrics->probes[metrics->probe_count - 1]);
    }
    return take_speed(session, error);
}

/* ---- Reading ---- */

static int find_folder(struct compared *session, struct error *error)
{
    char path[SETTINGS_PATH_SIZE];
    snprintf(path, sizeof path, "%s/..", session_path(session->session));
    char *resolved = realpath(path, NULL);
    if (!resolved)
        return error_set(error, "cannot find the folder of session %s", session_name(session->session));
    snprintf(session->folder, sizeof session->folder, "%s", resolved);
    free(resolved);
    return 0;
}

int compared_open(const struct settings *settings, const char *name, struct compared *session, struct error *error)
{
    struct training_state state;
    memset(session, 0, sizeof *session);
    if (session_open(settings, name, SESSION_READ, &session->session, error) || find_folder(session, error))
        return -1;
    session_summarize(session->session, &session->summary);
    if (session_in_force(session->session, &session->now, &state, NULL))
        session->now = *session_settings(session->session);
    session->ancestor_count = session_ancestors(session->session, session->ancestors, COMPARE_ANCESTORS);
    if (session_metrics(session->session, &session->metrics, error) ||
        curves_create(EXPORT_SMOOTHING, &session->curves, error) ||
        curves_add_history(session->curves, &session->metrics, error))
        return -1;
    return take_figures(session, error);
}

static bool is_same(const struct compared *one, const struct compared *other)
{
    return strcmp(session_name(one->session), session_name(other->session)) == 0 &&
           strcmp(one->folder, other->folder) == 0;
}

int compare_open(const struct settings *settings, char **names, int count, struct comparison *out, struct error *error)
{
    memset(out, 0, sizeof *out);
    if (count < COMPARE_LEAST || count > COMPARE_MOST)
        return error_set(error, "%d sessions: 2 to %d can be compared", count, COMPARE_MOST);
    for (int i = 0; i < count; i++) {
        out->count++;
        if (compared_open(settings, names[i], &out->sessions[i], error))
            return -1;
        for (int k = 0; k < i; k++)
            if (is_same(&out->sessions[i], &out->sessions[k]))
                return error_set(error, "session %s is named twice", session_name(out->sessions[i].session));
    }
    return 0;
}

void compared_close(struct compared *session)
{
    curves_destroy(session->curves);
    metrics_free(&session->metrics);
    session_close(session->session);
}

void compare_close(struct comparison *comparison)
{
    for (int i = 0; i < comparison->count; i++)
        compared_close(&comparison->sessions[i]);
}

/* ---- Settings and commands ---- */

void compare_cell(const struct compared *session, const struct setting *row, char text[COMPARE_CELL])
{
    char began[SETTINGS_VALUE_SIZE], now[SETTINGS_VALUE_SIZE];
    settings_get(session_settings(session->session), row, began);
    settings_get(&session->now, row, now);
    if (strcmp(began, now) == 0)
        snprintf(text, COMPARE_CELL, "%s", began);
    else
        snprintf(text, COMPARE_CELL, "%s, now %s", began, now);
}

static bool differs(const struct comparison *comparison, const struct setting *row)
{
    char first[COMPARE_CELL], other[COMPARE_CELL];
    compare_cell(&comparison->sessions[0], row, first);
    for (int i = 1; i < comparison->count; i++) {
        compare_cell(&comparison->sessions[i], row, other);
        if (strcmp(first, other) != 0)
            return true;
    }
    return false;
}

const struct setting *compare_difference(const struct comparison *comparison, int index)
{
    const struct setting *row;
    for (int i = 0; (row = settings_row(i)); i++)
        if (row->saved && differs(comparison, row) && index-- == 0)
            return row;
    return NULL;
}

bool compare_is_change(const struct command_record *record)
{
    const enum command_kind kind = record->command.kind;
    return record->ok && command_changes_state(kind) && kind != COMMAND_WAIT && kind != COMMAND_CANCEL;
}

/* ---- Families ---- */

/* The step at which a session has left another one; LONG_MAX: it is that one. -1: it has nothing of it. */
static long left_at(const struct compared *session, const char *name)
{
    long step = LONG_MAX;
    if (strcmp(session_name(session->session), name) == 0)
        return step;
    for (int i = 0; i < session->ancestor_count; i++) {
        const struct session_ancestor *ancestor = &session->ancestors[i];
        step = ancestor->step < step ? ancestor->step : step;
        if (strcmp(ancestor->name, name) == 0)
            return step;
    }
    return -1;
}

/* The last step up to which the records of two are the same: either may have gone back behind the fork since. */
static long same_until(const struct compared *one, const struct compared *other, long until)
{
    const struct metrics *a = &one->metrics, *b = &other->metrics;
    long same = 0;
    for (int i = 0, k = 0; i < a->step_count && k < b->step_count;) {
        const struct step_record *left = &a->steps[i], *right = &b->steps[k];
        if (left->step > until || right->step > until)
            break;
        if (left->step == right->step) {
            if (memcmp(&left->loss, &right->loss, sizeof left->loss) != 0 ||
                memcmp(&left->learning_rate, &right->learning_rate, sizeof left->learning_rate) != 0)
                return same;
            same = left->step;
        }
        const bool first = left->step <= right->step, second = right->step <= left->step;
        i += first;
        k += second;
    }
    return until;
}

/* The nearest of one's own line that all have, and the step up to which they have its course. */
static bool find_common(const struct compared *const *sessions, int count, struct session_ancestor *out)
{
    for (int i = -1; i < sessions[0]->ancestor_count; i++) {
        const char *name = i < 0 ? session_name(sessions[0]->session) : sessions[0]->ancestors[i].name;
        long common = LONG_MAX;
        for (int k = 0; k < count; k++) {
            const bool beside = strcmp(sessions[k]->folder, sessions[0]->folder) == 0;
            const long step = beside ? left_at(sessions[k], name) : -1;
            common = step < common ? step : common;
        }
        if (common < 0)
            continue;
        for (int k = 1; k < count; k++)
            common = same_until(sessions[0], sessions[k], common);
        snprintf(out->name, sizeof out->name, "%s", name);
        out->step = common;
        return true;
    }
    return false;
}

bool compare_ancestor(const struct compared *one, const struct compared *other, struct session_ancestor *out)
{
    const struct compared *const both[] = {one, other};
    return find_common(both, 2, out);
}

bool compare_common(const struct comparison *comparison, struct session_ancestor *out)
{
    const struct compared *all[COMPARE_MOST] = {&comparison->sessions[0]};
    for (int i = 0; i < comparison->count; i++)
        all[i] = &comparison->sessions[i];
    return find_common(all, comparison->count, out);
}

/* ---- The picture ---- */

enum { COLUMNS = 116, CHART_ROWS = 40, LEGEND_COLUMNS = 98, ROWS = 128 };

/* How many pairs of sessions a setting tells apart that are not apart yet; `part`: they are from now on. */
static int count_parted(const struct comparison *comparison, const struct setting *row,
                        bool apart[COMPARE_MOST][COMPARE_MOST], bool part)
{
    int count = 0;
    for (int i = 0; i < comparison->count; i++)
        for (int k = i + 1; k < comparison->count; k++) {
            char one[COMPARE_CELL], other[COMPARE_CELL];
            if (apart[i][k])
                continue;
            compare_cell(&comparison->sessions[i], row, one);
            compare_cell(&comparison->sessions[k], row, other);
            const bool differ = strcmp(one, other) != 0;
            count += differ;
            apart[i][k] = part && differ;
        }
    return count;
}

/* What a legend tells first: how long a run is the curves tell, too, and where it computes is seldom what matters. */
enum rank { RANK_TRAIN, RANK_MODEL, RANK_LENGTH, RANK_RUN, RANKS };

static enum rank rank_of(const struct setting *row)
{
    if (strcmp(row->name, "steps") == 0 || strcmp(row->name, "epochs") == 0)
        return RANK_LENGTH;
    return strcmp(row->section, "train") == 0 ? RANK_TRAIN : strcmp(row->section, "model") == 0 ? RANK_MODEL : RANK_RUN;
}

static int list_settings(const struct comparison *comparison, const struct setting *rows[ROWS])
{
    const struct setting *row;
    int count = 0;
    for (int rank = 0; rank < RANKS; rank++)
        for (int i = 0; count < ROWS && (row = compare_difference(comparison, i)); i++)
            if ((int)rank_of(row) == rank)
                rows[count++] = row;
    return count;
}

/* The settings that differ, those first that tell all sessions apart: a legend may have no room for more. */
static int order_settings(const struct comparison *comparison, const struct setting *rows[ROWS])
{
    bool apart[COMPARE_MOST][COMPARE_MOST] = {{false}};
    const int count = list_settings(comparison, rows);
    for (int first = 0; first < count; first++) {
        int best = first, most = 0;
        for (int i = first; i < count; i++) {
            const int parted = rank_of(rows[i]) > RANK_MODEL ? 0 : count_parted(comparison, rows[i], apart, false);
            best = parted > most ? i : best;
            most = parted > most ? parted : most;
        }
        if (most == 0)
            break;
        const struct setting *chosen = rows[best];
        memmove(&rows[first + 1], &rows[first], (size_t)(best - first) * sizeof *rows);
        rows[first] = chosen;
        (void)count_parted(comparison, chosen, apart, true);
    }
    return count;
}

void compare_name(const struct comparison *comparison, const struct compared *session, char name[COMPARE_NAME])
{
    const struct setting *rows[ROWS];
    const int count = order_settings(comparison, rows);
    struct line line = line_begin(name, COMPARE_NAME);
    line_add(&line, "%s", session_name(session->session));
    for (int i = 0; i < count; i++) {
        char value[COMPARE_CELL];
        compare_cell(session, rows[i], value);
        line_add(&line, "%s%s %s", i ? ", " : ": ", rows[i]->name, value);
    }
    words_cut(name, COMPARE_NAME, LEGEND_COLUMNS);
}

static const char *const tags[COMPARE_MOST] = {"a", "b", "c", "d", "e", "f", "g", "h"};

/* "a, c", those that have validation images, or those that have none. */
static int list_tags(const struct comparison *comparison, bool validated, char *text, size_t size)
{
    struct line line = line_begin(text, size);
    int count = 0;
    for (int i = 0; i < comparison->count; i++)
        if (!isnan(comparison->sessions[i].best[COMPARE_VALIDATION_ACCURACY].value) == validated)
            line_add(&line, "%s%s", count++ ? ", " : "", tags[i]);
    return count;
}

/* Of which images the marks are: of each session its validation images', or where it has none the test's. */
static void say_marks(const struct comparison *comparison, char *text, size_t size)
{
    char validated[3 * COMPARE_MOST], tested[3 * COMPARE_MOST];
    const int validations = list_tags(comparison, true, validated, sizeof validated);
    const int tests = list_tags(comparison, false, tested, sizeof tested);
    if (tests == 0 || validations == 0)
        snprintf(text, size, "%s", tests == 0 ? "validation" : "test");
    else
        snprintf(text, size, "validation (%s), test (%s)", validated, tested);
}

static void draw_chart(const struct comparison *comparison, const struct curves *none, enum quantity quantity,
                       const char *title, struct canvas *canvas, struct rect area)
{
    char names[COMPARE_MOST][COMPARE_NAME];
    struct curves_overlay overlays[COMPARE_MOST];
    struct curves_look look = {.quantity = quantity,
                               .cursor = NAN,
                               .overlays = overlays,
                               .overlay_count = comparison->count,
                               .title = title,
                               .y_label = quantity_unit(quantity),
                               .empty_text = "no step yet"};
    int drawn = 0, exploded = 0; /* a single one must not press the others flat: it leaves the plot */
    for (int i = 0; i < comparison->count; i++) {
        const struct compared *session = &comparison->sessions[i];
        compare_name(comparison, session, names[i]);
        overlays[i] = (struct curves_overlay){session->curves, names[i], tags[i], i};
        drawn += curves_last_step(session->curves) > 0;
        exploded += curves_want_log(session->curves, quantity);
        look.steps_total = fmax(look.steps_total, curves_last_step(session->curves));
    }
    look.log_axis = exploded > 0 && exploded == drawn;
    curves_draw(none, &look, canvas, area);
}

int compare_draw(const struct comparison *comparison, int scale, const struct theme *theme, struct canvas **out,
                 struct error *error)
{
    struct curves *none = NULL; /* all of them are overlays, none is the run itself */
    struct rect area;
    char marks[128], title[256];
    if (curves_create(EXPORT_SMOOTHING, &none, error))
        return -1;
    const int result = canvas_create_figure(COLUMNS, 2 * CHART_ROWS + 1, scale, theme, out, &area, error);
    if (result == 0) {
        area.rows = CHART_ROWS;
        say_marks(comparison, marks, sizeof marks);
        snprintf(title, sizeof title, "Loss \u00b7 lines: training, smoothed; marks: %s", marks);
        draw_chart(comparison, none, QUANTITY_LOSS, title, *out, area);
        area.row += CHART_ROWS + 1;
        snprintf(title, sizeof title, "Accuracy \u00b7 lines: training, smoothed; marks: %s", marks);
        draw_chart(comparison, none, QUANTITY_ACCURACY, title, *out, area);
    }
    curves_destroy(none);
    return result;
}
