/* The ops of the self-test, a case each; sizes are small, and odd where an op treats the rest of a row by itself. */
#include "kernels/selftest_trial.h"

#include <string.h>

enum { N = 6, H = 10, SPATIAL = H * H, C = 24, COUNT = N * SPATIAL * C };

static float *normals(struct trial *t, uint32_t stream, size_t count)
{
    return trial_normal(t, DTYPE_FP32, stream, count, 1, 0);
}

static float *blanks(struct trial *t, size_t count)
{
    return trial_blank(t, DTYPE_FP32, count);
}

static void *map(struct trial *t, uint32_t stream)
{
    return trial_normal(t, t->dtype, stream, COUNT, 1, 0);
}

/* ---- Convolution ---- */

/* Effective and packed weights of one layer, made by the back end. */
static struct weights *prepare(struct trial *t, const struct ws_layer *layer, void *scratch)
{
    struct weights *weights = NULL;
    TRIAL_DO(t, t->backend->weights_create(t->backend, layer, 1, &weights, &t->error));
    TRIAL_DO(t, t->backend->weights_prepare(t->backend, weights, scratch, &t->error));
    return weights;
}

/* `y_relu` = relu(y), and dx with the gradient added to it: taken along where the back end fuses the residual stream,
 * operations of their own elsewhere. */
static void conv_forward(struct trial *t, struct conv *conv, const struct ws_layer *layer, const void *x, void *y,
                         void *y_relu, size_t outputs, void *scratch)
{
    struct backend *b = t->backend;
    void *fused = conv->shape.relu_copy ? y_relu : NULL;
    TRIAL_DO(t,
             b->conv_forward(b, conv, x, layer->packed_forward, layer->effective_bias, y, fused, scratch, &t->error));
    trial_output(t, t->dtype, y, outputs);
    if (!y_relu)
        return;
    if (!fused)
        TRIAL_DO(t, b->activation_forward(b, ACTIVATION_RELU, t->dtype, y, y_relu, outputs, &t->error));
    trial_output(t, t->dtype, y_relu, outputs);
}

static void conv_backward_data(struct trial *t, struct conv *conv, const struct ws_layer *layer, const void *x,
                               const void *dy, bool add, size_t inputs, void *scratch)
{
    struct backend *b = t->backend;
    const struct conv_shape *s = &conv->shape;
    const void *packed = conv->packed_backward_bytes ? layer->packed_backward : layer->packed_forward;
    void *dx = add ? trial_normal(t, t->dtype, 6, inputs, 1, 0) : trial_blank(t, t->dtype, inputs);
    void *own = add && !s->add_dx ? trial_blank(t, t->dtype, inputs) : dx;
    const struct residual_gate plain = {.alpha = 1};
    TRIAL_DO(t, b->conv_backward_data(b, conv, x, dy, packed, own, scratch, &t->error));
    if (own != dx)
        TRIAL_DO(t, b->residual_add_forward(b, t->dtype, dx, own, &plain, s->n, s->h * s->w, s->cin, &t->error));
    trial_output(t, t->dtype, dx, inputs);
}

