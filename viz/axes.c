/* See axes.h. */
#include "viz/axes.h"

#include <math.h>

enum {
    HEADER_ROWS = 4,
    AXIS_ROWS = 6,
    LABEL_ROWS = 11, /* from so many on the axes' titles have rows of their own */
    AXIS_COLUMNS = 16,
    COLUMNS_PER_TICK = 8,
    GUTTER_LABEL = 8,  /* longer titles of x do not stand left of its first tick */
    LEGEND_SHARE = 5,  /* of the rows, for a legend that needs more than one */
    LEGEND_SAMPLE = 3, /* columns */
    LEGEND_GAP = 3
};

static double scaled(const struct axis *axis, double value)
{
    return axis->log ? log10(value) : value;
}

double axis_dot(const struct axis *axis, double value)
{
    double low = scaled(axis, axis->low), high = scaled(axis, axis->high);
    if (axis->log && !(value > 0))
        return NAN;
    double part = (scaled(axis, value) - low) / (high - low);
    if (axis->flip)
        part = 1 - part;
    return axis->origin + 0.5 + part * (axis->count - 1);
}

double axis_value(const struct axis *axis, double dot)
{
    double low = scaled(axis, axis->low), high = scaled(axis, axis->high);
    double part = axis->count > 1 ? (dot - axis->origin - 0.5) / (axis->count - 1) : 0;
    if (axis->flip)
        part = 1 - part;
    double value = low + part * (high - low);
    return axis->log ? pow(10, value) : value;
}

/* ---- Layout ---- */

static int entry_columns(const struct legend_entry *entry)
{
    return LEGEND_SAMPLE + 1 + text_columns(entry->text);
}

static int legend_columns(const struct axes *axes)
{
    int columns = 0;
    for (int i = 0; i < axes->legend_count; i++)
        columns += (i ? LEGEND_GAP : 0) + entry_columns(&axes->legend[i]);
    return columns;
}

/* Rows of a legend whose entries are not cut. */
static int legend_rows(const struct axes *axes)
{
    int rows = 1, column = 0;
    for (int i = 0; i < axes->legend_count; i++) {
        int columns = entry_columns(&axes->legend[i]);
        if (column > 0 && column + columns > axes->area.columns) {
            rows++;
            column = 0;
        }
        column += columns + LEGEND_GAP;
    }
    return rows;
}

/* Title and legend share the top row where they fit, else the legend gets the next ones. Returns their rows. */
static int place_header(struct axes *axes)
{
    struct rect area = axes->area;
    int title = axes->title ? text_columns(axes->title) : 0, legend = legend_columns(axes);
    bool shown = false;
    axes->legend_row = -1;
    if (area.rows < HEADER_ROWS)
        return 0;
    axes->title_shown = title > 0;
    if (axes->legend_count) {
        bool beside = !title || title + 2 + legend <= area.columns;
        shown = beside || area.rows >= 2 * HEADER_ROWS;
        axes->legend_row = !shown ? -1 : area.row + !beside;
        axes->legend_column = area.column;
        axes->legend_rows = beside && title ? 1 : legend_rows(axes);
        if (axes->legend_rows > 1 && axes->legend_rows > area.rows / LEGEND_SHARE)
            axes->legend_rows = area.rows / LEGEND_SHARE > 1 ? area.rows / LEGEND_SHARE : 1;
        if (beside && legend < area.columns)
            axes->legend_column += area.columns - legend;
    }
    if (!shown)
        return axes->title_shown;
    return axes->legend_row - area.row + axes->legend_rows;
}

void axes_begin(const struct canvas *canvas, struct axes *axes)
{
    bool pixels = canvas_has_pixels(canvas);
    int rows = axes->area.rows, above = place_header(axes);
    axes->plot = axes->area;
    axes->axis_gap = pixels ? 0 : 0.5;
    axes->y_label_shown = axes->y_label && rows >= LABEL_ROWS;
    axes->band_shown = axes->band && rows >= LABEL_ROWS;
    if (pixels && (above || axes->y_label_shown || axes->band_shown))
        above++; /* a label stands on its tick there, half a row above the plot */
    else if (axes->band_shown)
        above++;
    above += axes->y_label_shown;
    axes->x_axis = rows >= AXIS_ROWS;
    axes->x_label_below = axes->x_label && rows >= LABEL_ROWS && (pixels || text_columns(axes->x_label) > GUTTER_LABEL);
    axes->plot.row += above;
    axes->plot.rows -= above + (axes->x_axis ? 2 : 0) + axes->x_label_below;
}

int axes_y_ticks(const struct axes *axes)
{
    int rows = axes->plot.rows, most = rows < 12 ? rows / 2 : rows / 3 + 2;
    return most > 2 ? most : 2;
}

