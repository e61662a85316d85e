/* A network on a device: its making and end, and looking into it. network_run.c runs it, network_memory.c counts its
 * memory. */
#include "engine/network.h"

#include "engine/execute.h"
#include "engine/prober.h"

#include <stdlib.h>
#include <string.h>

static const char *const time_names[TIME_KINDS] = {
    [TIME_CONV_FORWARD] = "convolution forward",
    [TIME_CONV_BACKWARD_DATA] = "convolution input gradient",
    [TIME_CONV_BACKWARD_WEIGHTS] = "convolution weight gradient",
    [TIME_ACTIVATION] = "activations and sums",
    [TIME_POOL] = "pooling",
    [TIME_NORM] = "batch norm",
    [TIME_STANDARDIZE] = "weight standardisation",
    [TIME_LOSS] = "loss",
    [TIME_UPDATE] = "update",
    [TIME_OTHER] = "other",
};

const char *network_time_name(enum time_kind kind)
{
    return time_names[kind];
}

void network_times(const struct network *network, double seconds[TIME_KINDS])
{
    memcpy(seconds, network->seconds, sizeof network->seconds);
}

/* ---- Making ---- */

/* Floats from one region's start to the next. */
static size_t region_floats(size_t floats)
{
    return (floats + 63) / 64 * 64;
}

int network_widest(const struct network *network)
{
    const struct model_spec *spec = &network->spec;
    int widest = spec->stem > spec->classes ? spec->stem : spec->classes;
    for (int i = 0; i < spec->stage_count; i++)
        if (spec->stages[i].width > widest)
            widest = spec->stages[i].width;
    return widest;
}

/* Cuts one allocation into the regions. */
static int allocate_regions(struct network *network, struct error *error)
{
    const size_t region = region_floats(network->parameters.floats);
    const size_t moments = region_floats(network->parameters.moment_floats);
    const size_t regions = 4 + (size_t)network->options.ema + (size_t)network->options.lookahead;
    const size_t floats = regions * region + moments;
    const size_t step = region_floats(sizeof *network->step / sizeof(float));
    const size_t report = region_floats(sizeof *network->report / sizeof(float));
    const size_t probe = 4 * (size_t)network_widest(network) + 1;
    network->memory_bytes = (floats + step + report + probe) * sizeof(float);
    struct backend *backend = network->backend;
    void *memory;
    if (backend->allocate(backend, network->memory_bytes, &memory, error))
        return network_explain_memory(network, error);
    network->values = memory;
    if (backend->fill_zero(backend, memory, network->memory_bytes, error))
        return -1;
    network->gradients = network->values + region;
    network->momenta = network->gradients + region;
    network->effective = network->momenta + region;
    network->moments = network->effective + region;
    float *more = network->moments + moments;
    if (network->options.ema) {
        network->averages = more;
        more += region;
    }
    if (network->options.lookahead)
        network->slow = more;
    network->step = (void *)(network->values + floats);
    network->report = (void *)(network->values + floats + step);
    network->probe = network->values + floats + step + report;
    return 0;
}

static void bind_parameters(struct network *network)
{
    for (int i = 0; i < network->parameters.count; i++) {
        struct parameter *p = &network->parameters.items[i];
        const size_t offset = network->parameters.offsets[i];
        const bool trained = parameter_is_trained(p);
        p->value = network->values + offset;
        p->gradient = network->gradients + offset;
        p->momentum = trained ? network->momenta + offset : NULL;
        p->ema = trained && network->averages ? network->averages + offset : NULL;
        p->slow = trained && network->slow ? network->slow + offset : NULL;
    }
}

static float *region_at(float *region, const struct network *network, int parameter)
{
    return parameter < 0 ? NULL : region + network->parameters.offsets[parameter];
}

