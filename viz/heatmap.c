/* See heatmap.h. */
#include "viz/heatmap.h"

#include <math.h>
#include <stdio.h>

enum { NAME_MAX_COLUMNS = 18, CELL_COLUMNS = 12, NAME_TEXT = 64, MANY_COLUMNS = 20 };

struct grid {
    int left, top;          /* of the first cell */
    int gap;                /* rows below title and note */
    int width, height;      /* of a cell, in columns and rows */
    int columns, rows;      /* cells shown */
    int digits;             /* of the greatest count */
    int per_cell;           /* rows and columns of the matrix that share a cell */
    int names;              /* columns of the row names, 0: none */
    int notes;              /* ... of the row notes */
    bool numbered;          /* columns are headed by numbers, which stand before the rows' names */
    bool numbers, headings; /* have room */
};

static int digits_of(uint32_t number)
{
    int count = 1;
    for (; number >= 10; number /= 10)
        count++;
    return count;
}

static int digits(const struct heatmap *heatmap)
{
    uint32_t greatest = 0;
    for (int i = 0; i < heatmap->rows * heatmap->columns; i++)
        greatest = heatmap->counts[i] > greatest ? heatmap->counts[i] : greatest;
    return digits_of(greatest);
}

/* `numbered`: with its number before it, as wide as the greatest of `count`. */
static void name_of(const char *const *names, int index, int count, bool numbered, char out[NAME_TEXT])
{
    if (names && numbered)
        snprintf(out, NAME_TEXT, "%*d %s", digits_of((uint32_t)count - 1), index, names[index]);
    else if (names)
        snprintf(out, NAME_TEXT, "%s", names[index]);
    else
        snprintf(out, NAME_TEXT, "%d", index);
}

static int widest_name(const char *const *names, int count, bool numbered)
{
    int widest = 0;
    for (int i = 0; i < count; i++) {
        char name[NAME_TEXT];
        name_of(names, i, count, numbered, name);
        widest = text_columns(name) > widest ? text_columns(name) : widest;
    }
    return widest < NAME_MAX_COLUMNS ? widest : NAME_MAX_COLUMNS;
}

static int header_rows(const struct heatmap *heatmap)
{
    return (heatmap->title != NULL) + (heatmap->note != NULL) + (heatmap->row_label || heatmap->column_label);
}

/* Columns that the row notes and their heading want, with the gap before them. */
static int note_columns(const struct heatmap *heatmap)
{
    int widest = heatmap->row_notes && heatmap->note_label ? text_columns(heatmap->note_label) : 0;
    for (int i = 0; heatmap->row_notes && i < heatmap->rows; i++)
        widest = text_columns(heatmap->row_notes[i]) > widest ? text_columns(heatmap->row_notes[i]) : widest;
    return widest > 0 ? widest + 2 : 0;
}

void heatmap_size(const struct heatmap *heatmap, int *columns, int *rows)
{
    const bool many = heatmap->columns > MANY_COLUMNS; /* their names would make it too wide */
    int number = digits(heatmap) + (many ? 0 : 2);
    int name =
        many ? digits_of((uint32_t)heatmap->columns - 1) : widest_name(heatmap->column_names, heatmap->columns, false);
    const int width = name + 1 > number ? name + 1 : number;
    *columns =
        widest_name(heatmap->row_names, heatmap->rows, many) + 1 + width * heatmap->columns + note_columns(heatmap);
    *columns = heatmap->title && text_columns(heatmap->title) > *columns ? text_columns(heatmap->title) : *columns;
    *columns = heatmap->note && text_columns(heatmap->note) > *columns ? text_columns(heatmap->note) : *columns;
    *rows = header_rows(heatmap) + 1 + heatmap->rows;
}

