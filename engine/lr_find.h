/* The learning rate range test (Smith 2015, arXiv 1506.01186, section 3.3): a network trains for some steps while its
 * rate grows, and the loss over the rate shows which rates it learns from and where it falls apart. Pure: the steps are
 * the trainer's, the figure is the screen's. */
#ifndef NFBENCH_ENGINE_LR_FIND_H
#define NFBENCH_ENGINE_LR_FIND_H

#include <stdbool.h>

enum { LR_FIND_LEAST = 20, LR_FIND_MOST = 1000, LR_FIND_STEPS = 100 };
#define LR_FIND_FROM 1e-5
#define LR_FIND_TO 1.0

/* A zeroed one is empty. */
struct lr_find {
    int steps; /* that were asked for */
    int count; /* of points so far */
    float rate[LR_FIND_MOST], loss[LR_FIND_MOST];
    double average, weight; /* of the losses so far: biased exponential average and the sum of its weights */
    double least;           /* the lowest value of average / weight so far */
};

/* What the curve advises, rates in two digits: more of them would say more than it knows. Rates of 0: nothing. */
struct lr_advice {
    double steepest;    /* where the loss falls fastest over the logarithm of the rate */
    double lowest;      /* where it is lowest ... */
    double lowest_loss; /* ... at this value, smoothed */
    double tenth;       /* a tenth of the lowest's rate, the other common choice */
};

/* The rate of step 0 <= index < steps, growing by the same factor each step. */
double lr_find_rate(double from, double to, int steps, int index);

/* Adds the loss of the next step. False when nothing is to be learnt from higher rates: the loss is not finite (the
 * point is not kept), or its debiased average, weight of the past 0.9, has come to four times its lowest. */
bool lr_find_add(struct lr_find *find, float rate, float loss);

/* Points to each side of one that its smoothed loss is made of: a tenth of the steps. */
int lr_find_reach(const struct lr_find *find);
/* The loss about a point: its mean over these, as many to each side (fewer at the ends). The noise of batches goes, and
 * the curve is not shifted, as a running average would shift it. */
double lr_find_smoothed(const struct lr_find *find, int index);

/* From the points so far: the slope of a line through each and those in its reach, by least squares, and the
 * smoothed losses. All rates are 0 where there are too few points, or no fall that is certain: four times what the
 * noise of the batches makes of a slope. */
struct lr_advice lr_find_advise(const struct lr_find *find);

#endif
