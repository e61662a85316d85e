/* See heatmap.h. */
#include "viz/heatmap.h"

#include <math.h>
#include <stdio.h>

enum { NAME_MAX_COLUMNS = 12, CELL_MAX_COLUMNS = 9, NAME_TEXT = 64 };

struct grid {
    int left, top;          /* of the first cell */
    int width, height;      /* of a cell, in columns and rows */
    int columns, rows;      /* cells shown */
    int per_cell;           /* rows and columns of the matrix that share a cell */
    int names;              /* columns of the row names, 0: none */
    bool numbers, headings; /* have room */
};

static int digits(const struct heatmap *heatmap)
{
    uint32_t greatest = 0;
    int count = 1;
    for (int i = 0; i < heatmap->rows * heatmap->columns; i++)
        greatest = heatmap->counts[i] > greatest ? heatmap->counts[i] : greatest;
    for (; greatest >= 10; greatest /= 10)
        count++;
    return count;
}

static void name_of(const char *const *names, int index, char out[NAME_TEXT])
{
    if (names)
        snprintf(out, NAME_TEXT, "%s", names[index]);
    else
        snprintf(out, NAME_TEXT, "%d", index);
}

static int widest_name(const char *const *names, int count)
{
    int widest = 0;
    for (int i = 0; i < count; i++) {
        char name[NAME_TEXT];
        name_of(names, i, name);
        widest = text_columns(name) > widest ? text_columns(name) : widest;
    }
    return widest < NAME_MAX_COLUMNS ? widest : NAME_MAX_COLUMNS;
}

static int header_rows(const struct heatmap *heatmap)
{
    return (heatmap->title != NULL) + (heatmap->row_label || heatmap->column_label);
}

void heatmap_size(const struct heatmap *heatmap, int *columns, int *rows)
{
    int number = digits(heatmap) + 2, name = widest_name(heatmap->column_names, heatmap->columns) + 1;
    int width = name > number ? name : number;
    width = width < CELL_MAX_COLUMNS ? width : CELL_MAX_COLUMNS;
    *columns = widest_name(heatmap->row_names, heatmap->rows) + 1 + width * heatmap->columns;
    *rows = header_rows(heatmap) + 1 + heatmap->rows;
}

