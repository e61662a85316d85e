/* A matrix as coloured cells with numbers: the confusion matrix, on the screen, in `nfbench test` and as a PNG. */
#ifndef NFBENCH_VIZ_HEATMAP_H
#define NFBENCH_VIZ_HEATMAP_H

#include "viz/canvas.h"
#include "viz/colormap.h"

struct heatmap {
    const char *title, *note; /* two lines above; may be NULL */
    const uint32_t *counts;   /* (rows, columns), row major; rows are the truth */
    int rows, columns;
    const char *const *row_names;         /* (rows); NULL: numbers */
    const char *const *column_names;      /* (columns) */
    const char *row_label, *column_label; /* "truth", "predicted" */
    const char *const *row_notes;         /* (rows): behind each row where there is room, "91.2 %"; NULL: none */
    const char *note_label;               /* above them */
    enum colormap map;
};

/* Colour is the share of its row, the number the count. Where columns are too narrow for their names they are headed by
 * numbers, which then stand before the rows' names, and a count of 0 stays blank. Where there is no room, first counts
 * go, then names, then several cells share one mark. Any size. */
void heatmap_draw(struct canvas *canvas, struct rect area, const struct heatmap *heatmap);
/* Columns and rows that it wants for all its names and numbers. */
void heatmap_size(const struct heatmap *heatmap, int *columns, int *rows);

#endif
