/* The optimiser's step over all parameters: a pass that measures (norm, are all gradients finite), then a pass that
 * applies. Adaptive gradient clipping: NFNet (arXiv 2102.06171), section 4; lookahead: Zhang et al. (arXiv 1907.08610);
 * the rest follows PyTorch's SGD. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float agc_smallest_weight = 1e-3f, agc_smallest_gradient = 1e-6f;

/* What a slice of the parameters reports. */
struct update_part {
    double square_sum;
    int infinite, clipped;
};

struct update_job {
    const struct update_parameter *parameters;
    int count;
    const struct update_options *options;
    size_t total;
    struct update_part *parts; /* (CPU_SLICES) */
};

/* Norms are wanted to full precision for any finite values: where the squares leave the range of float, again in
 * double. */
static double square_sum(const float *x, size_t n)
{
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    if (sum > 1e-30f && sum < 1e30f)
        return (double)sum;
    double exact = 0.0;
#pragma omp simd reduction(+ : exact)
    for (size_t i = 0; i < n; i++)
        exact += (double)x[i] * (double)x[i];
    return exact;
}

static int has_infinite(const float *x, size_t n)
{
    uint32_t infinite = 0;
#pragma omp simd reduction(| : infinite)
    for (size_t i = 0; i < n; i++)
        infinite |= cpu_is_finite(x[i]) ? 0u : 1u;
    return infinite != 0;
}

/* Long runs of rows are summed in pieces, so that the float sums stay short. */
static void measure(const float *gradient, size_t n, struct update_part *part)
{
    enum { PIECE = 4096 };
    for (size_t i = 0; i < n; i += PIECE) {
        size_t piece = n - i < PIECE ? n - i : PIECE;
        part->square_sum += square_sum(gradient + i, piece);
        part->infinite |= has_infinite(gradient + i, piece);
    }
}

/* What AGC multiplies a unit's gradient by, from the two norms. */
CPU_TEMPLATE float clip_factor(float agc, float weight_norm, float gradient_norm)
{
    float limit = agc * (weight_norm > agc_smallest_weight ? weight_norm : agc_smallest_weight);
    float divisor = gradient_norm > agc_smallest_gradient ? gradient_norm : agc_smallest_gradient;
    return gradient_norm > limit ? limit / divisor : 1.0f;
}

static int clip_rows(const struct update_parameter *p, float agc, size_t first, size_t last)
{
    size_t n = (size_t)p->row_length;
    int clipped = 0;
    for (size_t row = first; row < last; row++) {
        float *g = p->gradient + row * n;
        float factor = clip_factor(agc, (float)sqrt(square_sum(p->value + row * n, n)), (float)sqrt(square_sum(g, n)));
        if (factor < 1.0f) {
            clipped++;
            for (size_t i = 0; i < n; i++)
                g[i] *= factor;
        }
    }
    return clipped;
}

/* A vector's units are its elements. */
static int clip_elements(const struct update_parameter *p, float agc, size_t first, size_t last)
{
    int clipped = 0;
#pragma omp simd reduction(+ : clipped)
    for (size_t i = first; i < last; i++) {
        float factor = clip_factor(agc, fabsf(p->value[i]), fabsf(p->gradient[i]));
        clipped += factor < 1.0f ? 1 : 0;
        p->gradient[i] *= factor;
    }
    return clipped;
}

/* Elements [begin, end) of one parameter: weight decay, momentum, Nesterov, step, EMA. */
CPU_TEMPLATE void step_elements(bool nesterov, const struct update_parameter *p, const struct update_options *options,
                                size_t begin, size_t end)
{
    float decay = p->decay ? options->weight_decay : 0.0f, m = options->momentum, rate = options->learning_rate;
    const float *restrict gradient = p->gradient;
    float *restrict value = p->value, *restrict momentum = p->momentum;
#pragma omp simd
    for (size_t i = begin; i < end; i++) {
        float g = gradient[i] + decay * value[i];
        float v = m * momentum[i] + g;
        momentum[i] = v;
        value[i] -= rate * (nesterov ? g + m * v : v);
    }
}

static void look_ahead_elements(const struct update_parameter *p, float share, size_t begin, size_t end)
{
    float *restrict value = p->value, *restrict slow = p->slow;
#pragma omp simd
    for (size_t i = begin; i < end; i++) {
        slow[i] += share * (value[i] - slow[i]);
        value[i] = slow[i];
    }
}

static void average_elements(const struct update_parameter *p, float d, size_t begin, size_t end)
{
    const float *restrict value = p->value;
    float *restrict ema = p->ema;
#pragma omp simd
    for (size_t i = begin; i < end; i++)
        ema[i] = d * ema[i] + (1.0f - d) * value[i];
}

static void apply_rows(const struct update_parameter *p, const struct update_options *options, size_t first,
                       size_t last, struct update_part *part)
{
    size_t n = (size_t)p->row_length;
    if (p->clip && options->agc > 0.0f)
        part->clipped += n == 1 ? clip_elements(p, options->agc, first, last) : clip_rows(p, options->agc, first, last);
    if (options->nesterov)
        step_elements(true, p, options, first * n, last * n);
    else
        step_elements(false, p, options, first * n, last * n);
    if (p->slow && options->lookahead > 0.0f)
        look_ahead_elements(p, options->lookahead, first * n, last * n);
    if (p->ema)
        average_elements(p, options->ema_decay, first * n, last * n);
}

