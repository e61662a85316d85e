/* The learning rate as a function of the step: constant, step (the report's), cosine, onecycle; with linear warm-up. */
#ifndef NFBENCH_ENGINE_SCHEDULE_H
#define NFBENCH_ENGINE_SCHEDULE_H

#include "engine/options.h"

/* Factor on the peak learning rate at `step` (from 0) of `total` steps, `per_epoch` steps an epoch.
 * cosine: half a cosine to 0; onecycle (Smith 2017, linear): from 1/25 up to 1 over the warm-up, down to about 0 at the
 * end; step: step_factor ^ (epoch / step_epochs). Warm-up of the other three: linear from 1/steps to 1. */
double schedule_factor(const struct train_options *options, long step, long total, long per_epoch);

#endif
