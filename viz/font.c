/* See font.h. At 1x a letter's pixels are the font's own; above, its steps are rounded off (Scale2x, Mazzoleni 2001,
 * three times over) and averaged down to grey levels. */
#include "viz/font.h"
#include "viz/font_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FINE = 8, FINE_WIDTH = FONT_WIDTH * FINE, FINE_HEIGHT = FONT_HEIGHT * FINE };

struct bitmap {
    int width, height;
    uint8_t *coverage; /* (height, width) */
};

static int compare_code(const void *key, const void *glyph)
{
    return (int)*(const uint32_t *)key - (int)((const struct font_glyph *)glyph)->code;
}

static const struct font_glyph *find_glyph(uint32_t code)
{
    /* Signs that look like one that the font has. */
    static const uint32_t alike[][2] = {{0x2714, 0x2713}, {0x2715, 0x00D7}, {0x2716, 0x00D7},
                                        {0x2718, 0x2717}, {0x23F5, 0x25B6}, {0x2024, 0x002E}};
    for (size_t i = 0; i < sizeof alike / sizeof alike[0]; i++)
        if (alike[i][0] == code)
            code = alike[i][1];
    return bsearch(&code, font_glyphs, (size_t)font_glyph_count, sizeof font_glyphs[0], compare_code);
}

static void fill_box(struct bitmap *bitmap, double x0, double y0, double x1, double y1, int value)
{
    for (int y = (int)lround(y0); y < (int)lround(y1); y++)
        for (int x = (int)lround(x0); x < (int)lround(x1); x++)
            if (x >= 0 && y >= 0 && x < bitmap->width && y < bitmap->height)
                bitmap->coverage[y * bitmap->width + x] = (uint8_t)value;
}

/* Marks every pixel by how far it is within `radius` of a distance function's zero. */
static void set_covered(struct bitmap *bitmap, int x, int y, double inside)
{
    double part = inside + 0.5;
    int value = part <= 0 ? 0 : part >= 1 ? 255 : (int)(part * 255 + 0.5);
    uint8_t *pixel = &bitmap->coverage[y * bitmap->width + x];
    if (value > *pixel)
        *pixel = (uint8_t)value;
}

/* --- box drawing: four arms from the centre --- */

enum weight { NONE, LIGHT, HEAVY, DOUBLE };

struct arms {
    uint16_t code;
    uint8_t left, right, up, down; /* enum weight */
};

static const struct arms box_arms[] = {
    {0x2500, 1, 1, 0, 0}, {0x2501, 2, 2, 0, 0}, {0x2502, 0, 0, 1, 1}, {0x2503, 0, 0, 2, 2}, {0x250C, 0, 1, 0, 1},
    {0x250F, 0, 2, 0, 2}, {0x2510, 1, 0, 0, 1}, {0x2513, 2, 0, 0, 2}, {0x2514, 0, 1, 1, 0}, {0x2517, 0, 2, 2, 0},
    {0x2518, 1, 0, 1, 0}, {0x251B, 2, 0, 2, 0}, {0x251C, 0, 1, 1, 1}, {0x2523, 0, 2, 2, 2}, {0x2524, 1, 0, 1, 1},
    {0x252B, 2, 0, 2, 2}, {0x252C, 1, 1, 0, 1}, {0x2533, 2, 2, 0, 2}, {0x2534, 1, 1, 1, 0}, {0x253B, 2, 2, 2, 0},
    {0x253C, 1, 1, 1, 1}, {0x254B, 2, 2, 2, 2}, {0x2550, 3, 3, 0, 0}, {0x2551, 0, 0, 3, 3}, {0x2574, 1, 0, 0, 0},
    {0x2575, 0, 0, 1, 0}, {0x2576, 0, 1, 0, 0}, {0x2577, 0, 0, 0, 1}, {0x2578, 2, 0, 0, 0}, {0x2579, 0, 0, 2, 0},
    {0x257A, 0, 2, 0, 0}, {0x257B, 0, 0, 0, 2},
};

