/* What the values of each channel are like, and how all of them are distributed: for the probes and for batch norm.
 * Floor: x read once. Vector code wants long rows, so rows of few channels are taken several at once, as one row of
 * columns; what the columns of a channel gathered is added at the end of a part. */
#include "kernels/cpu/statistics.h"
#include "kernels/cpu/value.h"

#include <math.h>

/* Columns done at once: with the counters they fit the first cache. A part is a range of rows, so large that what it
 * reports costs little. */
enum { COLUMNS = 512, PARTS = 64, PART_VALUES = 1 << 15 };

/* Neighbours go to different counters: most values may fall into one bin, and a counter takes some cycles to be there
 * again. */
enum { COUNTERS = 8 };

struct columns {
    float shift[COLUMNS], sum[COLUMNS], square[COLUMNS], least[COLUMNS], most[COLUMNS];
    uint32_t largest; /* the bits of the largest magnitude: those of what is not finite are larger than others */
};

/* What a part reports, by channel; the scratch memory holds PARTS of them. */
struct statistics_part {
    double mean[COLUMNS], square[COLUMNS]; /* the squares of the values less the mean */
    float least[COLUMNS], most[COLUMNS];
    uint32_t counts[VALUE_BINS];
    bool finite;
};

struct statistics_job {
    enum dtype dtype;
    const void *x; /* (rows, c), from the first channel of this pass on */
    size_t c, width, grain;
    size_t together; /* rows that make one row of together * width columns */
    bool counted;
    struct statistics_part *parts;
};

struct gathered {
    float sum, square, least, most;
    uint32_t largest;
};

CPU_TEMPLATE void gather(struct gathered *to, float value, float shift)
{
    const float d = value - shift;
    const uint32_t magnitude = cpu_bits(value) & 0x7fffffffu;
    to->sum += d;
    to->square += d * d;
    to->least = value < to->least ? value : to->least;
    to->most = value > to->most ? value : to->most;
    to->largest = magnitude > to->largest ? magnitude : to->largest;
}

/* Adds `rows` rows of columns, 4 or 1. */
CPU_TEMPLATE void add_rows(enum dtype dtype, int rows, const void *x, size_t stride, size_t width, struct columns *to)
{
    float *restrict shifts = to->shift, *restrict sum = to->sum, *restrict square = to->square;
    float *restrict least = to->least, *restrict most = to->most;
    uint32_t largest = to->largest;
#pragma omp simd reduction(max : largest)
    for (size_t i = 0; i < width; i++) {
        struct gathered g = {0.0f, 0.0f, least[i], most[i], largest};
        const float shift = shifts[i];
        gather(&g, cpu_load(dtype, x, i), shift);
        if (rows == 4) {
            gather(&g, cpu_load(dtype, x, stride + i), shift);
            gather(&g, cpu_load(dtype, x, 2 * stride + i), shift);
            gather(&g, cpu_load(dtype, x, 3 * stride + i), shift);
        }
        sum[i] += g.sum;
        square[i] += g.square;
        least[i] = g.least;
        most[i] = g.most;
        largest = g.largest;
    }
    to->largest = largest;
}

CPU_TEMPLATE void count_row(enum dtype dtype, const void *x, size_t width, uint32_t (*counts)[VALUE_BINS])
{
    uint16_t bins[COLUMNS];
#pragma omp simd
    for (size_t i = 0; i < width; i++)
        bins[i] = (uint16_t)value_bin(cpu_load(dtype, x, i));
    size_t i = 0;
    for (; i + COUNTERS <= width; i += COUNTERS)
        for (int k = 0; k < COUNTERS; k++)
            counts[k][bins[i + (size_t)k]]++;
    for (; i < width; i++)
        counts[0][bins[i]]++; /* cppcheck-suppress uninitvar; the first loop has set all of `width` */
}

/* Shifts all sums by the part's first row, so that a mean far from 0 costs no digits. */
CPU_TEMPLATE void begin_columns(enum dtype dtype, const struct statistics_job *job, const void *x,
                                struct columns *columns)
{
    for (size_t row = 0, i = 0; row < job->together; row++)
        for (size_t channel = 0; channel < job->width; channel++, i++) {
            columns->shift[i] = cpu_load(dtype, x, channel);
            columns->sum[i] = columns->square[i] = 0.0f;
            columns->least[i] = INFINITY;
            columns->most[i] = -INFINITY;
        }
    columns->largest = 0;
}

static void end_columns(const struct statistics_job *job, const struct columns *columns, size_t rows,
                        struct statistics_part *part)
{
    for (size_t channel = 0; channel < job->width; channel++) {
        double sum = 0.0, square = 0.0;
        float least = INFINITY, most = -INFINITY;
        for (size_t i = channel; i < job->together * job->width; i += job->width) {
            sum += (double)columns->sum[i];
            square += (double)columns->square[i];
            least = columns->least[i] < least ? columns->least[i] : least;
            most = columns->most[i] > most ? columns->most[i] : most;
        }
        const double offset = sum / (double)rows;
        part->mean[channel] = (double)columns->shift[channel] + offset;
        part->square[channel] = square - offset * sum;
        part->least[channel] = least;
        part->most[channel] = most;
    }
    part->finite = columns->largest < 0x7f800000u;
}

static void end_counts(uint32_t (*counts)[VALUE_BINS], struct statistics_part *part)
{
    for (int bin = 0; bin < VALUE_BINS; bin++) {
        part->counts[bin] = 0;
        for (int k = 0; k < COUNTERS; k++)
            part->counts[bin] += counts[k][bin];
    }
}

