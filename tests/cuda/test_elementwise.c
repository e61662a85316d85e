/* The CUDA back end's elementwise ops and sums beside the CPU's, where the op table does not go: sums over so many rows
 * that several blocks share them, counts that fill no block, values that are not finite, draws. */
#include "tests/cuda/twins.h"
#include "tests/cuda_emulation/emulation.h"
#include "tests/kernels/statistics_checks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (int)(sizeof(array) / sizeof *(array))

/* Of the largest value: a unit of bf16's 8 bits, or the rounding of sums in another order. */
static float tolerance_of(enum dtype dtype)
{
    return dtype == DTYPE_BF16 ? 1e-2f : 2e-5f;
}

static const char *name_of(enum dtype dtype)
{
    return dtype == DTYPE_BF16 ? "bf16" : "fp32";
}

/* Normal values in the rig's dtype. */
static void *normals(struct rig *rig, enum dtype storage, uint32_t stream, size_t count, double scale, double shift)
{
    double *values = malloc((count + 1) * sizeof *values);
    assert_non_null(values);
    rig_normal(stream, values, count);
    for (size_t i = 0; i < count; i++)
        values[i] = shift + scale * values[i];
    void *device = rig_upload(rig, storage, values, count);
    free(values);
    return device;
}

/* A tensor as it is now; nothing when `device` is NULL. */
static void add(struct outcome *out, struct rig *rig, const char *name, enum dtype storage, const void *device,
                size_t count)
{
    if (!device)
        return;
    double *values = malloc(count * sizeof *values);
    float *rounded = malloc(count * sizeof *rounded);
    assert_non_null(values);
    assert_non_null(rounded);
    rig_download(rig, storage, device, values, count);
    for (size_t i = 0; i < count; i++)
        rounded[i] = (float)values[i];
    outcome_add_values(out, name, 0, rounded, count);
    free(values);
    free(rounded);
}

static void add_floats(struct outcome *out, struct rig *rig, const char *name, const float *device, size_t count)
{
    add(out, rig, name, DTYPE_FP32, device, count);
}

static void add_activations(struct outcome *out, struct rig *rig, const char *name, const void *device, size_t count)
{
    add(out, rig, name, rig->dtype, device, count);
}

/* ---- Sums per channel ---- */

struct rows_case {
    enum dtype dtype;
    size_t rows;
    int c;
    bool relu, add;
    double shift;
};

/* Odd numbers of rows and channels; one part and several; one chunk of channels and several; a mean far from 0. */
static const struct rows_case rows_cases[] = {
    {.rows = 1, .c = 1},
    {.rows = 5, .c = 3, .relu = true},
    {.rows = 700, .c = 3, .add = true},
    {.rows = 9001, .c = 4, .relu = true, .add = true},
    {.rows = 3001, .c = 10, .relu = true},
    {.rows = 2050, .c = 24, .shift = 100.0},
    {.rows = 333, .c = 40, .relu = true, .add = true, .shift = -30.0},
    {.rows = 130, .c = 264},
    {.rows = 67, .c = 523, .relu = true},
};

static void run_batch_norm(struct backend *b, const void *data, struct outcome *out)
{
    const struct rows_case *c = data;
    const size_t channels = (size_t)c->c, count = c->rows * channels;
    struct rig rig = {.backend = b, .dtype = c->dtype, .repeats = 1};
    rig_begin(&rig);
    const struct batch_norm norm = {.c = c->c,
                                    .weight = normals(&rig, DTYPE_FP32, 1, channels, 0.3, 1.0),
                                    .bias = normals(&rig, DTYPE_FP32, 2, channels, 1.0, 0.0),
                                    .running_mean = normals(&rig, DTYPE_FP32, 3, channels, 1.0, 0.0),
                                    .running_variance = normals(&rig, DTYPE_FP32, 4, channels, 0.1, 2.0),
                                    .saved = rig_poisoned(&rig, DTYPE_FP32, 2 * channels),
                                    .weight_gradient = rig_poisoned(&rig, DTYPE_FP32, channels),
                                    .bias_gradient = rig_poisoned(&rig, DTYPE_FP32, channels)};
    const void *x = normals(&rig, c->dtype, 5, count, 1.0, c->shift);
    const void *dy = normals(&rig, c->dtype, 6, count, 1.0, 0.1);
    void *y = rig_poisoned(&rig, c->dtype, count);
    void *dx = c->add ? normals(&rig, c->dtype, 7, count, 1.0, 0.0) : rig_poisoned(&rig, c->dtype, count);
    RIG_CALL(&rig, b->batch_norm_forward(b, c->dtype, &norm, x, y, true, c->relu, c->rows, &error));
    RIG_CALL(&rig, b->batch_norm_backward(b, c->dtype, &norm, x, y, dy, dx, c->relu, c->add, c->rows, &error));
    add_activations(out, &rig, "y", y, count);
    add_activations(out, &rig, "dx", dx, count);
    add_floats(out, &rig, "running mean", norm.running_mean, channels);
    add_floats(out, &rig, "running variance", norm.running_variance, channels);
    add_floats(out, &rig, "saved mean", norm.saved, channels);
    add_floats(out, &rig, "saved deviation", norm.saved + channels, channels);
    add_floats(out, &rig, "weight gradient", norm.weight_gradient, channels);
    add_floats(out, &rig, "bias gradient", norm.bias_gradient, channels);
    RIG_CALL(&rig, b->batch_norm_forward(b, c->dtype, &norm, x, y, false, c->relu, c->rows, &error));
    add_activations(out, &rig, "y in inference", y, count);
    rig_end(&rig);
}