static void conv_passes(struct trial *t, struct conv *conv, const struct conv_shape *wanted)
{
    struct backend *b = t->backend;
    const struct conv_shape *s = &conv->shape;
    const size_t fan_in = (size_t)(s->cin / s->groups * s->k * s->k), cout = (size_t)s->cout;
    const size_t inputs = (size_t)s->n * (size_t)s->h * (size_t)s->w * (size_t)s->cin;
    const size_t outputs = (size_t)s->n * (size_t)conv->out_h * (size_t)conv->out_w * cout;
    void *x = trial_normal(t, t->dtype, 1, inputs, 1, 0), *dy = trial_normal(t, t->dtype, 2, outputs, 1, 0);
    void *y = s->accumulate ? trial_normal(t, t->dtype, 3, outputs, 1, 0) : trial_blank(t, t->dtype, outputs);
    void *y_relu = wanted->relu_copy ? trial_blank(t, t->dtype, outputs) : NULL;
    void *scratch = trial_bytes(t, NULL, conv->scratch_bytes + 1);
    const struct ws_layer layer = {.mode = WS_OFF,
                                   .rows = s->cout,
                                   .fan_in = (int)fan_in,
                                   .weight = trial_normal(t, DTYPE_FP32, 4, cout * fan_in, 0.2f, 0),
                                   .bias = normals(t, 5, cout),
                                   .in_scale = 1,
                                   .out_scale = 1,
                                   .effective = blanks(t, cout * fan_in),
                                   .effective_bias = blanks(t, cout),
                                   .row_moments = blanks(t, 2 * cout),
                                   .conv = conv,
                                   .packed_forward = trial_bytes(t, NULL, conv->packed_forward_bytes + 1),
                                   .packed_backward = trial_bytes(t, NULL, conv->packed_backward_bytes + 1),
                                   .weight_gradient = blanks(t, cout * fan_in),
                                   .bias_gradient = blanks(t, cout)};
    struct weights *weights = t->failed ? NULL : prepare(t, &layer, scratch);
    conv_forward(t, conv, &layer, x, y, y_relu, outputs, scratch);
    if (s->input_gradient)
        conv_backward_data(t, conv, &layer, x, dy, wanted->add_dx, inputs, scratch);
    TRIAL_DO(t, b->conv_backward_weights(b, conv, x, dy, layer.weight_gradient, layer.bias_gradient, false, scratch,
                                         &t->error));
    trial_output(t, DTYPE_FP32, layer.weight_gradient, cout * fan_in);
    trial_output(t, DTYPE_FP32, layer.bias_gradient, cout);
    if (weights)
        b->weights_destroy(b, weights);
}

static void run_conv(struct trial *t, const struct selftest_case *what)
{
    struct conv_shape shape = what->conv;
    struct conv *conv = NULL;
    shape.dtype = t->dtype;
    shape.tf32 = t->tf32;
    shape.relu_copy &= t->backend->fuses_stream;
    shape.add_dx &= t->backend->fuses_stream;
    TRIAL_DO(t, t->backend->conv_create(t->backend, &shape, &conv, &t->error));
    if (!conv)
        return;
    conv_passes(t, conv, &what->conv);
    t->backend->conv_destroy(t->backend, conv);
}

/* ---- Weights and update ---- */

static void run_weights(struct trial *t, const struct selftest_case *what)
{
    enum { ROWS = 20, FAN_IN = 75 };
    struct backend *b = t->backend;
    const bool papers = what->mode == WS_PAPERS;
    const struct ws_layer layer = {.mode = what->mode,
                                   .rows = ROWS,
                                   .fan_in = FAN_IN,
                                   .weight = normals(t, 1, ROWS * FAN_IN),
                                   .gain = papers ? normals(t, 2, ROWS) : NULL,
                                   .bias = normals(t, 3, ROWS),
                                   .skip_gain = papers ? normals(t, 4, 1) : NULL,
                                   .in_scale = 1.3f,
                                   .out_scale = 0.2f,
                                   .effective = blanks(t, ROWS * FAN_IN),
                                   .effective_bias = blanks(t, ROWS),
                                   .row_moments = blanks(t, 2 * ROWS),
                                   .weight_gradient = normals(t, 5, ROWS * FAN_IN),
                                   .bias_gradient = normals(t, 6, ROWS),
                                   .gain_gradient = papers ? blanks(t, ROWS) : NULL,
                                   .skip_gain_gradient = papers ? blanks(t, 1) : NULL};
    if (t->failed)
        return;
    struct weights *weights = prepare(t, &layer, NULL);
    TRIAL_DO(t, b->weights_backward(b, weights, &t->error));
    trial_output(t, DTYPE_FP32, layer.effective, ROWS * FAN_IN);
    trial_output(t, DTYPE_FP32, layer.effective_bias, ROWS);
    trial_output(t, DTYPE_FP32, layer.weight_gradient, ROWS * FAN_IN);
    trial_output(t, DTYPE_FP32, layer.bias_gradient, ROWS);
    if (papers) {
        trial_output(t, DTYPE_FP32, layer.gain_gradient, ROWS);
        trial_output(t, DTYPE_FP32, layer.skip_gain_gradient, 1);
    }
    if (weights)
        b->weights_destroy(b, weights);
}

