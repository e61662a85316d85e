/* The surface that every chart, table and picture is drawn on. One interface, two kinds: a grid of terminal cells (the
 * live panel; the screen diffs the cells and puts them on the terminal) and RGB pixels (the PNG figure). What is drawn
 * through it is drawn once for both. Everything is clipped: no coordinate can be wrong. Not thread safe.
 *
 * Two units. *Cells*: text columns and rows, on both kinds. *Dots*: the finest grid for lines, from the canvas's top
 * left corner; canvas_dots() of them to a cell (braille 2 x 4, quadrants 2 x 2, ASCII 1 x 1, pixels: the font's size).
 * A dot's centre is at +0.5. */
#ifndef NFBENCH_VIZ_CANVAS_H
#define NFBENCH_VIZ_CANVAS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* What a mark means; the theme (viz/theme.h) turns it into a colour or, without colours, an attribute. */
enum role {
    ROLE_TEXT,
    ROLE_DIM,   /* less important text */
    ROLE_TITLE, /* of a panel or figure */
    ROLE_LABEL, /* names before values; axis labels */
    ROLE_ACCENT,
    ROLE_GRID,
    ROLE_BORDER,
    ROLE_GOOD,
    ROLE_WARNING,
    ROLE_BAD,
    ROLE_KEY,      /* a key in a key bar */
    ROLE_HINT,     /* what the key does */
    ROLE_SELECTED, /* the chosen tab or row */
    ROLE_HEADER,   /* the line at the top of the screen */
    ROLE_PROMPT,
    ROLE_CURSOR, /* the chart's cursor */
    ROLE_EVENT,  /* an intervention on a chart */
    ROLE_SERIES_1,
    ROLE_SERIES_2,
    ROLE_SERIES_3,
    ROLE_SERIES_4,
    ROLE_SERIES_5,
    ROLE_SERIES_6,
    ROLE_SERIES_7,
    ROLE_SERIES_8,
    ROLE_COUNT
};

enum { SERIES_ROLES = ROLE_SERIES_8 - ROLE_SERIES_1 + 1 };

enum style_flag { STYLE_BOLD = 1, STYLE_UNDERLINE = 2, STYLE_REVERSE = 4, STYLE_FAINT = 8 };

/* Exact colours are for pictures and colour maps; everything else goes by role. */
enum { COLOR_BY_ROLE = 0, COLOR_EXACT = 0x01000000 };

struct style {
    uint8_t role;                    /* enum role */
    uint8_t flags;                   /* of enum style_flag */
    uint32_t foreground, background; /* COLOR_BY_ROLE, or COLOR_EXACT | 0xRRGGBB */
};

/* STYLE(ROLE_TITLE), STYLE(ROLE_TITLE, STYLE_BOLD) */
#define STYLE_2(role_, flags_, ...) ((struct style){.role = (uint8_t)(role_), .flags = (uint8_t)(flags_)})
#define STYLE(...) STYLE_2(__VA_ARGS__, 0, 0)

enum glyph_set {
    GLYPHS_BRAILLE,
    GLYPHS_BLOCK, /* quadrants and eighth blocks, for fonts without braille */
    GLYPHS_ASCII
};

static inline bool style_equal(struct style a, struct style b)
{
    return a.role == b.role && a.flags == b.flags && a.foreground == b.foreground && a.background == b.background;
}

struct cell {
    uint32_t code; /* Unicode; ' ' where empty */
    uint8_t width; /* columns: 1, 2, or 0 for the right half of the wide one before */
    struct style style;
};

/* In cells. Empty when columns or rows is below 1. */
struct rect {
    int column, row, columns, rows;
};
struct rect rect_intersect(struct rect a, struct rect b);

struct dot_grid {
    int x, y; /* dots to a column and to a row */
};

struct theme;
struct canvas;

int canvas_create_cells(int columns, int rows, enum glyph_set glyphs, struct canvas **out, struct error *error);
/* Pixels in the theme's colours; the font is drawn `scale` (1..4) times its size and gives the cells. The theme must
 * outlive the canvas. */
int canvas_create_pixels(int width, int height, int scale, const struct theme *theme, struct canvas **out,
                         struct error *error);
/* The same, of so many cells and a margin about them; `inside` is where these are. */
int canvas_create_figure(int columns, int rows, int scale, const struct theme *theme, struct canvas **out,
                         struct rect *inside, struct error *error);
void canvas_destroy(struct canvas *canvas);
/* Blank in the style's background, clip back to all. */
void canvas_clear(struct canvas *canvas);

struct rect canvas_area(const struct canvas *canvas);
struct dot_grid canvas_dots(const struct canvas *canvas);
bool canvas_has_pixels(const struct canvas *canvas);
bool canvas_is_light(const struct canvas *canvas);         /* its ground, where it is known: of pixels */
enum glyph_set canvas_glyphs(const struct canvas *canvas); /* pixels: GLYPHS_BRAILLE, they have every glyph */
/* Cells of a cell canvas, row major, columns x rows; NULL for pixels. Valid until the canvas goes. */
const struct cell *canvas_cells(const struct canvas *canvas);
/* Pixels of a pixel canvas, height x width x 3 bytes; NULL for cells. */
const uint8_t *canvas_pixels(const struct canvas *canvas, int *width, int *height);