static void batch_norm_over_many_rows(void **state)
{
    for (int i = 0; i < COUNT(rows_cases); i++)
        for (int dtype = DTYPE_FP32; dtype <= DTYPE_BF16; dtype++) {
            struct rows_case c = rows_cases[i];
            c.dtype = (enum dtype)dtype;
            print_message("%zu rows of %d channels, %s\n", c.rows, c.c, name_of(c.dtype));
            twins_check(*state, run_batch_norm, &c, tolerance_of(c.dtype));
        }
}

static void batch_norm_passes_over_what_is_not_finite(void **state)
{
    batch_norm_check_not_finite(((struct twins *)*state)->cuda);
}

/* ---- Maps ---- */

struct map_case {
    enum dtype dtype;
    int n, spatial, c;
    bool sample, channel, skip, add;
};

/* Few images and more than a GPU has multiprocessors for, one position and many, one chunk of channels and several. */
static const struct map_case map_cases[] = {
    {.n = 1, .spatial = 1, .c = 1, .skip = true},
    {.n = 2, .spatial = 130, .c = 3, .channel = true, .skip = true, .add = true},
    {.n = 3, .spatial = 16, .c = 40, .sample = true},
    {.n = 3, .spatial = 49, .c = 296, .channel = true, .add = true},
    {.n = 300, .spatial = 4, .c = 20, .sample = true, .channel = true, .skip = true},
    {.n = 1100, .spatial = 1, .c = 8, .sample = true, .skip = true, .add = true},
    {.n = 270, .spatial = 2, .c = 264, .channel = true, .skip = true},
};

static void run_maps(struct backend *b, const void *data, struct outcome *out)
{
    const struct map_case *c = data;
    const size_t images = (size_t)c->n, flat = images * (size_t)c->c, count = flat * (size_t)c->spatial;
    struct rig rig = {.backend = b, .dtype = c->dtype, .repeats = 1};
    rig_begin(&rig);
    void *x = normals(&rig, c->dtype, 1, count, 1.0, 0.0), *map = normals(&rig, c->dtype, 2, count, 1.0, 0.5);
    void *gradient = rig_poisoned(&rig, c->dtype, count), *spread = normals(&rig, c->dtype, 3, count, 1.0, 0.0);
    float *pooled = rig_poisoned(&rig, DTYPE_FP32, flat), *scratch = rig_poisoned(&rig, DTYPE_FP32, flat);
    float *dchannel = c->channel ? rig_poisoned(&rig, DTYPE_FP32, flat) : NULL;
    float *dskip = c->skip ? normals(&rig, DTYPE_FP32, 4, 1, 1.0, 0.0) : NULL;
    float *samples = c->sample ? rig_poisoned(&rig, DTYPE_FP32, images) : NULL;
    if (samples)
        RIG_CALL(&rig, b->drop_path(b, samples, 0.4f, 3, rig_values(&rig, 1, NULL), 2, 0, c->n, &error));
    const struct residual_gate gate = {.sample = samples,
                                       .channel = c->channel ? normals(&rig, DTYPE_FP32, 5, flat, 0.5, 1.0) : NULL,
                                       .skip_gain = c->skip ? normals(&rig, DTYPE_FP32, 6, 1, 0.1, 0.7) : NULL,
                                       .alpha = 0.2f};
    RIG_CALL(&rig, b->global_pool_forward(b, c->dtype, map, pooled, 1.5f, c->n, c->spatial, c->c, &error));
    RIG_CALL(&rig,
             b->global_pool_backward(b, c->dtype, NULL, pooled, spread, 1.5f, true, c->n, c->spatial, c->c, &error));
    RIG_CALL(&rig, b->residual_add_forward(b, c->dtype, x, map, &gate, c->n, c->spatial, c->c, &error));
    RIG_CALL(&rig, b->residual_add_backward(b, c->dtype, x, map, &gate, gradient, dchannel, dskip, c->add, scratch,
                                            c->n, c->spatial, c->c, &error));
    add_floats(out, &rig, "pooled", pooled, flat);
    add_activations(out, &rig, "spread", spread, count);
    add_activations(out, &rig, "sum", x, count);
    add_activations(out, &rig, "dbranch", gradient, count);
    add_floats(out, &rig, "dchannel", dchannel, flat);
    add_floats(out, &rig, "dskip_gain", dskip, 1);
    rig_end(&rig);
}

