/* Convolutions of the CPU back end: oneDNN behind the slots of kernels.h, in this one file. Activations stay plain
 * NHWC; only weights are packed as oneDNN likes them best, once a step. All scratch memory is the caller's, so that a
 * step allocates nothing of any size. On processors without bf16, bf16 convolutions are computed in fp32 on converted
 * operands: the same results to rounding, slower. */
#include "kernels/cpu/conv_weights.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/onednn.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#define DNNL_CHECK(call)                                                                                               \
    do {                                                                                                               \
        dnnl_status_t status_ = (call);                                                                                \
        if (status_ != dnnl_success)                                                                                   \
            return error_set(error, "oneDNN: %s: %s", #call, dnnl_status2str(status_));                                \
    } while (0)

enum { MAX_ARGUMENTS = 6, ALIGNMENT = 64 };

struct conv_state {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

/* A tensor that a primitive reads or writes; its address is bound at each call. */
struct tensor {
    dnnl_memory_t memory;
    size_t bytes;
};

struct operation {
    dnnl_primitive_t primitive;
    struct tensor scratchpad;
};

struct cpu_conv {
    struct conv conv; /* first: a slot's `struct conv *` is also this struct's address */
    bool emulated;    /* bf16 outside, fp32 inside */
    bool own_weights; /* the weight gradient is conv_weights.c's */
    struct operation forward, backward_data, backward_weights;
    struct operation pack_forward, pack_backward, unpack_gradient;
    struct tensor x, y, bias, raw_weights, forward_weights, backward_weights_in, gradient;
    size_t x_count, y_count, weight_count;
};

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static struct conv_state *state_of(struct backend *backend)
{
    return ((struct cpu_backend *)backend)->conv_state;
}

int cpu_conv_open(struct cpu_backend *backend, struct error *error)
{
    struct conv_state *state = calloc(1, sizeof *state);
    if (!state)
        return error_set(error, "out of memory");
    backend->conv_state = state;
    DNNL_CHECK(dnnl_engine_create(&state->engine, dnnl_cpu, 0));
    DNNL_CHECK(dnnl_stream_create(&state->stream, state->engine, dnnl_stream_default_flags));
    return 0;
}

void cpu_conv_close(struct cpu_backend *backend)
{
    struct conv_state *state = backend->conv_state;
    if (!state)
        return;
    if (state->stream)
        dnnl_stream_destroy(state->stream);
    if (state->engine)
        dnnl_engine_destroy(state->engine);
    free(state);
    backend->conv_state = NULL;
}

/* ---- Making the primitives ---- */

static int tensor_create(dnnl_engine_t engine, onednn_view description, struct tensor *tensor, struct error *error)
{
    tensor->bytes = dnnl_memory_desc_get_size(description);
    DNNL_CHECK(dnnl_memory_create(&tensor->memory, description, engine, DNNL_MEMORY_NONE));
    return 0;
}

/* Makes the primitive of a description and its scratchpad; takes the description. */
static int operation_create(dnnl_engine_t engine, dnnl_primitive_desc_t description, struct operation *operation,
                            struct error *error)
{
    onednn_view scratchpad = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    int result = tensor_create(engine, scratchpad, &operation->scratchpad, error);
    dnnl_status_t status = dnnl_primitive_create(&operation->primitive, description);
    dnnl_primitive_desc_destroy(description);
    if (!result && status != dnnl_success)
        result = error_set(error, "oneDNN: making a primitive: %s", dnnl_status2str(status));
    return result;
}

static int attributes_create(const struct conv_shape *shape, dnnl_primitive_attr_t *out, struct error *error)
{
    DNNL_CHECK(dnnl_primitive_attr_create(out));
    DNNL_CHECK(dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user));
    if (!shape || !(shape->relu || shape->accumulate))
        return 0;
    dnnl_post_ops_t post;
    DNNL_CHECK(dnnl_post_ops_create(&post));
    dnnl_status_t status = shape->relu ? onednn_append_relu(post) : onednn_append_sum(post);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(*out, post);
    dnnl_post_ops_destroy(post);
    return status == dnnl_success ? 0 : error_set(error, "oneDNN: post-operation: %s", dnnl_status2str(status));
}

/* Memory descriptions and geometry of one convolution. */
struct layout {
    dnnl_memory_desc_t x, y, bias, weights, raw_weights, gradient;
    struct onednn_geometry geometry;
};

static int layout_make(const struct conv *conv, dnnl_data_type_t type, struct layout *l, struct error *error)
{
    const struct conv_shape *s = &conv->shape;
    const int dims = s->groups > 1 ? 5 : 4;
    dnnl_dims_t x = {s->n, s->cin, s->h, s->w}, y = {s->n, s->cout, conv->out_h, conv->out_w}, bias = {s->cout};
    dnnl_dims_t plain = {s->cout, s->cin, s->k, s->k};
    dnnl_dims_t grouped = {s->groups, s->cout / s->groups, s->cin / s->groups, s->k, s->k};
    dnnl_dims_t *w = s->groups > 1 ? &grouped : &plain;
    const dnnl_format_tag_t raw_tag = s->groups > 1 ? dnnl_goihw : dnnl_oihw;
    l->geometry.strides[0] = l->geometry.strides[1] = s->stride;
    l->geometry.padding[0] = l->geometry.padding[1] = s->k / 2;
    DNNL_CHECK(onednn_describe(&l->x, 4, x, type, dnnl_nhwc));
    DNNL_CHECK(onednn_describe(&l->y, 4, y, type, dnnl_nhwc));
    DNNL_CHECK(onednn_describe(&l->bias, 1, bias, dnnl_f32, dnnl_a));
    DNNL_CHECK(onednn_describe(&l->weights, dims, *w, type, dnnl_format_tag_any));
    DNNL_CHECK(onednn_describe(&l->gradient, dims, *w, dnnl_f32, dnnl_format_tag_any));
    DNNL_CHECK(onednn_describe(&l->raw_weights, dims, *w, dnnl_f32, raw_tag));
    return 0;
}

static void layout_free(struct layout *l)
{
    dnnl_memory_desc_t *descriptions[] = {&l->x, &l->y, &l->bias, &l->weights, &l->raw_weights, &l->gradient};
    for (size_t i = 0; i < sizeof descriptions / sizeof *descriptions; i++)
        onednn_release(descriptions[i]);
}

/* A reorder between two weight layouts; `from` and `to` may differ in type as well. */
static int reorder_create(dnnl_engine_t engine, onednn_view from, onednn_view to, struct operation *operation,
                          struct error *error)
{
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t description = NULL;
    int result = attributes_create(NULL, &attributes, error);
    if (!result) {
        dnnl_status_t status = dnnl_reorder_primitive_desc_create(&description, from, engine, to, engine, attributes);
        result = status == dnnl_success ? operation_create(engine, description, operation, error)
                                        : error_set(error, "oneDNN: weight layout: %s", dnnl_status2str(status));
    }
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return result;
}

static int described(const struct conv_shape *s, dnnl_status_t status, struct error *error)
{
    if (status == dnnl_success)
        return 0;
    return error_set(error, "oneDNN has no %dx%d convolution for %d -> %d channels in %s: %s", s->k, s->k, s->cin,
                     s->cout, s->dtype == DTYPE_BF16 ? "bf16" : "fp32", dnnl_status2str(status));
}

static int forward_create(struct cpu_conv *c, dnnl_engine_t engine, const struct layout *l,
                          dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t *description, struct error *error)
{
    dnnl_status_t status = onednn_forward(description, engine, onednn_view_of(&l->x), onednn_view_of(&l->weights),
                                          onednn_view_of(&l->bias), onednn_view_of(&l->y), &l->geometry, attributes);
    if (described(&c->conv.shape, status, error))
        return -1;
    onednn_view packed = dnnl_primitive_desc_query_md(*description, dnnl_query_weights_md, 0);
    if (tensor_create(engine, packed, &c->forward_weights, error) ||
        reorder_create(engine, onednn_view_of(&l->raw_weights), packed, &c->pack_forward, error))
        return -1;
    return 0;
}

static int backward_data_create(struct cpu_conv *c, dnnl_engine_t engine, const struct layout *l,
                                dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t hint, struct error *error)
{
    dnnl_primitive_desc_t description = NULL;
    dnnl_status_t status =
        onednn_backward_data(&description, engine, onednn_view_of(&l->x), onednn_view_of(&l->weights),
                             onednn_view_of(&l->y), &l->geometry, hint, attributes);
    if (described(&c->conv.shape, status, error))
        return -1;
    onednn_view packed = dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
    int result = tensor_create(engine, packed, &c->backward_weights_in, error);
    if (!result)
        result = reorder_create(engine, onednn_view_of(&l->raw_weights), packed, &c->pack_backward, error);
    if (result) {
        dnnl_primitive_desc_destroy(description);
        return result;
    }
    return operation_create(engine, description, &c->backward_data, error);
}

static int backward_weights_create(struct cpu_conv *c, dnnl_engine_t engine, const struct layout *l,
                                   dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t hint, struct error *error)
{
    dnnl_primitive_desc_t description = NULL;
    dnnl_status_t status =
        onednn_backward_weights(&description, engine, onednn_view_of(&l->x), onednn_view_of(&l->gradient),
                                onednn_view_of(&l->bias), onednn_view_of(&l->y), &l->geometry, hint, attributes);
    if (described(&c->conv.shape, status, error))
        return -1;
    onednn_view packed = dnnl_primitive_desc_query_md(description, dnnl_query_diff_weights_md, 0);
    int result = tensor_create(engine, packed, &c->gradient, error);
    if (!result)
        result = reorder_create(engine, packed, onednn_view_of(&l->raw_weights), &c->unpack_gradient, error);
    if (result) {
        dnnl_primitive_desc_destroy(description);
        return result;
    }
    return operation_create(engine, description, &c->backward_weights, error);
}

static int primitives_create(struct cpu_conv *c, dnnl_engine_t engine, const struct layout *l, struct error *error)
{
    dnnl_primitive_attr_t fused = NULL, plain = NULL;
    dnnl_primitive_desc_t forward = NULL;
    int result = attributes_create(&c->conv.shape, &fused, error);
    if (!result)
        result = attributes_create(NULL, &plain, error);
    if (!result)
        result = forward_create(c, engine, l, fused, &forward, error);
    if (!result && c->conv.shape.input_gradient)
        result = backward_data_create(c, engine, l, plain, forward, error);
    if (!result && !c->own_weights && !c->conv.shape.frozen)
        result = backward_weights_create(c, engine, l, plain, forward, error);
    if (!result) {
        result = operation_create(engine, forward, &c->forward, error);
        forward = NULL;
    }
    if (forward)
        dnnl_primitive_desc_destroy(forward);
    if (plain)
        dnnl_primitive_attr_destroy(plain);
    if (fused)
        dnnl_primitive_attr_destroy(fused);
    return result;
}

/* ---- Scratch: [fp32 x][fp32 y] when emulated, then what the call itself needs ---- */

static size_t emulation_bytes(const struct cpu_conv *c)
{
    return c->emulated ? aligned(c->x_count * sizeof(float)) + aligned(c->y_count * sizeof(float)) : 0;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t scratch_needed(const struct cpu_conv *c, int threads)
{
    size_t pack = aligned(c->weight_count * sizeof(float)) +
                  max_size(c->pack_forward.scratchpad.bytes, c->pack_backward.scratchpad.bytes);
    size_t call = max_size(c->forward.scratchpad.bytes, c->backward_data.scratchpad.bytes);
    size_t gradient = c->conv.shape.frozen ? cpu_bias_scratch(&c->conv.shape)
                      : c->own_weights
                          ? conv_weights_scratch(&c->conv.shape, threads)
                          : aligned(c->gradient.bytes) + aligned(c->weight_count * sizeof(float)) +
                                aligned(c->bias.bytes) +
                                max_size(c->backward_weights.scratchpad.bytes, c->unpack_gradient.scratchpad.bytes);
    return emulation_bytes(c) + max_size(pack, max_size(call, gradient));
}

int cpu_conv_create(struct backend *backend, const struct conv_shape *shape, struct conv **out, struct error *error)
{
    if ((shape->k != 1 && shape->k != 3) || shape->cin % shape->groups || shape->cout % shape->groups)
        return error_set(error, "convolution: kernel %d, %d -> %d channels in %d groups is not supported", shape->k,
                         shape->cin, shape->cout, shape->groups);
    if (shape->relu_copy || shape->add_dx)
        return error_set(error, "convolution: the CPU does not take the relu of the residual stream along");
    struct cpu_conv *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(error, "out of memory");
    omp_set_num_threads(backend->threads); /* oneDNN plans for the calling thread's setting */
    dnnl_engine_t engine = state_of(backend)->engine;
    const int padding = 2 * (shape->k / 2);
    c->conv.shape = *shape;
    c->conv.out_h = (shape->h + padding - shape->k) / shape->stride + 1;
    c->conv.out_w = (shape->w + padding - shape->k) / shape->stride + 1;
    c->x_count = (size_t)shape->n * (size_t)(shape->h * shape->w * shape->cin);
    c->y_count = (size_t)shape->n * (size_t)(c->conv.out_h * c->conv.out_w * shape->cout);
    c->weight_count = (size_t)shape->cout * (size_t)(shape->cin / shape->groups * shape->k * shape->k);
    c->emulated = shape->dtype == DTYPE_BF16 && !backend_cpu_has_bf16();
    c->own_weights = conv_weights_fits(shape);

    struct layout l = {0};
    const bool failed =
        layout_make(&c->conv, shape->dtype == DTYPE_BF16 && !c->emulated ? dnnl_bf16 : dnnl_f32, &l, error) ||
        tensor_create(engine, onednn_view_of(&l.x), &c->x, error) ||
        tensor_create(engine, onednn_view_of(&l.y), &c->y, error) ||
        tensor_create(engine, onednn_view_of(&l.bias), &c->bias, error) ||
        tensor_create(engine, onednn_view_of(&l.raw_weights), &c->raw_weights, error) ||
        primitives_create(c, engine, &l, error);
    layout_free(&l);
    if (failed) {
        cpu_conv_destroy(backend, &c->conv);
        return -1;
    }
    c->conv.packed_forward_bytes = c->forward_weights.bytes;
    c->conv.packed_backward_bytes = c->backward_weights_in.bytes;
    c->conv.scratch_bytes = scratch_needed(c, backend->threads);
    *out = &c->conv;
    return 0;
}

void cpu_conv_destroy(struct backend *backend, struct conv *conv)
{
    (void)backend;
    struct cpu_conv *c = (struct cpu_conv *)conv;
    if (!c)
        return;
    struct operation *operations[] = {&c->forward,      &c->backward_data, &c->backward_weights,
                                      &c->pack_forward, &c->pack_backward, &c->unpack_gradient};
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (operations[i]->primitive)
            dnnl_primitive_destroy(operations[i]->primitive);
        if (operations[i]->scratchpad.memory)
            dnnl_memory_destroy(operations[i]->scratchpad.memory);
    }
    struct tensor *tensors[] = {
        &c->x, &c->y, &c->bias, &c->raw_weights, &c->forward_weights, &c->backward_weights_in, &c->gradient};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        if (tensors[i]->memory)
            dnnl_memory_destroy(tensors[i]->memory);
    free(c);
}

/* ---- Running them ---- */

struct binding {
    int argument;
    const struct tensor *tensor;
    void *pointer;
};

static int run(struct backend *backend, const struct operation *operation, void *scratchpad,
               const struct binding *bindings, int count, struct error *error)
{
    dnnl_exec_arg_t arguments[MAX_ARGUMENTS];
    struct conv_state *state = state_of(backend);
    omp_set_num_threads(backend->threads);
    for (int i = 0; i < count; i++) {
        DNNL_CHECK(onednn_bind(bindings[i].tensor->memory, bindings[i].pointer, state->stream));
        arguments[i] = (dnnl_exec_arg_t){bindings[i].argument, bindings[i].tensor->memory};
    }
    if (operation->scratchpad.bytes > 0) {
        DNNL_CHECK(onednn_bind(operation->scratchpad.memory, scratchpad, state->stream));
        arguments[count++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, operation->scratchpad.memory};
    }
    DNNL_CHECK(dnnl_primitive_execute(operation->primitive, state->stream, count, arguments));
    DNNL_CHECK(dnnl_stream_wait(state->stream));
    return 0;
}

int cpu_conv_pack(struct backend *backend, struct conv *conv, const float *weights, void *packed_forward,
                  void *packed_backward, void *scratch, struct error *error)
{
    struct cpu_conv *c = (struct cpu_conv *)conv;
    char *scratchpad = (char *)scratch + aligned(c->weight_count * sizeof(float));
    const float *raw = weights;
    if (c->emulated) { /* bf16's rounding of the weights, kept in fp32: through the packed buffer, which is larger */
        if (cpu_convert(backend, DTYPE_FP32, weights, DTYPE_BF16, packed_forward, c->weight_count, error) ||
            cpu_convert(backend, DTYPE_BF16, packed_forward, DTYPE_FP32, scratch, c->weight_count, error))
            return -1;
        raw = scratch;
    }
    const struct binding from = {DNNL_ARG_FROM, &c->raw_weights, (void *)raw};
    const struct binding forward[] = {from, {DNNL_ARG_TO, &c->forward_weights, packed_forward}};
    if (run(backend, &c->pack_forward, scratchpad, forward, 2, error))
        return -1;
    if (!packed_backward || !c->conv.shape.input_gradient)
        return 0;
    const struct binding backward[] = {from, {DNNL_ARG_TO, &c->backward_weights_in, packed_backward}};
    return run(backend, &c->pack_backward, scratchpad, backward, 2, error);
}

/* Where an fp32 copy of x or y lies in the scratch when emulated. */
static float *emulated_x(const struct cpu_conv *c, void *scratch)
{
    (void)c;
    return scratch;
}

static float *emulated_y(const struct cpu_conv *c, void *scratch)
{
    return (float *)scratch + aligned(c->x_count * sizeof(float)) / sizeof(float);
}

int cpu_conv_forward(struct backend *backend, struct conv *conv, const void *x, const void *packed_forward,
                     const float *bias, void *y, void *y_relu, void *scratch, struct error *error)
{
    (void)y_relu; /* never asked for: see cpu_conv_create */
    struct cpu_conv *c = (struct cpu_conv *)conv;
    void *inner_x = (void *)x, *inner_y = y;
    if (c->emulated) {
        inner_x = emulated_x(c, scratch);
        inner_y = emulated_y(c, scratch);
        if (cpu_convert(backend, DTYPE_BF16, x, DTYPE_FP32, inner_x, c->x_count, error) ||
            (conv->shape.accumulate && cpu_convert(backend, DTYPE_BF16, y, DTYPE_FP32, inner_y, c->y_count, error)))
            return -1;
    }
    const struct binding bindings[] = {{DNNL_ARG_SRC, &c->x, inner_x},
                                       {DNNL_ARG_WEIGHTS, &c->forward_weights, (void *)packed_forward},
                                       {DNNL_ARG_BIAS, &c->bias, (void *)bias},
                                       {DNNL_ARG_DST, &c->y, inner_y}};
    if (run(backend, &c->forward, (char *)scratch + emulation_bytes(c), bindings, 4, error))
        return -1;
    return c->emulated ? cpu_convert(backend, DTYPE_FP32, inner_y, DTYPE_BF16, y, c->y_count, error) : 0;
}

int cpu_conv_backward_data(struct backend *backend, struct conv *conv, const void *x, const void *dy,
                           const void *packed_backward, void *dx, void *scratch, struct error *error)
{
    struct cpu_conv *c = (struct cpu_conv *)conv;
    void *inner_dy = (void *)dy, *inner_dx = dx;
    if (!c->backward_data.primitive)
        return error_set(error, "convolution: made without input_gradient, but its input gradient was asked for");
    if (c->emulated) {
        inner_dx = emulated_x(c, scratch);
        inner_dy = emulated_y(c, scratch);
        if (cpu_convert(backend, DTYPE_BF16, dy, DTYPE_FP32, inner_dy, c->y_count, error))
            return -1;
    }
    const struct binding bindings[] = {{DNNL_ARG_DIFF_DST, &c->y, inner_dy},
                                       {DNNL_ARG_WEIGHTS, &c->backward_weights_in, (void *)packed_backward},
                                       {DNNL_ARG_DIFF_SRC, &c->x, inner_dx}};
    if (run(backend, &c->backward_data, (char *)scratch + emulation_bytes(c), bindings, 3, error))
        return -1;
    if (c->emulated && cpu_convert(backend, DTYPE_FP32, inner_dx, DTYPE_BF16, dx, c->x_count, error))
        return -1;
    const struct conv_shape *shape = &conv->shape;
    return shape->relu_input
               ? cpu_activation_backward(backend, ACTIVATION_RELU, shape->dtype, x, dx, dx, false, c->x_count, error)
               : 0;
}

static void add_to(float *restrict sum, const float *restrict term, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += term[i];
}

/* oneDNN's gradient, out of its own layout; it overwrites, so sums go by a copy. */
static int library_gradient(struct backend *backend, struct cpu_conv *c, void *x, void *dy, float *weight_gradient,
                            float *bias_gradient, bool add, void *scratch, struct error *error)
{
    void *packed = scratch;
    float *weights = (float *)packed + aligned(c->gradient.bytes) / sizeof(float);
    float *bias = weights + aligned(c->weight_count * sizeof(float)) / sizeof(float);
    void *scratchpad = bias + aligned(c->bias.bytes) / sizeof(float);
    const struct binding gradient[] = {{DNNL_ARG_SRC, &c->x, x},
                                       {DNNL_ARG_DIFF_DST, &c->y, dy},
                                       {DNNL_ARG_DIFF_WEIGHTS, &c->gradient, packed},
                                       {DNNL_ARG_DIFF_BIAS, &c->bias, add ? bias : bias_gradient}};
    if (run(backend, &c->backward_weights, scratchpad, gradient, 4, error))
        return -1;
    const struct binding unpack[] = {{DNNL_ARG_FROM, &c->gradient, packed},
                                     {DNNL_ARG_TO, &c->raw_weights, add ? weights : weight_gradient}};
    if (run(backend, &c->unpack_gradient, scratchpad, unpack, 2, error))
        return -1;
    if (add) {
        add_to(weight_gradient, weights, c->weight_count);
        add_to(bias_gradient, bias, (size_t)c->conv.shape.cout);
    }
    return 0;
}

int cpu_conv_backward_weights(struct backend *backend, struct conv *conv, const void *x, const void *dy,
                              float *weight_gradient, float *bias_gradient, bool add, void *scratch,
                              struct error *error)
{
    struct cpu_conv *c = (struct cpu_conv *)conv;
    if (conv->shape.frozen) {
        cpu_bias_gradient(backend, conv, dy, bias_gradient, add, scratch);
        return 0;
    }
    if (c->own_weights) {
        conv_weights_gradient(&conv->shape, conv->out_h, conv->out_w, backend->threads, x, dy, weight_gradient,
                              bias_gradient, add, scratch);
        return 0;
    }
    void *inner_x = (void *)x, *inner_dy = (void *)dy;
    if (c->emulated) {
        inner_x = emulated_x(c, scratch);
        inner_dy = emulated_y(c, scratch);
        if (cpu_convert(backend, DTYPE_BF16, x, DTYPE_FP32, inner_x, c->x_count, error) ||
            cpu_convert(backend, DTYPE_BF16, dy, DTYPE_FP32, inner_dy, c->y_count, error))
            return -1;
    }
    return library_gradient(backend, c, inner_x, inner_dy, weight_gradient, bias_gradient, add,
                            (char *)scratch + emulation_bytes(c), error);
}

void backend_cpu_library(char *text, size_t size)
{
    const dnnl_version_t *version = dnnl_version();
    snprintf(text, size, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
}
