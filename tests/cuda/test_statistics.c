/* What the CUDA back end measures against plain references in double, for every order of blocks and threads, and the
 * same bits in each; shapes go from one value to so many that several blocks share channels and rows. */
#include "tests/cuda/twins.h"
#include "tests/cuda_emulation/emulation.h"
#include "tests/kernels/statistics_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (int)(sizeof(array) / sizeof *(array))

static void in_every_order(void **state, void (*check)(struct backend *))
{
    const struct twins *twins = *state;
    for (int order = 0; order < emulation_orders(); order++) {
        emulation_set_order((enum emulation_order)order, 1);
        check(twins->cuda);
    }
    emulation_set_order(EMULATION_ASCENDING, 0);
}

static void check_shapes(struct backend *cuda)
{
    statistics_check_shapes(cuda, 40000);
}

static void equal_the_reference(void **state)
{
    in_every_order(state, check_shapes);
}

static void extreme_values_are_measured(void **state)
{
    in_every_order(state, statistics_check_extremes);
}

static void what_is_not_finite_is_seen(void **state)
{
    in_every_order(state, statistics_check_not_finite);
}

static void squares_of_units_equal_the_reference(void **state)
{
    in_every_order(state, unit_squares_check);
}

/* ---- The same bits ---- */

struct rows_case {
    enum dtype dtype;
    size_t rows;
    int c;
};

static void run_statistics(struct backend *b, const void *data, struct outcome *out)
{
    const struct rows_case *c = data;
    const size_t channels = (size_t)c->c, count = c->rows * channels;
    struct rig rig = {.backend = b, .dtype = c->dtype, .repeats = 1};
    double *values = malloc(count * sizeof *values);
    float *host = malloc(4 * channels * sizeof *host), counted[VALUE_BINS];
    uint32_t counts[VALUE_BINS];
    struct error failure = {""};
    assert_non_null(values);
    assert_non_null(host);
    rig_normal(1, values, count);
    rig_begin(&rig);
    const void *x = rig_upload(&rig, c->dtype, values, count);
    float *device = rig_poisoned(&rig, DTYPE_FP32, 4 * channels);
    uint32_t *device_counts = rig_bytes(&rig, sizeof counts);
    int *finite = rig_bytes(&rig, sizeof *finite);
    RIG_CALL(&rig, b->statistics(b, c->dtype, x, c->rows, c->c, device, device_counts, finite, &error));
    if (b->copy_out(b, host, device, 4 * channels * sizeof *host, &failure) ||
        b->copy_out(b, counts, device_counts, sizeof counts, &failure))
        rig_failed("copy_out", failure.message);
    for (int bin = 0; bin < VALUE_BINS; bin++)
        counted[bin] = (float)counts[bin];
    static const char *names[4] = {"mean", "variance", "least", "most"};
    for (int i = 0; i < 4; i++)
        outcome_add_values(out, names[i], 0, host + (size_t)i * channels, channels);
    outcome_add_values(out, "counts", 0, counted, VALUE_BINS);
    rig_end(&rig);
    free(values);
    free(host);
}

static void same_bits_in_every_order(void **state)
{
    static const struct rows_case cases[] = {{.rows = 1, .c = 1},     {.rows = 700, .c = 3},  {.rows = 9001, .c = 4},
                                             {.rows = 2050, .c = 24}, {.rows = 67, .c = 523}, {.rows = 130, .c = 264}};
    for (int i = 0; i < COUNT(cases); i++)
        for (int dtype = DTYPE_FP32; dtype <= DTYPE_BF16; dtype++) {
            struct rows_case c = cases[i];
            c.dtype = (enum dtype)dtype;
            twins_check(*state, run_statistics, &c, 2e-5f);
        }
}

static void senseless_sizes_are_refused(void **state)
{
    struct backend *b = ((struct twins *)*state)->cuda;
    static const struct {
        size_t rows;
        int c;
    } sizes[] = {{0, 4}, {4, 0}, {(size_t)1 << 31, 2}};
    for (int i = 0; i < COUNT(sizes); i++) {
        struct error error = {""};
        assert_int_equal(b->statistics(b, DTYPE_FP32, NULL, sizes[i].rows, sizes[i].c, NULL, NULL, NULL, &error), -1);
        assert_non_null(strstr(error.message, "statistics of"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_the_reference),        cmocka_unit_test(extreme_values_are_measured),
        cmocka_unit_test(what_is_not_finite_is_seen), cmocka_unit_test(squares_of_units_equal_the_reference),
        cmocka_unit_test(same_bits_in_every_order),   cmocka_unit_test(senseless_sizes_are_refused)};
    return cmocka_run_group_tests(tests, twins_open, twins_close);
}
