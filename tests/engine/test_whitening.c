/* A whitened stem: its filters make patches uncorrelated and of variance 1; they come from the training images as a run
 * normalises them, and stay as they are whatever the optimizer does. */
#include "engine/whitening.h"

#include "engine/augment.h"
#include "engine/network_probe.h"
#include "tests/engine/tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS = WHITENING_INPUTS, CHANNELS = WHITENING_CHANNELS };

typedef double matrix[INPUTS][INPUTS];

/* The covariance of two filters' outputs. */
static double covariance_of(matrix covariance, const float *a, const float *b)
{
    double sum = 0;
    for (int i = 0; i < INPUTS; i++)
        for (int j = 0; j < INPUTS; j++)
            sum += (double)a[i] * covariance[i][j] * (double)b[j];
    return sum;
}

/* Variances 1, pairs of opposites, all others uncorrelated; less than 1 by what is added to small eigenvalues. */
static void expect_whitening(matrix covariance, const float *filters, int channels, double least, double tolerance)
{
    for (int a = 0; a < channels; a++)
        for (int b = 0; b < channels; b++) {
            const double got = covariance_of(covariance, filters + a * INPUTS, filters + b * INPUTS);
            if (a / 2 != b / 2)
                assert_true(fabs(got) < tolerance);
            else
                assert_true(a == b ? got > least && got < 1 + tolerance : got < -least && got > -1 - tolerance);
        }
}

/* A + A^T of draws, made positive: eigenvalues from 1 to about 20. */
static void draw_covariance(matrix out)
{
    matrix draws;
    for (int i = 0; i < INPUTS; i++)
        for (int j = 0; j < INPUTS; j++)
            draws[i][j] = (double)((i * 37 + j * 101 + i * j * 7) % 23) / 11.0 - 1;
    for (int i = 0; i < INPUTS; i++)
        for (int j = 0; j < INPUTS; j++) {
            out[i][j] = i == j;
            for (int k = 0; k < INPUTS; k++)
                out[i][j] += draws[i][k] * draws[j][k] / 4;
        }
}

static void filters_decorrelate(void **state)
{
    (void)state;
    matrix covariance, work;
    float filters[CHANNELS * INPUTS];
    draw_covariance(covariance);
    memcpy(work, covariance, sizeof work);
    whitening_filters(work, CHANNELS, filters);
    expect_whitening(covariance, filters, CHANNELS, 0.996, 1e-5);
}

/* The first filters are those of the largest eigenvalues, which divide most, and behind each is its negative. */
static void the_largest_come_first(void **state)
{
    (void)state;
    matrix covariance, work;
    float all[CHANNELS * INPUTS], few[7 * INPUTS];
    double before = 0;
    draw_covariance(covariance);
    memcpy(work, covariance, sizeof work);
    whitening_filters(work, CHANNELS, all);
    for (int c = 0; c < CHANNELS; c += 2) {
        double square = 0;
        for (int i = 0; i < INPUTS; i++) {
            square += (double)all[c * INPUTS + i] * (double)all[c * INPUTS + i];
            assert_true(all[(c + 1) * INPUTS + i] == -all[c * INPUTS + i]);
        }
        assert_true(square > 0.999999 * before);
        before = square;
    }
    memcpy(work, covariance, sizeof work);
    whitening_filters(work, 7, few);
    assert_memory_equal(few, all, sizeof few);
}

static void noise_needs_none(void **state)
{
    (void)state;
    matrix identity = {{0}};
    float filters[CHANNELS * INPUTS];
    for (int i = 0; i < INPUTS; i++)
        identity[i][i] = 1;
    whitening_of_noise(CHANNELS, filters);
    expect_whitening(identity, filters, CHANNELS, 0.996, 1e-6);
}

/* ---- Of the data ---- */

/* By its definition: patches of normalised images, one by one. */
static void plain_covariance(const struct train_options *options, matrix out)
{
    enum { SIDE = 30 };
    static float image[IMAGE_BYTES];
    double mean[INPUTS] = {0};
    struct partition parts;
    struct error error;
    assert_int_equal(partition_make(tiny_dataset(), options, &parts, &error), 0);
    memset(out, 0, sizeof(matrix));
    const double count = (double)parts.train * SIDE * SIDE;
    for (int n = 0; n < parts.train; n++) {
        normalize_image(options->normalize, &parts.statistics, dataset_image(tiny_dataset(), SPLIT_TRAIN, n), image);
        for (int at = 0; at < SIDE * SIDE; at++) {
            double patch[INPUTS];
            for (int i = 0; i < INPUTS; i++) {
                const int y = at / SIDE + i / 3 % 3, x = at % SIDE + i % 3;
                patch[i] = (double)image[(y * 32 + x) * 3 + i / 9];
                mean[i] += patch[i] / count;
            }
            for (int i = 0; i < INPUTS; i++)
                for (int j = 0; j < INPUTS; j++)
                    out[i][j] += patch[i] * patch[j] / count;
        }
    }
    for (int i = 0; i < INPUTS; i++)
        for (int j = 0; j < INPUTS; j++)
            out[i][j] -= mean[i] * mean[j];
}

