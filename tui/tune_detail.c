/* See tune_detail.h. */
#include "tui/tune_detail.h"

#include "base/line.h"
#include "tui/tune_columns.h"
#include "tui/tune_results.h"
#include "tui/words.h"
#include "viz/chart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 256, FEW_EPOCHS = 20 };

/* ---- Curves ---- */

static struct series *make_series(const struct tune_view *view, int trial)
{
    const struct tune_status *status = tune_watch_status(view->watch, trial);
    struct series *series;
    if (series_create(0, &series, NULL) != 0)
        return NULL;
    for (int e = 1; e <= status->epoch; e++) {
        const struct tune_trial *of = &view->tune->trials[trial];
        const float value = view->losses ? tune_status_loss(status, of, e) : tune_status_accuracy(status, of, e);
        if (value >= 0 && series_append(series, e, value, NULL) != 0)
            break;
    }
    return series;
}

/* The marked one last, so that it lies over the others. */
static int fill(const struct tune_view *view, struct chart_series *out, char name[WORDS])
{
    const int best = tune_watch_best(view->watch);
    int count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < view->tune->count; i++) {
            const int epoch = tune_watch_status(view->watch, i)->epoch;
            const bool marked = i == view->marked;
            struct series *series = epoch > 0 && marked == (pass == 1) ? make_series(view, i) : NULL;
            if (!series)
                continue;
            out[count++] =
                (struct chart_series){.series = series,
                                      .role = marked      ? ROLE_ACCENT
                                              : i == best ? ROLE_GOOD
                                                          : ROLE_DIM,
                                      .name = marked      ? name
                                              : i == best ? "the best"
                                                          : NULL,
                                      .kind = view->tune->trials[i].epochs <= FEW_EPOCHS ? CHART_POINTS : CHART_LINE,
                                      .marker = MARKER_CIRCLE,
                                      .behind = !marked};
        }
    return count;
}

static double longest(const struct tune_view *view)
{
    int last = 0, limit = 0;
    for (int i = 0; i < view->tune->count; i++) {
        const int epoch = tune_watch_status(view->watch, i)->epoch;
        last = epoch > last ? epoch : last;
        limit = view->tune->trials[i].epochs > limit ? view->tune->trials[i].epochs : limit;
    }
    return limit <= FEW_EPOCHS ? limit : chart_hold_domain(0, last, limit);
}

void tune_draw_curves(struct canvas *canvas, struct rect area, const struct tune_view *view)
{
    struct chart_series *series = calloc((size_t)view->tune->count, sizeof *series);
    char name[WORDS];
    struct chart chart = chart_init();
    if (!series)
        return;
    tune_trial_words(view->tune, view->marked, name, sizeof name);
    if (!*name)
        snprintf(name, sizeof name, "%s", view->tune->trials[view->marked].session);
    chart.series = series;
    chart.series_count = fill(view, series, name);
    chart.title = view->losses ? "training loss" : tune_metric(view->tune);
    chart.x_label = "epoch";
    chart.empty_text = "curves begin behind the first epoch";
    chart.x_min = 1;
    chart.x_max = longest(view);
    chart.format = view->losses ? CHART_NUMBER : CHART_PERCENT;
    if (chart.x_max <= chart.x_min)
        chart.x_min = 0;
    chart_draw(canvas, area, &chart);
    for (int i = 0; i < chart.series_count; i++)
        series_destroy((struct series *)series[i].series);
    free(series);
}

/* ---- The marked trial ---- */

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

/* A row of a trial that failed has no figures: its reason stands there. */
static void write_figures(const struct tune_view *view, int width, char *text, size_t size)
{
    const struct tune_trial *trial = &view->tune->trials[view->marked];
    const struct tune_row row = {view->tune, trial, tune_watch_status(view->watch, view->marked)};
    const struct tune_width fit = tune_fit_columns(view->tune, width);
    const bool ill = tune_state_is_ill(row.status->state);
    const struct tune_column *column;
    struct line line = line_begin(text, size);
    for (int c = ill ? 0 : fit.count; (column = tune_column(view->tune, c)); c++) {
        char cell[TUNE_CELL];
        column->write(&row, cell);
        if (strcmp(cell, "-") != 0)
            line_add(&line, "%s%s %s", line.used > 0 ? ", " : "", column->title, cell);
    }
    if (ill || !fit.session)
        line_add(&line, "%s%s", line.used > 0 ? ", " : "", trial->session);
}

static void write_more(const struct tune_view *view, const struct tune_status *status, char *text, size_t size)
{
    char reference[FILE_PATH_SIZE];
    tune_trial_reference(view->tune, view->marked, reference, sizeof reference);
    if (*status->why && tune_state_is_ill(status->state))
        snprintf(text, size, "%s", status->why);
    else if (status->state == TUNE_TRAINING)
        snprintf(text, size, "In another shell: nfbench attach %s", reference);
    else if (status->begun)
        snprintf(text, size, "nfbench sessions show %s", reference);
    else
        snprintf(text, size, "not begun yet");
}

void tune_draw_detail(struct canvas *canvas, struct rect area, const struct tune_view *view)
{
    const struct tune_status *status = tune_watch_status(view->watch, view->marked);
    char text[FILE_PATH_SIZE + METRICS_MESSAGE_SIZE];
    write_figures(view, canvas_area(canvas).columns, text, sizeof text);
    const int wrapped = words_wrapped_lines(text, area.columns), lines = wrapped < 2 ? wrapped : 2;
    struct rect at = {area.column, area.row, area.columns, lines < area.rows ? lines : area.rows};
    draw_wrapped(canvas, at, STYLE(ROLE_TEXT), text);
    write_more(view, status, text, sizeof text);
    at = (struct rect){area.column, area.row + lines, area.columns, area.rows - lines};
    draw_wrapped(canvas, at, STYLE(tune_state_is_ill(status->state) ? ROLE_BAD : ROLE_DIM), text);
}
