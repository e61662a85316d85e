/* The four schedules; see schedule.h. Pure functions of the step, so that a resumed run needs no state of theirs. */
#include "engine/schedule.h"

#include <math.h>

static const double pi = 3.14159265358979323846;
/* Where onecycle starts, as a part of its peak (Smith's "div factor"). */
static const double onecycle_start = 1.0 / 25.0;
/* The rising part, as a part of the run. Smith's quarter and more is for networks that must not diverge early; skip
 * gains of 0 make these networks tame at first and want the high rate to grow. */
static const double onecycle_rise = 0.1;

long schedule_rise(const struct train_options *options, long total, long per_epoch)
{
    double steps = (double)options->warmup_epochs * (double)per_epoch;
    if (options->schedule == SCHEDULE_ONECYCLE && steps <= 0)
        steps = onecycle_rise * (double)total;
    return steps < (double)total ? lround(steps) : total;
}

static double onecycle(long step, long warmup, long total)
{
    if (step < warmup)
        return onecycle_start + (1 - onecycle_start) * (double)step / (double)warmup;
    return (double)(total - step) / (double)(total - warmup);
}

double schedule_factor(const struct train_options *options, long step, long total, long per_epoch)
{
    if (step >= total)
        step = total - 1;
    if (step < 0)
        step = 0;
    long warmup = schedule_rise(options, total, per_epoch);
    if (options->schedule == SCHEDULE_ONECYCLE)
        return onecycle(step, warmup, total);

    double rise = step < warmup ? (double)(step + 1) / (double)warmup : 1;
    switch (options->schedule) {
    case SCHEDULE_STEP:
        if (options->step_epochs > 0 && per_epoch > 0) {
            long drops = step / per_epoch / options->step_epochs;
            return rise * pow(options->step_factor, (double)drops);
        }
        return rise;
    case SCHEDULE_COSINE:
        return step < warmup ? rise : 0.5 * (1 + cos(pi * (double)(step - warmup) / (double)(total - warmup)));
    default:
        return rise;
    }
}
