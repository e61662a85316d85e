/* Device tensors for the op cases; see rig.h. */
#include "tests/kernels/rig.h"
#include "kernels/philox.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { GUARD_BYTES = 64, GUARD = 0xA5, POISON = 0xFF /* all ones is a NaN in fp32 and in bf16 */ };

const struct update_options rig_update = {.learning_rate = 0.1f,
                                          .momentum = 0.9f,
                                          .weight_decay = 5e-4f,
                                          .agc = 0.02f,
                                          .ema_decay = 0.99f,
                                          .nesterov = true,
                                          .lookahead = 0.5f};

double rig_now(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void rig_failed(const char *call, const char *message)
{
    fail_msg("%s: %s", call, message);
}

double round_to(enum dtype dtype, double value)
{
    float x = (float)value;
    if (dtype == DTYPE_BF16 && isfinite(x) && x != 0.0f) {
        int exponent;
        frexpf(x, &exponent); /* 8 significant bits: a unit is 2^(exponent - 8) */
        x = ldexpf(rintf(ldexpf(x, 8 - exponent)), exponent - 8);
    }
    return (double)x;
}

void rig_normal(uint32_t stream, double *out, size_t count)
{
    for (size_t i = 0; i < count; i += 2) {
        float pair[2];
        struct philox drawn = philox_draw(1, PHILOX_SYNTHETIC, stream, i / 2, 0);
        philox_normal(drawn.word[0], drawn.word[1], pair);
        for (size_t j = 0; j < 2 && i + j < count; j++)
            out[i + j] = (double)pair[j];
    }
}

float *rig_normals(uint32_t stream, size_t count, float scale, float shift)
{
    double *normal = malloc((count + 1) * sizeof *normal);
    float *values = malloc((count + 1) * sizeof *values);
    assert_non_null(normal);
    assert_non_null(values);
    rig_normal(stream, normal, count);
    for (size_t i = 0; i < count; i++)
        values[i] = shift + scale * (float)normal[i];
    free(normal);
    return values;
}

int rig_threads = 2;

double distance(const float *a, const float *b, size_t count)
{
    double apart = 0, length = 0;
    for (size_t i = 0; i < count; i++) {
        apart += pow((double)a[i] - (double)b[i], 2);
        length += pow((double)b[i], 2);
    }
    return sqrt(apart / length);
}

int rig_open(void **state)
{
    struct error error = {""};
    struct backend *backend;
    if (backend_cpu_create(rig_threads, &backend, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    *state = backend;
    return 0;
}

int rig_close(void **state)
{
    struct backend *backend = *state;
    backend->destroy(backend);
    return 0;
}

void rig_begin(struct rig *rig)
{
    rig->seconds = 0.0;
    rig->bytes = 0;
    rig->count = 0;
}

/* Memory of `bytes` and the guard behind it, filled with `fill`. */
static void *make(struct rig *rig, size_t bytes, const void *content, int fill)
{
    struct error error = {""};
    assert_true(rig->count < RIG_TENSORS);
    unsigned char *host = malloc(bytes + GUARD_BYTES);
    assert_non_null(host);
    if (content)
        memcpy(host, content, bytes);
    else
        memset(host, fill, bytes);
    memset(host + bytes, GUARD, GUARD_BYTES);
    void *device = NULL;
    if (rig->backend->allocate(rig->backend, bytes + GUARD_BYTES, &device, &error) ||
        rig->backend->copy_in(rig->backend, device, host, bytes + GUARD_BYTES, &error))
        rig_failed("allocate", error.message);
    free(host);
    rig->tensors[rig->count].device = device;
    rig->tensors[rig->count++].bytes = bytes;
    return device;
}

void rig_end(struct rig *rig)
{
    for (int i = 0; i < rig->count; i++) {
        struct error error = {""};
        unsigned char guard[GUARD_BYTES];
        const unsigned char *device = rig->tensors[i].device;
        if (rig->backend->copy_out(rig->backend, guard, device + rig->tensors[i].bytes, GUARD_BYTES, &error))
            rig_failed("copy_out", error.message);
        for (int j = 0; j < GUARD_BYTES; j++)
            assert_int_equal(guard[j], GUARD);
        rig->backend->release(rig->backend, rig->tensors[i].device);
    }
    rig->count = 0;
}

static uint16_t bf16_bits(double value)
{
    float x = (float)round_to(DTYPE_BF16, value);
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)(bits >> 16);
}

void *rig_upload(struct rig *rig, enum dtype storage, const double *values, size_t count)
{
    size_t bytes = count * dtype_size(storage);
    void *host = malloc(bytes + 1);
    assert_non_null(host);
    for (size_t i = 0; i < count; i++) {
        if (storage == DTYPE_FP32)
            ((float *)host)[i] = (float)values[i];
        else
            ((uint16_t *)host)[i] = bf16_bits(values[i]);
    }
    void *device = make(rig, bytes, host, 0);
    rig->bytes += bytes;
    free(host);
    return device;
}

void *rig_poisoned(struct rig *rig, enum dtype storage, size_t count)
{
    rig->bytes += count * dtype_size(storage);
    return make(rig, count * dtype_size(storage), NULL, POISON);
}

void *rig_bytes(struct rig *rig, size_t bytes)
{
    return make(rig, bytes, NULL, POISON);
}

void *rig_copy_in(struct rig *rig, const void *bytes, size_t count)
{
    return make(rig, count, bytes, 0);
}

void rig_weights(struct rig *rig, const struct ws_layer *layer, void *scratch, bool backward)
{
    struct backend *b = rig->backend;
    struct error failure = {""};
    struct weights *weights;
    if (b->weights_create(b, layer, 1, &weights, &failure))
        rig_failed("weights_create", failure.message);
    if (backward)
        RIG_CALL(rig, b->weights_backward(b, weights, &error));
    else
        RIG_CALL(rig, b->weights_prepare(b, weights, scratch, &error));
    b->weights_destroy(b, weights);
}

struct step_values *rig_values(struct rig *rig, uint32_t step, const struct update_options *options)
{
    struct step_values values = {.step = step};
    if (options)
        values.update = *options;
    return rig_copy_in(rig, &values, sizeof values);
}

void rig_download(struct rig *rig, enum dtype storage, const void *device, double *values, size_t count)
{
    struct error error = {""};
    size_t bytes = count * dtype_size(storage);
    void *host = malloc(bytes + 1);
    assert_non_null(host);
    if (rig->backend->copy_out(rig->backend, host, device, bytes, &error))
        rig_failed("copy_out", error.message);
    for (size_t i = 0; i < count; i++) {
        float x;
        if (storage == DTYPE_FP32) {
            x = ((const float *)host)[i];
        } else {
            uint32_t bits = (uint32_t)((const uint16_t *)host)[i] << 16;
            memcpy(&x, &bits, sizeof x);
        }
        values[i] = (double)x;
    }
    free(host);
}
