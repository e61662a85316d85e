/* Takes a probe of a network: a pass forward and, when asked, backward, by a plan of its own, in which the end of each
 * residual branch is a tensor of its own and skip gain and alpha are applied where it joins the shortcut. Weights,
 * momenta, averages and batch norm's running statistics stay as they are; the gradients of the parameters become those
 * of the probe's batch. Stochastic depth and dropout drop nothing in it, and batch norm takes the batch's statistics.
 */
#ifndef NFBENCH_ENGINE_NETWORK_PROBE_H
#define NFBENCH_ENGINE_NETWORK_PROBE_H

#include "engine/network.h"
#include "engine/probe.h"

struct probe_options {
    bool gradients; /* the backward half; needs labels */
    bool unit_gain; /* skip gains count as 1: for plots at initialisation */
    long step;      /* updates done before it */
    float label_smoothing;
    float learning_rate; /* of the last update; 0: there was none yet */
    float agc;           /* 0: off */
};

/* Takes the memory of probes now: for batches of `n` images. */
int probe_reserve(struct network *network, int n, struct error *error);

/* Fills `out` (probe_create with the network's spec) from a batch: on the host with or without labels, or of a source.
 * No training step may be in flight. The first call takes memory unless some was reserved; the later ones none,
 * but for a batch of another size with batch norm. */
int probe_take(struct network *network, const struct step_batch *batch, const struct probe_options *options,
               struct probe *out, struct error *error);

#endif
