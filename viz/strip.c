/* See strip.h. */
#include "viz/strip.h"

#include <math.h>
#include <string.h>

enum { BEYOND_PART = 24, DOTS_MAX = 80, LEVELS_MAX = 1024, SCALE_COLUMNS = 8 };

/* What is drawn, in pixels: those of the canvas, or half cells. */
struct picture {
    const struct strip *strip;
    double first, end; /* of x */
    int columns, rows;
    int levels; /* steps of y that are told apart */
    int known;  /* the measurement that `density` holds; -1: none */
    float density[LEVELS_MAX];
};

static double x_of(const struct strip *strip, int index)
{
    return strip->x(strip->data, index);
}

/* Nothing is known behind the last measurement; one alone needs an axis all the same. */
static double end_of(const struct strip *strip)
{
    return strip->count > 1 ? x_of(strip, strip->count - 1) : x_of(strip, 0) + 1;
}

/* Where the columns of a measurement begin: half way from the one before it. */
static double begin_of(const struct strip *strip, int index)
{
    return index ? (x_of(strip, index - 1) + x_of(strip, index)) / 2 : x_of(strip, 0);
}

/* Index of the measurement nearest to x, which is not below the first; of two the later. */
static int find_nearest(const struct strip *strip, double x)
{
    int low = 1, high = strip->count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (begin_of(strip, middle) <= x)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

/* The level of a value, cut to the axis. */
static double level_of(const struct picture *picture, double value)
{
    double low = picture->strip->low, high = picture->strip->high;
    if (picture->strip->log_y) {
        value = value > 0 ? log10(value) : -INFINITY;
        low = log10(low);
        high = log10(high);
    }
    return fmin(fmax((value - low) / (high - low), 0), 1) * picture->levels;
}

/* Spreads a bin's number evenly over the levels it covers; one beyond the axis over a band at its end, broad enough to
 * be seen. */
static void spread(struct picture *picture, double number, double from, double to)
{
    const double band = fmax(1, picture->levels / BEYOND_PART);
    if (to <= 0)
        to = band;
    if (from >= picture->levels)
        from = picture->levels - band;
    int first = (int)fmin(from, picture->levels - 1), last = (int)fmin(ceil(to) - 1, picture->levels - 1);
    if (last <= first) {
        picture->density[first] += (float)number;
        return;
    }
    for (int level = first; level <= last; level++)
        picture->density[level] += (float)(number * (fmin(to, level + 1) - fmax(from, level)) / (to - from));
}

/* Density of a measurement over its greatest, level by level. */
static void find_density(struct picture *picture, int index)
{
    if (picture->known == index)
        return;
    struct bins bins = picture->strip->bins(picture->strip->data, index);
    float greatest = 0;
    picture->known = index;
    memset(picture->density, 0, sizeof picture->density);
    for (int bin = 0; bin < bins.count; bin++) {
        double number = bins.number(bins.data, bin);
        if (number > 0)
            spread(picture, number, level_of(picture, bins.edge(bin)), level_of(picture, bins.edge(bin + 1)));
    }
    for (int level = 0; level < picture->levels; level++)
        greatest = fmaxf(greatest, picture->density[level]);
    for (int level = 0; level < picture->levels && greatest > 0; level++)
        picture->density[level] /= greatest;
}

/* One pixel column, 0..255 a level: the greatest of the measurements in it, by its root. */
static void find_column(struct picture *picture, int column, uint8_t *out)
{
    double width = (picture->end - picture->first) / picture->columns;
    double left = picture->first + column * width, right = picture->first + (column + 1) * width;
    int from = find_nearest(picture->strip, left), to = find_nearest(picture->strip, nextafter(right, -INFINITY));
    memset(out, 0, (size_t)picture->levels);
    for (int i = from; i <= to; i++) {
        find_density(picture, i);
        for (int level = 0; level < picture->levels; level++) {
            uint8_t value = (uint8_t)(255 * sqrtf(picture->density[level]) + 0.5f);
            out[level] = value > out[level] ? value : out[level];
        }
    }
}

static void set_pixel(uint8_t *pixel, uint32_t color)
{
    pixel[0] = (uint8_t)(color >> 16);
    pixel[1] = (uint8_t)(color >> 8);
    pixel[2] = (uint8_t)color;
}

/* Cell by cell, so that it needs no memory of the plot's size. */
static void draw_colors(struct canvas *canvas, struct rect plot, const struct strip *strip)
{
    struct dot_grid dots = canvas_dots(canvas);
    const bool pixels = canvas_has_pixels(canvas);
    int width = pixels ? dots.x : 1, height = pixels ? dots.y : 2, rows = plot.rows * height;
    struct picture picture = {.strip = strip,
                              .first = x_of(strip, 0),
                              .end = end_of(strip),
                              .columns = plot.columns * width,
                              .rows = rows,
                              .levels = rows < LEVELS_MAX ? rows : LEVELS_MAX,
                              .known = -1};
    uint8_t rgb[DOTS_MAX * DOTS_MAX * 3], columns[DOTS_MAX][LEVELS_MAX];
    for (int column = 0; column < plot.columns; column++) {
        for (int x = 0; x < width; x++)
            find_column(&picture, column * width + x, columns[x]);
        for (int row = 0; row < plot.rows; row++) {
            for (int i = 0; i < width * height; i++) {
                long from_bottom = rows - 1 - (row * height + i / width);
                int value = columns[i % width][from_bottom * picture.levels / rows];
                set_pixel(rgb + 3 * i, colormap_color(strip->map, value / 255.0));
            }
            canvas_image(canvas, (struct rect){plot.column + column, plot.row + row, 1, 1}, rgb, width, height);
        }
    }
}

void strip_draw_scale(struct canvas *canvas, struct rect area, const char *title, enum colormap map)
{
    static const char low[] = "density 0 ", high[] = " peak";
    int width = text_columns(low) + SCALE_COLUMNS + text_columns(high), used = title ? text_columns(title) : 0;
    int column = area.column + area.columns - width;
    if (used + 2 + width > area.columns)
        return;
    canvas_text(canvas, column, area.row, STYLE(ROLE_LABEL), low);
    column += text_columns(low);
    for (int i = 0; i < SCALE_COLUMNS; i++) {
        uint32_t color = COLOR_EXACT | colormap_color(map, i / (SCALE_COLUMNS - 1.0));
        canvas_bar_right(canvas, column + i, area.row, 1, (struct style){ROLE_TEXT, 0, color, 0});
    }
    canvas_text(canvas, column + SCALE_COLUMNS, area.row, STYLE(ROLE_LABEL), high);
}

void strip_draw(struct canvas *canvas, struct rect area, const struct strip *strip)
{
    struct axes axes = {.area = area,
                        .title = strip->title,
                        .x_label = strip->x_label,
                        .y_label = strip->y_label,
                        .y = {strip->low, strip->high, .log = strip->log_y, .flip = true}};
    struct rect before = canvas_clip(canvas, area), visible = rect_intersect(before, area);
    canvas_clip(canvas, visible);
    if (strip->count) {
        axes.x.low = x_of(strip, 0);
        axes.x.high = end_of(strip);
    } else {
        axes.x.high = 1;
    }
    if (strip->bare) {
        axes.plot = area;
    } else {
        axes_begin(canvas, &axes);
        axes_place(canvas, &axes);
        axes_draw(canvas, &axes);
        if (!strip->no_scale && axes.plot.row > area.row)
            strip_draw_scale(canvas, area, strip->title, strip->map);
    }
    canvas_clip(canvas, rect_intersect(axes.plot, visible));
    if (strip->count && axes.plot.columns > 0 && axes.plot.rows > 0) {
        draw_colors(canvas, axes.plot, strip);
        if (!strip->bare && strip->cursor >= axes.x.low && strip->cursor <= axes.x.high)
            axes_draw_upright(canvas, &axes, axis_dot(&axes.x, strip->cursor), STYLE(ROLE_CURSOR), false);
    } else if (strip->empty_text) {
        axes_draw_empty(canvas, axes.plot, strip->empty_text);
    }
    canvas_clip(canvas, before);
}
