/* How any back end is held to what it measures; see statistics_checks.h. */
#include "tests/kernels/statistics_checks.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static double *reals(size_t count)
{
    double *values = calloc(count + 1, sizeof *values);
    assert_non_null(values);
    return values;
}

/* ---- Statistics ---- */

/* By the bins' edges alone; of NaN the edges say nothing. */
static int plain_bin(double value)
{
    if (isnan(value))
        return value_bin((float)value);
    int bin = 0;
    for (int edge = 1; edge < VALUE_BINS; edge++) {
        const double at = (double)value_edge(edge);
        bin += edge > VALUE_MIDDLE ? value >= at : value > at;
    }
    return bin;
}

static void plain_channel(const double *x, size_t rows, int c, double out[4])
{
    double mean = x[0], variance = 0.0, least = (double)INFINITY, most = -(double)INFINITY;
    for (size_t row = 0; row < rows; row++) {
        const double value = x[row * (size_t)c];
        mean += (value - x[0]) / (double)rows;
        least = value < least ? value : least;
        most = value > most ? value : most;
    }
    for (size_t row = 0; row < rows; row++)
        variance += pow(x[row * (size_t)c] - mean, 2.0) / (double)rows;
    out[0] = mean;
    out[1] = variance;
    out[2] = least;
    out[3] = most;
}

static void check_channel(const double *x, size_t rows, int c, int channel, const double *got)
{
    static const char *names[4] = {"mean", "variance", "least", "most"};
    double expected[4];
    plain_channel(x + channel, rows, c, expected);
    const double allowed[4] = {1e-6 * (fabs(expected[0]) + sqrt(expected[1])) + 2e-45, 1e-5 * expected[1] + 2e-45};
    for (int i = 0; i < 4; i++) {
        const double value = got[i * c + channel];
        /* least and most are exact, infinite ones too */
        const bool inside = i < 2 && !(fabs(expected[i]) <= (double)FLT_MAX)
                                ? !isfinite(value)
                                : value == expected[i] || fabs(value - expected[i]) <= allowed[i];
        if (!inside)
            fail_msg("%s of channel %d of %d, %zu rows, is %.9g, expected %.9g", names[i], channel, c, rows, value,
                     expected[i]);
    }
}

static void check_counts(const double *x, size_t count, const uint32_t *counts)
{
    uint32_t expected[VALUE_BINS] = {0};
    for (size_t i = 0; i < count; i++)
        expected[plain_bin(x[i])]++;
    for (int bin = 0; bin < VALUE_BINS; bin++)
        if (counts[bin] != expected[bin])
            fail_msg("bin %d of %zu values holds %u, expected %u", bin, count, counts[bin], expected[bin]);
}

static int finite_of(struct rig *rig, const int *device)
{
    int host = -1;
    struct error error = {""};
    if (rig->backend->copy_out(rig->backend, &host, device, sizeof host, &error))
        rig_failed("copy_out", error.message);
    return host;
}

/* Into out (4, c); counts may be NULL. Returns the flag. */
static int measure(struct rig *rig, const void *x, size_t rows, int c, double *out, uint32_t *counts)
{
    struct backend *b = rig->backend;
    float *device = rig_poisoned(rig, DTYPE_FP32, 4 * (size_t)c);
    uint32_t *device_counts = counts ? rig_bytes(rig, VALUE_BINS * sizeof *counts) : NULL;
    int *finite = rig_bytes(rig, sizeof *finite);
    struct error failure = {""};
    RIG_CALL(rig, b->statistics(b, rig->dtype, x, rows, c, device, device_counts, finite, &error));
    rig_download(rig, DTYPE_FP32, device, out, 4 * (size_t)c);
    if (counts && b->copy_out(b, counts, device_counts, VALUE_BINS * sizeof *counts, &failure))
        rig_failed("copy_out", failure.message);
    return finite_of(rig, finite);
}

