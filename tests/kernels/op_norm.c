/* Op cases that normalise: weight standardisation, batch norm, channel moments, and the loss. */
#include "tests/kernels/op_cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Weight standardisation: n rows of c weights; inputs W, gain, bias, skip gain; output effective W, bias ---- */

enum { WEIGHT, GAIN, BIAS, SKIP };
static const float in_scale = 1.3f, out_scale = 0.2f;

static struct op_shape standardize_shape(const struct op_case *c)
{
    size_t rows = (size_t)c->n, count = rows * (size_t)c->c;
    struct op_shape shape = {.inputs = {{.count = count, .scale = c->scale, .shift = 0.3 * (double)c->scale},
                                        {.count = rows, .scale = 0.3, .shift = 1.0, .fixed = !c->gain},
                                        {.count = rows, .scale = 1.0},
                                        {.count = 1, .shift = c->skip_value, .fixed = !c->skip}},
                             .input_count = 4,
                             .output_count = count + rows};
    return shape;
}

static double row_factor(enum ws_mode mode, double square_sum, int n)
{
    if (mode == WS_PAPERS)
        return 1.0 / sqrt(fmax(square_sum, 1e-4));
    if (mode == WS_REPORT)
        return 1.712858 / ((sqrt(square_sum / (n - 1)) + 1e-5) * sqrt(n));
    return 1.0;
}

static void standardize_reference(const struct op_case *c, double *const in[], double *out)
{
    double skip = c->skip ? in[SKIP][0] : 1.0;
    for (int row = 0; row < c->n; row++) {
        const double *w = in[WEIGHT] + row * c->c;
        double mean = 0.0, squares = 0.0;
        for (int i = 0; i < c->c && c->mode != WS_OFF; i++)
            mean += w[i] / c->c;
        for (int i = 0; i < c->c; i++)
            squares += (w[i] - mean) * (w[i] - mean);
        double factor = (double)in_scale * (double)out_scale * skip * (c->gain ? in[GAIN][row] : 1.0) *
                        row_factor(c->mode, squares, c->c);
        for (int i = 0; i < c->c; i++)
            out[row * c->c + i] = factor * (w[i] - mean);
        out[c->n * c->c + row] = in[BIAS][row] * (double)out_scale * skip;
    }
}

static struct ws_layer run_standardize(const struct op_case *c, struct rig *rig, double *const in[])
{
    size_t rows = (size_t)c->n, count = rows * (size_t)c->c;
    struct ws_layer layer = {.mode = c->mode,
                             .rows = c->n,
                             .fan_in = c->c,
                             .weight = rig_upload(rig, DTYPE_FP32, in[WEIGHT], count),
                             .bias = rig_upload(rig, DTYPE_FP32, in[BIAS], rows),
                             .gain = c->gain ? rig_upload(rig, DTYPE_FP32, in[GAIN], rows) : NULL,
                             .skip_gain = c->skip ? rig_upload(rig, DTYPE_FP32, in[SKIP], 1) : NULL,
                             .in_scale = in_scale,
                             .out_scale = out_scale,
                             .effective = rig_poisoned(rig, DTYPE_FP32, count),
                             .effective_bias = rig_poisoned(rig, DTYPE_FP32, rows),
                             .row_moments = rig_poisoned(rig, DTYPE_FP32, 2 * rows)};
    rig_weights(rig, &layer, NULL, false);
    return layer;
}

static void standardize_forward(const struct op_case *c, struct rig *rig, double *const in[], double *out)
{
    size_t rows = (size_t)c->n, count = rows * (size_t)c->c;
    struct ws_layer layer = run_standardize(c, rig, in);
    rig_download(rig, DTYPE_FP32, layer.effective, out, count);
    rig_download(rig, DTYPE_FP32, layer.effective_bias, out + count, rows);
}

