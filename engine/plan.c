/* Builds the plan of a network: which operations, on which buffers, and where each buffer lies. The residual stream and
 * its gradient are changed in place wherever the backward pass does not need the stream itself (it needs only
 * relu(stream), which is kept); scalars (gamma, 1 / beta, alpha, skip gain) live in the folded weights, so activations
 * are plain and fuse into the convolutions. */
#include "engine/plan.h"

#include <stdio.h>
#include <stdlib.h>

enum { ARENA_ALIGNMENT = 256 };

/* State of the build; the first failure sticks. */
struct builder {
    struct backend *backend;
    const struct model_spec *spec;
    const struct parameter_list *parameters;
    struct plan *plan;
    struct error *error;
    bool failed;
    int block;            /* that is being built, see struct op */
    int h, w, c;          /* of the residual stream */
    int stream, gradient; /* its value and gradient buffers */
    int stream_relu;      /* buffer of relu(stream), where the operation that completed the stream wrote it along */
    size_t scratch_bytes;
    struct op nowhere; /* what add_op hands out after a failure */
};

static size_t align_up(size_t bytes)
{
    return (bytes + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
}

static int add_bytes(struct builder *b, size_t bytes)
{
    struct plan *plan = b->plan;
    plan->buffers = list_grown(plan->buffers, plan->buffer_count, &plan->buffer_capacity, sizeof *plan->buffers,
                               &b->failed, b->error);
    if (b->failed)
        return 0;
    plan->buffers[plan->buffer_count] = (struct buffer){.bytes = align_up(bytes), .first = -1, .last = -1};
    return plan->buffer_count++;
}

static int add_tensor(struct builder *b, enum dtype dtype, int h, int w, int c)
{
    return add_bytes(b, (size_t)b->plan->n * (size_t)(h * w * c) * dtype_size(dtype));
}

static void need_scratch(struct builder *b, size_t bytes)
{
    if (bytes > b->scratch_bytes)
        b->scratch_bytes = bytes;
}

static struct op *add_op(struct builder *b, struct op op)
{
    struct plan *plan = b->plan;
    plan->ops = list_grown(plan->ops, plan->op_count, &plan->op_capacity, sizeof *plan->ops, &b->failed, b->error);
    if (b->failed)
        return &b->nowhere;
    op.n = plan->n;
    op.mark = MARK_NONE;
    op.block = b->block;
    plan->ops[plan->op_count] = op;
    return &plan->ops[plan->op_count++];
}

/* An operation with no special buffers. */
static struct op plain_op(enum op_kind kind, int x, int y, int dx, int dy)
{
    return (struct op){.kind = kind,
                       .x = x,
                       .y = y,
                       .dx = dx,
                       .dy = dy,
                       .y_relu = NO_BUFFER,
                       .gate = NO_BUFFER,
                       .dgate = NO_BUFFER,
                       .sample = NO_BUFFER,
                       .saved = NO_BUFFER,
                       .skip_gain = -1};
}

/* A tensor with its gradient. `relu`: the output of a relu that was fused into its convolution; whoever reads it masks
 * the gradient. `add`: the gradient buffer holds something already, to which a convolution that reads this adds. */
struct pair {
    int value, gradient, h, w, c;
    bool relu, add;
};

static struct pair add_pair(struct builder *b, enum dtype dtype, int h, int w, int c)
{
    return (struct pair){add_tensor(b, dtype, h, w, c), add_tensor(b, dtype, h, w, c), h, w, c, false, false};
}

/* How a convolution's result leaves: into a tensor of its own, or added to one. */
struct conv_use {
    int layer, k, stride, groups;
    bool relu, accumulate;
    bool relu_copy; /* relu of the result is written, too, for the next block */
    bool fp32;      /* in full, whatever the network's precision: gates and logits */
};

static bool is_frozen(const struct parameter_list *parameters, int layer)
{
    return parameters->items[parameters->layers[layer].weight].role == PARAMETER_FROZEN;
}

static struct op *add_conv(struct builder *b, struct pair x, struct pair y, struct conv_use use)
{
    const enum dtype dtype = use.fp32 ? DTYPE_FP32 : b->plan->dtype;
    struct op op = plain_op(OP_CONV, x.value, y.value, x.gradient, y.gradient);
    const struct conv_shape shape = {.n = b->plan->n,
                                     .h = x.h,
                                     .w = x.w,
                                     .cin = x.c,
                                     .cout = y.c,
                                     .k = use.k,
                                     .stride = use.stride,
                                     .groups = use.groups,
                                     .dtype = dtype,
                                     .tf32 = b->plan->tf32 && !use.fp32,
                                     .relu = use.relu,
                                     .relu_input = x.relu,
                                     .relu_copy = use.relu_copy,
                                     .add_dx = x.add,
                                     .accumulate = use.accumulate,
                                     .frozen = is_frozen(b->parameters, use.layer),
                                     .input_gradient = x.gradient != NO_BUFFER};
    op.h = x.h;
    op.w = x.w;
    op.c = x.c;
    op.dtype = dtype;
    op.layer = use.layer;
    b->stream_relu = op.y_relu = use.relu_copy ? add_tensor(b, dtype, y.h, y.w, y.c) : NO_BUFFER;
    if (b->failed)
        return add_op(b, op);
    if (b->backend->conv_create(b->backend, &shape, &op.conv, b->error)) {
        b->failed = true;
        return add_op(b, op);
    }
    op.packed_forward = b->plan->packed_bytes;
    op.packed_backward = op.packed_forward + align_up(op.conv->packed_forward_bytes);
    b->plan->packed_bytes = op.packed_backward + align_up(op.conv->packed_backward_bytes);
    need_scratch(b, op.conv->scratch_bytes);
    struct op *added = add_op(b, op);
    if (b->failed)
        b->backend->conv_destroy(b->backend, op.conv);
    return added;
}

/* True when each block needs the residual stream as it was: its activation or norm is not undone by the output. */
static bool keeps_stream(const struct builder *b)
{
    return b->spec->norm == NORM_BATCH || b->spec->activation != ACTIVATION_RELU;
}

static bool is_relu(const struct builder *b)
{
    return b->spec->activation == ACTIVATION_RELU;
}

/* True when relu(stream) comes along with the stream, and its backward with the gradients of whoever reads it. */
static bool fuses_stream(const struct builder *b)
{
    const struct model_spec *spec = b->spec;
    return b->backend->fuses_stream && !b->plan->probing && spec->norm != NORM_BATCH && is_relu(b) &&
           spec->squeeze_excite <= 0 && spec->stochastic_depth <= 0;
}

/* relu of the stream, as the operation that completed it wrote it: its gradient is the stream's, masked. */
static struct pair stream_relu(const struct builder *b, bool add)
{
    return (struct pair){b->stream_relu, b->gradient, b->h, b->w, b->c, true, add};
}

static struct pair activation(struct builder *b, struct pair x, bool add)
{
    struct pair y = add_pair(b, b->plan->dtype, x.h, x.w, x.c);
    struct op *op = add_op(b, plain_op(OP_ACTIVATION, x.value, y.value, x.gradient, y.gradient));
    op->dtype = b->plan->dtype;
    op->h = x.h;
    op->w = x.w;
    op->c = x.c;
    op->add = add;
    op->activation = b->spec->activation;
    return y;
}

/* Batch norm `name` of x, then the activation. */
static struct pair norm_activation(struct builder *b, struct pair x, const char *name, bool add)
{
    char weight[64];
    struct pair y = add_pair(b, b->plan->dtype, x.h, x.w, x.c);
    struct op *op = add_op(b, plain_op(OP_BATCH_NORM, x.value, y.value, x.gradient, y.gradient));
    snprintf(weight, sizeof weight, "%s.weight", name);
    op->dtype = b->plan->dtype;
    op->h = x.h;
    op->w = x.w;
    op->c = x.c;
    op->add = add;
    op->relu = is_relu(b);
    op->norm = parameters_find(b->parameters, weight);
    op->saved = add_bytes(b, 2 * (size_t)x.c * sizeof(float));
    need_scratch(b, b->plan->probing ? 2 * (size_t)x.c * sizeof(float) : 0); /* running statistics nobody wants */
    return is_relu(b) ? y : activation(b, y, false);
}

/* What a convolution of a residual branch reads: (norm and) activation of x. */
static struct pair branch_input(struct builder *b, int block, int number, struct pair x, bool add)
{
    char name[48];
    if (b->spec->norm != NORM_BATCH)
        return activation(b, x, add);
    snprintf(name, sizeof name, "blocks.%d.bn%d", block, number);
    return norm_activation(b, x, name, add);
}

/* One convolution of the branch with what follows it, up to the next one's input. */
static struct pair branch_conv(struct builder *b, int block, enum block_conv conv, struct pair x, int cout, int k,
                               int stride)
{
    const bool fused = is_relu(b) && b->spec->norm != NORM_BATCH;
    const int groups = k == 3 && b->spec->group_width > 0 ? cout / b->spec->group_width : 1;
    struct pair y = add_pair(b, b->plan->dtype, x.h / stride, x.w / stride, cout);
    struct conv_use use = {parameters_layer(b->parameters, block, conv), k, stride, groups, fused, false, false, false};
    add_conv(b, x, y, use);
    y.relu = fused;
    return fused ? y : branch_input(b, block, (int)conv + 1, y, false);
}

/* The shortcut of a transition: a new stream with its gradient. `branch` is the activated input; where that is a relu
 * that came along with the stream, its gradient is the stream's, which is written here first. */
static void transition_shortcut(struct builder *b, int block, const struct block_spec *spec, struct pair x,
                                struct pair branch)
{
    const enum dtype dtype = b->plan->dtype;
    const int layer = parameters_layer(b->parameters, block, CONV_PROJECTION);
    struct pair out = add_pair(b, dtype, x.h / spec->stride, x.w / spec->stride, spec->cout);
    struct conv_use use = {layer, 1, 1, 1, false, false, false, false};
    branch.add = false;
    if (b->spec->family == FAMILY_REPORT) { /* the strided projection of x itself */
        use.stride = spec->stride;
        add_conv(b, x, out, use);
    } else {
        const bool pools = spec->stride == 2 && b->spec->shortcut == SHORTCUT_POOL;
        struct pair pooled = branch;
        pooled.relu &= !pools;
        use.stride = pools ? 1 : spec->stride;
        struct op op = plain_op(OP_FORK, branch.value, branch.value, branch.gradient, NO_BUFFER);
        if (pools) {
            pooled = add_pair(b, dtype, x.h / 2, x.w / 2, x.c);
            op.kind = OP_AVERAGE_POOL;
            op.y = pooled.value;
            op.relu = branch.relu;
        } else if (!branch.relu) {
            pooled.gradient = add_tensor(b, dtype, x.h, x.w, x.c);
        }
        op.dy = pooled.gradient;
        op.add = !branch.relu;
        op.dtype = dtype;
        op.h = x.h;
        op.w = x.w;
        op.c = x.c;
        if (op.kind == OP_AVERAGE_POOL || !branch.relu)
            add_op(b, op);
        add_conv(b, pooled, out, use);
    }
    b->stream = out.value;
    b->gradient = out.gradient;
    b->h = out.h;
    b->w = out.w;
    b->c = out.c;
}

/* Squeeze-excite (NFNet): gates (n, c) of the branch's output. */
static struct pair squeeze_excite(struct builder *b, int block, struct pair branch)
{
    const int hidden = squeeze_excite_width(b->spec, branch.c);
    struct pair mean = add_pair(b, DTYPE_FP32, 1, 1, branch.c), middle = add_pair(b, DTYPE_FP32, 1, 1, hidden);
    struct pair logits = add_pair(b, DTYPE_FP32, 1, 1, branch.c), gates = add_pair(b, DTYPE_FP32, 1, 1, branch.c);
    struct op pool = plain_op(OP_GLOBAL_POOL, branch.value, mean.value, branch.gradient, mean.gradient);
    pool.dtype = b->plan->dtype;
    pool.h = branch.h;
    pool.w = branch.w;
    pool.c = branch.c;
    pool.scale = 1;
    pool.add = true; /* the residual sum's backward has written the branch's gradient already */
    add_op(b, pool);
    struct conv_use use = {parameters_layer(b->parameters, block, SE_REDUCE), 1, 1, 1, true, false, false, true};
    add_conv(b, mean, middle, use);
    middle.relu = true;
    use.layer = parameters_layer(b->parameters, block, SE_EXPAND);
    use.relu = false;
    add_conv(b, middle, logits, use);
    struct op gate = plain_op(OP_GATE, logits.value, gates.value, logits.gradient, gates.gradient);
    gate.h = gate.w = 1;
    gate.c = branch.c;
    add_op(b, gate);
    return gates;
}

/* The last convolution of a branch and the residual sum: fused, or by gates. Returns the operation that completes the
 * stream. */
static struct op *residual_sum(struct builder *b, int block, const struct block_spec *spec, struct pair x)
{
    const struct model_spec *model = b->spec;
    struct pair stream = {b->stream, b->gradient, b->h, b->w, b->c, false, false};
    const bool activated = block + 1 < model_block_count(model) || model->family == FAMILY_PAPERS;
    struct conv_use use = {
        parameters_layer(b->parameters, block, CONV3), 1, 1, 1, false, true, fuses_stream(b) && activated, false};
    if (model->squeeze_excite <= 0 && model->stochastic_depth <= 0 && !b->plan->probing)
        return add_conv(b, x, stream, use);
    use.accumulate = false;
    struct pair branch = add_pair(b, b->plan->dtype, b->h, b->w, b->c);
    add_conv(b, x, branch, use);
    struct op op = plain_op(OP_RESIDUAL_ADD, branch.value, stream.value, branch.gradient, stream.gradient);
    if (model->squeeze_excite > 0) {
        struct pair gates = squeeze_excite(b, block, branch);
        op.gate = gates.value;
        op.dgate = gates.gradient;
    }
    if (model->stochastic_depth > 0)
        op.sample = add_bytes(b, (size_t)b->plan->n * sizeof(float));
    char name[64];
    snprintf(name, sizeof name, "blocks.%d.skip_gain", block);
    op.skip_gain = parameters_find(b->parameters, name);
    op.scale = model->norm == NORM_BATCH ? 1 : model->alpha;
    op.drop_rate = spec->drop_rate;
    op.dtype = b->plan->dtype;
    op.h = b->h;
    op.w = b->w;
    op.c = b->c;
    size_t scratch = (size_t)b->plan->n * (size_t)b->c * sizeof(float);
    if (b->plan->probing && op.gate != NO_BUFFER) /* the gated branch, to be measured */
        scratch *= (size_t)(b->h * b->w);
    need_scratch(b, scratch);
    return add_op(b, op);
}

/* A copy of the stream for the next block to change, where the old one is still needed; the gradient goes on in place.
 */
static void copy_stream(struct builder *b)
{
    int copy = add_tensor(b, b->plan->dtype, b->h, b->w, b->c);
    struct op op = plain_op(OP_COPY, b->stream, copy, NO_BUFFER, NO_BUFFER);
    op.dtype = b->plan->dtype;
    op.h = b->h;
    op.w = b->w;
    op.c = b->c;
    add_op(b, op);
    b->stream = copy;
}

/* The gradient of x has been written before the branch's first activation adds to it, but in a transition of the
 * papers, whose shortcut branches off behind the activation. Where relu(x) came along with x, there is no activation to
 * do, and the first convolution adds to the gradient of x itself: so the shortcut stands behind it, to write it before.
 */
static void add_block(struct builder *b, int index)
{
    const struct block_spec block = model_block(b->spec, index);
    const bool report = b->spec->family == FAMILY_REPORT, fused = fuses_stream(b);
    struct pair x = {b->stream, b->gradient, b->h, b->w, b->c, false, false};
    struct pair input = fused ? stream_relu(b, true) : branch_input(b, index, 0, x, !block.transition || report);
    if (block.transition && !fused)
        transition_shortcut(b, index, &block, x, input);
    else if (keeps_stream(b))
        copy_stream(b);
    struct pair h = branch_conv(b, index, CONV0, input, block.mid, 1, report ? block.stride : 1);
    h = branch_conv(b, index, CONV1, h, block.mid, 3, report ? 1 : block.stride);
    h = branch_conv(b, index, CONV2, h, block.mid, 3, 1);
    if (block.transition && fused)
        transition_shortcut(b, index, &block, x, input);
    residual_sum(b, index, &block, h)->mark = index;
}

static void add_head(struct builder *b)
{
    const struct model_spec *spec = b->spec;
    struct pair x = {b->stream, b->gradient, b->h, b->w, b->c, false, false};
    float scale = 1;
    if (spec->family == FAMILY_PAPERS) {
        if (spec->norm == NORM_BATCH) {
            x = norm_activation(b, x, "norm", false);
        } else {
            x = fuses_stream(b) ? stream_relu(b, false) : activation(b, x, false);
            scale = activation_gamma(spec->activation);
        }
    }
    struct pair features = add_pair(b, DTYPE_FP32, 1, 1, x.c), logits = add_pair(b, DTYPE_FP32, 1, 1, spec->classes);
    struct op pool = plain_op(OP_GLOBAL_POOL, x.value, features.value, x.gradient, features.gradient);
    pool.dtype = b->plan->dtype;
    pool.h = x.h;
    pool.w = x.w;
    pool.c = x.c;
    pool.scale = scale;
    pool.relu = x.relu;
    add_op(b, pool);
    if (spec->dropout > 0) {
        struct pair kept = add_pair(b, DTYPE_FP32, 1, 1, x.c);
        struct op drop = plain_op(OP_DROPOUT, features.value, kept.value, features.gradient, kept.gradient);
        drop.h = drop.w = 1;
        drop.c = x.c;
        drop.scale = spec->dropout;
        add_op(b, drop);
        features = kept;
    }
    struct conv_use use = {.layer = b->parameters->layer_count - 1, .k = 1, .stride = 1, .groups = 1, .fp32 = true};
    add_conv(b, features, logits, use);
    b->plan->logits = logits.value;
    b->plan->dlogits = logits.gradient;
}

static void add_stem(struct builder *b)
{
    struct plan *plan = b->plan;
    struct pair image = {.gradient = NO_BUFFER, .h = MODEL_IMAGE_SIZE, .w = MODEL_IMAGE_SIZE, .c = 3};
    plan->input_staging = add_tensor(b, DTYPE_FP32, image.h, image.w, image.c);
    plan->input =
        plan->dtype == DTYPE_FP32 ? plan->input_staging : add_tensor(b, plan->dtype, image.h, image.w, image.c);
    plan->labels = add_bytes(b, (size_t)plan->n);
    plan->partners = add_bytes(b, (size_t)plan->n);
    image.value = plan->input;
    struct pair stream = add_pair(b, plan->dtype, image.h, image.w, b->spec->stem);
    const struct conv_use use = {.layer = 0, .k = 3, .stride = 1, .groups = 1, .relu_copy = fuses_stream(b)};
    add_conv(b, image, stream, use)->mark = MARK_STEM;
    b->stream = stream.value;
    b->gradient = stream.gradient;
    b->h = stream.h;
    b->w = stream.w;
    b->c = stream.c;
}

int plan_create(struct backend *backend, const struct model_spec *spec, const struct parameter_list *parameters,
                enum dtype dtype, bool tf32, int n, bool probing, struct plan **out, struct error *error)
{
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return error_set(error, "out of memory");
    plan->n = n;
    plan->dtype = dtype;
    plan->tf32 = tf32;
    plan->probing = probing;
    struct builder b = {.backend = backend, .spec = spec, .parameters = parameters, .plan = plan, .error = error};
    const int blocks = model_block_count(spec);
    b.block = MARK_STEM;
    add_stem(&b);
    for (b.block = 0; b.block < blocks && !b.failed; b.block++)
        add_block(&b, b.block);
    add_head(&b);
    plan->scratch = add_bytes(&b, b.scratch_bytes);
    if (b.failed)
        goto fail;
    plan_find_spans(plan);
    plan->arena_bytes = plan_place_buffers(plan->buffers, plan->buffer_count, plan->packed_bytes);
    if (plan->arena_bytes == 0) {
        error_set(error, "out of memory");
        goto fail;
    }
    *out = plan;
    return 0;
fail:
    plan_destroy(backend, plan);
    return -1;
}

void plan_destroy(struct backend *backend, struct plan *plan)
{
    if (!plan)
        return;
    for (int i = 0; i < plan->op_count; i++)
        if (plan->ops[i].conv)
            backend->conv_destroy(backend, plan->ops[i].conv);
    if (plan->arena)
        backend->release(backend, plan->arena);
    for (int source = 0; source < WEIGHT_SOURCES; source++)
        if (plan->weights[source])
            backend->weights_destroy(backend, plan->weights[source]);
    free(plan->ops);
    free(plan->buffers);
    free(plan);
}
