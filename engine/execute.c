/* Runs a plan: one pair of functions an operation kind, and the two loops; see plan.h for what each kind computes. */
#include "engine/execute.h"

#include "base/clock.h"

static void *value(const struct pass *pass, int buffer)
{
    return plan_buffer(pass->plan, buffer);
}

static size_t input_count(const struct op *op)
{
    return (size_t)op->n * (size_t)(op->h * op->w * op->c);
}

static const float *active_value(const struct pass *pass, int parameter)
{
    const struct network *network = pass->network;
    return parameter < 0 ? NULL : network_source(network, pass->source) + network->parameters.offsets[parameter];
}

static float *gradient_of(const struct pass *pass, int parameter)
{
    return parameter < 0 ? NULL : pass->network->gradients + pass->network->parameters.offsets[parameter];
}

/* ---- Convolution ---- */

static int conv_forward(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    return backend->conv_forward(backend, op->conv, value(pass, op->x), pass->plan->arena + op->packed_forward,
                                 pass->network->ws[op->layer].effective_bias, value(pass, op->y),
                                 value(pass, op->y_relu), value(pass, pass->plan->scratch), pass->error);
}

static int conv_backward_weights(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    const struct ws_layer *layer = &pass->network->ws[op->layer];
    return backend->conv_backward_weights(backend, op->conv, value(pass, op->x), value(pass, op->dy),
                                          op->conv->shape.frozen ? NULL : layer->weight_gradient, layer->bias_gradient,
                                          pass->add, value(pass, pass->plan->scratch), pass->error);
}

static int conv_backward_data(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    const size_t packed = op->conv->packed_backward_bytes > 0 ? op->packed_backward : op->packed_forward;
    if (op->dx == NO_BUFFER)
        return 0;
    return backend->conv_backward_data(backend, op->conv, value(pass, op->x), value(pass, op->dy),
                                       pass->plan->arena + packed, value(pass, op->dx),
                                       value(pass, pass->plan->scratch), pass->error);
}

/* ---- Everything else ---- */

static int activation_forward(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    return backend->activation_forward(backend, op->activation, op->dtype, value(pass, op->x), value(pass, op->y),
                                       input_count(op), pass->error);
}

static int activation_backward(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    /* relu by its output: the stream that it read may have been changed in place since */
    const int saved = op->activation == ACTIVATION_RELU ? op->y : op->x;
    return backend->activation_backward(backend, op->activation, op->dtype, value(pass, saved), value(pass, op->dy),
                                        value(pass, op->dx), op->add, input_count(op), pass->error);
}

static int copy_forward(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    return backend->convert(backend, op->dtype, value(pass, op->x), op->dtype, value(pass, op->y), input_count(op),
                            pass->error);
}

static int fork_backward(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    const struct residual_gate plain = {.alpha = 1};
    return backend->residual_add_forward(backend, op->dtype, value(pass, op->dx), value(pass, op->dy), &plain, op->n,
                                         op->h * op->w, op->c, pass->error);
}

static int average_pool_forward(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    return backend->average_pool_forward(backend, op->dtype, value(pass, op->x), value(pass, op->y), op->n, op->h,
                                         op->w, op->c, pass->error);
}

static int average_pool_backward(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    return backend->average_pool_backward(backend, op->dtype, op->relu ? value(pass, op->x) : NULL, value(pass, op->dy),
                                          value(pass, op->dx), op->add, op->n, op->h, op->w, op->c, pass->error);
}

static int global_pool_forward(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    return backend->global_pool_forward(backend, op->dtype, value(pass, op->x), value(pass, op->y), op->scale, op->n,
                                        op->h * op->w, op->c, pass->error);
}

static int global_pool_backward(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    return backend->global_pool_backward(backend, op->dtype, op->relu ? value(pass, op->x) : NULL, value(pass, op->dy),
                                         value(pass, op->dx), op->scale, op->add, op->n, op->h * op->w, op->c,
                                         pass->error);
}

