/* A second measure of x, such as the seconds at which a step was made, for an axis that shows it in place of x: points
 * at which it is known, and straight lines between. Neither x nor the value goes down. */
#ifndef NFBENCH_VIZ_SCALE_H
#define NFBENCH_VIZ_SCALE_H

#include "base/error.h"

struct scale;

/* Begins with the value 0 at x = 0; `slope` (not below 0) is how it goes on behind the last point that is known. */
int scale_create(double slope, struct scale **out, struct error *error);
void scale_destroy(struct scale *scale);
void scale_set_slope(struct scale *scale, double slope);
/* A point behind the last, O(1) amortised; those in the middle of a straight line are not kept. A value below the last
 * counts as the last. -1 when out of memory, or when x is not above the last or something is not finite. */
int scale_append(struct scale *scale, double x, double value, struct error *error);
/* Drops the points behind x. */
void scale_truncate(struct scale *scale, double x);

double scale_value(const struct scale *scale, double x);
/* The least x that has the value; INFINITY when none has. */
double scale_find(const struct scale *scale, double value);

#endif
