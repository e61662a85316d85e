/* What a training step must at least do, by kind of work: operations of the convolutions, and bytes when each operation
 * reads its inputs and writes its outputs once. The floor that measured times are held against. */
#include "engine/execute.h"

static void add(struct network_work work[TIME_KINDS], enum time_kind kind, double flops, double bytes)
{
    work[kind].flops += flops;
    work[kind].bytes += bytes;
}

static void add_conv(const struct op *op, struct network_work work[TIME_KINDS])
{
    const struct conv_shape *s = &op->conv->shape;
    const double element = (double)dtype_size(s->dtype);
    const double x = (double)s->n * s->h * s->w * s->cin * element;
    const double positions = (double)s->n * op->conv->out_h * op->conv->out_w;
    const double y = positions * s->cout * element;
    const double weights = (double)s->cout * s->cin / s->groups * s->k * s->k;
    const double flops = 2 * positions * weights;
    add(work, TIME_CONV_FORWARD, flops, x + weights * element + y * (1 + s->accumulate + s->relu_copy));
    if (s->frozen)
        add(work, TIME_CONV_BACKWARD_WEIGHTS, 0, y);
    else
        add(work, TIME_CONV_BACKWARD_WEIGHTS, flops, x + y + weights * sizeof(float));
    if (op->dx != NO_BUFFER)
        add(work, TIME_CONV_BACKWARD_DATA, flops, y + weights * element + x * (1 + s->add_dx + s->relu_input));
}

static void add_op(const struct op *op, struct network_work work[TIME_KINDS])
{
    const double x = (double)op->n * op->h * op->w * op->c * (double)dtype_size(op->dtype);
    switch (op->kind) {
    case OP_CONV:
        add_conv(op, work);
        break;
    case OP_ACTIVATION: /* x, y; saved, dy, dx */
        add(work, TIME_ACTIVATION, 0, x * (5 + op->add));
        break;
    case OP_COPY:
        add(work, TIME_ACTIVATION, 0, 2 * x);
        break;
    case OP_FORK:         /* dx += dy */
    case OP_RESIDUAL_ADD: /* y += x; dy, x, dx */
        add(work, TIME_ACTIVATION, 0, x * (op->kind == OP_FORK ? 3 : 6));
        break;
    case OP_AVERAGE_POOL: /* a quarter at the small end */
        add(work, TIME_POOL, 0, x * (2.5 + op->add + op->relu));
        break;
    case OP_GLOBAL_POOL:
        add(work, TIME_POOL, 0, x * (2 + op->add + op->relu));
        break;
    case OP_BATCH_NORM: /* moments, then y; sums, then dx */
        add(work, TIME_NORM, 0, x * (3 + 5 + 2 * op->relu + op->add));
        break;
    case OP_GATE:
    case OP_DROPOUT:
        add(work, TIME_OTHER, 0, 4 * x);
        break;
    }
}

void network_work(const struct network *network, struct network_work work[TIME_KINDS])
{
    const struct plan *plan = network->plan;
    const double passes = (double)network->options.batch / plan->n;
    const double floats = (double)network_parameter_count(network) * sizeof(float);
    for (int k = 0; k < TIME_KINDS; k++)
        work[k] = (struct network_work){0, 0};
    for (int i = 0; i < plan->op_count; i++)
        add_op(&plan->ops[i], work);
    for (int k = 0; k < TIME_KINDS; k++) {
        work[k].flops *= passes;
        work[k].bytes *= passes;
    }
    add(work, TIME_LOSS, 0, 2.0 * network->options.batch * network->spec.classes * sizeof(float));
    /* raw in, effective and both packed forms out; gradients in and out beside the raw weights */
    add(work, TIME_STANDARDIZE, 0, floats * (2 + 3) + 2 * floats / (plan->dtype == DTYPE_BF16 ? 2 : 1));
    add(work, TIME_UPDATE, 0, floats * (5 + (network->averages ? 2 : 0)));
}
