/* A network's parameters to and from a safetensors file; the common part of checkpoints and imports. */
#ifndef NFBENCH_SESSIONS_TENSORS_H
#define NFBENCH_SESSIONS_TENSORS_H

#include "engine/network.h"
#include "sessions/safetensors.h"

enum tensors_wanted {
    TENSORS_ALL,    /* values, momentum, averages, slow weights: all that the network has */
    TENSORS_WEIGHTS /* values alone; averages and slow weights start as the values */
};

enum tensors_saved {
    TENSORS_STATE,   /* values, momenta, averages and slow weights, by the prefixes of their names */
    TENSORS_VALUES,  /* values alone */
    TENSORS_AVERAGED /* the averages in their place, where there are some, without a prefix */
};

/* Fails when a value is not finite. */
int tensors_save(const char *path, struct network *network, enum tensors_saved what, const struct metadata *metadata,
                 int metadata_count, struct error *error);

/* Checks every name, shape and value first: on error the network is unchanged, and the message lists what is missing,
 * unexpected or of another shape. "momentum.", "ema." and "slow." tensors that the network does not want are passed
 * over. */
int tensors_load(const struct safetensors *file, struct network *network, enum tensors_wanted wanted,
                 struct error *error);

#endif
