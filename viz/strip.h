/* Distributions over time as one picture: x = time, y = value, colour = density. The picture goes from the first
 * measurement to the last, and each column shows the one nearest to it; where several share one, each value shows the
 * greatest density of them, so that none is lost. Colour is the density over its measurement's greatest, by its root:
 * the tails are what one looks for. What lies beyond the axis is in a band at its end. */
#ifndef NFBENCH_VIZ_STRIP_H
#define NFBENCH_VIZ_STRIP_H

#include "viz/colormap.h"
#include "viz/histogram.h"

struct strip {
    const char *title, *x_label, *y_label, *empty_text; /* may be NULL */
    int count;                                          /* measurements */
    double (*x)(const void *data, int index);           /* ascending */
    struct bins (*bins)(const void *data, int index);   /* no values at all: not shown */
    const void *data;
    double low, high; /* of y; above 0 when logarithmic */
    bool log_y;
    enum colormap map;
    bool bare;     /* the colours alone */
    bool no_scale; /* what the colours mean is not said */
    double cursor; /* an x to mark; NAN: none */
};

/* Any size. */
void strip_draw(struct canvas *canvas, struct rect area, const struct strip *strip);
/* What the colours mean, at the right end of the row of a title, where it has room. */
void strip_draw_scale(struct canvas *canvas, struct rect area, const char *title, enum colormap map);

#endif
