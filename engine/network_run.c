/* Runs a network: the training step (whole, or in cache-sized chunks) and prediction. Where the back end can record
 * work, a pass is recorded at its second run and replayed from then on; what differs from step to step goes by `struct
 * step_values` in device memory. */
#include "engine/network.h"

#include "base/clock.h"
#include "engine/execute.h"

#include <math.h>
#include <string.h>

static const size_t image_floats = (size_t)MODEL_IMAGE_SIZE * MODEL_IMAGE_SIZE * 3;

int network_settle(struct network *network, struct error *error)
{
    return network->profile ? network->backend->synchronize(network->backend, error) : 0;
}

int network_prepare(struct network *network, struct plan *plan, enum weight_source source, struct error *error)
{
    if (network->packed == plan && network->packed_source == source)
        return 0;
    const double begin = clock_seconds();
    network->packed = NULL;
    if (network->backend->weights_prepare(network->backend, plan->weights[source], plan_buffer(plan, plan->scratch),
                                          error) ||
        network_settle(network, error))
        return -1;
    network->packed = plan;
    network->packed_source = source;
    network->seconds[TIME_STANDARDIZE] += clock_seconds() - begin;
    return 0;
}

int network_load_images(struct network *network, struct plan *plan, const float *images, int count, struct error *error)
{
    struct backend *backend = network->backend;
    float *staging = plan_buffer(plan, plan->input_staging);
    if (backend->copy_in(backend, staging, images, (size_t)count * image_floats * sizeof(float), error))
        return -1;
    if (count < plan->n && backend->fill_zero(backend, staging + (size_t)count * image_floats,
                                              (size_t)(plan->n - count) * image_floats * sizeof(float), error))
        return -1;
    if (plan->input == plan->input_staging)
        return 0;
    return backend->convert(backend, DTYPE_FP32, staging, plan->dtype, plan_buffer(plan, plan->input),
                            (size_t)plan->n * image_floats, error);
}

int network_load_source(const struct pass *pass, const struct image_source *source, int count)
{
    struct network *network = pass->network;
    struct plan *plan = pass->plan;
    struct backend *backend = network->backend;
    char *input = plan_buffer(plan, plan->input);
    const size_t image_bytes = image_floats * dtype_size(plan->dtype);
    if (count < plan->n && backend->fill_zero(backend, input + (size_t)count * image_bytes,
                                              (size_t)(plan->n - count) * image_bytes, pass->error))
        return -1;
    return backend->load_batch(backend, source, network->step, plan->dtype, input, plan_buffer(plan, plan->labels),
                               pass->mixed ? plan_buffer(plan, plan->partners) : NULL, count, pass->error);
}

/* ---- Recorded passes ---- */

void network_drop_graphs(struct network *network, const struct plan *plan)
{
    for (int i = 0; i < NETWORK_GRAPHS; i++) {
        struct network_graph *entry = &network->graphs[i];
        if (plan && entry->plan != plan)
            continue;
        if (entry->graph)
            network->backend->graph_destroy(network->backend, entry->graph);
        *entry = (struct network_graph){0};
    }
}

static bool same_pass(const struct network_graph *a, const struct network_graph *b)
{
    return a->plan == b->plan && a->training == b->training && a->weights == b->weights && a->n == b->n &&
           a->label_smoothing == b->label_smoothing && a->mixed == b->mixed &&
           memcmp(&a->source, &b->source, sizeof a->source) == 0;
}

/* The entry of this pass, NULL when it has never run. */
static struct network_graph *find_graph(struct network *network, const struct network_graph *pass)
{
    for (int i = 0; i < NETWORK_GRAPHS; i++)
        if (network->graphs[i].plan && same_pass(&network->graphs[i], pass))
            return &network->graphs[i];
    return NULL;
}

