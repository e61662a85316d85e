/* Whole networks: chunks, memory, determinism, bf16, averages, divergence. Their gradients are in test_gradients.c. */
#include "engine/execute.h"
#include "tests/engine/probe_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 3 };

/* ---- A small network on made-up images ---- */

static struct network *make(const struct model_spec *spec, int batch, enum dtype dtype)
{
    struct error error = {""};
    struct network *network = NULL;
    const struct network_options options = {.batch = batch, .dtype = dtype, .seed = 3, .ema = true, .lookahead = true};
    if (network_create(rig_backend, spec, &options, &network, &error))
        fail_msg("%s", error.message);
    return network;
}

static float step(struct network *network, int n)
{
    struct error error = {""};
    struct step_result result;
    const struct step_options options = {.label_smoothing = 0.1f, .step = 7};
    if (network_train_step(network, rig_images, rig_labels, n, &options, &result, &error))
        fail_msg("%s", error.message);
    assert_true(result.finite);
    return result.loss;
}

static void update(struct network *network)
{
    struct error error = {""};
    struct update_result result;
    const struct optimizer_options options = {
        .learning_rate = 0.05f, .momentum = 0.9f, .weight_decay = 5e-4f, .agc = 0.02f, .ema = 0.99f, .nesterov = true};
    if (network_update(network, &options, &result, &error))
        fail_msg("%s", error.message);
    assert_true(result.finite);
}

/* All values of one part, in order. */
static float *gather(struct network *network, enum parameter_part part, size_t *total)
{
    int count;
    const struct parameter *parameters = network_parameters(network, &count);
    float *all = malloc(network_parameter_count(network) * sizeof *all);
    assert_non_null(all);
    *total = 0;
    for (int i = 0; i < count; i++) {
        if (parameters[i].role == PARAMETER_BUFFER)
            continue;
        assert_int_equal(network_read(network, &parameters[i], part, all + *total, NULL), 0);
        *total += parameters[i].count;
    }
    return all;
}

/* ---- Chunks and memory ---- */

static double difference(const float *a, const float *b, size_t count)
{
    double square = 0, scale = 0;
    for (size_t i = 0; i < count; i++) {
        square += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        scale += (double)b[i] * (double)b[i];
    }
    return sqrt(square / scale);
}

/* A batch that the chunk does not divide gives the mean of the gradients of its parts. */
static void test_a_batch_is_the_sum_of_its_chunks(void **state)
{
    (void)state;
    const struct model_spec spec = rig_narrow(FAMILY_PAPERS);
    enum { WHOLE = 37 };
    struct network *whole = make(&spec, WHOLE, DTYPE_FP32), *single = make(&spec, 1, DTYPE_FP32);
    assert_in_range(whole->chunk, 2, WHOLE - 1);
    assert_int_not_equal(WHOLE % whole->chunk, 0);
    rig_stir(whole);
    rig_stir(single);
    step(whole, WHOLE);
    size_t count;
    float *gradient = gather(whole, PART_GRADIENT, &count), *sum = calloc(count, sizeof *sum);
    assert_non_null(sum);
    for (int i = 0; i < WHOLE; i++) {
        struct step_result result;
        const struct step_options options = {.label_smoothing = 0.1f, .step = 7};
        assert_int_equal(
            network_train_step(single, rig_images + i * RIG_IMAGE, rig_labels + i, 1, &options, &result, NULL), 0);
        float *one = gather(single, PART_GRADIENT, &count);
        for (size_t j = 0; j < count; j++)
            sum[j] += one[j] / WHOLE;
        free(one);
    }
    assert_true(difference(gradient, sum, count) < 1e-5);
    free(gradient);
    free(sum);
    network_destroy(whole);
    network_destroy(single);
}

static void test_no_two_living_buffers_share_memory(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    struct buffer buffers[COUNT];
    size_t total = 0;
    for (int i = 0; i < COUNT; i++) {
        const struct philox draw = philox_draw(1, PHILOX_SYNTHETIC, 1, (uint64_t)i, 0);
        buffers[i] = (struct buffer){.bytes = 256 * (1 + (size_t)philox_below(draw.word[0], 40)),
                                     .first = (int)philox_below(draw.word[1], 90)};
        buffers[i].last = buffers[i].first + (int)philox_below(draw.word[2], 10);
        total += buffers[i].bytes;
    }
    const size_t end = plan_place_buffers(buffers, COUNT, 512);
    assert_true(end < total / 4);
    for (int i = 0; i < COUNT; i++) {
        assert_true(buffers[i].offset >= 512 && buffers[i].offset + buffers[i].bytes <= end);
        for (int j = 0; j < i; j++) {
            const struct buffer *a = &buffers[i], *b = &buffers[j];
            const bool together = a->first <= b->last && b->first <= a->last;
            assert_false(together && a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes);
        }
    }
}

