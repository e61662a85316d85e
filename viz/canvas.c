/* The part of drawing that both kinds of canvas share: clipping, text layout, frames. */
#include "viz/canvas_impl.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

struct rect rect_intersect(struct rect a, struct rect b)
{
    int left = a.column > b.column ? a.column : b.column;
    int top = a.row > b.row ? a.row : b.row;
    int right = a.column + a.columns < b.column + b.columns ? a.column + a.columns : b.column + b.columns;
    int bottom = a.row + a.rows < b.row + b.rows ? a.row + a.rows : b.row + b.rows;
    if (right <= left || bottom <= top)
        return (struct rect){left, top, 0, 0};
    return (struct rect){left, top, right - left, bottom - top};
}

void canvas_destroy(struct canvas *canvas)
{
    if (canvas)
        canvas->ops->destroy(canvas);
}

void canvas_clear(struct canvas *canvas)
{
    canvas->clip = canvas->area;
    canvas->ops->clear(canvas);
}

struct rect canvas_area(const struct canvas *canvas)
{
    return canvas->area;
}

struct dot_grid canvas_dots(const struct canvas *canvas)
{
    return canvas->dots;
}

enum glyph_set canvas_glyphs(const struct canvas *canvas)
{
    return canvas->glyphs;
}

struct rect canvas_clip(struct canvas *canvas, struct rect clip)
{
    struct rect before = canvas->clip;
    canvas->clip = rect_intersect(canvas->area, clip);
    return before;
}

static bool inside(const struct canvas *canvas, int column, int row)
{
    const struct rect *clip = &canvas->clip;
    return column >= clip->column && column < clip->column + clip->columns && row >= clip->row &&
           row < clip->row + clip->rows;
}

void canvas_put(struct canvas *canvas, int column, int row, struct style style, uint32_t code)
{
    int width = code_columns(code);
    if (width == 0 || !inside(canvas, column, row))
        return;
    if (code < 0x20 || (code >= 0x7F && code < 0xA0))
        code = ' ';
    if (width == 2 && !inside(canvas, column + 1, row)) { /* half of it has no place */
        code = ' ';
        width = 1;
    }
    canvas->ops->put(canvas, column, row, style, code, width);
}

int canvas_text(struct canvas *canvas, int column, int row, struct style style, const char *text)
{
    int start = column;
    for (uint32_t code; (code = text_next(&text));) {
        canvas_put(canvas, column, row, style, code);
        column += code_columns(code);
    }
    return column - start;
}

int canvas_printf(struct canvas *canvas, int column, int row, struct style style, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return length < 0 ? 0 : canvas_text(canvas, column, row, style, text);
}

int canvas_text_cut(struct canvas *canvas, int column, int row, int columns, struct style style, const char *text)
{
    if (columns <= 0)
        return 0;
    if (text_columns(text) <= columns)
        return canvas_text(canvas, column, row, style, text);
    int start = column;
    for (uint32_t code; (code = text_next(&text));) {
        if (column + code_columns(code) - start > columns - 1)
            break;
        canvas_put(canvas, column, row, style, code);
        column += code_columns(code);
    }
    canvas_put(canvas, column, row, style, 0x2026);
    return column + 1 - start;
}

void canvas_label(struct canvas *canvas, double x, double y, enum align align, struct style style, const char *text)
{
    if (!isfinite(x) || !isfinite(y) || fabs(x) > 1e6 || fabs(y) > 1e6)
        return;
    int columns = text_columns(text);
    if (align != ALIGN_LEFT)
        x -= columns * canvas->dots.x * (align == ALIGN_CENTER ? 0.5 : 1.0);
    canvas->ops->label(canvas, x, y, style, text, columns);
}

void canvas_fill(struct canvas *canvas, struct rect area, struct style style)
{
    area = rect_intersect(area, canvas->clip);
    for (int row = area.row; row < area.row + area.rows; row++)
        for (int column = area.column; column < area.column + area.columns; column++)
            canvas->ops->put(canvas, column, row, style, ' ', 1);
}

