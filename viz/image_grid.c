/* See image_grid.h. Cells are twice as high as wide, so a tile of w columns is square with w / 2 rows. */
#include "viz/image_grid.h"

#include <stdio.h>
#include <string.h>

enum { LEAST_TILE = 8, CAPTION_TEXT = 128 };

struct tiles {
    int columns, rows; /* of an image, in cells */
    int width;         /* of a tile: of one image, or of two and the gap between them */
    int space;         /* columns between tiles: more between pairs than within one */
    int lines;         /* of the captions */
    int gap;           /* rows between a caption and the next image */
    int per_row;
};

static int caption_lines(const struct image_grid *grid)
{
    int most = 0;
    for (int i = 0; i < grid->count; i++) {
        int lines = grid->images[i].caption != NULL;
        for (const char *at = grid->images[i].caption; at && (at = strchr(at, '\n')); at++)
            lines++;
        most = lines > most ? lines : most;
    }
    return most;
}

static int rows_needed(const struct image_grid *grid, const struct tiles *tiles)
{
    return (grid->count + tiles->per_row - 1) / tiles->per_row * (tiles->rows + tiles->lines + tiles->gap) - tiles->gap;
}

static bool in_pairs(const struct image_grid *grid)
{
    return grid->count > 0 && grid->images[0].beside;
}

static struct tiles begin_tiles(const struct image_grid *grid, int gap)
{
    return (struct tiles){
        .lines = caption_lines(grid), .gap = gap, .space = in_pairs(grid) ? 3 : 1, .per_row = grid->per_row};
}

static void set_tile(const struct image_grid *grid, int columns, struct tiles *tiles)
{
    tiles->columns = columns;
    tiles->rows = (columns + 1) / 2;
    tiles->width = in_pairs(grid) ? 2 * columns + 1 : columns;
}

/* The largest tiles with which all images fit; the least ones when none do. */
static struct tiles choose_tiles(struct rect area, const struct image_grid *grid, int gap)
{
    struct tiles tiles = begin_tiles(grid, gap);
    if (grid->tile > 0) {
        set_tile(grid, grid->tile, &tiles);
        tiles.per_row = (area.columns + tiles.space) / (tiles.width + tiles.space);
        tiles.per_row = tiles.per_row > 0 ? tiles.per_row : 1;
        return tiles;
    }
    int largest = grid->per_row > 0 ? (area.columns + tiles.space) / grid->per_row - tiles.space : area.columns;
    largest = in_pairs(grid) ? (largest - 1) / 2 : largest;
    for (int columns = largest / 2 * 2; columns >= LEAST_TILE || !tiles.columns; columns -= 2) {
        set_tile(grid, columns > 2 ? columns : 2, &tiles);
        tiles.per_row = grid->per_row > 0 ? grid->per_row : (area.columns + tiles.space) / (tiles.width + tiles.space);
        tiles.per_row = tiles.per_row > 0 ? tiles.per_row : 1;
        if (rows_needed(grid, &tiles) <= area.rows)
            break;
    }
    return tiles;
}

static void draw_caption(struct canvas *canvas, struct rect place, const struct grid_image *image, bool selected)
{
    struct style first = STYLE(image->role);
    int row = place.row, indent = 0;
    if (selected) {
        first = STYLE(ROLE_SELECTED);
        canvas_fill(canvas, (struct rect){place.column, row, place.columns, 1}, first);
        canvas_put(canvas, place.column, row, first, 0x25B6);
        indent = 1;
    }
    for (const char *line = image->caption; line; row++) {
        char text[CAPTION_TEXT];
        const char *end = strchr(line, '\n');
        snprintf(text, sizeof text, "%.*s", end ? (int)(end - line) : (int)strlen(line), line);
        canvas_text_cut(canvas, place.column + indent, row, place.columns - indent,
                        row == place.row ? first : STYLE(image->role), text);
        line = end ? end + 1 : NULL;
        indent = 0;
    }
}

