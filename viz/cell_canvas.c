/* The canvas of terminal cells. Lines are kept as dots of a cell beside its character, so that lines which meet share
 * a braille pattern; layers decide which of them a cell shows. */
#include "base/array.h"
#include "viz/canvas_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum layer { LAYER_TEXT, LAYER_RULE, LAYER_GRID, LAYER_FAINT, LAYER_FULL };
enum { ARM_LEFT = 1, ARM_RIGHT = 2, ARM_UP = 4, ARM_DOWN = 8 };
enum { UPPER_HALF = 0x2580, LOWER_BLOCK = 0x2580, LEFT_BLOCK = 0x2590, FULL_BLOCK = 0x2588 };

struct ink {
    uint8_t layer;    /* enum layer */
    uint8_t dots;     /* bits of the dots set, or of the rule's arms */
    bool filled;      /* a bar fills the cell: lines over it are holes in it */
    uint16_t picture; /* which of those kept it is a part of, from 1; 0: of none */
};

/* Pictures that are kept beside their half blocks. */
struct kept_picture {
    struct rect area;
    size_t offset; /* of its bytes */
    int width, height;
};
struct kept_pictures {
    struct kept_picture *items;
    int count;
    uint8_t *bytes;
    size_t capacity, used, size;
};

struct cell_canvas {
    struct canvas base;
    struct cell *cells; /* (rows, columns) */
    struct ink *inks;   /* (rows, columns) */
    struct style path_style;
    enum stroke path_stroke;
    int path_start; /* dot column where its pattern begins; < 0: not yet */
    struct kept_pictures kept;
};

static struct cell_canvas *of(struct canvas *canvas)
{
    return (struct cell_canvas *)canvas;
}

static size_t index_of(const struct canvas *canvas, int column, int row)
{
    return (size_t)row * (size_t)canvas->area.columns + (size_t)column;
}

static void destroy(struct canvas *canvas)
{
    free(of(canvas)->cells);
    free(of(canvas)->inks);
    free(of(canvas)->kept.items);
    free(of(canvas)->kept.bytes);
    free(canvas);
}

static void clear(struct canvas *canvas)
{
    size_t count = (size_t)canvas->area.columns * (size_t)canvas->area.rows;
    for (size_t i = 0; i < count; i++)
        of(canvas)->cells[i] = (struct cell){.code = ' ', .width = 1, .style = STYLE(ROLE_TEXT)};
    memset(of(canvas)->inks, 0, count * sizeof *of(canvas)->inks);
    of(canvas)->kept.count = 0;
    of(canvas)->kept.used = 0;
}

/* What an ASCII terminal shows instead. */
static uint32_t ascii_likeness(uint32_t code)
{
    static const struct {
        uint32_t first, last;
        char likeness;
    } table[] = {{0x2500, 0x2501, '-'},  {0x2502, 0x2503, '|'}, {0x2504, 0x2505, '-'}, {0x2506, 0x2507, '|'},
                 {0x2508, 0x2509, '-'},  {0x250A, 0x250B, '|'}, {0x250C, 0x254B, '+'}, {0x254C, 0x254D, '-'},
                 {0x254E, 0x254F, '|'},  {0x2550, 0x2550, '='}, {0x2551, 0x2551, '|'}, {0x2552, 0x256C, '+'},
                 {0x256D, 0x2570, '+'},  {0x2574, 0x2574, '-'}, {0x2575, 0x2575, '|'}, {0x2576, 0x2576, '-'},
                 {0x2577, 0x2577, '|'},  {0x2580, 0x259F, '#'}, {0x2800, 0x28FF, '*'}, {0x2010, 0x2015, '-'},
                 {0x2018, 0x2019, '\''}, {0x201C, 0x201D, '"'}, {0x2022, 0x2022, '*'}, {0x2026, 0x2026, '~'},
                 {0x2190, 0x2190, '<'},  {0x2191, 0x2191, '^'}, {0x2192, 0x2192, '>'}, {0x2193, 0x2193, 'v'},
                 {0x2212, 0x2212, '-'},  {0x2248, 0x2248, '~'}, {0x25A0, 0x25A1, '#'}, {0x25B2, 0x25B3, '^'},
                 {0x25B6, 0x25B7, '>'},  {0x25BC, 0x25BD, 'v'}, {0x25C0, 0x25C1, '<'}, {0x25C6, 0x25C7, '+'},
                 {0x25CB, 0x25CB, 'o'},  {0x25CF, 0x25CF, 'o'}, {0x2713, 0x2714, 'v'}, {0x2715, 0x2718, 'x'},
                 {0x00A0, 0x00A0, ' '},  {0x00B0, 0x00B0, 'o'}, {0x00B1, 0x00B1, '~'}, {0x00B5, 0x00B5, 'u'},
                 {0x00B7, 0x00B7, '.'},  {0x00D7, 0x00D7, 'x'}, {0x00B2, 0x00B2, '2'}, {0x03B1, 0x03B1, 'a'},
                 {0x03B2, 0x03B2, 'b'},  {0x03BC, 0x03BC, 'u'}};
    if (code < 0x7F)
        return code;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (code >= table[i].first && code <= table[i].last)
            return (uint32_t)table[i].likeness;
    return '?';
}

