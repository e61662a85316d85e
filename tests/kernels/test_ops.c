/* Every case of the op table on the CPU back end: forward against the reference, backward against finite differences,
 * bf16 against fp32, the same bits again and with other thread counts. `test_ops speed [THREADS [OP]]` times
 * the ops, or one of them, instead. */
#include "tests/kernels/op_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void forward_equals_reference(void **state)
{
    op_check_forward(*state);
}

static void backward_equals_finite_differences(void **state)
{
    op_check_backward(*state);
}

static void bf16_agrees_with_fp32(void **state)
{
    op_check_bf16(*state);
}

static void compare_runs(const struct op_case *c, struct backend *first, struct backend *second, enum dtype dtype)
{
    struct op_values a = op_values_make(c, dtype), b = op_values_make(c, dtype);
    op_run(c, first, dtype, &a);
    op_run(c, second, dtype, &b);
    op_expect_same_bits(c, &a, &b);
    op_values_free(&a);
    op_values_free(&b);
}

static void same_bits_again(void **state)
{
    for (int i = 0; i < op_case_count; i++)
        for (int dtype = DTYPE_FP32; dtype <= op_widest_dtype(&op_cases[i]); dtype++)
            compare_runs(&op_cases[i], *state, *state, (enum dtype)dtype);
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
        for (int t = 1; t < 3 && op_cases[i].op != &conv_op; t++)
            for (int dtype = DTYPE_FP32; dtype <= op_widest_dtype(&op_cases[i]); dtype++)
                compare_runs(&op_cases[i], backends[0], backends[t], (enum dtype)dtype);
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
    struct op_values v = op_values_make(c, dtype);
    struct rig rig = {.backend = backend, .dtype = dtype, .repeats = 100};
    rig_begin(&rig);
    c->op->forward(c, &rig, v.in, v.out);
    print_speed(c, "forward", &rig);
    rig_end(&rig);
    if (op_has_backward(c)) {
        rig_begin(&rig);
        c->op->backward(c, &rig, v.in, v.dout, v.gradient);
        print_speed(c, "backward", &rig);
        rig_end(&rig);
    }
    op_values_free(&v);
}

static const char *speed_op = "";

static void speed(void **state)
{
    for (int i = 0; i < op_speed_case_count; i++)
        if (strstr(op_speed_cases[i].op->name, speed_op))
            for (int dtype = DTYPE_FP32; dtype <= op_widest_dtype(&op_speed_cases[i]); dtype++)
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
