/* Op cases: activations, the squeeze-excite gate, dropout, conversion. */
#include "kernels/philox.h"
#include "tests/kernels/op_cases.h"

#include <math.h>

static size_t count_of(const struct op_case *c)
{
    return (size_t)c->n * (size_t)c->c;
}

static struct op_shape activation_shape(const struct op_case *c)
{
    struct op_shape shape = {.inputs = {{.count = count_of(c), .rounded = true, .scale = c->scale}},
                             .input_count = 1,
                             .output_count = count_of(c),
                             .output_rounded = true};
    return shape;
}

static double act(enum activation activation, double x)
{
    switch (activation) {
    case ACTIVATION_RELU:
        return x > 0.0 ? x : 0.0;
    case ACTIVATION_GELU:
        return 0.5 * x * (1.0 + erf(x / sqrt(2.0)));
    case ACTIVATION_SILU:
        return x / (1.0 + exp(-x));
    case ACTIVATION_TANH:
        return tanh(x);
    }
    return NAN;
}

static void activation_reference(const struct op_case *c, double *const in[], double *out)
{
    for (size_t i = 0; i < count_of(c); i++)
        out[i] = act(c->activation, in[0][i]);
}

static void activation_forward(const struct op_case *c, struct rig *rig, double *const in[], double *out)
{
    struct backend *b = rig->backend;
    size_t count = count_of(c);
    void *x = rig_upload(rig, rig->dtype, in[0], count);
    void *y = c->in_place ? x : rig_poisoned(rig, rig->dtype, count);
    RIG_CALL(rig, b->activation_forward(b, c->activation, rig->dtype, x, y, count, &error));
    rig_download(rig, rig->dtype, y, out, count);
}

static void activation_backward(const struct op_case *c, struct rig *rig, double *const in[], const double *dout,
                                double *const din[])
{
    struct backend *b = rig->backend;
    size_t count = count_of(c);
    void *x = rig_upload(rig, rig->dtype, in[0], count), *dy = rig_upload(rig, rig->dtype, dout, count);
    op_fill_prior(din[0], count, c->add);
    void *dx = c->in_place ? dy : rig_upload(rig, rig->dtype, din[0], count);
    RIG_CALL(rig, b->activation_backward(b, c->activation, rig->dtype, x, dy, dx, c->add, count, &error));
    rig_download(rig, rig->dtype, dx, din[0], count);
    op_take_prior(din[0], count, c->add);
}

const struct op activation_op = {.name = "activation",
                                 .shape = activation_shape,
                                 .reference = activation_reference,
                                 .forward = activation_forward,
                                 .backward = activation_backward};

static struct op_shape fp32_shape(const struct op_case *c)
{
    struct op_shape shape = {
        .inputs = {{.count = count_of(c), .scale = 2.0}}, .input_count = 1, .output_count = count_of(c)};
    return shape;
}

static void gate_reference(const struct op_case *c, double *const in[], double *out)
{
    for (size_t i = 0; i < count_of(c); i++)
        out[i] = 2.0 / (1.0 + exp(-in[0][i]));
}

static float *gate_run(const struct op_case *c, struct rig *rig, double *const in[])
{
    struct backend *b = rig->backend;
    size_t count = count_of(c);
    float *x = rig_upload(rig, DTYPE_FP32, in[0], count), *y = rig_poisoned(rig, DTYPE_FP32, count);
    RIG_CALL(rig, b->gate_forward(b, x, y, count, &error));
    return y;
}

static void gate_forward(const struct op_case *c, struct rig *rig, double *const in[], double *out)
{
    rig_download(rig, DTYPE_FP32, gate_run(c, rig, in), out, count_of(c));
}

static void gate_backward(const struct op_case *c, struct rig *rig, double *const in[], const double *dout,
                          double *const din[])
{
    struct backend *b = rig->backend;
    size_t count = count_of(c);
    const float *y = gate_run(c, rig, in);
    float *dy = rig_upload(rig, DTYPE_FP32, dout, count), *dx = rig_poisoned(rig, DTYPE_FP32, count);
    RIG_CALL(rig, b->gate_backward(b, y, dy, dx, count, &error));
    rig_download(rig, DTYPE_FP32, dx, din[0], count);
}

const struct op gate_op = {.name = "gate",
                           .fp32_only = true,
                           .shape = fp32_shape,
                           .reference = gate_reference,
                           .forward = gate_forward,
                           .backward = gate_backward};

enum { DROPOUT_SEED = 11, DROPOUT_STEP = 5, DROPOUT_FIRST = 40 };

static void dropout_reference(const struct op_case *c, double *const in[], double *out)
{
    for (size_t i = 0; i < count_of(c); i++) {
        struct philox draw = philox_draw(DROPOUT_SEED, PHILOX_DROPOUT, DROPOUT_STEP, (DROPOUT_FIRST + i) / 4, 0);
        bool kept = philox_uniform(draw.word[i % 4]) >= c->scale;
        out[i] = kept ? in[0][i] / (1.0 - (double)c->scale) : 0.0;
    }
}

static void dropout_call(const struct op_case *c, struct rig *rig, const double *in, double *out)
{
    struct backend *b = rig->backend;
    size_t count = count_of(c);
    float *x = rig_upload(rig, DTYPE_FP32, in, count);
    float *y = c->in_place ? x : rig_poisoned(rig, DTYPE_FP32, count);
    const struct step_values *values = rig_values(rig, DROPOUT_STEP, NULL);
    RIG_CALL(rig, b->dropout(b, x, y, c->scale, DROPOUT_SEED, values, DROPOUT_FIRST, count, &error));
    rig_download(rig, DTYPE_FP32, y, out, count);
}

static void dropout_forward(const struct op_case *c, struct rig *rig, double *const in[], double *out)
{
    dropout_call(c, rig, in[0], out);
}

static void dropout_backward(const struct op_case *c, struct rig *rig, double *const in[], const double *dout,
                             double *const din[])
{
    (void)in;
    dropout_call(c, rig, dout, din[0]);
}

const struct op dropout_op = {.name = "dropout",
                              .fp32_only = true,
                              .shape = fp32_shape,
                              .reference = dropout_reference,
                              .forward = dropout_forward,
                              .backward = dropout_backward};

/* fp32 -> the case's dtype; `in_place` means back to fp32 too. */
static struct op_shape convert_shape(const struct op_case *c)
{
    struct op_shape shape = fp32_shape(c);
    shape.output_rounded = true;
    return shape;
}

static void convert_reference(const struct op_case *c, double *const in[], double *out)
{
    for (size_t i = 0; i < count_of(c); i++)
        out[i] = in[0][i];
}

static void convert_forward(const struct op_case *c, struct rig *rig, double *const in[], double *out)
{
    struct backend *b = rig->backend;
    size_t count = count_of(c);
    const void *x = rig_upload(rig, DTYPE_FP32, in[0], count);
    void *y = rig_poisoned(rig, rig->dtype, count);
    RIG_CALL(rig, b->convert(b, DTYPE_FP32, x, rig->dtype, y, count, &error));
    if (c->in_place) {
        void *back = rig_poisoned(rig, DTYPE_FP32, count);
        RIG_CALL(rig, b->convert(b, rig->dtype, y, DTYPE_FP32, back, count, &error));
        rig_download(rig, DTYPE_FP32, back, out, count);
    } else {
        rig_download(rig, rig->dtype, y, out, count);
    }
}

const struct op convert_op = {
    .name = "convert", .shape = convert_shape, .reference = convert_reference, .forward = convert_forward};
