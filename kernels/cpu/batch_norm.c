/* Batch normalisation (Ioffe and Szegedy, arXiv 1502.03167): the baseline that normaliser-free networks replace. */
#include "kernels/cpu/statistics.h"
#include "kernels/cpu/value.h"

#include <math.h>

static const float epsilon = 1e-5f, running_rate = 0.1f;

/* Channels whose partial sums are formed at once, and ranges of rows: (PARTS, 2, CHANNELS) floats of scratch. */
enum { CHANNELS = 512, PARTS = 64 };

struct norm_job {
    enum dtype dtype;
    const float *mean, *inverse, *weight, *bias; /* (c) */
    const float *dy_mean, *dot_mean;             /* (c) means of dy and of dy * xhat */
    const void *x, *y, *dy;
    void *out;
    bool relu, add;
    size_t c, first, width, grain; /* the backward sums' channels and rows a range */
    float *parts;
};

CPU_TEMPLATE void apply_kernel(enum dtype dtype, const struct norm_job *job, size_t begin, size_t end)
{
    size_t c = job->c;
    const float *mean = job->mean, *inverse = job->inverse, *weight = job->weight, *bias = job->bias;
    float floor = job->relu ? 0.0f : -INFINITY;
    for (size_t row = begin; row < end; row++) {
        const void *x = cpu_at_const(dtype, job->x, row * c);
        void *y = cpu_at(dtype, job->out, row * c);
#pragma omp simd
        for (size_t i = 0; i < c; i++) {
            float value = (cpu_load(dtype, x, i) - mean[i]) * (inverse[i] * weight[i]) + bias[i];
            cpu_store(dtype, y, i, value < floor ? floor : value);
        }
    }
}

static void apply_range(const void *arguments, size_t begin, size_t end)
{
    const struct norm_job *job = arguments;
    CPU_DISPATCH(job->dtype, apply_kernel, job, begin, end);
}

/* How many rows a thread takes at once, about 8192 elements. */
static size_t row_grain(int c)
{
    return c < 8192 ? 8192 / (size_t)c : 1;
}

/* A channel that is not finite leaves no trace: the run may go on without this batch. */
static void update_running(const struct batch_norm *norm, const float *variance, size_t rows)
{
    float unbiased = rows > 1 ? (float)rows / (float)(rows - 1) : 1.0f;
    for (int i = 0; i < norm->c; i++) {
        if (!isfinite(norm->saved[i]) || !isfinite(variance[i]))
            continue;
        norm->running_mean[i] += running_rate * (norm->saved[i] - norm->running_mean[i]);
        norm->running_variance[i] += running_rate * (unbiased * variance[i] - norm->running_variance[i]);
    }
}

int cpu_batch_norm_forward(struct backend *backend, enum dtype dtype, const struct batch_norm *norm, const void *x,
                           void *y, bool training, bool relu, size_t rows, struct error *error)
{
    (void)error;
    float *mean = norm->saved, *inverse = norm->saved + norm->c;
    if (training) {
        int finite;
        const struct channel_outputs moments = {.mean = mean, .variance = inverse};
        cpu_channel_statistics(backend, dtype, x, rows, (size_t)norm->c, &moments, &finite);
        update_running(norm, inverse, rows);
    } else {
        memcpy(mean, norm->running_mean, (size_t)norm->c * sizeof *mean);
        memcpy(inverse, norm->running_variance, (size_t)norm->c * sizeof *inverse);
    }
    for (int i = 0; i < norm->c; i++)
        inverse[i] = 1.0f / sqrtf(inverse[i] + epsilon);
    struct norm_job job = {.dtype = dtype,
                           .mean = mean,
                           .inverse = inverse,
                           .weight = norm->weight,
                           .bias = norm->bias,
                           .x = x,
                           .out = y,
                           .relu = relu,
                           .c = (size_t)norm->c};
    cpu_parallel(backend, rows, row_grain(norm->c), job.c, apply_range, &job);
    return 0;
}

CPU_TEMPLATE void sums_loop(enum dtype dtype, bool relu, const struct norm_job *job, size_t begin, size_t end)
{
    float *restrict sum = job->parts + begin / job->grain * 2 * CHANNELS, *restrict dot = sum + CHANNELS;
    const float *mean = job->mean + job->first, *inverse = job->inverse + job->first;
    for (size_t i = 0; i < job->width; i++)
        sum[i] = dot[i] = 0.0f;
    for (size_t row = begin; row < end; row++) {
        size_t at = row * job->c + job->first;
        const void *x = cpu_at_const(dtype, job->x, at), *dy = cpu_at_const(dtype, job->dy, at);
        const void *y = cpu_at_const(dtype, job->y, at);
#pragma omp simd
        for (size_t i = 0; i < job->width; i++) {
            float d = cpu_load(dtype, dy, i);
            if (relu)
                d = cpu_load(dtype, y, i) > 0.0f ? d : 0.0f;
            sum[i] += d;
            dot[i] += d * ((cpu_load(dtype, x, i) - mean[i]) * inverse[i]);
        }
    }
}