void statistics_check(struct backend *backend, enum dtype dtype, const double *values, size_t rows, int c)
{
    const size_t channels = (size_t)c, count = rows * channels;
    struct rig rig = {.backend = backend, .dtype = dtype, .repeats = 1};
    double *stored = reals(count), *out = reals(4 * channels), *again = reals(4 * channels);
    uint32_t counts[VALUE_BINS];
    rig_begin(&rig);
    const void *x = rig_upload(&rig, dtype, values, count);
    rig_download(&rig, dtype, x, stored, count);
    int expected = 1;
    for (size_t i = 0; i < count; i++)
        expected = expected && isfinite(stored[i]);
    assert_int_equal(measure(&rig, x, rows, c, out, counts), expected);
    for (int channel = 0; channel < c; channel++)
        check_channel(stored, rows, c, channel, out);
    check_counts(stored, count, counts);
    assert_int_equal(measure(&rig, x, rows, c, again, NULL), expected);
    for (int i = 0; i < 4 * c; i++)
        assert_true(out[i] == again[i] || (isnan(out[i]) && isnan(again[i])));
    rig_end(&rig);
    free(stored);
    free(out);
    free(again);
}

static void check_both(struct backend *backend, const double *values, size_t rows, int c)
{
    statistics_check(backend, DTYPE_FP32, values, rows, c);
    statistics_check(backend, DTYPE_BF16, values, rows, c);
}

void statistics_check_shapes(struct backend *backend, size_t most)
{
    static const struct {
        size_t rows;
        int c;
        double scale, shift;
    } cases[] = {{1, 1, 1, 0},        {1, 300, 1, 0},     {2, 1, 1, 0},       {5, 3, 1, 0},       {700, 3, 10, 0},
                 {9001, 4, 0.01, 0},  {3001, 10, 1, 0.5}, {2050, 24, 1, 100}, {333, 40, 1, -30},  {130, 264, 300, 0},
                 {67, 523, 1, 1000},  {4099, 1, 1, 0},    {3, 8192, 1, 0},    {70003, 1, 1, 3},   {30011, 16, 1, 0},
                 {4096, 64, 1, 0.01}, {1100, 768, 2, -1}, {513, 1023, 1, 0},  {40000, 7, 1, -100}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const size_t count = cases[i].rows * (size_t)cases[i].c;
        if (count > most)
            continue;
        double *values = reals(count);
        rig_normal((uint32_t)i, values, count);
        for (size_t k = 0; k < count; k++)
            values[k] = cases[i].shift + cases[i].scale * values[k];
        check_both(backend, values, cases[i].rows, cases[i].c);
        free(values);
    }
}

void statistics_check_extremes(struct backend *backend)
{
    enum { EDGES = VALUE_BINS - 1, ROWS = 3 * EDGES, C = 6 };
    static const double zeros[] = {0.0, -0.0}, tiny[] = {0x1p-149, -0x1p-127, 0x1p-130, 0x1p-126, 0.0};
    static const double wide[] = {256.0, -256.0, 255.9, -255.9, 0x1p-8, -0x1p-8}, large[] = {1e15, -3e15, 1e14, 0.0};
    static const double squares_overflow[] = {1e30, -2e30, 1.0};
    double values[ROWS * C];
    for (int row = 0; row < ROWS; row++) {
        const float edge = value_edge(1 + row / 3), neighbour = nextafterf(edge, row % 3 == 1 ? INFINITY : -INFINITY);
        double *at = values + row * C;
        at[0] = zeros[(size_t)row % COUNT(zeros)];
        at[1] = tiny[(size_t)row % COUNT(tiny)];
        at[2] = (double)(row % 3 ? neighbour : edge);
        at[3] = wide[(size_t)row % COUNT(wide)];
        at[4] = large[(size_t)row % COUNT(large)];
        at[5] = squares_overflow[(size_t)row % COUNT(squares_overflow)];
    }
    check_both(backend, values, ROWS, C);
}

