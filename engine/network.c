/* A network on a device: memory, the training step in cache-sized chunks, the update, prediction. */
#include "engine/network.h"

#include "base/clock.h"
#include "engine/execute.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Images a chunk: so few that a block's tensors stay in the caches, so many that each thread has two or more. */
enum { CHUNK_MINIMUM = 16, CHUNK_PER_THREAD = 4 };

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

/* Cuts one allocation into the regions. */
static int allocate_regions(struct network *network, struct error *error)
{
    const size_t region = region_floats(network->parameters.floats);
    const size_t moments = region_floats(network->parameters.moment_floats);
    const size_t regions = network->options.ema ? 5 : 4;
    const size_t floats = regions * region + moments;
    network->memory_bytes = floats * sizeof(float) + sizeof *network->loss;
    struct backend *backend = network->backend;
    void *memory;
    if (backend->allocate(backend, network->memory_bytes, &memory, error))
        return -1;
    network->values = memory;
    if (backend->fill_zero(backend, memory, network->memory_bytes, error))
        return -1;
    network->gradients = network->values + region;
    network->momenta = network->gradients + region;
    network->effective = network->momenta + region;
    network->moments = network->effective + region;
    if (network->options.ema)
        network->averages = network->moments + moments;
    network->loss = (void *)(network->values + floats);
    return 0;
}

static void bind_parameters(struct network *network)
{
    for (int i = 0; i < network->parameters.count; i++) {
        struct parameter *p = &network->parameters.items[i];
        const size_t offset = network->parameters.offsets[i];
        const bool trained = p->role != PARAMETER_BUFFER;
        p->value = network->values + offset;
        p->gradient = network->gradients + offset;
        p->momentum = trained ? network->momenta + offset : NULL;
        p->ema = trained && network->averages ? network->averages + offset : NULL;
    }
}

static float *region_at(float *region, const struct network *network, int parameter)
{
    return parameter < 0 ? NULL : region + network->parameters.offsets[parameter];
}

/* Points the list of layers at `active` weights (values or averages). */
static void bind_layers(struct network *network, const float *active)
{
    const struct parameter_list *list = &network->parameters;
    for (int i = 0; i < list->layer_count; i++) {
        const struct layer *layer = &list->layers[i];
        const struct parameter *weight = &list->items[layer->weight];
        float *from = (float *)active; /* only read */
        network->ws[i] = (struct ws_layer){
            .mode = layer->mode,
            .rows = weight->dims[0],
            .fan_in = (int)(weight->count / (size_t)weight->dims[0]),
            .weight = region_at(from, network, layer->weight),
            .gain = region_at(from, network, layer->gain),
            .bias = region_at(from, network, layer->bias),
            .skip_gain = region_at(from, network, layer->skip_gain),
            .in_scale = layer->in_scale,
            .out_scale = layer->out_scale,
            .effective = region_at(network->effective, network, layer->weight),
            .effective_bias = region_at(network->effective, network, layer->bias),
            .row_moments = network->moments + layer->moments,
            .weight_gradient = region_at(network->gradients, network, layer->weight),
            .bias_gradient = region_at(network->gradients, network, layer->bias),
            .gain_gradient = region_at(network->gradients, network, layer->gain),
            .skip_gain_gradient = region_at(network->gradients, network, layer->skip_gain),
        };
    }
}

static int make_lists(struct network *network, struct error *error)
{
    const struct parameter_list *list = &network->parameters;
    network->ws = calloc((size_t)list->layer_count, sizeof *network->ws);
    network->updates = calloc((size_t)list->count, sizeof *network->updates);
    if (!network->ws || !network->updates)
        return error_set(error, "out of memory");
    for (int i = 0; i < list->count; i++) {
        const struct parameter *p = &list->items[i];
        if (p->role == PARAMETER_BUFFER)
            continue;
        const int rows = p->dim_count > 0 ? p->dims[0] : 1;
        network->updates[network->update_count++] = (struct update_parameter){.rows = rows,
                                                                              .row_length = (int)p->count / rows,
                                                                              .clip = p->role == PARAMETER_WEIGHT,
                                                                              .value = p->value,
                                                                              .gradient = p->gradient,
                                                                              .momentum = p->momentum,
                                                                              .ema = p->ema};
    }
    return 0;
}

static int initialize(struct network *network, struct error *error)
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
        parameters_initialize(&network->parameters, &network->spec, i, network->options.seed, host);
        result = network_write(network, p, PART_VALUE, host, error);
        if (!result && p->ema)
            result = network_write(network, p, PART_EMA, host, error);
    }
    free(host);
    return result;
}

