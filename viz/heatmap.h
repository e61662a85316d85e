/* A matrix as coloured cells with numbers: the confusion matrix, on the screen, in `nfbench test` and as a PNG. */
#ifndef NFBENCH_VIZ_HEATMAP_H
#define NFBENCH_VIZ_HEATMAP_H

#include "viz/canvas.h"
#include "viz/colormap.h"

struct heatmap {
    const char *title;
    const uint32_t *counts; /* (rows, columns), row major; rows are the truth */
    int rows, columns;
    const char *const *row_names;         /* (rows); NULL: numbers */
    const char *const *column_names;      /* (columns) */
    const char *row_label, *column_label; /* "truth", "predicted" */
    enum colormap map;
};

/* Colour is the share of its row, the number the count; numbers go where there is no room (the 100 classes of
 * CIFAR-100), then several cells share one mark. Any size. */
void heatmap_draw(struct canvas *canvas, struct rect area, const struct heatmap *heatmap);
/* Columns and rows that it wants for all its names and numbers. */
void heatmap_size(const struct heatmap *heatmap, int *columns, int *rows);

#endif
