/* How a back end is held to the op table; see op_checks.h. */
#include "tests/kernels/op_checks.h"
#include "kernels/philox.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static double *reals(size_t count)
{
    double *values = calloc(count + 1, sizeof *values);
    assert_non_null(values);
    return values;
}

static void fill(const struct op_input *input, enum dtype dtype, uint32_t stream, double *values)
{
    rig_normal(stream, values, input->count);
    for (size_t i = 0; i < input->count; i++) {
        double z = values[i];
        if (input->fill == FILL_BINARY)
            values[i] = z > 0.0 ? 1.0 : 0.0;
        else if (input->fill == FILL_LABEL)
            values[i] = floor(fabs(fmod(z, 1.0)) * input->scale);
        else
            values[i] = round_to(input->rounded ? dtype : DTYPE_FP32, input->shift + input->scale * z);
    }
}

struct op_values op_values_make(const struct op_case *c, enum dtype dtype)
{
    struct op_values v = {.shape = c->op->shape(c)};
    for (int i = 0; i < v.shape.input_count; i++) {
        v.in[i] = reals(v.shape.inputs[i].count);
        v.gradient[i] = reals(v.shape.inputs[i].count);
        fill(&v.shape.inputs[i], dtype, (uint32_t)i, v.in[i]);
    }
    v.out = reals(v.shape.output_count);
    v.reference = reals(v.shape.output_count);
    v.dout = reals(v.shape.output_count);
    struct op_input dout = {.count = v.shape.output_count, .rounded = v.shape.output_rounded, .scale = 1.0};
    fill(&dout, dtype, OP_INPUTS, v.dout);
    return v;
}

void op_values_free(struct op_values *v)
{
    for (int i = 0; i < v->shape.input_count; i++) {
        free(v->in[i]);
        free(v->gradient[i]);
    }
    free(v->out);
    free(v->reference);
    free(v->dout);
}

void op_run_forward(const struct op_case *c, struct backend *backend, enum dtype dtype, struct op_values *v)
{
    struct rig rig = {.backend = backend, .dtype = dtype, .tf32 = v->tf32, .repeats = 1};
    rig_begin(&rig);
    c->op->forward(c, &rig, v->in, v->out);
    rig_end(&rig);
}

void op_run_backward(const struct op_case *c, struct backend *backend, enum dtype dtype, struct op_values *v)
{
    struct rig rig = {.backend = backend, .dtype = dtype, .tf32 = v->tf32, .repeats = 1};
    rig_begin(&rig);
    c->op->backward(c, &rig, v->in, v->dout, v->gradient);
    rig_end(&rig);
}

bool op_has_backward(const struct op_case *c)
{
    return c->op->backward && !(c->op == &batch_norm_op && !c->training);
}

void op_run(const struct op_case *c, struct backend *backend, enum dtype dtype, struct op_values *v)
{
    op_run_forward(c, backend, dtype, v);
    if (op_has_backward(c))
        op_run_backward(c, backend, dtype, v);
}

int op_widest_dtype(const struct op_case *c)
{
    return c->op->fp32_only ? DTYPE_FP32 : DTYPE_BF16;
}

static double root_mean_square(const double *values, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += values[i] * values[i];
    return count ? sqrt(sum / (double)count) : 0.0;
}

static void expect_close(const struct op_case *c, const char *what, const double *got, const double *expected,
                         size_t count, double tolerance)
{
    double floor = root_mean_square(expected, count);
    for (size_t i = 0; i < count; i++) {
        double allowed = tolerance * (fabs(expected[i]) + floor);
        if (!(fabs(got[i] - expected[i]) <= allowed))
            fail_msg("%s, %s: %s: element %zu of %zu is %.9g, expected %.9g within %.2g", c->op->name, c->name, what, i,
                     count, got[i], expected[i], allowed);
    }
}

