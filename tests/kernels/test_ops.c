/* Every case of the op table on the CPU back end: forward against the reference, backward against finite differences,
 * bf16 against fp32, the same bits again and with other thread counts. `test_ops speed [THREADS [OP]]` times
 * the ops, or one of them, instead. */
#include "kernels/philox.h"
#include "tests/kernels/op_cases.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The values of a case. */
struct values {
    struct op_shape shape;
    double *in[OP_INPUTS], *gradient[OP_INPUTS];
    double *out, *reference, *dout;
};

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

static struct values values_make(const struct op_case *c, enum dtype dtype)
{
    struct values v = {.shape = c->op->shape(c)};
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

static void values_free(struct values *v)
{
    for (int i = 0; i < v->shape.input_count; i++) {
        free(v->in[i]);
        free(v->gradient[i]);
    }
    free(v->out);
    free(v->reference);
    free(v->dout);
}

static void run_forward(const struct op_case *c, struct backend *backend, enum dtype dtype, struct values *v)
{
    struct rig rig = {.backend = backend, .dtype = dtype, .repeats = 1};
    rig_begin(&rig);
    c->op->forward(c, &rig, v->in, v->out);
    rig_end(&rig);
}

static void run_backward(const struct op_case *c, struct backend *backend, enum dtype dtype, struct values *v)
{
    struct rig rig = {.backend = backend, .dtype = dtype, .repeats = 1};
    rig_begin(&rig);
    c->op->backward(c, &rig, v->in, v->dout, v->gradient);
    rig_end(&rig);
}

static bool has_backward(const struct op_case *c)
{
    return c->op->backward && !(c->op == &batch_norm_op && !c->training);
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
    struct values v = values_make(c, dtype);
    c->op->reference(c, v.in, v.reference);
    run_forward(c, backend, dtype, &v);
    expect_close(c, dtype == DTYPE_FP32 ? "fp32" : "bf16", v.out, v.reference, v.shape.output_count,
                 dtype == DTYPE_BF16 && v.shape.output_rounded ? 5e-3 : 1e-5);
    values_free(&v);
}

/* Sum of dout * reference(in). */
static double projection(const struct op_case *c, struct values *v)
{
    double sum = 0.0;
    c->op->reference(c, v->in, v->reference);
    for (size_t i = 0; i < v->shape.output_count; i++)
        sum += v->dout[i] * v->reference[i];
    return sum;
}

/* The derivative of the projection along `direction` of input `i`, by a central difference. */
static double difference(const struct op_case *c, struct values *v, int i, const double *direction)
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
static void check_input_gradient(const struct op_case *c, struct values *v, int i)
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

static void each_case(void **state, void (*check)(const struct op_case *, struct backend *, enum dtype))
{
    for (int i = 0; i < op_case_count; i++)
        for (int dtype = DTYPE_FP32; dtype <= (op_cases[i].op->fp32_only ? DTYPE_FP32 : DTYPE_BF16); dtype++)
            check(&op_cases[i], *state, (enum dtype)dtype);
}

static void forward_equals_reference(void **state)
{
    each_case(state, check_forward);
}

/* In fp32; bf16's gradients are compared with fp32's below. */
static void backward_equals_finite_differences(void **state)
{
    for (int k = 0; k < op_case_count; k++) {
        const struct op_case *c = &op_cases[k];
        if (!has_backward(c))
            continue;
        struct values v = values_make(c, DTYPE_FP32);
        run_backward(c, *state, DTYPE_FP32, &v);
        for (int i = 0; i < v.shape.input_count; i++) {
            bool unwanted = c->op == &conv_op && i == 0 && !c->conv.input_gradient;
            if (!v.shape.inputs[i].fixed && !unwanted)
                check_input_gradient(c, &v, i);
        }
        values_free(&v);
    }
}

/* On inputs that bf16 holds exactly, both precisions agree to bf16's rounding. */
static void bf16_agrees_with_fp32(void **state)
{
    for (int i = 0; i < op_case_count; i++) {
        const struct op_case *c = &op_cases[i];
        if (c->op->fp32_only)
            continue;
        struct values half = values_make(c, DTYPE_BF16), full = values_make(c, DTYPE_BF16);
        run_forward(c, *state, DTYPE_BF16, &half);
        run_forward(c, *state, DTYPE_FP32, &full);
        expect_close(c, "bf16 beside fp32", half.out, full.out, half.shape.output_count, 5e-3);
        if (has_backward(c)) {
            run_backward(c, *state, DTYPE_BF16, &half);
            run_backward(c, *state, DTYPE_FP32, &full);
            for (int k = 0; k < half.shape.input_count; k++)
                if (!half.shape.inputs[k].fixed)
                    expect_close(c, "gradient, bf16 beside fp32", half.gradient[k], full.gradient[k],
                                 half.shape.inputs[k].count, 1.5e-2);
        }
        values_free(&half);
        values_free(&full);
    }
}

static void expect_same_bits(const struct op_case *c, const char *what, const double *a, const double *b, size_t count)
{
    if (memcmp(a, b, count * sizeof *a) != 0)
        fail_msg("%s, %s: %s differs in its bits", c->op->name, c->name, what);
}

static void compare_runs(const struct op_case *c, struct backend *first, struct backend *second, enum dtype dtype)
{
    struct values a = values_make(c, dtype), b = values_make(c, dtype);
    run_forward(c, first, dtype, &a);
    run_forward(c, second, dtype, &b);
    expect_same_bits(c, "the output", a.out, b.out, a.shape.output_count);
    if (has_backward(c)) {
        run_backward(c, first, dtype, &a);
        run_backward(c, second, dtype, &b);
        for (int i = 0; i < a.shape.input_count; i++)
            expect_same_bits(c, "a gradient", a.gradient[i], b.gradient[i], a.shape.inputs[i].count);
    }
    values_free(&a);
    values_free(&b);
}

static void compare_again(const struct op_case *c, struct backend *backend, enum dtype dtype)
{
    compare_runs(c, backend, backend, dtype);
}

static void same_bits_again(void **state)
{
    each_case(state, compare_again);
}

/* Convolutions are left out: oneDNN cuts its work by threads. */
static void same_bits_for_any_thread_count(void **state)
{
    (void)state;
    struct backend *backends[3];
    struct error error = {""};
    for (int t = 0; t < 3; t++)
        assert_int_equal(backend_cpu_create(t + 1, &backends[t], &error), 0);
    for (int i = 0; i < op_case_count; i++)
        for (int t = 1; t < 3 && op_cases[i].op != &conv_op; t++) {
            compare_runs(&op_cases[i], backends[0], backends[t], DTYPE_FP32);
            if (!op_cases[i].op->fp32_only)
                compare_runs(&op_cases[i], backends[0], backends[t], DTYPE_BF16);
        }
    for (int t = 0; t < 3; t++)
        backends[t]->destroy(backends[t]);
}

/* ---- Speed ---- */

static void print_speed(const struct op_case *c, const char *direction, const struct rig *rig)
{
    printf("%-16s %-26s %s %-8s %9.3f ms %7.1f GB/s\n", c->op->name, c->name,
           rig->dtype == DTYPE_FP32 ? "fp32" : "bf16", direction, 1e3 * rig->seconds,
           1e-9 * (double)rig->bytes / rig->seconds);
}

static void time_case(const struct op_case *c, struct backend *backend, enum dtype dtype)
{
    struct values v = values_make(c, dtype);
    struct rig rig = {.backend = backend, .dtype = dtype, .repeats = 100};
    rig_begin(&rig);
    c->op->forward(c, &rig, v.in, v.out);
    print_speed(c, "forward", &rig);
    rig_end(&rig);
    if (has_backward(c)) {
        rig_begin(&rig);
        c->op->backward(c, &rig, v.in, v.dout, v.gradient);
        print_speed(c, "backward", &rig);
        rig_end(&rig);
    }
    values_free(&v);
}

static const char *speed_op = "";

static void speed(void **state)
{
    for (int i = 0; i < op_speed_case_count; i++)
        if (strstr(op_speed_cases[i].op->name, speed_op))
            for (int dtype = DTYPE_FP32; dtype <= (op_speed_cases[i].op->fp32_only ? DTYPE_FP32 : DTYPE_BF16); dtype++)
                time_case(&op_speed_cases[i], *state, (enum dtype)dtype);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forward_equals_reference),
                                       cmocka_unit_test(backward_equals_finite_differences),
                                       cmocka_unit_test(bf16_agrees_with_fp32), cmocka_unit_test(same_bits_again),
                                       cmocka_unit_test(same_bits_for_any_thread_count)};
    const struct CMUnitTest timings[] = {cmocka_unit_test(speed)};
    if (argc > 2)
        rig_threads = (int)strtol(argv[2], NULL, 10);
    if (argc > 3)
        speed_op = argv[3];
    if (argc > 1 && strcmp(argv[1], "speed") == 0)
        return cmocka_run_group_tests(timings, rig_open, rig_close);
    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
