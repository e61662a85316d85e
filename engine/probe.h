/* What the signal does in every residual block, measured and predicted: the data of the signal propagation plot (SPP,
 * arXiv 2101.08692, section 3.1) and of every panel, figure and diagnosis that looks into a network. A probe is plain
 * memory on the host; probe_take (network_probe.c) fills it by a pass of its own, which leaves the training as it was.
 */
#ifndef NFBENCH_ENGINE_PROBE_H
#define NFBENCH_ENGINE_PROBE_H

#include "engine/model.h"
#include "kernels/kernels.h"

/* The output of the stem or of a residual block. All of it is over the whole batch; "channel" averages give each
 * channel the same weight. */
struct probe_point {
    int channels;
    /* forward */
    float predicted;         /* variance of the output, model_block; 1 at the stem; 0 with batch norm: none */
    float squared_mean;      /* average over the channels of mean^2 */
    float variance;          /* average over the channels of the biased variance */
    float shortcut_variance; /* the same of what the branch is added to; of the stem: its own */
    float branch_variance; /* ... at the residual branch's end (squeeze-excite included), before skip gain and alpha; 0
                            * at the stem */
    float least, most;     /* of the output's values */
    float dead;            /* share of the branch's relu units (channels before a convolution) that no position of any
                            * image switches on; 0 where there are none, or with another activation */
    bool finite;           /* of the output */
    /* backward, of the mean loss; 0 in a probe without gradients */
    float gradient_norm;     /* of the gradient of the output, over the whole batch */
    float gradient_variance; /* ... its average channel variance */
    /* the weights of the block (all its convolutions) */
    float weight_norm;
    float weight_gradient_norm;
    float update_ratio; /* norm of lr times the momentum over weight_norm, the last step's update; 0 before the first.
                         * Nesterov's update lr (g + m v) is the same where the gradient is steady, v = g / (1 - m) */
    float clipped;      /* share of the units that AGC clips at this gradient; 0 without AGC or gradients */
    /* distributions: counts by value_bin() (kernels.h) */
    uint32_t values[VALUE_BINS];            /* of the output's values */
    uint32_t variances[VALUE_BINS];         /* of its channels' variances */
    float *channel_mean, *channel_variance; /* (channels), memory of the probe; NULL in one read from a session's log */
};

struct probe {
    long step; /* updates done before it */
    int images;
    float loss;                 /* mean over the batch; 0 without labels */
    bool gradients;             /* the backward half was measured */
    int count;                  /* points: 1 + blocks */
    struct probe_point *points; /* [0] the stem, [1 + b] block b */
    float *memory;              /* of the channels */
};

/* Zeroed memory for a network of this spec. The caller frees it. */
int probe_create(const struct model_spec *spec, struct probe **out, struct error *error);
/* The same of `count` points without memory for single channels, as a log has them. */
int probe_create_summary(int count, struct probe **out, struct error *error);
void probe_destroy(struct probe *probe);
/* Between probes of the same spec; what `from` knows of single channels is copied where both have memory for it. */
void probe_copy(struct probe *to, const struct probe *from);

/* "stem", "block 3": how people number them, the blocks from 1. */
void probe_point_name(int point, char *text, size_t size);

#endif