static int cut(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

static struct grid lay_out(struct rect area, const struct heatmap *heatmap)
{
    struct grid grid = {.left = area.column, .top = area.row, .per_cell = 1};
    int names = widest_name(heatmap->row_names, heatmap->rows) + 1, head = header_rows(heatmap);
    int columns = area.columns, rows = area.rows;
    if (names + 2 * heatmap->columns <= columns) {
        grid.names = names;
        grid.left += names;
        columns -= names;
    }
    if (head + 1 + heatmap->rows <= rows) {
        grid.headings = true;
        grid.top += head + 1;
        rows -= head + 1;
    }
    while (heatmap->columns > columns * grid.per_cell || heatmap->rows > rows * grid.per_cell)
        grid.per_cell++;
    grid.columns = (heatmap->columns + grid.per_cell - 1) / grid.per_cell;
    grid.rows = (heatmap->rows + grid.per_cell - 1) / grid.per_cell;
    grid.width = cut(columns / grid.columns, 1, CELL_MAX_COLUMNS);
    grid.height = cut(rows / grid.rows, 1, (grid.width + 1) / 2);
    grid.numbers = grid.per_cell == 1 && grid.width > digits(heatmap);
    return grid;
}

/* Share of its rows that a shown cell holds. */
static double share(const struct heatmap *heatmap, const struct grid *grid, int row, int column)
{
    double part = 0, whole = 0;
    for (int y = row * grid->per_cell; y < (row + 1) * grid->per_cell && y < heatmap->rows; y++)
        for (int x = 0; x < heatmap->columns; x++) {
            double count = heatmap->counts[(size_t)y * (size_t)heatmap->columns + (size_t)x];
            whole += count;
            part += x / grid->per_cell == column ? count : 0;
        }
    return whole > 0 ? part / whole : 0;
}

static void draw_cell(struct canvas *canvas, const struct heatmap *heatmap, const struct grid *grid, int row,
                      int column)
{
    static const char greys[] = " .:-=+*#%@";
    double part = share(heatmap, grid, row, column); /* its root: rare confusions are what one looks for */
    uint32_t color = colormap_color(heatmap->map, sqrt(part));
    struct style style = {ROLE_TEXT, row == column ? STYLE_BOLD : 0, COLOR_EXACT | color_readable_on(color),
                          COLOR_EXACT | color};
    struct rect area = {grid->left + column * grid->width, grid->top + row * grid->height, grid->width, grid->height};
    if (canvas_glyphs(canvas) == GLYPHS_ASCII) {
        style = STYLE(ROLE_TEXT);
        if (!grid->numbers)
            canvas_put(canvas, area.column, area.row, style, (uint32_t)greys[(int)(part * 9)]);
    } else {
        canvas_fill(canvas, area, style);
    }
    if (!grid->numbers)
        return;
    char number[16];
    struct dot_grid dots = canvas_dots(canvas);
    snprintf(number, sizeof number, "%u", heatmap->counts[row * heatmap->columns + column]);
    if (grid->height == 1) /* a table: aligned on its last digit */
        canvas_text(canvas,
                    area.column + area.columns - text_columns(number) - (grid->width > text_columns(number) + 1),
                    area.row, style, number);
    else
        canvas_label(canvas, (area.column + area.columns * 0.5) * dots.x, (area.row + area.rows * 0.5) * dots.y,
                     ALIGN_CENTER, style, number);
}

static void draw_headings(struct canvas *canvas, struct rect area, const struct heatmap *heatmap,
                          const struct grid *grid)
{
    int row = area.row;
    if (heatmap->title)
        canvas_text_cut(canvas, area.column, row++, area.columns, STYLE(ROLE_TITLE), heatmap->title);
    if (heatmap->row_label || heatmap->column_label) {
        if (heatmap->row_label && grid->names)
            canvas_text_cut(canvas, area.column, row + 1, grid->names - 1, STYLE(ROLE_DIM), heatmap->row_label);
        if (heatmap->column_label)
            canvas_text_cut(canvas, grid->left, row, area.column + area.columns - grid->left, STYLE(ROLE_DIM),
                            heatmap->column_label);
        row++;
    }
    for (int x = 0; x < grid->columns && grid->width > 2; x++) {
        char name[NAME_TEXT];
        name_of(heatmap->column_names, x * grid->per_cell, name);
        int width = text_columns(name), room = grid->width - 1, left = grid->left + x * grid->width;
        if (width < room) /* over the numbers, which stand to the right or in the middle */
            left += grid->height == 1 ? room - width : (grid->width - width) / 2;
        canvas_text_cut(canvas, left, row, room, STYLE(ROLE_LABEL), name);
    }
}

void heatmap_draw(struct canvas *canvas, struct rect area, const struct heatmap *heatmap)
{
    if (heatmap->rows < 1 || heatmap->columns < 1 || area.columns < 1 || area.rows < 1)
        return;
    struct grid grid = lay_out(area, heatmap);
    struct dot_grid dots = canvas_dots(canvas);
    if (grid.headings)
        draw_headings(canvas, area, heatmap, &grid);
    for (int y = 0; y < grid.rows; y++) {
        char name[NAME_TEXT];
        name_of(heatmap->row_names, y * grid.per_cell, name);
        double middle = (grid.top + (y + 0.5) * grid.height) * dots.y;
        if (grid.names && text_columns(name) < grid.names)
            canvas_label(canvas, area.column * dots.x, middle, ALIGN_LEFT, STYLE(ROLE_LABEL), name);
        else if (grid.names)
            canvas_text_cut(canvas, area.column, grid.top + y * grid.height, grid.names - 1, STYLE(ROLE_LABEL), name);
        for (int x = 0; x < grid.columns; x++)
            draw_cell(canvas, heatmap, &grid, y, x);
    }
}
