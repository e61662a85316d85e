/* Statistics of a tensor that is measured in parts, joined in double precision: per channel the moments by the rule of
 * Chan, Golub and LeVeque (1979), the extremes, and the counts of all values. */
#ifndef NFBENCH_ENGINE_TALLY_H
#define NFBENCH_ENGINE_TALLY_H

#include "base/error.h"
#include "kernels/kernels.h"

struct tally {
    int channels;
    double rows;           /* values a channel so far */
    double *mean, *square; /* (channels); square: sum of the squared distances from the mean */
    float *least, *most;   /* (channels) */
    uint32_t counts[VALUE_BINS];
    bool finite;
};

int tally_create(struct tally *tally, int channels, struct error *error);
void tally_free(struct tally *tally);
void tally_reset(struct tally *tally);
/* What the back end's `statistics` says of `rows` more rows: `statistics` (4, channels); counts NULL: not wanted. */
void tally_add(struct tally *tally, size_t rows, const float *statistics, const uint32_t *counts, bool finite);

/* Averages over the channels: of the biased variance, and of the squared mean. */
double tally_variance(const struct tally *tally);
double tally_squared_mean(const struct tally *tally);
/* Sum of the squares of all values. */
double tally_square_sum(const struct tally *tally);

#endif
