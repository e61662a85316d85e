/* How a probe's values are distributed, at one step and over the steps; see figure_signal.h. */
#include "tui/figure_signal.h"

#include "tui/figure_grid.h"
#include "viz/strip.h"

#include <math.h>
#include <stdio.h>

static const char no_probe[] = "no probe yet";

enum {
    ROOM_FOR_STEPS = 76,
    NAME_SIZE = 64,
    DISTRIBUTION_ASPECT = 3,
    STRIP_ASPECT = 4,
    LEAST_COLUMNS = 14,
    LEAST_ROWS = 5,
    SPARKLINE_COLUMNS = 128
};

/* ---- The logarithmic bins of a probe ---- */

static double value_bin_edge(int index)
{
    if (index <= 0)
        return -INFINITY;
    return index >= VALUE_BINS ? INFINITY : (double)value_edge(index);
}

static double value_bin_number(const void *data, int bin)
{
    return ((const uint32_t *)data)[bin];
}

/* Channels are few and above 0: bins of half an octave, what is smaller in the first, what is larger in the last. */
enum { VARIANCE_PARTS = 4, VARIANCE_FIRST = VALUE_MIDDLE + 1, VARIANCE_BINS = 2 + VALUE_SIDE / VARIANCE_PARTS };

static double variance_edge(int index)
{
    if (index <= 0)
        return -INFINITY;
    return index >= VARIANCE_BINS ? INFINITY : (double)value_edge(VARIANCE_FIRST + (index - 1) * VARIANCE_PARTS);
}

static double variance_number(const void *data, int bin)
{
    const uint32_t *counts = data;
    int first = bin == 0 ? 0 : VARIANCE_FIRST + (bin - 1) * VARIANCE_PARTS;
    int end = bin == 0 ? VARIANCE_FIRST : bin == VARIANCE_BINS - 1 ? VALUE_BINS : first + VARIANCE_PARTS;
    double sum = 0;
    for (int i = first; i < end; i++)
        sum += counts[i];
    return sum;
}

static struct bins bins_of(const struct probe *probe, int point, enum distribution of)
{
    const struct probe_point *at = &probe->points[point];
    if (of == DISTRIBUTION_VALUES)
        return (struct bins){value_bin_edge, value_bin_number, at->values, VALUE_BINS};
    return (struct bins){variance_edge, variance_number, at->variances, VARIANCE_BINS};
}

/* ---- The axis ---- */

struct range {
    double low, high;
    bool log;
};

enum { RANGE_TICKS = 6 };

/* About nearly all values, and three predicted deviations where these are of the same size. */
static struct range value_range(double low, double high, double predicted)
{
    double spread = 3.5 * sqrt(fmax(predicted, 0)), reach = fmax(fabs(low), fabs(high));
    struct range range = {low, high, false};
    if (!(low <= high)) { /* nothing to be about but the prediction */
        reach = spread > 0 && isfinite(spread) ? spread : 1;
        range = (struct range){-reach, reach, false};
    }
    if (spread < 4 * reach && isfinite(spread)) {
        range.low = fmin(range.low, -spread);
        range.high = fmax(range.high, spread);
    }
    ticks_round_linear(&range.low, &range.high, RANGE_TICKS);
    return range;
}

/* About all variances and the predicted one: from 0, or logarithmic where they span more than a decade and a half. */
static struct range variance_range(double low, double high, double predicted, bool log)
{
    const double least = 1.0 / 256; /* what is smaller lies in one bin */
    struct range range = {log ? least : 0, 1, log};
    if (low <= high && high > 0) {
        range.low = fmax(fmin(low, predicted > 0 ? predicted : low), least);
        range.high = fmax(high, predicted);
        range.log = log || range.high > 30 * range.low;
    }
    if (range.log) {
        ticks_round_log(&range.low, &range.high);
    } else {
        range.low = 0;
        ticks_round_linear(&range.low, &range.high, RANGE_TICKS);
    }
    return range;
}

static struct range range_of(enum distribution of, double low, double high, double predicted, bool log)
{
    return of == DISTRIBUTION_VALUES ? value_range(low, high, predicted) : variance_range(low, high, predicted, log);
}

/* Share of the values that the axis leaves out at each end. */
static double left_out(enum distribution of)
{
    return of == DISTRIBUTION_VALUES ? 2e-3 : 0;
}

/* The values that the axis is about: nearly all, but not those beyond the logarithmic bins, of which nobody knows how
 * far they reach. NAN where nearly all lie there. */
