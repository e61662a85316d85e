/* See slice.h. */
#include "engine/slice.h"

static int at_least_one(int value)
{
    return value > 1 ? value : 1;
}

static int units_of(const struct slicing *slicing, int total)
{
    const int unit = at_least_one(slicing->unit);
    return (total + unit - 1) / unit;
}

static int begin_of(const struct slicing *slicing, int total, int rank)
{
    const long units = (long)units_of(slicing, total) * rank / at_least_one(slicing->ranks);
    const long begin = units * at_least_one(slicing->unit);
    return begin < total ? (int)begin : total;
}

struct slice slice_of(const struct slicing *slicing, int total)
{
    const int first = begin_of(slicing, total, slicing->rank);
    return (struct slice){first, begin_of(slicing, total, slicing->rank + 1) - first};
}

int slice_largest(const struct slicing *slicing, int total)
{
    const int ranks = at_least_one(slicing->ranks);
    const int most = (units_of(slicing, total) + ranks - 1) / ranks * at_least_one(slicing->unit);
    return most < total ? most : total;
}
