/* Every op of one back end against the same op of another, on fixed random inputs: the proof on a person's own machine
 * that its GPU computes what the processor computes. */
#ifndef NFBENCH_KERNELS_SELFTEST_H
#define NFBENCH_KERNELS_SELFTEST_H

#include "kernels/kernels.h"

struct selftest_result {
    const char *name;
    /* The largest difference of an element, over the root mean square of its tensor; the worst of the op's outputs. Not
     * finite when a value is. */
    double difference, tolerance;
    bool ok;
    struct error error; /* why it could not run; else empty */
};

int selftest_count(void);

/* Runs the index-th op on both. */
void selftest_run(int index, struct backend *reference, struct backend *tested, enum dtype dtype,
                  struct selftest_result *out);

/* True when the op computes in fp32 whatever the network's dtype: it need not run again for bf16. */
bool selftest_is_fp32_only(int index);

#endif