static void check_forward(const struct op_case *c, struct backend *backend, enum dtype dtype)
{
    struct op_values v = op_values_make(c, dtype);
    c->op->reference(c, v.in, v.reference);
    op_run_forward(c, backend, dtype, &v);
    expect_close(c, dtype == DTYPE_FP32 ? "fp32" : "bf16", v.out, v.reference, v.shape.output_count,
                 dtype == DTYPE_BF16 && v.shape.output_rounded ? 5e-3 : 1e-5);
    op_values_free(&v);
}

void op_check_forward(struct backend *backend)
{
    for (int i = 0; i < op_case_count; i++)
        for (int dtype = DTYPE_FP32; dtype <= op_widest_dtype(&op_cases[i]); dtype++)
            check_forward(&op_cases[i], backend, (enum dtype)dtype);
}

/* Sum of dout * reference(in). */
static double projection(const struct op_case *c, struct op_values *v)
{
    double sum = 0.0;
    c->op->reference(c, v->in, v->reference);
    for (size_t i = 0; i < v->shape.output_count; i++)
        sum += v->dout[i] * v->reference[i];
    return sum;
}

/* The derivative of the projection along `direction` of input `i`, by a central difference. */
static double difference(const struct op_case *c, struct op_values *v, int i, const double *direction)
{
    const struct op_input *input = &v->shape.inputs[i];
    double h = 1e-5 * (input->scale > 0.0 ? input->scale : 1.0), side[2];
    double *at = v->in[i], *moved = reals(input->count);
    v->in[i] = moved;
    for (int s = 0; s < 2; s++) {
        for (size_t j = 0; j < input->count; j++)
            moved[j] = at[j] + (s ? -h : h) * direction[j];
        side[s] = projection(c, v);
    }
    v->in[i] = at;
    free(moved);
    return (side[0] - side[1]) / (2.0 * h);
}

enum { DIRECTIONS = 2, COORDINATES = 4 };

/* Random directions see every element, single coordinates see small ones. */
static void check_input_gradient(const struct op_case *c, struct op_values *v, int i)
{
    size_t count = v->shape.inputs[i].count;
    double *direction = reals(count), rms = root_mean_square(v->gradient[i], count);
    for (int d = 0; d < DIRECTIONS + COORDINATES; d++) {
        memset(direction, 0, count * sizeof *direction);
        if (d < DIRECTIONS)
            rig_normal(100 + (uint32_t)d, direction, count);
        else
            direction[philox_draw(2, PHILOX_SYNTHETIC, (uint32_t)d, 0, 0).word[0] % count] = 1.0;
        double analytic = 0.0, length = 0.0;
        for (size_t j = 0; j < count; j++) {
            analytic += v->gradient[i][j] * direction[j];
            length += direction[j] * direction[j];
        }
        double numeric = difference(c, v, i, direction), allowed = 2e-4 * (rms * sqrt(length) + 1e-6);
        if (!(fabs(analytic - numeric) <= allowed))
            fail_msg("%s, %s: gradient of input %d along direction %d is %.9g, finite differences give %.9g (%.2g "
                     "allowed)",
                     c->op->name, c->name, i, d, analytic, numeric, allowed);
    }
    free(direction);
}

void op_check_backward(struct backend *backend)
{
    for (int k = 0; k < op_case_count; k++) {
        const struct op_case *c = &op_cases[k];
        if (!op_has_backward(c))
            continue;
        struct op_values v = op_values_make(c, DTYPE_FP32);
        op_run_backward(c, backend, DTYPE_FP32, &v);
        for (int i = 0; i < v.shape.input_count; i++) {
            bool unwanted = c->op == &conv_op && i == 0 && !c->conv.input_gradient;
            if (!v.shape.inputs[i].fixed && !unwanted)
                check_input_gradient(c, &v, i);
        }
        op_values_free(&v);
    }
}

