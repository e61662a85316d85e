/* A table of numbers as coloured cells with the numbers in them: what came of each pair of two settings. Cells without
 * a number are crossed out. */
#ifndef NFBENCH_VIZ_VALUE_MAP_H
#define NFBENCH_VIZ_VALUE_MAP_H

#include "viz/canvas.h"
#include "viz/colormap.h"

struct value_cell {
    double value;           /* NAN: none */
    const char *text, *sub; /* in the middle, and below it; may be NULL */
    bool crossed;           /* it came to nothing */
    bool marked;            /* the best */
};

struct value_map {
    const char *title;              /* above; NULL: none */
    const struct value_cell *cells; /* (rows, columns), row major */
    int rows, columns;
    const char *const *row_names, *const *column_names; /* NULL: none */
    const char *row_label, *column_label;               /* what the names are of; NULL: nothing is said */
    double low, high;                                   /* the ends of the colours */
    enum colormap map;
};

/* Columns and rows that it takes. */
void value_map_size(const struct value_map *map, int *columns, int *rows);
/* From the area's left upper corner on; what does not fit is cut. */
void value_map_draw(struct canvas *canvas, struct rect area, const struct value_map *map);

/* The colours from low to high in one row, with a text at either end. */
void value_scale_draw(struct canvas *canvas, struct rect area, enum colormap map, const char *low, const char *high);

#endif
