/* Standardised and packed weights, and the backward, of odd shapes together: the CPU's numbers, packed in the order
 * that kernels/cuda/cuda.h gives. */
#include "tests/cuda/twins.h"
#include "tests/cuda_emulation/emulation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* k 0: no convolution reads it, nothing is packed. `turned`: also packed for the input gradient. */
static const struct shape {
    enum ws_mode mode;
    int rows, channels, k, groups;
    enum dtype dtype;
    bool gain, skip, turned;
} shapes[] = {
    {WS_PAPERS, 16, 3, 3, 1, DTYPE_BF16, true, false, false},   /* the stem: odd channels, rows of 27 */
    {WS_PAPERS, 33, 16, 1, 1, DTYPE_BF16, true, true, false},   /* odd number of rows */
    {WS_REPORT, 7, 5, 3, 1, DTYPE_FP32, false, true, true},     /* 45 a row */
    {WS_PAPERS, 130, 10, 3, 1, DTYPE_BF16, true, true, true},   /* three tiles of rows, rows of 90 */
    {WS_REPORT, 64, 65, 3, 1, DTYPE_BF16, false, false, true},  /* a channel more than a warp's chunk */
    {WS_PAPERS, 9, 132, 3, 1, DTYPE_FP32, true, false, true},   /* three chunks */
    {WS_PAPERS, 3, 228, 3, 1, DTYPE_BF16, true, true, true},    /* 2052: a block a row */
    {WS_REPORT, 2, 227, 3, 1, DTYPE_FP32, false, false, true},  /* ... of odd length */
    {WS_PAPERS, 2, 516, 3, 1, DTYPE_BF16, true, true, true},    /* more than a block's chunk, past 4608 */
    {WS_PAPERS, 24, 24, 3, 3, DTYPE_BF16, true, false, false},  /* groups */
    {WS_PAPERS, 10, 2052, 1, 1, DTYPE_FP32, true, false, true}, /* long 1x1 */
    {WS_OFF, 10, 20, 1, 1, DTYPE_FP32, false, false, false},    /* the head */
    {WS_OFF, 5, 64, 0, 1, DTYPE_FP32, false, true, false},
    {WS_PAPERS, 1, 31, 0, 1, DTYPE_FP32, false, false, false},
    {WS_PAPERS, 3, 2049, 0, 1, DTYPE_FP32, true, true, false},
    {WS_PAPERS, 2, 1, 1, 1, DTYPE_BF16, true, false, false},
    {WS_REPORT, 3, 1, 0, 1, DTYPE_FP32, false, false, false},
};
enum { LAYERS = sizeof shapes / sizeof *shapes };

static size_t fan_in_of(const struct shape *s)
{
    return (size_t)(s->channels / s->groups * (s->k > 1 ? s->k * s->k : 1));
}

/* All layers in the memory of one back end. */
struct network {
    struct pool pool;
    struct conv convs[LAYERS];
    struct ws_layer layers[LAYERS];
};

/* The convolution of a shape as far as weights look at it. */
static struct conv conv_of(const struct shape *s)
{
    const size_t bytes = (size_t)s->rows * fan_in_of(s) * dtype_size(s->dtype);
    return (struct conv){
        .shape = {.cin = s->channels, .cout = s->rows, .k = s->k, .groups = s->groups, .dtype = s->dtype},
        .packed_forward_bytes = bytes,
        .packed_backward_bytes = s->turned ? bytes : 0};
}

static float *poisoned(struct pool *pool, size_t count)
{
    return pool_add(pool, NULL, count * sizeof(float));
}

static void make_layer(struct network *network, int l, bool packs)
{
    const struct shape *s = &shapes[l];
    struct pool *pool = &network->pool;
    const size_t rows = (size_t)s->rows, count = rows * fan_in_of(s);
    const uint32_t stream = 16 * (uint32_t)l;
    struct ws_layer *layer = &network->layers[l];
    *layer = (struct ws_layer){
        .mode = s->mode,
        .rows = s->rows,
        .fan_in = (int)fan_in_of(s),
        .weight = pool_add_normals(pool, stream, count, 0.3f, 0.1f),
        .gain = s->gain ? pool_add_normals(pool, stream + 1, rows, 0.3f, 0.8f) : NULL,
        .bias = pool_add_normals(pool, stream + 2, rows, 0.3f, 0.1f),
        .skip_gain = s->skip ? pool_add_normals(pool, stream + 3, 1, 0.0f, l % 4 == 1 ? 0.0f : 0.4f) : NULL,
        .in_scale = 1.7f - 0.1f * (float)l,
        .out_scale = s->skip ? 0.2f : 1.0f,
        .effective = poisoned(pool, count),
        .effective_bias = poisoned(pool, rows),
        .row_moments = poisoned(pool, 2 * rows),
        .weight_gradient = pool_add_normals(pool, stream + 4, count, 0.2f, 0.05f),
        .bias_gradient = pool_add_normals(pool, stream + 5, rows, 0.2f, 0.05f),
        .gain_gradient = s->gain ? poisoned(pool, rows) : NULL,
        .skip_gain_gradient = s->skip ? poisoned(pool, 1) : NULL,
    };
    if (s->k == 0 || !packs)
        return;
    network->convs[l] = conv_of(s);
    layer->conv = &network->convs[l];
    layer->packed_forward = pool_add(pool, NULL, network->convs[l].packed_forward_bytes);
    if (s->turned)
        layer->packed_backward = pool_add(pool, NULL, network->convs[l].packed_backward_bytes);
}

