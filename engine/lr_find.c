/* See lr_find.h. */
#include "engine/lr_find.h"

#include <math.h>
#include <stdlib.h>

static const double keep = 0.9, blow_up = 4, sure = 4;

double lr_find_rate(double from, double to, int steps, int index)
{
    return steps > 1 ? from * pow(to / from, (double)index / (steps - 1)) : from;
}

bool lr_find_add(struct lr_find *find, float rate, float loss)
{
    if (!isfinite(loss) || find->count == LR_FIND_MOST)
        return false;
    find->rate[find->count] = rate;
    find->loss[find->count++] = loss;
    find->average = keep * find->average + (1 - keep) * (double)loss;
    find->weight = keep * find->weight + (1 - keep);
    const double smoothed = find->average / find->weight;
    if (find->count == 1 || smoothed < find->least)
        find->least = smoothed;
    return smoothed < blow_up * find->least;
}

int lr_find_reach(const struct lr_find *find)
{
    return find->steps / 10;
}

double lr_find_smoothed(const struct lr_find *find, int index)
{
    int reach = lr_find_reach(find);
    double sum = 0;
    if (reach > index)
        reach = index;
    if (reach > find->count - 1 - index)
        reach = find->count - 1 - index;
    for (int i = index - reach; i <= index + reach; i++)
        sum += (double)find->loss[i];
    return sum / (2 * reach + 1);
}

/* Of the loss over the number of the point, which goes with the rate's logarithm. */
static double slope_at(const struct lr_find *find, int index, int reach)
{
    double sum = 0, squares = 0;
    for (int i = -reach; i <= reach; i++) {
        sum += i * (double)find->loss[index + i];
        squares += (double)i * i;
    }
    return sum / squares;
}

static int by_size(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Standard deviation of a loss from batch to batch: by the median difference of neighbours, which knows no trend, and
 * which the end, where all blows up, hardly moves. */
static double noise_of(const struct lr_find *find)
{
    const double of_median = 0.6745 * sqrt(2); /* of a difference of two normal values */
    float differences[LR_FIND_MOST] = {0};
    for (int i = 1; i < find->count; i++)
        differences[i - 1] = fabsf(find->loss[i] - find->loss[i - 1]);
    qsort(differences, (size_t)(find->count - 1), sizeof *differences, by_size);
    return (double)differences[(find->count - 1) / 2] / of_median;
}

/* What noise alone makes of a slope, as a standard deviation. */
static double slope_noise(const struct lr_find *find, int reach)
{
    return noise_of(find) / sqrt(reach * (reach + 1.0) * (2.0 * reach + 1) / 3);
}

static double in_two_digits(double rate)
{
    const double digits = pow(10, 1 - floor(log10(rate)));
    return round(rate * digits) / digits;
}

struct lr_advice lr_find_advise(const struct lr_find *find)
{
    struct lr_advice advice = {0};
    const int reach = lr_find_reach(find);
    if (find->count < 2 * reach + 2)
        return advice;
    double steepest = -sure * slope_noise(find, reach), lowest = INFINITY;
    for (int i = reach; i + reach < find->count; i++) { /* nearer to the ends a few points would decide */
        const double loss = lr_find_smoothed(find, i), slope = slope_at(find, i, reach);
        if (loss < lowest) {
            lowest = advice.lowest_loss = loss;
            advice.lowest = (double)find->rate[i];
        }
        if (slope < steepest) {
            steepest = slope;
            advice.steepest = (double)find->rate[i];
        }
    }
    if (advice.steepest <= 0)
        return (struct lr_advice){0};
    advice.steepest = in_two_digits(advice.steepest);
    advice.lowest = in_two_digits(advice.lowest);
    advice.tenth = in_two_digits(advice.lowest / 10);
    return advice;
}
