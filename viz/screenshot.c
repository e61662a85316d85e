/* See screenshot.h. The window's frame is a picture laid under a canvas whose cells are then the terminal's own, moved
 * by whole cells; so frame and text need no arithmetic of their own to meet. */
#include "viz/screenshot.h"
#include "viz/font.h"
#include "viz/theme.h"

#include <math.h>
#include <stdlib.h>

/* Around the terminal's cells: in a frame, and without one. */
enum { FRAME_COLUMNS = 5, FRAME_TOP = 4, FRAME_BOTTOM = 3, PLAIN_COLUMNS = 2, PLAIN_ROWS = 1 };
/* Of the frame, in pixels at scale 1. */
enum { MARGIN_X = 32, MARGIN_TOP = 26, MARGIN_BOTTOM = 42, TITLE_BAR = 38, CORNER = 11, SHADOW = 26, SHADOW_DROP = 10 };
enum { BUTTONS = 3, BUTTON_RADIUS = 6, BUTTON_PITCH = 21 };

struct window {
    double x0, y0, x1, y1; /* pixels */
    double scale;
    uint32_t bar, body;
};

static double clamp01(double value)
{
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

/* Distance to the window's rounded rectangle, negative inside. */
static double outside(const struct window *window, double x, double y)
{
    double corner = CORNER * window->scale;
    double dx = fabs(x - (window->x0 + window->x1) / 2) - (window->x1 - window->x0) / 2 + corner;
    double dy = fabs(y - (window->y0 + window->y1) / 2) - (window->y1 - window->y0) / 2 + corner;
    return hypot(fmax(dx, 0), fmax(dy, 0)) + fmin(fmax(dx, dy), 0) - corner;
}

static uint32_t with_buttons(const struct window *window, double x, double y, uint32_t color)
{
    static const uint32_t colors[BUTTONS] = {0xEC6A5E, 0xF4BF4F, 0x61C554};
    double centre_y = window->y0 + TITLE_BAR * window->scale / 2;
    for (int i = 0; i < BUTTONS; i++) {
        double away = hypot(x - window->x0 - (i + 1) * BUTTON_PITCH * window->scale, y - centre_y);
        color = color_mix(color, colors[i], clamp01(BUTTON_RADIUS * window->scale + 0.5 - away));
    }
    return color;
}

/* One pixel of backdrop, shadow, title bar and body; `down` is how far down the picture it is, 0..1. */
static uint32_t frame_color(const struct window *window, double x, double y, double down)
{
    uint32_t color = color_mix(0x56657F, 0x8593A8, down);
    double away = outside(window, x, y - SHADOW_DROP * window->scale) / (SHADOW * window->scale);
    double strength = 1 - clamp01((away + 0.6) / 1.6);
    color = color_mix(color, 0x0A0E14, 0.55 * strength * strength);
    double inside = clamp01(0.5 - outside(window, x, y));
    uint32_t surface = y < window->y0 + TITLE_BAR * window->scale ? window->bar : window->body;
    return color_mix(color, with_buttons(window, x, y, surface), inside);
}

static int draw_frame(struct canvas *canvas, const struct screenshot_options *options, const struct theme *theme,
                      int scale, struct error *error)
{
    int width, height;
    canvas_pixels(canvas, &width, &height);
    uint8_t *rgb = malloc((size_t)width * (size_t)height * 3);
    if (!rgb)
        return error_set(error, "out of memory for a picture of %d x %d pixels", width, height);
    struct window window = {.x0 = MARGIN_X * scale,
                            .y0 = MARGIN_TOP * scale,
                            .x1 = width - MARGIN_X * scale,
                            .y1 = height - MARGIN_BOTTOM * scale,
                            .scale = scale,
                            .bar = color_mix(theme->background, theme->color[ROLE_TEXT], 0.12),
                            .body = theme->background};
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            uint32_t color = frame_color(&window, x + 0.5, y + 0.5, (double)y / height);
            for (int channel = 0; channel < 3; channel++)
                rgb[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)channel] =
                    (uint8_t)(color >> (16 - 8 * channel));
        }
    canvas_image(canvas, canvas_area(canvas), rgb, width, height);
    free(rgb);
    struct style title = {.role = ROLE_LABEL, .background = COLOR_EXACT | window.bar};
    canvas_label(canvas, width / 2.0, window.y0 + TITLE_BAR * scale / 2.0, ALIGN_CENTER, title, options->title);
    return 0;
}

static void draw_cells(struct canvas *canvas, const struct canvas *cells, const struct screenshot_options *options,
                       int left, int top)
{
    struct rect area = canvas_area(cells);
    const struct cell *cell = canvas_cells(cells);
    for (int row = 0; row < area.rows; row++)
        for (int column = 0; column < area.columns; column++, cell++) {
            struct style style = cell->style;
            if (row == options->cursor_row && column == options->cursor_column)
                style.flags ^= STYLE_REVERSE;
            if (cell->width > 0)
                canvas_put(canvas, left + column, top + row, style, cell->code);
        }
}

int screenshot_render(const struct canvas *cells, const struct screenshot_options *options, struct canvas **out,
                      struct error *error)
{
    const struct theme *theme = options->theme ? options->theme : theme_at(0);
    struct rect area = canvas_area(cells);
    int scale = options->scale ? options->scale : 2;
    int left = options->title ? FRAME_COLUMNS : PLAIN_COLUMNS, top = options->title ? FRAME_TOP : PLAIN_ROWS;
    int bottom = options->title ? FRAME_BOTTOM : PLAIN_ROWS;
    if (!canvas_cells(cells))
        return error_set(error, "only a canvas of cells can be pictured as a terminal");
    struct canvas *canvas;
    if (canvas_create_pixels((area.columns + 2 * left) * FONT_WIDTH * scale,
                             (area.rows + top + bottom) * FONT_HEIGHT * scale, scale, theme, &canvas, error))
        return -1;
    if (options->title && draw_frame(canvas, options, theme, scale, error)) {
        canvas_destroy(canvas);
        return -1;
    }
    draw_cells(canvas, cells, options, left, top);
    *out = canvas;
    return 0;
}

int screenshot_write(const char *path, const struct canvas *cells, const struct screenshot_options *options,
                     const struct png_caption *texts, int text_count, struct error *error)
{
    struct canvas *canvas;
    if (screenshot_render(cells, options, &canvas, error))
        return -1;
    int result = png_write_canvas(path, canvas, texts, text_count, error);
    canvas_destroy(canvas);
    return result;
}