static struct batch_norm batch_norm_of(const struct pass *pass, const struct op *op)
{
    /* a training step's are kept when it has changed the weights: see network_keep_running */
    float *statistics = pass->training ? pass->network->gradients : pass->network->values;
    const bool probing = pass->plan->probing; /* which leaves them as they are */
    float *const spare = probing ? value(pass, pass->plan->scratch) : NULL;
    const size_t *offsets = pass->network->parameters.offsets + op->norm;
    return (struct batch_norm){.c = op->c,
                               .weight = active_value(pass, op->norm),
                               .bias = active_value(pass, op->norm + 1),
                               .running_mean = probing ? spare : statistics + offsets[2],
                               .running_variance = probing ? spare + op->c : statistics + offsets[3],
                               .saved = value(pass, op->saved),
                               .weight_gradient = gradient_of(pass, op->norm),
                               .bias_gradient = gradient_of(pass, op->norm + 1)};
}

static int batch_norm_forward(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    const struct batch_norm norm = batch_norm_of(pass, op);
    return backend->batch_norm_forward(backend, op->dtype, &norm, value(pass, op->x), value(pass, op->y),
                                       pass->training, op->relu, (size_t)op->n * (size_t)(op->h * op->w), pass->error);
}

static int batch_norm_backward(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    const struct batch_norm norm = batch_norm_of(pass, op);
    return backend->batch_norm_backward(backend, op->dtype, &norm, value(pass, op->x), value(pass, op->y),
                                        value(pass, op->dy), value(pass, op->dx), op->relu, op->add,
                                        (size_t)op->n * (size_t)(op->h * op->w), pass->error);
}

static int gate_forward(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    return backend->gate_forward(backend, value(pass, op->x), value(pass, op->y), input_count(op), pass->error);
}

static int gate_backward(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    return backend->gate_backward(backend, value(pass, op->y), value(pass, op->dy), value(pass, op->dx),
                                  input_count(op), pass->error);
}

/* Whether stochastic depth and dropout leave anything out. */
static bool drops(const struct pass *pass)
{
    return pass->training && !pass->plan->probing;
}

static struct residual_gate residual_gate_of(const struct pass *pass, const struct op *op)
{
    return (struct residual_gate){.sample = value(pass, op->sample),
                                  .channel = value(pass, op->gate),
                                  .skip_gain = pass->unit_gain ? NULL : active_value(pass, op->skip_gain),
                                  .alpha = op->scale};
}

static int residual_add_forward(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    const struct residual_gate gate = residual_gate_of(pass, op);
    /* stochastic depth (Huang et al. 2016, as NFNet uses it): which samples keep the branch; all of them in evaluation
     */
    if (op->sample != NO_BUFFER && backend->drop_path(backend, value(pass, op->sample), drops(pass) ? op->drop_rate : 0,
                                                      pass->network->options.seed, pass->network->step, op->block,
                                                      pass->first, op->n, pass->error))
        return -1;
    return backend->residual_add_forward(backend, op->dtype, value(pass, op->y), value(pass, op->x), &gate, op->n,
                                         op->h * op->w, op->c, pass->error);
}

static int residual_add_backward(const struct pass *pass, const struct op *op)
{
    struct backend *backend = pass->network->backend;
    const struct residual_gate gate = residual_gate_of(pass, op);
    return backend->residual_add_backward(backend, op->dtype, value(pass, op->dy), value(pass, op->x), &gate,
                                          value(pass, op->dx), value(pass, op->dgate), gradient_of(pass, op->skip_gain),
                                          pass->add, value(pass, pass->plan->scratch), op->n, op->h * op->w, op->c,
                                          pass->error);
}

