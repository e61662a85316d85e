/* See histogram.h. */
#include "viz/histogram.h"
#include "viz/ticks.h"

#include <math.h>
#include <stdio.h>

void histogram_count(const float *values, size_t count, double *counts, int bins, double *low, double *high,
                     size_t *non_finite)
{
    double least = INFINITY, greatest = -INFINITY;
    *non_finite = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            ++*non_finite;
            continue;
        }
        least = fmin(least, values[i]);
        greatest = fmax(greatest, values[i]);
    }
    if (!(least <= greatest))
        least = 0, greatest = 1;
    if (least == greatest) /* all alike: one bin in the middle */
        least -= fmax(0.5, fabs(least) * 0.5), greatest += fmax(0.5, fabs(greatest) * 0.5);
    for (int bin = 0; bin < bins; bin++)
        counts[bin] = 0;
    for (size_t i = 0; i < count; i++) {
        int bin = isfinite(values[i]) ? (int)((values[i] - least) / (greatest - least) * bins) : -1;
        if (bin >= 0)
            counts[bin < bins ? bin : bins - 1]++;
    }
    *low = least;
    *high = greatest;
}

/* The bins that stand in columns [column, column + 1) of `columns`. */
static double column_count(const struct histogram *histogram, int column, int columns)
{
    int from = (int)((long)column * histogram->bins / columns);
    int to = (int)((long)(column + 1) * histogram->bins / columns);
    double sum = 0;
    for (int bin = from; bin < (to > from ? to : from + 1); bin++)
        sum += histogram->counts[bin];
    return histogram->log_counts ? log1p(sum) : sum;
}

static void draw_labels(struct canvas *canvas, struct rect area, const struct histogram *histogram)
{
    char low[TICK_LABEL], high[TICK_LABEL];
    int row = area.row + area.rows - 1;
    tick_format(histogram->low, low);
    tick_format(histogram->high, high);
    canvas_text(canvas, area.column, row, STYLE(ROLE_LABEL), low);
    canvas_text(canvas, area.column + area.columns - text_columns(high), row, STYLE(ROLE_LABEL), high);
    if (histogram->non_finite) {
        char text[48];
        snprintf(text, sizeof text, "%zu not finite", histogram->non_finite);
        canvas_text(canvas, area.column + (area.columns - text_columns(text)) / 2, row, STYLE(ROLE_BAD), text);
    }
}

void histogram_draw(struct canvas *canvas, struct rect area, const struct histogram *histogram)
{
    struct rect plot = area, before = canvas_clip(canvas, area);
    canvas_clip(canvas, rect_intersect(before, area));
    if (histogram->title && plot.rows > 2) {
        canvas_text_cut(canvas, area.column, area.row, area.columns, STYLE(ROLE_TITLE), histogram->title);
        plot.row++;
        plot.rows--;
    }
    if (plot.rows > 1 && plot.columns > 8) {
        draw_labels(canvas, area, histogram);
        plot.rows--;
    }
    int width = histogram->bins < 1 ? 1 : plot.columns / histogram->bins > 1 ? plot.columns / histogram->bins : 1;
    int columns = histogram->bins < plot.columns ? histogram->bins : plot.columns;
    double most = 0;
    for (int column = 0; column < columns; column++)
        most = fmax(most, column_count(histogram, column, columns));
    for (int column = 0; column < columns && most > 0; column++) {
        double length = column_count(histogram, column, columns) / most * plot.rows;
        if (length > 0) /* the smallest count shows */
            canvas_bar_up(canvas, plot.column + column * width, plot.row + plot.rows - 1, width, fmax(length, 0.125),
                          STYLE(histogram->role));
    }
    canvas_clip(canvas, before);
}
