/* Convolutions of the CPU back end: oneDNN behind the slots of kernels.h, with conv_create.c. Activations stay plain
 * NHWC; only weights are packed as oneDNN likes them best, once a step. All scratch memory is the caller's, so that a
 * step allocates nothing of any size. On processors without bf16, bf16 convolutions are computed in fp32 on converted
 * operands: the same results to rounding, slower. */
#include "kernels/cpu/conv.h"

#include "kernels/cpu/conv_weights.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_ARGUMENTS = 6, ALIGNMENT = 64 };

struct conv_state {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
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

    if (conv_primitives_create(c, engine, error)) {
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
    conv_primitives_destroy(c);
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
