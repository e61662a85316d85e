/* Finds the first block of a network whose output left the finite range; see network.h. */
#include "engine/execute.h"

#include <stdlib.h>

struct search {
    struct network *network;
    struct plan *plan;
    float *moments; /* (2, widest): mean and variance, on the host */
    int widest;
    struct divergence *found;
};

enum { FOUND = 1 };

static int look_at_block(void *context, enum plan_moment moment, const struct op *op, struct error *error)
{
    struct search *search = context;
    const struct plan *plan = search->plan;
    const int blocks = model_block_count(&search->network->spec);
    const bool head = op == &plan->ops[plan->op_count - 1];
    if (moment != MOMENT_AFTER || (!head && op->mark == MARK_NONE))
        return 0;
    const int block = head ? blocks : op->mark;
    struct backend *backend = search->network->backend;
    const struct conv *conv = op->conv;
    const int c = conv ? conv->shape.cout : op->c;
    const size_t rows =
        conv ? (size_t)op->n * (size_t)(conv->out_h * conv->out_w) : (size_t)op->n * (size_t)(op->h * op->w);
    float *probe = search->network->probe;
    void *probe_finite = probe + 4 * search->widest;
    int finite;
    if (backend->statistics(backend, op->dtype, plan_buffer(plan, op->y), rows, c, probe, NULL, probe_finite, error) ||
        backend->copy_out(backend, search->moments, probe, 2 * (size_t)c * sizeof *probe, error) ||
        backend->copy_out(backend, &finite, probe_finite, sizeof finite, error))
        return -1;
    if (!finite) {
        search->found->block = block;
        return FOUND;
    }
    double variance = 0;
    for (int i = 0; i < c; i++)
        variance += (double)search->moments[c + i];
    if (block < blocks) {
        search->found->variance = (float)(variance / c);
        search->found->predicted = block < 0 ? 1 : model_block(&search->network->spec, block).variance_out;
    }
    return 0;
}

int network_find_divergence(struct network *network, const float *images, int n, struct divergence *out,
                            struct error *error)
{
    const size_t image = (size_t)MODEL_IMAGE_SIZE * MODEL_IMAGE_SIZE * 3;
    struct plan *plan = network->plan;
    *out = (struct divergence){.block = -2};
    struct search search = {.network = network, .plan = plan, .found = out, .widest = network_widest(network)};
    search.moments = malloc(2 * (size_t)search.widest * sizeof *search.moments);
    if (!search.moments)
        return error_set(error, "out of memory");
    const struct pass pass = {
        .network = network, .plan = plan, .observer = look_at_block, .context = &search, .error = error};
    int result = network_prepare(network, plan, WEIGHTS_TRAINED, error);
    for (int begin = 0; begin < n && result == 0; begin += plan->n) {
        const int count = n - begin < plan->n ? n - begin : plan->n;
        result = network_load_images(network, plan, images + (size_t)begin * image, count, error);
        if (result == 0)
            result = plan_forward(&pass);
    }
    free(search.moments);
    return result < 0 ? -1 : 0;
}