/* Prepares the weights and, where asked, turns the gradients; then everything is here again. */
static void run_network(struct network *network, struct backend *backend, bool packs, bool backward)
{
    struct error error = {""};
    struct weights *weights;
    memset(network, 0, sizeof *network);
    pool_open(&network->pool, backend, 2 << 20);
    for (int l = 0; l < LAYERS; l++)
        make_layer(network, l, packs);
    pool_upload(&network->pool);
    if (backend->weights_create(backend, network->layers, LAYERS, &weights, &error) ||
        backend->weights_prepare(backend, weights, NULL, &error) ||
        (backward && backend->weights_backward(backend, weights, &error)))
        fail_msg("%s", error.message);
    pool_download(&network->pool);
    backend->weights_destroy(backend, weights);
}

static void run_all(struct backend *backend, const void *data, struct outcome *out)
{
    (void)data;
    static struct network network;
    struct pool *pool = &network.pool;
    run_network(&network, backend, false, true);
    for (int l = 0; l < LAYERS; l++) {
        const struct ws_layer *layer = &network.layers[l];
        const size_t rows = (size_t)layer->rows, count = rows * (size_t)layer->fan_in;
        outcome_add(out, pool, "effective", l, layer->effective, count);
        outcome_add(out, pool, "effective bias", l, layer->effective_bias, rows);
        outcome_add(out, pool, "moment", l, layer->row_moments, 2 * rows);
        outcome_add(out, pool, "weight gradient", l, layer->weight_gradient, count);
        outcome_add(out, pool, "bias gradient", l, layer->bias_gradient, rows);
        outcome_add(out, pool, "gain gradient", l, layer->gain_gradient, rows);
        outcome_add(out, pool, "skip gain's gradient", l, layer->skip_gain_gradient, 1);
    }
    pool_close(pool);
}

static void equals_the_cpu(void **state)
{
    twins_check(*state, run_all, NULL, 1e-5f);
}

/* Each element (row, channel, tap) of OIHW stands where the convolution, and its input gradient, read it. */
static void check_packed(struct network *network, int l)
{
    const struct shape *s = &shapes[l];
    const struct ws_layer *layer = &network->layers[l];
    const size_t rows = (size_t)s->rows, n = fan_in_of(s), taps = (size_t)(s->k * s->k), channels = n / taps;
    const float *effective = pool_copy(&network->pool, layer->effective);
    const void *forward = pool_copy(&network->pool, layer->packed_forward);
    const void *turned = s->turned ? pool_copy(&network->pool, layer->packed_backward) : NULL;
    for (size_t row = 0; row < rows; row++)
        for (size_t c = 0; c < channels; c++)
            for (size_t tap = 0; tap < taps; tap++) {
                const double expected = round_to(s->dtype, (double)effective[row * n + c * taps + tap]);
                const size_t at = (row * taps + tap) * channels + c, back = (c * taps + taps - 1 - tap) * rows + row;
                if ((double)stored_value(s->dtype, forward, at) != expected)
                    fail_msg("layer %d, row %zu, channel %zu, tap %zu: packed as %.9g, expected %.9g", l, row, c, tap,
                             (double)stored_value(s->dtype, forward, at), expected);
                if (turned && (double)stored_value(s->dtype, turned, back) != expected)
                    fail_msg("layer %d, row %zu, channel %zu, tap %zu: turned as %.9g, expected %.9g", l, row, c, tap,
                             (double)stored_value(s->dtype, turned, back), expected);
            }
}

static void packed_weights_are_the_effective_ones_rounded(void **state)
{
    const struct twins *twins = *state;
    static struct network network;
    for (int order = 0; order < emulation_orders(); order++) {
        emulation_set_order((enum emulation_order)order, 1);
        run_network(&network, twins->cuda, true, false);
        for (int l = 0; l < LAYERS; l++)
            if (shapes[l].k > 0)
                check_packed(&network, l);
        pool_close(&network.pool);
    }
    emulation_set_order(EMULATION_ASCENDING, 0);
}

static void an_empty_list_is_no_work(void **state)
{
    const struct twins *twins = *state;
    struct error error = {""};
    struct weights *weights = NULL;
    assert_int_equal(twins->cuda->weights_create(twins->cuda, NULL, 0, &weights, &error), 0);
    assert_int_equal(twins->cuda->weights_prepare(twins->cuda, weights, NULL, &error), 0);
    assert_int_equal(twins->cuda->weights_backward(twins->cuda, weights, &error), 0);
    twins->cuda->weights_destroy(twins->cuda, weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_cpu),
        cmocka_unit_test(packed_weights_are_the_effective_ones_rounded),
        cmocka_unit_test(an_empty_list_is_no_work),
    };
    return cmocka_run_group_tests(tests, twins_open, twins_close);
}