static void find_ticks(struct axis *axis, int most, bool percent)
{
    const double unit = axis->unit > 0 ? axis->unit : 1;
    if (axis->log)
        ticks_log(axis->low / unit, axis->high / unit, most, &axis->ticks);
    else
        ticks_linear(axis->low / unit, axis->high / unit, most, percent, &axis->ticks);
    for (int i = 0; i < axis->ticks.count; i++)
        axis->ticks.tick[i].value *= unit;
    axis->ticks.step *= unit;
}

static int widest_label(const struct ticks *ticks)
{
    int widest = 0;
    for (int i = 0; i < ticks->count; i++) {
        int columns = text_columns(ticks->tick[i].label);
        widest = columns > widest ? columns : widest;
    }
    return widest;
}

/* Columns of the y labels, wide enough for the x axis's name below them, so that charts above each other line up. */
static int gutter_columns(const struct axes *axes)
{
    int labels = widest_label(&axes->y.ticks) + 2;
    int name = axes->x_label && !axes->x_label_below ? text_columns(axes->x_label) + 2 : 0;
    return name > labels && name * 6 <= axes->area.columns ? name : labels;
}

void axes_place(const struct canvas *canvas, struct axes *axes)
{
    struct dot_grid dots = canvas_dots(canvas);
    find_ticks(&axes->y, axes_y_ticks(axes) + 1, axes->percent);
    int gutter = gutter_columns(axes);
    axes->y_axis = axes->area.columns >= AXIS_COLUMNS && gutter * 2 <= axes->area.columns;
    if (axes->y_axis) {
        axes->plot.column += gutter;
        axes->plot.columns -= gutter;
    }
    if (canvas_has_pixels(canvas))
        axes->plot.columns--; /* for half a marker, half a label */
    if (axes->plot.columns < 1 || axes->plot.rows < 1)
        axes->plot.columns = axes->plot.rows = 0;
    axes->x.origin = axes->plot.column * dots.x;
    axes->x.count = axes->plot.columns * dots.x;
    axes->y.origin = axes->plot.row * dots.y;
    axes->y.count = axes->plot.rows * dots.y;
    if (!axes->own_ticks_x)
        find_ticks(&axes->x, axes->plot.columns / COLUMNS_PER_TICK + 1, false);
}

/* ---- Drawing ---- */

static void draw_sample(struct canvas *canvas, int column, int row, const struct legend_entry *entry)
{
    struct dot_grid dots = canvas_dots(canvas);
    double y = (row + 0.5) * dots.y;
    if (entry->sample == SAMPLE_BLOCK) {
        canvas_bar_right(canvas, column, row, LEGEND_SAMPLE - 1, entry->style);
        return;
    }
    if (entry->sample != SAMPLE_MARKER) {
        canvas_path_begin(canvas, entry->style, entry->stroke, 2);
        canvas_path_line(canvas, column * dots.x, y, (column + LEGEND_SAMPLE) * dots.x - 0.5, y);
        canvas_path_end(canvas);
    }
    if (entry->sample != SAMPLE_LINE)
        canvas_marker(canvas, (column + LEGEND_SAMPLE * 0.5) * dots.x, y, entry->marker, entry->style);
}

static void draw_header(struct canvas *canvas, const struct axes *axes)
{
    struct rect area = axes->area;
    if (axes->title_shown)
        canvas_text_cut(canvas, area.column, area.row, area.columns, STYLE(ROLE_TITLE), axes->title);
    if (axes->legend_row < 0)
        return;
    enum { LEAST_TEXT = 4 };
    int column = axes->legend_column, right = area.column + area.columns, row = axes->legend_row;
    int last = row + axes->legend_rows - 1;
    for (int i = 0; i < axes->legend_count; i++) {
        if (row < last && column > axes->legend_column && column + entry_columns(&axes->legend[i]) > right) {
            column = axes->legend_column;
            row++;
        }
        if (column + LEGEND_SAMPLE + LEAST_TEXT >= right)
            break;
        draw_sample(canvas, column, row, &axes->legend[i]);
        column += LEGEND_SAMPLE + 1;
        column += canvas_text_cut(canvas, column, row, right - column, STYLE(ROLE_TEXT), axes->legend[i].text);
        column += LEGEND_GAP;
    }
}

int axes_draw_header(struct canvas *canvas, struct rect area, const char *title, const struct legend_entry *legend,
                     int count)
{
    struct axes axes = {.area = area, .title = title, .legend = legend, .legend_count = count};
    int rows = place_header(&axes);
    draw_header(canvas, &axes);
    return rows;
}

struct rect axes_about_plot(const struct axes *axes)
{
    struct rect plot = axes->plot;
    return (struct rect){plot.column - 1, plot.row - 1, plot.columns + 2, plot.rows + 2};
}

void axes_draw_empty(struct canvas *canvas, struct rect area, const char *text)
{
    int width = text_columns(text), left = width < area.columns ? (area.columns - width) / 2 : 0;
    canvas_text_cut(canvas, area.column + left, area.row + area.rows / 2, area.columns - left, STYLE(ROLE_DIM), text);
}