/* The layers with weights of `source`; `layers` (layer_count). `folded`: skip gain and alpha go into the weights. */
static void list_layers(const struct network *network, enum weight_source source, bool folded, struct ws_layer *layers)
{
    const struct parameter_list *list = &network->parameters;
    float *from = network_source(network, source); /* only read */
    for (int i = 0; i < list->layer_count; i++) {
        const struct layer *layer = &list->layers[i];
        const int skip_gain = folded ? layer->skip_gain : -1;
        const struct parameter *weight = &list->items[layer->weight];
        layers[i] = (struct ws_layer){
            .mode = layer->mode,
            .rows = weight->dims[0],
            .fan_in = (int)(weight->count / (size_t)weight->dims[0]),
            .weight = weight->role == PARAMETER_FROZEN ? weight->value : region_at(from, network, layer->weight),
            .gain = region_at(from, network, layer->gain),
            .bias = region_at(from, network, layer->bias),
            .skip_gain = region_at(from, network, skip_gain),
            .in_scale = layer->in_scale,
            .out_scale = folded ? layer->out_scale : 1,
            .effective = region_at(network->effective, network, layer->weight),
            .effective_bias = region_at(network->effective, network, layer->bias),
            .row_moments = network->moments + layer->moments,
            .weight_gradient = region_at(network->gradients, network, layer->weight),
            .bias_gradient = region_at(network->gradients, network, layer->bias),
            .gain_gradient = region_at(network->gradients, network, layer->gain),
            .skip_gain_gradient = region_at(network->gradients, network, skip_gain),
        };
    }
}

static int make_layers(struct network *network, struct error *error)
{
    network->ws = calloc((size_t)network->parameters.layer_count, sizeof *network->ws);
    if (!network->ws)
        return error_set(error, "out of memory");
    list_layers(network, WEIGHTS_TRAINED, true, network->ws);
    return 0;
}

/* Points a plan at its memory and its lists of layers. */
static int bind_plan(struct network *network, struct plan *plan, struct error *error)
{
    struct backend *backend = network->backend;
    const int count = network->parameters.layer_count;
    if (backend->allocate(backend, plan->arena_bytes, (void **)&plan->arena, error))
        return -1;
    struct ws_layer *layers = calloc((size_t)count, sizeof *layers);
    if (!layers)
        return error_set(error, "out of memory");
    int result = 0;
    for (int source = 0; source < WEIGHT_SOURCES && !result; source++) {
        if (!network_source(network, source))
            continue;
        list_layers(network, source, !plan->probing, layers);
        for (int i = 0; i < plan->op_count; i++) {
            const struct op *op = &plan->ops[i];
            if (op->kind != OP_CONV)
                continue;
            layers[op->layer].conv = op->conv;
            layers[op->layer].packed_forward = plan->arena + op->packed_forward;
            if (op->conv->packed_backward_bytes > 0)
                layers[op->layer].packed_backward = plan->arena + op->packed_backward;
        }
        result = backend->weights_create(backend, layers, count, &plan->weights[source], error);
    }
    free(layers);
    return result;
}

int network_make_plan(struct network *network, int n, bool probing, struct plan **out, struct error *error)
{
    struct plan *plan;
    *out = NULL;
    if (plan_create(network->backend, &network->spec, &network->parameters, network->options.dtype,
                    network->options.tf32, n, probing, &plan, error))
        return -1;
    if (bind_plan(network, plan, error)) {
        plan_destroy(network->backend, plan);
        return network_explain_memory(network, error);
    }
    *out = plan;
    return 0;
}

/* `anew`: where frozen weights are there already. */
static int initialize(struct network *network, bool anew, struct error *error)
{
    size_t largest = 0;
    for (int i = 0; i < network->parameters.count; i++)
        if (network->parameters.items[i].count > largest)
            largest = network->parameters.items[i].count;
    float *host = malloc(largest * sizeof *host);
    if (!host)
        return error_set(error, "out of memory");
    int result = 0;
    for (int i = 0; i < network->parameters.count && !result; i++) {
        const struct parameter *p = &network->parameters.items[i];
        if (anew && p->role == PARAMETER_FROZEN)
            continue;
        parameters_initialize(&network->parameters, &network->spec, i, network->options.seed, host);
        result = network_write(network, p, PART_VALUE, host, error);
        if (!result && p->ema)
            result = network_write(network, p, PART_EMA, host, error);
        if (!result && p->slow)
            result = network_write(network, p, PART_SLOW, host, error);
    }
    free(host);
    return result;
}

