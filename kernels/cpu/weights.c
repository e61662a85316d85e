/* All layers' weights in one call: standardised and packed, and the exact backward of standardisation. Sources: SPP
 * (arXiv 2101.08692) and NFNet (2102.06171) for WS_PAPERS, the seed report for WS_REPORT. A row is one output unit's
 * weights. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float report_gain = 1.712858f, report_epsilon = 1e-5f, papers_epsilon = 1e-4f;

struct standardize_job {
    const struct ws_layer *layers;
    int count;
    size_t total;       /* elements of all layers */
    double *skip_parts; /* (CPU_SLICES + count) parts of the skip gains' gradients: [slice + layer] */
};

/* in_scale * out_scale: what multiplies the standardised row besides gain and skip gain. */
static float fixed_scale(const struct ws_layer *layer)
{
    return layer->in_scale * layer->out_scale;
}

static float skip_gain(const struct ws_layer *layer)
{
    return layer->skip_gain ? *layer->skip_gain : 1.0f;
}

static float row_mean(const float *w, size_t n)
{
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += w[i];
    return sum / (float)n;
}

static float row_square_sum(const float *w, float mean, size_t n)
{
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += (w[i] - mean) * (w[i] - mean);
    return sum;
}

/* The multiplier r of c = W - mean, and the coefficient b of its derivative dr = -r b <c, dc>, from the square sum of
 * c. Papers: r = S^-1/2, b = 1 / S, and a clamped r is constant. Report: r = a / (std + eps), std = sqrt(S / (N - 1)),
 * b = 1 / ((std + eps) (N - 1) std). */
struct multiplier {
    float r, b;
};

static struct multiplier row_multiplier(enum ws_mode mode, float square_sum, size_t n)
{
    struct multiplier m = {1.0f, 0.0f};
    if (mode == WS_PAPERS) {
        bool clamped = square_sum < papers_epsilon;
        m.r = 1.0f / sqrtf(clamped ? papers_epsilon : square_sum);
        m.b = clamped ? 0.0f : 1.0f / square_sum;
    } else if (mode == WS_REPORT) {
        float freedom = n > 1 ? (float)(n - 1) : 1.0f;
        float std = sqrtf(square_sum / freedom);
        m.r = report_gain / ((std + report_epsilon) * sqrtf((float)n));
        m.b = std > 0.0f ? 1.0f / ((std + report_epsilon) * freedom * std) : 0.0f;
    }
    return m;
}

static void forward_row(const struct ws_layer *layer, size_t row)
{
    size_t n = (size_t)layer->fan_in;
    const float *w = layer->weight + row * n;
    float *effective = layer->effective + row * n;
    float mean = 0.0f, r = 1.0f;
    if (layer->mode != WS_OFF) {
        mean = row_mean(w, n);
        r = row_multiplier(layer->mode, row_square_sum(w, mean, n), n).r;
    }
    float gain = layer->gain && layer->mode != WS_OFF ? layer->gain[row] : 1.0f;
    float factor = fixed_scale(layer) * skip_gain(layer) * gain * r;
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        effective[i] = factor * (w[i] - mean);
    layer->effective_bias[row] = layer->bias[row] * layer->out_scale * skip_gain(layer);
    layer->row_moments[2 * row] = mean;
    layer->row_moments[2 * row + 1] = r;
}

/* The sums over a row that its backward needs, in one pass; c = W - mean, g the gradient of the effective row. */
struct row_sums {
    float cc, g, gc;
};

static struct row_sums backward_sums(const float *w, const float *g, float mean, size_t n)
{
    float cc = 0.0f, sum = 0.0f, gc = 0.0f;
#pragma omp simd reduction(+ : cc, sum, gc)
    for (size_t i = 0; i < n; i++) {
        float c = w[i] - mean;
        cc += c * c;
        sum += g[i];
        gc += g[i] * c;
    }
    struct row_sums sums = {cc, sum, gc};
    return sums;
}

/* dW = k r (G - mean(G) - b <G, c> c), k all factors beside r. Returns the row's part of the skip gain's gradient,
 * formed without dividing by the skip gain, which may be 0. */
static double backward_row(const struct ws_layer *layer, size_t row)
{
    size_t n = (size_t)layer->fan_in;
    const float *w = layer->weight + row * n;
    float *g = layer->weight_gradient + row * n;
    float mean = layer->row_moments[2 * row];
    struct row_sums sums = backward_sums(w, g, mean, n);
    struct multiplier m = row_multiplier(layer->mode, sums.cc, n);
    float gain = layer->gain && layer->mode != WS_OFF ? layer->gain[row] : 1.0f;
    float standard_dot = fixed_scale(layer) * m.r * sums.gc;
    float factor = fixed_scale(layer) * skip_gain(layer) * gain * m.r;
    float g_mean = layer->mode == WS_OFF ? 0.0f : sums.g / (float)n;
    float along = m.b * sums.gc;
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        g[i] = factor * (g[i] - g_mean - along * (w[i] - mean));
    if (layer->gain_gradient)
        layer->gain_gradient[row] = layer->mode == WS_OFF ? 0.0f : skip_gain(layer) * standard_dot;
    float bias_dot = layer->out_scale * layer->bias[row] * layer->bias_gradient[row];
    layer->bias_gradient[row] *= layer->out_scale * skip_gain(layer);
    return (double)gain * (double)standard_dot + (double)bias_dot;
}

