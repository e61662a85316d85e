/* Weights made elsewhere: a safetensors file under the peer's parameter names becomes a session. */
#ifndef NFBENCH_SESSIONS_IMPORT_H
#define NFBENCH_SESSIONS_IMPORT_H

#include "engine/network.h"
#include "sessions/session.h"

/* The number of classes of the network in the file (the rows of head.weight), for model.classes. */
int import_classes(const char *path, int *classes, struct error *error);

/* What the network in the file is, where the file says it, as those of an nfbench do: into settings->model and the
 * normalisation of its images, but for what was given. `known` is false where it does not. */
int import_network(const char *path, struct settings *settings, bool *known, struct error *error);

/* Loads all parameters of the network from the file; nothing is loaded unless all fit. The error lists what is missing,
 * unexpected or of another shape. Averages (EMA) and slow weights, where the network keeps them, start as the weights;
 * "momentum.", "ema." and "slow." tensors of a checkpoint of our own are passed over, and so is PyTorch's
 * num_batches_tracked. */
int import_weights(const char *path, struct network *network, struct error *error);

/* import_weights, then a new session with a checkpoint at step 0. The network is made from settings->model. */
int import_session(const char *path, const struct settings *settings, struct network *network, struct session **out,
                   struct error *error);

#endif
