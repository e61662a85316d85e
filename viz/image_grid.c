/* See image_grid.h. Cells are twice as high as wide, so a tile of w columns is square with w / 2 rows. */
#include "viz/image_grid.h"
#include "viz/font.h"

#include <math.h>

enum { LEAST_TILE = 8 };

struct tiles {
    int columns, rows; /* of an image, in cells */
    int per_row;
    int gap; /* rows between a caption and the next image */
};

static int rows_needed(const struct image_grid *grid, const struct tiles *tiles)
{
    return (grid->count + tiles->per_row - 1) / tiles->per_row * (tiles->rows + 1 + tiles->gap) - tiles->gap;
}

/* The largest tiles with which all images fit; the least ones when none do. */
static struct tiles choose_tiles(struct rect area, const struct image_grid *grid)
{
    int largest = grid->per_row > 0 ? (area.columns + 1) / grid->per_row - 1 : area.columns;
    struct tiles tiles = {0};
    for (int columns = largest / 2 * 2; columns >= LEAST_TILE || !tiles.columns; columns -= 2) {
        tiles.columns = columns > 2 ? columns : 2;
        tiles.rows = tiles.columns / 2;
        tiles.per_row = grid->per_row > 0 ? grid->per_row : (area.columns + 1) / (tiles.columns + 1);
        tiles.per_row = tiles.per_row > 0 ? tiles.per_row : 1;
        if (rows_needed(grid, &tiles) <= area.rows)
            break;
    }
    return tiles;
}

static void draw_tiles(struct canvas *canvas, struct rect area, const struct image_grid *grid,
                       const struct tiles *tiles)
{
    for (int i = 0; i < grid->count; i++) {
        const struct grid_image *image = &grid->images[i];
        struct rect place = {area.column + i % tiles->per_row * (tiles->columns + 1),
                             area.row + i / tiles->per_row * (tiles->rows + 1 + tiles->gap), tiles->columns,
                             tiles->rows};
        if (place.row + place.rows > area.row + area.rows || place.column + place.columns > area.column + area.columns)
            continue; /* half an image says nothing */
        canvas_image(canvas, place, image->rgb, grid->size, grid->size);
        if (image->caption)
            canvas_text_cut(canvas, place.column, place.row + place.rows, place.columns, STYLE(image->role),
                            image->caption);
    }
}

void image_grid_draw(struct canvas *canvas, struct rect area, const struct image_grid *grid)
{
    struct rect before = canvas_clip(canvas, area);
    canvas_clip(canvas, rect_intersect(before, area));
    if (grid->title && area.rows > 2) {
        canvas_text_cut(canvas, area.column, area.row, area.columns, STYLE(ROLE_TITLE), grid->title);
        area.row++;
        area.rows--;
    }
    struct tiles tiles = choose_tiles(area, grid);
    draw_tiles(canvas, area, grid, &tiles);
    canvas_clip(canvas, before);
}

int image_grid_render(const struct image_grid *grid, int enlarge, const struct theme *theme, struct canvas **out,
                      struct error *error)
{
    if (enlarge < 1 || enlarge > 16 || grid->count < 1 || grid->size < 1)
        return error_set(error,
                         "a picture grid of %d images of %d pixels enlarged %d times: 1 to 16 times are possible",
                         grid->count, grid->size, enlarge);
    int scale = enlarge > 4 ? 2 : 1;
    int wanted = (grid->size * enlarge + FONT_WIDTH * scale - 1) / (FONT_WIDTH * scale);
    struct tiles tiles = {.columns = wanted + wanted % 2, .rows = (wanted + 1) / 2, .per_row = grid->per_row, .gap = 1};
    if (tiles.per_row <= 0)
        tiles.per_row = (int)ceil(sqrt(grid->count));
    int head = grid->title ? 2 : 0;
    struct rect area = {1, 1 + head, tiles.per_row * (tiles.columns + 1) - 1, rows_needed(grid, &tiles)};
    if (canvas_create_pixels((area.columns + 2) * FONT_WIDTH * scale, (area.row + area.rows + 1) * FONT_HEIGHT * scale,
                             scale, theme, out, error))
        return -1;
    if (grid->title)
        canvas_text_cut(*out, 1, 1, area.columns, STYLE(ROLE_TITLE), grid->title);
    draw_tiles(*out, area, grid, &tiles);
    return 0;
}

void rgb_from_planes(const uint8_t *planes, int size, uint8_t *rgb)
{
    size_t pixels = (size_t)size * (size_t)size;
    for (size_t i = 0; i < pixels; i++)
        for (size_t channel = 0; channel < 3; channel++)
            rgb[3 * i + channel] = planes[channel * pixels + i];
}
