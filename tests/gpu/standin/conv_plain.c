/* Stands in for kernels/cpu/conv.c where a GPU's machine has no oneDNN (make ONEDNN=0): the convolutions by their
 * definition. Slow, and right: what the GPU is compared with. Weights are kept as fp32 values of the shape's dtype. */
#include "kernels/cpu/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cpu_conv_open(struct cpu_backend *backend, struct error *error)
{
    (void)error;
    backend->conv_state = NULL;
    return 0;
}

void cpu_conv_close(struct cpu_backend *backend)
{
    (void)backend;
}

void backend_cpu_library(char *text, size_t size)
{
    snprintf(text, size, "plain loops (built without oneDNN)");
}

static size_t weight_count(const struct conv_shape *s)
{
    return (size_t)s->cout * (size_t)(s->cin / s->groups) * (size_t)(s->k * s->k);
}

int cpu_conv_create(struct backend *backend, const struct conv_shape *shape, struct conv **out, struct error *error)
{
    (void)backend;
    *out = NULL;
    if (shape->relu_copy || shape->add_dx)
        return error_set(error, "convolution: this back end does not fuse the residual stream");
    struct conv *conv = *out = calloc(1, sizeof *conv);
    if (!conv)
        return error_set(error, "out of memory");
    const size_t bytes = weight_count(shape) * sizeof(float);
    *conv = (struct conv){.shape = *shape,
                          .out_h = (shape->h + 2 * (shape->k / 2) - shape->k) / shape->stride + 1,
                          .out_w = (shape->w + 2 * (shape->k / 2) - shape->k) / shape->stride + 1,
                          .packed_forward_bytes = bytes,
                          .packed_backward_bytes = shape->input_gradient ? bytes : 0,
                          .scratch_bytes = bytes};
    return 0;
}

void cpu_conv_destroy(struct backend *backend, struct conv *conv)
{
    (void)backend;
    free(conv);
}

int cpu_conv_pack(struct backend *backend, struct conv *conv, const float *weights, void *packed_forward,
                  void *packed_backward, void *scratch, struct error *error)
{
    const size_t count = weight_count(&conv->shape);
    memcpy(packed_forward, weights, count * sizeof(float));
    if (conv->shape.dtype == DTYPE_BF16 &&
        (cpu_convert(backend, DTYPE_FP32, weights, DTYPE_BF16, scratch, count, error) != 0 ||
         cpu_convert(backend, DTYPE_BF16, scratch, DTYPE_FP32, packed_forward, count, error) != 0))
        return -1;
    if (packed_backward && conv->packed_backward_bytes)
        memcpy(packed_backward, packed_forward, count * sizeof(float));
    return 0;
}

/* ---- Elements of a dtype ---- */

