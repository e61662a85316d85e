/* What each part of a network costs, by its spec alone: nothing is made on a device. */
#ifndef NFBENCH_ENGINE_MODEL_COST_H
#define NFBENCH_ENGINE_MODEL_COST_H

#include "engine/model.h"

#include <stddef.h>

struct model_cost {
    size_t parameters; /* running statistics left out */
    double flops; /* of the convolutions and dense layers forward, an image: a multiplication and an addition are 2 */
};

/* The stem, the blocks in their order, the head: *count of them, to be freed by the caller. */
int model_costs(const struct model_spec *spec, struct model_cost **out, int *count, struct error *error);

#endif