static void forward_range(const void *arguments, size_t begin, size_t end)
{
    const struct standardize_job *job = arguments;
    for (size_t slice = begin; slice < end; slice++) {
        size_t base = 0;
        for (int l = 0; l < job->count; l++) {
            const struct ws_layer *layer = &job->layers[l];
            struct cpu_row_range range = cpu_next_rows(&base, layer->rows, layer->fan_in, job->total, slice);
            for (size_t row = range.first; row < range.last; row++)
                forward_row(layer, row);
        }
    }
}

/* Slices and layers both run forward through the rows, so no two pairs (slice, layer) that share rows have the same
 * sum: slice + layer numbers the parts of the skip gains' gradients. */
static void backward_range(const void *arguments, size_t begin, size_t end)
{
    const struct standardize_job *job = arguments;
    for (size_t slice = begin; slice < end; slice++) {
        size_t base = 0;
        for (int l = 0; l < job->count; l++) {
            const struct ws_layer *layer = &job->layers[l];
            struct cpu_row_range range = cpu_next_rows(&base, layer->rows, layer->fan_in, job->total, slice);
            double part = 0.0;
            for (size_t row = range.first; row < range.last; row++)
                part += backward_row(layer, row);
            if (range.first < range.last)
                job->skip_parts[slice + (size_t)l] = part;
        }
    }
}

static void sum_skip_gradients(const struct standardize_job *job)
{
    size_t base = 0;
    for (int l = 0; l < job->count; l++) {
        const struct ws_layer *layer = &job->layers[l];
        size_t rows = (size_t)layer->rows, n = (size_t)layer->fan_in;
        double sum = 0.0;
        for (size_t slice = 0; layer->skip_gain_gradient && slice < CPU_SLICES; slice++) {
            struct cpu_row_range range = cpu_slice_rows(base, rows, n, job->total, slice);
            if (range.first < range.last)
                sum += job->skip_parts[slice + (size_t)l];
        }
        if (layer->skip_gain_gradient)
            *layer->skip_gain_gradient = (float)sum;
        base += rows * n;
    }
}

struct weights {
    int count;
    size_t total;             /* elements of all layers */
    struct ws_layer layers[]; /* (count) */
};

int cpu_weights_create(struct backend *backend, const struct ws_layer *layers, int count, struct weights **out,
                       struct error *error)
{
    (void)backend;
    if ((size_t)count + CPU_SLICES > CPU_SCRATCH_BYTES / sizeof(double))
        return error_set(error, "%d layers are too many to standardise in one call", count);
    struct weights *weights = malloc(sizeof *weights + (size_t)count * sizeof *layers);
    if (!weights)
        return error_set(error, "out of memory for a list of %d layers", count);
    weights->count = count;
    weights->total = 0;
    if (count > 0)
        memcpy(weights->layers, layers, (size_t)count * sizeof *layers);
    for (int l = 0; l < count; l++)
        weights->total += (size_t)layers[l].rows * (size_t)layers[l].fan_in;
    *out = weights;
    return 0;
}

void cpu_weights_destroy(struct backend *backend, struct weights *weights)
{
    (void)backend;
    free(weights);
}

int cpu_weights_prepare(struct backend *backend, struct weights *weights, void *scratch, struct error *error)
{
    const struct standardize_job job = {weights->layers, weights->count, weights->total, NULL};
    cpu_parallel(backend, CPU_SLICES, 1, job.total / CPU_SLICES, forward_range, &job);
    for (int l = 0; l < weights->count; l++) {
        const struct ws_layer *layer = &weights->layers[l];
        if (layer->conv && cpu_conv_pack(backend, layer->conv, layer->effective, layer->packed_forward,
                                         layer->packed_backward, scratch, error))
            return -1;
    }
    return 0;
}

int cpu_weights_backward(struct backend *backend, struct weights *weights, struct error *error)
{
    (void)error;
    const struct standardize_job job = {weights->layers, weights->count, weights->total, cpu_scratch(backend)};
    cpu_parallel(backend, CPU_SLICES, 1, job.total / CPU_SLICES, backward_range, &job);
    sum_skip_gradients(&job);
    return 0;
}
