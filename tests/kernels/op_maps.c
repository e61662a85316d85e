/* Op cases on whole maps: pooling and the residual sum. */
#include "tests/kernels/op_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t map_count(const struct op_case *c)
{
    return (size_t)c->n * (size_t)c->h * (size_t)c->w * (size_t)c->c;
}

/* A case with `relu` pools the relu of its input, whose mask the pooling's backward applies. */
static double pooled_value(const struct op_case *c, double value)
{
    return c->relu && value < 0.0 ? 0.0 : value;
}

static const void *upload_pooled(const struct op_case *c, struct rig *rig, const double *in)
{
    double *values = malloc(map_count(c) * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < map_count(c); i++)
        values[i] = pooled_value(c, in[i]);
    const void *x = rig_upload(rig, rig->dtype, values, map_count(c));
    free(values);
    return x;
}

/* ---- 2x2 mean ---- */

static struct op_shape average_shape(const struct op_case *c)
{
    struct op_shape shape = {.inputs = {{.count = map_count(c), .rounded = true, .scale = 1.0}},
                             .input_count = 1,
                             .output_count = map_count(c) / 4,
                             .output_rounded = true};
    return shape;
}

static void average_reference(const struct op_case *c, double *const in[], double *out)
{
    memset(out, 0, map_count(c) / 4 * sizeof *out);
    for (int n = 0; n < c->n; n++)
        for (int y = 0; y < c->h; y++)
            for (int x = 0; x < c->w; x++)
                for (int i = 0; i < c->c; i++)
                    out[((n * (c->h / 2) + y / 2) * (c->w / 2) + x / 2) * c->c + i] +=
                        0.25 * pooled_value(c, in[0][((n * c->h + y) * c->w + x) * c->c + i]);
}

static void average_forward(const struct op_case *c, struct rig *rig, double *const in[], double *out)
{
    struct backend *b = rig->backend;
    const void *x = upload_pooled(c, rig, in[0]);
    void *y = rig_poisoned(rig, rig->dtype, map_count(c) / 4);
    RIG_CALL(rig, b->average_pool_forward(b, rig->dtype, x, y, c->n, c->h, c->w, c->c, &error));
    rig_download(rig, rig->dtype, y, out, map_count(c) / 4);
}

static void average_backward(const struct op_case *c, struct rig *rig, double *const in[], const double *dout,
                             double *const din[])
{
    struct backend *b = rig->backend;
    const void *relu_x = c->relu ? upload_pooled(c, rig, in[0]) : NULL;
    const void *dy = rig_upload(rig, rig->dtype, dout, map_count(c) / 4);
    op_fill_prior(din[0], map_count(c), c->add);
    void *dx = rig_upload(rig, rig->dtype, din[0], map_count(c));
    RIG_CALL(rig, b->average_pool_backward(b, rig->dtype, relu_x, dy, dx, c->add, c->n, c->h, c->w, c->c, &error));
    rig_download(rig, rig->dtype, dx, din[0], map_count(c));
    op_take_prior(din[0], map_count(c), c->add);
}

const struct op average_pool_op = {.name = "average pool",
                                   .shape = average_shape,
                                   .reference = average_reference,
                                   .forward = average_forward,
                                   .backward = average_backward};

/* ---- Mean over all positions ---- */

static struct op_shape global_shape(const struct op_case *c)
{
    struct op_shape shape = {.inputs = {{.count = map_count(c), .rounded = true, .scale = 1.0}},
                             .input_count = 1,
                             .output_count = (size_t)c->n * (size_t)c->c};
    return shape;
}

static void global_reference(const struct op_case *c, double *const in[], double *out)
{
    int spatial = c->h * c->w;
    memset(out, 0, (size_t)c->n * (size_t)c->c * sizeof *out);
    for (int row = 0; row < c->n * spatial; row++)
        for (int i = 0; i < c->c; i++)
            out[row / spatial * c->c + i] += (double)c->scale / spatial * pooled_value(c, in[0][row * c->c + i]);
}

static void global_forward(const struct op_case *c, struct rig *rig, double *const in[], double *out)
{
    struct backend *b = rig->backend;
    size_t count = (size_t)c->n * (size_t)c->c;
    const void *x = upload_pooled(c, rig, in[0]);
    float *y = rig_poisoned(rig, DTYPE_FP32, count);
    RIG_CALL(rig, b->global_pool_forward(b, rig->dtype, x, y, c->scale, c->n, c->h * c->w, c->c, &error));
    rig_download(rig, DTYPE_FP32, y, out, count);
}

static void global_backward(const struct op_case *c, struct rig *rig, double *const in[], const double *dout,
                            double *const din[])
{
    struct backend *b = rig->backend;
    const void *relu_x = c->relu ? upload_pooled(c, rig, in[0]) : NULL;
    const float *dy = rig_upload(rig, DTYPE_FP32, dout, (size_t)c->n * (size_t)c->c);
    op_fill_prior(din[0], map_count(c), c->add);
    void *dx = rig_upload(rig, rig->dtype, din[0], map_count(c));
    RIG_CALL(rig,
             b->global_pool_backward(b, rig->dtype, relu_x, dy, dx, c->scale, c->add, c->n, c->h * c->w, c->c, &error));
    rig_download(rig, rig->dtype, dx, din[0], map_count(c));
    op_take_prior(din[0], map_count(c), c->add);
}