static void run_update(struct trial *t, const struct selftest_case *what)
{
    enum { ROWS = 30, LENGTH = 77, COUNT_ALL = ROWS * LENGTH };
    struct backend *b = t->backend;
    const struct step_values values = {.update = {.learning_rate = 0.1f,
                                                  .momentum = 0.9f,
                                                  .weight_decay = 5e-4f,
                                                  .agc = 0.02f,
                                                  .ema_decay = 0.99f,
                                                  .lookahead = 0.5f,
                                                  .nesterov = true}};
    struct step_report report = {.loss = {1, 0}}, *device_report = trial_bytes(t, &report, sizeof report);
    const struct step_values *device_values = trial_bytes(t, &values, sizeof values);
    struct update_parameter parameters[2] = {{.rows = ROWS, .row_length = LENGTH, .clip = true, .decay = true},
                                             {.rows = ROWS, .row_length = 1}};
    struct updater *updater = NULL;
    float *squares = blanks(t, 3 * 2 * ROWS), *copy = blanks(t, ROWS);
    (void)what;
    for (int i = 0; i < 2; i++) {
        const size_t count = i ? ROWS : COUNT_ALL;
        parameters[i].value = normals(t, 1 + 4 * (uint32_t)i, count);
        parameters[i].gradient = normals(t, 2 + 4 * (uint32_t)i, count);
        parameters[i].momentum = normals(t, 3 + 4 * (uint32_t)i, count);
        parameters[i].ema = normals(t, 4 + 4 * (uint32_t)i, count);
    }
    float *slow = parameters[0].slow = normals(t, 9, COUNT_ALL);
    TRIAL_DO(t, b->updater_create(b, parameters, 2, &updater, &t->error));
    TRIAL_DO(t, b->unit_squares(b, updater, squares, &t->error));
    TRIAL_DO(t, b->update(b, updater, device_values, device_report, &t->error));
    TRIAL_DO(t, b->copy_unless_halted(b, device_report, parameters[1].value, copy, ROWS, &t->error));
    for (int i = 0; i < 2; i++) {
        const size_t count = i ? ROWS : COUNT_ALL;
        trial_output(t, DTYPE_FP32, parameters[i].value, count);
        trial_output(t, DTYPE_FP32, parameters[i].momentum, count);
        trial_output(t, DTYPE_FP32, parameters[i].ema, count);
    }
    trial_output(t, DTYPE_FP32, slow, COUNT_ALL);
    if (!t->failed)
        trial_output(t, DTYPE_FP32, &device_report->update.gradient_norm, 1);
    trial_output(t, DTYPE_FP32, squares, 3 * 2 * ROWS);
    trial_output(t, DTYPE_FP32, copy, ROWS);
    if (updater)
        b->updater_destroy(b, updater);
}

/* ---- Element by element, pooling, sums ---- */

static void run_activation(struct trial *t, const struct selftest_case *what)
{
    struct backend *b = t->backend;
    void *x = map(t, 1), *dy = map(t, 2), *y = trial_blank(t, t->dtype, COUNT), *dx = trial_blank(t, t->dtype, COUNT);
    TRIAL_DO(t, b->activation_forward(b, what->activation, t->dtype, x, y, COUNT, &t->error));
    TRIAL_DO(t, b->activation_backward(b, what->activation, t->dtype, x, dy, dx, false, COUNT, &t->error));
    trial_output(t, t->dtype, y, COUNT);
    trial_output(t, t->dtype, dx, COUNT);
}

static void run_convert(struct trial *t, const struct selftest_case *what)
{
    struct backend *b = t->backend;
    void *x = map(t, 1), *wide = blanks(t, COUNT), *back = trial_blank(t, DTYPE_BF16, COUNT);
    (void)what;
    TRIAL_DO(t, b->convert(b, t->dtype, x, DTYPE_FP32, wide, COUNT, &t->error));
    TRIAL_DO(t, b->convert(b, DTYPE_FP32, wide, DTYPE_BF16, back, COUNT, &t->error));
    trial_output(t, DTYPE_FP32, wide, COUNT);
    trial_output(t, DTYPE_BF16, back, COUNT);
}

