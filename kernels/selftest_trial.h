/* One run of one op for the self-test: its tensors, and what it gave. Once something failed, all that follows does
 * nothing, so that an op's case reads straight. */
#ifndef NFBENCH_KERNELS_SELFTEST_TRIAL_H
#define NFBENCH_KERNELS_SELFTEST_TRIAL_H

#include "kernels/kernels.h"

enum { TRIAL_TENSORS = 32, TRIAL_OUTPUTS = 10 };

struct trial {
    struct backend *backend;
    enum dtype dtype; /* of activations */
    bool tf32;        /* convolutions may make their products in TF32 */
    bool failed;
    struct error error;
    int tensors;
    void *tensor[TRIAL_TENSORS];
    int outputs;
    struct {
        float *values;
        size_t count;
    } output[TRIAL_OUTPUTS];
};

/* Device memory: with these bytes, or (NULL) filled with NaN. */
void *trial_bytes(struct trial *trial, const void *content, size_t bytes);
/* shift + scale * standard normal values of the stream, stored as `dtype`. */
void *trial_normal(struct trial *trial, enum dtype dtype, uint32_t stream, size_t count, float scale, float shift);
void *trial_blank(struct trial *trial, enum dtype dtype, size_t count);
/* Keeps what the tensor holds, to compare. */
void trial_output(struct trial *trial, enum dtype dtype, const void *device, size_t count);

/* Makes the call unless something failed before. */
#define TRIAL_DO(trial, call)                                                                                          \
    do {                                                                                                               \
        if (!(trial)->failed)                                                                                          \
            (trial)->failed = (call) != 0;                                                                             \
    } while (0)

struct selftest_case {
    const char *name;
    void (*run)(struct trial *trial, const struct selftest_case *what);
    bool fp32_only;
    struct conv_shape conv;     /* of convolutions; dtype and tf32 are the trial's */
    enum activation activation; /* of activations */
    enum ws_mode mode;          /* of weights */
};

/* selftest_cases.c */
extern const struct selftest_case selftest_cases[];
extern const int selftest_case_count;

#endif
