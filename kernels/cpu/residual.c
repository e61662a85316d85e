/* The residual sum where it cannot be folded into a convolution: stochastic depth, squeeze-excite gates, probes. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/value.h"

struct residual_job {
    enum dtype dtype;
    const struct residual_gate *gate;
    void *x;            /* forward: in and out */
    const void *branch; /* forward and backward */
    const void *dx;
    void *dbranch;
    float *dots; /* (n, c) sums over the positions of dx * branch, or NULL */
    size_t spatial, c;
};

/* What multiplies every channel of one sample's branch. */
static float sample_factor(const struct residual_gate *gate, size_t sample)
{
    float factor = gate->alpha;
    if (gate->skip_gain)
        factor *= *gate->skip_gain;
    if (gate->sample)
        factor *= gate->sample[sample];
    return factor;
}

/* out (+)= factor * channel * in over the positions of one sample; `channel` may be NULL for 1 */
CPU_TEMPLATE void scale_sample(enum dtype dtype, bool add, float factor, const float *channel, const void *in,
                               void *out, size_t spatial, size_t c)
{
    if (!channel) {
#pragma omp simd
        for (size_t i = 0; i < spatial * c; i++) {
            float value = factor * cpu_load(dtype, in, i);
            cpu_store(dtype, out, i, add ? cpu_load(dtype, out, i) + value : value);
        }
        return;
    }
    for (size_t s = 0; s < spatial; s++) {
#pragma omp simd
        for (size_t i = 0; i < c; i++) {
            float value = factor * channel[i] * cpu_load(dtype, in, s * c + i);
            cpu_store(dtype, out, s * c + i, add ? cpu_load(dtype, out, s * c + i) + value : value);
        }
    }
}

CPU_TEMPLATE void forward_kernel(enum dtype dtype, const struct residual_job *job, size_t begin, size_t end)
{
    size_t c = job->c, size = job->spatial * c;
    for (size_t sample = begin; sample < end; sample++) {
        const float *channel = job->gate->channel ? job->gate->channel + sample * c : NULL;
        scale_sample(dtype, true, sample_factor(job->gate, sample), channel,
                     cpu_at_const(dtype, job->branch, sample * size), cpu_at(dtype, job->x, sample * size),
                     job->spatial, c);
    }
}

CPU_TEMPLATE void sample_dots(enum dtype dtype, const void *dx, const void *branch, float *restrict dots,
                              size_t spatial, size_t c)
{
    memset(dots, 0, c * sizeof *dots);
    for (size_t s = 0; s < spatial; s++) {
#pragma omp simd
        for (size_t i = 0; i < c; i++)
            dots[i] += cpu_load(dtype, dx, s * c + i) * cpu_load(dtype, branch, s * c + i);
    }
}

CPU_TEMPLATE void backward_kernel(enum dtype dtype, const struct residual_job *job, size_t begin, size_t end)
{
    size_t c = job->c, size = job->spatial * c;
    for (size_t sample = begin; sample < end; sample++) {
        const void *dx = cpu_at_const(dtype, job->dx, sample * size);
        const float *channel = job->gate->channel ? job->gate->channel + sample * c : NULL;
        if (job->dots)
            sample_dots(dtype, dx, cpu_at_const(dtype, job->branch, sample * size), job->dots + sample * c,
                        job->spatial, c);
        scale_sample(dtype, false, sample_factor(job->gate, sample), channel, dx,
                     cpu_at(dtype, job->dbranch, sample * size), job->spatial, c);
    }
}

static void forward_range(const void *arguments, size_t begin, size_t end)
{
    const struct residual_job *job = arguments;
    CPU_DISPATCH(job->dtype, forward_kernel, job, begin, end);
}

static void backward_range(const void *arguments, size_t begin, size_t end)
{
    const struct residual_job *job = arguments;
    CPU_DISPATCH(job->dtype, backward_kernel, job, begin, end);
}

int cpu_residual_add_forward(struct backend *backend, enum dtype dtype, void *x, const void *branch,
                             const struct residual_gate *gate, int n, int spatial, int c, struct error *error)
{
    (void)error;
    struct residual_job job = {
        .dtype = dtype, .gate = gate, .x = x, .branch = branch, .spatial = (size_t)spatial, .c = (size_t)c};
    cpu_parallel(backend, (size_t)n, 1, job.spatial * job.c, forward_range, &job);
    return 0;
}

/* d skip_gain = alpha * sum of sample * channel * dots */
static float skip_gain_gradient(const struct residual_gate *gate, const float *dots, size_t n, size_t c)
{
    double total = 0.0;
    for (size_t sample = 0; sample < n; sample++) {
        double sum = 0.0;
        for (size_t i = 0; i < c; i++)
            sum += (double)dots[sample * c + i] * (gate->channel ? (double)gate->channel[sample * c + i] : 1.0);
        total += gate->sample ? sum * (double)gate->sample[sample] : sum;
    }
    return (float)(total * (double)gate->alpha);
}

int cpu_residual_add_backward(struct backend *backend, enum dtype dtype, const void *dx, const void *branch,
                              const struct residual_gate *gate, void *dbranch, float *dchannel, float *dskip_gain,
                              bool add, float *scratch, int n, int spatial, int c, struct error *error)
{
    (void)error;
    struct residual_job job = {.dtype = dtype,
                               .gate = gate,
                               .branch = branch,
                               .dx = dx,
                               .dbranch = dbranch,
                               .dots = dchannel || dskip_gain ? scratch : NULL,
                               .spatial = (size_t)spatial,
                               .c = (size_t)c};
    cpu_parallel(backend, (size_t)n, 1, job.spatial * job.c, backward_range, &job);
    for (size_t sample = 0; dchannel && sample < (size_t)n; sample++) {
        float factor = sample_factor(gate, sample);
        for (size_t i = 0; i < job.c; i++)
            dchannel[sample * job.c + i] = factor * scratch[sample * job.c + i];
    }
    if (dskip_gain) {
        float gradient = skip_gain_gradient(gate, scratch, (size_t)n, job.c);
        *dskip_gain = add ? *dskip_gain + gradient : gradient;
    }
    return 0;
}