static void remember_pass(struct network *network, const struct network_graph *pass)
{
    struct network_graph *entry = &network->graphs[network->graph_next];
    network->graph_next = (network->graph_next + 1) % NETWORK_GRAPHS;
    if (entry->graph)
        network->backend->graph_destroy(network->backend, entry->graph);
    memcpy(entry, pass, sizeof *entry); /* padding too: sources are compared by their bytes */
}

typedef int pass_function(const struct pass *pass, const void *arguments);

/* Runs a pass, by its record where there is one. The first run is never recorded: it loads kernels and libraries. */
static int run_recorded(const struct pass *pass, const struct network_graph *key, pass_function *function,
                        const void *arguments)
{
    struct network *network = pass->network;
    struct backend *backend = network->backend;
    if (!backend->capture_begin || network->profile)
        return function(pass, arguments);
    struct network_graph *entry = find_graph(network, key);
    if (!entry) {
        remember_pass(network, key);
        return function(pass, arguments);
    }
    if (!entry->graph) {
        if (backend->capture_begin(backend, pass->error))
            return -1;
        struct error failure = {""};
        struct pass recording = *pass;
        recording.error = &failure;
        const int result = function(&recording, arguments);
        network->packed = NULL; /* it was recorded, not done */
        if (backend->capture_end(backend, &entry->graph, pass->error) || result) {
            if (entry->graph)
                backend->graph_destroy(backend, entry->graph);
            entry->graph = NULL;
            if (result && pass->error)
                *pass->error = failure;
            return -1;
        }
    }
    return backend->graph_launch(backend, entry->graph, pass->error);
}

/* ---- The training step ---- */

struct step_work {
    const struct step_batch *batch; /* this rank's slice ... */
    int first, total;               /* ... which begins at this image of a batch of so many */
    float label_smoothing;
    bool update; /* ... and the optimizer's step */
};

int network_loss(const struct pass *pass, int count, int total, float label_smoothing)
{
    struct network *network = pass->network;
    struct plan *plan = pass->plan;
    struct backend *backend = network->backend;
    const int classes = network->spec.classes;
    float *dlogits = plan_buffer(plan, plan->dlogits);
    const double begin = clock_seconds();
    if (count < plan->n && backend->fill_zero(backend, dlogits + (size_t)count * (size_t)classes,
                                              (size_t)(plan->n - count) * (size_t)classes * sizeof(float), pass->error))
        return -1;
    const struct loss_target target = {.labels = plan_buffer(plan, plan->labels),
                                       .partners = pass->mixed ? plan_buffer(plan, plan->partners) : NULL,
                                       .mix = &network->step->mix,
                                       .smoothing = label_smoothing};
    if (backend->softmax_cross_entropy(backend, plan_buffer(plan, plan->logits), &target, 1.0f / (float)total, dlogits,
                                       &network->report->loss, pass->add, count, classes, pass->error) ||
        network_settle(network, pass->error))
        return -1;
    network->seconds[TIME_LOSS] += clock_seconds() - begin;
    return 0;
}

static int lap(const struct pass *pass, enum step_lap which)
{
    struct network *network = pass->network;
    return network->backend->lap(network->backend, &network->report->laps, which, pass->error);
}

int network_begin_running(const struct pass *pass)
{
    struct network *network = pass->network;
    for (int i = 0; i < network->parameters.count; i++) {
        const struct parameter *p = &network->parameters.items[i];
        if (p->role == PARAMETER_BUFFER && network->backend->convert(network->backend, DTYPE_FP32, p->value, DTYPE_FP32,
                                                                     p->gradient, p->count, pass->error))
            return -1;
    }
    return 0;
}

int network_keep_running(const struct pass *pass)
{
    struct network *network = pass->network;
    for (int i = 0; i < network->parameters.count; i++) {
        const struct parameter *p = &network->parameters.items[i];
        if (p->role == PARAMETER_BUFFER &&
            network->backend->copy_unless_halted(network->backend, network->report, p->gradient, p->value, p->count,
                                                 pass->error))
            return -1;
    }
    return 0;
}

