/* Where the time of training steps goes: parts that add up to the whole. `nfbench bench`, --json and the screen name
 * them alike. */
#ifndef NFBENCH_ENGINE_STEP_TIME_H
#define NFBENCH_ENGINE_STEP_TIME_H

#include "kernels/kernels.h"

/* Those of `enum step_lap` first. On a GPU the images are made there, and nothing is waited for. */
enum step_part {
    STEP_DATA = LAP_DATA,       /* waiting for the images, and taking them in */
    STEP_FORWARD = LAP_FORWARD, /* standardising the weights, forward pass, loss */
    STEP_BACKWARD = LAP_BACKWARD,
    STEP_UPDATE = LAP_UPDATE,
    STEP_PROBE = LAPS, /* before the step */
    STEP_OTHER,        /* between two steps: records, queues, what the device did not do */
    STEP_PARTS
};

/* Seconds, of one step or of many. */
struct step_time {
    double whole, parts[STEP_PARTS];
};

/* "forward" */
const char *step_part_name(enum step_part part);

/* Adds the parts of one step as they were measured, and the whole. With steps under way on a GPU a step's own time is
 * not that between its predecessor's end and its own as they are seen here, so only sums over some steps are compared:
 * see step_time_settle. */
void step_time_add(struct step_time *sum, double whole, const double parts[STEP_OTHER]);

/* Gives what is missing of the whole to STEP_OTHER. Where the parts are more than the whole, as a few steps at the edge
 * of a window may make them, they keep their proportions. After it the parts' sum is the whole, but for rounding. */
struct step_time step_time_settle(const struct step_time *measured);

/* Of one of `count` steps. */
struct step_time step_time_mean(const struct step_time *sum, long count);

#endif