const struct op global_pool_op = {.name = "global pool",
                                  .shape = global_shape,
                                  .reference = global_reference,
                                  .forward = global_forward,
                                  .backward = global_backward};

/* ---- Residual sum: inputs x, branch, channel gates, skip gain; samples kept or dropped by a fixed pattern ---- */

enum { X, BRANCH, CHANNEL, SKIP };

static double sample_kept(const struct op_case *c, int sample)
{
    return c->sample && sample % 3 == 1 ? 0.0 : 1.0;
}

static struct op_shape residual_shape(const struct op_case *c)
{
    struct op_shape shape = {
        .inputs = {{.count = map_count(c), .rounded = true, .scale = 1.0, .fixed = true},
                   {.count = map_count(c), .rounded = true, .scale = 1.0},
                   {.count = (size_t)c->n * (size_t)c->c, .scale = 0.3, .shift = 1.0, .fixed = !c->channel},
                   {.count = 1, .shift = c->skip_value, .fixed = !c->skip}},
        .input_count = 4,
        .output_count = map_count(c),
        .output_rounded = true};
    return shape;
}

static void residual_reference(const struct op_case *c, double *const in[], double *out)
{
    int spatial = c->h * c->w;
    for (int row = 0; row < c->n * spatial; row++) {
        int sample = row / spatial;
        double factor = (double)c->scale * sample_kept(c, sample) * (c->skip ? in[SKIP][0] : 1.0);
        for (int i = 0; i < c->c; i++)
            out[row * c->c + i] = in[X][row * c->c + i] + factor * (c->channel ? in[CHANNEL][sample * c->c + i] : 1.0) *
                                                              in[BRANCH][row * c->c + i];
    }
}

static struct residual_gate make_gate(const struct op_case *c, struct rig *rig, double *const in[])
{
    struct residual_gate gate = {.alpha = c->scale};
    double kept[64];
    for (int i = 0; i < c->n; i++)
        kept[i] = sample_kept(c, i);
    if (c->sample)
        gate.sample = rig_upload(rig, DTYPE_FP32, kept, (size_t)c->n);
    if (c->channel)
        gate.channel = rig_upload(rig, DTYPE_FP32, in[CHANNEL], (size_t)c->n * (size_t)c->c);
    if (c->skip)
        gate.skip_gain = rig_upload(rig, DTYPE_FP32, in[SKIP], 1);
    return gate;
}

static void residual_forward(const struct op_case *c, struct rig *rig, double *const in[], double *out)
{
    struct backend *b = rig->backend;
    struct residual_gate gate = make_gate(c, rig, in);
    void *x = rig_upload(rig, rig->dtype, in[X], map_count(c));
    const void *branch = rig_upload(rig, rig->dtype, in[BRANCH], map_count(c));
    RIG_CALL(rig, b->residual_add_forward(b, rig->dtype, x, branch, &gate, c->n, c->h * c->w, c->c, &error));
    rig_download(rig, rig->dtype, x, out, map_count(c));
}

static void residual_backward(const struct op_case *c, struct rig *rig, double *const in[], const double *dout,
                              double *const din[])
{
    struct backend *b = rig->backend;
    size_t gates = (size_t)c->n * (size_t)c->c;
    struct residual_gate gate = make_gate(c, rig, in);
    const void *dx = rig_upload(rig, rig->dtype, dout, map_count(c));
    const void *branch = rig_upload(rig, rig->dtype, in[BRANCH], map_count(c));
    void *dbranch = rig_poisoned(rig, rig->dtype, map_count(c));
    float *scratch = rig_poisoned(rig, DTYPE_FP32, gates);
    op_fill_prior(din[SKIP], 1, c->add);
    float *dchannel = c->channel ? rig_poisoned(rig, DTYPE_FP32, gates) : NULL;
    float *dskip = c->skip ? rig_upload(rig, DTYPE_FP32, din[SKIP], 1) : NULL;
    RIG_CALL(rig, b->residual_add_backward(b, rig->dtype, dx, branch, &gate, dbranch, dchannel, dskip, c->add, scratch,
                                           c->n, c->h * c->w, c->c, &error));
    rig_download(rig, rig->dtype, dbranch, din[BRANCH], map_count(c));
    if (dchannel)
        rig_download(rig, DTYPE_FP32, dchannel, din[CHANNEL], gates);
    if (dskip)
        rig_download(rig, DTYPE_FP32, dskip, din[SKIP], 1);
    op_take_prior(din[SKIP], 1, c->add);
}

const struct op residual_op = {.name = "residual",
                               .shape = residual_shape,
                               .reference = residual_reference,
                               .forward = residual_forward,
                               .backward = residual_backward};
