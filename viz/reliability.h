/* A reliability diagram (Guo et al. 2017): how often a network is right over how confident it is, and below it how many
 * of its answers are how confident. Where bars end on the diagonal, it is as right as it says. */
#ifndef NFBENCH_VIZ_RELIABILITY_H
#define NFBENCH_VIZ_RELIABILITY_H

#include "viz/canvas.h"

/* Answers whose confidence is in (low, high]. */
struct reliability_bin {
    double low, high; /* 0..1 */
    long count;
    double accuracy, confidence; /* means of them */
};

enum { RELIABILITY_NOTES = 3 };

struct reliability {
    const char *title, *notes[RELIABILITY_NOTES]; /* lines above; may be NULL */
    const struct reliability_bin *bins;
    int bin_count;
    double accuracy, confidence; /* means of all */
};

/* Any size. */
void reliability_draw(struct canvas *canvas, struct rect area, const struct reliability *reliability);
/* Columns and rows that show it well on a canvas of pixels. */
void reliability_size(const struct reliability *reliability, int *columns, int *rows);

#endif
