/* What-if trials: the run trains some steps from where it is with other values of a setting, one after the other, or
 * with a rate that grows (lr_find.h), and then stands where it stood, to the bit. Plain data, for the trainer's
 * commands and events; what they do is in trainer_trial.c. */
#ifndef NFBENCH_ENGINE_TRIAL_H
#define NFBENCH_ENGINE_TRIAL_H

#include <stdbool.h>

enum { TRIAL_VALUES = 8, TRIAL_NAME_SIZE = 24, TRIAL_STEPS_MOST = 100000 };

/* What to try. Of a range of rates values[0] is the first and values[1] the last. */
struct trial_request {
    int setting; /* the command that sets it, an enum command_kind */
    double values[TRIAL_VALUES];
    bool relative[TRIAL_VALUES]; /* a factor on the value in force */
    int count;
    long steps; /* with each */
};

/* What came of a value. */
struct trial_result {
    double value;
    long steps;    /* that were finite */
    long diverged; /* the step that was not, counted as the run's; 0: none */
    float loss;    /* debiased exponential average of the losses of these steps, weight of the past 0.95; NAN: none */
};

/* The best of them: the lowest loss of those that made all steps; -1: none. */
int trial_best(const struct trial_result *results, int count, long steps);

/* How far it is, for a viewer. */
struct trial_progress {
    int index, count; /* of the values, from 0; count 0: nothing is tried */
    long step, steps; /* with this value */
};

#endif