/* Nothing may be read that this step did not write: the arena is poisoned with NaN before each. */
static void test_a_step_reads_nothing_left_over(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        struct model_spec spec = rig_narrow(variant == 1 ? FAMILY_REPORT : FAMILY_PAPERS);
        if (variant == 2)
            spec.activation = ACTIVATION_SILU, spec.squeeze_excite = 0.5f, spec.stochastic_depth = 0.2f;
        if (variant == 3)
            spec.norm = NORM_BATCH, spec.stem_kind = STEM_WHITENED;
        struct network *network = make(&spec, BATCH, DTYPE_FP32);
        const float loss = step(network, BATCH);
        memset(network->plan->arena, 0xff, network->plan->arena_bytes);
        network->packed = NULL;
        assert_float_equal(step(network, BATCH), loss, 0);
        size_t count;
        float *gradient = gather(network, PART_GRADIENT, &count);
        for (size_t i = 0; i < count; i++)
            assert_true(isfinite(gradient[i]));
        free(gradient);
        network_destroy(network);
    }
}

static void test_the_same_bits_twice(void **state)
{
    (void)state;
    const struct model_spec spec = rig_narrow(FAMILY_PAPERS);
    float *values[2];
    size_t count = 0;
    for (int run = 0; run < 2; run++) {
        struct network *network = make(&spec, 40, DTYPE_FP32);
        for (int i = 0; i < 5; i++) {
            step(network, 40);
            update(network);
        }
        values[run] = gather(network, PART_VALUE, &count);
        network_destroy(network);
    }
    assert_memory_equal(values[0], values[1], count * sizeof(float));
    free(values[0]);
    free(values[1]);
}

/* ---- Precision, averages, divergence ---- */

static void test_bf16_follows_fp32(void **state)
{
    (void)state;
    for (int family = FAMILY_PAPERS; family <= FAMILY_REPORT; family++) {
        const struct model_spec spec = rig_narrow((enum model_family)family);
        struct network *exact = make(&spec, BATCH, DTYPE_FP32), *half = make(&spec, BATCH, DTYPE_BF16);
        rig_stir(exact);
        rig_stir(half);
        const float expected = step(exact, BATCH);
        assert_float_equal(step(half, BATCH), expected, 0.02 * (double)expected);
        size_t count;
        float *a = gather(half, PART_GRADIENT, &count), *b = gather(exact, PART_GRADIENT, &count);
        const double off = difference(a, b, count);
        if (!(off < 0.1 && off > 1e-6))
            fail_msg("bf16 gradients differ by %g from fp32's", off);
        free(a);
        free(b);
        network_destroy(exact);
        network_destroy(half);
    }
}

static void test_predictions_use_the_averages_when_asked(void **state)
{
    (void)state;
    const struct model_spec spec = rig_narrow(FAMILY_PAPERS);
    struct network *network = make(&spec, BATCH, DTYPE_FP32);
    float first[BATCH * 10], now[BATCH * 10], average[BATCH * 10], again[BATCH * 10];
    assert_int_equal(network_predict(network, rig_images, BATCH, true, first, NULL), 0);
    for (int i = 0; i < 3; i++) {
        step(network, BATCH);
        update(network);
    }
    assert_int_equal(network_predict(network, rig_images, BATCH, false, now, NULL), 0);
    assert_int_equal(network_predict(network, rig_images, BATCH, true, average, NULL), 0);
    assert_int_equal(network_predict(network, rig_images, BATCH, false, again, NULL), 0);
    assert_memory_equal(now, again, sizeof now);
    assert_memory_not_equal(now, average, sizeof now);
    assert_true(difference(average, first, BATCH * 10) < difference(now, first, BATCH * 10));
    network_destroy(network);
}

static void test_the_first_block_out_of_range_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *parameter;
        int block;
    } cases[] = {{"stem.bias", -1}, {"blocks.0.conv1.bias", 0}, {"blocks.2.conv3.bias", 2}, {"head.bias", 3}};
    const struct model_spec spec = rig_narrow(FAMILY_PAPERS);
    struct divergence found;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct network *network = make(&spec, BATCH, DTYPE_FP32);
        assert_int_equal(network_find_divergence(network, rig_images, BATCH, &found, NULL), 0);
        assert_int_equal(found.block, -2);
        rig_set(network, cases[i].parameter, PART_VALUE, INFINITY, 1);
        assert_int_equal(network_find_divergence(network, rig_images, BATCH, &found, NULL), 0);
        assert_int_equal(found.block, cases[i].block);
        struct step_result result;
        const struct step_options options = {.step = 0};
        assert_int_equal(network_train_step(network, rig_images, rig_labels, BATCH, &options, &result, NULL), 0);
        assert_false(result.finite);
        network_destroy(network);
    }
}

