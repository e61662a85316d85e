/* The images of a training batch mixed in pairs, each with the one at the mirrored place of the batch, and their labels
 * with them. Behind the augmentation of both and before the normalisation. The draw is a function of (seed, epoch,
 * number of the batch) alone: any process that makes a part of the batch makes the partners of its images itself. */
#ifndef NFBENCH_ENGINE_MIX_H
#define NFBENCH_ENGINE_MIX_H

#include "engine/augment.h"

/* How a run's batches are mixed. With both, a fair draw says for each batch which of them. */
struct mix_options {
    /* mixup (Zhang et al., arXiv 1710.09412): the sum of both images, the partner's share drawn from Beta(mixup, mixup)
     * for the batch; 0: off */
    float mixup;
    /* CutMix (Yun et al., arXiv 1905.04899): a rectangle of the partner in place of the image's own, its area drawn
     * from Beta(cutmix, cutmix), its centre anywhere, cut at the edges; the labels are shared by the area that is left
     * of it; 0: off */
    float cutmix;
};

enum { MIX_MOST = 100 }; /* of either */

static inline bool mix_is_on(const struct mix_options *options)
{
    return options->mixup > 0 || options->cutmix > 0;
}

/* The place of an image's partner in a batch of n; the middle one of an odd number is its own. */
static inline int mix_partner(int place, int n)
{
    return n - 1 - place;
}

/* How batch `number` of an epoch is mixed. Drawn on the host alone, where logarithms are not the same to the last bit
 * on all machines; the share is a whole number of MIX_WHOLE. */
struct mix mix_draw(const struct mix_options *options, uint64_t seed, uint32_t epoch, uint32_t number);

/* As normalize_image, of an image mixed with its partner; with NORMALIZE_IMAGE by the statistics of the mixed one. */
void mix_normalize(enum normalize_kind kind, const struct channel_statistics *statistics, const struct mix *mix,
                   const uint8_t *image, const uint8_t *partner, float *out);
/* The same to look at: planar bytes (3, 32, 32), rounded. */
void mix_image(const struct mix *mix, const uint8_t *image, const uint8_t *partner, uint8_t *out);

#endif