/* Batch norm needs the whole batch at once; all else goes in chunks. */
static int chunk_size(const struct network *network)
{
    const int batch = network->options.batch, by_threads = CHUNK_PER_THREAD * network->backend->threads;
    if (network->spec.norm == NORM_BATCH)
        return batch;
    const int chunk = by_threads > CHUNK_MINIMUM ? by_threads : CHUNK_MINIMUM;
    return chunk < batch ? chunk : batch;
}

int network_create(struct backend *backend, const struct model_spec *spec, const struct network_options *options,
                   struct network **out, struct error *error)
{
    if (options->batch < 1)
        return error_set(error, "batch: %d, expected at least 1", options->batch);
    if (model_validate(spec, error))
        return -1;
    struct network *network = calloc(1, sizeof *network);
    if (!network)
        return error_set(error, "out of memory");
    network->backend = backend;
    network->spec = *spec;
    network->options = *options;
    network->chunk = chunk_size(network);
    if (parameters_list(spec, &network->parameters, error) || allocate_regions(network, error))
        goto fail;
    bind_parameters(network);
    if (make_lists(network, error) || initialize(network, error) ||
        plan_create(backend, spec, &network->parameters, options->dtype, network->chunk, &network->plan, error))
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
    plan_destroy(network->backend, network->plan);
    plan_destroy(network->backend, network->remainder);
    if (network->values)
        network->backend->release(network->backend, network->values);
    parameters_free(&network->parameters);
    free(network->ws);
    free(network->updates);
    free(network);
}

/* ---- Looking in ---- */

