/* The small fp32 elementwise ops: squeeze-excite's gate, dropout before the head, and the draws of stochastic depth.
 * All together move a few hundred KB a step: what counts is one launch each. */
#include "kernels/cuda/vector.cuh"
#include "kernels/philox.h"

__global__ void gate_forward_kernel(const float *x, float *y, size_t count)
{
    const size_t first = flat_first(4);
    if (first >= count)
        return;
    float values[4];
    load_part(x + first, count - first, values);
#pragma unroll
    for (int i = 0; i < 4; i++)
        values[i] = 2.0f / (1.0f + expf(-values[i]));
    store_part(y + first, count - first, values);
}

__global__ void gate_backward_kernel(const float *y, const float *dy, float *dx, size_t count)
{
    const size_t first = flat_first(4);
    if (first >= count)
        return;
    float output[4], d[4];
    load_part(y + first, count - first, output);
    load_part(dy + first, count - first, d);
#pragma unroll
    for (int i = 0; i < 4; i++)
        d[i] *= output[i] * (1.0f - 0.5f * output[i]);
    store_part(dx + first, count - first, d);
}

/* A thread makes one draw, which decides on 4 elements. */
__global__ void dropout_kernel(const float *x, float *y, float rate, float keep, uint64_t seed,
                               const struct step_values *step, uint64_t first_draw, size_t count)
{
    const size_t first = flat_first(4);
    if (first >= count)
        return;
    const struct philox draw = philox_draw(seed, PHILOX_DROPOUT, step->step, first_draw + first / 4, 0);
    float values[4];
    load_part(x + first, count - first, values);
#pragma unroll
    for (int i = 0; i < 4; i++)
        values[i] = philox_uniform(draw.word[i]) >= rate ? values[i] * keep : 0.0f;
    store_part(y + first, count - first, values);
}

__global__ void drop_path_kernel(float *gates, float rate, uint64_t seed, const struct step_values *step,
                                 uint64_t first_index, unsigned n)
{
    const unsigned sample = blockIdx.x * FLAT_THREADS + threadIdx.x;
    if (sample >= n)
        return;
    const struct philox draw = philox_draw(seed, PHILOX_DROP_PATH, step->step, first_index + sample, 0);
    gates[sample] = philox_uniform(draw.word[0]) >= rate ? 1.0f : 0.0f;
}

int cuda_gate_forward(struct backend *backend, const float *x, float *y, size_t count, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    if (count)
        CUDA_LAUNCH(gate_forward_kernel, flat_grid(count, 4), dim3(FLAT_THREADS), 0, x, y, count);
    return 0;
}

int cuda_gate_backward(struct backend *backend, const float *y, const float *dy, float *dx, size_t count,
                       struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    if (count)
        CUDA_LAUNCH(gate_backward_kernel, flat_grid(count, 4), dim3(FLAT_THREADS), 0, y, dy, dx, count);
    return 0;
}

int cuda_dropout(struct backend *backend, const float *x, float *y, float rate, uint64_t seed,
                 const struct step_values *values, uint64_t first, size_t count, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    if (!(rate >= 0.0f && rate < 1.0f))
        return error_set(error, "the dropout rate must be at least 0 and below 1, not %g", (double)rate);
    if (count)
        CUDA_LAUNCH(dropout_kernel, flat_grid(count, 4), dim3(FLAT_THREADS), 0, x, y, rate, 1.0f / (1.0f - rate), seed,
                    values, first / 4, count);
    return 0;
}

int cuda_drop_path(struct backend *backend, float *gates, float rate, uint64_t seed, const struct step_values *values,
                   int block, uint64_t first, int n, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    if (n > 0)
        CUDA_LAUNCH(drop_path_kernel, flat_grid((size_t)n, 1), dim3(FLAT_THREADS), 0, gates, rate, seed, values,
                    (uint64_t)block << 32 | first, (unsigned)n);
    return 0;
}