static void run_pool(struct trial *t, const struct selftest_case *what)
{
    struct backend *b = t->backend;
    void *x = map(t, 1), *dy = trial_normal(t, t->dtype, 2, COUNT / 4, 1, 0);
    void *y = trial_blank(t, t->dtype, COUNT / 4), *dx = trial_blank(t, t->dtype, COUNT);
    (void)what;
    TRIAL_DO(t, b->average_pool_forward(b, t->dtype, x, y, N, H, H, C, &t->error));
    TRIAL_DO(t, b->average_pool_backward(b, t->dtype, NULL, dy, dx, false, N, H, H, C, &t->error));
    trial_output(t, t->dtype, y, COUNT / 4);
    trial_output(t, t->dtype, dx, COUNT);
}

static void run_global_pool(struct trial *t, const struct selftest_case *what)
{
    struct backend *b = t->backend;
    void *x = map(t, 1), *dx = trial_blank(t, t->dtype, COUNT);
    float *dy = normals(t, 2, N * C), *y = blanks(t, N * C);
    (void)what;
    TRIAL_DO(t, b->global_pool_forward(b, t->dtype, x, y, 1.5f, N, SPATIAL, C, &t->error));
    TRIAL_DO(t, b->global_pool_backward(b, t->dtype, NULL, dy, dx, 1.5f, false, N, SPATIAL, C, &t->error));
    trial_output(t, DTYPE_FP32, y, N * C);
    trial_output(t, t->dtype, dx, COUNT);
}

static void run_residual(struct trial *t, const struct selftest_case *what)
{
    struct backend *b = t->backend;
    const float kept[N] = {1, 0, 1, 1, 1, 0};
    void *x = map(t, 1), *branch = map(t, 2), *dx = map(t, 3), *dbranch = trial_blank(t, t->dtype, COUNT);
    float *dchannel = blanks(t, N * C), *dskip = blanks(t, 1), *scratch = blanks(t, N * C);
    const struct residual_gate gate = {.sample = trial_bytes(t, kept, sizeof kept),
                                       .channel = normals(t, 4, N * C),
                                       .skip_gain = normals(t, 5, 1),
                                       .alpha = 0.2f};
    (void)what;
    TRIAL_DO(t, b->residual_add_forward(b, t->dtype, x, branch, &gate, N, SPATIAL, C, &t->error));
    TRIAL_DO(t, b->residual_add_backward(b, t->dtype, dx, branch, &gate, dbranch, dchannel, dskip, false, scratch, N,
                                         SPATIAL, C, &t->error));
    trial_output(t, t->dtype, x, COUNT);
    trial_output(t, t->dtype, dbranch, COUNT);
    trial_output(t, DTYPE_FP32, dchannel, N * C);
    trial_output(t, DTYPE_FP32, dskip, 1);
}

static void run_gate(struct trial *t, const struct selftest_case *what)
{
    struct backend *b = t->backend;
    float *x = normals(t, 1, N * C), *dy = normals(t, 2, N * C), *y = blanks(t, N * C), *dx = blanks(t, N * C);
    (void)what;
    TRIAL_DO(t, b->gate_forward(b, x, y, N * C, &t->error));
    TRIAL_DO(t, b->gate_backward(b, y, dy, dx, N * C, &t->error));
    trial_output(t, DTYPE_FP32, y, N * C);
    trial_output(t, DTYPE_FP32, dx, N * C);
}

static void run_draws(struct trial *t, const struct selftest_case *what)
{
    enum { SAMPLES = 301 };
    struct backend *b = t->backend;
    const struct step_values values = {.step = 7}, *device_values = trial_bytes(t, &values, sizeof values);
    float *x = normals(t, 1, COUNT), *y = blanks(t, COUNT), *gates = blanks(t, SAMPLES);
    (void)what;
    TRIAL_DO(t, b->dropout(b, x, y, 0.25f, 11, device_values, 8, COUNT, &t->error));
    TRIAL_DO(t, b->drop_path(b, gates, 0.25f, 11, device_values, 3, 5, SAMPLES, &t->error));
    trial_output(t, DTYPE_FP32, y, COUNT);
    trial_output(t, DTYPE_FP32, gates, SAMPLES);
}

