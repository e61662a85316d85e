/* Whether what a probe and the steps' losses show is healthy, in words: pure functions over them. A point of a probe
 * has a health (the screen colours by it); a run has findings, each raised once when it begins and once more when it is
 * over. What the theory explains is no alarm: zero padding and average pooling make a correct network measure less than
 * predicted, and the report's block measures more, because its gamma sits in its weights (DESIGN section 2). */
#ifndef NFBENCH_ENGINE_HEALTH_H
#define NFBENCH_ENGINE_HEALTH_H

#include "engine/probe.h"

enum health { HEALTH_GOOD, HEALTH_WATCH, HEALTH_BAD };

/* The variance that the block's formula makes at initialisation, from unit Gaussian input and before padding and
 * pooling take their part: the predicted one, but for the report's block (whose stem and shortcuts, without an
 * activation before them, multiply it by gamma^2 = 2.93) and for batch norm (whose branches each add a variance of 1).
 */
float health_expected_variance(const struct model_spec *spec, int point);

/* The health of one point, 0 <= point < probe->count. `why` says in a clause what is wrong, measured against what
 * ("variance 31.2, over 10 times the predicted 1.04"), or what explains it; empty where nothing is to be said. */
enum health health_of_point(const struct model_spec *spec, const struct probe *probe, int point, char *why,
                            size_t size);

#endif
