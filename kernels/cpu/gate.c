/* The small fp32 elementwise ops: squeeze-excite's gate and dropout before the head. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/value.h"
#include "kernels/philox.h"

enum { GRAIN = 4096 };

struct gate_job {
    const float *x, *dy;
    float *out;
};

static void gate_forward_range(const void *arguments, size_t begin, size_t end)
{
    const struct gate_job *job = arguments;
    const float *x = job->x;
    float *y = job->out;
#pragma omp simd
    for (size_t i = begin; i < end; i++)
        y[i] = 2.0f * cpu_sigmoid(x[i]);
}

static void gate_backward_range(const void *arguments, size_t begin, size_t end)
{
    const struct gate_job *job = arguments;
    const float *y = job->x, *dy = job->dy;
    float *dx = job->out;
#pragma omp simd
    for (size_t i = begin; i < end; i++)
        dx[i] = dy[i] * y[i] * (1.0f - 0.5f * y[i]);
}

int cpu_gate_forward(struct backend *backend, const float *x, float *y, size_t count, struct error *error)
{
    (void)error;
    struct gate_job job = {.x = x, .out = y};
    cpu_parallel(backend, count, GRAIN, 1, gate_forward_range, &job);
    return 0;
}

int cpu_gate_backward(struct backend *backend, const float *y, const float *dy, float *dx, size_t count,
                      struct error *error)
{
    (void)error;
    struct gate_job job = {.x = y, .dy = dy, .out = dx};
    cpu_parallel(backend, count, GRAIN, 1, gate_backward_range, &job);
    return 0;
}

struct dropout_job {
    const float *x;
    float *y;
    float rate;
    uint64_t seed;
    uint32_t step;
    uint64_t first;
};

/* GRAIN is a multiple of 4, so each range begins with a whole draw. An element is kept when its uniform value is at
 * least the rate. */
static void dropout_range(const void *arguments, size_t begin, size_t end)
{
    const struct dropout_job *job = arguments;
    float keep = 1.0f / (1.0f - job->rate);
    for (size_t i = begin; i < end; i += 4) {
        struct philox draw = philox_draw(job->seed, PHILOX_DROPOUT, job->step, (job->first + i) / 4, 0);
        for (size_t j = 0; j < 4 && i + j < end; j++)
            job->y[i + j] = philox_uniform(draw.word[j]) >= job->rate ? job->x[i + j] * keep : 0.0f;
    }
}

int cpu_dropout(struct backend *backend, const float *x, float *y, float rate, uint64_t seed,
                const struct step_values *values, uint64_t first, size_t count, struct error *error)
{
    if (!(rate >= 0.0f && rate < 1.0f))
        return error_set(error, "the dropout rate must be at least 0 and below 1, not %g", (double)rate);
    struct dropout_job job = {x, y, rate, seed, values->step, first};
    cpu_parallel(backend, count, GRAIN, 8, dropout_range, &job);
    return 0;
}

int cpu_drop_path(struct backend *backend, float *gates, float rate, uint64_t seed, const struct step_values *values,
                  int block, uint64_t first, int n, struct error *error)
{
    (void)backend;
    (void)error;
    for (int i = 0; i < n; i++) {
        const struct philox draw =
            philox_draw(seed, PHILOX_DROP_PATH, values->step, (uint64_t)block << 32 | (first + (uint64_t)i), 0);
        gates[i] = philox_uniform(draw.word[0]) >= rate;
    }
    return 0;
}
