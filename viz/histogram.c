/* See histogram.h. */
#include "viz/histogram.h"

#include <math.h>
#include <stdio.h>

/* ---- Bins ---- */

double bins_total(const struct bins *bins)
{
    double total = 0;
    for (int bin = 0; bin < bins->count; bin++)
        total += bins->number(bins->data, bin);
    return total;
}

double bins_quantile(const struct bins *bins, double part)
{
    double wanted = bins_total(bins) * part, sum = 0, value = NAN;
    for (int bin = 0; bin < bins->count; bin++) {
        double number = bins->number(bins->data, bin), low = bins->edge(bin), high = bins->edge(bin + 1);
        if (!(number > 0))
            continue;
        low = isfinite(low) ? low : high;
        high = isfinite(high) ? high : low;
        if (sum + number >= wanted)
            return low + (high - low) * (wanted - sum) / number;
        sum += number;
        value = high;
    }
    return value;
}

/* The part of a bin's width that lies in [low, high). */
static double overlap(double from, double to, double low, double high)
{
    if (!(to > low && from < high))
        return 0;
    if (!isfinite(from) || !isfinite(to)) /* all of it beyond its finite edge */
        return isfinite(from) ? from >= low : to <= high;
    return (fmin(to, high) - fmax(from, low)) / (to - from);
}

double bins_between(const struct bins *bins, double low, double high)
{
    double sum = 0;
    for (int bin = 0; bin < bins->count; bin++)
        sum += bins->number(bins->data, bin) * overlap(bins->edge(bin), bins->edge(bin + 1), low, high);
    return sum;
}

/* ---- Density, column by column ---- */

struct columns {
    const struct axes *axes;
    int first, count, width; /* in dots: where they begin, how many, how wide each */
    double greatest;         /* density at the top of the axis */
};

static double column_edge(const struct columns *columns, int column)
{
    return axis_value(&columns->axes->x, columns->first + (double)column * columns->width);
}

/* Goes over the bins and the columns together, so that it costs their sum. */
struct walk {
    const struct bins *bins;
    double total;
    int bin;
};

/* Share of all in a column over its width, in units of x or, on a logarithmic axis, in decades. */
static double density_of(struct walk *walk, const struct columns *columns, int column)
{
    const struct bins *bins = walk->bins;
    double low = column_edge(columns, column), high = column_edge(columns, column + 1), sum = 0;
    bool log = columns->axes->x.log;
    double width = log ? log10(high / low) : high - low;
    while (walk->bin < bins->count && bins->edge(walk->bin + 1) <= low)
        walk->bin++;
    for (int bin = walk->bin; bin < bins->count && bins->edge(bin) < high; bin++) {
        double from = bins->edge(bin), to = bins->edge(bin + 1);
        if (!isfinite(from) || !isfinite(to) || (log && from <= 0))
            continue;
        sum += bins->number(bins->data, bin) *
               (log ? overlap(log10(from), log10(to), log10(low), log10(high)) : overlap(from, to, low, high));
    }
    return walk->total > 0 ? sum / walk->total / width : 0;
}

static double normal_density(const struct histogram *histogram, double x)
{
    return exp(-0.5 * x * x / histogram->normal_variance) / sqrt(2 * M_PI * histogram->normal_variance);
}

static struct walk walk_of(const struct bins *bins)
{
    return (struct walk){bins, bins ? bins_total(bins) : 0, 0};
}

static double peak_of(const struct bins *bins, const struct columns *columns)
{
    struct walk walk = walk_of(bins);
    double greatest = 0;
    for (int column = 0; column < columns->count && walk.total > 0; column++)
        greatest = fmax(greatest, density_of(&walk, columns, column));
    return greatest;
}

/* The axis holds what it is about, now, and of the others so much that this is not pressed flat. */
static double greatest_density(const struct histogram *histogram, const struct columns *columns)
{
    const double most = 4;
    double now = peak_of(histogram->now, columns), start = peak_of(histogram->start, columns);
    double normal = histogram->normal_variance > 0 ? normal_density(histogram, 0) : 0;
    double others = fmax(start, normal);
    return now > 0 ? fmax(now, fmin(others, most * now)) : others;
}

