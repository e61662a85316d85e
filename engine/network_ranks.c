/* A network whose steps several processes share: each has all of its weights, and the gradients of a slice of the
 * batch. Without batch statistics their sum is the gradient of the whole batch, however it is sliced: the losses and
 * the draws of each image hang on its place in the batch alone. */
#include "engine/network.h"

#include "engine/dist.h"
#include "engine/execute.h"

#include <stdlib.h>
#include <string.h>

int network_ranks(const struct network *network)
{
    return network->options.ranks > 1 ? network->options.ranks : 1;
}

int network_rank(const struct network *network)
{
    return network->options.rank;
}

/* Dropout draws four values at once, so a slice begins where a draw does. */
static int whole_draws(const struct network *network)
{
    const struct model_spec *spec = &network->spec;
    const int width = spec->stages[spec->stage_count - 1].width;
    return spec->dropout <= 0 || width % 4 == 0 ? 1 : width % 2 == 0 ? 2 : 4;
}

struct slicing network_slicing(const struct network *network)
{
    return (struct slicing){network_rank(network), network_ranks(network), whole_draws(network)};
}

int network_largest_slice(const struct network *network, int batch)
{
    const struct slicing slicing = network_slicing(network);
    return slice_largest(&slicing, batch);
}

struct step_batch network_slice(const struct network *network, const struct step_batch *batch, int *first)
{
    const struct slicing slicing = network_slicing(network);
    const struct slice part = slice_of(&slicing, batch->n);
    struct step_batch slice = *batch;
    *first = part.first;
    slice.n = part.n;
    slice.start += (uint32_t)part.first;
    slice.images += batch->images ? (size_t)part.first * MODEL_IMAGE_SIZE * MODEL_IMAGE_SIZE * 3 : 0;
    slice.labels += batch->labels ? part.first : 0;
    slice.partners += batch->partners ? part.first : 0;
    return slice;
}

int network_no_images(const struct pass *pass)
{
    struct network *network = pass->network;
    struct backend *backend = network->backend;
    return backend->fill_zero(backend, network->gradients, network->parameters.floats * sizeof(float), pass->error) ||
                   backend->fill_zero(backend, &network->report->loss, sizeof network->report->loss, pass->error)
               ? -1
               : 0;
}

/* The hits are few enough to be exact as a float. */
static int sum_on_host(struct network *network, struct error *error)
{
    struct loss_result *loss = &network->report->loss;
    float both[2] = {loss->loss, (float)loss->correct};
    if (dist_sum(network->gradients, network->parameters.floats, error) || dist_sum(both, 2, error))
        return -1;
    *loss = (struct loss_result){.loss = both[0], .correct = (int)both[1]};
    return 0;
}

int network_sum_ranks(const struct pass *pass)
{
    struct network *network = pass->network;
    struct backend *backend = network->backend;
    if (backend->host_memory)
        return sum_on_host(network, pass->error);
    return backend->ranks_sum(backend, network->gradients, network->parameters.floats, &network->report->loss,
                              pass->error);
}

bool network_was_written(const struct network *network)
{
    return network->written;
}

int network_share_state(struct network *network, struct error *error)
{
    const size_t floats = network_state_floats(network);
    float *host = malloc(floats * sizeof *host);
    int status = 0;
    if (!host)
        return error_set(error, "out of memory for a copy of the weights, which all ranks are to have");
    if (network_rank(network) == 0)
        status = network_read_state(network, host, error);
    if (status == 0) {
        dist_broadcast(host, floats * sizeof *host);
        if (network_rank(network) != 0)
            status = network_write_state(network, host, error);
    }
    free(host);
    network->written = false;
    return status;
}

int network_join_ranks(struct network *network, struct error *error)
{
    struct backend *backend = network->backend;
    char id[RANKS_ID_BYTES] = "";
    if (backend->host_memory)
        return 0;
    if (network_rank(network) == 0 && backend->ranks_id(backend, id, error))
        return -1;
    dist_broadcast(id, sizeof id);
    return backend->ranks_join(backend, id, network_rank(network), network_ranks(network), error);
}