static void find_ends(const struct bins *bins, enum distribution of, double *low, double *high)
{
    const double least = 0.1, total = bins_total(bins), part = left_out(of);
    const double below = bins->number(bins->data, 0) / total;
    const double above = bins->number(bins->data, bins->count - 1) / total, inside = 1 - below - above;
    *low = bins_quantile(bins, part);
    *high = bins_quantile(bins, 1 - part);
    if (of != DISTRIBUTION_VALUES || !(below + above > part))
        return;
    *low = inside < least ? NAN : bins_quantile(bins, below + part * inside);
    *high = inside < least ? NAN : bins_quantile(bins, 1 - above - part * inside);
}

/* ---- At one step ---- */

static const char *axis_label(enum distribution of)
{
    return of == DISTRIBUTION_VALUES ? "activation" : "channel variance";
}

struct distribution_words {
    const char *title;
    bool axes; /* their titles and a legend */
    bool log;  /* the axis is logarithmic, whatever this one's data ask for */
};

static void name_step(char name[NAME_SIZE], const char *word, const struct probe *probe, bool brief)
{
    if (brief)
        snprintf(name, NAME_SIZE, "%s", word);
    else
        snprintf(name, NAME_SIZE, "%s (step %ld)", word, probe->step);
}

static struct range figure_range(const struct distribution_figure *figure, bool log)
{
    struct bins bins = bins_of(figure->now, figure->point, figure->of);
    double low, high;
    find_ends(&bins, figure->of, &low, &high);
    return range_of(figure->of, low, high, signal_predicted(figure->now, figure->point, SIGNAL_VARIANCE), log);
}

static void draw_distribution(struct canvas *canvas, struct rect area, const struct distribution_figure *figure,
                              const struct distribution_words *words)
{
    const struct probe *now = figure->now;
    bool start_shown = signal_start_differs(now, figure->start);
    struct bins bins = bins_of(now, figure->point, figure->of), start;
    double predicted = signal_predicted(now, figure->point, SIGNAL_VARIANCE);
    struct range range = figure_range(figure, words->log);
    char now_name[NAME_SIZE], start_name[NAME_SIZE];
    const bool brief = area.columns < ROOM_FOR_STEPS;
    name_step(now_name, start_shown ? "now" : "measured", now, brief);
    if (start_shown) {
        start = bins_of(figure->start, figure->point, figure->of);
        name_step(start_name, "start", figure->start, brief);
    }
    const struct histogram histogram = {.title = words->title,
                                        .x_label = words->axes ? axis_label(figure->of) : NULL,
                                        .y_label = !words->axes ? NULL
                                                   : range.log  ? "density (share a decade)"
                                                                : "density",
                                        .empty_text = "not measured",
                                        .now = &bins,
                                        .start = start_shown ? &start : NULL,
                                        .now_name = now_name,
                                        .start_name = start_name,
                                        .low = range.low,
                                        .high = range.high,
                                        .log_x = range.log,
                                        .no_legend = !words->axes,
                                        .mark = {figure->of == DISTRIBUTION_VARIANCES ? predicted : NAN, "predicted"},
                                        .normal_variance =
                                            figure->of == DISTRIBUTION_VALUES && predicted > 0 ? predicted : 0,
                                        .normal_name = brief ? "predicted" : "normal, predicted variance"};
    histogram_draw(canvas, area, &histogram);
}

void figure_distribution(struct canvas *canvas, struct rect area, const struct distribution_figure *figure)
{
    if (!figure->now || figure->point < 0 || figure->point >= figure->now->count) {
        grid_empty(canvas, area, figure->title, no_probe);
        return;
    }
    draw_distribution(canvas, area, figure, &(struct distribution_words){figure->title, true, false});
}