static void draw_tile(struct canvas *canvas, struct rect place, const struct image_grid *grid,
                      const struct grid_image *image, const struct tiles *tiles)
{
    struct rect picture = {place.column, place.row, tiles->columns, tiles->rows};
    if (!image->rgb)
        return;
    canvas_picture(canvas, picture, image->rgb, grid->size, grid->size);
    picture.column += tiles->columns + 1;
    if (image->beside)
        canvas_picture(canvas, picture, image->beside, grid->size, grid->size);
    place.row += tiles->rows;
    draw_caption(canvas, place, image, image == grid->selected);
}

static int head_rows(const struct image_grid *grid)
{
    return (grid->title != NULL) + (grid->note != NULL);
}

void image_grid_draw(struct canvas *canvas, struct rect area, const struct image_grid *grid)
{
    struct rect before = canvas_clip(canvas, area), all = area;
    const char *const head[] = {grid->title, grid->note};
    const int gap = canvas_has_pixels(canvas) && head_rows(grid) ? 1 : 0;
    canvas_clip(canvas, rect_intersect(before, area));
    for (int i = 0; i < 2 && area.rows > 2; i++)
        if (head[i]) {
            canvas_text_cut(canvas, area.column, area.row, area.columns, STYLE(i ? ROLE_DIM : ROLE_TITLE), head[i]);
            area.row++;
            area.rows--;
        }
    area.row += gap;
    area.rows -= gap;
    struct tiles tiles = choose_tiles(area, grid, canvas_has_pixels(canvas) ? 1 : 0);
    for (int i = grid->first; i < grid->count; i++) {
        const int at = i - grid->first;
        struct rect place = {area.column + at % tiles.per_row * (tiles.width + tiles.space),
                             area.row + at / tiles.per_row * (tiles.rows + tiles.lines + tiles.gap), tiles.width,
                             tiles.rows};
        if (place.row + place.rows <= all.row + all.rows && place.column + place.columns <= all.column + all.columns)
            draw_tile(canvas, place, grid, &grid->images[i], &tiles); /* half an image says nothing */
    }
    canvas_clip(canvas, before);
}

void image_grid_fit(struct rect area, const struct image_grid *grid, int tile, int *per_row, int *rows)
{
    struct tiles tiles = begin_tiles(grid, 0);
    set_tile(grid, tile, &tiles);
    *per_row = (area.columns + tiles.space) / (tiles.width + tiles.space);
    *rows = (area.rows - head_rows(grid) + tiles.gap) / (tiles.rows + tiles.lines + tiles.gap);
    *per_row = *per_row > 0 ? *per_row : 0;
    *rows = *rows > 0 ? *rows : 0;
}

int image_grid_at(struct rect area, const struct image_grid *grid, int column, int row)
{
    struct tiles tiles = choose_tiles(area, grid, 0);
    const int x = column - area.column, y = row - area.row - head_rows(grid);
    const int across = x / (tiles.width + tiles.space), down = y / (tiles.rows + tiles.lines);
    const int index = grid->first + down * tiles.per_row + across;
    if (x < 0 || y < 0 || across >= tiles.per_row || index >= grid->count)
        return -1;
    return x % (tiles.width + tiles.space) < tiles.width ? index : -1;
}

void image_grid_size(const struct image_grid *grid, int tile, int *columns, int *rows)
{
    struct tiles tiles = begin_tiles(grid, 1);
    const int head = head_rows(grid);
    set_tile(grid, tile + tile % 2, &tiles);
    *columns = tiles.per_row * (tiles.width + tiles.space) - tiles.space;
    *columns = grid->title && text_columns(grid->title) > *columns ? text_columns(grid->title) : *columns;
    *columns = grid->note && text_columns(grid->note) > *columns ? text_columns(grid->note) : *columns;
    *rows = rows_needed(grid, &tiles) + head + (head > 0);
}

void rgb_from_planes(const uint8_t *planes, int size, uint8_t *rgb)
{
    size_t pixels = (size_t)size * (size_t)size;
    for (size_t i = 0; i < pixels; i++)
        for (size_t channel = 0; channel < 3; channel++)
            rgb[3 * i + channel] = planes[channel * pixels + i];
}