/* ---- Normalisation, loss, statistics ---- */

static void run_batch_norm(struct trial *t, const struct selftest_case *what)
{
    struct backend *b = t->backend;
    void *x = map(t, 1), *dy = map(t, 2), *y = trial_blank(t, t->dtype, COUNT), *dx = trial_blank(t, t->dtype, COUNT);
    const struct batch_norm norm = {.c = C,
                                    .weight = normals(t, 3, C),
                                    .bias = trial_normal(t, DTYPE_FP32, 4, C, 0.1f, 4), /* away from the relu's bend */
                                    .running_mean = normals(t, 5, C),
                                    .running_variance = trial_normal(t, DTYPE_FP32, 6, C, 0.1f, 1),
                                    .saved = blanks(t, 2 * C),
                                    .weight_gradient = blanks(t, C),
                                    .bias_gradient = blanks(t, C)};
    (void)what;
    TRIAL_DO(t, b->batch_norm_forward(b, t->dtype, &norm, x, y, true, false, N * SPATIAL, &t->error));
    TRIAL_DO(t, b->batch_norm_backward(b, t->dtype, &norm, x, y, dy, dx, false, false, N * SPATIAL, &t->error));
    trial_output(t, t->dtype, y, COUNT);
    trial_output(t, t->dtype, dx, COUNT);
    trial_output(t, DTYPE_FP32, norm.saved, 2 * C);
    trial_output(t, DTYPE_FP32, norm.running_mean, C);
    trial_output(t, DTYPE_FP32, norm.running_variance, C);
    trial_output(t, DTYPE_FP32, norm.weight_gradient, C);
    trial_output(t, DTYPE_FP32, norm.bias_gradient, C);
}

static void run_loss(struct trial *t, const struct selftest_case *what)
{
    enum { SAMPLES = 133, CLASSES = 10 };
    struct backend *b = t->backend;
    uint8_t labels[SAMPLES], partners[SAMPLES];
    (void)what;
    for (int i = 0; i < SAMPLES; i++) {
        labels[i] = (uint8_t)(i * 7 % CLASSES);
        partners[i] = (uint8_t)(i * 3 % CLASSES);
    }
    const struct loss_result none = {0, 0};
    const struct mix mix = {.partner = 300};
    const struct loss_target target = {.labels = trial_bytes(t, labels, sizeof labels),
                                       .partners = trial_bytes(t, partners, sizeof partners),
                                       .mix = trial_bytes(t, &mix, sizeof mix),
                                       .smoothing = 0.1f};
    struct loss_result *result = trial_bytes(t, &none, sizeof none), got = {0, 0};
    float *logits = normals(t, 1, SAMPLES * CLASSES), *gradient = blanks(t, SAMPLES * CLASSES);
    TRIAL_DO(t, b->softmax_cross_entropy(b, logits, &target, 1.0f / SAMPLES, gradient, result, false, SAMPLES, CLASSES,
                                         &t->error));
    TRIAL_DO(t, b->copy_out(b, &got, result, sizeof got, &t->error));
    const float numbers[2] = {got.loss, (float)got.correct};
    trial_output(t, DTYPE_FP32, gradient, SAMPLES * CLASSES);
    trial_output(t, DTYPE_FP32, trial_bytes(t, numbers, sizeof numbers), 2);
}

static void run_statistics(struct trial *t, const struct selftest_case *what)
{
    struct backend *b = t->backend;
    void *x = map(t, 1);
    float *out = blanks(t, 4 * C), numbers[VALUE_BINS + 1];
    int *finite = trial_bytes(t, NULL, sizeof *finite), is_finite = 0;
    uint32_t *counts = trial_bytes(t, NULL, VALUE_BINS * sizeof *counts), counted[VALUE_BINS] = {0};
    (void)what;
    TRIAL_DO(t, b->statistics(b, t->dtype, x, N * SPATIAL, C, out, counts, finite, &t->error));
    TRIAL_DO(t, b->copy_out(b, &is_finite, finite, sizeof is_finite, &t->error));
    TRIAL_DO(t, b->copy_out(b, counted, counts, sizeof counted, &t->error));
    for (int i = 0; i < VALUE_BINS; i++)
        numbers[i] = (float)counted[i];
    numbers[VALUE_BINS] = (float)is_finite;
    trial_output(t, DTYPE_FP32, out, 4 * C);
    trial_output(t, DTYPE_FP32, trial_bytes(t, numbers, sizeof numbers), VALUE_BINS + 1);
}

