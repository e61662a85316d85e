/* Channel statistics inside the CPU back end: what batch norm and the probes share. */
#ifndef NFBENCH_KERNELS_CPU_MOMENTS_H
#define NFBENCH_KERNELS_CPU_MOMENTS_H

#include "kernels/cpu/cpu.h"

/* Mean and biased variance of each channel of x (rows, c), into (c) each; *finite = 0 if some value is not. */
void cpu_moments(struct backend *backend, enum dtype dtype, const void *x, size_t rows, size_t c, float *mean,
                 float *variance, int *finite);

#endif
