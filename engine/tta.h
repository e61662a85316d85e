/* Test-time averaging: what a network says of an image and of changed images of it, taken together. Logits are
 * averaged, as the fast CIFAR trainers do it (Page 2019, "How to train your ResNet"; Jordan 2024, arXiv 2404.00498);
 * the mean of the probabilities, which Krizhevsky et al. (2012) took, differs from that by little. */
#ifndef NFBENCH_ENGINE_TTA_H
#define NFBENCH_ENGINE_TTA_H

#include "engine/network.h"

enum tta_kind {
    TTA_NONE,
    TTA_FLIP /* the image and its mirror image, left and right exchanged */
};

const char *tta_name(enum tta_kind kind); /* "none", "flip" */

/* Logits (batch->n, classes) on the host of the mirror images of a batch, as network_predict_batch takes it. */
int tta_mirror_logits(struct network *network, const struct step_batch *batch, bool use_ema, float *logits,
                      struct error *error);
/* The mean of both takes the place of `logits`; `count` values each. */
void tta_average(float *logits, const float *others, size_t count);

#endif
