/* Every case of the op table on the emulated GPU: forward against the reference, backward against finite differences,
 * bf16 and TF32 beside fp32, and the same bits in every order of blocks and threads. */
#include "kernels/cuda.h"
#include "tests/cuda_emulation/emulation.h"
#include "tests/kernels/op_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static int open_cuda(void **state)
{
    struct error error = {""};
    struct backend *backend;
    if (backend_cuda_create(0, &backend, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    *state = backend;
    return 0;
}

/* Every case gave back what it took. */
static int close_cuda(void **state)
{
    struct backend *backend = *state;
    backend->destroy(backend);
    return emulation_allocated() == 0 ? 0 : -1;
}

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

static void tf32_agrees_with_fp32(void **state)
{
    op_check_tf32(*state);
}

static void check_orders(const struct op_case *c, struct backend *backend, enum dtype dtype, bool tf32)
{
    struct op_values runs[EMULATION_ORDERS];
    for (int order = 0; order < emulation_orders(); order++) {
        runs[order] = op_values_make(c, dtype);
        runs[order].tf32 = tf32;
        emulation_set_order((enum emulation_order)order, 1);
        op_run(c, backend, dtype, &runs[order]);
        op_expect_same_bits(c, &runs[0], &runs[order]);
    }
    for (int order = 0; order < emulation_orders(); order++)
        op_values_free(&runs[order]);
}

static void same_bits_in_every_order(void **state)
{
    for (int i = 0; i < op_case_count; i++) {
        for (int dtype = DTYPE_FP32; dtype <= op_widest_dtype(&op_cases[i]); dtype++)
            check_orders(&op_cases[i], *state, (enum dtype)dtype, false);
        if (op_cases[i].op == &conv_op)
            check_orders(&op_cases[i], *state, DTYPE_FP32, true);
    }
    emulation_set_order(EMULATION_ASCENDING, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forward_equals_reference),
                                       cmocka_unit_test(backward_equals_finite_differences),
                                       cmocka_unit_test(bf16_agrees_with_fp32), cmocka_unit_test(tf32_agrees_with_fp32),
                                       cmocka_unit_test(same_bits_in_every_order)};
    return cmocka_run_group_tests(tests, open_cuda, close_cuda);
}
