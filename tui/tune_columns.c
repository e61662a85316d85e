/* See tune_columns.h. */
#include "tui/tune_columns.h"

#include "base/digits.h"
#include "tui/words.h"
#include "viz/canvas.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void write_rung(const struct tune_row *row, char text[TUNE_CELL])
{
    snprintf(text, TUNE_CELL, "%d/%d", row->status->rung, row->tune->rung_count);
}

static void write_epoch(const struct tune_row *row, char text[TUNE_CELL])
{
    snprintf(text, TUNE_CELL, "%d/%d", row->status->epoch, row->trial->epochs);
}

static void write_loss(const struct tune_row *row, char text[TUNE_CELL])
{
    const float loss = tune_status_newest_loss(row->status, row->trial);
    if (isnan(loss))
        snprintf(text, TUNE_CELL, "-");
    else
        digits_loss((double)loss, text, TUNE_CELL);
}

static void write_percent(float accuracy, char text[TUNE_CELL])
{
    if (accuracy < 0)
        snprintf(text, TUNE_CELL, "-");
    else
        snprintf(text, TUNE_CELL, "%.2f", 100 * (double)accuracy);
}

static void write_accuracy(const struct tune_row *row, char text[TUNE_CELL])
{
    write_percent(row->status->accuracy, text);
}

static void write_best(const struct tune_row *row, char text[TUNE_CELL])
{
    write_percent(row->status->best, text);
}

static void write_speed(const struct tune_row *row, char text[TUNE_CELL])
{
    const bool training = row->status->state == TUNE_TRAINING;
    const double speed = training ? row->status->images_per_second : row->status->median_speed;
    if (speed > 0)
        words_count(speed, text, TUNE_CELL);
    else
        snprintf(text, TUNE_CELL, "-");
}

static void write_left(const struct tune_row *row, char text[TUNE_CELL])
{
    if (row->status->state == TUNE_TRAINING && row->status->left >= 0)
        words_duration(row->status->left, text, TUNE_CELL);
    else
        snprintf(text, TUNE_CELL, "-");
}

static void write_time(const struct tune_row *row, char text[TUNE_CELL])
{
    if (row->status->step > 0)
        words_duration(row->status->seconds, text, TUNE_CELL);
    else
        snprintf(text, TUNE_CELL, "-");
}

static const struct tune_column columns[] = {
    {"rung", 6, write_rung}, {"best %", 8, write_best}, {"now %", 8, write_accuracy}, {"epoch", 8, write_epoch},
    {"loss", 9, write_loss}, {"img/s", 8, write_speed}, {"to go", 8, write_left},     {"trained", 9, write_time}};

enum { COLUMNS = sizeof columns / sizeof *columns };

const struct tune_column *tune_column(const struct tune *tune, int index)
{
    index += tune->rung_count < 2; /* without a halving there are no rungs */
    return index < COLUMNS ? &columns[index] : NULL;
}

int tune_value_columns(const struct tune *tune, int axis)
{
    int most = text_columns(tune->axes[axis].row->name);
    for (int i = 0; i < tune->count; i++) {
        const int columns_of = text_columns(tune->trials[i].values[axis]);
        most = columns_of > most ? columns_of : most;
    }
    return (most < TUNE_VALUE_MOST ? most : TUNE_VALUE_MOST) + 2;
}

int tune_state_column(const struct tune *tune)
{
    int column = TUNE_MARK_COLUMNS;
    for (int a = 0; a < tune->axis_count; a++)
        column += tune_value_columns(tune, a);
    return column + 2;
}

struct tune_width tune_fit_columns(const struct tune *tune, int width)
{
    struct tune_width fit = {.used = tune_state_column(tune) + TUNE_STATE_COLUMNS};
    const struct tune_column *column;
    for (; (column = tune_column(tune, fit.count)) && fit.used + column->columns < width; fit.count++)
        fit.used += column->columns;
    fit.session = width - fit.used > TUNE_SESSION_LEAST;
    return fit;
}
