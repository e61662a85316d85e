/* The CPU's back end and the CUDA one beside each other: what a function makes on the CPU, the same function must make
 * on the (emulated) GPU, within a tolerance, and there with the same bits for every order of blocks and threads. */
#ifndef NFBENCH_TESTS_CUDA_TWINS_H
#define NFBENCH_TESTS_CUDA_TWINS_H

#include "tests/kernels/rig.h"

struct twins {
    struct backend *cpu, *cuda;
};

enum { OUTCOME_PARTS = 128 };

/* What one run made: tensors by name. */
struct outcome {
    int count;
    struct {
        const char *name;
        int item; /* of which layer or parameter */
        size_t count;
        double *values;
    } parts[OUTCOME_PARTS];
};

/* Set-up and tear-down of a cmocka group whose state is a struct twins. */
int twins_open(void **state);
int twins_close(void **state);

/* Fetches a tensor from the rig's back end; nothing when `device` is NULL. */
void outcome_add(struct outcome *outcome, struct rig *rig, const char *name, int item, const void *device,
                 size_t count);
void outcome_free(struct outcome *outcome);

/* Fails unless each value lies within `tolerance` times the largest of its tensor. 0: they must be equal. */
void outcome_expect_near(const struct outcome *got, const struct outcome *expected, double tolerance);

/* Runs the case on both, on the GPU in every order, and compares. */
void twins_check(const struct twins *twins, void (*run)(struct backend *, const void *data, struct outcome *out),
                 const void *data, double tolerance);

#endif
