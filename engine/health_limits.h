/* What health.c (a point) and health_watch.c (a run) share: one reading of a quantity against its limit. Nobody else
 * includes this. */
#ifndef NFBENCH_ENGINE_HEALTH_LIMITS_H
#define NFBENCH_ENGINE_HEALTH_LIMITS_H

#include "engine/health.h"

/* Out of range when measured > limit. */
struct health_reading {
    float measured, limit;
};

/* Of the kinds from FINDING_NOT_FINITE to FINDING_UPDATE; `expected` variance of the point. */
struct health_reading health_read(enum finding_kind kind, const struct probe_point *point, float expected);

/* Its values, and what their variance comes to. */
bool health_output_is_finite(const struct probe_point *point);
/* Of a point with something that is not finite: what that is, "output is not finite". */
const char *health_not_finite(const struct probe_point *point);

/* Whether gamma sits in the weights. */
bool health_is_the_reports(const struct model_spec *spec);

#endif
