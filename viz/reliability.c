/* See reliability.h. Two plots of one x axis; the lower one is placed so that both begin at the same column. */
#include "viz/reliability.h"

#include "viz/axes.h"

#include <math.h>
#include <stdio.h>

enum { UPPER_ROWS = 30, LOWER_ROWS = 14, COLUMNS = 66, LEAST_ROWS = 24, X_TICKS = 6 };

/* Of a bin's width, on both sides of a bar. What accuracy and confidence differ by is narrower than the accuracy's bar:
 * where it lies over that one, its top is still to be seen. */
static const double bar_gap = 0.04, difference_gap = 0.27;

static struct style accuracy_style(void)
{
    return STYLE(ROLE_SERIES_1);
}

static struct style gap_style(bool over)
{
    return over ? STYLE(ROLE_BAD, STYLE_FAINT) : STYLE(ROLE_SERIES_3, STYLE_FAINT);
}

static void percent_ticks(struct axis *axis)
{
    axis->low = 0;
    axis->high = 1;
    axis->ticks.count = X_TICKS;
    for (int i = 0; i < X_TICKS; i++) {
        axis->ticks.tick[i].value = i / (double)(X_TICKS - 1);
        snprintf(axis->ticks.tick[i].label, TICK_LABEL, "%d%%", 100 * i / (X_TICKS - 1));
    }
}

static void draw_bar(struct canvas *canvas, const struct axes *axes, const struct reliability_bin *bin, double share,
                     double from, double to, struct style style)
{
    const double gap = share * (bin->high - bin->low);
    canvas_bar(canvas, axis_dot(&axes->x, bin->low + gap), axis_dot(&axes->x, bin->high - gap),
               axis_dot(&axes->y, from) + 0.5, axis_dot(&axes->y, to) + 0.5, style);
}

/* ---- Accuracy over confidence ---- */

static int fill_gap_legend(const struct reliability *reliability, struct legend_entry legend[LEGEND_MAX])
{
    bool over = false, under = false;
    int count = 0;
    for (int i = 0; i < reliability->bin_count; i++) {
        const struct reliability_bin *bin = &reliability->bins[i];
        over = over || (bin->count > 0 && bin->confidence > bin->accuracy);
        under = under || (bin->count > 0 && bin->confidence < bin->accuracy);
    }
    legend[count++] = (struct legend_entry){"accuracy", accuracy_style(), SAMPLE_BLOCK, STROKE_SOLID, MARKER_CIRCLE};
    if (over)
        legend[count++] = (struct legend_entry){"overconfident", gap_style(true), SAMPLE_BLOCK, STROKE_SOLID, 0};
    if (under)
        legend[count++] = (struct legend_entry){"underconfident", gap_style(false), SAMPLE_BLOCK, STROKE_SOLID, 0};
    return count;
}

static void draw_diagonal(struct canvas *canvas, const struct axes *axes)
{
    double run = 0;
    const struct style style = STYLE(ROLE_TEXT);
    canvas_line_begin(canvas, style, STROKE_DASHED, 1);
    canvas_line(canvas, axis_dot(&axes->x, 0), axis_dot(&axes->y, 0), axis_dot(&axes->x, 1), axis_dot(&axes->y, 1),
                STROKE_DASHED, &run);
    canvas_path_end(canvas);
}

static struct rect draw_accuracy(struct canvas *canvas, struct rect area, const struct reliability *reliability)
{
    struct legend_entry legend[LEGEND_MAX];
    struct axes axes = {.area = area,
                        .y_label = "accuracy",
                        .legend = legend,
                        .legend_count = fill_gap_legend(reliability, legend),
                        .percent = true,
                        .own_ticks_x = true,
                        .y.high = 1,
                        .y.flip = true};
    percent_ticks(&axes.x);
    axes_begin(canvas, &axes);
    axes_place(canvas, &axes);
    axes_draw(canvas, &axes);
    if (axes.plot.columns < 1)
        return axes.plot;
    axes_draw_grid(canvas, &axes);
    for (int i = 0; i < reliability->bin_count; i++) {
        const struct reliability_bin *bin = &reliability->bins[i];
        if (bin->count == 0)
            continue;
        draw_bar(canvas, &axes, bin, bar_gap, 0, bin->accuracy, accuracy_style());
        draw_bar(canvas, &axes, bin, difference_gap, fmin(bin->accuracy, bin->confidence),
                 fmax(bin->accuracy, bin->confidence), gap_style(bin->confidence > bin->accuracy));
    }
    draw_diagonal(canvas, &axes);
    return axes.plot;
}

/* ---- How many answers ---- */