void statistics_check_not_finite(struct backend *backend)
{
    enum { ROWS = 1003, C = 12, VALUES = ROWS * C };
    static const size_t places[] = {0, 11, 500 * C + 3, VALUES - 1};
    const double bad[] = {(double)INFINITY, -(double)INFINITY, (double)NAN};
    double *values = reals(VALUES);
    for (size_t i = 0; i < COUNT(places); i++)
        for (size_t k = 0; k < COUNT(bad); k++) {
            rig_normal(1, values, VALUES);
            values[places[i]] = bad[k];
            statistics_check(backend, (enum dtype)(k % 2), values, ROWS, C);
        }
    for (int row = 0; row < ROWS; row++) { /* a channel of nothing else, and one of all kinds */
        values[row * C + 2] = (double)NAN;
        values[row * C + 5] = bad[row % 3];
    }
    check_both(backend, values, ROWS, C);
    free(values);
}

/* ---- Running statistics of batch norm ---- */

enum { NORM_ROWS = 1003, NORM_C = 12 };

/* Mean and variance (2, NORM_C), 0.25 and 2 before, behind a batch of values (NORM_ROWS, NORM_C). */
static void running_after(struct backend *backend, enum dtype dtype, const double *values, double running[2 * NORM_C])
{
    struct rig rig = {.backend = backend, .dtype = dtype, .repeats = 1};
    double before[2 * NORM_C], ones[NORM_C];
    for (int i = 0; i < NORM_C; i++) {
        before[i] = 0.25;
        before[NORM_C + i] = 2.0;
        ones[i] = 1.0;
    }
    rig_begin(&rig);
    float *device = rig_upload(&rig, DTYPE_FP32, before, 2 * NORM_C);
    const struct batch_norm norm = {.c = NORM_C,
                                    .weight = rig_upload(&rig, DTYPE_FP32, ones, NORM_C),
                                    .bias = rig_upload(&rig, DTYPE_FP32, ones, NORM_C),
                                    .running_mean = device,
                                    .running_variance = device + NORM_C,
                                    .saved = rig_poisoned(&rig, DTYPE_FP32, 2 * NORM_C)};
    const void *x = rig_upload(&rig, dtype, values, NORM_ROWS * NORM_C);
    void *y = rig_poisoned(&rig, dtype, NORM_ROWS * NORM_C);
    RIG_CALL(&rig, backend->batch_norm_forward(backend, dtype, &norm, x, y, true, false, NORM_ROWS, &error));
    rig_download(&rig, DTYPE_FP32, device, running, 2 * NORM_C);
    rig_end(&rig);
}

void batch_norm_check_not_finite(struct backend *backend)
{
    double *values = reals(NORM_ROWS * NORM_C), clean[2 * NORM_C], running[2 * NORM_C];
    for (int dtype = DTYPE_FP32; dtype <= DTYPE_BF16; dtype++) {
        rig_normal(1, values, NORM_ROWS * NORM_C);
        running_after(backend, (enum dtype)dtype, values, clean);
        values[2] = (double)INFINITY;
        values[500 * NORM_C + 5] = (double)NAN;
        for (int row = 0; row < NORM_ROWS; row++) /* a mean, but no variance */
            values[row * NORM_C + 11] = row % 2 ? 1e30 : -1e30;
        running_after(backend, (enum dtype)dtype, values, running);
        for (int i = 0; i < NORM_C; i++) {
            const bool bad = i == 2 || i == 5 || i == 11;
            assert_true(clean[i] != 0.25 && clean[NORM_C + i] != 2.0);
            assert_true(running[i] == (bad ? 0.25 : clean[i]));
            assert_true(running[NORM_C + i] == (bad ? 2.0 : clean[NORM_C + i]));
        }
    }
    free(values);
}

/* ---- Units ---- */

