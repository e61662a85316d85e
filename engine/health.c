/* The health of a point of a probe; see health.h. */
#include "engine/health_limits.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* From here on a point is to be watched, though nothing is wrong yet. */
static const float variance_watch = 3, dead_watch = 0.5f, update_watch = 0.03f;
/* Below this part of the prediction a signal has faded, whatever padding took; each average pool may take more. */
static const float faded = 0.04f, pool_takes = 4;

bool health_is_the_reports(const struct model_spec *spec)
{
    return spec->family == FAMILY_REPORT && spec->weight_standardization && spec->norm != NORM_BATCH;
}

bool health_output_is_finite(const struct probe_point *point)
{
    return point->finite && isfinite(point->variance);
}

const char *health_not_finite(const struct probe_point *point)
{
    if (!point->finite)
        return "output is not finite";
    return isfinite(point->variance) ? "gradient is not finite" : "variance is beyond 3e38";
}

float health_expected_variance(const struct model_spec *spec, int point)
{
    const bool batch = spec->norm == NORM_BATCH, report = health_is_the_reports(spec);
    const float gamma = activation_gamma(ACTIVATION_RELU), gain = report ? gamma * gamma : 1;
    float variance = gain; /* of the stem */
    for (int b = 0; b < point; b++) {
        const struct block_spec block = model_block(spec, b);
        const float scaled = variance / (block.beta * block.beta);
        if (batch)
            variance = (block.transition ? 1 : variance) + 1;
        else if (report)
            variance = (block.transition ? gain * scaled : variance) + spec->alpha * spec->alpha * scaled;
        else
            variance = block.variance_out;
    }
    return variance;
}

struct health_reading health_read(enum finding_kind kind, const struct probe_point *point, float expected)
{
    switch (kind) {
    case FINDING_NOT_FINITE:
        return (struct health_reading){!health_output_is_finite(point) || !isfinite(point->gradient_norm) ||
                                           !isfinite(point->weight_gradient_norm),
                                       0};
    case FINDING_VARIANCE:
        return (struct health_reading){point->variance, 10 * expected};
    case FINDING_DEAD:
        return (struct health_reading){point->dead, 0.9f};
    case FINDING_UPDATE:
        return (struct health_reading){point->update_ratio, 0.1f};
    default:
        return (struct health_reading){0, 1};
    }
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

static enum health bad(const struct probe_point *point, enum finding_kind kind, float expected, char *why, size_t size)
{
    const double predicted = (double)point->predicted, variance = (double)point->variance;
    switch (kind) {
    case FINDING_NOT_FINITE:
        return because(HEALTH_BAD, why, size, "its %s", health_not_finite(point));
    case FINDING_VARIANCE:
        if (point->predicted <= 0)
            return because(HEALTH_BAD, why, size, "variance %.3g, over 10 times the expected %.3g", variance,
                           (double)expected);
        if (expected > 2 * point->predicted)
            return because(HEALTH_BAD, why, size,
                           "variance %.3g, over 10 times the %.3g that its block makes (predicted: %.3g)", variance,
                           (double)expected, predicted);
        return because(HEALTH_BAD, why, size, "variance %.3g, over 10 times the predicted %.3g", variance, predicted);
    case FINDING_DEAD:
        return because(HEALTH_BAD, why, size, "%.0f %% of its relu units are dead (limit 90 %%)",
                       100 * (double)point->dead);
    default:
        return because(HEALTH_BAD, why, size, "a step changes its weights by %.2g of their norm (limit 0.1)",
                       (double)point->update_ratio);
    }
}

/* The variance below which a point has faded. An average pool divides what neighbouring pixels do not share by 4, and
 * where skip gains start at 0 nothing makes up for that behind it. */
static float faded_variance(const struct model_spec *spec, const struct probe *probe, int point)
{
    float part = faded;
    for (int b = 0; b < point; b++) {
        const struct block_spec block = model_block(spec, b);
        if (block.stride > 1 && spec->family == FAMILY_PAPERS && spec->shortcut == SHORTCUT_POOL)
            part /= pool_takes;
    }
    return part * probe->points[point].predicted;
}

static enum health watch(const struct model_spec *spec, const struct probe *probe, int index, float expected, char *why,
                         size_t size)
{
    const struct probe_point *point = &probe->points[index];
    const double predicted = (double)point->predicted, variance = (double)point->variance;
    if (point->dead > dead_watch)
        return because(HEALTH_WATCH, why, size, "%.0f %% of its relu units are dead (watched from %.0f %%)",
                       100 * (double)point->dead, 100 * (double)dead_watch);
    if (point->update_ratio > update_watch)
        return because(HEALTH_WATCH, why, size, "a step changes its weights by %.2g of their norm (watched from %.2g)",
                       (double)point->update_ratio, (double)update_watch);
    if (point->variance > variance_watch * expected)
        return because(HEALTH_WATCH, why, size, "variance %.3g, over 3 times the expected %.3g", variance,
                       (double)expected);
    if (point->variance < faded_variance(spec, probe, index))
        return because(HEALTH_WATCH, why, size, "the signal fades: variance %.2g where %.3g is predicted", variance,
                       predicted);
    if (!spec->weight_standardization && point->squared_mean > 1 && point->squared_mean > point->variance)
        return because(HEALTH_WATCH, why, size, "its means have shifted (squared mean %.3g): weights not standardised",
                       (double)point->squared_mean);
    if (point->variance > variance_watch * point->predicted && health_is_the_reports(spec))
        return because(HEALTH_WATCH, why, size,
                       "variance %.3g where %.3g is predicted: gamma sits in the report's weights", variance,
                       predicted);
    return HEALTH_GOOD;
}

enum health health_of_point(const struct model_spec *spec, const struct probe *probe, int point, char *why, size_t size)
{
    const float expected = health_expected_variance(spec, point);
    const struct probe_point *at = &probe->points[point];
    if (size > 0)
        why[0] = '\0';
    for (enum finding_kind kind = FINDING_NOT_FINITE; kind <= FINDING_UPDATE; kind++) {
        const struct health_reading reading = health_read(kind, at, expected);
        if (reading.measured > reading.limit)
            return bad(at, kind, expected, why, size);
    }
    return watch(spec, probe, point, expected, why, size);
}
