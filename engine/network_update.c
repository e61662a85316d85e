/* What the gradients of a step change: the list of parameters that the back end updates, by which rule, and the update
 * alone, for those who made the gradients by themselves. */
#include "engine/network.h"

#include "engine/execute.h"

#include <stdlib.h>

/* Of the way to the weights that slow ones go (Zhang et al., section 4: the one that suits CIFAR). */
static const float lookahead_share = 0.5f;

int network_make_updater(struct network *network, bool decay_all, struct error *error)
{
    struct backend *backend = network->backend;
    if (network->updater && network->decay_all == decay_all)
        return 0;
    if (network->updater) {
        network_drop_graphs(network, NULL);
        backend->updater_destroy(backend, network->updater);
        network->updater = NULL;
    }
    struct update_parameter *list = calloc((size_t)network->parameters.count, sizeof *list);
    if (!list)
        return error_set(error, "out of memory");
    int count = 0;
    for (int i = 0; i < network->parameters.count; i++) {
        const struct parameter *p = &network->parameters.items[i];
        if (!parameter_is_trained(p))
            continue;
        const int rows = parameter_units(p);
        list[count++] = (struct update_parameter){
            .rows = rows,
            .row_length = (int)p->count / rows,
            .clip = p->role == PARAMETER_WEIGHT,
            .decay = decay_all || p->role == PARAMETER_WEIGHT || p->role == PARAMETER_HEAD_WEIGHT,
            .value = p->value,
            .gradient = p->gradient,
            .momentum = p->momentum,
            .ema = p->ema,
            .slow = p->slow,
        };
    }
    const int result = backend->updater_create(backend, list, count, &network->updater, error);
    free(list);
    network->decay_all = decay_all;
    return result;
}

struct update_options network_update_options(const struct optimizer_options *options)
{
    const float warm = (1 + (float)options->step) / (10 + (float)options->step);
    const bool looks = options->lookahead > 0 && (options->step + 1) % options->lookahead == 0;
    return (struct update_options){.learning_rate = options->learning_rate,
                                   .momentum = options->momentum,
                                   .weight_decay = options->weight_decay,
                                   .agc = options->agc,
                                   .ema_decay = options->ema < warm ? options->ema : warm,
                                   .lookahead = looks ? lookahead_share : 0,
                                   .nesterov = options->nesterov};
}

int network_update(struct network *network, const struct optimizer_options *options, struct update_result *result,
                   struct error *error)
{
    struct backend *backend = network->backend;
    const struct step_values values = {.update = network_update_options(options), .resume = 1};
    const struct pass pass = {.network = network, .error = error};
    network->packed = NULL;
    if (network_make_updater(network, options->decay_all, error) || network_write_values(network, &values, error) ||
        backend->update(backend, network->updater, network->step, network->report, error) ||
        network_keep_running(&pass))
        return -1;
    return backend->copy_out(backend, result, &network->report->update, sizeof *result, error);
}
