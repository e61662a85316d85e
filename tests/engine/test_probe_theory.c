/* What the papers prove of the signal, measured by probes: exact laws, at initialisation, on unit Gaussian input. */
#include "engine/execute.h"
#include "kernels/philox.h"
#include "probe_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

static const struct probe_options at_start = {.unit_gain = true};

static void check_sum(const char *what, const struct model_spec *spec)
{
    struct network *network = rig_network(spec, RIG_IMAGES, 3);
    struct probe *probe = rig_probe(network, RIG_IMAGES, &at_start);
    const double scale = spec->norm == NORM_BATCH ? 1 : (double)spec->alpha;
    for (int i = 1; i < probe->count; i++) {
        const struct probe_point *point = &probe->points[i];
        const double sum = (double)point->shortcut_variance + scale * scale * (double)point->branch_variance;
        if (fabs((double)point->variance / sum - 1) > 0.02)
            fail_msg("%s, block %d: variance %g, shortcut %g, branch %g", what, i, (double)point->variance,
                     (double)point->shortcut_variance, (double)point->branch_variance);
    }
    probe_destroy(probe);
    network_destroy(network);
}

/* Branch and shortcut are uncorrelated: var_out = var_shortcut + (alpha s)^2 var_branch. */
static void test_variances_add_up(void **state)
{
    (void)state;
    static const char *const presets[] = {"micro", "report", "small"};
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        const struct model_spec spec = rig_preset(presets[i]);
        check_sum(presets[i], &spec);
    }
    struct model_spec spec = rig_preset("micro");
    spec.squeeze_excite = 0.5f;
    check_sum("squeeze-excite", &spec);
    spec = rig_preset("micro");
    spec.activation = ACTIVATION_SILU;
    check_sum("silu", &spec);
}

/* Rows of the standardised weights: as the convolution has them, the scalars of their neighbours taken out again. */
static float *standardised(struct network *network, int layer)
{
    const struct ws_layer *ws = &network->ws[layer];
    const size_t count = (size_t)ws->rows * (size_t)ws->fan_in;
    const float scale = ws->in_scale * ws->out_scale * (ws->skip_gain ? *ws->skip_gain : 1);
    struct error error = {""};
    float *weights = malloc(count * sizeof *weights);
    assert_non_null(weights);
    if (network_prepare(network, network->plan, WEIGHTS_TRAINED, &error))
        fail_msg("%s", error.message);
    for (size_t i = 0; i < count; i++)
        weights[i] = ws->effective[i] / scale;
    return weights;
}

/* SPP section 4.2: rows sum to 0, their squares to gain^2, whatever the scale and mean of what lies beneath. */
static void test_standardised_weights(void **state)
{
    (void)state;
    struct model_spec spec = rig_narrow(FAMILY_PAPERS);
    spec.alpha = 0.2f;
    struct network *network = rig_network(&spec, 4, 3);
    rig_stir(network);
    for (int i = 0; i < network->parameters.layer_count - 1; i++) {
        const struct ws_layer *ws = &network->ws[i];
        const struct parameter *weight = &network->parameters.items[network->parameters.layers[i].weight];
        float *first = standardised(network, i), *raw = malloc(weight->count * sizeof *raw);
        assert_non_null(raw);
        assert_int_equal(network_read(network, weight, PART_VALUE, raw, NULL), 0);
        for (size_t j = 0; j < weight->count; j++)
            raw[j] = 3 * raw[j] + 0.7f;
        assert_int_equal(network_write(network, weight, PART_VALUE, raw, NULL), 0);
        float *second = standardised(network, i);
        for (int row = 0; row < ws->rows; row++) {
            double sum = 0, square = 0, other = 0;
            for (int j = 0; j < ws->fan_in; j++) {
                const double a = (double)first[row * ws->fan_in + j], b = (double)second[row * ws->fan_in + j];
                sum += a;
                square += a * a;
                other = fmax(other, fabs(a - b));
            }
            assert_true(fabs(sum) < 1e-4);
            assert_true(fabs(square - (double)(ws->gain[row] * ws->gain[row])) < 1e-4);
            assert_true(other < 1e-4);
        }
        free(first);
        free(second);
        free(raw);
    }
    network_destroy(network);
}

/* gamma makes the activation's variance 1, and a standardised 1x1 convolution keeps it, with mean 0, in each channel:
 * the shortcut of a first block that does not stride, whose input is unit Gaussian noise. */
