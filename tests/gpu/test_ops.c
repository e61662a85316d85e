/* Every op on the GPU: against the processor (the self-test of `nfbench doctor`), and the table of op cases with their
 * odd shapes against plain references in double. */
#include "kernels/cuda.h"
#include "kernels/selftest.h"
#include "tests/kernels/op_cases.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct backend *cpu, *gpu;

static int open_both(void **state)
{
    struct error error = {""};
    (void)state;
    if (backend_cpu_create(0, &cpu, &error) == 0 && backend_cuda_create(0, &gpu, &error) == 0)
        return 0;
    fprintf(stderr, "%s\n", error.message);
    return -1;
}

static int close_both(void **state)
{
    (void)state;
    gpu->destroy(gpu);
    cpu->destroy(cpu);
    return 0;
}

static void self_test(enum dtype dtype)
{
    int bad = 0;
    for (int i = 0; i < selftest_count(); i++) {
        struct selftest_result result;
        selftest_run(i, cpu, gpu, dtype, &result);
        if (!result.ok)
            print_message("%s: %.2g apart, %.2g allowed %s\n", result.name, result.difference, result.tolerance,
                          result.error.message);
        bad += !result.ok;
    }
    assert_int_equal(bad, 0);
}

static void ops_are_the_cpus_in_fp32(void **state)
{
    (void)state;
    self_test(DTYPE_FP32);
}

static void ops_are_the_cpus_in_bf16(void **state)
{
    (void)state;
    self_test(DTYPE_BF16);
}

/* ---- The op table's forward passes ---- */

static double *filled(const struct op_input *input, enum dtype dtype, uint32_t stream)
{
    double *values = calloc(input->count + 2, sizeof *values);
    assert_non_null(values);
    rig_normal(stream, values, input->count);
    for (size_t i = 0; i < input->count; i++) {
        if (input->fill == FILL_BINARY)
            values[i] = values[i] > 0;
        else if (input->fill == FILL_LABEL)
            values[i] = floor(fabs(fmod(values[i], 1)) * input->scale);
        else
            values[i] = round_to(input->rounded ? dtype : DTYPE_FP32, input->shift + input->scale * values[i]);
    }
    return values;
}

/* The worst element's distance over what it and the root mean square allow; 1 is the limit. */
static double worst(const double *got, const double *expected, size_t count, double tolerance)
{
    double squares = 0, result = 0;
    for (size_t i = 0; i < count; i++)
        squares += expected[i] * expected[i];
    for (size_t i = 0; i < count; i++) {
        const double apart =
            fabs(got[i] - expected[i]) / (tolerance * (fabs(expected[i]) + sqrt(squares / (double)count)));
        if (isnan(apart))
            return INFINITY;
        result = fmax(result, got[i] == expected[i] ? 0 : apart);
    }
    return result;
}

static double forward_distance(const struct op_case *c, enum dtype dtype)
{
    struct rig rig = {.backend = gpu, .dtype = dtype, .repeats = 1};
    const struct op_shape shape = c->op->shape(c);
    double *in[OP_INPUTS] = {NULL}, *out = calloc(shape.output_count + 1, sizeof *out),
           *expected = calloc(shape.output_count + 1, sizeof *out);
    assert_non_null(out);
    assert_non_null(expected);
    for (int i = 0; i < shape.input_count; i++)
        in[i] = filled(&shape.inputs[i], dtype, (uint32_t)i);
    c->op->reference(c, in, expected);
    rig_begin(&rig);
    c->op->forward(c, &rig, in, out);
    rig_end(&rig);
    const double result =
        worst(out, expected, shape.output_count, dtype == DTYPE_BF16 && shape.output_rounded ? 8e-3 : 2e-5);
    for (int i = 0; i < shape.input_count; i++)
        free(in[i]);
    free(out);
    free(expected);
    return result;
}

static void op_table(enum dtype dtype)
{
    int bad = 0;
    for (int i = 0; i < op_case_count; i++) {
        if (dtype == DTYPE_BF16 && op_cases[i].op->fp32_only)
            continue;
        const double distance = forward_distance(&op_cases[i], dtype);
        if (distance > 1)
            print_message("%s, %s: %.3g times what is allowed\n", op_cases[i].op->name, op_cases[i].name, distance);
        bad += distance > 1;
    }
    assert_int_equal(bad, 0);
}

static void op_table_in_fp32(void **state)
{
    (void)state;
    op_table(DTYPE_FP32);
}

static void op_table_in_bf16(void **state)
{
    (void)state;
    op_table(DTYPE_BF16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_are_the_cpus_in_fp32),
        cmocka_unit_test(ops_are_the_cpus_in_bf16),
        cmocka_unit_test(op_table_in_fp32),
        cmocka_unit_test(op_table_in_bf16),
    };
    return cmocka_run_group_tests(tests, open_both, close_both);
}