static const struct arms *find_arms(uint32_t code)
{
    for (size_t i = 0; i < sizeof box_arms / sizeof box_arms[0]; i++)
        if (box_arms[i].code == code)
            return &box_arms[i];
    return NULL;
}

static double line_width(const struct bitmap *bitmap, int weight)
{
    double unit = bitmap->height / (double)FONT_HEIGHT;
    return weight == HEAVY ? 3 * unit : unit;
}

static void draw_arm(struct bitmap *bitmap, int weight, int dx, int dy)
{
    if (weight == NONE)
        return;
    double width = line_width(bitmap, weight), x = floor(bitmap->width / 2.0), y = floor(bitmap->height / 2.0);
    int lines = weight == DOUBLE ? 2 : 1;
    for (int line = 0; line < lines; line++) {
        double shift = lines == 1 ? 0 : (line ? 2 : -2) * width, half = floor(width / 2);
        double x0 = x - half + (dy ? shift : 0), y0 = y - half + (dx ? shift : 0);
        fill_box(bitmap, dx < 0 ? 0 : x0, dy < 0 ? 0 : y0, dx > 0 ? bitmap->width : x0 + width,
                 dy > 0 ? bitmap->height : y0 + width, 255);
    }
}

/* A quarter circle from one arm to the other, with straight ends. Corner bits: 1 towards the right, 2 downwards. */
static void draw_round_corner(struct bitmap *bitmap, bool right, bool down)
{
    double width = line_width(bitmap, LIGHT), radius = bitmap->width / 2.0 - 0.5 * width;
    double shift = width / 2 - floor(width / 2);
    double x = floor(bitmap->width / 2.0) + shift, y = floor(bitmap->height / 2.0) + shift;
    double centre_x = x + (right ? radius : -radius), centre_y = y + (down ? radius : -radius);
    for (int row = 0; row < bitmap->height; row++)
        for (int column = 0; column < bitmap->width; column++) {
            double px = column + 0.5, py = row + 0.5;
            bool beside = right ? px > centre_x : px < centre_x, below = down ? py > centre_y : py < centre_y;
            double away;
            if (!beside && !below)
                away = fabs(hypot(px - centre_x, py - centre_y) - radius);
            else if (beside && !below)
                away = fabs(py - y);
            else if (below && !beside)
                away = fabs(px - x);
            else
                continue;
            set_covered(bitmap, column, row, width / 2 - away);
        }
}

/* Dashed lines: pieces of the cell with gaps between them. */
static bool draw_dashes(uint32_t code, struct bitmap *bitmap)
{
    static const struct {
        uint16_t code;
        uint8_t pieces, weight, upright;
    } table[] = {{0x2504, 3, 1, 0}, {0x2505, 3, 2, 0}, {0x2506, 3, 1, 1}, {0x2507, 3, 2, 1},
                 {0x2508, 4, 1, 0}, {0x2509, 4, 2, 0}, {0x250A, 4, 1, 1}, {0x250B, 4, 2, 1},
                 {0x254C, 2, 1, 0}, {0x254D, 2, 2, 0}, {0x254E, 2, 1, 1}, {0x254F, 2, 2, 1}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].code != code)
            continue;
        bool upright = table[i].upright;
        double width = line_width(bitmap, table[i].weight), pitch = (upright ? bitmap->height : bitmap->width);
        pitch /= table[i].pieces;
        double side = floor((upright ? bitmap->width : bitmap->height) / 2.0) - floor(width / 2);
        for (int piece = 0; piece < table[i].pieces; piece++) {
            double from = piece * pitch, to = from + pitch * 0.6;
            fill_box(bitmap, upright ? side : from, upright ? from : side, upright ? side + width : to,
                     upright ? to : side + width, 255);
        }
        return true;
    }
    return false;
}

