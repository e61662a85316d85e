/* See figure_tune.h. */
#include "tui/figure_tune.h"

#include "base/line.h"
#include "tui/tune_results.h"
#include "viz/theme.h"
#include "viz/value_map.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 24, TITLE = 160, GAP = 3, BARS_MOST = 50, BAR_COLUMNS = 40 };

/* What all maps of a picture share. */
struct shown_tune {
    const struct tune *tune;
    const struct tune_watch *watch;
    double low, high;
    int best;
};

struct map_data {
    struct value_map map;
    struct value_cell *cells;
    char (*texts)[TEXT], (*subs)[TEXT];
    const char *row_names[TUNE_VALUES], *column_names[TUNE_VALUES];
    char title[TITLE];
};

static double percent_of(const struct tune_status *status)
{
    return status->best >= 0 ? 100 * (double)status->best : (double)NAN;
}

static struct shown_tune take_look(const struct tune *tune, const struct tune_watch *watch)
{
    struct shown_tune look = {tune, watch, INFINITY, -INFINITY, tune_watch_best(watch)};
    for (int i = 0; i < tune->count; i++) {
        const struct tune_status *status = tune_watch_status(watch, i);
        if (status->best < 0 || status->state == TUNE_DIVERGED)
            continue;
        look.low = fmin(look.low, percent_of(status));
        look.high = fmax(look.high, percent_of(status));
    }
    if (!isfinite(look.low))
        look.low = look.high = 0;
    return look;
}

/* ---- A grid ---- */

static int values_of(const struct tune *tune, int axis)
{
    return axis < tune->axis_count ? tune->axes[axis].count : 1;
}

static int maps_of(const struct tune *tune)
{
    int count = 1;
    for (int a = 2; a < tune->axis_count; a++)
        count *= tune->axes[a].count;
    return count;
}

static void fill_cell(const struct shown_tune *look, int trial, struct value_cell *cell, char text[TEXT],
                      char sub[TEXT])
{
    const struct tune_status *status = tune_watch_status(look->watch, trial);
    *cell = (struct value_cell){.value = percent_of(status), .text = text, .marked = trial == look->best};
    cell->crossed = tune_state_is_ill(status->state);
    if (status->state == TUNE_DIVERGED)
        snprintf(text, TEXT, status->diverged_step > 0 ? "diverged" : "exploded");
    else if (status->best >= 0)
        snprintf(text, TEXT, "%.2f", cell->value);
    else
        snprintf(text, TEXT, "%s", tune_state_name(status->state));
    if (status->state == TUNE_DIVERGED)
        snprintf(sub, TEXT, status->diverged_step > 0 ? "at step %ld" : "by step %ld",
                 status->diverged_step > 0 ? status->diverged_step : status->step);
    else if (status->state == TUNE_DROPPED)
        snprintf(sub, TEXT, "dropped at %d", status->epoch);
    else if (status->best >= 0)
        snprintf(sub, TEXT, "epoch %d", status->best_epoch);
    cell->sub = *sub ? sub : NULL;
}

/* The axes beyond the second, whose values this map is of: the last turns fastest, as in the trials. */
static void title_map(const struct tune *tune, int number, char title[TITLE])
{
    struct line line = line_begin(title, TITLE);
    for (int a = 2; a < tune->axis_count; a++) /* the number is that of its first trial, too */
        line_add(&line, "%s%s %s", a > 2 ? ", " : "", tune->axes[a].row->name, tune->trials[number].values[a]);
}

static void free_map(struct map_data *data)
{
    free(data->cells);
    free(data->texts);
    free(data->subs);
}

static int make_map(const struct shown_tune *look, int number, struct map_data *data, struct error *error)
{
    const struct tune *tune = look->tune;
    const int rows = values_of(tune, 0), columns = values_of(tune, 1), maps = maps_of(tune);
    const size_t count = (size_t)rows * (size_t)columns;
    data->cells = calloc(count, sizeof *data->cells);
    data->texts = calloc(count, sizeof *data->texts);
    data->subs = calloc(count, sizeof *data->subs);
    if (!data->cells || !data->texts || !data->subs)
        return error_set(error, "out of memory");
    for (int i = 0; i < rows * columns; i++)
        fill_cell(look, i * maps + number, &data->cells[i], data->texts[i], data->subs[i]);
    for (int y = 0; y < rows && tune->axis_count > 0; y++)
        data->row_names[y] = tune->axes[0].values[y];
    for (int x = 0; x < columns && tune->axis_count > 1; x++)
        data->column_names[x] = tune->axes[1].values[x];
    title_map(tune, number, data->title);
    data->map = (struct value_map){.title = *data->title ? data->title : NULL,
                                   .cells = data->cells,
                                   .rows = rows,
                                   .columns = columns,
                                   .row_names = tune->axis_count > 0 ? data->row_names : NULL,
                                   .column_names = tune->axis_count > 1 ? data->column_names : NULL,
                                   .row_label = tune->axis_count > 0 ? tune->axes[0].row->name : NULL,
                                   .column_label = tune->axis_count > 1 ? tune->axes[1].row->name : NULL,
                                   .low = look->low,
                                   .high = look->high,
                                   .map = COLORMAP_VIRIDIS};
    return 0;
}

static void title_all(const struct shown_tune *look, char title[TITLE])
{
    struct line line = line_begin(title, TITLE);
    line_add(&line, "%s: highest %s, in percent", look->tune->name, tune_metric(look->tune));
    if (look->tune->random && look->tune->count > BARS_MOST)
        line_add(&line, "; the best %d of %d", BARS_MOST, look->tune->count);
}