static void measure_range(const void *arguments, size_t begin, size_t end)
{
    const struct update_job *job = arguments;
    for (size_t slice = begin; slice < end; slice++) {
        size_t base = 0;
        struct update_part part = {0.0, 0, 0};
        for (int i = 0; i < job->count; i++) {
            const struct update_parameter *p = &job->parameters[i];
            const size_t n = (size_t)p->row_length;
            struct cpu_row_range range = cpu_next_rows(&base, p->rows, p->row_length, job->total, slice);
            measure(p->gradient + range.first * n, (range.last - range.first) * n, &part);
        }
        job->parts[slice] = part;
    }
}

static void apply_range(const void *arguments, size_t begin, size_t end)
{
    const struct update_job *job = arguments;
    for (size_t slice = begin; slice < end; slice++) {
        size_t base = 0;
        for (int i = 0; i < job->count; i++) {
            const struct update_parameter *p = &job->parameters[i];
            struct cpu_row_range range = cpu_next_rows(&base, p->rows, p->row_length, job->total, slice);
            apply_rows(p, job->options, range.first, range.last, &job->parts[slice]);
        }
    }
}

struct updater {
    int count;
    size_t total;                         /* elements of all parameters */
    struct update_parameter parameters[]; /* (count) */
};

struct squares_job {
    const struct updater *updater;
    float *out; /* (units, 3) */
};

int cpu_updater_create(struct backend *backend, const struct update_parameter *parameters, int count,
                       struct updater **out, struct error *error)
{
    (void)backend;
    struct updater *updater = malloc(sizeof *updater + (size_t)count * sizeof *parameters);
    if (!updater)
        return error_set(error, "out of memory for a list of %d parameters", count);
    updater->count = count;
    updater->total = 0;
    if (count > 0)
        memcpy(updater->parameters, parameters, (size_t)count * sizeof *parameters);
    for (int i = 0; i < count; i++)
        updater->total += (size_t)parameters[i].rows * (size_t)parameters[i].row_length;
    *out = updater;
    return 0;
}

void cpu_updater_destroy(struct backend *backend, struct updater *updater)
{
    (void)backend;
    free(updater);
}

int cpu_update(struct backend *backend, struct updater *updater, const struct step_values *values,
               struct step_report *report, struct error *error)
{
    (void)error;
    const struct update_job job = {updater->parameters, updater->count, &values->update, updater->total,
                                   cpu_scratch(backend)};
    cpu_parallel(backend, CPU_SLICES, 1, job.total / CPU_SLICES, measure_range, &job);
    struct update_part all = {0.0, 0, 0};
    for (size_t slice = 0; slice < CPU_SLICES; slice++) {
        all.square_sum += job.parts[slice].square_sum;
        all.infinite |= job.parts[slice].infinite;
    }
    const int finite = !all.infinite && cpu_is_finite(report->loss.loss);
    report->update = (struct update_result){(float)sqrt(all.square_sum), 0, finite};
    report->step = values->step;
    report->halted = (report->halted && !values->resume) || !finite;
    if (report->halted)
        return 0;
    cpu_parallel(backend, CPU_SLICES, 1, job.total / CPU_SLICES, apply_range, &job);
    for (size_t slice = 0; slice < CPU_SLICES; slice++)
        report->update.clipped_units += job.parts[slice].clipped;
    return 0;
}

int cpu_copy_unless_halted(struct backend *backend, const struct step_report *report, const float *from, float *to,
                           size_t count, struct error *error)
{
    (void)backend;
    (void)error;
    if (!report->halted)
        memcpy(to, from, count * sizeof *to);
    return 0;
}

static void squares_range(const void *arguments, size_t begin, size_t end)
{
    const struct squares_job *job = arguments;
    for (size_t slice = begin; slice < end; slice++) {
        size_t base = 0;
        float *out = job->out;
        for (int i = 0; i < job->updater->count; i++) {
            const struct update_parameter *p = &job->updater->parameters[i];
            const size_t n = (size_t)p->row_length;
            const struct cpu_row_range range = cpu_next_rows(&base, p->rows, p->row_length, job->updater->total, slice);
            for (size_t row = range.first; row < range.last; row++) {
                out[3 * row] = (float)square_sum(p->value + row * n, n);
                out[3 * row + 1] = (float)square_sum(p->gradient + row * n, n);
                out[3 * row + 2] = (float)square_sum(p->momentum + row * n, n);
            }
            out += 3 * p->rows;
        }
    }
}

int cpu_unit_squares(struct backend *backend, struct updater *updater, float *out, struct error *error)
{
    (void)error;
    const struct squares_job job = {updater, out};
    cpu_parallel(backend, CPU_SLICES, 1, updater->total / CPU_SLICES, squares_range, &job);
    return 0;
}