static bool draw_box(uint32_t code, struct bitmap *bitmap)
{
    if (code < 0x2500 || code > 0x257F)
        return false;
    if (code >= 0x256D && code <= 0x2570) {
        draw_round_corner(bitmap, code == 0x256D || code == 0x2570, code <= 0x256E);
        return true;
    }
    const struct arms *arms = find_arms(code);
    if (!arms)
        return draw_dashes(code, bitmap);
    draw_arm(bitmap, arms->left, -1, 0);
    draw_arm(bitmap, arms->right, 1, 0);
    draw_arm(bitmap, arms->up, 0, -1);
    draw_arm(bitmap, arms->down, 0, 1);
    return true;
}

/* --- blocks and braille --- */

static bool draw_block(uint32_t code, struct bitmap *bitmap)
{
    static const uint8_t quadrants[] = {4, 8,  1, 13, 9,
                                        7, 11, 2, 6,  14}; /* from U+2596: upper left 1, right 2, lower 4, 8 */
    double width = bitmap->width, height = bitmap->height;
    if (code == 0x2580)
        fill_box(bitmap, 0, 0, width, height / 2, 255);
    else if (code > 0x2580 && code <= 0x2588)
        fill_box(bitmap, 0, height * (8 - (int)(code - 0x2580)) / 8.0, width, height, 255);
    else if (code > 0x2588 && code <= 0x258F)
        fill_box(bitmap, 0, 0, width * (8 - (int)(code - 0x2588)) / 8.0, height, 255);
    else if (code == 0x2590)
        fill_box(bitmap, width / 2, 0, width, height, 255);
    else if (code >= 0x2591 && code <= 0x2593)
        fill_box(bitmap, 0, 0, width, height, 64 * (int)(code - 0x2590));
    else if (code == 0x2594)
        fill_box(bitmap, 0, 0, width, height / 8, 255);
    else if (code == 0x2595)
        fill_box(bitmap, width * 7 / 8, 0, width, height, 255);
    else if (code >= 0x2596 && code <= 0x259F)
        for (int bit = 0; bit < 4; bit++) {
            int x = bit % 2, y = bit / 2;
            if (quadrants[code - 0x2596] >> bit & 1)
                fill_box(bitmap, x * width / 2, y * height / 2, (x + 1) * width / 2, (y + 1) * height / 2, 255);
        }
    else
        return false;
    return true;
}

static bool draw_braille(uint32_t code, struct bitmap *bitmap)
{
    static const uint8_t bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    if (code < 0x2800 || code > 0x28FF)
        return false;
    double pitch_x = bitmap->width / 2.0, pitch_y = bitmap->height / 4.0, radius = fmin(pitch_x, pitch_y) * 0.36;
    for (int y = 0; y < bitmap->height; y++)
        for (int x = 0; x < bitmap->width; x++) {
            int column = (int)(x / pitch_x), row = (int)(y / pitch_y);
            if (!(code & bits[row][column]))
                continue;
            double dx = x + 0.5 - (column + 0.5) * pitch_x, dy = y + 0.5 - (row + 0.5) * pitch_y;
            set_covered(bitmap, x, y, radius - hypot(dx, dy));
        }
    return true;
}

/* --- letters --- */

static int pixel(const uint8_t *bits, int width, int height, int x, int y)
{
    return x < 0 || y < 0 || x >= width || y >= height ? 0 : bits[y * width + x];
}

/* Scale2x: each pixel becomes four, a corner takes its neighbours' value where these agree. */
static void scale_twice(const uint8_t *from, int width, int height, uint8_t *to)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int here = pixel(from, width, height, x, y);
            int up = pixel(from, width, height, x, y - 1), down = pixel(from, width, height, x, y + 1);
            int left = pixel(from, width, height, x - 1, y), right = pixel(from, width, height, x + 1, y);
            uint8_t *out = to + (2 * y) * (2 * width) + 2 * x;
            bool edge = up != down && left != right;
            out[0] = (uint8_t)(edge && left == up ? left : here);
            out[1] = (uint8_t)(edge && up == right ? right : here);
            out[2 * width] = (uint8_t)(edge && left == down ? left : here);
            out[2 * width + 1] = (uint8_t)(edge && down == right ? right : here);
        }
}

