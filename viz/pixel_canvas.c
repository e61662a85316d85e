/* The canvas of RGB pixels. A path's coverage is gathered in a mask and laid on at its end, so that segments which
 * overlap do not darken each other and edges are smooth. */
#include "viz/canvas_impl.h"
#include "viz/colormap.h"
#include "viz/font.h"
#include "viz/theme.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct span {
    int x0, y0, x1, y1; /* pixels, the last ones not included */
};

struct pixel_canvas {
    struct canvas base;
    const struct theme *theme;
    int width, height, scale;
    uint8_t *pixels; /* (height, width, 3) */
    uint8_t *mask;   /* (height, width): coverage of the path being drawn */
    struct span touched;
    uint32_t path_color;
    enum stroke path_stroke;
    double path_half;  /* half its width, in pixels */
    double path_start; /* x where its pattern begins; NAN: not yet */
};

static struct pixel_canvas *of(struct canvas *canvas)
{
    return (struct pixel_canvas *)canvas;
}

static void destroy(struct canvas *canvas)
{
    free(of(canvas)->pixels);
    free(of(canvas)->mask);
    free(canvas);
}

static void set_pixel(uint8_t *pixel, uint32_t color)
{
    pixel[0] = (uint8_t)(color >> 16);
    pixel[1] = (uint8_t)(color >> 8);
    pixel[2] = (uint8_t)color;
}

/* Lays a colour on with coverage 0..255. */
static void blend(uint8_t *pixel, uint32_t color, int coverage)
{
    for (int channel = 0; channel < 3; channel++) {
        int to = (int)(color >> (16 - 8 * channel) & 0xFF), from = pixel[channel];
        pixel[channel] = (uint8_t)(from + ((to - from) * coverage + (to > from ? 127 : -127)) / 255);
    }
}

static uint8_t *pixel_at(struct pixel_canvas *canvas, int x, int y)
{
    return canvas->pixels + ((size_t)y * (size_t)canvas->width + (size_t)x) * 3;
}

static void clear(struct canvas *canvas)
{
    struct pixel_canvas *pixels = of(canvas);
    size_t count = (size_t)pixels->width * (size_t)pixels->height;
    for (size_t i = 0; i < count; i++)
        set_pixel(pixels->pixels + 3 * i, pixels->theme->background);
    memset(pixels->mask, 0, count);
}

static double clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

/* Pixels of a box that lie on the canvas and in the clip. */
static struct span visible(const struct canvas *canvas, double x0, double y0, double x1, double y1)
{
    const struct pixel_canvas *pixels = (const struct pixel_canvas *)canvas;
    const struct rect *clip = &canvas->clip;
    double left = clip->column * canvas->dots.x, top = clip->row * canvas->dots.y;
    double right = fmin((clip->column + clip->columns) * canvas->dots.x, pixels->width);
    double bottom = fmin((clip->row + clip->rows) * canvas->dots.y, pixels->height);
    return (struct span){(int)clamp(x0, left, right), (int)clamp(y0, top, bottom), (int)clamp(x1, left, right),
                         (int)clamp(y1, top, bottom)};
}

static void fill_span(struct pixel_canvas *canvas, struct span span, uint32_t color)
{
    for (int y = span.y0; y < span.y1; y++)
        for (int x = span.x0; x < span.x1; x++)
            set_pixel(pixel_at(canvas, x, y), color);
}

/* A glyph with its corner at a pixel, over what is there. */
static void draw_glyph(struct canvas *canvas, int left, int top, struct style style, uint32_t code, int columns)
{
    struct pixel_canvas *pixels = of(canvas);
    uint8_t coverage[2 * FONT_WIDTH * FONT_HEIGHT * FONT_SCALE_MAX * FONT_SCALE_MAX];
    uint32_t front, back;
    theme_resolve(pixels->theme, style, &front, &back);
    bool bold = (style.flags | pixels->theme->flags[style.role]) & STYLE_BOLD;
    if (code != ' ')
        font_render(code, pixels->scale, bold, columns == 2, coverage);
    else
        memset(coverage, 0, sizeof coverage);
    int width = canvas->dots.x * columns;
    if (style.flags & STYLE_UNDERLINE)
        memset(coverage + (canvas->dots.y - 2 * pixels->scale) * width, 255, (size_t)(width * pixels->scale));
    struct span span = visible(canvas, left, top, left + width, top + canvas->dots.y);
    for (int y = span.y0; y < span.y1; y++)
        for (int x = span.x0; x < span.x1; x++)
            blend(pixel_at(pixels, x, y), front, coverage[(y - top) * width + x - left]);
}

static void put(struct canvas *canvas, int column, int row, struct style style, uint32_t code, int width)
{
    uint32_t front, back;
    int left = column * canvas->dots.x, top = row * canvas->dots.y;
    theme_resolve(of(canvas)->theme, style, &front, &back);
    fill_span(of(canvas), visible(canvas, left, top, left + width * canvas->dots.x, top + canvas->dots.y), back);
    draw_glyph(canvas, left, top, style, code, width);
}

