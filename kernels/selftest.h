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

/* What an op is run in. TF32: tensors are fp32, and the products of convolutions may be made in TF32, by a back end
 * that has it. */
enum selftest_precision { SELFTEST_FP32, SELFTEST_TF32, SELFTEST_BF16, SELFTEST_PRECISIONS };

int selftest_count(void);

/* "fp32" */
const char *selftest_word(enum selftest_precision precision);

/* False where the op computes the same as in fp32: it need not run again. */
bool selftest_differs(int index, enum selftest_precision precision);

/* Runs the index-th op on both. */
void selftest_run(int index, struct backend *reference, struct backend *tested, enum selftest_precision precision,
                  struct selftest_result *out);

#endif