void figure_sparkline(struct canvas *canvas, struct rect area, const struct probe *probe, int point)
{
    struct bins bins = bins_of(probe, point, DISTRIBUTION_VALUES);
    double variance = signal_predicted(probe, point, SIGNAL_VARIANCE), numbers[SPARKLINE_COLUMNS], greatest = 0;
    int columns = area.columns < SPARKLINE_COLUMNS ? area.columns : SPARKLINE_COLUMNS;
    if (!isfinite(variance))
        variance = signal_value(probe, point, SIGNAL_VARIANCE);
    const double end = isfinite(variance) && variance > 0 ? 3 * sqrt(variance) : 3;
    for (int i = 0; i < columns; i++) {
        double from = i == 0 ? -INFINITY : end * (2.0 * i / columns - 1);
        double to = i == columns - 1 ? INFINITY : end * (2.0 * (i + 1) / columns - 1);
        numbers[i] = bins_between(&bins, from, to);
        greatest = fmax(greatest, numbers[i]);
    }
    for (int i = 0; i < columns; i++)
        if (numbers[i] > 0)
            canvas_bar_up(canvas, area.column + i, area.row + area.rows - 1, 1,
                          fmax(numbers[i] / greatest * area.rows, 1.0 / 8), STYLE(ROLE_SERIES_1));
    const double much = 0.05 * bins_total(&bins); /* else the bars at the ends would look like two peaks */
    if (columns > 0 && bins_between(&bins, -INFINITY, -end) > much)
        canvas_put(canvas, area.column, area.row + area.rows - 1, STYLE(ROLE_WARNING), 0x25C0);
    if (columns > 0 && bins_between(&bins, end, INFINITY) > much)
        canvas_put(canvas, area.column + columns - 1, area.row + area.rows - 1, STYLE(ROLE_WARNING), 0x25B6);
}

/* Small multiples: as many as have room, from the first on, or so that the selected one is among them. */
static struct grid points_grid(struct rect area, int points, int selected, double aspect, int *first)
{
    int most = (area.columns / LEAST_COLUMNS) * (area.rows / LEAST_ROWS), count = points;
    if (most < 1)
        most = 1;
    *first = 0;
    if (count > most) {
        count = most;
        *first = selected >= count ? (selected / count) * count : 0;
    }
    return grid_of(area, count, aspect);
}

static int grid_points(const struct grid *grid, int points, int first)
{
    int places = grid->across * grid->down;
    return points - first < places ? points - first : places;
}

/* What the axes of all plots are, under the title; returns what is left for the plots. */
static struct rect below_header(struct canvas *canvas, struct rect area, int rows, const char *axes)
{
    enum { ROOMY = 15 };
    if (rows > 0 && area.rows >= ROOMY) {
        canvas_text_cut(canvas, area.column, area.row + rows, area.columns, STYLE(ROLE_LABEL), axes);
        rows++;
    }
    rows += rows > 0;
    return (struct rect){area.column, area.row + rows, area.columns, area.rows - rows};
}

static int list_legend(const struct distributions_figure *figure, struct legend_entry legend[LEGEND_MAX])
{
    const bool start_shown = signal_start_differs(figure->now, figure->start);
    int count = 0;
    legend[count] = (struct legend_entry){.style = STYLE(ROLE_SERIES_1), .sample = SAMPLE_BLOCK};
    name_step(legend[count++].text, start_shown ? "now" : "measured", figure->now, false);
    if (isfinite(signal_predicted(figure->now, 0, SIGNAL_VARIANCE)))
        legend[count++] = (struct legend_entry){
            .text = "predicted", .style = STYLE(ROLE_TEXT), .sample = SAMPLE_LINE, .stroke = STROKE_DASHED};
    if (start_shown) {
        legend[count] = (struct legend_entry){.style = STYLE(ROLE_SERIES_2), .sample = SAMPLE_LINE};
        name_step(legend[count++].text, "start", figure->start, false);
    }
    return count;
}

void figure_distributions(struct canvas *canvas, struct rect area, const struct distributions_figure *figure)
{
    if (!figure->now) {
        grid_empty(canvas, area, figure->title, no_probe);
        return;
    }
    struct rect before = canvas_clip(canvas, area);
    canvas_clip(canvas, rect_intersect(before, area));
    struct legend_entry legend[LEGEND_MAX];
    int entries = list_legend(figure, legend);
    bool log = false; /* of all plots, where one of them asks for it */
    for (int p = 0; p < figure->now->count; p++)
        log = log || figure_range(&(struct distribution_figure){NULL, figure->now, NULL, p, figure->of}, false).log;
    int rows = axes_draw_header(canvas, area, figure->title, legend, entries), first;
    struct rect body = below_header(canvas, area, rows,
                                    figure->of == DISTRIBUTION_VALUES ? "density over the activation"
                                    : log ? "density (share a decade) over the channel variance, logarithmic"
                                          : "density over the channel variance");
    struct grid grid = points_grid(body, figure->now->count, figure->selected, DISTRIBUTION_ASPECT, &first);
    for (int i = 0; i < grid_points(&grid, figure->now->count, first); i++) {
        char name[NAME_SIZE], title[NAME_SIZE + 4];
        struct distribution_figure one = {NULL, figure->now, figure->start, first + i, figure->of};
        probe_point_name(first + i, name, sizeof name);
        snprintf(title, sizeof title, first + i == figure->selected ? "> %s" : "%s", name);
        draw_distribution(canvas, grid_cell(&grid, i), &one, &(struct distribution_words){title, false, log});
    }
    canvas_clip(canvas, before);
}