static void label(struct canvas *canvas, double x, double y, struct style style, const char *text, int columns)
{
    int left = (int)lround(x), top = (int)lround(y - canvas->dots.y / 2.0);
    uint32_t front, back;
    theme_resolve(of(canvas)->theme, style, &front, &back);
    fill_span(of(canvas), visible(canvas, left, top, left + columns * canvas->dots.x, top + canvas->dots.y), back);
    for (uint32_t code; (code = text_next(&text));) {
        int width = code_columns(code);
        if (width)
            draw_glyph(canvas, left, top, style, code, width);
        left += width * canvas->dots.x;
    }
}

static void path_begin(struct canvas *canvas, struct style style, enum stroke stroke, double width)
{
    struct pixel_canvas *pixels = of(canvas);
    uint32_t back;
    theme_resolve(pixels->theme, style, &pixels->path_color, &back);
    pixels->path_stroke = stroke;
    pixels->path_half = width * pixels->scale / 2;
    pixels->path_start = NAN;
    pixels->touched = (struct span){pixels->width, pixels->height, 0, 0};
}

/* Coverage of the stroke's pattern at x: dashes of 9, dots of 2 pixels at 1x. */
static double stroke_part(const struct pixel_canvas *canvas, double x)
{
    static const struct {
        double on, period;
    } pattern[] = {[STROKE_DASHED] = {9, 15}, [STROKE_DOTTED] = {2, 6}};
    if (canvas->path_stroke == STROKE_SOLID)
        return 1;
    double on = pattern[canvas->path_stroke].on, period = pattern[canvas->path_stroke].period;
    double phase = fmod(fabs(x - canvas->path_start) / canvas->scale, period);
    return clamp(fmin(phase, on - phase) * canvas->scale + 0.5, 0, 1);
}

static void touch(struct span *touched, struct span span)
{
    touched->x0 = span.x0 < touched->x0 ? span.x0 : touched->x0;
    touched->y0 = span.y0 < touched->y0 ? span.y0 : touched->y0;
    touched->x1 = span.x1 > touched->x1 ? span.x1 : touched->x1;
    touched->y1 = span.y1 > touched->y1 ? span.y1 : touched->y1;
}

static void cover(struct pixel_canvas *canvas, int x, int y, double part)
{
    uint8_t *mask = &canvas->mask[(size_t)y * (size_t)canvas->width + (size_t)x];
    uint8_t value = (uint8_t)(clamp(part, 0, 1) * 255 + 0.5);
    if (value > *mask)
        *mask = value;
}

static void path_line(struct canvas *canvas, double x0, double y0, double x1, double y1)
{
    struct pixel_canvas *pixels = of(canvas);
    double reach = pixels->path_half + 1, dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy;
    bool whole = fabs(dy) > fabs(dx) || length2 == 0; /* steep, or a single dot */
    if (isnan(pixels->path_start))
        pixels->path_start = x0;
    struct span span = visible(canvas, floor(fmin(x0, x1) - reach), floor(fmin(y0, y1) - reach),
                               ceil(fmax(x0, x1) + reach), ceil(fmax(y0, y1) + reach));
    touch(&pixels->touched, span);
    for (int y = span.y0; y < span.y1; y++)
        for (int x = span.x0; x < span.x1; x++) {
            double px = x + 0.5 - x0, py = y + 0.5 - y0;
            double t = length2 > 0 ? clamp((px * dx + py * dy) / length2, 0, 1) : 0;
            double inside = pixels->path_half + 0.5 - hypot(px - t * dx, py - t * dy);
            if (inside > 0)
                cover(pixels, x, y, fmin(inside, 1) * (whole ? 1 : stroke_part(pixels, x0 + t * dx)));
        }
}

static void path_end(struct canvas *canvas)
{
    struct pixel_canvas *pixels = of(canvas);
    for (int y = pixels->touched.y0; y < pixels->touched.y1; y++)
        for (int x = pixels->touched.x0; x < pixels->touched.x1; x++) {
            uint8_t *mask = &pixels->mask[(size_t)y * (size_t)pixels->width + (size_t)x];
            if (*mask)
                blend(pixel_at(pixels, x, y), pixels->path_color, *mask);
            *mask = 0;
        }
}

static void rule(struct canvas *canvas, double x0, double y0, double x1, double y1, struct style style)
{
    uint32_t front, back;
    theme_resolve(of(canvas)->theme, style, &front, &back);
    bool across = x1 - x0 >= y1 - y0;
    double half = of(canvas)->scale / 2.0;
    double left = across ? x0 : x0 - half, top = across ? y0 - half : y0;
    left = round(left), top = round(top);
    double right = across ? round(x1) : left + 2 * half, bottom = across ? top + 2 * half : round(y1);
    fill_span(of(canvas), visible(canvas, left, top, right, bottom), front);
}