static void queue_step(struct network *network, bool finite)
{
    const struct step_batch batch = {.n = BATCH, .images = rig_images, .labels = rig_labels};
    const struct step_options options = {.step = 0};
    const struct optimizer_options optimizer = {.learning_rate = 0.1f, .momentum = 0.9f, .ema = 0.9f, .lookahead = 1};
    struct step_result result;
    struct update_result update;
    uint64_t ticket;
    assert_int_equal(network_queue_step(network, &batch, &options, &optimizer, &ticket, NULL), 0);
    assert_int_equal(network_collect_step(network, ticket, BATCH, true, &result, &update, NULL), 0);
    assert_int_equal(result.finite, finite);
}

/* Batch norm's running statistics neither, though the batch's own are finite: they are the loss's weights that are not.
 */
static void test_a_step_that_is_not_finite_changes_nothing(void **state)
{
    (void)state;
    struct model_spec spec = rig_narrow(FAMILY_PAPERS);
    spec.norm = NORM_BATCH;
    struct network *network = make(&spec, BATCH, DTYPE_FP32);
    const size_t floats = network_state_floats(network);
    float *before = malloc(floats * sizeof *before), *after = malloc(floats * sizeof *after);
    assert_non_null(before);
    assert_non_null(after);
    assert_int_equal(network_read_state(network, before, NULL), 0);
    queue_step(network, true);
    assert_int_equal(network_read_state(network, after, NULL), 0);
    assert_memory_not_equal(before, after, floats * sizeof *before);
    rig_set(network, "head.bias", PART_VALUE, INFINITY, 1);
    assert_int_equal(network_read_state(network, before, NULL), 0);
    queue_step(network, false);
    assert_int_equal(network_read_state(network, after, NULL), 0);
    assert_memory_equal(before, after, floats * sizeof *before);
    free(before);
    free(after);
    network_destroy(network);
}

/* What is applied, of trained and of averaged weights: papers' rows have mean 0 and squares that sum to gain^2; without
 * standardisation the stem's weights are the raw ones. */
static void test_effective_weights_are_those_applied(void **state)
{
    (void)state;
    enum { ROW = 3 * 3 * 3, ROWS = 8 };
    struct error error = {""};
    float raw[ROWS * ROW], gains[ROWS], rows[ROWS * ROW];
    for (int standardized = 0; standardized < 2; standardized++) {
        struct model_spec spec = rig_narrow(FAMILY_PAPERS);
        spec.weight_standardization = standardized;
        struct network *network = make(&spec, BATCH, DTYPE_FP32);
        rig_stir(network);
        const struct parameter *weight = network_find(network, "stem.weight");
        const struct parameter *gain = network_find(network, "stem.gain");
        for (int averaged = 0; averaged < 2; averaged++) {
            const enum parameter_part part = averaged ? PART_EMA : PART_VALUE;
            assert_int_equal(network_read_effective(network, weight, averaged, rows, &error), 0);
            assert_int_equal(network_read(network, weight, part, raw, &error), 0);
            if (!standardized) {
                assert_memory_equal(rows, raw, sizeof raw);
                continue;
            }
            assert_int_equal(network_read(network, gain, part, gains, &error), 0);
            for (int row = 0; row < ROWS; row++) {
                double sum = 0, squares = 0, along = 0;
                for (int i = row * ROW; i < (row + 1) * ROW; i++) {
                    sum += (double)rows[i];
                    squares += (double)rows[i] * (double)rows[i];
                    along += (double)rows[i] * (double)raw[i];
                }
                assert_float_equal(sum, 0, 1e-5);
                assert_float_equal(squares, (double)gains[row] * (double)gains[row], 1e-4);
                assert_true(along > 0);
            }
        }
        assert_int_equal(network_read_effective(network, network_find(network, "stem.bias"), false, rows, &error), -1);
        network_destroy(network);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_effective_weights_are_those_applied),
        cmocka_unit_test(test_a_batch_is_the_sum_of_its_chunks),
        cmocka_unit_test(test_no_two_living_buffers_share_memory),
        cmocka_unit_test(test_a_step_reads_nothing_left_over),
        cmocka_unit_test(test_the_same_bits_twice),
        cmocka_unit_test(test_bf16_follows_fp32),
        cmocka_unit_test(test_predictions_use_the_averages_when_asked),
        cmocka_unit_test(test_the_first_block_out_of_range_is_named),
        cmocka_unit_test(test_a_step_that_is_not_finite_changes_nothing),
    };
    return cmocka_run_group_tests(tests, probe_rig_open, probe_rig_close);
}
