/* How values are distributed, from counts in bins of any width: their density over an axis with ticks and units, the
 * newest filled, an earlier one as an outline, a reference curve dashed. On a linear axis the area says the share; on
 * a logarithmic one the share is that of a decade. */
#ifndef NFBENCH_VIZ_HISTOGRAM_H
#define NFBENCH_VIZ_HISTOGRAM_H

#include "viz/axes.h"

/* Counts between ascending edges. */
struct bins {
    double (*edge)(int index);                   /* 0 <= index <= count; the outer ones may be infinite */
    double (*number)(const void *data, int bin); /* how many lie in bin 0 <= bin < count */
    const void *data;
    int count;
};

/* The value below which a share of all lies (0 <= part <= 1), as far as bins tell: evenly within a bin, an infinite one
 * counted at its finite edge. NAN when there are none. */
double bins_quantile(const struct bins *bins, double part);
double bins_total(const struct bins *bins);
/* The number between two values. */
double bins_between(const struct bins *bins, double low, double high);

struct histogram_mark {
    double x; /* dashed upright; NAN: none */
    const char *name;
};

struct histogram {
    const char *title, *x_label, *y_label, *empty_text; /* may be NULL */
    const struct bins *now, *start;                     /* `start` NULL: none */
    const char *now_name, *start_name;                  /* in the legend */
    double low, high;                                   /* of the axis, low < high; above 0 when logarithmic */
    bool log_x, no_legend;
    struct histogram_mark mark;
    double normal_variance; /* a dashed normal curve about 0 of this variance, on a linear axis; 0: none */
    const char *normal_name;
};

/* Any size. What lies beyond the axis is told at its ends, from half a percent on. */
void histogram_draw(struct canvas *canvas, struct rect area, const struct histogram *histogram);

#endif
