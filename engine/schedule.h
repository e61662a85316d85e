/* The learning rate as a function of the step: constant, step (the report's), cosine, onecycle; with linear warm-up. */
#ifndef NFBENCH_ENGINE_SCHEDULE_H
#define NFBENCH_ENGINE_SCHEDULE_H

#include "engine/options.h"

/* Factor on the peak learning rate at `step` (from 0) of `total` steps (> 0), `per_epoch` steps an epoch.
 * cosine: 1 until the warm-up's end, then half a cosine that would reach 0 at `total`; onecycle (Smith 2017, linear):
 * from 1/25 up to 1 over the warm-up, then straight down to 0 at `total`; step: step_factor ^ (epoch / step_epochs).
 * Warm-up of w steps of the other three: times (step + 1) / w, so that no step is wasted on a rate of 0. */
double schedule_factor(const struct train_options *options, long step, long total, long per_epoch);

/* Steps until the factor has risen to 1: those of the warm-up, or onecycle's own; 0: it begins there. */
long schedule_rise(const struct train_options *options, long total, long per_epoch);

#endif
