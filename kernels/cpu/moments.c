/* Mean and variance per channel, for the probes and for batch norm. */
#include "kernels/cpu/moments.h"
#include "kernels/cpu/value.h"

/* Channels done at once: their partial sums fit the scratch memory. */
enum { CHANNELS = 512, PARTS = 64 };

/* What a range of rows reports; the scratch memory holds PARTS of them. */
struct moments_part {
    float shift[CHANNELS], sum[CHANNELS], square[CHANNELS];
    uint32_t infinite;
};

struct moments_job {
    enum dtype dtype;
    const void *x; /* (rows, c), from the first channel of this pass on */
    size_t c, width, grain;
    struct moments_part *parts; /* one a range */
};

/* Sums are taken of x minus the range's first row, so that a mean far from 0 costs no digits. */
CPU_TEMPLATE void moments_kernel(enum dtype dtype, const struct moments_job *job, size_t begin, size_t end)
{
    size_t width = job->width;
    struct moments_part *part = &job->parts[begin / job->grain];
    float *restrict shift = part->shift, *restrict sum = part->sum, *restrict square = part->square;
    uint32_t infinite = 0;
    for (size_t i = 0; i < width; i++) {
        shift[i] = cpu_load(dtype, job->x, begin * job->c + i);
        sum[i] = square[i] = 0.0f;
    }
    for (size_t row = begin; row < end; row++) {
        const void *x = cpu_at_const(dtype, job->x, row * job->c);
#pragma omp simd reduction(| : infinite)
        for (size_t i = 0; i < width; i++) {
            float value = cpu_load(dtype, x, i), d = value - shift[i];
            sum[i] += d;
            square[i] += d * d;
            infinite |= cpu_is_finite(value) ? 0u : 1u;
        }
    }
    part->infinite = infinite;
}

static void moments_range(const void *arguments, size_t begin, size_t end)
{
    const struct moments_job *job = arguments;
    CPU_DISPATCH(job->dtype, moments_kernel, job, begin, end);
}

/* Joins the ranges' means and square sums (Chan, Golub and LeVeque, 1979). */
static void join_parts(const struct moments_job *job, size_t rows, size_t channel, float *mean, float *variance)
{
    double count = 0.0, all_mean = 0.0, all_square = 0.0;
    for (size_t begin = 0, part = 0; begin < rows; begin += job->grain, part++) {
        const struct moments_part *p = &job->parts[part];
        double n = (double)(rows - begin < job->grain ? rows - begin : job->grain);
        double offset = (double)p->sum[channel] / n;
        double part_mean = (double)p->shift[channel] + offset;
        double part_square = (double)p->square[channel] - offset * (double)p->sum[channel];
        double delta = part_mean - all_mean;
        all_square += part_square + delta * delta * count * n / (count + n);
        all_mean += delta * n / (count + n);
        count += n;
    }
    *mean = (float)all_mean;
    *variance = (float)(all_square > 0.0 ? all_square / count : all_square * 0.0);
}

void cpu_moments(struct backend *backend, enum dtype dtype, const void *x, size_t rows, size_t c, float *mean,
                 float *variance, int *finite)
{
    _Static_assert(PARTS * sizeof(struct moments_part) <= CPU_SCRATCH_BYTES, "the parts must fit the scratch memory");
    struct moments_job job = {.dtype = dtype, .c = c, .grain = (rows + PARTS - 1) / PARTS};
    job.parts = cpu_scratch(backend);
    *finite = 1;
    for (size_t first = 0; rows && first < c; first += CHANNELS) {
        job.x = cpu_at_const(dtype, x, first);
        job.width = c - first < CHANNELS ? c - first : CHANNELS;
        cpu_parallel(backend, rows, job.grain, job.width, moments_range, &job);
        for (size_t part = 0; part * job.grain < rows; part++)
            *finite = *finite && !job.parts[part].infinite;
        for (size_t i = 0; i < job.width; i++)
            join_parts(&job, rows, i, &mean[first + i], &variance[first + i]);
    }
}

int cpu_channel_moments(struct backend *backend, enum dtype dtype, const void *x, size_t rows, int c, float *moments,
                        int *finite, struct error *error)
{
    if (rows == 0)
        return error_set(error, "channel moments of no rows");
    cpu_moments(backend, dtype, x, rows, (size_t)c, moments, moments + c, finite);
    return 0;
}

int cpu_histogram(struct backend *backend, enum dtype dtype, const void *x, size_t count, float low, float high,
                  int bins, uint32_t *counts, struct error *error)
{
    (void)backend;
    if (bins < 1 || bins > HISTOGRAM_MOST_BINS || !(low < high))
        return error_set(error, "histogram: %d bins from %g to %g; expected 1 to %d bins and a range", bins,
                         (double)low, (double)high, (int)HISTOGRAM_MOST_BINS);
    const float scale = (float)bins / (high - low);
    for (int b = 0; b < bins + 2; b++)
        counts[b] = 0;
    for (size_t i = 0; i < count; i++)
        counts[histogram_bin(cpu_load(dtype, x, i), low, high, scale, bins)]++;
    return 0;
}