static void standardize_backward(const struct op_case *c, struct rig *rig, double *const in[], const double *dout,
                                 double *const din[])
{
    size_t rows = (size_t)c->n, count = rows * (size_t)c->c;
    struct ws_layer layer = run_standardize(c, rig, in);
    rig->seconds = 0.0;
    layer.weight_gradient = rig_upload(rig, DTYPE_FP32, dout, count);
    layer.bias_gradient = rig_upload(rig, DTYPE_FP32, dout + count, rows);
    layer.gain_gradient = c->gain ? rig_poisoned(rig, DTYPE_FP32, rows) : NULL;
    layer.skip_gain_gradient = c->skip ? rig_poisoned(rig, DTYPE_FP32, 1) : NULL;
    rig_weights(rig, &layer, NULL, true);
    rig_download(rig, DTYPE_FP32, layer.weight_gradient, din[WEIGHT], count);
    rig_download(rig, DTYPE_FP32, layer.bias_gradient, din[BIAS], rows);
    if (c->gain)
        rig_download(rig, DTYPE_FP32, layer.gain_gradient, din[GAIN], rows);
    if (c->skip)
        rig_download(rig, DTYPE_FP32, layer.skip_gain_gradient, din[SKIP], 1);
}

const struct op standardize_op = {.name = "standardize",
                                  .fp32_only = true,
                                  .shape = standardize_shape,
                                  .reference = standardize_reference,
                                  .forward = standardize_forward,
                                  .backward = standardize_backward};

/* ---- Batch norm: n rows of c channels; inputs x, weight, bias ---- */

static const double running[2] = {0.4, 2.5}; /* mean and variance of each channel when it does not train */

static struct op_shape batch_norm_shape(const struct op_case *c)
{
    size_t count = (size_t)c->n * (size_t)c->c;
    struct op_shape shape = {.inputs = {{.count = count, .rounded = true, .scale = 1.0, .shift = (double)c->scale},
                                        {.count = (size_t)c->c, .scale = 0.3, .shift = 1.0},
                                        {.count = (size_t)c->c, .scale = 1.0}},
                             .input_count = 3,
                             .output_count = count,
                             .output_rounded = true};
    return shape;
}

static void column_moments(const struct op_case *c, const double *x, int column, double *mean, double *variance)
{
    *mean = *variance = 0.0;
    for (int row = 0; row < c->n; row++)
        *mean += x[row * c->c + column] / c->n;
    for (int row = 0; row < c->n; row++)
        *variance += pow(x[row * c->c + column] - *mean, 2.0) / c->n;
}

static void batch_norm_reference(const struct op_case *c, double *const in[], double *out)
{
    for (int i = 0; i < c->c; i++) {
        double mean = running[0], variance = running[1];
        if (c->training)
            column_moments(c, in[0], i, &mean, &variance);
        for (int row = 0; row < c->n; row++) {
            double y = (in[0][row * c->c + i] - mean) / sqrt(variance + 1e-5) * in[1][i] + in[2][i];
            out[row * c->c + i] = c->relu && y < 0.0 ? 0.0 : y;
        }
    }
}

static float *constant(struct rig *rig, double value, int count)
{
    double *values = malloc((size_t)count * sizeof *values);
    if (!values)
        rig_failed("malloc", "out of memory");
    for (int i = 0; values && i < count; i++)
        values[i] = value;
    float *device = rig_upload(rig, DTYPE_FP32, values, (size_t)count);
    free(values);
    return device;
}

struct norm_made {
    struct batch_norm norm;
    void *x, *y;
};