CPU_TEMPLATE void sums_kernel(enum dtype dtype, const struct norm_job *job, size_t begin, size_t end)
{
    if (job->relu)
        sums_loop(dtype, true, job, begin, end);
    else
        sums_loop(dtype, false, job, begin, end);
}

static void sums_range(const void *arguments, size_t begin, size_t end)
{
    const struct norm_job *job = arguments;
    CPU_DISPATCH(job->dtype, sums_kernel, job, begin, end);
}

CPU_TEMPLATE void gradient_loop(enum dtype dtype, bool relu, bool add, const struct norm_job *job, size_t begin,
                                size_t end)
{
    const float *mean = job->mean, *inverse = job->inverse, *weight = job->weight;
    const float *dy_mean = job->dy_mean, *dot_mean = job->dot_mean;
    for (size_t row = begin; row < end; row++) {
        const void *x = cpu_at_const(dtype, job->x, row * job->c), *y = cpu_at_const(dtype, job->y, row * job->c);
        const void *dy = cpu_at_const(dtype, job->dy, row * job->c);
        void *dx = cpu_at(dtype, job->out, row * job->c);
#pragma omp simd
        for (size_t i = 0; i < job->c; i++) {
            float d = cpu_load(dtype, dy, i);
            if (relu)
                d = cpu_load(dtype, y, i) > 0.0f ? d : 0.0f;
            float normal = (cpu_load(dtype, x, i) - mean[i]) * inverse[i];
            d = weight[i] * inverse[i] * (d - dy_mean[i] - normal * dot_mean[i]);
            cpu_store(dtype, dx, i, add ? cpu_load(dtype, dx, i) + d : d);
        }
    }
}

CPU_TEMPLATE void gradient_kernel(enum dtype dtype, const struct norm_job *job, size_t begin, size_t end)
{
    if (job->relu && job->add)
        gradient_loop(dtype, true, true, job, begin, end);
    else if (job->relu)
        gradient_loop(dtype, true, false, job, begin, end);
    else if (job->add)
        gradient_loop(dtype, false, true, job, begin, end);
    else
        gradient_loop(dtype, false, false, job, begin, end);
}

static void gradient_range(const void *arguments, size_t begin, size_t end)
{
    const struct norm_job *job = arguments;
    CPU_DISPATCH(job->dtype, gradient_kernel, job, begin, end);
}

static float sum_parts(const struct norm_job *job, size_t rows, const float *first)
{
    double sum = 0.0;
    for (size_t part = 0; part * job->grain < rows; part++)
        sum += (double)first[part * 2 * CHANNELS];
    return (float)sum;
}

/* The gradients of weight and bias, which are also the sums that the gradient of x needs. */
static void parameter_gradients(struct backend *backend, struct norm_job *job, const struct batch_norm *norm,
                                size_t rows)
{
    _Static_assert(PARTS * 2 * CHANNELS * sizeof(float) <= CPU_SCRATCH_BYTES,
                   "the partial sums must fit the scratch memory");
    job->parts = cpu_scratch(backend);
    job->grain = (rows + PARTS - 1) / PARTS;
    for (job->first = 0; job->first < job->c; job->first += CHANNELS) {
        job->width = job->c - job->first < CHANNELS ? job->c - job->first : CHANNELS;
        cpu_parallel(backend, rows, job->grain, job->width, sums_range, job);
        for (size_t i = 0; i < job->width; i++) {
            norm->bias_gradient[job->first + i] = sum_parts(job, rows, job->parts + i);
            norm->weight_gradient[job->first + i] = sum_parts(job, rows, job->parts + CHANNELS + i);
        }
    }
}

int cpu_batch_norm_backward(struct backend *backend, enum dtype dtype, const struct batch_norm *norm, const void *x,
                            const void *y, const void *dy, void *dx, bool relu, bool add, size_t rows,
                            struct error *error)
{
    size_t c = (size_t)norm->c;
    if (2 * c * sizeof(float) > CPU_SCRATCH_BYTES)
        return error_set(error, "batch norm over %d channels is more than the CPU back end holds", norm->c);
    if (rows == 0)
        return 0;
    struct norm_job job = {.dtype = dtype,
                           .mean = norm->saved,
                           .inverse = norm->saved + c,
                           .weight = norm->weight,
                           .x = x,
                           .y = y,
                           .dy = dy,
                           .out = dx,
                           .relu = relu,
                           .add = add,
                           .c = c};
    parameter_gradients(backend, &job, norm, rows);
    float *means = cpu_scratch(backend);
    for (size_t i = 0; i < c; i++) {
        means[i] = norm->bias_gradient[i] / (float)rows;
        means[c + i] = norm->weight_gradient[i] / (float)rows;
    }
    job.dy_mean = means;
    job.dot_mean = means + c;
    cpu_parallel(backend, rows, row_grain(norm->c), c, gradient_range, &job);
    return 0;
}
