/* See series.h. A node of level k sums up 16^k points and is made once they are all there, so appending is O(1)
 * amortised; the tail that no node covers yet is summed from the levels below. */
#include "viz/series.h"

#include "base/array.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

enum { FAN_BITS = 4, FAN = 1 << FAN_BITS, LEVELS = 12 };

struct pyramid {
    float *values; /* (capacity): level 0 */
    struct level {
        struct series_summary *nodes;
        size_t count, capacity;
    } level[LEVELS]; /* [0] unused */
};

/* Values of which not each has a point of its own. */
struct merged {
    size_t index;  /* of the point at which smoothing takes them in */
    size_t points; /* from there on that stand for them */
    size_t count;
    double mean;
};

struct series {
    double smoothing;
    double average, weight;             /* biased exponential average and the sum of its weights */
    double first_average, first_weight; /* ... before the first point */
    double *x;                          /* (capacity) */
    struct pyramid part[2];             /* by enum series_part */
    size_t count, capacity;
    struct merged *merged; /* by rising index */
    size_t merged_count, merged_capacity;
    size_t *breaks; /* points that no line leads to, by rising index */
    size_t break_count, break_capacity;
};

int series_create(double smoothing, struct series **out, struct error *error)
{
    struct series *series = calloc(1, sizeof *series);
    if (!series)
        return error_set(error, "out of memory for a chart's series");
    series->smoothing = smoothing;
    *out = series;
    return 0;
}

void series_destroy(struct series *series)
{
    if (!series)
        return;
    for (int part = 0; part < 2; part++) {
        free(series->part[part].values);
        for (int level = 0; level < LEVELS; level++)
            free(series->part[part].level[level].nodes);
    }
    free(series->x);
    free(series->merged);
    free(series->breaks);
    free(series);
}

