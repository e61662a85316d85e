/* See value_map.h. */
#include "viz/value_map.h"

#include <math.h>
#include <stdio.h>

enum { CELL_LEAST = 11, CELL_ROWS = 5, SCALE_COLUMNS = 24 };

static int widest(const char *const *names, int count)
{
    int most = 0;
    for (int i = 0; names && i < count; i++)
        most = text_columns(names[i]) > most ? text_columns(names[i]) : most;
    return most;
}

static int label_columns(const struct value_map *map)
{
    const int names = widest(map->row_names, map->rows), label = map->row_label ? text_columns(map->row_label) : 0;
    const int most = names > label ? names : label;
    return most > 0 ? most + 2 : 0;
}

static int cell_columns(const struct value_map *map)
{
    int most = widest(map->column_names, map->columns);
    for (int i = 0; i < map->rows * map->columns; i++) {
        const struct value_cell *cell = &map->cells[i];
        const int text = cell->text ? text_columns(cell->text) : 0, sub = cell->sub ? text_columns(cell->sub) : 0;
        most = text > most ? text : most;
        most = sub > most ? sub : most;
    }
    return most + 2 > CELL_LEAST ? most + 2 : CELL_LEAST;
}

static int head_rows(const struct value_map *map)
{
    return (map->title != NULL) + (map->column_label != NULL) + (map->column_names || map->row_label);
}

void value_map_size(const struct value_map *map, int *columns, int *rows)
{
    *columns = label_columns(map) + cell_columns(map) * map->columns;
    *rows = head_rows(map) + CELL_ROWS * map->rows;
    if (map->title && text_columns(map->title) > *columns)
        *columns = text_columns(map->title);
}

static double part_of(const struct value_map *map, double value)
{
    return map->high > map->low ? (value - map->low) / (map->high - map->low) : 1;
}

/* Two strokes through it that leave its middle to the words. */
static void cross_out(struct canvas *canvas, struct rect area)
{
    const struct dot_grid dots = canvas_dots(canvas);
    const double left = area.column * dots.x, top = area.row * dots.y;
    const double width = area.columns * dots.x, height = area.rows * dots.y;
    static const double ends[][2] = {{0.06, 0.26}, {0.74, 0.94}};
    canvas_path_begin(canvas, STYLE(ROLE_BAD), STROKE_SOLID, 1.5);
    for (int i = 0; i < 2; i++) {
        const double from = ends[i][0], to = ends[i][1];
        canvas_path_line(canvas, left + from * width, top + from * height, left + to * width, top + to * height);
        canvas_path_line(canvas, left + from * width, top + (1 - from) * height, left + to * width,
                         top + (1 - to) * height);
    }
    canvas_path_end(canvas);
}

static void outline(struct canvas *canvas, struct rect area)
{
    const struct style style = STYLE(ROLE_TEXT);
    const struct dot_grid dots = canvas_dots(canvas);
    const double left = area.column * dots.x, right = (area.column + area.columns) * dots.x;
    const double top = area.row * dots.y, bottom = (area.row + area.rows) * dots.y;
    canvas_path_begin(canvas, style, STROKE_SOLID, 4);
    canvas_path_line(canvas, left, top, right, top);
    canvas_path_line(canvas, right, top, right, bottom);
    canvas_path_line(canvas, right, bottom, left, bottom);
    canvas_path_line(canvas, left, bottom, left, top);
    canvas_path_end(canvas);
}

/* `light`: of the canvas's ground. */
static struct style cell_style(const struct value_map *map, const struct value_cell *cell, bool light)
{
    if (!isfinite(cell->value) || cell->crossed) {
        struct style style = STYLE(cell->crossed ? ROLE_BAD : ROLE_DIM);
        if (light)
            style.background = COLOR_EXACT | 0xeeeeee;
        return style;
    }
    const uint32_t color = colormap_color(map->map, part_of(map, cell->value));
    return (struct style){ROLE_TEXT, cell->marked ? STYLE_BOLD : 0, COLOR_EXACT | color_readable_on(color),
                          COLOR_EXACT | color};
}

