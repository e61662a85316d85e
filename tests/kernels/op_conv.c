/* Op case: convolution. The reference is the definition: seven loops. */
#include "tests/kernels/op_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct size {
    int out_h, out_w, in_group, out_group;
    size_t x, w, y;
};

static struct size size_of(const struct conv_shape *s)
{
    struct size z;
    z.out_h = (s->h + 2 * (s->k / 2) - s->k) / s->stride + 1;
    z.out_w = (s->w + 2 * (s->k / 2) - s->k) / s->stride + 1;
    z.in_group = s->cin / s->groups;
    z.out_group = s->cout / s->groups;
    z.x = (size_t)s->n * (size_t)s->h * (size_t)s->w * (size_t)s->cin;
    z.w = (size_t)s->cout * (size_t)z.in_group * (size_t)(s->k * s->k);
    z.y = (size_t)s->n * (size_t)z.out_h * (size_t)z.out_w * (size_t)s->cout;
    return z;
}

/* Inputs: x, weights, bias, and what is accumulated to. */
static struct op_shape shape(const struct op_case *c)
{
    struct size z = size_of(&c->conv);
    struct op_shape shape = {.inputs = {{.count = z.x, .rounded = true, .scale = 1.0},
                                        {.count = z.w, .rounded = true, .fixed = c->conv.frozen, .scale = 0.5},
                                        {.count = (size_t)c->conv.cout, .rounded = true, .scale = 0.5},
                                        {.count = z.y, .rounded = true, .fixed = true, .scale = 1.0}},
                             .input_count = c->conv.accumulate ? 4 : 3,
                             .output_count = z.y,
                             .output_rounded = true};
    return shape;
}

/* Where x is a relu's output, the case's input is what goes into that relu. */
static double input_at(const struct conv_shape *s, const double *x, int at)
{
    return s->relu_input && x[at] < 0.0 ? 0.0 : x[at];
}

static double pixel(const struct conv_shape *s, const struct size *z, double *const in[], int n, int oy, int ox, int o)
{
    double sum = in[2][o];
    int first = o / z->out_group * z->in_group;
    for (int i = 0; i < z->in_group; i++)
        for (int ky = 0; ky < s->k; ky++)
            for (int kx = 0; kx < s->k; kx++) {
                int y = oy * s->stride + ky - s->k / 2, x = ox * s->stride + kx - s->k / 2;
                if (y >= 0 && y < s->h && x >= 0 && x < s->w)
                    sum += input_at(s, in[0], ((n * s->h + y) * s->w + x) * s->cin + first + i) *
                           in[1][((o * z->in_group + i) * s->k + ky) * s->k + kx];
            }
    return sum;
}

static void reference(const struct op_case *c, double *const in[], double *out)
{
    const struct conv_shape *s = &c->conv;
    struct size z = size_of(s);
    size_t at = 0;
    for (int n = 0; n < s->n; n++)
        for (int y = 0; y < z.out_h; y++)
            for (int x = 0; x < z.out_w; x++)
                for (int o = 0; o < s->cout; o++, at++) {
                    double value = pixel(s, &z, in, n, y, x, o) + (s->accumulate ? in[3][at] : 0.0);
                    out[at] = s->relu && value < 0.0 ? 0.0 : value;
                }
}

/* A convolution with its tensors on the device, after its forward. */
struct made {
    struct conv *conv;
    void *x, *y, *scratch, *forward, *backward;
    float *bias;
};

/* The relu that was taken along is that of the result, to the bit. */
static void expect_relu(const struct op_case *c, struct rig *rig, const void *y, const void *y_relu, size_t count)
{
    double *value = malloc(count * sizeof *value), *relu = malloc(count * sizeof *relu);
    assert_true(value && relu);
    rig_download(rig, rig->dtype, y, value, count);
    rig_download(rig, rig->dtype, y_relu, relu, count);
    for (size_t i = 0; i < count; i++)
        if (!(relu[i] == (value[i] > 0.0 ? value[i] : 0.0)))
            fail_msg("convolution, %s: relu of %g (element %zu) is %g", c->name, value[i], i, relu[i]);
    free(value);
    free(relu);
}

