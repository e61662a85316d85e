/* See health.h. */
#include "engine/health.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* The limits: beyond the first a point is bad, beyond the second it is to be watched. */
static const float variance_limit = 10, variance_watch = 3;
static const float dead_limit = 0.9f, dead_watch = 0.5f;
static const float update_limit = 0.1f, update_watch = 0.03f;
/* Below this part of the prediction a signal has faded, whatever padding and pooling took. */
static const float faded = 1e-3f;

float health_expected_variance(const struct model_spec *spec, int point)
{
    const bool batch = spec->norm == NORM_BATCH;
    const bool report = spec->family == FAMILY_REPORT && spec->weight_standardization && !batch;
    const float gain = report ? activation_gamma(ACTIVATION_RELU) * activation_gamma(ACTIVATION_RELU) : 1;
    float variance = gain; /* of the stem */
    for (int b = 0; b < point; b++) {
        const struct block_spec block = model_block(spec, b);
        if (!batch && !report) {
            variance = block.variance_out;
            continue;
        }
        if (batch)
            variance = (block.transition ? 1 : variance) + 1;
        else
            variance = (block.transition ? gain * variance / (block.beta * block.beta) : variance) +
                       spec->alpha * spec->alpha * variance / (block.beta * block.beta);
    }
    return variance;
}

__attribute__((format(printf, 4, 5))) static enum health because(enum health health, char *why, size_t size,
                                                                 const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, size, format, arguments);
    va_end(arguments);
    return health;
}

static bool gradient_finite(const struct probe_point *point)
{
    return isfinite(point->gradient_norm) && isfinite(point->gradient_variance) &&
           isfinite(point->weight_gradient_norm);
}

static enum health bad(const struct probe_point *point, float expected, char *why, size_t size)
{
    const double predicted = (double)point->predicted, variance = (double)point->variance;
    if (!point->finite || !isfinite(point->variance))
        return because(HEALTH_BAD, why, size, "its output is not finite");
    if (!gradient_finite(point))
        return because(HEALTH_BAD, why, size, "its gradient is not finite");
    if (point->variance > variance_limit * expected) {
        if (expected > 2 * point->predicted)
            return because(HEALTH_BAD, why, size,
                           "variance %.3g, over 10 times the %.3g that its block makes (predicted: %.3g)", variance,
                           (double)expected, predicted);
        return because(HEALTH_BAD, why, size, "variance %.3g, over 10 times the predicted %.3g", variance, predicted);
    }
    if (point->dead > dead_limit)
        return because(HEALTH_BAD, why, size, "%.0f %% of its relu units are dead (limit 90 %%)",
                       100 * (double)point->dead);
    if (point->update_ratio > update_limit)
        return because(HEALTH_BAD, why, size, "a step changes its weights by %.2g of their norm (limit 0.1)",
                       (double)point->update_ratio);
    return HEALTH_GOOD;
}

static enum health watch(const struct model_spec *spec, const struct probe_point *point, float expected, char *why,
                         size_t size)
{
    const double predicted = (double)point->predicted, variance = (double)point->variance;
    if (point->dead > dead_watch)
        return because(HEALTH_WATCH, why, size, "%.0f %% of its relu units are dead", 100 * (double)point->dead);
    if (point->update_ratio > update_watch)
        return because(HEALTH_WATCH, why, size, "a step changes its weights by %.2g of their norm",
                       (double)point->update_ratio);
    if (point->variance > variance_watch * expected)
        return because(HEALTH_WATCH, why, size, "variance %.3g, over 3 times the %.3g expected", variance,
                       (double)expected);
    if (point->variance < faded * point->predicted)
        return because(HEALTH_WATCH, why, size, "the signal fades: variance %.2g where %.3g is predicted", variance,
                       predicted);
    if (!spec->weight_standardization && point->squared_mean > 1 && point->squared_mean > point->variance)
        return because(HEALTH_WATCH, why, size, "its means have shifted (squared mean %.3g): weights not standardised",
                       (double)point->squared_mean);
    if (point->variance > variance_watch * point->predicted && spec->family == FAMILY_REPORT)
        return because(HEALTH_WATCH, why, size,
                       "variance %.3g where %.3g is predicted: gamma sits in the report's weights", variance,
                       predicted);
    return HEALTH_GOOD;
}

enum health health_of_point(const struct model_spec *spec, const struct probe *probe, int point, char *why, size_t size)
{
    const float expected = health_expected_variance(spec, point);
    if (size > 0)
        why[0] = '\0';
    const enum health health = bad(&probe->points[point], expected, why, size);
    return health == HEALTH_BAD ? health : watch(spec, &probe->points[point], expected, why, size);
}