static struct norm_made run_batch_norm(const struct op_case *c, struct rig *rig, double *const in[])
{
    struct backend *b = rig->backend;
    size_t rows = (size_t)c->n, channels = (size_t)c->c;
    struct norm_made m = {.norm = {.c = c->c,
                                   .weight = rig_upload(rig, DTYPE_FP32, in[1], channels),
                                   .bias = rig_upload(rig, DTYPE_FP32, in[2], channels),
                                   .running_mean = constant(rig, running[0], c->c),
                                   .running_variance = constant(rig, running[1], c->c),
                                   .saved = rig_poisoned(rig, DTYPE_FP32, 2 * channels),
                                   .weight_gradient = rig_poisoned(rig, DTYPE_FP32, channels),
                                   .bias_gradient = rig_poisoned(rig, DTYPE_FP32, channels)},
                          .x = rig_upload(rig, rig->dtype, in[0], rows * channels)};
    m.y = c->in_place ? m.x : rig_poisoned(rig, rig->dtype, rows * channels);
    RIG_CALL(rig, b->batch_norm_forward(b, rig->dtype, &m.norm, m.x, m.y, c->training, c->relu, rows, &error));
    return m;
}

static void batch_norm_forward(const struct op_case *c, struct rig *rig, double *const in[], double *out)
{
    struct norm_made m = run_batch_norm(c, rig, in);
    rig_download(rig, rig->dtype, m.y, out, (size_t)c->n * (size_t)c->c);
}

static void batch_norm_backward(const struct op_case *c, struct rig *rig, double *const in[], const double *dout,
                                double *const din[])
{
    struct backend *b = rig->backend;
    size_t rows = (size_t)c->n, channels = (size_t)c->c, count = rows * channels;
    struct norm_made m = run_batch_norm(c, rig, in);
    rig->seconds = 0.0;
    const void *dy = rig_upload(rig, rig->dtype, dout, count);
    op_fill_prior(din[0], count, c->add);
    void *dx = rig_upload(rig, rig->dtype, din[0], count);
    RIG_CALL(rig, b->batch_norm_backward(b, rig->dtype, &m.norm, m.x, m.y, dy, dx, c->relu, c->add, rows, &error));
    rig_download(rig, rig->dtype, dx, din[0], count);
    rig_download(rig, DTYPE_FP32, m.norm.weight_gradient, din[1], channels);
    rig_download(rig, DTYPE_FP32, m.norm.bias_gradient, din[2], channels);
    op_take_prior(din[0], count, c->add);
}

const struct op batch_norm_op = {.name = "batch norm",
                                 .shape = batch_norm_shape,
                                 .reference = batch_norm_reference,
                                 .forward = batch_norm_forward,
                                 .backward = batch_norm_backward};

/* ---- Statistics of n rows of c channels; its counts are in statistics_checks.c ---- */

static struct op_shape statistics_shape(const struct op_case *c)
{
    struct op_shape shape = {
        .inputs = {{.count = (size_t)c->n * (size_t)c->c, .rounded = true, .scale = 1.0, .shift = (double)c->scale}},
        .input_count = 1,
        .output_count = 4 * (size_t)c->c};
    return shape;
}

static void statistics_reference(const struct op_case *c, double *const in[], double *out)
{
    for (int i = 0; i < c->c; i++) {
        column_moments(c, in[0], i, &out[i], &out[c->c + i]);
        double *least = &out[2 * c->c + i], *most = &out[3 * c->c + i];
        *least = *most = in[0][i];
        for (int row = 1; row < c->n; row++) {
            *least = fmin(*least, in[0][row * c->c + i]);
            *most = fmax(*most, in[0][row * c->c + i]);
        }
    }
}

static void statistics_forward(const struct op_case *c, struct rig *rig, double *const in[], double *out)
{
    struct backend *b = rig->backend;
    const void *x = rig_upload(rig, rig->dtype, in[0], (size_t)c->n * (size_t)c->c);
    float *device = rig_poisoned(rig, DTYPE_FP32, 4 * (size_t)c->c);
    uint32_t *counts = rig_bytes(rig, VALUE_BINS * sizeof *counts);
    int *finite = rig_bytes(rig, sizeof *finite);
    RIG_CALL(rig, b->statistics(b, rig->dtype, x, (size_t)c->n, c->c, device, counts, finite, &error));
    rig_download(rig, DTYPE_FP32, device, out, 4 * (size_t)c->c);
}

