/* Internal to the network: its state, and the two loops over the plan. */
#ifndef NFBENCH_ENGINE_EXECUTE_H
#define NFBENCH_ENGINE_EXECUTE_H

#include "engine/plan.h"

struct network {
    struct backend *backend;
    struct model_spec spec;
    struct network_options options;
    struct parameter_list parameters;
    struct plan *plan; /* of `chunk` images: a step goes through it several times, so that it stays in the caches */
    struct plan *remainder; /* batch norm only: for a batch of another size, whose statistics must be its own */
    int chunk;

    /* Regions of parameters.floats floats in one allocation that begins at `values`; a parameter lies at the same
     * offset in each. */
    float *values, *gradients, *momenta, *averages; /* averages NULL without EMA */
    float *effective;                               /* standardised and folded weights and biases */
    float *moments;
    struct loss_result *loss;
    size_t memory_bytes;

    struct ws_layer *ws; /* one a layer */
    struct update_parameter *updates;
    int update_count;

    const float *active;       /* values or averages: what the packed weights were made of; NULL: to be made */
    const struct plan *packed; /* the plan whose packed weights are up to date */
    double seconds[TIME_KINDS];
};

/* What the operations need to know of this pass. */
struct pass {
    struct network *network;
    struct plan *plan;
    bool training;
    bool add; /* backward: add to the weight gradients (a later chunk of the same step) */
    uint32_t step;
    uint64_t first; /* number of the chunk's first image in the batch */
    struct error *error;
};

/* Standardises and packs the weights that `active` (values or averages) points to, unless that was done already. */
int network_prepare(struct network *network, struct plan *plan, const float *active, struct error *error);

/* Puts `count` images (count, 32, 32, 3) from the host into the plan; what is left of it becomes zeros. */
int network_load_images(struct network *network, struct plan *plan, const float *images, int count,
                        struct error *error);

/* Called behind each operation that completes the stem, a block or the head (block count); non-zero ends the pass. */
typedef int plan_observer(void *context, int block, const struct op *op, struct error *error);

int plan_forward(const struct pass *pass, plan_observer *observer, void *context);
int plan_backward(const struct pass *pass);

#endif
