/* The bias gradient of a convolution whose weights are frozen: column sums of dy, without the weights' gradient that
 * brings them along elsewhere. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/value.h"

#include <string.h>

struct bias_job {
    enum dtype dtype;
    const void *dy; /* (rows, channels) */
    size_t rows, channels;
    float *parts; /* (CPU_SLICES, channels) */
};

CPU_TEMPLATE void sum_rows(enum dtype dtype, const void *dy, size_t rows, size_t channels, float *restrict sums)
{
    for (size_t row = 0; row < rows; row++) {
        const void *values = cpu_at_const(dtype, dy, row * channels);
#pragma omp simd
        for (size_t c = 0; c < channels; c++)
            sums[c] += cpu_load(dtype, values, c);
    }
}

static void sum_slices(const void *arguments, size_t begin, size_t end)
{
    const struct bias_job *job = arguments;
    for (size_t slice = begin; slice < end; slice++) {
        const size_t first = job->rows * slice / CPU_SLICES, last = job->rows * (slice + 1) / CPU_SLICES;
        const void *dy = (const char *)job->dy + first * job->channels * dtype_size(job->dtype);
        float *sums = job->parts + slice * job->channels;
        memset(sums, 0, job->channels * sizeof *sums);
        CPU_DISPATCH(job->dtype, sum_rows, dy, last - first, job->channels, sums);
    }
}

size_t cpu_bias_scratch(const struct conv_shape *shape)
{
    return CPU_SLICES * (size_t)shape->cout * sizeof(float);
}

void cpu_bias_gradient(struct backend *backend, const struct conv *conv, const void *dy, float *bias_gradient, bool add,
                       void *scratch)
{
    const size_t channels = (size_t)conv->shape.cout;
    const size_t rows = (size_t)conv->shape.n * (size_t)(conv->out_h * conv->out_w);
    const struct bias_job job = {conv->shape.dtype, dy, rows, channels, scratch};
    cpu_parallel(backend, CPU_SLICES, 1, rows * channels / CPU_SLICES, sum_slices, &job);
    for (size_t c = 0; c < channels; c++) {
        float sum = add ? bias_gradient[c] : 0;
        for (size_t slice = 0; slice < CPU_SLICES; slice++)
            sum += job.parts[slice * channels + c];
        bias_gradient[c] = sum;
    }
}