/* How far a point is outside a shape of radius 1 about the origin, negative inside. */
static double shape_distance(enum marker_shape shape, double x, double y)
{
    double thick = 0.3;
    switch (shape) {
    case MARKER_CIRCLE:
        return hypot(x, y) - 1;
    case MARKER_SQUARE:
        return fmax(fabs(x), fabs(y)) - 0.88;
    case MARKER_DIAMOND:
        return (fabs(x) + fabs(y) - 1.25) * M_SQRT1_2;
    case MARKER_TRIANGLE:
        return fmax(y - 0.8, fabs(x) * 0.87 - y * 0.5 - 0.6);
    default:
        return fmax(fmin(fabs(x - y), fabs(x + y)) * M_SQRT1_2 - thick, fmax(fabs(x), fabs(y)) - 1);
    }
}

static void marker(struct canvas *canvas, double x, double y, enum marker_shape shape, struct style style)
{
    struct pixel_canvas *pixels = of(canvas);
    double radius = 4.2 * pixels->scale, halo = 1.2 * pixels->scale;
    uint32_t front, back;
    theme_resolve(pixels->theme, style, &front, &back);
    struct span span = visible(canvas, x - 2 * radius, y - 2 * radius, x + 2 * radius, y + 2 * radius);
    for (int py = span.y0; py < span.y1; py++)
        for (int px = span.x0; px < span.x1; px++) {
            double outside = shape_distance(shape, (px + 0.5 - x) / radius, (py + 0.5 - y) / radius) * radius;
            blend(pixel_at(pixels, px, py), back, (int)(255 * clamp(halo - outside + 0.5, 0, 1)));
            blend(pixel_at(pixels, px, py), front, (int)(255 * clamp(0.5 - outside, 0, 1)));
        }
}

static void bar(struct canvas *canvas, const struct bar *bar, struct style style)
{
    uint32_t front, back;
    theme_resolve(of(canvas)->theme, style, &front, &back);
    struct span span = visible(canvas, round(bar->x0), round(bar->y0), round(bar->x1), round(bar->y1));
    fill_span(of(canvas), span, front);
}

static void image(struct canvas *canvas, struct rect area, const uint8_t *rgb, int width, int height)
{
    double room_x = area.columns * (double)canvas->dots.x, room_y = area.rows * (double)canvas->dots.y;
    double scale = fmin(room_x / width, room_y / height);
    if (scale >= 1)
        scale = floor(scale); /* pixels that are all of one size */
    double left = area.column * (double)canvas->dots.x, top = area.row * (double)canvas->dots.y;
    struct span span = visible(canvas, left, top, left + floor(width * scale), top + floor(height * scale));
    for (int y = span.y0; y < span.y1; y++)
        for (int x = span.x0; x < span.x1; x++)
            image_average(rgb, width, height, (x - left) / scale, (y - top) / scale, (x + 1 - left) / scale,
                          (y + 1 - top) / scale, pixel_at(of(canvas), x, y));
}

int canvas_create_pixels(int width, int height, int scale, const struct theme *theme, struct canvas **out,
                         struct error *error)
{
    static const struct canvas_ops ops = {destroy,  clear, put,    label, path_begin, path_line,
                                          path_end, rule,  marker, bar,   image};
    if (width < 1 || height < 1 || width > 20000 || height > 20000 || scale < 1 || scale > FONT_SCALE_MAX)
        return error_set(error, "a picture of %d x %d pixels at scale %d: 1 to 20000 and 1 to %d are possible", width,
                         height, scale, FONT_SCALE_MAX);
    size_t count = (size_t)width * (size_t)height;
    struct pixel_canvas *canvas = calloc(1, sizeof *canvas);
    if (!canvas || !(canvas->pixels = malloc(3 * count)) || !(canvas->mask = malloc(count))) {
        if (canvas)
            free(canvas->pixels);
        free(canvas);
        return error_set(error, "out of memory for a picture of %d x %d pixels", width, height);
    }
    struct dot_grid dots = {FONT_WIDTH * scale, FONT_HEIGHT * scale};
    /* A part of a cell at the edge counts, so that fills reach it. */
    struct rect area = {0, 0, (width + dots.x - 1) / dots.x, (height + dots.y - 1) / dots.y};
    const bool light = color_readable_on(theme->background) == 0x000000;
    canvas->base = (struct canvas){&ops, area, area, dots, GLYPHS_BRAILLE, light};
    canvas->theme = theme;
    canvas->width = width;
    canvas->height = height;
    canvas->scale = scale;
    canvas_clear(&canvas->base);
    *out = &canvas->base;
    return 0;
}

int canvas_create_figure(int columns, int rows, int scale, const struct theme *theme, struct canvas **out,
                         struct rect *inside, struct error *error)
{
    enum { MARGIN_COLUMNS = 2, MARGIN_ROWS = 1 };
    *inside = (struct rect){MARGIN_COLUMNS, MARGIN_ROWS, columns, rows};
    return canvas_create_pixels((columns + 2 * MARGIN_COLUMNS) * FONT_WIDTH * scale,
                                (rows + 2 * MARGIN_ROWS) * FONT_HEIGHT * scale, scale, theme, out, error);
}

const uint8_t *canvas_pixels(const struct canvas *canvas, int *width, int *height)
{
    if (canvas->ops->destroy != destroy)
        return NULL;
    const struct pixel_canvas *pixels = (const struct pixel_canvas *)canvas;
    *width = pixels->width;
    *height = pixels->height;
    return pixels->pixels;
}