/* Forward, loss and backward of `count` images, which are there, of a batch of `total`. */
static int train_loaded(const struct pass *pass, int count, int total, float label_smoothing)
{
    return network_begin_running(pass) || plan_forward(pass) || network_loss(pass, count, total, label_smoothing) ||
                   lap(pass, LAP_FORWARD) || plan_backward(pass)
               ? -1
               : 0;
}

int network_raw_gradients(const struct pass *pass)
{
    struct network *network = pass->network;
    struct backend *backend = network->backend;
    const double begin = clock_seconds();
    if (backend->weights_backward(backend, pass->plan->weights[WEIGHTS_TRAINED], pass->error) ||
        network_settle(network, pass->error))
        return -1;
    network->seconds[TIME_STANDARDIZE] += clock_seconds() - begin;
    return 0;
}

static int update_weights(const struct pass *pass)
{
    struct network *network = pass->network;
    struct backend *backend = network->backend;
    const double begin = clock_seconds();
    network->packed = NULL;
    if (backend->update(backend, network->updater, network->step, network->report, pass->error) ||
        network_keep_running(pass) || network_settle(network, pass->error))
        return -1;
    network->seconds[TIME_UPDATE] += clock_seconds() - begin;
    return lap(pass, LAP_UPDATE);
}

/* The gradients of the raw weights, and the update with them, unless those of other ranks are still to come. */
static int finish_step(const struct pass *pass, bool update)
{
    if (network_raw_gradients(pass) || lap(pass, LAP_BACKWARD))
        return -1;
    return update && network_ranks(pass->network) == 1 ? update_weights(pass) : 0;
}

/* A step whose batch goes through the plan once; what a graph records. Weights are always prepared in it, since the
 * step before has changed them. */
static int whole_step(const struct pass *pass, const void *arguments)
{
    const struct step_work *work = arguments;
    const struct step_batch *batch = work->batch;
    struct network *network = pass->network;
    network->packed = NULL;
    if (lap(pass, LAP_START))
        return -1;
    if (batch->n == 0)
        return network_no_images(pass);
    if (batch->source && (network_load_source(pass, batch->source, batch->n) || lap(pass, LAP_DATA)))
        return -1;
    if (network_prepare(network, pass->plan, WEIGHTS_TRAINED, pass->error))
        return -1;
    if (train_loaded(pass, batch->n, work->total, work->label_smoothing))
        return -1;
    return finish_step(pass, work->update);
}

static int last_part(const struct pass *pass, const void *arguments)
{
    (void)arguments;
    return update_weights(pass);
}

/* Behind the ranks' gradients. What is recorded must be so on all ranks at once where they exchange something in it,
 * and which passes a rank has recorded is its own: so the sum lies between two records. */
static int sum_and_update(const struct pass *pass)
{
    struct network_graph key;
    memset(&key, 0, sizeof key);
    key.plan = pass->plan;
    key.training = true;
    return network_sum_ranks(pass) || run_recorded(pass, &key, last_part, NULL) ? -1 : 0;
}

int network_load_host(const struct pass *pass, const struct step_batch *batch, int begin, int count)
{
    struct network *network = pass->network;
    struct backend *backend = network->backend;
    if (network_load_images(network, pass->plan, batch->images + (size_t)begin * image_floats, count, pass->error))
        return -1;
    if (batch->partners && backend->copy_in(backend, plan_buffer(pass->plan, pass->plan->partners),
                                            batch->partners + begin, (size_t)count, pass->error))
        return -1;
    if (!batch->labels)
        return 0;
    return backend->copy_in(backend, plan_buffer(pass->plan, pass->plan->labels), batch->labels + begin, (size_t)count,
                            pass->error);
}