CPU_TEMPLATE void part_kernel(enum dtype dtype, const struct statistics_job *job, size_t begin, size_t end)
{
    struct columns columns;
    uint32_t counts[COUNTERS][VALUE_BINS];
    struct statistics_part *part = &job->parts[begin / job->grain];
    const size_t width = job->together * job->width, stride = job->together * job->c;
    begin_columns(dtype, job, cpu_at_const(dtype, job->x, begin * job->c), &columns);
    memset(counts, 0, job->counted ? sizeof counts : 0);
    for (size_t row = begin; row < end;) {
        const void *x = cpu_at_const(dtype, job->x, row * job->c);
        const size_t left = (end - row) / job->together, rows = left >= 4 ? 4 : 1;
        const size_t columns_here = left ? width : (end - row) * job->width;
        if (rows == 4)
            add_rows(dtype, 4, x, stride, columns_here, &columns);
        else
            add_rows(dtype, 1, x, stride, columns_here, &columns);
        for (size_t i = 0; job->counted && i < rows; i++)
            count_row(dtype, cpu_at_const(dtype, x, i * stride), columns_here, counts);
        row += left ? rows * job->together : end - row;
    }
    end_columns(job, &columns, end - begin, part);
    if (job->counted)
        end_counts(counts, part);
}

static void part_range(const void *arguments, size_t begin, size_t end)
{
    const struct statistics_job *job = arguments;
    CPU_DISPATCH(job->dtype, part_kernel, job, begin, end);
}

/* Joins the parts' means and squares (Chan, Golub and LeVeque, 1979). */
static void join_moments(const struct statistics_job *job, size_t rows, float *mean, float *variance)
{
    double means[COLUMNS] = {0.0}, squares[COLUMNS] = {0.0}, count = 0.0;
    for (size_t begin = 0; begin < rows; begin += job->grain) {
        const struct statistics_part *part = &job->parts[begin / job->grain];
        const double n = (double)(rows - begin < job->grain ? rows - begin : job->grain), share = n / (count + n);
#pragma omp simd
        for (size_t i = 0; i < job->width; i++) {
            const double delta = part->mean[i] - means[i];
            squares[i] += part->square[i] + delta * delta * count * share;
            means[i] += delta * share;
        }
        count += n;
    }
    for (size_t i = 0; i < job->width; i++) {
        mean[i] = (float)means[i];
        variance[i] = (float)(squares[i] > 0.0 ? squares[i] / count : squares[i] * 0.0);
    }
}

static void join_extremes(const struct statistics_job *job, size_t parts, float *least, float *most)
{
    for (size_t i = 0; i < job->width; i++) {
        least[i] = INFINITY;
        most[i] = -INFINITY;
    }
    for (size_t part = 0; part < parts; part++)
        for (size_t i = 0; i < job->width; i++) {
            const float low = job->parts[part].least[i], high = job->parts[part].most[i];
            least[i] = low < least[i] ? low : least[i];
            most[i] = high > most[i] ? high : most[i];
        }
}

static void join_counts(const struct statistics_job *job, size_t parts, uint32_t *counts)
{
    for (size_t part = 0; part < parts; part++)
        for (int bin = 0; bin < VALUE_BINS; bin++)
            counts[bin] += job->parts[part].counts[bin];
}

void cpu_channel_statistics(struct backend *backend, enum dtype dtype, const void *x, size_t rows, size_t c,
                            const struct channel_outputs *out, int *finite)
{
    _Static_assert(PARTS * sizeof(struct statistics_part) <= CPU_SCRATCH_BYTES, "the parts must fit the scratch");
    const size_t wanted = rows * (c < COLUMNS ? c : COLUMNS) / PART_VALUES;
    const size_t most = wanted < 1 ? 1 : wanted < PARTS ? wanted : PARTS;
    struct statistics_job job = {.dtype = dtype, .c = c, .together = c < COLUMNS ? COLUMNS / c : 1};
    job.grain = (rows + most - 1) / most;
    job.counted = out->counts != NULL;
    job.parts = cpu_scratch(backend);
    if (out->counts)
        memset(out->counts, 0, VALUE_BINS * sizeof *out->counts);
    *finite = 1;
    for (size_t first = 0; rows && first < c; first += COLUMNS) {
        const size_t parts = (rows + job.grain - 1) / job.grain;
        job.x = cpu_at_const(dtype, x, first);
        job.width = c - first < COLUMNS ? c - first : COLUMNS;
        cpu_parallel(backend, rows, job.grain, job.width, part_range, &job);
        for (size_t part = 0; part < parts; part++)
            *finite = *finite && job.parts[part].finite;
        join_moments(&job, rows, out->mean + first, out->variance + first);
        if (out->least)
            join_extremes(&job, parts, out->least + first, out->most + first);
        if (out->counts)
            join_counts(&job, parts, out->counts);
    }
}

int cpu_statistics(struct backend *backend, enum dtype dtype, const void *x, size_t rows, int c, float *out,
                   uint32_t *counts, int *finite, struct error *error)
{
    const size_t channels = (size_t)c;
    if (rows == 0 || c < 1 || rows > UINT32_MAX / channels)
        return error_set(error, "statistics of %zu rows of %d channels; expected 1 to %u values", rows, c, UINT32_MAX);
    const struct channel_outputs all = {out, out + channels, out + 2 * channels, out + 3 * channels, counts};
    cpu_channel_statistics(backend, dtype, x, rows, channels, &all, finite);
    return 0;
}