/* Elements, rows that fill no vector, one that several threads share, and many. */
static const struct {
    int rows, row_length;
    bool clip;
    float scale;
} units[] = {{16, 27, true, 0.1f},   {40, 1, true, 1.0f},    {1, 1, false, 3.0f},     {10, 64, false, 1e-3f},
             {5, 4608, true, 0.02f}, {3, 2049, false, 1.0f}, {131, 577, true, 50.0f}, {9, 8, true, 1e-18f},
             {7, 33, true, 1e17f},   {70, 1, false, 1e-3f}};
enum { UNIT_PARAMETERS = (int)COUNT(units), TENSORS = 3 };

static size_t unit_elements(int i)
{
    return (size_t)units[i].rows * (size_t)units[i].row_length;
}

/* All parameters' values, gradients and momenta, one after the other. */
static float *unit_contents(float *at[UNIT_PARAMETERS][TENSORS], size_t *total)
{
    *total = 0;
    for (int i = 0; i < UNIT_PARAMETERS; i++)
        *total += TENSORS * ((unit_elements(i) + 15) / 16 * 16);
    float *all = calloc(*total, sizeof *all), *next = all;
    assert_non_null(all);
    for (int i = 0; i < UNIT_PARAMETERS; i++)
        for (int k = 0; k < TENSORS; k++) {
            float *values = rig_normals((uint32_t)(TENSORS * i + k), unit_elements(i), units[i].scale, 0.0f);
            memcpy(next, values, unit_elements(i) * sizeof *values);
            free(values);
            at[i][k] = next;
            next += (unit_elements(i) + 15) / 16 * 16; /* 64 bytes */
        }
    return all;
}

static void check_unit(const float *x, int parameter, int row, int tensor, double got)
{
    static const char *names[TENSORS] = {"values", "gradients", "momenta"};
    double expected = 0.0;
    const int length = units[parameter].row_length;
    for (int i = 0; i < length; i++)
        expected += (double)x[row * length + i] * (double)x[row * length + i];
    if (!(fabs(got - expected) <= 1e-5 * expected))
        fail_msg("squares of the %s of row %d of parameter %d are %.9g, expected %.9g", names[tensor], row, parameter,
                 got, expected);
}

void unit_squares_check(struct backend *backend)
{
    struct rig rig = {.backend = backend, .repeats = 1};
    struct error failure = {""};
    struct update_parameter parameters[UNIT_PARAMETERS];
    struct updater *updater;
    float *at[UNIT_PARAMETERS][TENSORS];
    size_t total, count = 0;
    rig_begin(&rig);
    float *host = unit_contents(at, &total), *device = rig_copy_in(&rig, host, total * sizeof *host);
    for (int i = 0; i < UNIT_PARAMETERS; i++) {
        parameters[i] = (struct update_parameter){.rows = units[i].rows,
                                                  .row_length = units[i].row_length,
                                                  .clip = units[i].clip,
                                                  .value = device + (at[i][0] - host),
                                                  .gradient = device + (at[i][1] - host),
                                                  .momentum = device + (at[i][2] - host)};
        count += (size_t)units[i].rows;
    }
    float *out = rig_poisoned(&rig, DTYPE_FP32, TENSORS * count), *after = malloc(total * sizeof *after);
    double *got = reals(TENSORS * count), *next = got;
    assert_non_null(after);
    if (backend->updater_create(backend, parameters, UNIT_PARAMETERS, &updater, &failure))
        rig_failed("updater_create", failure.message);
    RIG_CALL(&rig, backend->unit_squares(backend, updater, out, &error));
    backend->updater_destroy(backend, updater);
    rig_download(&rig, DTYPE_FP32, out, got, TENSORS * count);
    for (int i = 0; i < UNIT_PARAMETERS; i++)
        for (int row = 0; row < units[i].rows; row++)
            for (int k = 0; k < TENSORS; k++)
                check_unit(at[i][k], i, row, k, *next++);
    if (backend->copy_out(backend, after, device, total * sizeof *after, &failure))
        rig_failed("copy_out", failure.message);
    assert_memory_equal(after, host, total * sizeof *after);
    rig_end(&rig);
    free(host);
    free(after);
    free(got);
}
