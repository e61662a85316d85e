/* What the two kinds of canvas share, for canvas.c, cell_canvas.c and pixel_canvas.c alone. canvas.c clips and breaks
 * drawing down; an implementation gets only what lies inside the clip. */
#ifndef NFBENCH_VIZ_CANVAS_IMPL_H
#define NFBENCH_VIZ_CANVAS_IMPL_H

#include "viz/canvas.h"

struct bar {
    double x0, y0, x1, y1; /* in dots, within the clip */
    bool upwards;          /* grows from the bottom; else from the left */
};

struct canvas_ops {
    void (*destroy)(struct canvas *canvas);
    void (*clear)(struct canvas *canvas);
    /* One character whose `width` columns are inside. */
    void (*put)(struct canvas *canvas, int column, int row, struct style style, uint32_t code, int width);
    void (*label)(struct canvas *canvas, double x, double y, struct style style, const char *text, int columns);
    void (*path_begin)(struct canvas *canvas, struct style style, enum stroke stroke, double width);
    void (*path_line)(struct canvas *canvas, double x0, double y0, double x1, double y1);
    void (*path_end)(struct canvas *canvas);
    void (*rule)(struct canvas *canvas, double x0, double y0, double x1, double y1, struct style style);
    void (*marker)(struct canvas *canvas, double x, double y, enum marker_shape shape, struct style style);
    void (*bar)(struct canvas *canvas, const struct bar *bar, struct style style);
    void (*image)(struct canvas *canvas, struct rect area, const uint8_t *rgb, int width, int height);
};

/* The first member of both kinds. */
struct canvas {
    const struct canvas_ops *ops;
    struct rect area, clip;
    struct dot_grid dots;
    enum glyph_set glyphs;
    bool light;
};

/* Mean colour of source pixels [x0, x1) x [y0, y1), at least one of them. */
void image_average(const uint8_t *rgb, int width, int height, double x0, double y0, double x1, double y1,
                   uint8_t out[3]);

#endif
