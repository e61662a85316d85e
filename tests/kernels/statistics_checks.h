/* What any back end is held to that measures: statistics of channels, and sums of squares of units, against plain
 * references in double. A failure ends the cmocka test. */
#ifndef NFBENCH_TESTS_KERNELS_STATISTICS_CHECKS_H
#define NFBENCH_TESTS_KERNELS_STATISTICS_CHECKS_H

#include "tests/kernels/rig.h"

/* Of values (rows, c) as `dtype` stores them, with counts and without. */
void statistics_check(struct backend *backend, enum dtype dtype, const double *values, size_t rows, int c);
/* The same of normal values, of shapes that fill no vector and means far from 0, but no more than `most` values. */
void statistics_check_shapes(struct backend *backend, size_t most);
/* Zeros, denormals, the edges of the bins and their neighbours, values whose squares leave the range of float. */
void statistics_check_extremes(struct backend *backend);
/* Channels with infinities and NaN, and one value that is not finite anywhere among others. */
void statistics_check_not_finite(struct backend *backend);

/* Channels of a batch that are not finite leave batch norm's running statistics as they are; others change them. */
void batch_norm_check_not_finite(struct backend *backend);

/* unit_squares of rows of many lengths and sizes. */
void unit_squares_check(struct backend *backend);

#endif