void canvas_box(struct canvas *canvas, struct rect area, struct style style, const char *title)
{
    if (area.columns < 2 || area.rows < 2)
        return;
    int right = area.column + area.columns - 1, bottom = area.row + area.rows - 1;
    for (int column = area.column + 1; column < right; column++) {
        canvas_put(canvas, column, area.row, style, 0x2500);
        canvas_put(canvas, column, bottom, style, 0x2500);
    }
    for (int row = area.row + 1; row < bottom; row++) {
        canvas_put(canvas, area.column, row, style, 0x2502);
        canvas_put(canvas, right, row, style, 0x2502);
    }
    canvas_put(canvas, area.column, area.row, style, 0x256D);
    canvas_put(canvas, right, area.row, style, 0x256E);
    canvas_put(canvas, area.column, bottom, style, 0x2570);
    canvas_put(canvas, right, bottom, style, 0x256F);
    if (!title || area.columns < 7)
        return;
    canvas_put(canvas, area.column + 2, area.row, style, ' ');
    int used = canvas_text_cut(canvas, area.column + 3, area.row, area.columns - 6, STYLE(ROLE_TITLE), title);
    canvas_put(canvas, area.column + 3 + used, area.row, style, ' ');
}

struct edges {
    double left, top, right, bottom; /* in dots */
};

static struct edges clip_edges(const struct canvas *canvas)
{
    const struct rect *clip = &canvas->clip;
    return (struct edges){(double)clip->column * canvas->dots.x, (double)clip->row * canvas->dots.y,
                          (double)(clip->column + clip->columns) * canvas->dots.x,
                          (double)(clip->row + clip->rows) * canvas->dots.y};
}

/* One edge of Liang and Barsky (1984): narrows [enter, leave] to where p * t <= q. */
static bool clip_edge(double p, double q, double *enter, double *leave)
{
    if (p == 0)
        return q >= 0;
    double t = q / p;
    if (p < 0 && t > *enter)
        *enter = t;
    if (p > 0 && t < *leave)
        *leave = t;
    return *enter <= *leave;
}

void canvas_path_begin(struct canvas *canvas, struct style style, enum stroke stroke, double width)
{
    canvas->ops->path_begin(canvas, style, stroke, width);
}

void canvas_path_line(struct canvas *canvas, double x0, double y0, double x1, double y1)
{
    struct edges edge = clip_edges(canvas);
    double dx = x1 - x0, dy = y1 - y0, enter = 0, leave = 1;
    if (!isfinite(dx) || !isfinite(dy) || edge.right <= edge.left || edge.bottom <= edge.top)
        return;
    if (!clip_edge(-dx, x0 - edge.left, &enter, &leave) || !clip_edge(dx, edge.right - x0, &enter, &leave) ||
        !clip_edge(-dy, y0 - edge.top, &enter, &leave) || !clip_edge(dy, edge.bottom - y0, &enter, &leave))
        return;
    canvas->ops->path_line(canvas, x0 + enter * dx, y0 + enter * dy, x0 + leave * dx, y0 + leave * dy);
}

void canvas_path_end(struct canvas *canvas)
{
    canvas->ops->path_end(canvas);
}

bool canvas_has_pixels(const struct canvas *canvas)
{
    enum { FINE_DOTS = 4 }; /* a cell of terminals has no more */
    return canvas->dots.y > FINE_DOTS;
}

bool canvas_is_light(const struct canvas *canvas)
{
    return canvas->light;
}

void canvas_line_begin(struct canvas *canvas, struct style style, enum stroke stroke, double width)
{
    canvas_path_begin(canvas, style, canvas_has_pixels(canvas) ? STROKE_SOLID : stroke, width);
}

void canvas_line(struct canvas *canvas, double x0, double y0, double x1, double y1, enum stroke stroke, double *run)
{
    static const struct {
        double on, period; /* in columns */
    } patterns[] = {[STROKE_DASHED] = {0.9, 1.5}, [STROKE_DOTTED] = {0.05, 0.6}};
    double length = hypot(x1 - x0, y1 - y0);
    if (stroke == STROKE_SOLID || !canvas_has_pixels(canvas) || !(length > 0) || length > 1e6) {
        canvas_path_line(canvas, x0, y0, x1, y1);
        return;
    }
    double on = patterns[stroke].on * canvas->dots.x, period = patterns[stroke].period * canvas->dots.x;
    for (double from = -fmod(*run, period); from < length; from += period) {
        double a = fmax(from, 0) / length, b = fmin(from + on, length) / length;
        if (a < b)
            canvas_path_line(canvas, x0 + a * (x1 - x0), y0 + a * (y1 - y0), x0 + b * (x1 - x0), y0 + b * (y1 - y0));
    }
    *run += length;
}

