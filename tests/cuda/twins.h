/* The CPU's back end and the CUDA one beside each other: what a function makes on the CPU, the same function must make
 * on the (emulated) GPU, within a tolerance, and there with the same bits for every order of blocks and threads. */
#ifndef NFBENCH_TESTS_CUDA_TWINS_H
#define NFBENCH_TESTS_CUDA_TWINS_H

#include "tests/kernels/rig.h"

#include <stdbool.h>

struct twins {
    struct backend *cpu, *cuda;
};

/* Set-up and tear-down of a cmocka group whose state is a struct twins. */
int twins_open(void **state);
int twins_close(void **state);

/* Many tensors in one allocation of a back end, for lists of layers or parameters: the emulation takes long to open and
 * shut many. Tensors start at multiples of 64 bytes and have NaN bytes behind them, which must stay. */
struct pool {
    struct backend *backend;
    unsigned char *device, *host; /* what is there, and its copy here */
    size_t bytes, used;
    int count;
    struct {
        size_t first, bytes;
    } tensors[256];
};

void pool_open(struct pool *pool, struct backend *backend, size_t bytes);
/* The address of a new tensor on the device, where pool_upload brings its content; NULL: NaN bytes. */
void *pool_add(struct pool *pool, const void *content, size_t bytes);
/* rig_normals as floats. */
float *pool_add_normals(struct pool *pool, uint32_t stream, size_t count, float scale, float shift);
/* A tensor's copy here: as it goes with the next upload, or as it came with the last download. */
void *pool_copy(struct pool *pool, const void *device);
void pool_upload(struct pool *pool);
void pool_download(struct pool *pool); /* checks what lies behind the tensors */
void pool_close(struct pool *pool);

/* Element i of values as they are stored. */
float stored_value(enum dtype dtype, const void *values, size_t i);

enum { OUTCOME_PARTS = 128 };

/* What one run made: tensors of floats by name. */
struct outcome {
    int count;
    struct {
        const char *name;
        int item; /* of which layer or parameter */
        size_t count;
        float *values;
    } parts[OUTCOME_PARTS];
};

/* Copies values of this memory. */
void outcome_add_values(struct outcome *outcome, const char *name, int item, const float *values, size_t count);
/* Copies a tensor of a pool that was downloaded; nothing when `device` is NULL. */
void outcome_add(struct outcome *outcome, struct pool *pool, const char *name, int item, const float *device,
                 size_t count);
void outcome_free(struct outcome *outcome);

/* Fails unless each value lies within `tolerance` times the largest of its tensor. */
void outcome_expect_near(const struct outcome *got, const struct outcome *expected, float tolerance);
/* Fails unless all bits are the same. */
void outcome_expect_equal(const struct outcome *got, const struct outcome *expected);

/* Runs the case on both, on the GPU in every order, and compares. */
void twins_check(const struct twins *twins, void (*run)(struct backend *, const void *data, struct outcome *out),
                 const void *data, float tolerance);

#endif
