/* The tensors that tests/peer/peer.py draws, again: values by Philox keyed by the tensor's name, so that the golden
 * files need not hold millions of weights. */
#ifndef NFBENCH_TESTS_PEER_DRAW_H
#define NFBENCH_TESTS_PEER_DRAW_H

#include <stddef.h>
#include <stdint.h>

enum { PROJECTIONS = 8 };

/* The values of the tensor of that name, in PyTorch's order (OIHW; "input": NCHW). */
void draw_tensor(const char *name, const int *dims, int dim_count, float *out);
/* Images (n, 32, 32, 3) as the network reads them, and their labels. */
void draw_images(int n, float *images, uint8_t *labels);
/* The norm of a gradient, then its products with PROJECTIONS vectors of random signs keyed by its name. The mean square
 * of the products of a - b estimates ||a - b||^2. */
void draw_projections(const char *name, const float *gradient, size_t count, double out[1 + PROJECTIONS]);

#endif