const struct op statistics_op = {
    .name = "statistics", .shape = statistics_shape, .reference = statistics_reference, .forward = statistics_forward};

/* ---- Loss of n samples, c classes, label smoothing `scale`; inputs logits, labels; output the sum of losses. With
 * `skip` each sample is mixed with the one at the mirrored place, whose share is skip_value ---- */

static const float prior_loss = 1.5f;

static struct op_shape loss_shape(const struct op_case *c)
{
    struct op_shape shape = {
        .inputs = {{.count = (size_t)c->n * (size_t)c->c, .scale = 2.0},
                   {.count = (size_t)c->n, .fixed = true, .fill = FILL_LABEL, .scale = (double)c->c}},
        .input_count = 2,
        .output_count = 1};
    return shape;
}

static void loss_reference(const struct op_case *c, double *const in[], double *out)
{
    *out = 0.0;
    for (int n = 0; n < c->n; n++) {
        const double *z = in[0] + n * c->c;
        double sum = 0.0;
        for (int i = 0; i < c->c; i++)
            sum += exp(z[i]);
        for (int i = 0; i < c->c; i++) {
            const double share = c->skip ? c->skip_value : 0.0;
            const double own = i == (int)in[1][n] ? 1.0 - share : 0.0;
            const double partner = i == (int)in[1][c->n - 1 - n] ? share : 0.0;
            const double target = (double)c->scale / c->c + (1.0 - (double)c->scale) * (own + partner);
            *out += target * (log(sum) - z[i]);
        }
    }
}

static float *run_loss(const struct op_case *c, struct rig *rig, double *const in[], float loss_scale, double *loss)
{
    struct backend *b = rig->backend;
    uint8_t labels[256], partners[256];
    const struct mix mix = {.partner = (int)(c->skip_value * MIX_WHOLE)};
    for (int i = 0; i < c->n; i++) {
        labels[i] = (uint8_t)in[1][i];
        partners[i] = (uint8_t)in[1][c->n - 1 - i];
    }
    const float *logits = rig_upload(rig, DTYPE_FP32, in[0], (size_t)c->n * (size_t)c->c);
    const struct loss_target target = {.labels = rig_copy_in(rig, labels, (size_t)c->n),
                                       .partners = c->skip ? rig_copy_in(rig, partners, (size_t)c->n) : NULL,
                                       .mix = rig_copy_in(rig, &mix, sizeof mix),
                                       .smoothing = c->scale};
    struct loss_result prior = {.loss = prior_loss, .correct = 3}, result;
    struct loss_result *device = rig_copy_in(rig, &prior, sizeof prior);
    float *dlogits = rig_poisoned(rig, DTYPE_FP32, (size_t)c->n * (size_t)c->c);
    RIG_CALL(rig,
             b->softmax_cross_entropy(b, logits, &target, loss_scale, dlogits, device, c->add, c->n, c->c, &error));
    struct error error = {""};
    if (b->copy_out(b, &result, device, sizeof result, &error))
        rig_failed("copy_out", error.message);
    *loss = (double)result.loss - (c->add ? (double)prior_loss : 0.0);
    return dlogits;
}

static void loss_forward(const struct op_case *c, struct rig *rig, double *const in[], double *out)
{
    run_loss(c, rig, in, 1.0f, out);
}

static void loss_backward(const struct op_case *c, struct rig *rig, double *const in[], const double *dout,
                          double *const din[])
{
    double loss;
    const float *dlogits = run_loss(c, rig, in, (float)dout[0], &loss);
    rig_download(rig, DTYPE_FP32, dlogits, din[0], (size_t)c->n * (size_t)c->c);
}

const struct op loss_op = {.name = "loss",
                           .fp32_only = true,
                           .shape = loss_shape,
                           .reference = loss_reference,
                           .forward = loss_forward,
                           .backward = loss_backward};