static void unpack(const struct font_glyph *glyph, bool bold, uint8_t *bits)
{
    memset(bits, 0, FONT_WIDTH * FONT_HEIGHT);
    for (int row = 0; row + glyph->first < FONT_HEIGHT; row++) {
        unsigned line = glyph->rows[row];
        if (bold)
            line |= line >> 1 & ~(line << 1); /* but a gap of one pixel stays open */
        for (int x = 0; x < FONT_WIDTH; x++)
            bits[(row + glyph->first) * FONT_WIDTH + x] = line >> (FONT_WIDTH - 1 - x) & 1;
    }
}

static void draw_letter(const struct font_glyph *glyph, int scale, bool bold, struct bitmap *bitmap)
{
    uint8_t a[FINE_WIDTH * FINE_HEIGHT], b[FINE_WIDTH * FINE_HEIGHT / 4];
    unpack(glyph, bold, a);
    if (scale == 1) {
        for (int i = 0; i < FONT_WIDTH * FONT_HEIGHT; i++)
            bitmap->coverage[i] = a[i] ? 255 : 0;
        return;
    }
    scale_twice(a, FONT_WIDTH, FONT_HEIGHT, b);
    memcpy(a, b, (size_t)4 * FONT_WIDTH * FONT_HEIGHT);
    scale_twice(a, 2 * FONT_WIDTH, 2 * FONT_HEIGHT, b);
    scale_twice(b, 4 * FONT_WIDTH, 4 * FONT_HEIGHT, a);
    for (int y = 0; y < bitmap->height; y++)
        for (int x = 0; x < bitmap->width; x++) {
            int x0 = x * FINE / scale, x1 = (x + 1) * FINE / scale, y0 = y * FINE / scale, y1 = (y + 1) * FINE / scale;
            int sum = 0;
            for (int fine_y = y0; fine_y < y1; fine_y++)
                for (int fine_x = x0; fine_x < x1; fine_x++)
                    sum += a[fine_y * FINE_WIDTH + fine_x];
            bitmap->coverage[y * bitmap->width + x] = (uint8_t)(255 * sum / ((x1 - x0) * (y1 - y0)));
        }
}

static void draw_frame(struct bitmap *bitmap)
{
    double unit = bitmap->height / (double)FONT_HEIGHT;
    fill_box(bitmap, unit, 3 * unit, bitmap->width - unit, bitmap->height - 4 * unit, 255);
    fill_box(bitmap, 2 * unit, 4 * unit, bitmap->width - 2 * unit, bitmap->height - 5 * unit, 0);
}

static bool draw_pause(uint32_t code, struct bitmap *bitmap)
{
    if (code != 0x23F8)
        return false;
    double unit = bitmap->height / (double)FONT_HEIGHT;
    fill_box(bitmap, 2 * unit, 5 * unit, 4 * unit, 15 * unit, 255);
    fill_box(bitmap, 6 * unit, 5 * unit, 8 * unit, 15 * unit, 255);
    return true;
}

/* Draws what goes by rule; false when the code is a letter or unknown. */
static bool draw_by_rule(uint32_t code, struct bitmap *bitmap)
{
    return draw_box(code, bitmap) || draw_block(code, bitmap) || draw_braille(code, bitmap) || draw_pause(code, bitmap);
}

bool font_covers(uint32_t code)
{
    uint8_t coverage[FONT_WIDTH * FONT_HEIGHT] = {0};
    struct bitmap bitmap = {FONT_WIDTH, FONT_HEIGHT, coverage};
    return find_glyph(code) || draw_by_rule(code, &bitmap);
}

void font_render(uint32_t code, int scale, bool bold, bool wide, uint8_t *coverage)
{
    struct bitmap bitmap = {FONT_WIDTH * scale * (wide ? 2 : 1), FONT_HEIGHT * scale, coverage};
    memset(coverage, 0, (size_t)bitmap.width * (size_t)bitmap.height);
    const struct font_glyph *glyph = wide ? NULL : find_glyph(code);
    if (glyph)
        draw_letter(glyph, scale, bold, &bitmap);
    else if (wide || !draw_by_rule(code, &bitmap))
        draw_frame(&bitmap);
}