static void draw_head(struct canvas *canvas, struct rect inside, const struct shown_tune *look)
{
    char title[TITLE];
    title_all(look, title);
    canvas_text_cut(canvas, inside.column, inside.row, inside.columns, STYLE(ROLE_TITLE, STYLE_BOLD), title);
}

static void draw_scale(struct canvas *canvas, struct rect inside, const struct shown_tune *look)
{
    char low[TEXT], high[TEXT];
    snprintf(low, sizeof low, "%.2f", look->low);
    snprintf(high, sizeof high, "%.2f", look->high);
    value_scale_draw(canvas, (struct rect){inside.column, inside.row + inside.rows - 1, inside.columns, 1},
                     COLORMAP_VIRIDIS, low, high);
}

static int head_columns(const struct shown_tune *look)
{
    char title[TITLE];
    title_all(look, title);
    return text_columns(title);
}

static int draw_grid(const struct shown_tune *look, struct map_data *maps, int count, int scale, struct canvas **out,
                     struct error *error)
{
    int width = 0, height = 0, across = (int)ceil(sqrt((double)count));
    for (int i = 0; i < count; i++) {
        int columns, rows;
        value_map_size(&maps[i].map, &columns, &rows);
        width = columns > width ? columns : width;
        height = rows > height ? rows : height;
    }
    const int down = (count + across - 1) / across;
    const int columns = across * (width + GAP) - GAP, least = head_columns(look);
    struct rect inside;
    if (canvas_create_figure(columns > least ? columns : least, 2 + down * (height + 1) + 1, scale, theme_find("light"),
                             out, &inside, error) != 0)
        return -1;
    draw_head(*out, inside, look);
    draw_scale(*out, inside, look);
    for (int i = 0; i < count; i++)
        value_map_draw(*out,
                       (struct rect){inside.column + i % across * (width + GAP),
                                     inside.row + 2 + i / across * (height + 1), width, height},
                       &maps[i].map);
    return 0;
}

static int figure_grid(const struct shown_tune *look, int scale, struct canvas **out, struct error *error)
{
    const int count = maps_of(look->tune);
    struct map_data *maps = calloc((size_t)(count > 0 ? count : 1), sizeof *maps);
    int result = maps ? 0 : error_set(error, "out of memory");
    for (int i = 0; i < count && result == 0; i++)
        result = make_map(look, i, &maps[i], error);
    if (result == 0)
        result = draw_grid(look, maps, count, scale, out, error);
    for (int i = 0; maps && i < count; i++)
        free_map(&maps[i]);
    free(maps);
    return result;
}

/* ---- Bars ---- */

/* Its length alone says how good a trial is: from 0, the best one's to the end. The figures stand in a column. */
static void draw_bar(struct canvas *canvas, struct rect inside, int row, int names, const struct shown_tune *look,
                     int trial)
{
    const struct tune_status *status = tune_watch_status(look->watch, trial);
    const bool good = status->best >= 0 && status->state != TUNE_DIVERGED;
    const double part = good && look->high > 0 ? percent_of(status) / look->high : 0;
    const struct dot_grid dots = canvas_dots(canvas);
    const int left = inside.column + names + 2;
    char words[TITLE], text[TITLE];
    tune_trial_words(look->tune, trial, words, sizeof words);
    canvas_text_cut(canvas, inside.column, row, names, STYLE(ROLE_TEXT), words);
    if (part > 0)
        canvas_bar(canvas, left * dots.x, (left + part * BAR_COLUMNS) * dots.x, (row + 0.9) * dots.y,
                   (row + 0.1) * dots.y, STYLE(trial == look->best ? ROLE_GOOD : ROLE_SERIES_1));
    if (good)
        snprintf(text, sizeof text, "%6.2f%s", percent_of(status),
                 status->state == TUNE_DROPPED ? ", dropped"
                 : trial == look->best         ? ", best"
                                               : "");
    else
        snprintf(text, sizeof text, "%s", tune_state_name(status->state));
    canvas_text(canvas, left + BAR_COLUMNS + 1, row,
                STYLE(good ? ROLE_TEXT : ROLE_BAD, trial == look->best ? STYLE_BOLD : 0), text);
}

static int figure_bars(const struct shown_tune *look, int scale, struct canvas **out, struct error *error)
{
    const struct tune *tune = look->tune;
    const int shown = tune->count < BARS_MOST ? tune->count : BARS_MOST;
    int names = 0, *order = calloc((size_t)(tune->count > 0 ? tune->count : 1), sizeof *order);
    struct rect inside;
    if (!order)
        return error_set(error, "out of memory");
    tune_watch_rank(look->watch, order);
    for (int i = 0; i < shown; i++) {
        char words[TITLE];
        tune_trial_words(tune, order[i], words, sizeof words);
        names = text_columns(words) > names ? text_columns(words) : names;
    }
    const int columns = names + BAR_COLUMNS + 20, least = head_columns(look);
    const int result = canvas_create_figure(columns > least ? columns : least, 2 + shown, scale, theme_find("light"),
                                            out, &inside, error);
    if (result == 0) {
        draw_head(*out, inside, look);
        for (int i = 0; i < shown; i++)
            draw_bar(*out, inside, inside.row + 2 + i, names, look, order[i]);
    }
    free(order);
    return result;
}

int figure_tune(const struct tune *tune, const struct tune_watch *watch, int scale, struct canvas **out,
                struct error *error)
{
    const struct shown_tune look = take_look(tune, watch);
    return tune->random ? figure_bars(&look, scale, out, error) : figure_grid(&look, scale, out, error);
}