static void draw_y_axis(struct canvas *canvas, const struct axes *axes)
{
    struct dot_grid dots = canvas_dots(canvas);
    double x = (axes->plot.column - axes->axis_gap) * dots.x, bottom = axes->plot.row + axes->plot.rows;
    if (axes->x_axis)
        bottom += axes->axis_gap;
    canvas_rule(canvas, x, axes->plot.row * dots.y, x, bottom * dots.y, STYLE(ROLE_BORDER));
    for (int i = 0; i < axes->y.ticks.count; i++) {
        const struct tick *tick = &axes->y.ticks.tick[i];
        double y = axis_dot(&axes->y, tick->value);
        canvas_rule(canvas, x - dots.x * 0.5, y, x, y, STYLE(ROLE_BORDER));
        canvas_label(canvas, (axes->plot.column - 2) * dots.x, y, ALIGN_RIGHT, STYLE(ROLE_LABEL), tick->label);
    }
}

static void draw_x_title(struct canvas *canvas, const struct axes *axes, double y)
{
    struct dot_grid dots = canvas_dots(canvas);
    double middle = (axes->plot.column + axes->plot.columns * 0.5) * dots.x;
    int width = text_columns(axes->x_label);
    if (width <= axes->plot.columns)
        canvas_label(canvas, middle, y + 2 * dots.y, ALIGN_CENTER, STYLE(ROLE_LABEL), axes->x_label);
    else
        canvas_text_cut(canvas, axes->area.column, (int)(y / dots.y) + 2, axes->area.columns, STYLE(ROLE_LABEL),
                        axes->x_label);
}

static void draw_x_axis(struct canvas *canvas, const struct axes *axes)
{
    struct dot_grid dots = canvas_dots(canvas);
    int row = axes->plot.row + axes->plot.rows;
    double y = (row + axes->axis_gap) * dots.y;
    double left = (axes->plot.column - (axes->y_axis ? axes->axis_gap : 0)) * dots.x;
    double right = (axes->plot.column + axes->plot.columns) * dots.x;
    canvas_rule(canvas, left, y, right, y, STYLE(ROLE_BORDER));
    double free_from = axes->area.column * dots.x; /* where the next label may begin */
    for (int i = 0; i < axes->x.ticks.count; i++) {
        const struct tick *tick = &axes->x.ticks.tick[i];
        double x = axis_dot(&axes->x, tick->value), width = text_columns(tick->label) * dots.x;
        canvas_rule(canvas, x, y, x, y + dots.y * 0.5, STYLE(ROLE_BORDER));
        double start = fmin(x - width / 2, right - width);
        if (start < free_from)
            continue;
        if (i == 0 && axes->x_label && !axes->x_label_below &&
            start - free_from > (text_columns(axes->x_label) + 0.5) * dots.x)
            canvas_label(canvas, free_from, y + dots.y, ALIGN_LEFT, STYLE(ROLE_DIM), axes->x_label);
        canvas_label(canvas, start, y + dots.y, ALIGN_LEFT, STYLE(ROLE_LABEL), tick->label);
        free_from = start + width + dots.x;
    }
    if (axes->x_label_below)
        draw_x_title(canvas, axes, y);
}

void axes_draw(struct canvas *canvas, const struct axes *axes)
{
    draw_header(canvas, axes);
    if (axes->plot.columns < 1)
        return;
    if (axes->y_label_shown) {
        int row = axes->plot.row - 1 - (axes->axis_gap == 0 || axes->band_shown);
        canvas_text_cut(canvas, axes->area.column, row, axes->area.columns, STYLE(ROLE_LABEL), axes->y_label);
    }
    if (axes->y_axis)
        draw_y_axis(canvas, axes);
    if (axes->x_axis)
        draw_x_axis(canvas, axes);
}

void axes_draw_grid(struct canvas *canvas, const struct axes *axes)
{
    canvas_path_begin(canvas, STYLE(ROLE_GRID), STROKE_DOTTED, 1);
    for (int i = 0; i < axes->y.ticks.count; i++) {
        double y = axis_dot(&axes->y, axes->y.ticks.tick[i].value);
        canvas_path_line(canvas, axes->x.origin, y, axes->x.origin + axes->x.count - 0.5, y);
    }
    canvas_path_end(canvas);
}

void axes_draw_upright(struct canvas *canvas, const struct axes *axes, double x, struct style style, bool dotted)
{
    struct dot_grid dots = canvas_dots(canvas);
    double end = axes->y.origin + axes->y.count - 0.5, pitch = dotted && dots.y > 2 ? dots.y * 0.5 : dots.y;
    double length = dotted ? fmax(0, pitch / 2 - 1) : dots.y;
    canvas_path_begin(canvas, style, STROKE_SOLID, 1);
    for (double y = axes->y.origin + 0.5; y <= end; y += pitch)
        canvas_path_line(canvas, x, y, x, fmin(y + length, end));
    canvas_path_end(canvas);
}