/* ---- Drawing ---- */

static void draw_filled(struct canvas *canvas, const struct columns *columns, const struct bins *bins, enum role role)
{
    const struct axis *y = &columns->axes->y;
    struct walk walk = walk_of(bins);
    double least = canvas_has_pixels(canvas) ? 1 : canvas_dots(canvas).y * 0.125, bottom = y->origin + y->count;
    for (int column = 0; column < columns->count && walk.total > 0; column++) {
        double density = density_of(&walk, columns, column), x = columns->first + (double)column * columns->width;
        if (density > 0) /* the smallest count shows */
            canvas_bar(canvas, x, x + columns->width, bottom,
                       bottom - fmax(density / columns->greatest * y->count, least), STYLE(role));
    }
}

static void draw_outline(struct canvas *canvas, const struct columns *columns, const struct bins *bins,
                         struct style style)
{
    const struct axis *y = &columns->axes->y;
    struct walk walk = walk_of(bins);
    double last = y->origin + y->count - 0.5;
    canvas_path_begin(canvas, style, STROKE_SOLID, 1.5);
    for (int column = 0; column < columns->count && walk.total > 0; column++) {
        double density = density_of(&walk, columns, column), x = columns->first + (double)column * columns->width;
        double at = axis_dot(y, density);
        if (at != last)
            canvas_path_line(canvas, x, last, x, at);
        if (density > 0)
            canvas_path_line(canvas, x, at, x + columns->width, at);
        last = at;
    }
    canvas_path_end(canvas);
}

static void draw_normal(struct canvas *canvas, const struct histogram *histogram, const struct axes *axes)
{
    double run = 0, bottom = axes->y.origin + axes->y.count;
    canvas_line_begin(canvas, STYLE(ROLE_TEXT), STROKE_DASHED, 2);
    for (int dot = 0; dot + 1 < axes->x.count && histogram->normal_variance > 0; dot++) {
        double x0 = axes->x.origin + dot + 0.5, x1 = x0 + 1;
        double y0 = axis_dot(&axes->y, normal_density(histogram, axis_value(&axes->x, x0)));
        double y1 = axis_dot(&axes->y, normal_density(histogram, axis_value(&axes->x, x1)));
        if (fmin(y0, y1) > bottom - 1.2) /* lies on the axis */
            continue;
        canvas_line(canvas, x0, y0, x1, y1, STROKE_DASHED, &run);
    }
    canvas_path_end(canvas);
}

enum { LEAST_ROWS_FOR_WORDS = 5 };

/* How much lies beyond the axis. */
static void draw_beyond(struct canvas *canvas, const struct histogram *histogram, const struct axes *axes)
{
    double total = bins_total(histogram->now);
    /* the outermost bins, whose ends are not known, count as beyond wherever the axis ends */
    double low = fmax(histogram->low, histogram->now->edge(1));
    double high = fmin(histogram->high, histogram->now->edge(histogram->now->count - 1));
    double parts[2] = {bins_between(histogram->now, -INFINITY, low) / total,
                       bins_between(histogram->now, high, INFINITY) / total};
    for (int end = 0; end < 2; end++) {
        char text[48];
        if (!(parts[end] >= 5e-3))
            continue;
        const int bin = end ? histogram->now->count - 1 : 0, row = axes->plot.row;
        const bool far = histogram->now->number(histogram->now->data, bin) > 0.99 * parts[end] * total;
        if (far) /* in the outermost bin: nobody knows how far */
            snprintf(text, sizeof text, "%.1f%% %s %.3g", 100 * parts[end], end ? "above" : "below",
                     histogram->now->edge(end ? bin : 1));
        const bool words =
            far && text_columns(text) + 2 <= axes->plot.columns && axes->plot.rows >= LEAST_ROWS_FOR_WORDS;
        if (!words)
            snprintf(text, sizeof text, end ? "%.1f%% \u2192" : "\u2190 %.1f%%", 100 * parts[end]);
        if (!words && 3 * text_columns(text) > axes->plot.columns)
            continue;
        /* below the other end's words */
        const bool lower = words && end && parts[0] >= 5e-3 && 2 * text_columns(text) + 4 > axes->plot.columns;
        canvas_text(canvas, axes->plot.column + (end ? axes->plot.columns - text_columns(text) : 1), row + lower,
                    STYLE(ROLE_WARNING), text);
    }
}

