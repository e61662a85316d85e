/* The points of one line, kept so that drawing costs the same for a hundred as for millions and loses nothing: beside
 * the points a pyramid of min, max, sum, count and non-finite counts, whose nodes answer for any range. Smoothing is
 * an exponential average over every point, made as they come, so it cannot depend on what is drawn. */
#ifndef NFBENCH_VIZ_SERIES_H
#define NFBENCH_VIZ_SERIES_H

#include "base/error.h"

#include <stddef.h>

struct series;

/* What a range of points holds; the finite ones alone but for `non_finite`. */
struct series_summary {
    float min, max, first, last; /* undefined when count is 0 */
    double sum;
    size_t count, non_finite;
    bool first_finite, last_finite; /* of the range's first and last point: whether a line leads to it and on from it */
};

/* `smoothing` in [0, 1): the weight of the past; 0 makes the smoothed values the points themselves. */
int series_create(double smoothing, struct series **out, struct error *error);
void series_destroy(struct series *series);

/* Adds a point, O(1) amortised. x must not go down; y may be NaN or Inf. -1 when out of memory or x goes down. */
int series_append(struct series *series, double x, float y, struct error *error);
/* The same of one that stands for `count` values since the last, as where each tenth is recorded: smoothing takes it in
 * so many times, and is then the same as if all had been there. */
int series_append_weighted(struct series *series, double x, float y, size_t count, struct error *error);
/* The next point is not joined to the last: what lay between them is not known. */
int series_break(struct series *series, struct error *error);
/* Adds what a sleeping viewer finds merged: `count` finite values between x0 and x1 with this min, max and mean, and
 * `non_finite` others. Kept as its two extremes; smoothing takes the mean `count` times. */
int series_append_merged(struct series *series, double x0, double x1, float min, float max, double mean, size_t count,
                         size_t non_finite, struct error *error);
/* Drops the points behind x, and those that stand for values on both sides of it: the run went back. */
void series_truncate(struct series *series, double x);
/* A new weight of the past; goes over all points once. */
void series_set_smoothing(struct series *series, double smoothing);
/* Smoothing goes on from an average that other points have come to: they had this weight, 1 - smoothing ^ count. */
void series_smooth_from(struct series *series, double average, double weight);
double series_smoothing(const struct series *series);

size_t series_count(const struct series *series);
double series_x(const struct series *series, size_t index);
float series_y(const struct series *series, size_t index);
float series_smoothed(const struct series *series, size_t index);
/* Index of the first point with its x >= x; series_count() when there is none. */
size_t series_find(const struct series *series, double x);

enum series_part { SERIES_RAW, SERIES_SMOOTHED };
/* Over the points [from, to), in logarithmic time. */
struct series_summary series_summarize(const struct series *series, enum series_part part, size_t from, size_t to);
/* Nodes and points that summaries of this thread have looked at so far: what drawing costs, beside the cells. */
size_t series_nodes_read(void);

#endif
