/* Activation functions, element by element: relu, GELU (exact), SiLU, tanh. The scalars of the network are folded into
 * the weights, so these are the plain functions. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/value.h"

enum { GRAIN = 8192 };

struct activation_job {
    enum activation activation;
    enum dtype dtype;
    bool add;
    const void *x, *dy;
    void *y;
};

/* Comparisons are such that a NaN goes through: it must reach the loss and be found. */
CPU_TEMPLATE float activate(enum activation activation, float x)
{
    switch (activation) {
    case ACTIVATION_RELU:
        return x < 0.0f ? 0.0f : x;
    case ACTIVATION_GELU:
        return x * cpu_normal(x).cumulative;
    case ACTIVATION_SILU:
        return x * cpu_sigmoid(x);
    case ACTIVATION_TANH:
        return cpu_tanh(x);
    }
    return x;
}

/* dy * act'(x) */
CPU_TEMPLATE float activate_backward(enum activation activation, float x, float dy)
{
    switch (activation) {
    case ACTIVATION_RELU:
        return x > 0.0f ? dy : 0.0f;
    case ACTIVATION_GELU: {
        struct cpu_normal normal = cpu_normal(x);
        return dy * (normal.cumulative + x * normal.density);
    }
    case ACTIVATION_SILU: {
        float s = cpu_sigmoid(x);
        return dy * s * (1.0f + x * (1.0f - s));
    }
    case ACTIVATION_TANH: {
        float t = cpu_tanh(x);
        return dy * (1.0f - t * t);
    }
    }
    return dy;
}

/* relu needs no arithmetic: in bf16 it works on the bits, as int16_t, at twice the speed. Below -127 lie the negative
 * numbers, -0 and -infinity; from -127 to -1 the negative NaNs. */
static void relu_bf16(const int16_t *x, int16_t *y, size_t begin, size_t end)
{
#pragma omp simd
    for (size_t i = begin; i < end; i++)
        y[i] = x[i] < -127 ? 0 : x[i];
}

static void relu_backward_bf16(const int16_t *x, const int16_t *dy, int16_t *dx, size_t begin, size_t end)
{
#pragma omp simd
    for (size_t i = begin; i < end; i++)
        dx[i] = (int16_t)(dy[i] & (x[i] > 0 ? -1 : 0));
}

CPU_TEMPLATE void forward_loop(enum dtype dtype, enum activation activation, const struct activation_job *job,
                               size_t begin, size_t end)
{
    const void *x = job->x;
    void *y = job->y;
    if (dtype == DTYPE_BF16 && activation == ACTIVATION_RELU) {
        relu_bf16(x, y, begin, end);
        return;
    }
#pragma omp simd
    for (size_t i = begin; i < end; i++)
        cpu_store(dtype, y, i, activate(activation, cpu_load(dtype, x, i)));
}

CPU_TEMPLATE void backward_loop(enum dtype dtype, enum activation activation, bool add,
                                const struct activation_job *job, size_t begin, size_t end)
{
    const void *x = job->x, *dy = job->dy;
    void *dx = job->y;
    if (dtype == DTYPE_BF16 && activation == ACTIVATION_RELU && !add) {
        relu_backward_bf16(x, dy, dx, begin, end);
        return;
    }
#pragma omp simd
    for (size_t i = begin; i < end; i++) {
        float d = activate_backward(activation, cpu_load(dtype, x, i), cpu_load(dtype, dy, i));
        cpu_store(dtype, dx, i, add ? cpu_load(dtype, dx, i) + d : d);
    }
}

CPU_TEMPLATE void forward_kernel(enum dtype dtype, const struct activation_job *job, size_t begin, size_t end)
{
    switch (job->activation) {
    case ACTIVATION_RELU:
        forward_loop(dtype, ACTIVATION_RELU, job, begin, end);
        break;
    case ACTIVATION_GELU:
        forward_loop(dtype, ACTIVATION_GELU, job, begin, end);
        break;
    case ACTIVATION_SILU:
        forward_loop(dtype, ACTIVATION_SILU, job, begin, end);
        break;
    case ACTIVATION_TANH:
        forward_loop(dtype, ACTIVATION_TANH, job, begin, end);
        break;
    }
}

CPU_TEMPLATE void backward_choose(enum dtype dtype, enum activation activation, const struct activation_job *job,
                                  size_t begin, size_t end)
{
    if (job->add)
        backward_loop(dtype, activation, true, job, begin, end);
    else
        backward_loop(dtype, activation, false, job, begin, end);
}

CPU_TEMPLATE void backward_kernel(enum dtype dtype, const struct activation_job *job, size_t begin, size_t end)
{
    switch (job->activation) {
    case ACTIVATION_RELU:
        backward_choose(dtype, ACTIVATION_RELU, job, begin, end);
        break;
    case ACTIVATION_GELU:
        backward_choose(dtype, ACTIVATION_GELU, job, begin, end);
        break;
    case ACTIVATION_SILU:
        backward_choose(dtype, ACTIVATION_SILU, job, begin, end);
        break;
    case ACTIVATION_TANH:
        backward_choose(dtype, ACTIVATION_TANH, job, begin, end);
        break;
    }
}

static void forward_range(const void *arguments, size_t begin, size_t end)
{
    const struct activation_job *job = arguments;
    CPU_DISPATCH(job->dtype, forward_kernel, job, begin, end);
}

static void backward_range(const void *arguments, size_t begin, size_t end)
{
    const struct activation_job *job = arguments;
    CPU_DISPATCH(job->dtype, backward_kernel, job, begin, end);
}

int cpu_activation_forward(struct backend *backend, enum activation activation, enum dtype dtype, const void *x,
                           void *y, size_t count, struct error *error)
{
    (void)error;
    struct activation_job job = {.activation = activation, .dtype = dtype, .x = x, .y = y};
    cpu_parallel(backend, count, GRAIN, 1, forward_range, &job);
    return 0;
}

int cpu_activation_backward(struct backend *backend, enum activation activation, enum dtype dtype, const void *x,
                            const void *dy, void *dx, bool add, size_t count, struct error *error)
{
    (void)error;
    struct activation_job job = {.activation = activation, .dtype = dtype, .add = add, .x = x, .dy = dy, .y = dx};
    cpu_parallel(backend, count, GRAIN, 1, backward_range, &job);
    return 0;
}
