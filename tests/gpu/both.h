/* The processor's back end and the GPU's, for programs that hold one against the other. */
#ifndef NFBENCH_TESTS_GPU_BOTH_H
#define NFBENCH_TESTS_GPU_BOTH_H

#include "kernels/cuda.h"

extern struct backend *cpu, *gpu;

/* Set-up and tear-down of a cmocka group. */
int open_both(void **state);
int close_both(void **state);

#endif