/* Marks outside `clip` are dropped from here on; returns the clip before, to be set again. */
struct rect canvas_clip(struct canvas *canvas, struct rect clip);

/* Text. UTF-8; a broken byte becomes U+FFFD; control characters become spaces. On an ASCII canvas what has no ASCII
 * likeness becomes '?'. Returns the columns it takes up, drawn or not. */
int canvas_text(struct canvas *canvas, int column, int row, struct style style, const char *text);
int canvas_printf(struct canvas *canvas, int column, int row, struct style style, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* As canvas_text, but at most `columns` wide; what is cut ends in an ellipsis. */
int canvas_text_cut(struct canvas *canvas, int column, int row, int columns, struct style style, const char *text);
enum align { ALIGN_LEFT, ALIGN_CENTER, ALIGN_RIGHT };
/* Text about a point in dots: vertically centred on it; exact to the pixel on pixels, the nearest cell on cells. */
void canvas_label(struct canvas *canvas, double x, double y, enum align align, struct style style, const char *text);
void canvas_put(struct canvas *canvas, int column, int row, struct style style, uint32_t code);
void canvas_fill(struct canvas *canvas, struct rect area, struct style style);
/* Rounded frame with a title in its top line (may be NULL). */
void canvas_box(struct canvas *canvas, struct rect area, struct style style, const char *title);
/* Columns that UTF-8 text takes up. */
int text_columns(const char *text);
/* Decodes one code point (U+FFFD for a broken byte) and moves the pointer on; 0 at the end. */
uint32_t text_next(const char **text);
/* 0 (combining), 1 or 2 columns; the same in every locale. */
int code_columns(uint32_t code);

/* Lines, in dots. A path is one stroke in one style: its segments join without darker spots on pixels. Where two
 * paths meet in a cell, the grid gives way to faint lines and these to full ones; in a cell that a bar fills they are
 * holes. Dashes and dots are cut by x from the path's start on, and spare steep segments and single dots, so that no
 * spike falls into a gap. */
enum stroke { STROKE_SOLID, STROKE_DASHED, STROKE_DOTTED };
void canvas_path_begin(struct canvas *canvas, struct style style, enum stroke stroke, double width);
void canvas_path_line(struct canvas *canvas, double x0, double y0, double x1, double y1);
void canvas_path_end(struct canvas *canvas);
/* The same for lines of few points: patterns go by the line's length, so that steep parts show them, too. `run` is 0 at
 * the line's start and says how far it has come. (On cells the pattern stays one of columns.) */
void canvas_line_begin(struct canvas *canvas, struct style style, enum stroke stroke, double width);
void canvas_line(struct canvas *canvas, double x0, double y0, double x1, double y1, enum stroke stroke, double *run);

/* A thin straight line across or down, for axes and frames: exact on pixels; on cells box drawing characters, half a
 * cell the least, which join where rules meet. */
void canvas_rule(struct canvas *canvas, double x0, double y0, double x1, double y1, struct style style);

enum marker_shape { MARKER_CIRCLE, MARKER_SQUARE, MARKER_DIAMOND, MARKER_TRIANGLE, MARKER_CROSS, MARKER_SHAPES };
void canvas_marker(struct canvas *canvas, double x, double y, enum marker_shape shape, struct style style);

/* A bar of `length` cells from the bottom of `row` upwards, or from the left of `column` to the right; to an eighth of
 * a cell (to a pixel on pixels). */
void canvas_bar_up(struct canvas *canvas, int column, int row, int columns, double length, struct style style);
void canvas_bar_right(struct canvas *canvas, int column, int row, double length, struct style style);

/* The same in dots, from (x0, bottom) up to (x1, top): as narrow as a dot on pixels, whole columns on cells. */
void canvas_bar(struct canvas *canvas, double x0, double x1, double bottom, double top, struct style style);

/* RGB (height x width x 3) scaled into the area: half blocks on cells (grey letters on ASCII); on pixels from its top
 * left corner with its shape kept, in whole multiples where they fit. Averages when it shrinks, nearest when it grows.
 */
void canvas_image(struct canvas *canvas, struct rect area, const uint8_t *rgb, int width, int height);

/* The same of a photograph or the like, which a canvas of cells also keeps as it is: a terminal that can draw pixels
 * shows it in place of its half blocks. */
void canvas_picture(struct canvas *canvas, struct rect area, const uint8_t *rgb, int width, int height);
struct canvas_picture {
    struct rect area;
    const uint8_t *rgb; /* (height, width, 3); the canvas's, until it is cleared */
    int width, height;
};
/* The index-th picture, in the order of drawing, that is whole: not clipped, and nothing was drawn over it since. False
 * behind the last, and always on pixels and in ASCII. */
bool canvas_picture_at(const struct canvas *canvas, int index, struct canvas_picture *out);

#endif