static void draw_mean(struct canvas *canvas, const struct axes *axes, double value, struct style style, bool dashed)
{
    double run = 0;
    const double x = axis_dot(&axes->x, value);
    const enum stroke stroke = dashed ? STROKE_DASHED : STROKE_SOLID;
    canvas_line_begin(canvas, style, stroke, 2);
    canvas_line(canvas, x, axes->y.origin, x, axes->y.origin + axes->y.count, stroke, &run);
    canvas_path_end(canvas);
}

static void draw_counts(struct canvas *canvas, struct rect area, int first_column,
                        const struct reliability *reliability)
{
    double total = 0, most = 0;
    for (int i = 0; i < reliability->bin_count; i++) {
        total += (double)reliability->bins[i].count;
        most = fmax(most, (double)reliability->bins[i].count);
    }
    struct legend_entry legend[2] = {{.style = STYLE(ROLE_TEXT), .sample = SAMPLE_LINE},
                                     {.style = STYLE(ROLE_BAD), .sample = SAMPLE_LINE, .stroke = STROKE_DASHED}};
    snprintf(legend[0].text, LEGEND_TEXT, "accuracy %.1f %%", 100 * reliability->accuracy);
    snprintf(legend[1].text, LEGEND_TEXT, "mean confidence %.1f %%", 100 * reliability->confidence);
    struct axes axes = {.area = area,
                        .x_label = "confidence",
                        .y_label = "share of the images",
                        .legend = legend,
                        .legend_count = total > 0 ? 2 : 0,
                        .percent = true,
                        .own_ticks_x = true,
                        .y.high = 1,
                        .y.flip = true};
    percent_ticks(&axes.x);
    axes_begin(canvas, &axes);
    if (total > 0) {
        axes.y.high = most / total;
        ticks_round_linear(&axes.y.low, &axes.y.high, axes_y_ticks(&axes));
    }
    axes_place(canvas, &axes);
    if (axes.plot.columns > 0 && axes.plot.column < first_column) {
        const int missing = first_column - axes.plot.column;
        axes.area.column += missing;
        axes.area.columns -= missing;
        axes_begin(canvas, &axes);
        axes_place(canvas, &axes);
    }
    axes_draw(canvas, &axes);
    if (axes.plot.columns < 1 || total <= 0)
        return;
    axes_draw_grid(canvas, &axes);
    for (int i = 0; i < reliability->bin_count; i++)
        if (reliability->bins[i].count > 0)
            draw_bar(canvas, &axes, &reliability->bins[i], bar_gap, 0, (double)reliability->bins[i].count / total,
                     STYLE(ROLE_SERIES_1, STYLE_FAINT));
    draw_mean(canvas, &axes, reliability->accuracy, STYLE(ROLE_TEXT), false);
    draw_mean(canvas, &axes, reliability->confidence, STYLE(ROLE_BAD), true);
}

/* ---- Both ---- */

static int draw_head(struct canvas *canvas, struct rect area, const struct reliability *reliability)
{
    int row = area.row;
    if (reliability->title)
        canvas_text_cut(canvas, area.column, row++, area.columns, STYLE(ROLE_TITLE), reliability->title);
    for (int i = 0; i < RELIABILITY_NOTES; i++)
        if (reliability->notes[i])
            canvas_text_cut(canvas, area.column, row++, area.columns, STYLE(ROLE_DIM), reliability->notes[i]);
    return row - area.row + (row > area.row);
}

void reliability_draw(struct canvas *canvas, struct rect area, const struct reliability *reliability)
{
    const struct rect before = canvas_clip(canvas, area);
    canvas_clip(canvas, rect_intersect(before, area));
    if (area.rows > LEAST_ROWS) {
        const int head = draw_head(canvas, area, reliability);
        area.row += head;
        area.rows -= head;
    }
    const int lower = area.rows * LOWER_ROWS / (UPPER_ROWS + LOWER_ROWS);
    const struct rect above = {area.column, area.row, area.columns, area.rows - lower};
    const struct rect below = {area.column, area.row + area.rows - lower, area.columns, lower};
    const struct rect plot = draw_accuracy(canvas, above, reliability);
    draw_counts(canvas, below, plot.column, reliability);
    canvas_clip(canvas, before);
}

void reliability_size(const struct reliability *reliability, int *columns, int *rows)
{
    *columns = COLUMNS;
    *rows = UPPER_ROWS + LOWER_ROWS + 1 + (reliability->title != NULL);
    for (int i = 0; i < RELIABILITY_NOTES; i++) {
        const int width = reliability->notes[i] ? text_columns(reliability->notes[i]) : 0;
        *columns = width > *columns ? width : *columns;
        *rows += reliability->notes[i] != NULL;
    }
}