static bool is_broken_before(const struct series *series, size_t index)
{
    size_t low = 0, high = series->break_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (series->breaks[middle] < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < series->break_count && series->breaks[low] == index;
}

static struct series_summary point_summary(const struct series *series, enum series_part part, size_t index)
{
    const float y = series->part[part].values[index];
    if (!isfinite(y))
        return (struct series_summary){.non_finite = 1};
    return (struct series_summary){y, y, y, y, y, 1, 0, !is_broken_before(series, index), true};
}

/* `next` comes behind `sum`. */
static void merge(struct series_summary *sum, const struct series_summary *next)
{
    if (sum->count + sum->non_finite == 0) {
        *sum = *next;
        return;
    }
    if (next->count) {
        if (!sum->count) {
            sum->min = next->min, sum->max = next->max, sum->first = next->first;
        } else {
            sum->min = fminf(sum->min, next->min);
            sum->max = fmaxf(sum->max, next->max);
        }
        sum->last = next->last;
    }
    sum->sum += next->sum;
    sum->count += next->count;
    sum->non_finite += next->non_finite;
    sum->last_finite = next->last_finite;
}

static struct series_summary node_at(const struct series *series, enum series_part part, int level, size_t index)
{
    return level ? series->part[part].level[level].nodes[index] : point_summary(series, part, index);
}

/* Makes the nodes that the point at `index` completes. */
static int complete_nodes(struct series *series, enum series_part part, size_t index)
{
    struct pyramid *pyramid = &series->part[part];
    size_t children = index + 1;
    for (int k = 1; k < LEVELS && children % FAN == 0; k++, children >>= FAN_BITS) {
        struct level *level = &pyramid->level[k];
        void *nodes = array_grow(level->nodes, &level->capacity, level->count + 1, sizeof *level->nodes);
        if (!nodes)
            return -1;
        level->nodes = nodes;
        struct series_summary sum = {0};
        for (size_t child = children - FAN; child < children; child++) {
            struct series_summary next = node_at(series, part, k - 1, child);
            merge(&sum, &next);
        }
        level->nodes[level->count++] = sum;
    }
    return 0;
}

/* Cuts a pyramid to the nodes that `count` points complete. */
static void cut_nodes(struct pyramid *pyramid, size_t count)
{
    for (int k = 1; k < LEVELS; k++)
        pyramid->level[k].count = count >> (k * FAN_BITS);
}

/* Takes `count` values with this mean into the average: a' = b^n a + (1 - b^n) mean. */
static void smooth_in(struct series *series, double mean, size_t count)
{
    double keep = pow(series->smoothing, (double)count);
    series->average = keep * series->average + (1 - keep) * mean;
    series->weight = keep * series->weight + (1 - keep);
}

/* The average without the bias of its start at 0 (Kingma and Ba 2014, section 3). */
static float smoothed_value(const struct series *series, float y)
{
    return isfinite(y) && series->weight > 0 ? (float)(series->average / series->weight) : NAN;
}

/* The arrays of x and of both kinds of values have the same room. */
static int grow(struct series *series, size_t count)
{
    size_t room = series->capacity;
    double *x = array_grow(series->x, &room, count, sizeof *x);
    if (!x)
        return -1;
    series->x = x;
    for (int part = 0; part < 2; part++) {
        room = series->capacity;
        float *values = array_grow(series->part[part].values, &room, count, sizeof *values);
        if (!values)
            return -1;
        series->part[part].values = values;
    }
    series->capacity = room;
    return 0;
}

/* Room for `points` more from x on, before anything is changed. */
static int prepare(struct series *series, double x, size_t points, struct error *error)
{
    if (!isfinite(x) || (series->count && x < series->x[series->count - 1]))
        return error_set(error, "a chart's x must be finite and not go down: %g comes after %g", x,
                         series->count ? series->x[series->count - 1] : NAN);
    if (grow(series, series->count + points))
        return error_set(error, "out of memory for point %zu of a chart", series->count);
    return 0;
}

/* Adds a point for which there is room; its smoothed value follows from the average as it stands. */
static int push(struct series *series, double x, float y, struct error *error)
{
    size_t index = series->count;
    series->x[index] = x;
    series->part[SERIES_RAW].values[index] = y;
    series->part[SERIES_SMOOTHED].values[index] = smoothed_value(series, y);
    if (complete_nodes(series, SERIES_RAW, index) || complete_nodes(series, SERIES_SMOOTHED, index)) {
        cut_nodes(&series->part[SERIES_RAW], index);
        cut_nodes(&series->part[SERIES_SMOOTHED], index);
        return error_set(error, "out of memory for point %zu of a chart", index);
    }
    series->count++;
    return 0;
}

/* Remembers for how many values the next points stand. */
static int merge_next(struct series *series, size_t points, size_t count, double mean, struct error *error)
{
    void *merged =
        array_grow(series->merged, &series->merged_capacity, series->merged_count + 1, sizeof *series->merged);
    if (!merged)
        return error_set(error, "out of memory for a chart's series");
    series->merged = merged;
    series->merged[series->merged_count++] = (struct merged){series->count, points, count, mean};
    return 0;
}

int series_append(struct series *series, double x, float y, struct error *error)
{
    return series_append_weighted(series, x, y, 1, error);
}

int series_append_weighted(struct series *series, double x, float y, size_t count, struct error *error)
{
    if (prepare(series, x, 1, error) || (count > 1 && isfinite(y) && merge_next(series, 1, count, y, error)))
        return -1;
    if (isfinite(y))
        smooth_in(series, y, count);
    return push(series, x, y, error);
}

int series_break(struct series *series, struct error *error)
{
    void *breaks = array_grow(series->breaks, &series->break_capacity, series->break_count + 1, sizeof *series->breaks);
    if (!breaks)
        return error_set(error, "out of memory for a chart's series");
    series->breaks = breaks;
    series->breaks[series->break_count++] = series->count;
    return 0;
}

int series_append_merged(struct series *series, double x0, double x1, float min, float max, double mean, size_t count,
                         size_t non_finite, struct error *error)
{
    if (count == 1 && !non_finite)
        return series_append(series, x1, (float)mean, error);
    if (!(x1 >= x0))
        return error_set(error, "a chart's x must not go down: %g comes after %g", x1, x0);
    if (prepare(series, x0, 3, error))
        return -1;
    if (count) {
        if (merge_next(series, 2, count, mean, error))
            return -1;
        smooth_in(series, mean, count);
        if (push(series, x0, min, error) || push(series, x1, max, error))
            return -1;
    }
    return non_finite ? push(series, x1, NAN, error) : 0;
}

/* Makes all smoothed values anew; needs no memory that is not there. */
static void smooth_all(struct series *series)
{
    struct pyramid *smoothed = &series->part[SERIES_SMOOTHED];
    size_t next = 0;
    series->average = series->first_average;
    series->weight = series->first_weight;
    cut_nodes(smoothed, 0);
    for (size_t i = 0; i < series->count; i++) {
        float y = series->part[SERIES_RAW].values[i];
        if (next < series->merged_count && series->merged[next].index == i) {
            smooth_in(series, series->merged[next].mean, series->merged[next].count);
            next++;
        } else if (isfinite(y) && !(next && i < series->merged[next - 1].index + series->merged[next - 1].points)) {
            smooth_in(series, y, 1);
        }
        smoothed->values[i] = smoothed_value(series, y);
        (void)complete_nodes(series, SERIES_SMOOTHED, i); /* cannot fail: its nodes had room before */
    }
}

/* Of values that were merged across the cut nobody knows which lie before it: all of them go. */
static bool is_kept(const struct merged *merged, size_t count)
{
    return merged->index + merged->points <= count;
}

void series_truncate(struct series *series, double x)
{
    size_t count = series_find(series, nextafter(x, INFINITY));
    if (count == series->count)
        return;
    while (series->merged_count && !is_kept(&series->merged[series->merged_count - 1], count)) {
        series->merged_count--;
        if (series->merged[series->merged_count].index < count)
            count = series->merged[series->merged_count].index;
    }
    series->count = count;
    while (series->break_count && series->breaks[series->break_count - 1] >= count)
        series->break_count--;
    cut_nodes(&series->part[SERIES_RAW], count);
    smooth_all(series);
}

void series_set_smoothing(struct series *series, double smoothing)
{
    series->smoothing = smoothing;
    smooth_all(series);
}

void series_smooth_from(struct series *series, double average, double weight)
{
    series->first_average = average * weight;
    series->first_weight = weight;
    smooth_all(series);
}

double series_smoothing(const struct series *series)
{
    return series->smoothing;
}

size_t series_count(const struct series *series)
{
    return series->count;
}

double series_x(const struct series *series, size_t index)
{
    return series->x[index];
}

float series_y(const struct series *series, size_t index)
{
    return series->part[SERIES_RAW].values[index];
}

float series_smoothed(const struct series *series, size_t index)
{
    return series->part[SERIES_SMOOTHED].values[index];
}

size_t series_find(const struct series *series, double x)
{
    size_t low = 0, high = series->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (series->x[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static _Thread_local size_t nodes_read;

size_t series_nodes_read(void)
{
    return nodes_read;
}

struct series_summary series_summarize(const struct series *series, enum series_part part, size_t from, size_t to)
{
    struct series_summary sum = {0};
    if (to > series->count)
        to = series->count;
    while (from < to) {
        int level = 0;
        size_t span = 1;
        while (level + 1 < LEVELS && from % (span * FAN) == 0 && from + span * FAN <= to) {
            level++;
            span *= FAN;
        }
        struct series_summary next = node_at(series, part, level, from / span);
        merge(&sum, &next);
        nodes_read++;
        from += span;
    }
    return sum;
}
