/* Calibration: whether a network is right as often as it is confident. Guo et al. 2017, "On Calibration of Modern
 * Neural Networks", arXiv 1706.04599. */
#ifndef NFBENCH_ENGINE_CALIBRATION_H
#define NFBENCH_ENGINE_CALIBRATION_H

#include "engine/evaluate.h"

enum { CALIBRATION_BINS = 15 };

/* The images whose confidence is in (i / 15, (i + 1) / 15]. */
struct calibration_bin {
    long count;
    double accuracy, confidence; /* of them, means; 0 where there are none */
};

struct calibration {
    long count;
    double accuracy, confidence; /* of all */
    double expected_error;       /* ECE: the mean over the images of their bin's |accuracy - confidence| */
    double greatest_error;       /* MCE: the greatest of the bins' */
    struct calibration_bin bins[CALIBRATION_BINS];
};

/* Where a confidence is not finite, both errors are NAN, and its image is in no bin. */
void calibrate(const struct prediction *predictions, long count, struct calibration *out);

#endif
