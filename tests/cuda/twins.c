/* Two back ends beside each other; see twins.h. */
#include "tests/cuda/twins.h"
#include "kernels/cuda.h"
#include "tests/cuda_emulation/emulation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int twins_open(void **state)
{
    static struct twins twins;
    struct error error = {""};
    if (backend_cpu_create(1, &twins.cpu, &error) || backend_cuda_create(0, &twins.cuda, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    *state = &twins;
    return 0;
}

int twins_close(void **state)
{
    struct twins *twins = *state;
    twins->cpu->destroy(twins->cpu);
    twins->cuda->destroy(twins->cuda);
    return emulation_allocated() == 0 ? 0 : -1;
}

enum { ALIGNMENT = 64, GUARD_BYTES = 64, POISON = 0xFF /* all ones is a NaN in fp32 and in bf16 */ };

void pool_open(struct pool *pool, struct backend *backend, size_t bytes)
{
    struct error error = {""};
    void *device;
    if (backend->allocate(backend, bytes, &device, &error))
        fail_msg("%s", error.message);
    *pool = (struct pool){.backend = backend, .device = device, .host = malloc(bytes), .bytes = bytes};
    assert_non_null(pool->host);
    memset(pool->host, POISON, bytes);
}

void *pool_add(struct pool *pool, const void *content, size_t bytes)
{
    const size_t first = pool->used;
    assert_true((size_t)pool->count < sizeof pool->tensors / sizeof *pool->tensors);
    assert_true(first + bytes + GUARD_BYTES <= pool->bytes);
    pool->tensors[pool->count].first = first;
    pool->tensors[pool->count++].bytes = bytes;
    pool->used = (first + bytes + GUARD_BYTES + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (content)
        memcpy(pool->host + first, content, bytes);
    return pool->device + first;
}

float *pool_add_normals(struct pool *pool, uint32_t stream, size_t count, float scale, float shift)
{
    float *host = rig_normals(stream, count, scale, shift);
    float *device = pool_add(pool, host, count * sizeof *host);
    free(host);
    return device;
}

void *pool_copy(struct pool *pool, const void *device)
{
    return pool->host + ((const unsigned char *)device - pool->device);
}

void pool_upload(struct pool *pool)
{
    struct error error = {""};
    if (pool->backend->copy_in(pool->backend, pool->device, pool->host, pool->bytes, &error))
        fail_msg("%s", error.message);
}

void pool_download(struct pool *pool)
{
    struct error error = {""};
    if (pool->backend->copy_out(pool->backend, pool->host, pool->device, pool->bytes, &error))
        fail_msg("%s", error.message);
    for (int i = 0; i < pool->count; i++) {
        const size_t end = i + 1 < pool->count ? pool->tensors[i + 1].first : pool->bytes;
        for (size_t at = pool->tensors[i].first + pool->tensors[i].bytes; at < end; at++)
            if (pool->host[at] != POISON)
                fail_msg("something was written behind tensor %d of %zu bytes", i, pool->tensors[i].bytes);
    }
}

void pool_close(struct pool *pool)
{
    pool->backend->release(pool->backend, pool->device);
    free(pool->host);
}

float stored_value(enum dtype dtype, const void *values, size_t i)
{
    if (dtype == DTYPE_FP32)
        return ((const float *)values)[i];
    const uint32_t bits = (uint32_t)((const uint16_t *)values)[i] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void outcome_add_values(struct outcome *outcome, const char *name, int item, const float *values, size_t count)
{
    assert_true(outcome->count < OUTCOME_PARTS);
    float *copy = malloc(count * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, values, count * sizeof *copy);
    outcome->parts[outcome->count].name = name;
    outcome->parts[outcome->count].item = item;
    outcome->parts[outcome->count].count = count;
    outcome->parts[outcome->count++].values = copy;
}

void outcome_add(struct outcome *outcome, struct pool *pool, const char *name, int item, const float *device,
                 size_t count)
{
    if (device)
        outcome_add_values(outcome, name, item, pool_copy(pool, device), count);
}

void outcome_free(struct outcome *outcome)
{
    for (int i = 0; i < outcome->count; i++)
        free(outcome->parts[i].values);
    outcome->count = 0;
}

void outcome_expect_near(const struct outcome *got, const struct outcome *expected, float tolerance)
{
    assert_int_equal(got->count, expected->count);
    for (int part = 0; part < got->count; part++) {
        const float *a = got->parts[part].values, *b = expected->parts[part].values;
        const size_t count = expected->parts[part].count;
        float largest = 0.0f;
        assert_int_equal(got->parts[part].count, count);
        for (size_t i = 0; i < count; i++)
            largest = fmaxf(largest, fabsf(b[i]));
        for (size_t i = 0; i < count; i++)
            if (!(fabsf(a[i] - b[i]) <= tolerance * largest))
                fail_msg("%s %zu of number %d is %.9g, expected %.9g", got->parts[part].name, i, got->parts[part].item,
                         (double)a[i], (double)b[i]);
    }
}

void outcome_expect_equal(const struct outcome *got, const struct outcome *expected)
{
    assert_int_equal(got->count, expected->count);
    for (int part = 0; part < got->count; part++) {
        assert_int_equal(got->parts[part].count, expected->parts[part].count);
        if (memcmp(got->parts[part].values, expected->parts[part].values,
                   got->parts[part].count * sizeof *got->parts[part].values))
            fail_msg("%s of number %d has other bits", got->parts[part].name, got->parts[part].item);
    }
}

void twins_check(const struct twins *twins, void (*run)(struct backend *, const void *data, struct outcome *out),
                 const void *data, float tolerance)
{
    struct outcome cpu = {0}, first = {0};
    run(twins->cpu, data, &cpu);
    for (int order = 0; order < emulation_orders(); order++) {
        struct outcome cuda = {0};
        emulation_set_order((enum emulation_order)order, 1);
        run(twins->cuda, data, order == 0 ? &first : &cuda);
        if (order == 0)
            outcome_expect_near(&first, &cpu, tolerance);
        else
            outcome_expect_equal(&cuda, &first);
        outcome_free(&cuda);
    }
    emulation_set_order(EMULATION_ASCENDING, 0);
    outcome_free(&cpu);
    outcome_free(&first);
}
