/* The self-test of the ops as `nfbench doctor` shows it: a line an op, the GPU's results beside the processor's. */
#ifndef NFBENCH_TUI_OPS_CHECK_H
#define NFBENCH_TUI_OPS_CHECK_H

#include "kernels/kernels.h"

#include <jansson.h>

/* Runs every op on both back ends, in fp32, bf16 and, where the GPU has it, `tf32`. Prints the table where `print`;
 * *results is an array for JSON, NULL when memory ran out, owned by the caller. *bad: how many did not agree. */
int ops_check(struct backend *cpu, struct backend *gpu, bool tf32, bool print, json_t **results, int *bad,
              struct error *error);

#endif
