/* The CPU back end's own weight gradient of a convolution; see conv_weights.c for when and why it is used. */
#ifndef NFBENCH_KERNELS_CPU_CONV_WEIGHTS_H
#define NFBENCH_KERNELS_CPU_CONV_WEIGHTS_H

#include "kernels/kernels.h"

/* True when this kernel takes the shape and is expected to be faster than oneDNN's (fp32, AVX2 without AVX-512). */
bool conv_weights_fits(const struct conv_shape *shape);
/* Bytes of scratch for so many threads. */
size_t conv_weights_scratch(const struct conv_shape *shape, int threads);
/* x (n, h, w, cin), dy (n, out_h, out_w, cout) -> weight_gradient (cout, cin, k, k), bias_gradient (cout): added to
 * when `add`, else overwritten. Same bits for the same thread count. */
void conv_weights_gradient(const struct conv_shape *shape, int out_h, int out_w, int threads, const float *x,
                           const float *dy, float *weight_gradient, float *bias_gradient, bool add, float *scratch);

#endif
