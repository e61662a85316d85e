/* A histogram in eighth blocks: weights, gradients, activations. */
#ifndef NFBENCH_VIZ_HISTOGRAM_H
#define NFBENCH_VIZ_HISTOGRAM_H

#include "viz/canvas.h"

struct histogram {
    const char *title;
    double low, high;     /* of the first and last bin's outer edges */
    const double *counts; /* (bins) */
    int bins;
    size_t non_finite; /* left out; said when there are any */
    enum role role;
    bool log_counts; /* height by log(1 + count) */
};

/* Sorts finite values into equal bins between their least and greatest (which it returns). */
void histogram_count(const float *values, size_t count, double *counts, int bins, double *low, double *high,
                     size_t *non_finite);
void histogram_draw(struct canvas *canvas, struct rect area, const struct histogram *histogram);

#endif