/* ---- Over the steps ---- */

static double strip_x(const void *data, int index)
{
    return (double)((const struct strip_figure *)data)->probes[index]->step;
}

static struct bins strip_bins(const void *data, int index)
{
    const struct strip_figure *figure = data;
    return bins_of(figure->probes[index], figure->point, figure->of);
}

/* The size that half of the measurements stay below, to an octave: without memory for all of them. */
enum { OCTAVES = 40, OCTAVE_OF_1 = 20 };

static double middle_size(const int octaves[OCTAVES], int counted)
{
    int octave = 0;
    for (int sum = octaves[0]; 2 * sum < counted && octave < OCTAVES - 1; sum += octaves[++octave])
        ;
    return ldexp(1, octave + 1 - OCTAVE_OF_1);
}

/* About nearly all that was ever measured, unless a few steps went far beyond the others: these stand at its ends. */
static struct range strip_range(const struct strip_figure *figure)
{
    double least = INFINITY, most = -INFINITY, part = left_out(figure->of), predicted = 0;
    int counted = 0, octaves[OCTAVES] = {0};
    for (int i = 0; i < figure->count; i++) {
        struct bins bins = strip_bins(figure, i);
        double low = bins_quantile(&bins, part), high = bins_quantile(&bins, 1 - part);
        double size = fmax(fabs(low), fabs(high));
        if (!isfinite(size))
            continue;
        least = fmin(least, low);
        most = fmax(most, high);
        octaves[(int)fmin(fmax(ilogb(fmax(size, 1e-9)) + OCTAVE_OF_1, 0), OCTAVES - 1)]++;
        counted++;
        predicted = figure->probes[i]->points[figure->point].predicted;
    }
    if (figure->of == DISTRIBUTION_VALUES && counted) {
        const double far = 3 * middle_size(octaves, counted);
        least = fmax(least, -far);
        most = fmin(most, far);
    }
    return range_of(figure->of, least, most, predicted, false);
}

static void draw_strip(struct canvas *canvas, struct rect area, const struct strip_figure *figure, const char *title,
                       bool words)
{
    struct range range = strip_range(figure);
    struct strip strip = {.title = title,
                          .x_label = words ? "step" : NULL,
                          .y_label = words ? axis_label(figure->of) : NULL,
                          .empty_text = figure->bare ? NULL : no_probe,
                          .count = figure->count,
                          .x = strip_x,
                          .bins = strip_bins,
                          .data = figure,
                          .low = range.low,
                          .high = range.high,
                          .log_y = range.log,
                          .map = COLORMAP_VIRIDIS,
                          .bare = figure->bare,
                          .no_scale = !words,
                          .cursor = figure->cursor};
    strip_draw(canvas, area, &strip);
}

void figure_strip(struct canvas *canvas, struct rect area, const struct strip_figure *figure)
{
    draw_strip(canvas, area, figure, figure->title, true);
}

void figure_strips(struct canvas *canvas, struct rect area, const struct strip_figure *figure)
{
    if (!figure->count) {
        grid_empty(canvas, area, figure->title, no_probe);
        return;
    }
    struct rect before = canvas_clip(canvas, area);
    canvas_clip(canvas, rect_intersect(before, area));
    int rows = axes_draw_header(canvas, area, figure->title, NULL, 0), points = figure->probes[0]->count, first;
    struct rect body =
        below_header(canvas, area, rows,
                     figure->of == DISTRIBUTION_VALUES ? "activation over the step" : "channel variance over the step");
    strip_draw_scale(canvas, area, figure->title, COLORMAP_VIRIDIS);
    struct grid grid = points_grid(body, points, figure->point, STRIP_ASPECT, &first);
    for (int i = 0; i < grid_points(&grid, points, first); i++) {
        char name[NAME_SIZE], title[NAME_SIZE + 4];
        struct strip_figure one = *figure;
        one.point = first + i;
        probe_point_name(first + i, name, sizeof name);
        snprintf(title, sizeof title, first + i == figure->point ? "> %s" : "%s", name);
        draw_strip(canvas, grid_cell(&grid, i), &one, title, false);
    }
    canvas_clip(canvas, before);
}