/* Forward from x to y, or backward from dy to dx: the same mask. */
static int drop(const struct pass *pass, const struct op *op, int from, int to)
{
    struct backend *backend = pass->network->backend;
    return backend->dropout(backend, value(pass, from), value(pass, to), drops(pass) ? op->scale : 0,
                            pass->network->options.seed, pass->network->step, pass->first * (uint64_t)op->c,
                            input_count(op), pass->error);
}

static int dropout_forward(const struct pass *pass, const struct op *op)
{
    return drop(pass, op, op->x, op->y);
}

static int dropout_backward(const struct pass *pass, const struct op *op)
{
    return drop(pass, op, op->dy, op->dx);
}

/* ---- The loops ---- */

typedef int op_function(const struct pass *pass, const struct op *op);

struct stage {
    op_function *function;
    enum time_kind time;
};

enum { BACKWARD_STAGES = 2 };

/* What each kind does, in this order; NULL ends a list. */
static const struct {
    struct stage forward;
    struct stage backward[BACKWARD_STAGES];
} kinds[] = {
    [OP_CONV] = {{conv_forward, TIME_CONV_FORWARD},
                 {{conv_backward_weights, TIME_CONV_BACKWARD_WEIGHTS}, {conv_backward_data, TIME_CONV_BACKWARD_DATA}}},
    [OP_ACTIVATION] = {{activation_forward, TIME_ACTIVATION}, {{activation_backward, TIME_ACTIVATION}}},
    [OP_COPY] = {{copy_forward, TIME_ACTIVATION}, {{NULL, TIME_OTHER}}},
    [OP_FORK] = {{NULL, TIME_OTHER}, {{fork_backward, TIME_ACTIVATION}}},
    [OP_AVERAGE_POOL] = {{average_pool_forward, TIME_POOL}, {{average_pool_backward, TIME_POOL}}},
    [OP_GLOBAL_POOL] = {{global_pool_forward, TIME_POOL}, {{global_pool_backward, TIME_POOL}}},
    [OP_BATCH_NORM] = {{batch_norm_forward, TIME_NORM}, {{batch_norm_backward, TIME_NORM}}},
    [OP_GATE] = {{gate_forward, TIME_OTHER}, {{gate_backward, TIME_OTHER}}},
    [OP_RESIDUAL_ADD] = {{residual_add_forward, TIME_ACTIVATION}, {{residual_add_backward, TIME_ACTIVATION}}},
    [OP_DROPOUT] = {{dropout_forward, TIME_OTHER}, {{dropout_backward, TIME_OTHER}}},
};

static int run_stage(const struct pass *pass, const struct stage *stage, const struct op *op)
{
    if (!stage->function)
        return 0;
    const double begin = clock_seconds();
    if (stage->function(pass, op) || network_settle(pass->network, pass->error))
        return -1;
    pass->network->seconds[stage->time] += clock_seconds() - begin;
    return 0;
}

static int observe(const struct pass *pass, enum plan_moment moment, const struct op *op)
{
    return pass->observer ? pass->observer(pass->context, moment, op, pass->error) : 0;
}

int plan_forward(const struct pass *pass)
{
    const struct plan *plan = pass->plan;
    for (int i = 0; i < plan->op_count; i++) {
        const struct op *op = &plan->ops[i];
        int result = observe(pass, MOMENT_BEFORE, op);
        if (result == 0)
            result = run_stage(pass, &kinds[op->kind].forward, op);
        if (result == 0)
            result = observe(pass, MOMENT_AFTER, op);
        if (result)
            return result;
    }
    return 0;
}

int plan_backward(const struct pass *pass)
{
    const struct plan *plan = pass->plan;
    for (int i = plan->op_count - 1; i >= 0; i--) {
        int result = observe(pass, MOMENT_BACKWARD, &plan->ops[i]);
        for (int s = 0; s < BACKWARD_STAGES && result == 0; s++)
            result = run_stage(pass, &kinds[plan->ops[i].kind].backward[s], &plan->ops[i]);
        if (result)
            return result;
    }
    return 0;
}