static void pools_and_residuals_of_any_batch(void **state)
{
    for (int i = 0; i < COUNT(map_cases); i++)
        for (int dtype = DTYPE_FP32; dtype <= DTYPE_BF16; dtype++) {
            struct map_case c = map_cases[i];
            c.dtype = (enum dtype)dtype;
            print_message("%d maps of %d positions and %d channels, %s\n", c.n, c.spatial, c.c, name_of(c.dtype));
            twins_check(*state, run_maps, &c, tolerance_of(c.dtype));
        }
}

/* ---- Element by element ---- */

struct flat_case {
    enum dtype dtype;
    size_t count;
};

static void run_flat(struct backend *b, const void *data, struct outcome *out)
{
    const struct flat_case *c = data;
    struct rig rig = {.backend = b, .dtype = c->dtype, .repeats = 1};
    rig_begin(&rig);
    void *x = normals(&rig, c->dtype, 1, c->count, 2.0, 0.0), *dy = normals(&rig, c->dtype, 2, c->count, 1.0, 0.0);
    for (int a = ACTIVATION_RELU; a <= ACTIVATION_TANH; a++) {
        void *y = rig_poisoned(&rig, c->dtype, c->count), *dx = normals(&rig, c->dtype, 3, c->count, 1.0, 0.0);
        RIG_CALL(&rig, b->activation_forward(b, (enum activation)a, c->dtype, x, y, c->count, &error));
        RIG_CALL(&rig, b->activation_backward(b, (enum activation)a, c->dtype, x, dy, dx, true, c->count, &error));
        add_activations(out, &rig, "activation", y, c->count);
        add_activations(out, &rig, "its gradient", dx, c->count);
    }
    void *copy = rig_poisoned(&rig, c->dtype, c->count);
    uint16_t *half = rig_poisoned(&rig, DTYPE_BF16, c->count);
    float *back = rig_poisoned(&rig, DTYPE_FP32, c->count);
    RIG_CALL(&rig, b->convert(b, c->dtype, x, c->dtype, copy, c->count, &error));
    RIG_CALL(&rig, b->convert(b, c->dtype, copy, DTYPE_BF16, half, c->count, &error));
    RIG_CALL(&rig, b->convert(b, DTYPE_BF16, half, DTYPE_FP32, back, c->count, &error));
    add_activations(out, &rig, "copy", copy, c->count);
    add_floats(out, &rig, "there and back", back, c->count);
    rig_end(&rig);
}

static void counts_that_fill_no_vector(void **state)
{
    static const size_t counts[] = {1, 3, 4, 5, 8, 15, 1023, 1025, 2049, 5003};
    for (int i = 0; i < COUNT(counts); i++)
        for (int dtype = DTYPE_FP32; dtype <= DTYPE_BF16; dtype++) {
            const struct flat_case c = {(enum dtype)dtype, counts[i]};
            twins_check(*state, run_flat, &c, tolerance_of(c.dtype));
        }
}

