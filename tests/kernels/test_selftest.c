/* The self-test of ops that `nfbench doctor` shows: two back ends that agree pass, one that computes something else, a
 * single wrong element or a NaN, or that fails, does not. */
#include "kernels/selftest.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct backend *one, *two, broken;

static int open_both(void **state)
{
    struct error error;
    (void)state;
    if (backend_cpu_create(1, &one, &error) != 0 || backend_cpu_create(2, &two, &error) != 0)
        return -1;
    return 0;
}

static int close_both(void **state)
{
    (void)state;
    one->destroy(one);
    two->destroy(two);
    return 0;
}

static int index_of(const char *name)
{
    struct selftest_result result;
    for (int i = 0; i < selftest_count(); i++) {
        selftest_run(i, one, one, SELFTEST_FP32, &result);
        if (strcmp(result.name, name) == 0)
            return i;
    }
    fail_msg("no op '%s'", name);
    return -1;
}

static void test_equal_back_ends_pass(void **state)
{
    (void)state;
    for (int i = 0; i < selftest_count(); i++)
        for (int precision = 0; precision < SELFTEST_PRECISIONS; precision++) {
            struct selftest_result result;
            selftest_run(i, one, two, (enum selftest_precision)precision, &result);
            if (!result.ok)
                fail_msg("%s, %s: %g %s", result.name, selftest_word((enum selftest_precision)precision),
                         result.difference, result.error.message);
        }
}

static int gate_of_nothing(struct backend *backend, const float *x, float *y, size_t count, struct error *error)
{
    (void)backend;
    (void)error;
    memmove(y, x, count * sizeof *y);
    return 0;
}

static void test_a_wrong_op_fails(void **state)
{
    (void)state;
    struct selftest_result result;
    broken = *two;
    broken.gate_forward = gate_of_nothing;
    selftest_run(index_of("squeeze-excite gate"), one, &broken, SELFTEST_FP32, &result);
    assert_false(result.ok);
    assert_true(result.difference > result.tolerance);
    assert_string_equal(result.error.message, "");
}

/* As the CPU computes it, but for one element in the middle. */
static float wrong_by;

static int relu_with_an_error(struct backend *backend, enum activation activation, enum dtype dtype, const void *x,
                              void *y, size_t count, struct error *error)
{
    (void)backend;
    if (two->activation_forward(two, activation, dtype, x, y, count, error) != 0)
        return -1;
    if (dtype == DTYPE_FP32)
        ((float *)y)[count / 2] += wrong_by;
    return 0;
}

static void test_one_wrong_element_fails(void **state)
{
    (void)state;
    struct selftest_result result;
    broken = *two;
    broken.activation_forward = relu_with_an_error;
    const int relu = index_of("relu");
    wrong_by = 0;
    selftest_run(relu, one, &broken, SELFTEST_FP32, &result);
    assert_true(result.ok);
    wrong_by = 0.01f;
    selftest_run(relu, one, &broken, SELFTEST_FP32, &result);
    assert_false(result.ok);
    wrong_by = NAN;
    selftest_run(relu, one, &broken, SELFTEST_FP32, &result);
    assert_false(result.ok);
    assert_true(isnan(result.difference));
}

static int no_gate(struct backend *backend, const float *x, float *y, size_t count, struct error *error)
{
    (void)backend;
    (void)x;
    (void)y;
    (void)count;
    return error_set(error, "launch refused");
}

static void test_a_failing_op_says_why(void **state)
{
    (void)state;
    struct selftest_result result;
    broken = *two;
    broken.gate_forward = no_gate;
    broken.name = "cuda";
    selftest_run(index_of("squeeze-excite gate"), one, &broken, SELFTEST_FP32, &result);
    assert_false(result.ok);
    assert_string_equal(result.error.message, "cuda: launch refused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_back_ends_pass),
        cmocka_unit_test(test_a_wrong_op_fails),
        cmocka_unit_test(test_one_wrong_element_fails),
        cmocka_unit_test(test_a_failing_op_says_why),
    };
    return cmocka_run_group_tests(tests, open_both, close_both);
}
