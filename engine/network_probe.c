/* Takes a probe of a network: the passes, and what they say of each point; see network_probe.h. */
#include "engine/network_probe.h"

#include "engine/prober.h"
#include "engine/whitening.h"

#include <math.h>
#include <string.h>

struct taking {
    struct network *network;
    struct prober *prober;
    const struct probe_options *options;
    int images;    /* of the chunk under way */
    bool backward; /* it went backward, too */
};

/* ---- On the device ---- */

static bool is_backward(const struct measure *measure)
{
    return measure->kind == MEASURE_GRADIENT;
}

/* The end of the branch with squeeze-excite's gates, where there are any. */
static const void *branch_end(const struct taking *taking, const struct op *op, struct error *error)
{
    struct backend *backend = taking->network->backend;
    const struct plan *plan = taking->prober->plan;
    if (op->gate == NO_BUFFER)
        return plan_buffer(plan, op->x);
    void *gated = plan_buffer(plan, plan->scratch);
    const struct residual_gate gate = {.channel = plan_buffer(plan, op->gate), .alpha = 1};
    const size_t bytes = (size_t)op->n * (size_t)(op->h * op->w * op->c) * dtype_size(op->dtype);
    if (backend->fill_zero(backend, gated, bytes, error) ||
        backend->residual_add_forward(backend, op->dtype, gated, plan_buffer(plan, op->x), &gate, op->n, op->h * op->w,
                                      op->c, error))
        return NULL;
    return gated;
}

static int measure_now(const struct taking *taking, const struct measure *measure, const struct op *op,
                       struct error *error)
{
    struct backend *backend = taking->network->backend;
    const struct plan *plan = taking->prober->plan;
    const int c = measure->tally.channels;
    const void *tensor = plan_buffer(plan, is_backward(measure) ? op->dy : op->y);
    if (measure->kind == MEASURE_BRANCH)
        tensor = branch_end(taking, op, error);
    if (!tensor)
        return -1;
    const struct measure_results to = measure_results(measure, taking->prober->results);
    return backend->statistics(backend, op->dtype, tensor, (size_t)taking->images * measure->spatial, c, to.statistics,
                               measure->kind == MEASURE_OUTPUT ? to.counts : NULL, to.finite, error);
}

static bool is_due(const struct measure *measure, enum plan_moment moment)
{
    switch (measure->kind) {
    case MEASURE_SHORTCUT:
    case MEASURE_BRANCH:
        return moment == MOMENT_BEFORE;
    case MEASURE_UNITS:
    case MEASURE_OUTPUT:
        return moment == MOMENT_AFTER;
    default:
        return moment == MOMENT_BACKWARD;
    }
}

static int observe(void *context, enum plan_moment moment, const struct op *op, struct error *error)
{
    const struct taking *taking = context;
    const struct prober *prober = taking->prober;
    const int index = (int)(op - prober->plan->ops);
    for (int i = prober->first[index]; i < prober->first[index + 1]; i++)
        if (is_due(&prober->measures[i], moment) && measure_now(taking, &prober->measures[i], op, error))
            return -1;
    return 0;
}

/* ---- Chunks of the batch ---- */

/* Joins what this chunk's tensors were like to what was there. */
static int join_chunk(const struct taking *taking, struct error *error)
{
    struct prober *prober = taking->prober;
    struct backend *backend = taking->network->backend;
    if (backend->copy_out(backend, prober->copy, prober->results, prober->units_offset, error))
        return -1;
    for (int i = 0; i < prober->measure_count; i++) {
        struct measure *measure = &prober->measures[i];
        const struct measure_results from = measure_results(measure, prober->copy);
        if (is_backward(measure) && !taking->backward)
            continue;
        tally_add(&measure->tally, (size_t)taking->images * measure->spatial, from.statistics,
                  measure->kind == MEASURE_OUTPUT ? from.counts : NULL, *from.finite);
    }
    return 0;
}

static int load(const struct pass *pass, const struct step_batch *batch, int begin, int count)
{
    struct network *network = pass->network;
    const struct step_values values = network_batch_values(batch, begin);
    if (network_write_values(network, &values, pass->error))
        return -1;
    if (!batch->source)
        return network_load_host(pass, batch, begin, count);
    return network_load_source(pass, batch->source, count);
}

