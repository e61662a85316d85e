/* The costs of a network's parts sum up to what its parameters and its plan have. */
#include "engine/model_cost.h"

#include "engine/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

static struct error error;

static void assert_sums(const struct model_spec *spec)
{
    struct backend *backend = NULL;
    struct network *network = NULL;
    struct network_work work[TIME_KINDS];
    struct model_cost *costs = NULL, sum = {0, 0};
    const struct network_options options = {.batch = 1, .dtype = DTYPE_FP32, .seed = 1};
    int count = 0;
    if (backend_cpu_create(1, &backend, &error) || network_create(backend, spec, &options, &network, &error) ||
        model_costs(spec, &costs, &count, &error))
        fail_msg("%s", error.message);
    network_work(network, work);
    assert_int_equal(count, model_block_count(spec) + 2);
    for (int i = 0; i < count; i++) {
        assert_true(costs[i].parameters > 0 && costs[i].flops > 0);
        sum.parameters += costs[i].parameters;
        sum.flops += costs[i].flops;
    }
    assert_int_equal(sum.parameters, network_parameter_count(network));
    if (sum.flops != work[TIME_CONV_FORWARD].flops)
        fail_msg("%.0f flops, the plan has %.0f", sum.flops, work[TIME_CONV_FORWARD].flops);
    free(costs);
    network_destroy(network);
    backend->destroy(backend);
}

static void costs_of_the_presets_are_their_networks(void **state)
{
    (void)state;
    static const char *const names[] = {"report", "micro", "small"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct model_spec spec;
        struct train_options options;
        assert_int_equal(model_preset(names[i], &spec, &options, &error), 0);
        assert_sums(&spec);
    }
}

static void so_are_those_of_every_kind_of_block(void **state)
{
    (void)state;
    struct model_spec micro, spec;
    struct train_options options;
    assert_int_equal(model_preset("micro", &micro, &options, &error), 0);
    spec = micro;
    spec.squeeze_excite = 0.5f;
    spec.group_width = 8;
    assert_sums(&spec);
    spec = micro;
    spec.norm = NORM_BATCH;
    assert_sums(&spec);
    spec = micro;
    spec.shortcut = SHORTCUT_CONV;
    spec.weight_standardization = false;
    assert_sums(&spec);
}

static void a_block_of_the_report_costs_what_its_shapes_say(void **state)
{
    (void)state;
    struct model_spec spec;
    struct train_options options;
    struct model_cost *costs = NULL;
    int count = 0;
    assert_int_equal(model_preset("report", &spec, &options, &error), 0);
    assert_int_equal(model_costs(&spec, &costs, &count, &error), 0);
    assert_int_equal(costs[0].parameters, 3 * 9 * 16 + 16);
    /* the first of the second stage: 64 -> 32 strided, 32, 32, 128, and the strided shortcut, on 16 x 16 */
    assert_true(costs[6].flops == 2.0 * 16 * 16 * (64 * 32 + 2 * 9 * 32 * 32 + 32 * 128 + 64 * 128));
    assert_int_equal(costs[count - 1].parameters, 256 * 10 + 10);
    free(costs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_of_the_presets_are_their_networks),
        cmocka_unit_test(so_are_those_of_every_kind_of_block),
        cmocka_unit_test(a_block_of_the_report_costs_what_its_shapes_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