/* A step in chunks: their gradients add up. */
static int chunked_step(struct pass *pass, const struct step_work *work)
{
    const struct step_batch *batch = work->batch;
    const int n = batch->n, chunk = pass->plan->n;
    if (lap(pass, LAP_START))
        return -1;
    if (n == 0)
        return network_no_images(pass);
    if (network_prepare(pass->network, pass->plan, WEIGHTS_TRAINED, pass->error) || lap(pass, LAP_FORWARD))
        return -1;
    for (int begin = 0; begin < n; begin += chunk) {
        const int count = n - begin < chunk ? n - begin : chunk;
        pass->add = begin > 0;
        pass->first = (uint64_t)(work->first + begin);
        if (network_load_host(pass, batch, begin, count) || lap(pass, LAP_DATA) ||
            train_loaded(pass, count, work->total, work->label_smoothing) || lap(pass, LAP_BACKWARD))
            return -1;
    }
    return finish_step(pass, work->update);
}

/* The plan for a training batch of n images: for batch norm one of just this size, which is there already where the
 * network knows the run's images. */
static struct plan *training_plan(struct network *network, int n, struct error *error)
{
    if (network->spec.norm != NORM_BATCH || n == network->plan->n)
        return network->plan;
    if (network->remainder && network->remainder->n != n) {
        network_drop_graphs(network, network->remainder);
        plan_destroy(network->backend, network->remainder);
        network->remainder = NULL;
        network->packed = NULL;
    }
    if (!network->remainder && network_make_plan(network, n, false, &network->remainder, error))
        return NULL;
    return network->remainder;
}

/* Up to the gradients or, alone and where it is asked for, to the update. */
static int first_part(struct pass *first, const struct step_work *work)
{
    const struct step_batch *batch = work->batch;
    struct pass pass = *first;
    struct plan *plan = pass.plan;
    if (batch->n > plan->n || !pass.network->backend->whole_batch)
        return chunked_step(&pass, work);
    pass.first = (uint64_t)work->first;
    if (batch->images && network_load_host(&pass, batch, 0, batch->n))
        return -1;
    struct network_graph key;
    memset(&key, 0, sizeof key);
    key.plan = plan;
    key.training = true;
    key.n = work->total;
    key.label_smoothing = work->label_smoothing;
    key.mixed = batch->mixed;
    if (batch->source)
        memcpy(&key.source, batch->source, sizeof key.source);
    return work->update ? run_recorded(&pass, &key, whole_step, work) : whole_step(&pass, work);
}

static int run_step(struct network *network, const struct step_work *work, struct error *error)
{
    if (work->total < 1 || work->total > network->options.batch)
        return error_set(error, "a batch of %d images, expected 1 to %d", work->total, network->options.batch);
    struct plan *plan = training_plan(network, work->total, error);
    if (!plan)
        return -1;
    struct pass pass = {
        .network = network, .plan = plan, .training = true, .mixed = work->batch->mixed, .error = error};
    if (first_part(&pass, work))
        return -1;
    return work->update && network_ranks(network) > 1 ? sum_and_update(&pass) : 0;
}

struct step_values network_batch_values(const struct step_batch *batch, int begin)
{
    return (struct step_values){.epoch = batch->epoch,
                                .start = batch->start + (uint32_t)begin,
                                .ends = 2 * batch->start + (uint32_t)batch->n - 1,
                                .mix = batch->mix};
}

int network_write_values(struct network *network, const struct step_values *values, struct error *error)
{
    return network->backend->copy_in(network->backend, network->step, values, sizeof *values, error);
}

/* ---- The interface ---- */

void network_profile(struct network *network, bool on)
{
    network->profile = on;
}

int network_queue_step(struct network *network, const struct step_batch *batch, const struct step_options *options,
                       const struct optimizer_options *optimizer, uint64_t *ticket, struct error *error)
{
    int first;
    const struct step_batch slice = network_slice(network, batch, &first);
    struct step_values values = network_batch_values(batch, 0);
    values.start = slice.start;
    values.update = network_update_options(optimizer);
    values.step = options->step;
    values.resume = network->in_flight == 0;
    const struct step_work work = {&slice, first, batch->n, options->label_smoothing, true};
    struct backend *backend = network->backend;
    if (network_make_updater(network, optimizer->decay_all, error) || network_write_values(network, &values, error) ||
        run_step(network, &work, error) ||
        backend->post(backend, network->report, sizeof *network->report, ticket, error))
        return -1;
    network->packed = NULL;
    network->in_flight++;
    return 0;
}