/* The plans of the run for its batch, the one for an epoch's last among them. */
static int make_plans(struct network *network, bool probes, struct error *error)
{
    const int rest = network_rest(network, network->options.batch);
    network->chunk = network_chunk(network, network->options.batch);
    if (network_make_plan(network, network->chunk, false, &network->plan, error) ||
        (rest > 0 && network_make_plan(network, rest, false, &network->remainder, error)) ||
        (probes && prober_create(network, network->options.batch, &network->prober, error)))
        return -1;
    return 0;
}

static void drop_plans(struct network *network)
{
    network_drop_graphs(network, NULL);
    plan_destroy(network->backend, network->plan);
    plan_destroy(network->backend, network->remainder);
    prober_destroy(network, network->prober);
    network->plan = network->remainder = NULL;
    network->prober = NULL;
    network->packed = NULL;
}

int network_set_batch(struct network *network, int batch, struct error *error)
{
    const int before = network->options.batch;
    const bool probes = network->prober;
    struct error again;
    const bool same_plans = network_chunk(network, batch) == network->chunk &&
                            network_rest(network, batch) == network_rest(network, before) &&
                            prober_chunk(network, batch) == prober_chunk(network, before);
    network->options.batch = batch;
    if (same_plans)
        return 0;
    drop_plans(network);
    if (make_plans(network, probes, error) == 0)
        return 0;
    drop_plans(network);
    network->options.batch = before;
    return make_plans(network, probes, &again) == 0 ? NETWORK_BATCH_REFUSED : error_set(error, "%s", again.message);
}

int network_create(struct backend *backend, const struct model_spec *spec, const struct network_options *options,
                   struct network **out, struct error *error)
{
    if (options->batch < 1)
        return error_set(error, "batch: %d, expected at least 1", options->batch);
    if (model_validate(spec, error))
        return -1;
    if (options->ranks > 1 && spec->norm == NORM_BATCH)
        return error_set(error,
                         "--norm batch takes its statistics of the whole batch, which %d ranks do not have "
                         "together: train it by one process",
                         options->ranks);
    if (options->ranks > 1 && !backend->host_memory && !backend->ranks_sum)
        return error_set(error,
                         "%d ranks with a GPU each need NCCL, which this nfbench was built without (make MPI=1 "
                         "NCCL=1)",
                         options->ranks);
    struct network *network = calloc(1, sizeof *network);
    if (!network)
        return error_set(error, "out of memory");
    network->backend = backend;
    network->spec = *spec;
    network->options = *options;
    if (parameters_list(spec, &network->parameters, error) || allocate_regions(network, error))
        goto fail;
    bind_parameters(network);
    if (make_layers(network, error) || initialize(network, false, error) ||
        make_plans(network, options->probes, error) || network_check_room(network, error))
        goto fail;
    *out = network;
    return 0;
fail:
    network_destroy(network);
    return -1;
}

void network_destroy(struct network *network)
{
    if (!network)
        return;
    drop_plans(network);
    if (network->updater)
        network->backend->updater_destroy(network->backend, network->updater);
    if (network->values)
        network->backend->release(network->backend, network->values);
    parameters_free(&network->parameters);
    free(network->ws);
    free(network);
}

/* ---- Looking in ---- */

int network_batch(const struct network *network)
{
    return network->options.batch;
}

struct backend *network_backend(const struct network *network)
{
    return network->backend;
}

const struct model_spec *network_spec(const struct network *network)
{
    return &network->spec;
}

const struct network_options *network_options_of(const struct network *network)
{
    return &network->options;
}

const struct parameter *network_parameters(const struct network *network, int *count)
{
    *count = network->parameters.count;
    return network->parameters.items;
}

const struct parameter *network_find(const struct network *network, const char *name)
{
    const int index = parameters_find(&network->parameters, name);
    return index < 0 ? NULL : &network->parameters.items[index];
}