static struct made run_forward(const struct op_case *c, struct rig *rig, double *const in[])
{
    struct backend *b = rig->backend;
    struct conv_shape s = c->conv;
    struct size z = size_of(&s);
    struct error error = {""};
    struct made m = {0};
    s.dtype = rig->dtype;
    s.tf32 = rig->tf32;
    s.relu_copy &= b->fuses_stream; /* elsewhere operations of their own, with cases of their own */
    s.add_dx &= b->fuses_stream;
    if (b->conv_create(b, &s, &m.conv, &error))
        rig_failed("conv_create", error.message);
    double *input = malloc(z.x * sizeof *input);
    assert_non_null(input);
    for (size_t i = 0; i < z.x; i++)
        input[i] = input_at(&s, in[0], (int)i);
    m.x = rig_upload(rig, rig->dtype, input, z.x);
    free(input);
    float *weights = rig_upload(rig, DTYPE_FP32, in[1], z.w);
    m.bias = rig_upload(rig, DTYPE_FP32, in[2], (size_t)s.cout);
    m.y = s.accumulate ? rig_upload(rig, rig->dtype, in[3], z.y) : rig_poisoned(rig, rig->dtype, z.y);
    m.scratch = rig_bytes(rig, m.conv->scratch_bytes);
    m.forward = rig_bytes(rig, m.conv->packed_forward_bytes);
    if (m.conv->packed_backward_bytes && s.input_gradient)
        m.backward = rig_bytes(rig, m.conv->packed_backward_bytes);
    size_t rows = (size_t)s.cout;
    const struct ws_layer layer = {.mode = WS_OFF,
                                   .rows = s.cout,
                                   .fan_in = s.cin / s.groups * s.k * s.k,
                                   .weight = weights,
                                   .bias = m.bias,
                                   .in_scale = 1.0f,
                                   .out_scale = 1.0f,
                                   .effective = rig_bytes(rig, z.w * sizeof(float)),
                                   .effective_bias = rig_bytes(rig, rows * sizeof(float)),
                                   .row_moments = rig_bytes(rig, 2 * rows * sizeof(float)),
                                   .conv = m.conv,
                                   .packed_forward = m.forward,
                                   .packed_backward = m.backward};
    rig_weights(rig, &layer, m.scratch, false);
    rig->seconds = 0.0; /* the convolution's time alone is wanted */
    void *y_relu = s.relu_copy ? rig_poisoned(rig, rig->dtype, z.y) : NULL;
    RIG_CALL(rig, b->conv_forward(b, m.conv, m.x, m.forward, m.bias, m.y, y_relu, m.scratch, &error));
    if (y_relu)
        expect_relu(c, rig, m.y, y_relu, z.y);
    return m;
}

static void forward(const struct op_case *c, struct rig *rig, double *const in[], double *out)
{
    struct made m = run_forward(c, rig, in);
    rig_download(rig, rig->dtype, m.y, out, size_of(&c->conv).y);
    rig->backend->conv_destroy(rig->backend, m.conv);
}

static void backward(const struct op_case *c, struct rig *rig, double *const in[], const double *dout,
                     double *const din[])
{
    struct backend *b = rig->backend;
    struct size z = size_of(&c->conv);
    size_t cout = (size_t)c->conv.cout;
    struct made m = run_forward(c, rig, in);
    rig->seconds = 0.0;
    const bool add_dx = m.conv->shape.add_dx;
    op_fill_prior(din[0], z.x, add_dx);
    void *dy = rig_upload(rig, rig->dtype, dout, z.y), *dx = rig_upload(rig, rig->dtype, din[0], z.x);
    struct error relu_error = {""};
    if (c->conv.relu && b->activation_backward(b, ACTIVATION_RELU, rig->dtype, m.y, dy, dy, false, z.y, &relu_error))
        rig_failed("activation_backward", relu_error.message);
    if (!c->conv.frozen)
        op_fill_prior(din[1], z.w, c->add);
    op_fill_prior(din[2], cout, c->add);
    float *dw = c->conv.frozen ? NULL : rig_upload(rig, DTYPE_FP32, din[1], z.w);
    float *db = rig_upload(rig, DTYPE_FP32, din[2], cout);
    RIG_CALL(rig, b->conv_backward_weights(b, m.conv, m.x, dy, dw, db, c->add, m.scratch, &error));
    rig_download(rig, DTYPE_FP32, db, din[2], cout);
    if (dw) {
        rig_download(rig, DTYPE_FP32, dw, din[1], z.w);
        op_take_prior(din[1], z.w, c->add);
    }
    op_take_prior(din[2], cout, c->add);
    if (c->conv.input_gradient) {
        const void *packed = m.backward ? m.backward : m.forward;
        RIG_CALL(rig, b->conv_backward_data(b, m.conv, m.x, dy, packed, dx, m.scratch, &error));
        rig_download(rig, rig->dtype, dx, din[0], z.x);
        op_take_prior(din[0], z.x, add_dx);
    } else {
        memset(din[0], 0, z.x * sizeof *din[0]);
    }
    b->conv_destroy(b, m.conv);
}

const struct op conv_op = {
    .name = "convolution", .shape = shape, .reference = reference, .forward = forward, .backward = backward};