static int fill_legend(const struct histogram *histogram, struct legend_entry legend[LEGEND_MAX])
{
    const struct legend_entry all[] = {
        {.style = STYLE(ROLE_SERIES_1), .sample = SAMPLE_BLOCK},
        {.style = STYLE(ROLE_SERIES_2), .sample = SAMPLE_LINE},
        {.style = STYLE(ROLE_TEXT), .sample = SAMPLE_LINE, .stroke = STROKE_DASHED},
        {.style = STYLE(ROLE_TEXT), .sample = SAMPLE_LINE, .stroke = STROKE_DASHED},
    };
    const char *const names[] = {histogram->now_name, histogram->start ? histogram->start_name : NULL,
                                 histogram->normal_variance > 0 ? histogram->normal_name : NULL,
                                 isfinite(histogram->mark.x) ? histogram->mark.name : NULL};
    int count = 0;
    for (int i = 0; i < 4 && !histogram->no_legend; i++) {
        if (!names[i])
            continue;
        legend[count] = all[i];
        snprintf(legend[count++].text, LEGEND_TEXT, "%s", names[i]);
    }
    return count;
}

static void draw_plot(struct canvas *canvas, const struct histogram *histogram, const struct columns *columns)
{
    const struct axes *axes = columns->axes;
    if (!(columns->greatest > 0)) {
        if (histogram->empty_text)
            axes_draw_empty(canvas, axes->plot, histogram->empty_text);
        return;
    }
    draw_filled(canvas, columns, histogram->now, ROLE_SERIES_1);
    if (histogram->start)
        draw_outline(canvas, columns, histogram->start, STYLE(ROLE_SERIES_2));
    draw_normal(canvas, histogram, axes);
    if (isfinite(histogram->mark.x) && histogram->mark.x >= histogram->low && histogram->mark.x <= histogram->high)
        axes_draw_upright(canvas, axes, axis_dot(&axes->x, histogram->mark.x), STYLE(ROLE_TEXT), true);
    draw_beyond(canvas, histogram, axes);
}

void histogram_draw(struct canvas *canvas, struct rect area, const struct histogram *histogram)
{
    struct legend_entry legend[LEGEND_MAX];
    struct axes axes = {.area = area,
                        .title = histogram->title,
                        .x_label = histogram->x_label,
                        .y_label = histogram->y_label,
                        .legend = legend,
                        .legend_count = fill_legend(histogram, legend),
                        .x.low = histogram->low,
                        .x.high = histogram->high,
                        .x.log = histogram->log_x,
                        .y.high = 1,
                        .y.flip = true};
    struct dot_grid dots = canvas_dots(canvas);
    axes_begin(canvas, &axes);
    axes_place(canvas, &axes); /* with any bounds of y: the columns tell them, and are nearly these */
    struct columns columns = {&axes, axes.x.origin, 0, canvas_has_pixels(canvas) ? 1 : dots.x, 0};
    columns.count = axes.x.count / columns.width;
    columns.greatest = greatest_density(histogram, &columns) * 1.05;
    if (columns.greatest > 0)
        axes.y.high = columns.greatest;
    axes.plot = (struct rect){0};
    axes_begin(canvas, &axes);
    axes_place(canvas, &axes);
    columns.first = axes.x.origin;
    columns.count = axes.x.count / columns.width;
    struct rect before = canvas_clip(canvas, area), visible = rect_intersect(before, area);
    canvas_clip(canvas, visible);
    axes_draw(canvas, &axes);
    if (axes.plot.columns > 0) {
        canvas_clip(canvas, rect_intersect(axes.plot, visible));
        axes_draw_grid(canvas, &axes);
        draw_plot(canvas, histogram, &columns);
    }
    canvas_clip(canvas, before);
}