size_t network_parameter_count(const struct network *network)
{
    size_t count = 0;
    for (int i = 0; i < network->parameters.count; i++)
        if (network->parameters.items[i].role != PARAMETER_BUFFER)
            count += network->parameters.items[i].count;
    return count;
}

static float *part_of(const struct parameter *parameter, enum parameter_part part, struct error *error)
{
    float *const parts[] = {[PART_VALUE] = parameter->value,
                            [PART_GRADIENT] = parameter->gradient,
                            [PART_MOMENTUM] = parameter->momentum,
                            [PART_EMA] = parameter->ema,
                            [PART_SLOW] = parameter->slow};
    static const char *const names[] = {"value", "gradient", "momentum", "average", "slow weights"};
    if (!parts[part])
        error_set(error, "%s: has no %s", parameter->name, names[part]);
    return parts[part];
}

int network_read(struct network *network, const struct parameter *parameter, enum parameter_part part, float *host,
                 struct error *error)
{
    const float *from = part_of(parameter, part, error);
    if (!from)
        return -1;
    return network->backend->copy_out(network->backend, host, from, parameter->count * sizeof *host, error);
}

int network_write(struct network *network, const struct parameter *parameter, enum parameter_part part,
                  const float *host, struct error *error)
{
    float *to = part_of(parameter, part, error);
    if (!to)
        return -1;
    network->packed = NULL;
    network->written = true;
    return network->backend->copy_in(network->backend, to, host, parameter->count * sizeof *host, error);
}

enum { STATE_REGIONS = 4 };

/* The regions that training changes; returns how many there are. */
static int state_regions(const struct network *network, float *regions[STATE_REGIONS])
{
    int count = 0;
    regions[count++] = network->values;
    regions[count++] = network->momenta;
    if (network->averages)
        regions[count++] = network->averages;
    if (network->slow)
        regions[count++] = network->slow;
    return count;
}

size_t network_state_floats(const struct network *network)
{
    float *regions[STATE_REGIONS];
    return (size_t)state_regions(network, regions) * network->parameters.floats;
}

int network_read_state(struct network *network, float *host, struct error *error)
{
    const struct backend *backend = network->backend;
    const size_t floats = network->parameters.floats;
    float *regions[STATE_REGIONS];
    const int count = state_regions(network, regions);
    for (int i = 0; i < count; i++)
        if (backend->copy_out(network->backend, host + (size_t)i * floats, regions[i], floats * sizeof *host, error))
            return -1;
    return 0;
}

int network_write_state(struct network *network, const float *host, struct error *error)
{
    const struct backend *backend = network->backend;
    const size_t floats = network->parameters.floats;
    float *regions[STATE_REGIONS];
    const int count = state_regions(network, regions);
    network->packed = NULL;
    network->written = true;
    for (int i = 0; i < count; i++)
        if (backend->copy_in(network->backend, regions[i], host + (size_t)i * floats, floats * sizeof *host, error))
            return -1;
    return 0;
}

int network_begin_anew(struct network *network, struct error *error)
{
    const size_t bytes = network->parameters.floats * sizeof(float);
    return network->backend->fill_zero(network->backend, network->momenta, bytes, error) ||
                   initialize(network, true, error)
               ? -1
               : 0;
}

int network_read_effective(struct network *network, const struct parameter *weight, bool use_ema, float *host,
                           struct error *error)
{
    const ptrdiff_t index = weight - network->parameters.items;
    if (weight->role != PARAMETER_WEIGHT && weight->role != PARAMETER_HEAD_WEIGHT && weight->role != PARAMETER_FROZEN)
        return error_set(error, "%s: not the weights of a layer", weight->name);
    if (use_ema && !network->averages)
        return error_set(error, "this network keeps no averaged weights");
    if (network_prepare(network, network->plan, use_ema ? WEIGHTS_AVERAGED : WEIGHTS_TRAINED, error))
        return -1;
    return network->backend->copy_out(network->backend, host, region_at(network->effective, network, (int)index),
                                      weight->count * sizeof *host, error);
}