/* A NaN must reach the loss and be found. */
static void activations_hand_nan_on(void **state)
{
    const struct twins *twins = *state;
    struct backend *b = twins->cuda;
    for (int a = ACTIVATION_RELU; a <= ACTIVATION_TANH; a++)
        for (int dtype = DTYPE_FP32; dtype <= DTYPE_BF16; dtype++) {
            struct rig rig = {.backend = b, .dtype = (enum dtype)dtype, .repeats = 1};
            double values[3] = {1.0, (double)NAN, (double)INFINITY};
            rig_begin(&rig);
            void *x = rig_upload(&rig, rig.dtype, values, 3);
            RIG_CALL(&rig, b->activation_forward(b, (enum activation)a, rig.dtype, x, x, 3, &error));
            rig_download(&rig, rig.dtype, x, values, 3);
            assert_true(isfinite(values[0]));
            assert_true(isnan(values[1]));
            assert_true(a == ACTIVATION_TANH ? values[2] == 1.0 : isinf(values[2]));
            rig_end(&rig);
        }
}

/* ---- Draws ---- */

static void run_draws(struct backend *b, const void *data, struct outcome *out)
{
    const size_t count = *(const size_t *)data;
    const uint64_t seed = 0x123456789abcdefu, first = ((uint64_t)1 << 33) + 40;
    struct rig rig = {.backend = b, .repeats = 1};
    rig_begin(&rig);
    const struct step_values *values = rig_values(&rig, 77, NULL);
    float *x = normals(&rig, DTYPE_FP32, 1, count, 1.0, 0.0), *y = rig_poisoned(&rig, DTYPE_FP32, count);
    float *gates = rig_poisoned(&rig, DTYPE_FP32, count), *all = rig_poisoned(&rig, DTYPE_FP32, count);
    RIG_CALL(&rig, b->dropout(b, x, y, 0.3f, seed, values, first, count, &error));
    RIG_CALL(&rig, b->drop_path(b, gates, 0.3f, seed, values, 9, 1000, (int)count, &error));
    RIG_CALL(&rig, b->drop_path(b, all, 0.0f, seed, values, 9, 1000, (int)count, &error));
    add_floats(out, &rig, "dropout", y, count);
    add_floats(out, &rig, "drop path", gates, count);
    add_floats(out, &rig, "drop path of rate 0", all, count);
    rig_end(&rig);
}

static void draws_are_the_same_numbers(void **state)
{
    static const size_t counts[] = {1, 6, 300, 1030};
    for (int i = 0; i < COUNT(counts); i++)
        twins_check(*state, run_draws, &counts[i], 0.0f);
}

/* ---- Loss ---- */

struct loss_case {
    int n, classes;
    float smoothing;
    bool add, no_gradient, equal; /* equal: the first class wins */
    int partner;                  /* share of MIX_WHOLE of the labels of the mirrored places; 0: not mixed */
};

static uint8_t *random_labels(int n, int classes)
{
    uint8_t *labels = malloc((size_t)n);
    assert_non_null(labels);
    for (int i = 0; i < n; i++)
        labels[i] = (uint8_t)(philox_draw(1, PHILOX_SYNTHETIC, 0, (uint64_t)i, 0).word[0] % (uint32_t)classes);
    return labels;
}

static void run_loss(struct backend *b, const void *data, struct outcome *out)
{
    const struct loss_case *c = data;
    const size_t count = (size_t)c->n * (size_t)c->classes;
    struct rig rig = {.backend = b, .repeats = 1};
    struct loss_result result = {.loss = 1.5f, .correct = 7};
    rig_begin(&rig);
    uint8_t *labels = random_labels(c->n, c->classes);
    const struct mix mix = {.partner = c->partner};
    struct loss_target target = {.labels = rig_copy_in(&rig, labels, (size_t)c->n),
                                 .mix = rig_copy_in(&rig, &mix, sizeof mix),
                                 .smoothing = c->smoothing};
    for (int i = 0; i < c->n / 2; i++) {
        const uint8_t label = labels[i];
        labels[i] = labels[c->n - 1 - i];
        labels[c->n - 1 - i] = label;
    }
    target.partners = c->partner ? rig_copy_in(&rig, labels, (size_t)c->n) : NULL;
    free(labels);
    const float *logits = normals(&rig, DTYPE_FP32, 1, count, c->equal ? 0.0 : 3.0, 50.0);
    float *dlogits = c->no_gradient ? NULL : rig_poisoned(&rig, DTYPE_FP32, count);
    struct loss_result *sums = rig_copy_in(&rig, &result, sizeof result);
    RIG_CALL(&rig,
             b->softmax_cross_entropy(b, logits, &target, 0.25f, dlogits, sums, c->add, c->n, c->classes, &error));
    struct error error = {""};
    if (b->copy_out(b, &result, sums, sizeof result, &error))
        rig_failed("copy_out", error.message);
    const float correct = (float)result.correct;
    outcome_add_values(out, "loss", 0, &result.loss, 1);
    outcome_add_values(out, "correct", 0, &correct, 1);
    add_floats(out, &rig, "gradient", dlogits, count);
    rig_end(&rig);
}

