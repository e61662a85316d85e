/* Small multiples: where several plots of one figure stand. */
#ifndef NFBENCH_TUI_FIGURE_GRID_H
#define NFBENCH_TUI_FIGURE_GRID_H

#include "viz/canvas.h"

struct grid {
    struct rect area;
    int across, down;  /* plots */
    int columns, rows; /* of one, without the gap behind it */
};

/* What a plot's sides should be to each other, in cells, and what it needs at least. */
enum { PROFILE_ASPECT = 3, PROFILE_LEAST_COLUMNS = 28, PROFILE_LEAST_ROWS = 9 };

/* The grid for `count` plots, >= 1, whose cells come nearest to `aspect` columns to a row. */
struct grid grid_of(struct rect area, int count, double aspect);
/* The place of a plot, from left to right and down. */
struct rect grid_cell(const struct grid *grid, int index);
/* A figure of nothing: its title and a word. */
void grid_empty(struct canvas *canvas, struct rect area, const char *title, const char *text);

#endif