static int pass_batch(struct taking *taking, const struct step_batch *batch, struct error *error)
{
    struct network *network = taking->network;
    const struct probe_options *options = taking->options;
    struct plan *plan = taking->prober->plan;
    struct pass pass = {.network = network,
                        .plan = plan,
                        .training = true,
                        .mixed = batch->mixed,
                        .unit_gain = options->unit_gain,
                        .observer = observe,
                        .context = taking,
                        .error = error};
    if (network_prepare(network, plan, WEIGHTS_TRAINED, error))
        return -1;
    for (int begin = 0; begin < batch->n; begin += plan->n) {
        const int count = batch->n - begin < plan->n ? batch->n - begin : plan->n;
        taking->images = count;
        pass.add = begin > 0;
        pass.first = (uint64_t)begin;
        if (load(&pass, batch, begin, count) || plan_forward(&pass))
            return -1;
        if ((batch->labels || batch->source) && network_loss(&pass, count, batch->n, options->label_smoothing))
            return -1;
        if ((taking->backward && plan_backward(&pass)) || join_chunk(taking, error))
            return -1;
    }
    return taking->backward ? network_raw_gradients(&pass) : 0;
}

/* ---- What it says ---- */

static void fill_output(struct probe_point *point, const struct tally *tally)
{
    point->squared_mean = (float)tally_squared_mean(tally);
    point->variance = (float)tally_variance(tally);
    point->finite = tally->finite;
    point->least = INFINITY;
    point->most = -INFINITY;
    memcpy(point->values, tally->counts, sizeof point->values);
    memset(point->variances, 0, sizeof point->variances);
    for (int i = 0; i < tally->channels; i++) {
        const float variance = (float)(tally->square[i] / tally->rows);
        point->channel_mean[i] = (float)tally->mean[i];
        point->channel_variance[i] = variance;
        point->variances[value_bin(variance)]++;
        point->least = fminf(point->least, tally->least[i]);
        point->most = fmaxf(point->most, tally->most[i]);
    }
}

/* Adds the dead units of one relu to those of its block: `units` of them and `dead`. */
static void count_dead(const struct tally *tally, int *units, int *dead)
{
    *units += tally->channels;
    for (int i = 0; i < tally->channels; i++)
        *dead += tally->most[i] <= 0;
}

static void fill_signal(const struct taking *taking, struct probe *probe)
{
    const struct prober *prober = taking->prober;
    int units = 0, dead = 0;
    for (int i = 0; i < prober->measure_count; i++) {
        const struct measure *measure = &prober->measures[i];
        const struct tally *tally = &measure->tally;
        struct probe_point *point = &probe->points[measure->point];
        switch (measure->kind) {
        case MEASURE_SHORTCUT:
            point->shortcut_variance = (float)tally_variance(tally);
            break;
        case MEASURE_BRANCH:
            point->branch_variance = (float)tally_variance(tally);
            break;
        case MEASURE_UNITS:
            count_dead(tally, &units, &dead);
            break;
        case MEASURE_OUTPUT: /* behind all units of its block */
            fill_output(point, tally);
            point->dead = units > 0 ? (float)dead / (float)units : 0;
            units = dead = 0;
            break;
        case MEASURE_GRADIENT:
            point->gradient_norm = taking->backward ? (float)sqrt(tally_square_sum(tally)) : 0;
            point->gradient_variance = taking->backward ? (float)tally_variance(tally) : 0;
            break;
        }
    }
    probe->points[0].shortcut_variance = probe->points[0].variance;
    probe->points[0].branch_variance = probe->points[0].dead = 0;
}

/* Squares summed over the convolutions of a point, and what AGC does to them (NFNet, section 4.1). */
struct weight_sums {
    double value, gradient, momentum;
    int units, clipped;
};

static void add_unit(struct weight_sums *sums, const float squares[3], float agc)
{
    const double value = (double)squares[0], gradient = (double)squares[1];
    sums->value += value;
    sums->gradient += gradient;
    sums->momentum += (double)squares[2];
    sums->units++;
    sums->clipped += sqrt(gradient) > (double)agc * fmax(sqrt(value), 1e-3);
}

