/* The self-test of `nfbench doctor` passes: every op on the GPU against the processor. The table of op cases, with its
 * odd shapes, runs in tests/cuda/test_ops.c. */
#include "kernels/selftest.h"
#include "tests/gpu/both.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void self_test(enum selftest_precision precision)
{
    int bad = 0;
    for (int i = 0; i < selftest_count(); i++) {
        struct selftest_result result;
        selftest_run(i, cpu, gpu, precision, &result);
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
    self_test(SELFTEST_FP32);
}

static void ops_are_the_cpus_in_bf16(void **state)
{
    (void)state;
    self_test(SELFTEST_BF16);
}

static void ops_are_the_cpus_in_tf32(void **state)
{
    (void)state;
    self_test(SELFTEST_TF32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_are_the_cpus_in_fp32),
        cmocka_unit_test(ops_are_the_cpus_in_bf16),
        cmocka_unit_test(ops_are_the_cpus_in_tf32),
    };
    return cmocka_run_group_tests(tests, open_both, close_both);
}