void op_check_bf16(struct backend *backend)
{
    for (int i = 0; i < op_case_count; i++) {
        const struct op_case *c = &op_cases[i];
        if (c->op->fp32_only)
            continue;
        struct op_values half = op_values_make(c, DTYPE_BF16), full = op_values_make(c, DTYPE_BF16);
        op_run_forward(c, backend, DTYPE_BF16, &half);
        op_run_forward(c, backend, DTYPE_FP32, &full);
        expect_close(c, "bf16 beside fp32", half.out, full.out, half.shape.output_count, 5e-3);
        if (op_has_backward(c)) {
            op_run_backward(c, backend, DTYPE_BF16, &half);
            op_run_backward(c, backend, DTYPE_FP32, &full);
            for (int k = 0; k < half.shape.input_count; k++)
                if (!half.shape.inputs[k].fixed)
                    expect_close(c, "gradient, bf16 beside fp32", half.gradient[k], full.gradient[k],
                                 half.shape.inputs[k].count, 1.5e-2);
        }
        op_values_free(&half);
        op_values_free(&full);
    }
}

/* Distance of two tensors over the length of the second. */
static double norm_distance(const double *a, const double *b, size_t count)
{
    double apart = 0.0, length = 0.0;
    for (size_t i = 0; i < count; i++) {
        apart += (a[i] - b[i]) * (a[i] - b[i]);
        length += b[i] * b[i];
    }
    return length > 0.0 ? sqrt(apart / length) : sqrt(apart);
}

enum { TF32_MULTIPLE = 4 }; /* of channels, that the tensor cores want */

/* Both factors are up to 2^-11 off: 3e-4 of the sum's length. Cut off instead of rounded they would all be too small,
 * together by 7e-4 more; cuBLAS, which computes plain products, does not say which it does. */
static void expect_tf32(const struct op_case *c, const char *what, const double *got, const double *exact, size_t count)
{
    const struct conv_shape *s = &c->conv;
    const double apart = norm_distance(got, exact, count);
    const bool used = s->groups == 1 && s->cin % TF32_MULTIPLE == 0 && s->cout % TF32_MULTIPLE == 0;
    if (!(apart < (s->k == 1 && s->stride == 1 ? 1.2e-3 : 6e-4)) || (used && apart < 1e-5))
        fail_msg("%s, %s: %s in TF32 is %.2g of its length from fp32's", c->op->name, c->name, what, apart);
}

void op_check_tf32(struct backend *backend)
{
    for (int i = 0; i < op_case_count; i++) {
        const struct op_case *c = &op_cases[i];
        if (c->op != &conv_op)
            continue;
        struct op_values full = op_values_make(c, DTYPE_FP32), tf32 = op_values_make(c, DTYPE_FP32);
        tf32.tf32 = true;
        op_run(c, backend, DTYPE_FP32, &full);
        op_run(c, backend, DTYPE_FP32, &tf32);
        expect_tf32(c, "output", tf32.out, full.out, full.shape.output_count);
        for (int k = 0; k < full.shape.input_count; k++)
            if (!full.shape.inputs[k].fixed)
                expect_tf32(c, "a gradient", tf32.gradient[k], full.gradient[k], full.shape.inputs[k].count);
        op_values_free(&full);
        op_values_free(&tf32);
    }
}

static void expect_same_bits(const struct op_case *c, const char *what, const double *a, const double *b, size_t count)
{
    if (memcmp(a, b, count * sizeof *a) != 0)
        fail_msg("%s, %s: %s differs in its bits", c->op->name, c->name, what);
}

void op_expect_same_bits(const struct op_case *c, const struct op_values *a, const struct op_values *b)
{
    expect_same_bits(c, "the output", a->out, b->out, a->shape.output_count);
    for (int i = 0; i < a->shape.input_count && op_has_backward(c); i++)
        expect_same_bits(c, "a gradient", a->gradient[i], b->gradient[i], a->shape.inputs[i].count);
}