static void draw_cell(struct canvas *canvas, struct rect area, const struct value_map *map,
                      const struct value_cell *cell)
{
    const struct dot_grid dots = canvas_dots(canvas);
    const struct style style = cell_style(map, cell, canvas_is_light(canvas));
    const double middle = (area.column + area.columns * 0.5) * dots.x;
    const double line = cell->sub ? area.rows * 0.5 - 0.5 : area.rows * 0.5;
    canvas_fill(canvas, area, style);
    if (cell->crossed)
        cross_out(canvas, area);
    if (cell->text)
        canvas_label(canvas, middle, (area.row + line) * dots.y, ALIGN_CENTER, style, cell->text);
    if (cell->sub)
        canvas_label(canvas, middle, (area.row + line + 1) * dots.y, ALIGN_CENTER, style, cell->sub);
}

static void draw_heads(struct canvas *canvas, struct rect area, const struct value_map *map)
{
    const struct dot_grid dots = canvas_dots(canvas);
    const int left = area.column + label_columns(map), width = cell_columns(map);
    int row = area.row;
    if (map->title)
        canvas_text_cut(canvas, area.column, row++, area.columns, STYLE(ROLE_TITLE), map->title);
    if (map->column_label)
        canvas_label(canvas, (left + width * map->columns * 0.5) * dots.x, (row++ + 0.5) * dots.y, ALIGN_CENTER,
                     STYLE(ROLE_LABEL), map->column_label);
    for (int x = 0; map->column_names && x < map->columns; x++)
        canvas_label(canvas, (left + (x + 0.5) * width) * dots.x, (row + 0.5) * dots.y, ALIGN_CENTER, STYLE(ROLE_TEXT),
                     map->column_names[x]);
    if (map->row_label)
        canvas_text(canvas, left - 1 - text_columns(map->row_label), area.row + head_rows(map) - 1, STYLE(ROLE_LABEL),
                    map->row_label);
}

static struct rect cell_area(int left, int top, int width, int index, const struct value_map *map)
{
    return (struct rect){left + index % map->columns * width, top + index / map->columns * CELL_ROWS, width, CELL_ROWS};
}

/* Gaps, in pixels alone: a cell of a terminal has none to spare. */
static void divide(struct canvas *canvas, int left, int top, int width, const struct value_map *map)
{
    const struct dot_grid dots = canvas_dots(canvas);
    const uint32_t ground = COLOR_EXACT | (canvas_is_light(canvas) ? 0xffffff : 0);
    const struct style style = {ROLE_TEXT, 0, ground, ground};
    if (!canvas_has_pixels(canvas))
        return;
    canvas_path_begin(canvas, style, STROKE_SOLID, 4);
    for (int x = 1; x < map->columns; x++)
        canvas_path_line(canvas, (left + x * width) * dots.x, top * dots.y, (left + x * width) * dots.x,
                         (top + map->rows * CELL_ROWS) * dots.y);
    for (int y = 1; y < map->rows; y++)
        canvas_path_line(canvas, left * dots.x, (top + y * CELL_ROWS) * dots.y, (left + map->columns * width) * dots.x,
                         (top + y * CELL_ROWS) * dots.y);
    canvas_path_end(canvas);
}

void value_map_draw(struct canvas *canvas, struct rect area, const struct value_map *map)
{
    const struct dot_grid dots = canvas_dots(canvas);
    const int left = area.column + label_columns(map), width = cell_columns(map), top = area.row + head_rows(map);
    draw_heads(canvas, area, map);
    for (int i = 0; i < map->rows * map->columns; i++)
        draw_cell(canvas, cell_area(left, top, width, i, map), map, &map->cells[i]);
    for (int y = 0; map->row_names && y < map->rows; y++)
        canvas_label(canvas, (left - 1) * dots.x, (top + (y + 0.5) * CELL_ROWS) * dots.y, ALIGN_RIGHT, STYLE(ROLE_TEXT),
                     map->row_names[y]);
    divide(canvas, left, top, width, map);
    for (int i = 0; i < map->rows * map->columns; i++)
        if (map->cells[i].marked && canvas_has_pixels(canvas))
            outline(canvas, cell_area(left, top, width, i, map));
}

void value_scale_draw(struct canvas *canvas, struct rect area, enum colormap map, const char *low, const char *high)
{
    int column = area.column + canvas_text(canvas, area.column, area.row, STYLE(ROLE_LABEL), low) + 1;
    for (int i = 0; i < SCALE_COLUMNS; i++, column++) {
        const uint32_t color = colormap_color(map, i / (SCALE_COLUMNS - 1.0));
        canvas_fill(canvas, (struct rect){column, area.row, 1, 1},
                    (struct style){ROLE_TEXT, 0, COLOR_EXACT | color, COLOR_EXACT | color});
    }
    canvas_text(canvas, column + 1, area.row, STYLE(ROLE_LABEL), high);
}