static void init(struct tiny_run *run)
{
    tiny_init(run, "micro");
    run->spec.stem_kind = STEM_WHITENED;
    run->options.decay_all = true;
    run->options.agc = 0.01f;
}

static void read_stem(struct tiny_run *run, float filters[CHANNELS * INPUTS])
{
    const struct parameter *stem = network_find(run->network, "stem.weight");
    assert_int_equal(stem->count, run->spec.stem * INPUTS);
    assert_int_equal(network_read(run->network, stem, PART_VALUE, filters, NULL), 0);
}

static void a_run_begins_with_those_of_its_images(void **state)
{
    (void)state;
    for (int kind = NORMALIZE_DATASET; kind <= NORMALIZE_IMAGE; kind++) {
        struct tiny_run run;
        float filters[CHANNELS * INPUTS];
        matrix covariance;
        init(&run);
        run.options.normalize = (enum normalize_kind)kind;
        tiny_create(&run, NULL);
        read_stem(&run, filters);
        plain_covariance(&run.options, covariance);
        expect_whitening(covariance, filters, run.spec.stem, 0.5, 1e-3);
        tiny_free(&run);
    }
}

/* Nothing of the optimizer reaches them, no gradient is made; all that is beside them trains, and a run made again
 * keeps them. */
static void they_stay_as_they_are(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {""};
    float before[CHANNELS * INPUTS], after[CHANNELS * INPUTS], bias[CHANNELS];
    init(&run);
    tiny_create(&run, NULL);
    read_stem(&run, before);
    assert_int_equal(trainer_run(run.trainer, &error), 0);
    read_stem(&run, after);
    assert_memory_equal(before, after, (size_t)run.spec.stem * INPUTS * sizeof(float));
    assert_null(network_find(run.network, "stem.gain"));
    assert_null(network_find(run.network, "stem.weight")->momentum);
    assert_null(network_find(run.network, "stem.weight")->ema);
    assert_int_equal(network_read(run.network, network_find(run.network, "stem.bias"), PART_VALUE, bias, NULL), 0);
    for (int i = 0; i < run.spec.stem; i++)
        assert_true(bias[i] != 0);
    assert_int_equal(network_read(run.network, network_find(run.network, "stem.weight"), PART_GRADIENT, after, NULL),
                     0);
    for (int i = 0; i < run.spec.stem * INPUTS; i++)
        assert_true(after[i] == 0);
    assert_int_equal(network_begin_anew(run.network, &error), 0);
    read_stem(&run, after);
    assert_memory_equal(before, after, (size_t)run.spec.stem * INPUTS * sizeof(float));
    tiny_free(&run);
}

static void a_run_that_goes_on_has_its_checkpoints(void **state)
{
    (void)state;
    struct tiny_run run, other;
    float made[CHANNELS * INPUTS], other_filters[CHANNELS * INPUTS], loaded[CHANNELS * INPUTS];
    struct error error = {""};
    init(&run);
    tiny_create(&run, NULL);
    read_stem(&run, made);
    assert_int_equal(trainer_run(run.trainer, &error), 0);
    init(&other);
    other.options.normalize = NORMALIZE_IMAGE; /* which would give it others */
    tiny_create(&other, NULL);
    read_stem(&other, other_filters);
    assert_memory_not_equal(made, other_filters, (size_t)run.spec.stem * INPUTS * sizeof(float));
    tiny_free(&other);
    init(&other);
    tiny_create(&other, tiny_last(&run));
    read_stem(&other, loaded);
    assert_memory_equal(made, loaded, (size_t)run.spec.stem * INPUTS * sizeof(float));
    tiny_free(&other);
    tiny_free(&run);
}

/* Theory begins with variance 1 behind the stem: so it is, but for the edges of the padding. The filters' norm is told,
 * though no update moves them. */
static void the_signal_begins_at_1(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {""};
    init(&run);
    run.options.agc = 0.02f;
    run.options.probe_every = 4;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_run(run.trainer, &error), 0);
    assert_true(run.probe_count > 0);
    const struct probe_point *stem = &run.probes[0]->points[0];
    float filters[CHANNELS * INPUTS];
    double square = 0;
    read_stem(&run, filters);
    for (int i = 0; i < run.spec.stem * INPUTS; i++)
        square += (double)filters[i] * (double)filters[i];
    assert_float_equal(stem->predicted, 1, 0);
    assert_true(stem->variance > 0.7f && stem->variance < 1.3f);
    assert_float_equal(stem->weight_norm, sqrt(square), 1e-5 * sqrt(square));
    assert_true(stem->update_ratio == 0 && stem->weight_gradient_norm == 0 && stem->clipped == 0);
    assert_true(run.probes[0]->points[1].weight_norm > 0 && run.probes[0]->points[1].weight_gradient_norm > 0);
    tiny_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_decorrelate),    cmocka_unit_test(the_largest_come_first),
        cmocka_unit_test(noise_needs_none),       cmocka_unit_test(a_run_begins_with_those_of_its_images),
        cmocka_unit_test(they_stay_as_they_are),  cmocka_unit_test(a_run_that_goes_on_has_its_checkpoints),
        cmocka_unit_test(the_signal_begins_at_1),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
