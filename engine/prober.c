/* Makes what measures a network: the plan, and what is measured behind which of its operations; see prober.h. */
#include "engine/prober.h"

#include <stdlib.h>

/* Images a chunk at most: what a probe needs of a GPU's memory stays a part of what training needs. */
enum { PROBE_CHUNK = 128, RESULT_ALIGNMENT = 256 /* bytes */ };

/* State of the making; the first failure sticks. */
struct maker {
    struct network *network;
    struct prober *prober;
    bool failed;
    struct error *error;
};

static size_t aligned(size_t bytes)
{
    return (bytes + RESULT_ALIGNMENT - 1) / RESULT_ALIGNMENT * RESULT_ALIGNMENT;
}

static void add_measure(struct maker *m, enum measure_kind kind, int index)
{
    struct prober *prober = m->prober;
    const struct op *op = &prober->plan->ops[index];
    const struct conv *conv = op->kind == OP_CONV ? op->conv : NULL;
    prober->measures = list_grown(prober->measures, prober->measure_count, &prober->measure_capacity,
                                  sizeof *prober->measures, &m->failed, m->error);
    if (m->failed)
        return;
    struct measure *measure = &prober->measures[prober->measure_count];
    *measure = (struct measure){
        .kind = kind,
        .point = op->block + 1,
        .offset = prober->bytes,
        .spatial = conv ? (size_t)(conv->out_h * conv->out_w) : (size_t)(op->h * op->w),
    };
    const int channels = conv ? conv->shape.cout : op->c;
    if (tally_create(&measure->tally, channels, m->error)) {
        m->failed = true;
        return;
    }
    prober->measure_count++;
    prober->bytes += aligned(4 * (size_t)channels * sizeof(float) + (VALUE_BINS + 1) * sizeof(uint32_t));
}

/* Whether the operation's output is that of relu units of a residual branch. */
static bool makes_units(const struct network *network, const struct op *op)
{
    if (op->block < 0 || op->block >= model_block_count(&network->spec))
        return false;
    if (op->kind == OP_CONV)
        return op->conv->shape.relu && network->parameters.layers[op->layer].conv <= CONV2;
    return (op->kind == OP_ACTIVATION && op->activation == ACTIVATION_RELU) || (op->kind == OP_BATCH_NORM && op->relu);
}

static int list_measures(struct maker *m)
{
    struct prober *prober = m->prober;
    const struct plan *plan = prober->plan;
    prober->first = calloc((size_t)plan->op_count + 1, sizeof *prober->first);
    if (!prober->first)
        return error_set(m->error, "out of memory for a probe");
    for (int i = 0; i < plan->op_count && !m->failed; i++) {
        const struct op *op = &plan->ops[i];
        if (op->kind == OP_RESIDUAL_ADD) {
            add_measure(m, MEASURE_SHORTCUT, i);
            add_measure(m, MEASURE_BRANCH, i);
        }
        if (makes_units(m->network, op))
            add_measure(m, MEASURE_UNITS, i);
        if (op->mark != MARK_NONE) {
            add_measure(m, MEASURE_OUTPUT, i);
            add_measure(m, MEASURE_GRADIENT, i);
        }
        prober->first[i + 1] = prober->measure_count;
    }
    return m->failed ? -1 : 0;
}

static int take_memory(struct network *network, struct prober *prober, struct error *error)
{
    struct backend *backend = network->backend;
    prober->units_offset = prober->bytes;
    prober->bytes += 3 * parameters_units(&network->parameters, network->parameters.count) * sizeof(float);
    prober->copy = malloc(prober->bytes);
    if (!prober->copy)
        return error_set(error, "out of memory for a probe");
    if (backend->allocate(backend, prober->bytes, (void **)&prober->results, error))
        return network_explain_memory(network, error);
    return 0;
}

int prober_chunk(const struct network *network, int batch)
{
    const int chunk = network_chunk(network, batch);
    return chunk < PROBE_CHUNK || network->spec.norm == NORM_BATCH ? chunk : PROBE_CHUNK;
}

int prober_create(struct network *network, int n, struct prober **out, struct error *error)
{
    struct prober *prober = calloc(1, sizeof *prober);
    if (!prober)
        return error_set(error, "out of memory for a probe");
    struct backend *backend = network->backend;
    struct maker m = {.network = network, .prober = prober, .error = error};
    if (network_make_plan(network, prober_chunk(network, n), true, &prober->plan, error) || list_measures(&m) ||
        take_memory(network, prober, error) ||
        backend->fill_zero(backend, prober->plan->arena, prober->plan->arena_bytes, error)) {
        prober_destroy(network, prober);
        return -1;
    }
    *out = prober;
    return 0;
}

void prober_destroy(struct network *network, struct prober *prober)
{
    if (!prober)
        return;
    for (int i = 0; i < prober->measure_count; i++)
        tally_free(&prober->measures[i].tally);
    plan_destroy(network->backend, prober->plan);
    if (prober->results)
        network->backend->release(network->backend, prober->results);
    free(prober->measures);
    free(prober->first);
    free(prober->copy);
    free(prober);
}

size_t prober_bytes(const struct prober *prober)
{
    return prober ? prober->plan->arena_bytes + prober->bytes : 0;
}