int network_collect_step(struct network *network, uint64_t ticket, int n, bool wait, struct step_result *result,
                         struct update_result *update, struct error *error)
{
    struct step_report report;
    const int status = network->backend->collect(network->backend, ticket, &report, sizeof report, wait, error);
    if (status != 0)
        return status;
    network->in_flight--;
    *result = (struct step_result){.loss = report.loss.loss / (float)n, .correct = report.loss.correct};
    result->finite = isfinite(result->loss);
    memcpy(result->laps, report.laps.seconds, sizeof result->laps);
    *update = report.update;
    return 0;
}

int network_train_step(struct network *network, const float *images, const uint8_t *labels, int n,
                       const struct step_options *options, struct step_result *result, struct error *error)
{
    const struct step_batch batch = {.n = n, .images = images, .labels = labels};
    const struct step_work work = {&batch, 0, n, options->label_smoothing, false};
    const struct step_values values = {.step = options->step};
    struct loss_result loss;
    if (network_write_values(network, &values, error) || run_step(network, &work, error) ||
        network->backend->copy_out(network->backend, &loss, &network->report->loss, sizeof loss, error))
        return -1;
    *result = (struct step_result){.loss = loss.loss / (float)n, .correct = loss.correct};
    result->finite = isfinite(result->loss);
    return 0;
}

static int forward_source(const struct pass *pass, const void *arguments)
{
    const struct step_batch *batch = arguments;
    if (network_load_source(pass, batch->source, batch->n))
        return -1;
    return plan_forward(pass);
}

static int predict_chunk(const struct pass *pass, const struct step_batch *batch, int begin, int count)
{
    struct network *network = pass->network;
    if (!batch->source) {
        if (network_load_images(network, pass->plan, batch->images + (size_t)begin * image_floats, count, pass->error))
            return -1;
        return plan_forward(pass);
    }
    const struct step_values values = network_batch_values(batch, begin);
    const struct step_batch chunk = {.n = count, .source = batch->source};
    struct network_graph key;
    memset(&key, 0, sizeof key);
    key.plan = pass->plan;
    key.weights = pass->source;
    key.n = count;
    memcpy(&key.source, batch->source, sizeof key.source);
    return network_write_values(network, &values, pass->error) || run_recorded(pass, &key, forward_source, &chunk) ? -1
                                                                                                                   : 0;
}

int network_predict_batch(struct network *network, const struct step_batch *batch, bool use_ema, float *logits,
                          struct error *error)
{
    const size_t classes = (size_t)network->spec.classes;
    struct plan *plan = network->plan;
    const enum weight_source source = use_ema ? WEIGHTS_AVERAGED : WEIGHTS_TRAINED;
    if (use_ema && !network->averages)
        return error_set(error, "this network keeps no averaged weights");
    if (network_prepare(network, plan, source, error))
        return -1;
    const struct pass pass = {.network = network, .plan = plan, .source = source, .error = error};
    for (int begin = 0; begin < batch->n; begin += plan->n) {
        const int count = batch->n - begin < plan->n ? batch->n - begin : plan->n;
        if (predict_chunk(&pass, batch, begin, count) ||
            network->backend->copy_out(network->backend, logits + (size_t)begin * classes,
                                       plan_buffer(plan, plan->logits), (size_t)count * classes * sizeof(float), error))
            return -1;
    }
    return 0;
}

int network_predict(struct network *network, const float *images, int n, bool use_ema, float *logits,
                    struct error *error)
{
    const struct step_batch batch = {.n = n, .images = images};
    return network_predict_batch(network, &batch, use_ema, logits, error);
}