/* ---- The table ---- */

/* The stem's input are the images: no gradient. */
#define CONV(cin_, cout_, k_, stride_, groups_, ...)                                                                   \
    .run = run_conv, .conv = {5, 12, 10, cin_, cout_, k_, stride_, groups_, .input_gradient = (cin_) != 3, __VA_ARGS__}

const struct selftest_case selftest_cases[] = {
    {"3x3 convolution, the stem", CONV(3, 32, 3, 1, 1, )},
    {"3x3 convolution", CONV(64, 64, 3, 1, 1, )},
    {"3x3 convolution and relu", CONV(32, 64, 3, 1, 1, .relu = true)},
    {"3x3 convolution, stride 2", CONV(64, 32, 3, 2, 1, )},
    {"3x3 convolution, relu before it", CONV(64, 64, 3, 1, 1, .relu_input = true)},
    {"3x3 convolution, narrow", CONV(16, 16, 3, 1, 1, )},
    {"3x3 convolution, groups", CONV(32, 32, 3, 1, 4, )},
    {"1x1 convolution", CONV(64, 128, 1, 1, 1, )},
    {"1x1 convolution and relu", CONV(128, 32, 1, 1, 1, .relu = true)},
    {"1x1 convolution onto a sum", CONV(32, 128, 1, 1, 1, .accumulate = true)},
    {"1x1 convolution, stride 2", CONV(32, 64, 1, 2, 1, )},
    {"1x1 convolution, odd widths", CONV(20, 12, 1, 1, 1, )},
    {"3x3 convolution, and its relu", CONV(32, 64, 3, 1, 1, .relu_copy = true)},
    {"1x1 convolution onto a sum, and its relu", CONV(32, 128, 1, 1, 1, .accumulate = true, .relu_copy = true)},
    {"3x3 convolution, groups, and its relu", CONV(32, 32, 3, 1, 4, .relu_copy = true)},
    {"3x3 convolution onto a gradient", CONV(64, 64, 3, 1, 1, .relu_input = true, .add_dx = true)},
    {"1x1 convolution onto a gradient", CONV(64, 128, 1, 1, 1, .relu_input = true, .add_dx = true)},
    {"1x1 convolution, stride 2, onto a gradient", CONV(32, 64, 1, 2, 1, .add_dx = true)},
    {.name = "weights, the papers'", .run = run_weights, .fp32_only = true, .mode = WS_PAPERS},
    {.name = "weights, the report's", .run = run_weights, .fp32_only = true, .mode = WS_REPORT},
    {.name = "update", .run = run_update, .fp32_only = true},
    {.name = "relu", .run = run_activation, .activation = ACTIVATION_RELU},
    {.name = "gelu", .run = run_activation, .activation = ACTIVATION_GELU},
    {.name = "silu", .run = run_activation, .activation = ACTIVATION_SILU},
    {.name = "tanh", .run = run_activation, .activation = ACTIVATION_TANH},
    {.name = "conversion", .run = run_convert},
    {.name = "average pooling", .run = run_pool},
    {.name = "global pooling", .run = run_global_pool},
    {.name = "residual sum", .run = run_residual},
    {.name = "squeeze-excite gate", .run = run_gate, .fp32_only = true},
    {.name = "dropout and stochastic depth", .run = run_draws, .fp32_only = true},
    {.name = "batch norm", .run = run_batch_norm},
    {.name = "softmax and loss", .run = run_loss, .fp32_only = true},
    {.name = "statistics", .run = run_statistics},
};

const int selftest_case_count = (int)(sizeof selftest_cases / sizeof *selftest_cases);