static double clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

/* Cuts a box to the clip; false when nothing is left of it. */
static bool clip_box(const struct canvas *canvas, double *x0, double *y0, double *x1, double *y1)
{
    struct edges edge = clip_edges(canvas);
    if (!(*x0 < edge.right) || !(*x1 >= edge.left) || !(*y0 < edge.bottom) || !(*y1 >= edge.top))
        return false;
    *x0 = clamp(*x0, edge.left, edge.right);
    *x1 = clamp(*x1, edge.left, edge.right);
    *y0 = clamp(*y0, edge.top, edge.bottom);
    *y1 = clamp(*y1, edge.top, edge.bottom);
    return true;
}

void canvas_rule(struct canvas *canvas, double x0, double y0, double x1, double y1, struct style style)
{
    if (clip_box(canvas, &x0, &y0, &x1, &y1))
        canvas->ops->rule(canvas, x0, y0, x1, y1, style);
}

void canvas_marker(struct canvas *canvas, double x, double y, enum marker_shape shape, struct style style)
{
    struct edges edge = clip_edges(canvas);
    if (x >= edge.left && x < edge.right && y >= edge.top && y < edge.bottom)
        canvas->ops->marker(canvas, x, y, shape, style);
}

void canvas_bar(struct canvas *canvas, double x0, double x1, double bottom, double top, struct style style)
{
    struct bar bar = {x0, top, x1, bottom, true};
    if (bottom > top && x1 > x0 && clip_box(canvas, &bar.x0, &bar.y0, &bar.x1, &bar.y1))
        canvas->ops->bar(canvas, &bar, style);
}

void canvas_bar_up(struct canvas *canvas, int column, int row, int columns, double length, struct style style)
{
    double bottom = (row + 1.0) * canvas->dots.y, left = (double)column * canvas->dots.x;
    canvas_bar(canvas, left, left + columns * (double)canvas->dots.x, bottom, bottom - length * canvas->dots.y, style);
}

void canvas_bar_right(struct canvas *canvas, int column, int row, double length, struct style style)
{
    double left = (double)column * canvas->dots.x;
    struct bar bar = {left, (double)row * canvas->dots.y, left + length * canvas->dots.x, (row + 1.0) * canvas->dots.y,
                      false};
    if (length > 0 && clip_box(canvas, &bar.x0, &bar.y0, &bar.x1, &bar.y1))
        canvas->ops->bar(canvas, &bar, style);
}

void canvas_image(struct canvas *canvas, struct rect area, const uint8_t *rgb, int width, int height)
{
    if (area.columns > 0 && area.rows > 0 && width > 0 && height > 0)
        canvas->ops->image(canvas, area, rgb, width, height);
}

void image_average(const uint8_t *rgb, int width, int height, double x0, double y0, double x1, double y1,
                   uint8_t out[3])
{
    int left = (int)clamp(floor(x0 + 1e-9), 0, width - 1), top = (int)clamp(floor(y0 + 1e-9), 0, height - 1);
    int right = (int)clamp(ceil(x1 - 1e-9), left + 1, width), bottom = (int)clamp(ceil(y1 - 1e-9), top + 1, height);
    if (x1 - x0 <= 1) /* growing: the nearest pixel */
        left = (int)clamp((x0 + x1) / 2, 0, width - 1), right = left + 1;
    if (y1 - y0 <= 1)
        top = (int)clamp((y0 + y1) / 2, 0, height - 1), bottom = top + 1;
    long sum[3] = {0}, count = (long)(right - left) * (bottom - top);
    for (int y = top; y < bottom; y++)
        for (int x = left; x < right; x++)
            for (int channel = 0; channel < 3; channel++)
                sum[channel] += rgb[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)channel];
    for (int channel = 0; channel < 3; channel++)
        out[channel] = (uint8_t)((sum[channel] + count / 2) / count);
}