static float load(enum dtype dtype, const void *values, size_t at)
{
    if (dtype == DTYPE_FP32)
        return ((const float *)values)[at];
    const uint32_t bits = (uint32_t)((const uint16_t *)values)[at] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void store(enum dtype dtype, void *values, size_t at, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (dtype == DTYPE_FP32)
        ((float *)values)[at] = value;
    else
        ((uint16_t *)values)[at] = (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/* ---- The three passes ---- */

/* A tap of the kernel at an output position: the input position it reads; false in the padding. */
static bool tap(const struct conv_shape *s, int p, int q, int r, int c, int *y, int *x)
{
    *y = p * s->stride + r - s->k / 2;
    *x = q * s->stride + c - s->k / 2;
    return *y >= 0 && *y < s->h && *x >= 0 && *x < s->w;
}

static size_t input_at(const struct conv_shape *s, int n, int y, int x)
{
    return (size_t)((n * s->h + y) * s->w + x) * (size_t)s->cin;
}

/* The sum over taps and inputs of one output. */
static float output_sum(const struct conv *conv, const void *x, const float *weights, int n, int p, int q, int o)
{
    const struct conv_shape *s = &conv->shape;
    const int inputs = s->cin / s->groups, first = o / (s->cout / s->groups) * inputs;
    float sum = 0;
    int y, column;
    for (int r = 0; r < s->k; r++)
        for (int c = 0; c < s->k; c++) {
            if (!tap(s, p, q, r, c, &y, &column))
                continue;
            const size_t at = input_at(s, n, y, column) + (size_t)first;
            for (int i = 0; i < inputs; i++)
                sum += load(s->dtype, x, at + (size_t)i) * weights[((o * inputs + i) * s->k + r) * s->k + c];
        }
    return sum;
}

int cpu_conv_forward(struct backend *backend, struct conv *conv, const void *x, const void *packed_forward,
                     const float *bias, void *y, void *y_relu, void *scratch, struct error *error)
{
    const struct conv_shape *s = &conv->shape;
    (void)backend, (void)y_relu, (void)scratch, (void)error;
#pragma omp parallel for
    for (int row = 0; row < s->n * conv->out_h; row++)
        for (int q = 0; q < conv->out_w; q++)
            for (int o = 0; o < s->cout; o++) {
                const size_t at = (size_t)(row * conv->out_w + q) * (size_t)s->cout + (size_t)o;
                float value = bias[o] + output_sum(conv, x, packed_forward, row / conv->out_h, row % conv->out_h, q, o);
                if (s->accumulate)
                    value += load(s->dtype, y, at);
                store(s->dtype, y, at, s->relu && value < 0 ? 0 : value);
            }
    return 0;
}

/* Adds to the gradients (cin) of one input position what comes from the outputs that read it. */
static void input_sums(const struct conv *conv, const void *dy, const float *weights, int n, int y, int x, float *sums)
{
    const struct conv_shape *s = &conv->shape;
    const int inputs = s->cin / s->groups, outputs = s->cout / s->groups;
    for (int r = 0; r < s->k; r++)
        for (int c = 0; c < s->k; c++) {
            const int up = y + s->k / 2 - r, left = x + s->k / 2 - c, p = up / s->stride, q = left / s->stride;
            if (up < 0 || left < 0 || up % s->stride || left % s->stride || p >= conv->out_h || q >= conv->out_w)
                continue;
            const size_t at = (size_t)((n * conv->out_h + p) * conv->out_w + q) * (size_t)s->cout;
            for (int o = 0; o < s->cout; o++) {
                const float gradient = load(s->dtype, dy, at + (size_t)o);
                for (int i = 0; i < inputs; i++)
                    sums[o / outputs * inputs + i] += gradient * weights[((o * inputs + i) * s->k + r) * s->k + c];
            }
        }
}

int cpu_conv_backward_data(struct backend *backend, struct conv *conv, const void *x, const void *dy,
                           const void *packed_backward, void *dx, void *scratch, struct error *error)
{
    const struct conv_shape *s = &conv->shape;
    int failed = 0;
    (void)backend, (void)scratch;
#pragma omp parallel for reduction(| : failed)
    for (int row = 0; row < s->n * s->h; row++) {
        float *sums = malloc((size_t)s->cin * sizeof *sums);
        failed |= !sums;
        for (int column = 0; sums && column < s->w; column++) {
            const size_t at = (size_t)(row * s->w + column) * (size_t)s->cin;
            memset(sums, 0, (size_t)s->cin * sizeof *sums);
            input_sums(conv, dy, packed_backward, row / s->h, row % s->h, column, sums);
            for (int i = 0; i < s->cin; i++) {
                const bool masked = s->relu_input && !(load(s->dtype, x, at + (size_t)i) > 0);
                store(s->dtype, dx, at + (size_t)i, masked ? 0 : sums[i]);
            }
        }
        free(sums);
    }
    return failed ? error_set(error, "out of memory") : 0;
}

/* The gradients of the weights of one output unit (NULL: not wanted), and of its bias. */
static void unit_gradient(const struct conv *conv, const void *x, const void *dy, int o, float *weights, float *bias)
{
    const struct conv_shape *s = &conv->shape;
    const int inputs = s->cin / s->groups, first = o / (s->cout / s->groups) * inputs;
    int y, column;
    for (int place = 0; place < s->n * conv->out_h * conv->out_w; place++) {
        const int n = place / (conv->out_h * conv->out_w), p = place / conv->out_w % conv->out_h;
        const float gradient = load(s->dtype, dy, (size_t)place * (size_t)s->cout + (size_t)o);
        *bias += gradient;
        for (int r = 0; weights && r < s->k; r++)
            for (int c = 0; c < s->k; c++) {
                if (!tap(s, p, place % conv->out_w, r, c, &y, &column))
                    continue;
                const size_t at = input_at(s, n, y, column) + (size_t)first;
                for (int i = 0; i < inputs; i++)
                    weights[(i * s->k + r) * s->k + c] += gradient * load(s->dtype, x, at + (size_t)i);
            }
    }
}

int cpu_conv_backward_weights(struct backend *backend, struct conv *conv, const void *x, const void *dy,
                              float *weight_gradient, float *bias_gradient, bool add, void *scratch,
                              struct error *error)
{
    const struct conv_shape *s = &conv->shape;
    const size_t row = weight_count(s) / (size_t)s->cout;
    (void)backend, (void)scratch, (void)error;
#pragma omp parallel for
    for (int o = 0; o < s->cout; o++) {
        float *weights = s->frozen ? NULL : weight_gradient + (size_t)o * row;
        if (!add)
            bias_gradient[o] = 0;
        if (!add && weights)
            memset(weights, 0, row * sizeof *weights);
        unit_gradient(conv, x, dy, o, weights, &bias_gradient[o]);
    }
    return 0;
}
