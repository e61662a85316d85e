/* Which images of a part of the data are worth a look, picked from what a network said of each. Pure functions: the
 * same predictions and seed give the same images. */
#ifndef NFBENCH_ENGINE_SAMPLES_H
#define NFBENCH_ENGINE_SAMPLES_H

#include "engine/evaluate.h"

/* All put the places of at most `most` images, in 0..count-1 and each once, into `places` and return how many. */

/* Any, in an order drawn by Philox keyed (seed, PHILOX_SAMPLES, place): the first few stay when `most` grows. */
int samples_random(int count, uint64_t seed, int most, int *places);

/* The same of one class alone. */
int samples_of_class(const struct prediction *predictions, int count, int label, uint64_t seed, int most, int *places);

/* What the network took for another class, the most confident mistake first. */
int samples_mistakes(const struct prediction *predictions, int count, int most, int *places);

/* The greatest loss first; one that is not finite before all others. */
int samples_highest_loss(const struct prediction *predictions, int count, int most, int *places);

#endif
