/* See figure_grid.h. */
#include "tui/figure_grid.h"

#include "viz/axes.h"

#include <math.h>

enum { GAP_COLUMNS = 3, GAP_ROWS = 1 };

struct grid grid_of(struct rect area, int count, double aspect)
{
    struct grid best = {.area = area};
    double best_miss = INFINITY;
    for (int across = 1; across <= count; across++) {
        int down = (count + across - 1) / across;
        struct grid grid = {area, across, down, (area.columns + GAP_COLUMNS) / across - GAP_COLUMNS,
                            (area.rows + GAP_ROWS) / down - GAP_ROWS};
        if (grid.columns < 1 || grid.rows < 1)
            continue;
        double miss = fabs(log(grid.columns / (grid.rows * aspect))) + 0.5 * (across * down - count) / count;
        if (miss < best_miss)
            best = grid, best_miss = miss;
    }
    return best;
}

struct rect grid_cell(const struct grid *grid, int index)
{
    if (grid->across < 1)
        return (struct rect){grid->area.column, grid->area.row, 0, 0};
    return (struct rect){grid->area.column + index % grid->across * (grid->columns + GAP_COLUMNS),
                         grid->area.row + index / grid->across * (grid->rows + GAP_ROWS), grid->columns, grid->rows};
}

void grid_empty(struct canvas *canvas, struct rect area, const char *title, const char *text)
{
    struct rect before = canvas_clip(canvas, area);
    canvas_clip(canvas, rect_intersect(before, area));
    int rows = axes_draw_header(canvas, area, title, NULL, 0);
    area.row += rows;
    area.rows -= rows;
    axes_draw_empty(canvas, area, text);
    canvas_clip(canvas, before);
}
