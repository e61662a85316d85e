/* Statistics of channels against a plain reference in double: shapes that fill no vector, means far from 0, the edges
 * of the value bins, what is not finite; and the bins themselves. */
#include "tests/kernels/statistics_checks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Bins ---- */

static void every_edge_begins_its_bin(void **state)
{
    (void)state;
    assert_true(value_edge(VALUE_MIDDLE + 1) == 0x1p-8f && value_edge(VALUE_MIDDLE) == -0x1p-8f);
    assert_true(value_edge(VALUE_BINS - 1) == 256.0f && value_edge(1) == -256.0f);
    for (int edge = 1; edge < VALUE_BINS; edge++) {
        /* the larger magnitude owns the edge */
        const bool above = edge > VALUE_MIDDLE;
        const float value = value_edge(edge), nearer_0 = nextafterf(value, 0.0f);
        assert_int_equal(value_bin(value), above ? edge : edge - 1);
        assert_int_equal(value_bin(nearer_0), above ? edge - 1 : edge);
        if (edge > 1)
            assert_true(value > value_edge(edge - 1));
    }
}

static void bins_take_any_value(void **state)
{
    (void)state;
    static const struct {
        float value;
        int bin;
    } cases[] = {{0.0f, VALUE_MIDDLE},       {-0.0f, VALUE_MIDDLE},   {0x1p-149f, VALUE_MIDDLE},
                 {-0x1p-127f, VALUE_MIDDLE}, {0x1p-9f, VALUE_MIDDLE}, {1.0f, VALUE_MIDDLE + 65},
                 {-1.0f, VALUE_MIDDLE - 65}, {1e30f, VALUE_BINS - 1}, {-1e30f, 0},
                 {INFINITY, VALUE_BINS - 1}, {-INFINITY, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(value_bin(cases[i].value), cases[i].bin);
    const int nan = value_bin(NAN);
    assert_true(nan == 0 || nan == VALUE_BINS - 1);
}

/* ---- Statistics ---- */

static void equal_the_reference(void **state)
{
    statistics_check_shapes(*state, SIZE_MAX);
}

static void extreme_values_are_measured(void **state)
{
    statistics_check_extremes(*state);
}

static void one_bad_value_anywhere_is_seen(void **state)
{
    statistics_check_not_finite(*state);
}

static void senseless_sizes_are_refused(void **state)
{
    struct backend *b = *state;
    const float x[4] = {0.0f};
    float out[16];
    int finite;
    static const struct {
        size_t rows;
        int c;
    } sizes[] = {{0, 4}, {4, 0}, {4, -1}, {(size_t)1 << 31, 2}, {SIZE_MAX, 3}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct error error = {""};
        assert_int_equal(b->statistics(b, DTYPE_FP32, x, sizes[i].rows, sizes[i].c, out, NULL, &finite, &error), -1);
        assert_non_null(strstr(error.message, "statistics of"));
    }
}

/* Enough values for several threads. */
static void same_bits_for_any_thread_count(void **state)
{
    (void)state;
    enum { ROWS = 9001, C = 12 };
    float *x = rig_normals(1, ROWS * C, 2.0f, 0.7f), out[3][4 * C];
    uint32_t counts[3][VALUE_BINS];
    for (int t = 0; t < 3; t++) {
        struct backend *b;
        struct error error = {""};
        int finite = 7;
        assert_int_equal(backend_cpu_create(t + 1, &b, &error), 0);
        assert_int_equal(b->statistics(b, DTYPE_FP32, x, ROWS, C, out[t], counts[t], &finite, &error), 0);
        assert_int_equal(finite, 1);
        assert_memory_equal(out[t], out[0], sizeof out[0]);
        assert_memory_equal(counts[t], counts[0], sizeof counts[0]);
        b->destroy(b);
    }
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_edge_begins_its_bin),
                                       cmocka_unit_test(bins_take_any_value),
                                       cmocka_unit_test(equal_the_reference),
                                       cmocka_unit_test(extreme_values_are_measured),
                                       cmocka_unit_test(one_bad_value_anywhere_is_seen),
                                       cmocka_unit_test(senseless_sizes_are_refused),
                                       cmocka_unit_test(same_bits_for_any_thread_count)};
    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
