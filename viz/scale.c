/* See scale.h. */
#include "viz/scale.h"

#include "base/array.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

struct knot {
    double x, value;
};

struct scale {
    struct knot *knots; /* by rising x; the first is (0, 0) */
    size_t count, capacity;
    double slope;
};

int scale_create(double slope, struct scale **out, struct error *error)
{
    struct scale *scale = calloc(1, sizeof *scale);
    struct knot *knots = calloc(16, sizeof *knots);
    if (!scale || !knots) {
        free(scale);
        free(knots);
        return error_set(error, "out of memory for a chart's axis");
    }
    *scale = (struct scale){.knots = knots, .count = 1, .capacity = 16, .slope = slope};
    *out = scale;
    return 0;
}

void scale_destroy(struct scale *scale)
{
    if (!scale)
        return;
    free(scale->knots);
    free(scale);
}

void scale_set_slope(struct scale *scale, double slope)
{
    scale->slope = slope;
}

/* Whether the last knot lies on the line from the one before it to this one, as near as rounding lets it. */
static bool last_is_between(const struct scale *scale, struct knot next)
{
    if (scale->count < 2)
        return false;
    const struct knot *a = &scale->knots[scale->count - 2], *b = a + 1;
    const double expected = a->value + (next.value - a->value) * (b->x - a->x) / (next.x - a->x);
    return fabs(expected - b->value) <= 1e-9 * fabs(b->value);
}

int scale_append(struct scale *scale, double x, double value, struct error *error)
{
    const struct knot last = scale->knots[scale->count - 1];
    const struct knot next = {x, fmax(value, last.value)};
    if (!isfinite(x) || !isfinite(value) || x <= last.x)
        return error_set(error, "%g at %g cannot follow %g at %g on a chart's axis", value, x, last.value, last.x);
    if (last_is_between(scale, next)) {
        scale->knots[scale->count - 1] = next;
        return 0;
    }
    struct knot *grown = array_grow(scale->knots, &scale->capacity, scale->count + 1, sizeof *grown);
    if (!grown)
        return error_set(error, "out of memory for a chart's axis");
    scale->knots = grown;
    scale->knots[scale->count++] = next;
    return 0;
}

/* The first knot that is not before x, or whose value is not below `value`; the count when there is none. */
static size_t first_from(const struct scale *scale, double wanted, bool by_value)
{
    size_t low = 0, high = scale->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct knot *knot = &scale->knots[middle];
        if ((by_value ? knot->value : knot->x) < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void scale_truncate(struct scale *scale, double x)
{
    const size_t next = first_from(scale, x, false);
    if (next == scale->count || next == 0) {
        scale->count = next == 0 ? 1 : scale->count;
        return;
    }
    const double value = scale_value(scale, x); /* what was joined across it */
    scale->knots[next] = (struct knot){x, value};
    scale->count = next + 1;
}

double scale_value(const struct scale *scale, double x)
{
    const size_t next = first_from(scale, x, false);
    const struct knot *knot = &scale->knots[next];
    if (next == scale->count)
        return knot[-1].value + (x - knot[-1].x) * scale->slope;
    if (next == 0 || knot->x == x)
        return knot->value;
    return knot[-1].value + (knot->value - knot[-1].value) * (x - knot[-1].x) / (knot->x - knot[-1].x);
}

double scale_find(const struct scale *scale, double value)
{
    const size_t next = first_from(scale, value, true);
    const struct knot *knot = &scale->knots[next];
    if (next == scale->count)
        return scale->slope > 0 ? knot[-1].x + (value - knot[-1].value) / scale->slope : INFINITY;
    if (next == 0 || knot->value == value)
        return knot->x;
    return knot[-1].x + (knot->x - knot[-1].x) * (value - knot[-1].value) / (knot->value - knot[-1].value);
}