/* A cell that gets new content must not leave half of a wide character beside it. */
static void break_wide(struct canvas *canvas, int column, int row)
{
    struct cell *cell = &of(canvas)->cells[index_of(canvas, column, row)];
    if (cell->width == 2 && column + 1 < canvas->area.columns)
        cell[1].code = ' ', cell[1].width = 1;
    if (cell->width == 0 && column > 0)
        cell[-1].code = ' ', cell[-1].width = 1;
}

static void put(struct canvas *canvas, int column, int row, struct style style, uint32_t code, int width)
{
    size_t index = index_of(canvas, column, row);
    struct cell *cell = &of(canvas)->cells[index];
    bool whole = width == 2 && canvas->glyphs != GLYPHS_ASCII; /* a likeness is narrow */
    if (canvas->glyphs == GLYPHS_ASCII)
        code = ascii_likeness(code);
    for (int i = 0; i < width; i++) {
        break_wide(canvas, column + i, row);
        cell[i] = (struct cell){i == 0 ? code : ' ', 1, style};
        of(canvas)->inks[index + (size_t)i] = (struct ink){.layer = LAYER_TEXT};
    }
    if (whole) {
        cell[0].width = 2;
        cell[1].width = 0;
    }
}

static void label(struct canvas *canvas, double x, double y, struct style style, const char *text, int columns)
{
    (void)columns;
    int column = (int)lround(x / canvas->dots.x), row = (int)floor(y / canvas->dots.y);
    canvas_text(canvas, column, row, style, text);
}

static enum layer style_layer(struct style style)
{
    if (style.role == ROLE_GRID)
        return LAYER_GRID;
    return style.flags & STYLE_FAINT ? LAYER_FAINT : LAYER_FULL;
}

static uint32_t dots_code(const struct cell_canvas *canvas, uint8_t dots)
{
    /* Quadrants by their bits: upper left 1, upper right 2, lower left 4, lower right 8. */
    static const uint16_t quadrants[16] = {0x0020, 0x2598, 0x259D, 0x2580, 0x2596, 0x258C, 0x259E, 0x259B,
                                           0x2597, 0x259A, 0x2590, 0x259C, 0x2584, 0x2599, 0x259F, 0x2588};
    static const char letters[SERIES_ROLES + 1] = "*+xo%@&$"; /* series differ without colours too */
    int series = canvas->path_style.role - ROLE_SERIES_1;
    switch (canvas->base.glyphs) {
    case GLYPHS_BRAILLE:
        return 0x2800u + dots;
    case GLYPHS_BLOCK:
        return quadrants[dots & 15];
    default:
        if (canvas->path_style.role == ROLE_EVENT || canvas->path_style.role == ROLE_CURSOR)
            return '|';
        if (style_layer(canvas->path_style) != LAYER_FULL)
            return canvas->path_style.role == ROLE_GRID ? '.' : ':';
        return (uint32_t)(series >= 0 && series < SERIES_ROLES ? letters[series] : '*');
    }
}