const struct model_spec *network_spec(const struct network *network)
{
    return &network->spec;
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

size_t network_memory(const struct network *network)
{
    return network->memory_bytes + network->plan->arena_bytes +
           (network->remainder ? network->remainder->arena_bytes : 0);
}

static float *part_of(const struct parameter *parameter, enum parameter_part part, struct error *error)
{
    float *const parts[] = {[PART_VALUE] = parameter->value,
                            [PART_GRADIENT] = parameter->gradient,
                            [PART_MOMENTUM] = parameter->momentum,
                            [PART_EMA] = parameter->ema};
    static const char *const names[] = {"value", "gradient", "momentum", "average"};
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
    network->active = NULL;
    return network->backend->copy_in(network->backend, to, host, parameter->count * sizeof *host, error);
}

/* ---- Running ---- */

static int pack_weights(struct network *network, struct plan *plan, struct error *error)
{
    struct backend *backend = network->backend;
    for (int i = 0; i < plan->op_count; i++) {
        const struct op *op = &plan->ops[i];
        if (op->kind == OP_CONV &&
            backend->conv_pack(backend, op->conv, network->ws[op->layer].effective, plan->arena + op->packed_forward,
                               op->conv->packed_backward_bytes > 0 ? plan->arena + op->packed_backward : NULL,
                               plan_buffer(plan, plan->scratch), error))
            return -1;
    }
    return 0;
}

int network_prepare(struct network *network, struct plan *plan, const float *active, struct error *error)
{
    if (network->active == active && network->packed == plan)
        return 0;
    const double begin = clock_seconds();
    network->active = NULL;
    bind_layers(network, active);
    if (network->backend->standardize_forward(network->backend, network->ws, network->parameters.layer_count, error) ||
        pack_weights(network, plan, error))
        return -1;
    network->active = active;
    network->packed = plan;
    network->seconds[TIME_STANDARDIZE] += clock_seconds() - begin;
    return 0;
}

int network_load_images(struct network *network, struct plan *plan, const float *images, int count, struct error *error)
{
    struct backend *backend = network->backend;
    const size_t image = (size_t)MODEL_IMAGE_SIZE * MODEL_IMAGE_SIZE * 3;
    float *staging = plan_buffer(plan, plan->input_staging);
    if (backend->copy_in(backend, staging, images, (size_t)count * image * sizeof(float), error))
        return -1;
    if (count < plan->n && backend->fill_zero(backend, staging + (size_t)count * image,
                                              (size_t)(plan->n - count) * image * sizeof(float), error))
        return -1;
    if (plan->input == plan->input_staging)
        return 0;
    return backend->convert(backend, DTYPE_FP32, staging, plan->dtype, plan_buffer(plan, plan->input),
                            (size_t)plan->n * image, error);
}

/* Forward, loss and backward of one chunk of `count` images of a batch of `total`. */
static int train_chunk(const struct pass *pass, const float *images, const uint8_t *labels, int count, int total,
                       const struct step_options *options)
{
    struct network *network = pass->network;
    struct plan *plan = pass->plan;
    struct backend *backend = network->backend;
    const int classes = network->spec.classes;
    float *dlogits = plan_buffer(plan, plan->dlogits);
    if (network_load_images(network, plan, images, count, pass->error) ||
        backend->copy_in(backend, plan_buffer(plan, plan->labels), labels, (size_t)count, pass->error) ||
        plan_forward(pass, NULL, NULL))
        return -1;
    const double begin = clock_seconds();
    if (count < plan->n && backend->fill_zero(backend, dlogits + (size_t)count * (size_t)classes,
                                              (size_t)(plan->n - count) * (size_t)classes * sizeof(float), pass->error))
        return -1;
    if (backend->softmax_cross_entropy(backend, plan_buffer(plan, plan->logits), plan_buffer(plan, plan->labels),
                                       options->label_smoothing, 1.0f / (float)total, dlogits, network->loss, pass->add,
                                       count, classes, pass->error))
        return -1;
    network->seconds[TIME_LOSS] += clock_seconds() - begin;
    return plan_backward(pass);
}

/* The plan for a training batch of n images: for batch norm one of just this size. */
static struct plan *training_plan(struct network *network, int n, struct error *error)
{
    if (network->spec.norm != NORM_BATCH || n == network->plan->n)
        return network->plan;
    if (network->remainder && network->remainder->n != n) {
        plan_destroy(network->backend, network->remainder);
        network->remainder = NULL;
        network->packed = NULL;
    }
    if (!network->remainder && plan_create(network->backend, &network->spec, &network->parameters,
                                           network->options.dtype, n, &network->remainder, error))
        return NULL;
    return network->remainder;
}

int network_train_step(struct network *network, const float *images, const uint8_t *labels, int n,
                       const struct step_options *options, struct step_result *result, struct error *error)
{
    const size_t image = (size_t)MODEL_IMAGE_SIZE * MODEL_IMAGE_SIZE * 3;
    if (n < 1 || n > network->options.batch)
        return error_set(error, "a batch of %d images, expected 1 to %d", n, network->options.batch);
    struct plan *plan = training_plan(network, n, error);
    if (!plan || network_prepare(network, plan, network->values, error))
        return -1;
    struct pass pass = {.network = network, .plan = plan, .training = true, .step = options->step, .error = error};
    for (int begin = 0; begin < n; begin += plan->n) {
        const int count = n - begin < plan->n ? n - begin : plan->n;
        pass.add = begin > 0;
        pass.first = (uint64_t)begin;
        if (train_chunk(&pass, images + (size_t)begin * image, labels + begin, count, n, options))
            return -1;
    }
    const double begin = clock_seconds();
    struct loss_result loss;
    struct backend *backend = network->backend;
    if (backend->standardize_backward(backend, network->ws, network->parameters.layer_count, error) ||
        backend->copy_out(backend, &loss, network->loss, sizeof loss, error))
        return -1;
    network->seconds[TIME_STANDARDIZE] += clock_seconds() - begin;
    result->loss = loss.loss / (float)n;
    result->correct = loss.correct;
    result->finite = isfinite(result->loss);
    return 0;
}

int network_update(struct network *network, const struct optimizer_options *options, struct update_result *result,
                   struct error *error)
{
    const double begin = clock_seconds();
    const float warm = (1 + (float)options->ema_step) / (10 + (float)options->ema_step);
    const struct update_options update = {.learning_rate = options->learning_rate,
                                          .momentum = options->momentum,
                                          .weight_decay = options->weight_decay,
                                          .agc = options->agc,
                                          .ema_decay = options->ema < warm ? options->ema : warm,
                                          .nesterov = options->nesterov};
    for (int i = 0, j = 0; i < network->parameters.count; i++) {
        const enum parameter_role role = network->parameters.items[i].role;
        if (role != PARAMETER_BUFFER)
            network->updates[j++].decay =
                options->decay_all || role == PARAMETER_WEIGHT || role == PARAMETER_HEAD_WEIGHT;
    }
    network->active = NULL;
    if (network->backend->update(network->backend, network->updates, network->update_count, &update, result, error))
        return -1;
    network->seconds[TIME_UPDATE] += clock_seconds() - begin;
    return 0;
}

int network_predict(struct network *network, const float *images, int n, bool use_ema, float *logits,
                    struct error *error)
{
    const size_t image = (size_t)MODEL_IMAGE_SIZE * MODEL_IMAGE_SIZE * 3;
    const size_t classes = (size_t)network->spec.classes;
    struct plan *plan = network->plan;
    if (use_ema && !network->averages)
        return error_set(error, "this network keeps no averaged weights");
    if (network_prepare(network, plan, use_ema ? network->averages : network->values, error))
        return -1;
    const struct pass pass = {.network = network, .plan = plan, .error = error};
    for (int begin = 0; begin < n; begin += plan->n) {
        const int count = n - begin < plan->n ? n - begin : plan->n;
        if (network_load_images(network, plan, images + (size_t)begin * image, count, error) ||
            plan_forward(&pass, NULL, NULL) ||
            network->backend->copy_out(network->backend, logits + (size_t)begin * classes,
                                       plan_buffer(plan, plan->logits), (size_t)count * classes * sizeof(float), error))
            return -1;
    }
    return 0;
}