static int cut(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

static struct grid lay_out(struct rect area, const struct heatmap *heatmap)
{
    struct grid grid = {.left = area.column, .top = area.row, .per_cell = 1, .digits = digits(heatmap)};
    int names = widest_name(heatmap->row_names, heatmap->rows, false) + 1, head = header_rows(heatmap);
    int columns = area.columns, rows = area.rows, heading = widest_name(heatmap->column_names, heatmap->columns, false);
    if (heatmap->column_names && names + (heading + 1) * heatmap->columns > columns) {
        grid.numbered = true;
        names = widest_name(heatmap->row_names, heatmap->rows, true) + 1;
    }
    if (names + 2 * heatmap->columns <= columns) {
        grid.names = names;
        grid.left += names;
        columns -= names;
    }
    if (grid.names && note_columns(heatmap) + (grid.numbered ? 3 : heading + 1) * heatmap->columns <= columns) {
        grid.notes = note_columns(heatmap);
        columns -= grid.notes;
    }
    if (head + 1 + heatmap->rows <= rows) {
        grid.headings = true;
        grid.gap = heatmap->title && head + 1 + heatmap->rows < rows;
        head += grid.gap;
        grid.top += head + 1;
        rows -= head + 1;
    }
    while (heatmap->columns > columns * grid.per_cell || heatmap->rows > rows * grid.per_cell)
        grid.per_cell++;
    grid.columns = (heatmap->columns + grid.per_cell - 1) / grid.per_cell;
    grid.rows = (heatmap->rows + grid.per_cell - 1) / grid.per_cell;
    grid.width = cut(columns / grid.columns, 1, heading < CELL_COLUMNS ? CELL_COLUMNS : heading + 1);
    grid.height = cut(rows / grid.rows, 1, (grid.width + 1) / 2);
    grid.numbers = grid.per_cell == 1 && grid.width >= grid.digits + !grid.numbered;
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
    const uint32_t count = heatmap->counts[row * heatmap->columns + column];
    if (!grid->numbers || (grid->numbered && count == 0))
        return;
    char number[16];
    struct dot_grid dots = canvas_dots(canvas);
    snprintf(number, sizeof number, "%u", count);
    if (grid->height == 1) /* a table: aligned on its last digit */
        canvas_text(canvas, area.column + area.columns - text_columns(number) - (grid->width > grid->digits), area.row,
                    style, number);
    else
        canvas_label(canvas, (area.column + area.columns * 0.5) * dots.x, (area.row + area.rows * 0.5) * dots.y,
                     ALIGN_CENTER, style, number);
}

static int notes_left(const struct grid *grid)
{
    return grid->left + grid->columns * grid->width + 2;
}

static void draw_headings(struct canvas *canvas, struct rect area, const struct heatmap *heatmap,
                          const struct grid *grid)
{
    int row = area.row;
    if (heatmap->title)
        canvas_text_cut(canvas, area.column, row++, area.columns, STYLE(ROLE_TITLE), heatmap->title);
    if (heatmap->note)
        canvas_text_cut(canvas, area.column, row++, area.columns, STYLE(ROLE_DIM), heatmap->note);
    row += grid->gap;
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
        name_of(grid->numbered ? NULL : heatmap->column_names, x * grid->per_cell, heatmap->columns, false, name);
        int width = text_columns(name), room = grid->width - 1, left = grid->left + x * grid->width;
        if (width < room) /* over the numbers, which stand to the right or in the middle */
            left += grid->height == 1 ? room - width : (grid->width - width) / 2;
        canvas_text_cut(canvas, left, row, room, STYLE(ROLE_LABEL), name);
    }
    if (grid->notes && heatmap->note_label)
        canvas_text(canvas, notes_left(grid) + grid->notes - 2 - text_columns(heatmap->note_label), row,
                    STYLE(ROLE_LABEL), heatmap->note_label);
}

/* What stands before and behind a row of cells. */
static void draw_row_texts(struct canvas *canvas, struct rect area, const struct heatmap *heatmap,
                           const struct grid *grid, int y)
{
    char name[NAME_TEXT];
    struct dot_grid dots = canvas_dots(canvas);
    double middle = (grid->top + (y + 0.5) * grid->height) * dots.y;
    name_of(heatmap->row_names, y * grid->per_cell, heatmap->rows, grid->numbered, name);
    if (grid->names && text_columns(name) < grid->names)
        canvas_label(canvas, area.column * dots.x, middle, ALIGN_LEFT, STYLE(ROLE_LABEL), name);
    else if (grid->names)
        canvas_text_cut(canvas, area.column, grid->top + y * grid->height, grid->names - 1, STYLE(ROLE_LABEL), name);
    if (grid->notes && grid->per_cell == 1)
        canvas_label(canvas, (notes_left(grid) + grid->notes - 2) * dots.x, middle, ALIGN_RIGHT, STYLE(ROLE_TEXT),
                     heatmap->row_notes[y]);
}

void heatmap_draw(struct canvas *canvas, struct rect area, const struct heatmap *heatmap)
{
    if (heatmap->rows < 1 || heatmap->columns < 1 || area.columns < 1 || area.rows < 1)
        return;
    struct grid grid = lay_out(area, heatmap);
    if (grid.headings)
        draw_headings(canvas, area, heatmap, &grid);
    for (int y = 0; y < grid.rows; y++) {
        draw_row_texts(canvas, area, heatmap, &grid, y);
        for (int x = 0; x < grid.columns; x++)
            draw_cell(canvas, heatmap, &grid, y, x);
    }
}
