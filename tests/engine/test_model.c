/* Model specs: what DESIGN and the report say of the presets, block by block, and what is refused. */
#include "engine/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

static void preset(const char *name, struct model_spec *spec)
{
    struct train_options options;
    struct error error = {""};
    if (model_preset(name, spec, &options, &error))
        fail_msg("%s", error.message);
}

static void test_parameter_counts_are_the_peers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t count;
    } expected[] = {{"report", 737242}, {"micro", 246368}, {"large", 9578969}};
    struct backend *backend = NULL;
    struct error error = {""};
    assert_int_equal(backend_cpu_create(1, &backend, &error), 0);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct model_spec spec;
        struct network *network = NULL;
        preset(expected[i].name, &spec);
        const struct network_options options = {.batch = 1, .dtype = DTYPE_FP32, .seed = 1};
        if (network_create(backend, &spec, &options, &network, &error))
            fail_msg("%s", error.message);
        assert_int_equal(network_parameter_count(network), expected[i].count);
        network_destroy(network);
    }
    backend->destroy(backend);
}

static void test_papers_beta_is_the_predicted_deviation(void **state)
{
    (void)state;
    struct model_spec spec;
    preset("micro", &spec);
    /* stem variance 1; block 0 is a transition (16 -> 32 wide), block 1 is not, block 2 is again */
    static const float in[] = {1.0f, 1.04f, 1.08f, 1.04f}, out[] = {1.04f, 1.08f, 1.04f, 1.08f};
    for (int i = 0; i < 4; i++) {
        const struct block_spec block = model_block(&spec, i);
        assert_int_equal(block.transition, i % 2 == 0);
        assert_float_equal(block.variance_in, in[i], 1e-6);
        assert_float_equal(block.variance_out, out[i], 1e-6);
        assert_float_equal(block.beta, sqrtf(in[i]), 1e-6);
    }
}

static void test_report_beta_is_the_predicted_variance(void **state)
{
    (void)state;
    struct model_spec spec;
    preset("report", &spec);
    assert_int_equal(model_block_count(&spec), 15);
    assert_float_equal(model_block(&spec, 4).variance_out, 1.2f, 1e-6);
    const struct block_spec first = model_block(&spec, 5);
    assert_int_equal(first.cin, 64);
    assert_int_equal(first.cout, 128);
    assert_int_equal(first.mid, 32);
    assert_int_equal(first.stride, 2);
    assert_float_equal(first.beta, 1.2f, 1e-6);
    assert_float_equal(first.variance_out, 1.04f, 1e-6);
    assert_float_equal(model_block(&spec, 14).variance_out, 1.2f, 1e-6);
}

static void test_batch_norm_needs_no_beta(void **state)
{
    (void)state;
    struct model_spec spec;
    preset("micro", &spec);
    spec.norm = NORM_BATCH;
    for (int i = 0; i < model_block_count(&spec); i++)
        assert_float_equal(model_block(&spec, i).beta, 1, 0);
}

static double activate(enum activation activation, double z)
{
    switch (activation) {
    case ACTIVATION_RELU:
        return z > 0 ? z : 0;
    case ACTIVATION_GELU:
        return z * 0.5 * erfc(-z / sqrt(2));
    case ACTIVATION_SILU:
        return z / (1 + exp(-z));
    case ACTIVATION_TANH:
        return tanh(z);
    }
    return 0;
}

/* 1 / sqrt(Var(act(z))) by numeric integration over the normal density. */
static void test_gamma_makes_activations_unit_variance(void **state)
{
    (void)state;
    for (int a = ACTIVATION_RELU; a <= ACTIVATION_TANH; a++) {
        double mean = 0, square = 0;
        const double step = 1e-3;
        for (double z = -12; z < 12; z += step) {
            const double y = activate((enum activation)a, z), weight = exp(-z * z / 2) / sqrt(2 * M_PI) * step;
            mean += weight * y;
            square += weight * y * y;
        }
        assert_float_equal(activation_gamma((enum activation)a), 1 / sqrt(square - mean * mean), 2e-6);
    }
}

static void test_bad_models_are_refused_with_their_reason(void **state)
{
    (void)state;
    struct model_spec good, spec;
    struct error error;
    preset("micro", &good);
    assert_int_equal(model_validate(&good, &error), 0);
#define REFUSED(change, word)                                                                                          \
    do {                                                                                                               \
        spec = good;                                                                                                   \
        change;                                                                                                        \
        assert_int_equal(model_validate(&spec, &error), -1);                                                           \
        assert_non_null(strstr(error.message, word));                                                                  \
    } while (0)
    REFUSED(spec.stem = 0, "stem");
    REFUSED((spec.stem_kind = STEM_WHITENED, spec.stem = 55), "at most 54");
    REFUSED(spec.stage_count = 0, "stages");
    REFUSED(spec.stages[1].stride = 3, "stride");
    REFUSED(spec.stages[2].blocks = 0, "block");
    REFUSED(spec.stages[0].mid = 0, "width");
    REFUSED(spec.group_width = 7, "group-width");
    REFUSED(spec.alpha = NAN, "alpha");
    REFUSED(spec.stochastic_depth = 1, "stochastic-depth");
    REFUSED(spec.classes = 1, "classes");
#undef REFUSED
    struct train_options options;
    assert_int_equal(model_preset("huge", &spec, &options, &error), -1);
    assert_non_null(strstr(error.message, "report, micro, small, large"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameter_counts_are_the_peers),
        cmocka_unit_test(test_papers_beta_is_the_predicted_deviation),
        cmocka_unit_test(test_report_beta_is_the_predicted_variance),
        cmocka_unit_test(test_batch_norm_needs_no_beta),
        cmocka_unit_test(test_gamma_makes_activations_unit_variance),
        cmocka_unit_test(test_bad_models_are_refused_with_their_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