static void losses_of_any_batch_and_classes(void **state)
{
    static const struct loss_case cases[] = {
        {.n = 1, .classes = 1},
        {.n = 1, .classes = 10, .smoothing = 0.1f, .add = true},
        {.n = 33, .classes = 17, .smoothing = 0.1f},
        {.n = 131, .classes = 100, .smoothing = 0.2f, .add = true},
        {.n = 1025, .classes = 10, .add = true},
        {.n = 300, .classes = 100, .smoothing = 0.1f},
        {.n = 200, .classes = 40, .equal = true},
        {.n = 33, .classes = 10, .smoothing = 0.1f, .partner = 300},
        {.n = 300, .classes = 100, .smoothing = 0.1f, .partner = 700, .add = true},
        {.n = 70, .classes = 256, .smoothing = 0.1f, .no_gradient = true},
    };
    for (int i = 0; i < COUNT(cases); i++) {
        print_message("%d samples of %d classes\n", cases[i].n, cases[i].classes);
        twins_check(*state, run_loss, &cases[i], 2e-6f);
    }
}

/* The loss of two samples of three classes on the GPU, the first as given. */
static struct loss_result loss_of(struct backend *b, const double logits[3], uint8_t label)
{
    struct rig rig = {.backend = b, .repeats = 1};
    const double all[6] = {logits[0], logits[1], logits[2], 1.0, 3.0, 2.0};
    const uint8_t labels[2] = {label, 1};
    struct loss_result result = {0};
    rig_begin(&rig);
    const float *device = rig_upload(&rig, DTYPE_FP32, all, 6);
    const uint8_t *device_labels = rig_copy_in(&rig, labels, sizeof labels);
    float *dlogits = rig_poisoned(&rig, DTYPE_FP32, 6);
    struct loss_result *sums = rig_bytes(&rig, sizeof *sums);
    RIG_CALL(&rig, b->softmax_cross_entropy(b, device, &(struct loss_target){.labels = device_labels}, 1.0f, dlogits,
                                            sums, false, 2, 3, &error));
    struct error error = {""};
    if (b->copy_out(b, &result, sums, sizeof result, &error))
        rig_failed("copy_out", error.message);
    rig_end(&rig);
    return result;
}

static void loss_is_nan_where_it_must_stop_the_run(void **state)
{
    struct backend *cuda = ((struct twins *)*state)->cuda;
    const double fine[3] = {0.0, 5.0, 5.0}, large[3] = {-1e4, 2e4, 1e4};
    const double nan[3] = {0.0, (double)NAN, 1.0}, infinite[3] = {0.0, (double)INFINITY, 1.0};
    /* of equals the first counts */
    assert_int_equal(loss_of(cuda, fine, 1).correct, 2);
    assert_int_equal(loss_of(cuda, fine, 2).correct, 1);
    assert_true(fabs((double)loss_of(cuda, large, 2).loss - 1e4) < 1.0);
    assert_true(isnan(loss_of(cuda, nan, 0).loss));
    assert_true(isnan(loss_of(cuda, infinite, 0).loss));
    /* a label that is no class */
    assert_true(isnan(loss_of(cuda, fine, 3).loss));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_over_many_rows),        cmocka_unit_test(batch_norm_passes_over_what_is_not_finite),
        cmocka_unit_test(pools_and_residuals_of_any_batch), cmocka_unit_test(counts_that_fill_no_vector),
        cmocka_unit_test(activations_hand_nan_on),          cmocka_unit_test(draws_are_the_same_numbers),
        cmocka_unit_test(losses_of_any_batch_and_classes),  cmocka_unit_test(loss_is_nan_where_it_must_stop_the_run)};
    return cmocka_run_group_tests(tests, twins_open, twins_close);
}
