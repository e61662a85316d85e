/* Batches of unit Gaussian noise: what a network is timed on, and what its signal is measured with at initialisation.
 */
#ifndef NFBENCH_ENGINE_NOISE_H
#define NFBENCH_ENGINE_NOISE_H

#include <stddef.h>
#include <stdint.h>

/* Images (n, 32, 32, 3) of independent N(0, 1) and labels (n) below `classes`, by Philox of the seed. */
void noise_batch(uint64_t seed, int classes, int n, float *images, uint8_t *labels);

#endif