static void fill_weights(const struct taking *taking, const struct weight_sums *sums, struct probe_point *point)
{
    const struct probe_options *options = taking->options;
    const double norm = sqrt(sums->value);
    point->weight_norm = (float)norm;
    point->update_ratio = norm > 0 ? (float)((double)options->learning_rate * sqrt(sums->momentum) / norm) : 0;
    point->weight_gradient_norm = taking->backward ? (float)sqrt(sums->gradient) : 0;
    point->clipped =
        taking->backward && options->agc > 0 && sums->units > 0 ? (float)sums->clipped / (float)sums->units : 0;
}

/* They are none of the updater's: read here. */
static int add_frozen(const struct taking *taking, const struct parameter *weight, struct weight_sums *sums,
                      struct error *error)
{
    float values[WHITENING_CHANNELS * WHITENING_INPUTS];
    if (network_read(taking->network, weight, PART_VALUE, values, error))
        return -1;
    for (size_t i = 0; i < weight->count; i++)
        sums->value += (double)values[i] * (double)values[i];
    return 0;
}

static int measure_weights(const struct taking *taking, struct probe *probe, struct error *error)
{
    struct network *network = taking->network;
    struct prober *prober = taking->prober;
    struct backend *backend = network->backend;
    const struct parameter_list *list = &network->parameters;
    void *const on_device = prober->results + prober->units_offset, *const on_host =
                                                                        prober->copy + prober->units_offset;
    const float *units = on_host;
    if ((!network->updater && network_make_updater(network, false, error)) ||
        backend->unit_squares(backend, network->updater, on_device, error) ||
        backend->copy_out(backend, on_host, on_device, prober->bytes - prober->units_offset, error))
        return -1;
    struct weight_sums sums = {0};
    for (int i = 0; i < list->layer_count - 1; i++) { /* all but the head's */
        const struct layer *layer = &list->layers[i];
        const struct parameter *weight = &list->items[layer->weight];
        const float *squares = units + 3 * parameters_units(&network->parameters, layer->weight);
        if (weight->role == PARAMETER_FROZEN && add_frozen(taking, weight, &sums, error))
            return -1;
        for (int row = 0; row < parameter_units(weight); row++)
            add_unit(&sums, squares + 3 * row, taking->options->agc);
        if (list->layers[i + 1].block == layer->block)
            continue;
        fill_weights(taking, &sums, &probe->points[layer->block + 1]);
        sums = (struct weight_sums){0};
    }
    return 0;
}

static void fill_predictions(const struct network *network, struct probe *probe)
{
    const struct model_spec *spec = &network->spec;
    const bool none = spec->norm == NORM_BATCH;
    for (int i = 0; i < probe->count; i++)
        probe->points[i].predicted = none ? 0 : i == 0 ? 1 : model_block(spec, i - 1).variance_out;
}

/* ---- The interface ---- */

int probe_reserve(struct network *network, int n, struct error *error)
{
    const int batch = network->spec.norm == NORM_BATCH ? n : network->options.batch;
    if (network->prober && network->prober->plan->n == prober_chunk(network, batch))
        return 0;
    prober_destroy(network, network->prober);
    network->prober = NULL;
    network->packed = NULL;
    return prober_create(network, batch, &network->prober, error);
}

int probe_take(struct network *network, const struct step_batch *batch, const struct probe_options *options,
               struct probe *out, struct error *error)
{
    const bool labelled = batch->labels || batch->source;
    struct loss_result loss = {0};
    struct taking taking = {.network = network, .options = options, .backward = options->gradients};
    if (batch->n < 1 || (options->gradients && !labelled))
        return error_set(error, "a probe of %d images %s labels", batch->n, labelled ? "with" : "without");
    if (probe_reserve(network, batch->n, error))
        return -1;
    taking.prober = network->prober;
    for (int i = 0; i < taking.prober->measure_count; i++)
        tally_reset(&taking.prober->measures[i].tally);
    if (pass_batch(&taking, batch, error) || measure_weights(&taking, out, error) ||
        (labelled && network->backend->copy_out(network->backend, &loss, &network->report->loss, sizeof loss, error)))
        return -1;
    fill_predictions(network, out);
    fill_signal(&taking, out);
    out->step = options->step;
    out->images = batch->n;
    out->gradients = options->gradients;
    out->loss = loss.loss / (float)batch->n;
    return 0;
}
