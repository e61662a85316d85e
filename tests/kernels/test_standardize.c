/* What weight standardisation promises: rows that sum to 0 and whose squares sum to gain^2, blindness to shift and
 * size of the raw weights, gradients that are orthogonal to both, and layers that do not see each other. */
#include "tests/kernels/rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LAYERS = 7 };

/* Odd and even sizes, larger and smaller than a slice of the list; modes and scalars mixed. */
static const struct {
    enum ws_mode mode;
    int rows, fan_in;
    bool gain, skip;
} layout[LAYERS] = {{WS_PAPERS, 16, 27, true, false},   {WS_PAPERS, 33, 16, true, true},
                    {WS_REPORT, 64, 144, false, false}, {WS_OFF, 5, 64, false, true},
                    {WS_PAPERS, 200, 600, true, true},  {WS_REPORT, 7, 9, false, true},
                    {WS_PAPERS, 1, 31, false, false}};

struct network {
    struct ws_layer layers[LAYERS];
    float *memory[LAYERS][9];
};

/* The same network each time it is called. */
static void make(struct network *network)
{
    for (int l = 0; l < LAYERS; l++) {
        size_t rows = (size_t)layout[l].rows, count = rows * (size_t)layout[l].fan_in;
        const size_t sizes[9] = {count, rows, rows, 1, count, rows, 2 * rows, count, rows};
        for (uint32_t i = 0; i < 9; i++)
            network->memory[l][i] = rig_normals(16 * (uint32_t)l + i, sizes[i], 0.3f, i == 1 || i == 3 ? 0.8f : 0.1f);
        float **m = network->memory[l];
        network->layers[l] = (struct ws_layer){.mode = layout[l].mode,
                                               .rows = layout[l].rows,
                                               .fan_in = layout[l].fan_in,
                                               .weight = m[0],
                                               .gain = layout[l].gain ? m[1] : NULL,
                                               .bias = m[2],
                                               .skip_gain = layout[l].skip ? m[3] : NULL,
                                               .in_scale = 1.0f,
                                               .out_scale = 1.0f,
                                               .effective = m[4],
                                               .effective_bias = m[5],
                                               .row_moments = m[6],
                                               .weight_gradient = m[7],
                                               .bias_gradient = m[8]};
        if (layout[l].gain)
            network->layers[l].gain_gradient = rig_normals(1, rows, 0.0f, NAN);
        if (layout[l].skip)
            network->layers[l].skip_gain_gradient = rig_normals(1, 1, 0.0f, NAN);
    }
}

static void discard(struct network *network)
{
    for (int l = 0; l < LAYERS; l++) {
        for (int i = 0; i < 9; i++)
            free(network->memory[l][i]);
        free(network->layers[l].gain_gradient);
        free(network->layers[l].skip_gain_gradient);
    }
}

static void run(struct backend *backend, const struct ws_layer *layers, int count, bool is_backward)
{
    struct error error = {""};
    struct weights *weights;
    if (backend->weights_create(backend, layers, count, &weights, &error) ||
        (is_backward ? backend->weights_backward(backend, weights, &error)
                     : backend->weights_prepare(backend, weights, NULL, &error)))
        fail_msg("%s", error.message);
    backend->weights_destroy(backend, weights);
}

static void forward(struct backend *backend, const struct ws_layer *layers, int count)
{
    run(backend, layers, count, false);
}

static void backward(struct backend *backend, const struct ws_layer *layers, int count)
{
    run(backend, layers, count, true);
}

static double dot(const float *a, const float *b, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * (b ? (double)b[i] : 1.0);
    return sum;
}

static double scale_of(const struct ws_layer *layer, int row)
{
    return (layer->gain ? (double)layer->gain[row] : 1.0) * (layer->skip_gain ? (double)*layer->skip_gain : 1.0);
}

static void rows_sum_to_0_and_squares_to_gain_squared(void **state)
{
    struct network network;
    make(&network);
    forward(*state, network.layers, LAYERS);
    for (int l = 0; l < LAYERS; l++) {
        const struct ws_layer *layer = &network.layers[l];
        for (int row = 0; row < layer->rows && layer->mode != WS_OFF; row++) {
            const float *w = layer->effective + row * layer->fan_in;
            double expected = pow(scale_of(layer, row), 2.0);
            if (layer->mode == WS_REPORT) /* unbiased deviation, and the report's gain */
                expected *= pow(1.712858, 2.0) * (layer->fan_in - 1) / layer->fan_in;
            assert_true(fabs(dot(w, NULL, layer->fan_in)) < 1e-4 * sqrt(expected) + 1e-6);
            assert_true(fabs(dot(w, w, layer->fan_in) - expected) < 1e-3 * expected);
        }
    }
    discard(&network);
}

static void blind_to_shift_and_size(void **state)
{
    struct network network, moved;
    make(&network);
    make(&moved);
    for (int l = 0; l < LAYERS; l++)
        for (int i = 0; i < layout[l].rows * layout[l].fan_in && layout[l].mode != WS_OFF; i++)
            moved.memory[l][0][i] = 3.0f * moved.memory[l][0][i] + 0.7f;
    forward(*state, network.layers, LAYERS);
    forward(*state, moved.layers, LAYERS);
    for (int l = 0; l < LAYERS; l++)
        for (int i = 0; i < layout[l].rows * layout[l].fan_in; i++)
            assert_true(fabsf(network.layers[l].effective[i] - moved.layers[l].effective[i]) < 1e-4f);
    discard(&network);
    discard(&moved);
}

