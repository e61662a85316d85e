/* What tests of convolutions on the emulated GPU share: tensors of small whole numbers, whose sums are exact in fp32
 * whatever their order, so that every bit must agree; and the convolution by its definition. */
#ifndef NFBENCH_TESTS_CUDA_CONV_SUPPORT_H
#define NFBENCH_TESTS_CUDA_CONV_SUPPORT_H

#include "kernels/cuda/cuda.h"
#include "tests/cuda_emulation/emulation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
extern "C" {
#include <cmocka.h>
}

static inline void *memory(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    assert_non_null(p);
    return p;
}

static inline float *zeros(size_t count)
{
    return (float *)memset(memory(count * sizeof(float)), 0, count * sizeof(float));
}

/* Whole numbers from -most to most, by their place and a seed. */
static inline float *values(uint32_t seed, size_t count, int most)
{
    float *v = zeros(count);
    for (size_t i = 0; i < count; i++) {
        uint32_t x = (uint32_t)i * 2654435761u + seed * 40503u;
        x ^= x >> 15;
        x *= 2246822519u;
        x ^= x >> 13;
        v[i] = (float)((int)(x % (uint32_t)(2 * most + 1)) - most);
    }
    return v;
}

/* ---- The back end ---- */

/* Opens one, which is kept in the state, and copies it: in the copy a test may change what the GPU is, and its stream
 * is one that the plain copies of memory here wait for. */
static inline int conv_open(void **state, struct cuda_backend *copy)
{
    struct error error = {};
    struct backend *backend = NULL;
    if (backend_cuda_create(0, &backend, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    *state = backend;
    *copy = *cuda_of(backend);
    return cudaStreamCreate(&copy->stream) == cudaSuccess ? 0 : -1;
}

static inline int conv_close(void **state, struct cuda_backend *copy)
{
    struct backend *backend = (struct backend *)*state;
    emulation_set_order(EMULATION_ASCENDING, 0);
    if (cudaStreamDestroy(copy->stream) != cudaSuccess)
        return -1;
    backend->destroy(backend);
    return emulation_allocated() == 0 ? 0 : -1;
}

/* ---- Tensors of a dtype, on the device ---- */

static inline void *device(const void *host, size_t bytes)
{
    void *p = NULL;
    assert_int_equal(cudaMalloc(&p, bytes ? bytes : 1), cudaSuccess);
    if (host)
        assert_int_equal(cudaMemcpy(p, host, bytes, cudaMemcpyHostToDevice), cudaSuccess);
    return p;
}

/* On the host: what hardware.h has of this is the GPU's. To nearest, ties to even. */
static inline bf16 rounded(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return {(uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)};
}

static inline float widened(bf16 v)
{
    const uint32_t bits = (uint32_t)v.bits << 16;
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

static inline void *as_dtype(enum dtype dtype, const float *v, size_t count)
{
    void *out = memory(count * dtype_size(dtype));
    for (size_t i = 0; i < count; i++) {
        if (dtype == DTYPE_FP32)
            ((float *)out)[i] = v[i];
        else
            ((bf16 *)out)[i] = rounded(v[i]);
    }
    return out;
}

static inline void *device_as(enum dtype dtype, const float *v, size_t count)
{
    void *host = as_dtype(dtype, v, count);
    void *p = device(host, count * dtype_size(dtype));
    free(host);
    return p;
}

static inline void release(void *p)
{
    assert_int_equal(cudaFree(p), cudaSuccess);
}

/* ---- A convolution and its definition ---- */

/* A shape's tensors on the host; weights are packed, (cout, k, k, cin / groups). */
struct definition {
    struct conv_shape shape;
    int out_h, out_w;
    size_t x_count, y_count, weight_count;
    float *x, *dy, *weights, *bias, *prior;
};

static inline struct definition definition_of(const struct conv_shape *s)
{
    struct definition d = {};
    d.shape = *s;
    d.out_h = (s->h + 2 * (s->k / 2) - s->k) / s->stride + 1;
    d.out_w = (s->w + 2 * (s->k / 2) - s->k) / s->stride + 1;
    d.x_count = (size_t)(s->n * s->h * s->w * s->cin);
    d.y_count = (size_t)(s->n * d.out_h * d.out_w * s->cout);
    d.weight_count = (size_t)(s->cout * s->k * s->k * (s->cin / s->groups));
    d.x = values(1, d.x_count, 3);
    d.dy = values(2, d.y_count, 3);
    d.weights = values(3, d.weight_count, 2);
    d.bias = values(4, (size_t)s->cout, 9);
    d.prior = values(5, d.y_count, 9);
    return d;
}

static inline void definition_free(struct definition *d)
{
    float *tensors[] = {d->x, d->dy, d->weights, d->bias, d->prior};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        free(tensors[i]);
}

/* Calls `term(y, x, weight)` for the elements of every product of the convolution. */
template <typename F> static inline void for_each_product(const struct definition *d, F term)
{
    const struct conv_shape *s = &d->shape;
    const int in = s->cin / s->groups, out = s->cout / s->groups;
    for (int position = 0; position < s->n * d->out_h * d->out_w; position++)
        for (int tap = 0; tap < s->k * s->k; tap++) {
            const int image = position / (d->out_h * d->out_w), a = position / d->out_w % d->out_h;
            const int h = a * s->stride + tap / s->k - s->k / 2;
            const int w = position % d->out_w * s->stride + tap % s->k - s->k / 2;
            if (h < 0 || h >= s->h || w < 0 || w >= s->w)
                continue;
            const int pixel = (image * s->h + h) * s->w + w;
            for (int o = 0; o < s->cout; o++)
                for (int i = 0; i < in; i++)
                    term((size_t)(position * s->cout + o), (size_t)(pixel * s->cin + o / out * in + i),
                         (size_t)((o * s->k * s->k + tap) * in + i));
        }
}

#endif
