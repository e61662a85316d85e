/* Channel statistics inside the CPU back end: what batch norm and the probes share. */
#ifndef NFBENCH_KERNELS_CPU_STATISTICS_H
#define NFBENCH_KERNELS_CPU_STATISTICS_H

#include "kernels/cpu/cpu.h"

/* Of each channel: mean, biased variance and, unless both are NULL, least and most, (c) each; and the counts of all
 * values by value_bin(), (VALUE_BINS), or NULL. */
struct channel_outputs {
    float *mean, *variance, *least, *most;
    uint32_t *counts;
};

/* Of x (rows, c); *finite = 0 if some value is not. */
void cpu_channel_statistics(struct backend *backend, enum dtype dtype, const void *x, size_t rows, size_t c,
                            const struct channel_outputs *out, int *finite);

#endif