static void gradients_are_orthogonal_to_shift_and_size(void **state)
{
    struct network network;
    make(&network);
    forward(*state, network.layers, LAYERS);
    backward(*state, network.layers, LAYERS);
    for (int l = 0; l < LAYERS; l++) {
        const struct ws_layer *layer = &network.layers[l];
        for (int row = 0; row < layer->rows && layer->mode != WS_OFF; row++) {
            const float *w = layer->weight + row * layer->fan_in, *d = layer->weight_gradient + row * layer->fan_in;
            double size = sqrt(dot(d, d, layer->fan_in)), length = sqrt(dot(w, w, layer->fan_in));
            assert_true(size > 0.0);
            assert_true(fabs(dot(d, NULL, layer->fan_in)) < 1e-5 * size * sqrt(layer->fan_in));
            /* the report's 1e-5 beside the deviation leaves a trace of the size */
            double tolerance = layer->mode == WS_REPORT ? 1e-4 : 1e-5;
            assert_true(fabs(dot(d, w, layer->fan_in)) < tolerance * size * length);
        }
    }
    discard(&network);
}

static void expect_same_layer(const struct ws_layer *a, const struct ws_layer *b)
{
    size_t row = (size_t)a->rows * sizeof(float), all = row * (size_t)a->fan_in;
    assert_memory_equal(a->effective, b->effective, all);
    assert_memory_equal(a->effective_bias, b->effective_bias, row);
    assert_memory_equal(a->row_moments, b->row_moments, 2 * row);
    assert_memory_equal(a->weight_gradient, b->weight_gradient, all);
    assert_memory_equal(a->bias_gradient, b->bias_gradient, row);
    if (a->gain_gradient)
        assert_memory_equal(a->gain_gradient, b->gain_gradient, row);
}

/* One call for all layers does what a call for each does; only the skip gain's sum may be cut elsewhere. */
static void layers_do_not_see_each_other(void **state)
{
    struct network all, each;
    make(&all);
    make(&each);
    forward(*state, all.layers, LAYERS);
    backward(*state, all.layers, LAYERS);
    for (int l = 0; l < LAYERS; l++) {
        forward(*state, &each.layers[l], 1);
        backward(*state, &each.layers[l], 1);
        expect_same_layer(&all.layers[l], &each.layers[l]);
        if (layout[l].skip) {
            float a = *all.layers[l].skip_gain_gradient, b = *each.layers[l].skip_gain_gradient;
            assert_true(fabsf(a - b) <= 1e-6f * fabsf(b));
        }
    }
    discard(&all);
    discard(&each);
}

static void same_bits_for_any_thread_count(void **state)
{
    (void)state;
    struct network network[3];
    for (int t = 0; t < 3; t++) {
        struct backend *backend;
        struct error error = {""};
        assert_int_equal(backend_cpu_create(t + 1, &backend, &error), 0);
        make(&network[t]);
        forward(backend, network[t].layers, LAYERS);
        backward(backend, network[t].layers, LAYERS);
        backend->destroy(backend);
        for (int l = 0; l < LAYERS; l++) {
            expect_same_layer(&network[t].layers[l], &network[0].layers[l]);
            if (layout[l].skip)
                assert_memory_equal(network[t].layers[l].skip_gain_gradient, network[0].layers[l].skip_gain_gradient,
                                    sizeof(float));
        }
    }
    for (int t = 0; t < 3; t++)
        discard(&network[t]);
}

/* Equal weights have no deviation: the row becomes 0, and its gradient stays finite. */
static void constant_row_is_0(void **state)
{
    const enum ws_mode modes[] = {WS_PAPERS, WS_REPORT};
    for (int m = 0; m < 2; m++)
        for (int fan_in = 1; fan_in < 10; fan_in += 8) {
            float weight[9], effective[9], gradient[9], bias = 0.5f, effective_bias, moments[2], bias_gradient = 1.0f;
            for (int i = 0; i < 9; i++) {
                weight[i] = 0.25f;
                gradient[i] = (float)i;
            }
            struct ws_layer layer = {.mode = modes[m],
                                     .rows = 1,
                                     .fan_in = fan_in,
                                     .weight = weight,
                                     .bias = &bias,
                                     .in_scale = 2.0f,
                                     .out_scale = 0.5f,
                                     .effective = effective,
                                     .effective_bias = &effective_bias,
                                     .row_moments = moments,
                                     .weight_gradient = gradient,
                                     .bias_gradient = &bias_gradient};
            forward(*state, &layer, 1);
            backward(*state, &layer, 1);
            for (int i = 0; i < fan_in; i++) {
                assert_true(effective[i] == 0.0f);
                assert_true(isfinite(gradient[i]));
            }
            assert_true(effective_bias == 0.25f && bias_gradient == 0.5f);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_sum_to_0_and_squares_to_gain_squared),
                                       cmocka_unit_test(blind_to_shift_and_size),
                                       cmocka_unit_test(gradients_are_orthogonal_to_shift_and_size),
                                       cmocka_unit_test(layers_do_not_see_each_other),
                                       cmocka_unit_test(same_bits_for_any_thread_count),
                                       cmocka_unit_test(constant_row_is_0)};
    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