static uint8_t dot_bit(const struct canvas *canvas, int x, int y)
{
    static const uint8_t braille[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    if (canvas->glyphs == GLYPHS_BRAILLE)
        return braille[y % 4][x % 2];
    return canvas->glyphs == GLYPHS_BLOCK ? (uint8_t)(1 << (y % 2 * 2 + x % 2)) : 1;
}

/* Adds dots to a cell, unless a fuller line has it. */
static void add_dots(struct canvas *canvas, int column, int row, uint8_t dots)
{
    const size_t index = index_of(canvas, column, row);
    struct ink *ink = &of(canvas)->inks[index];
    const struct style under = of(canvas)->cells[index].style;
    struct style style = of(canvas)->path_style;
    enum layer layer = style_layer(style);
    const bool filled = ink->filled;
    if (ink->layer > layer)
        return;
    if (ink->layer == layer)
        dots |= ink->dots;
    if (filled) {
        style = under;
        style.flags |= STYLE_REVERSE;
    } else if (under.background & COLOR_EXACT) { /* a picture stays behind the line */
        style.background = under.background;
    }
    put(canvas, column, row, style, dots_code(of(canvas), dots), 1);
    *ink = (struct ink){(uint8_t)layer, dots, filled, 0};
}

static void set_dot(struct canvas *canvas, int x, int y)
{
    add_dots(canvas, x / canvas->dots.x, y / canvas->dots.y, dot_bit(canvas, x, y));
}

/* A noisy series is mostly these, so they go by cells, not by dots. */
static void set_upright(struct canvas *canvas, int x, int from, int to)
{
    for (int y = from; y <= to;) {
        int row = y / canvas->dots.y;
        uint8_t dots = 0;
        for (; y <= to && y / canvas->dots.y == row; y++)
            dots |= dot_bit(canvas, x, y);
        add_dots(canvas, x / canvas->dots.x, row, dots);
    }
}

static void path_begin(struct canvas *canvas, struct style style, enum stroke stroke, double width)
{
    (void)width;
    of(canvas)->path_style = style;
    of(canvas)->path_stroke = stroke;
    of(canvas)->path_start = -1;
}

static void path_end(struct canvas *canvas)
{
    (void)canvas;
}

/* Whether the stroke's pattern is on at a dot column; in columns of dots, by the width of a cell. */
static bool stroke_on(const struct cell_canvas *canvas, int x)
{
    int unit = canvas->base.dots.x, phase = abs(x - canvas->path_start) % (4 * unit);
    switch (canvas->path_stroke) {
    case STROKE_DASHED:
        return phase < 5 * unit / 2;
    case STROKE_DOTTED:
        return phase % (2 * unit) == 0;
    default:
        return true;
    }
}

static int to_dot(double at, int first, int count)
{
    int dot = (int)floor(at);
    return dot < first ? first : dot >= first + count ? first + count - 1 : dot;
}

/* Bresenham (1965), all octants. */
static void path_line(struct canvas *canvas, double from_x, double from_y, double to_x, double to_y)
{
    struct rect clip = canvas->clip;
    struct dot_grid dots = canvas->dots;
    int x = to_dot(from_x, clip.column * dots.x, clip.columns * dots.x);
    int y = to_dot(from_y, clip.row * dots.y, clip.rows * dots.y);
    int x1 = to_dot(to_x, clip.column * dots.x, clip.columns * dots.x);
    int y1 = to_dot(to_y, clip.row * dots.y, clip.rows * dots.y);
    int dx = abs(x1 - x), dy = -abs(y1 - y), step_x = x < x1 ? 1 : -1, step_y = y < y1 ? 1 : -1, error = dx + dy;
    bool whole = -dy > dx || (dx == 0 && dy == 0); /* steep, or a single dot */
    if (of(canvas)->path_start < 0)
        of(canvas)->path_start = x;
    if (dx == 0 && whole) {
        set_upright(canvas, x, y < y1 ? y : y1, y < y1 ? y1 : y);
        return;
    }
    for (;;) {
        if (whole || stroke_on(of(canvas), x))
            set_dot(canvas, x, y);
        if (x == x1 && y == y1)
            return;
        int twice = 2 * error;
        if (twice >= dy)
            error += dy, x += step_x;
        if (twice <= dx)
            error += dx, y += step_y;
    }
}

static void add_arms(struct canvas *canvas, int column, int row, struct style style, uint8_t arms)
{
    static const uint16_t lines[16] = {0x0020, 0x2574, 0x2576, 0x2500, 0x2575, 0x2518, 0x2514, 0x2534,
                                       0x2577, 0x2510, 0x250C, 0x252C, 0x2502, 0x2524, 0x251C, 0x253C};
    if (!arms || !(column >= canvas->clip.column && column < canvas->clip.column + canvas->clip.columns &&
                   row >= canvas->clip.row && row < canvas->clip.row + canvas->clip.rows))
        return;
    struct ink *ink = &of(canvas)->inks[index_of(canvas, column, row)];
    if (ink->layer == LAYER_RULE)
        arms |= ink->dots;
    put(canvas, column, row, style, lines[arms & 15], 1);
    *ink = (struct ink){.layer = LAYER_RULE, .dots = arms};
}

static void rule(struct canvas *canvas, double x0, double y0, double x1, double y1, struct style style)
{
    bool across = x1 - x0 >= y1 - y0;
    double unit = across ? canvas->dots.x : canvas->dots.y;
    int from = (int)lround((across ? x0 : y0) / unit * 2), to = (int)lround((across ? x1 : y1) / unit * 2);
    int other = across ? (int)floor(y0 / canvas->dots.y) : (int)floor(x0 / canvas->dots.x);
    if (to <= from)
        to = from + 1;
    for (int half = from; half < to; half++) {
        uint8_t arm = across ? (half % 2 ? ARM_RIGHT : ARM_LEFT) : (half % 2 ? ARM_DOWN : ARM_UP);
        add_arms(canvas, across ? half / 2 : other, across ? other : half / 2, style, arm);
    }
}

static void marker(struct canvas *canvas, double x, double y, enum marker_shape shape, struct style style)
{
    static const uint16_t codes[MARKER_SHAPES] = {0x25CF, 0x25A0, 0x25C6, 0x25B2, 0x00D7};
    int column = (int)(x / canvas->dots.x), row = (int)(y / canvas->dots.y);
    put(canvas, column, row, style, codes[shape], 1);
    of(canvas)->inks[index_of(canvas, column, row)].layer = LAYER_FULL;
}

static void bar(struct canvas *canvas, const struct bar *bar, struct style style)
{
    int first_column = (int)(bar->x0 / canvas->dots.x), last_column = (int)ceil(bar->x1 / canvas->dots.x) - 1;
    int first_row = (int)(bar->y0 / canvas->dots.y), last_row = (int)ceil(bar->y1 / canvas->dots.y) - 1;
    for (int row = first_row; row <= last_row; row++)
        for (int column = first_column; column <= last_column; column++) {
            double part = bar->upwards ? row + 1 - bar->y0 / canvas->dots.y : bar->x1 / canvas->dots.x - column;
            int eighths = part >= 1 ? 8 : (int)lround(part * 8);
            bool ascii = canvas->glyphs == GLYPHS_ASCII;
            uint32_t code = bar->upwards ? LOWER_BLOCK + (uint32_t)eighths : LEFT_BLOCK - (uint32_t)eighths;
            if (ascii)
                code = eighths >= 4 ? '#' : bar->upwards ? '.' : '|';
            if (eighths > 0)
                put(canvas, column, row, style, code, 1);
            if (code == FULL_BLOCK)
                of(canvas)->inks[index_of(canvas, column, row)].filled = true;
        }
}

static uint32_t exact(const uint8_t rgb[3])
{
    return COLOR_EXACT | (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
}

static void image(struct canvas *canvas, struct rect area, const uint8_t *rgb, int width, int height)
{
    static const char greys[] = " .:-=+*#%@";
    double step_x = (double)width / area.columns, step_y = (double)height / (2 * area.rows);
    struct rect visible = rect_intersect(area, canvas->clip);
    for (int row = visible.row; row < visible.row + visible.rows; row++)
        for (int column = visible.column; column < visible.column + visible.columns; column++) {
            double x = (column - area.column) * step_x, y = (row - area.row) * 2 * step_y;
            uint8_t upper[3], lower[3];
            image_average(rgb, width, height, x, y, x + step_x, y + step_y, upper);
            image_average(rgb, width, height, x, y + step_y, x + step_x, y + 2 * step_y, lower);
            struct style style = {ROLE_TEXT, 0, exact(upper), exact(lower)};
            uint32_t code = UPPER_HALF;
            if (canvas->glyphs == GLYPHS_ASCII) {
                int grey =
                    (299 * (upper[0] + lower[0]) + 587 * (upper[1] + lower[1]) + 114 * (upper[2] + lower[2])) / 2;
                style = STYLE(ROLE_TEXT);
                code = (uint32_t)greys[grey * 9 / 255000];
            }
            put(canvas, column, row, style, code, 1);
        }
}

/* ---- Pictures that are kept ---- */

/* Adds it to the list; false without memory, and it stays half blocks. */
static bool keep(struct kept_pictures *kept, struct rect area, const uint8_t *rgb, int width, int height)
{
    const size_t bytes = (size_t)width * (size_t)height * 3;
    if (kept->count == UINT16_MAX)
        return false;
    struct kept_picture *items = array_grow(kept->items, &kept->capacity, (size_t)kept->count + 1, sizeof *items);
    if (!items)
        return false;
    kept->items = items;
    uint8_t *all = array_grow(kept->bytes, &kept->size, kept->used + bytes, 1);
    if (!all)
        return false;
    kept->bytes = all;
    memcpy(kept->bytes + kept->used, rgb, bytes);
    kept->items[kept->count++] = (struct kept_picture){area, kept->used, width, height};
    kept->used += bytes;
    return true;
}

static bool is_cells(const struct canvas *canvas)
{
    return canvas->ops->destroy == destroy;
}

void canvas_picture(struct canvas *canvas, struct rect area, const uint8_t *rgb, int width, int height)
{
    canvas_image(canvas, area, rgb, width, height);
    if (!is_cells(canvas) || canvas->glyphs == GLYPHS_ASCII || area.columns < 1 || area.rows < 1 || width < 1 ||
        height < 1 || !keep(&of(canvas)->kept, area, rgb, width, height))
        return;
    const struct rect visible = rect_intersect(area, canvas->clip);
    for (int row = visible.row; row < visible.row + visible.rows; row++)
        for (int column = visible.column; column < visible.column + visible.columns; column++)
            of(canvas)->inks[index_of(canvas, column, row)].picture = (uint16_t)of(canvas)->kept.count;
}

static bool is_whole(const struct cell_canvas *canvas, int index)
{
    const struct rect area = canvas->kept.items[index].area, all = canvas->base.area;
    const struct rect on = rect_intersect(area, all);
    if (on.columns != area.columns || on.rows != area.rows)
        return false;
    for (int row = area.row; row < area.row + area.rows; row++)
        for (int column = area.column; column < area.column + area.columns; column++)
            if (canvas->inks[index_of(&canvas->base, column, row)].picture != index + 1)
                return false;
    return true;
}

bool canvas_picture_at(const struct canvas *canvas, int index, struct canvas_picture *out)
{
    const struct cell_canvas *cells = (const struct cell_canvas *)canvas;
    if (!is_cells(canvas))
        return false;
    for (int i = 0; i < cells->kept.count; i++) {
        const struct kept_picture *kept = &cells->kept.items[i];
        if (!is_whole(cells, i) || index-- > 0)
            continue;
        *out = (struct canvas_picture){kept->area, cells->kept.bytes + kept->offset, kept->width, kept->height};
        return true;
    }
    return false;
}

int canvas_create_cells(int columns, int rows, enum glyph_set glyphs, struct canvas **out, struct error *error)
{
    static const struct canvas_ops ops = {destroy,  clear, put,    label, path_begin, path_line,
                                          path_end, rule,  marker, bar,   image};
    static const struct dot_grid dots[] = {{2, 4}, {2, 2}, {1, 1}};
    if (columns < 0 || rows < 0 || columns > 10000 || rows > 10000)
        return error_set(error, "a canvas of %d x %d cells: 0 to 10000 are possible", columns, rows);
    struct cell_canvas *canvas = calloc(1, sizeof *canvas);
    size_t count = (size_t)columns * (size_t)rows + 1; /* never of no bytes */
    if (!canvas || !(canvas->cells = calloc(count, sizeof *canvas->cells)) ||
        !(canvas->inks = calloc(count, sizeof *canvas->inks))) {
        if (canvas)
            free(canvas->cells);
        free(canvas);
        return error_set(error, "out of memory for a canvas of %d x %d cells", columns, rows);
    }
    canvas->base = (struct canvas){&ops, {0, 0, columns, rows}, {0, 0, columns, rows}, dots[glyphs], glyphs, false};
    canvas_clear(&canvas->base);
    *out = &canvas->base;
    return 0;
}

const struct cell *canvas_cells(const struct canvas *canvas)
{
    return is_cells(canvas) ? ((const struct cell_canvas *)canvas)->cells : NULL;
}