static void test_gamma_and_a_standardised_convolution_keep_the_variance(void **state)
{
    (void)state;
    enum { IN = 64, OUT = 48, ROWS = 1 << 16 };
    struct error error = {""};
    struct conv *conv;
    struct weights *weights;
    struct backend *b = rig_backend;
    const struct conv_shape shape = {
        .n = ROWS / 1024, .h = 32, .w = 32, .cin = IN, .cout = OUT, .k = 1, .stride = 1, .groups = 1};
    float *x, *y, *w, *effective, *bias, *statistics;
    void *packed, *scratch;
    int finite;
    if (b->conv_create(b, &shape, &conv, &error) || b->allocate(b, ROWS * IN * sizeof *x, (void **)&x, &error) ||
        b->allocate(b, ROWS * OUT * sizeof *y, (void **)&y, &error) ||
        b->allocate(b, IN * OUT * sizeof *w, (void **)&w, &error) ||
        b->allocate(b, IN * OUT * sizeof *w, (void **)&effective, &error) ||
        b->allocate(b, 6 * OUT * sizeof *bias, (void **)&bias, &error) ||
        b->allocate(b, 4 * OUT * sizeof *statistics, (void **)&statistics, &error) ||
        b->allocate(b, conv->packed_forward_bytes, &packed, &error) ||
        b->allocate(b, conv->scratch_bytes + 64, &scratch, &error))
        fail_msg("%s", error.message);
    for (int i = 0; i < ROWS * IN; i += 2) {
        const struct philox draw = philox_draw(6, PHILOX_SYNTHETIC, 0, (uint64_t)i, 0);
        philox_normal(draw.word[0], draw.word[1], x + i);
    }
    for (int i = 0; i < IN * OUT; i += 2) {
        const struct philox draw = philox_draw(7, PHILOX_SYNTHETIC, 0, (uint64_t)i, 0);
        philox_normal(draw.word[0], draw.word[1], w + i);
    }
    for (int i = 0; i < 6 * OUT; i++)
        bias[i] = 0;
    const struct ws_layer layer = {.mode = WS_PAPERS,
                                   .rows = OUT,
                                   .fan_in = IN,
                                   .weight = w,
                                   .bias = bias,
                                   .in_scale = activation_gamma(ACTIVATION_RELU),
                                   .out_scale = 1,
                                   .effective = effective,
                                   .effective_bias = bias + OUT,
                                   .row_moments = bias + 2 * OUT,
                                   .conv = conv,
                                   .packed_forward = packed,
                                   .weight_gradient = effective,
                                   .bias_gradient = bias + 4 * OUT};
    if (b->weights_create(b, &layer, 1, &weights, &error) || b->weights_prepare(b, weights, scratch, &error) ||
        b->activation_forward(b, ACTIVATION_RELU, DTYPE_FP32, x, x, ROWS * IN, &error) ||
        b->conv_forward(b, conv, x, packed, bias + OUT, y, NULL, scratch, &error) ||
        b->statistics(b, DTYPE_FP32, y, ROWS, OUT, statistics, NULL, &finite, &error))
        fail_msg("%s", error.message);
    for (int i = 0; i < OUT; i++) {
        assert_true(fabsf(statistics[i]) < 0.02f);
        assert_true(fabsf(statistics[OUT + i] - 1) < 0.03f);
    }
    b->weights_destroy(b, weights);
    b->conv_destroy(b, conv);
    void *const memory[] = {x, y, w, effective, bias, statistics, packed, scratch};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        b->release(b, memory[i]);
}

/* The papers' network with five blocks a stage at 64/128/256. */
static struct model_spec deep(void)
{
    struct model_spec spec = rig_preset("report");
    const struct stage_spec *stages = spec.stages;
    struct model_spec papers = rig_preset("micro");
    for (int i = 0; i < 3; i++)
        papers.stages[i] = (struct stage_spec){stages[i].width, stages[i].width / 2, 5, stages[i].stride};
    papers.stem = 64;
    return papers;
}

static struct probe_point last_point(const struct model_spec *spec, uint64_t seed)
{
    struct network *network = rig_network(spec, 32, seed);
    struct probe *probe = rig_probe(network, 32, &at_start);
    const struct probe_point point = probe->points[probe->count - 1];
    probe_destroy(probe);
    network_destroy(network);
    return point;
}

/* Where no pooling takes any of it, the signal keeps its size through fifteen blocks. */
static void test_the_signal_keeps_its_size(void **state)
{
    (void)state;
    struct model_spec spec = deep();
    spec.shortcut = SHORTCUT_CONV;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        const struct probe_point last = last_point(&spec, seed);
        if (!(last.variance > 0.9f && last.variance < 1.2f && last.squared_mean < 0.03f))
            fail_msg("seed %d: variance %g, squared mean %g", (int)seed, (double)last.variance,
                     (double)last.squared_mean);
    }
}

/* Without standardisation means grow from block to block (SPP section 4.1). */
static void test_without_standardisation_means_shift(void **state)
{
    (void)state;
    struct model_spec spec = deep();
    spec.shortcut = SHORTCUT_CONV;
    spec.weight_standardization = false;
    assert_true(last_point(&spec, 1).squared_mean > 1);
}

/* The seed report's network, whose stem and shortcuts multiply the variance by gamma^2. */
static void test_the_report_measures_36(void **state)
{
    (void)state;
    const struct model_spec spec = rig_preset("report");
    struct network *network = rig_network(&spec, RIG_IMAGES, 1);
    struct probe *probe = rig_probe(network, RIG_IMAGES, &at_start);
    assert_in_range(probe->points[1].variance, 5, 9);
    assert_in_range(probe->points[15].variance, 26, 46);
    assert_true(fabsf(probe->points[15].predicted - 1.2f) < 1e-6f);
    probe_destroy(probe);
    network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variances_add_up),
        cmocka_unit_test(test_standardised_weights),
        cmocka_unit_test(test_gamma_and_a_standardised_convolution_keep_the_variance),
        cmocka_unit_test(test_the_signal_keeps_its_size),
        cmocka_unit_test(test_without_standardisation_means_shift),
        cmocka_unit_test(test_the_report_measures_36),
    };
    return cmocka_run_group_tests(tests, probe_rig_open, probe_rig_close);
}
