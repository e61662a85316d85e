/* A whitened stem: a first convolution whose outputs are uncorrelated and have variance 1, as Page (2019, "How to train
 * your ResNet", part 8) and Jordan (arXiv 2404.00498, section 3.2) begin their networks. Its filters are the
 * eigenvectors of the covariance of the images' patches of 3 x 3 pixels and 3 channels, each divided by sqrt(eigenvalue
 * + 3e-3), by falling eigenvalue, and behind each one its negative. They are never trained; the biases
 * are. The same filters for the same images, to the bit. */
#ifndef NFBENCH_ENGINE_WHITENING_H
#define NFBENCH_ENGINE_WHITENING_H

#include "engine/evaluate.h"
#include "engine/network.h"

enum {
    WHITENING_INPUTS = 27,                     /* values of a patch: channel, row, column */
    WHITENING_CHANNELS = 2 * WHITENING_INPUTS, /* filters with their negatives: as many as there are */
    WHITENING_IMAGES = SYNTHETIC_SAMPLE        /* of the training images, the first ones */
};

/* Filters (channels, 3, 3, 3), OIHW, 1 <= channels <= WHITENING_CHANNELS, from a covariance that is symmetric. */
void whitening_filters(double covariance[WHITENING_INPUTS][WHITENING_INPUTS], int channels, float *filters);

/* Those of white noise, whose covariance is the identity: what a network has that has not seen any images. */
void whitening_of_noise(int channels, float *filters);

/* Gives the network the filters of its training images, as they are normalised, without augmentation; does nothing
 * where its stem is learnt. */
int whitening_apply(struct network *network, const struct dataset *dataset, const struct partition *parts,
                    enum normalize_kind normalize, struct error *error);

#endif
