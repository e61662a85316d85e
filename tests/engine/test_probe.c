/* Probes against a double-precision reference of the very tensors they measure, and what a probe leaves alone. */
#include "engine/prober.h"
#include "probe_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- The reference: every tensor that a probe looks at, kept over all chunks ---- */

struct tensor {
    float *values; /* (rows, channels) */
    size_t rows;
    int channels;
};

enum { MOST_POINTS = 8, MOST_UNITS = 64 };

struct reference {
    const struct plan *plan;
    int images; /* of the chunk under way */
    struct tensor shortcut[MOST_POINTS], branch[MOST_POINTS], output[MOST_POINTS], gradient[MOST_POINTS];
    struct tensor units[MOST_UNITS];
    int unit_point[MOST_UNITS], unit_op[MOST_UNITS], unit_count;
    int perturbed;   /* point whose output is moved, -1: none */
    double distance; /* ... along its gradient, of this length in all */
    size_t at;       /* values moved so far */
};

static void keep(struct tensor *tensor, const void *values, size_t rows, int channels)
{
    const size_t count = rows * (size_t)channels, before = tensor->rows * (size_t)channels;
    tensor->values = realloc(tensor->values, (before + count) * sizeof *tensor->values);
    assert_non_null(tensor->values);
    memcpy(tensor->values + before, values, count * sizeof *tensor->values);
    tensor->rows += rows;
    tensor->channels = channels;
}

static bool is_unit(const struct op *op)
{
    const bool branch = op->block >= 0 && op->y_relu == NO_BUFFER && op->dtype == DTYPE_FP32 && op->h * op->w > 1;
    if (!branch)
        return false;
    return (op->kind == OP_CONV && op->conv->shape.relu) || (op->kind == OP_BATCH_NORM && op->relu) ||
           (op->kind == OP_ACTIVATION && op->activation == ACTIVATION_RELU);
}

static void keep_units(struct reference *r, const struct op *op, const void *values, size_t rows, int channels)
{
    const int index = (int)(op - r->plan->ops);
    int i = 0;
    while (i < r->unit_count && r->unit_op[i] != index)
        i++;
    assert_true(i < MOST_UNITS);
    r->unit_op[i] = index;
    r->unit_point[i] = op->block + 1;
    r->unit_count = i == r->unit_count ? i + 1 : r->unit_count;
    keep(&r->units[i], values, rows, channels);
}

/* The CPU's tensors are plain memory. */
static int look(void *context, enum plan_moment moment, const struct op *op, struct error *error)
{
    (void)error;
    struct reference *r = context;
    const struct conv *conv = op->kind == OP_CONV ? op->conv : NULL;
    const size_t rows = (size_t)r->images * (size_t)(conv ? conv->out_h * conv->out_w : op->h * op->w);
    const int c = conv ? conv->shape.cout : op->c, point = op->block + 1;
    float *y = plan_buffer(r->plan, op->y);
    if (moment == MOMENT_BEFORE && op->kind == OP_RESIDUAL_ADD) {
        const float *x = plan_buffer(r->plan, op->x), *gates = plan_buffer(r->plan, op->gate);
        float *end = malloc(rows * (size_t)c * sizeof *end);
        assert_non_null(end);
        for (size_t i = 0; i < rows * (size_t)c; i++) {
            const size_t image = i / ((size_t)(op->h * op->w) * (size_t)c);
            end[i] = gates ? gates[image * (size_t)c + i % (size_t)c] * x[i] : x[i];
        }
        keep(&r->shortcut[point], y, rows, c);
        keep(&r->branch[point], end, rows, c);
        free(end);
    }
    if (moment == MOMENT_AFTER && is_unit(op))
        keep_units(r, op, y, rows, c);
    if (moment == MOMENT_AFTER && op->mark != MARK_NONE) {
        if (point == r->perturbed) {
            const struct tensor *g = &r->gradient[point];
            double norm = 0;
            for (size_t i = 0; i < g->rows * (size_t)c; i++)
                norm += (double)g->values[i] * (double)g->values[i];
            for (size_t i = 0; i < rows * (size_t)c; i++, r->at++)
                y[i] += (float)(r->distance * (double)g->values[r->at] / sqrt(norm));
        } else {
            keep(&r->output[point], y, rows, c);
        }
    }
    if (moment == MOMENT_BACKWARD && op->mark != MARK_NONE)
        keep(&r->gradient[point], plan_buffer(r->plan, op->dy), rows, c);
    return 0;
}

/* A pass over `n` images by the prober's plan, seen by `look`; returns the mean loss. */
static double run(struct network *network, struct reference *r, int n, bool backward)
{
    struct error error = {""};
    struct plan *plan = network->prober->plan;
    const struct step_batch batch = {.n = n, .images = rig_images, .labels = rig_labels};
    struct pass pass = {
        .network = network, .plan = plan, .training = true, .observer = look, .context = r, .error = &error};
    r->plan = plan;
    r->at = 0;
    assert_int_equal(network_prepare(network, plan, WEIGHTS_TRAINED, &error), 0);
    for (int begin = 0; begin < n; begin += plan->n) {
        r->images = n - begin < plan->n ? n - begin : plan->n;
        pass.add = begin > 0;
        if (network_load_host(&pass, &batch, begin, r->images) || plan_forward(&pass) ||
            network_loss(&pass, r->images, n, 0) || (backward && plan_backward(&pass)))
            fail_msg("%s", error.message);
    }
    return (double)network->report->loss.loss / n;
}

static void free_tensors(struct tensor *tensors, int count)
{
    for (int i = 0; i < count; i++)
        free(tensors[i].values);
}

static void free_reference(struct reference *r)
{
    free_tensors(r->shortcut, MOST_POINTS);
    free_tensors(r->branch, MOST_POINTS);
    free_tensors(r->output, MOST_POINTS);
    free_tensors(r->gradient, MOST_POINTS);
    free_tensors(r->units, MOST_UNITS);
}

static void channel_of(const struct tensor *t, int channel, double *mean, double *variance)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < t->rows; i++)
        sum += (double)t->values[i * (size_t)t->channels + (size_t)channel];
    *mean = sum / (double)t->rows;
    for (size_t i = 0; i < t->rows; i++) {
        const double d = (double)t->values[i * (size_t)t->channels + (size_t)channel] - *mean;
        square += d * d;
    }
    *variance = square / (double)t->rows;
}

static void averages_of(const struct tensor *t, double *squared_mean, double *variance)
{
    *squared_mean = *variance = 0;
    for (int i = 0; i < t->channels; i++) {
        double mean, v;
        channel_of(t, i, &mean, &v);
        *squared_mean += mean * mean / t->channels;
        *variance += v / t->channels;
    }
}

static void assert_close(const char *what, const char *name, int point, float measured, double expected)
{
    if (fabs((double)measured - expected) > 2e-6 * fabs(expected) + 1e-12)
        fail_msg("%s: %s of point %d: %.9g, expected %.9g", what, name, point, (double)measured, expected);
}

static void check_output(const char *what, int i, const struct probe_point *point, const struct tensor *t)
{
    uint32_t values[VALUE_BINS] = {0}, variances[VALUE_BINS] = {0};
    double squared_mean, variance;
    float least = INFINITY, most = -INFINITY;
    averages_of(t, &squared_mean, &variance);
    assert_close(what, "squared mean", i, point->squared_mean, squared_mean);
    assert_close(what, "variance", i, point->variance, variance);
    for (size_t j = 0; j < t->rows * (size_t)t->channels; j++) {
        values[value_bin(t->values[j])]++;
        least = fminf(least, t->values[j]);
        most = fmaxf(most, t->values[j]);
    }
    assert_int_equal(point->channels, t->channels);
    assert_true(point->least == least && point->most == most && point->finite);
    assert_memory_equal(point->values, values, sizeof values);
    for (int c = 0; c < t->channels; c++) {
        double mean, v;
        channel_of(t, c, &mean, &v);
        assert_true(fabs((double)point->channel_mean[c] - mean) < 2e-6 * (fabs(mean) + sqrt(v)));
        assert_close(what, "channel variance", i, point->channel_variance[c], v);
        variances[value_bin(point->channel_variance[c])]++;
    }
    assert_memory_equal(point->variances, variances, sizeof variances);
}

static double dead_share(const struct reference *r, int point)
{
    int units = 0, dead = 0;
    for (int i = 0; i < r->unit_count; i++) {
        const struct tensor *t = &r->units[i];
        for (int c = 0; r->unit_point[i] == point && c < t->channels; c++) {
            bool on = false;
            for (size_t row = 0; row < t->rows; row++)
                on |= t->values[row * (size_t)t->channels + (size_t)c] > 0;
            units++;
            dead += !on;
        }
    }
    return units > 0 ? (double)dead / units : 0;
}

static void check_point(const char *what, const struct reference *r, int i, const struct probe_point *point)
{
    double ignored, variance, norm = 0;
    check_output(what, i, point, &r->output[i]);
    if (i > 0 && i < MOST_POINTS) {
        averages_of(&r->shortcut[i], &ignored, &variance);
        assert_close(what, "shortcut variance", i, point->shortcut_variance, variance);
        averages_of(&r->branch[i], &ignored, &variance);
        assert_close(what, "branch variance", i, point->branch_variance, variance);
        assert_close(what, "dead share", i, point->dead, dead_share(r, i));
    } else {
        assert_true(point->shortcut_variance == point->variance && point->branch_variance == 0 && point->dead == 0);
    }
    const struct tensor *g = &r->gradient[i];
    averages_of(g, &ignored, &variance);
    assert_close(what, "gradient variance", i, point->gradient_variance, variance);
    for (size_t j = 0; j < g->rows * (size_t)g->channels; j++)
        norm += (double)g->values[j] * (double)g->values[j];
    assert_close(what, "gradient norm", i, point->gradient_norm, sqrt(norm));
}

/* ---- Variants ---- */

static const struct variant {
    const char *name;
    enum model_family family;
    enum norm_kind norm;
    enum activation activation;
    float squeeze_excite, stochastic_depth, dropout;
    int group_width;
    enum shortcut_kind shortcut;
} variants[] = {
    {.name = "papers"},
    {.name = "report", .family = FAMILY_REPORT},
    {.name = "papers, gelu", .activation = ACTIVATION_GELU},
    {.name = "squeeze-excite, stochastic depth, dropout",
     .squeeze_excite = 0.5f,
     .stochastic_depth = 0.5f,
     .dropout = 0.5f},
    {.name = "report, squeeze-excite", .family = FAMILY_REPORT, .squeeze_excite = 0.5f},
    {.name = "groups", .group_width = 4},
    {.name = "batch norm", .norm = NORM_BATCH},
    {.name = "report, batch norm", .family = FAMILY_REPORT, .norm = NORM_BATCH},
    {.name = "batch norm, silu", .norm = NORM_BATCH, .activation = ACTIVATION_SILU},
    {.name = "strided shortcut", .shortcut = SHORTCUT_CONV},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static struct model_spec spec_of(const struct variant *variant)
{
    struct model_spec spec = rig_narrow(variant->family);
    spec.norm = variant->norm;
    spec.activation = variant->activation;
    spec.squeeze_excite = variant->squeeze_excite;
    spec.stochastic_depth = variant->stochastic_depth;
    spec.dropout = variant->dropout;
    spec.group_width = variant->group_width;
    spec.shortcut = variant->shortcut;
    return spec;
}

/* Over a batch that the chunk does not divide. */
static void test_every_number_is_that_of_the_tensors(void **state)
{
    (void)state;
    enum { N = 21 };
    for (int v = 0; v < VARIANTS; v++) {
        const struct model_spec spec = spec_of(&variants[v]);
        struct network *network = rig_network(&spec, N, 3);
        rig_stir(network);
        rig_set(network, "blocks.1.conv1.bias", PART_VALUE, -100, 3); /* dead units */
        struct probe *probe = rig_probe(network, N, NULL);
        struct reference r = {.perturbed = -1};
        const double loss = run(network, &r, N, true);
        assert_int_equal(network->prober->plan->n, spec.norm == NORM_BATCH ? N : 16);
        for (int i = 0; i < probe->count; i++)
            check_point(variants[v].name, &r, i, &probe->points[i]);
        if (spec.norm != NORM_BATCH && spec.activation == ACTIVATION_RELU)
            assert_true(probe->points[2].dead > 0);
        assert_true(fabs((double)probe->loss - loss) < 1e-6);
        assert_int_equal(probe->images, N);
        assert_true(probe->gradients);
        free_reference(&r);
        probe_destroy(probe);
        network_destroy(network);
    }
}

/* Along the gradient of a block's output the loss changes by its norm. */
static void test_gradients_of_outputs_by_finite_differences(void **state)
{
    (void)state;
    enum { N = 5 };
    for (int v = 0; v < VARIANTS; v++) {
        const struct model_spec spec = spec_of(&variants[v]);
        struct network *network = rig_network(&spec, N, 3);
        rig_stir(network);
        struct probe *probe = rig_probe(network, N, NULL);
        for (int i = 0; i < probe->count; i++) {
            struct reference r = {.perturbed = -1};
            const double norm = (double)probe->points[i].gradient_norm;
            double best = INFINITY;
            run(network, &r, N, true);
            r.perturbed = i;
            for (r.distance = 0.5; r.distance > 0.01; r.distance /= 4) {
                const double up = run(network, &r, N, false);
                r.distance = -r.distance;
                const double down = run(network, &r, N, false);
                r.distance = -r.distance;
                best = fmin(best, fabs((up - down) / (2 * r.distance) - norm) - 2e-6 / r.distance);
            }
            if (best > 0.01 * norm)
                fail_msg("%s: gradient of point %d: %g, the slope is off by %g", variants[v].name, i, norm, best);
            free_reference(&r);
        }
        probe_destroy(probe);
        network_destroy(network);
    }
}

/* ---- Against the training step ---- */

static float *gather(struct network *network, enum parameter_part part, size_t *total)
{
    int count;
    const struct parameter *parameters = network_parameters(network, &count);
    float *all = NULL;
    *total = 0;
    for (int i = 0; i < count; i++) {
        if (parameters[i].role == PARAMETER_BUFFER && part != PART_VALUE)
            continue;
        float *grown = realloc(all, (*total + parameters[i].count) * sizeof *all);
        assert_non_null(grown);
        all = grown;
        assert_int_equal(network_read(network, &parameters[i], part, all + *total, NULL), 0);
        *total += parameters[i].count;
    }
    return all;
}

/* The unfused network is the network: the same loss and gradients. Nothing but the gradients has changed behind it, not
 * even batch norm's running statistics, and the training step after it is to the bit what it was before. */
static void test_a_probe_measures_the_network_and_leaves_it(void **state)
{
    (void)state;
    enum { N = 21 };
    for (int v = 0; v < VARIANTS; v++) {
        struct error error = {""};
        struct step_result before, after;
        const struct step_options options = {.label_smoothing = 0.1f, .step = 7};
        const struct probe_options probing = {.gradients = true, .label_smoothing = 0.1f};
        struct model_spec spec = spec_of(&variants[v]);
        const bool drops = spec.stochastic_depth > 0;
        struct network *network = rig_network(&spec, N, 3);
        size_t count;
        rig_stir(network);
        if (network_train_step(network, rig_images, rig_labels, N, &options, &before, &error))
            fail_msg("%s", error.message);
        float *gradients = gather(network, PART_GRADIENT, &count), *values = gather(network, PART_VALUE, &count);
        struct probe *probe = rig_probe(network, N, &probing);
        float *kept = gather(network, PART_VALUE, &count);
        assert_memory_equal(kept, values, count * sizeof *kept);
        float *probed = gather(network, PART_GRADIENT, &count);
        double square = 0, scale = 0;
        for (size_t i = 0; i < count; i++) {
            square += pow((double)probed[i] - (double)gradients[i], 2);
            scale += pow((double)gradients[i], 2);
        }
        if (!drops) { /* of which a probe leaves nothing out */
            assert_true(fabsf(probe->loss - before.loss) < 1e-5f * before.loss);
            if (!(square < 1e-8 * scale))
                fail_msg("%s: the gradients differ by %g", variants[v].name, sqrt(square / scale));
        }
        if (network_train_step(network, rig_images, rig_labels, N, &options, &after, &error))
            fail_msg("%s", error.message);
        float *again = gather(network, PART_GRADIENT, &count);
        assert_true(after.loss == before.loss);
        assert_memory_equal(again, gradients, count * sizeof *again);
        float *const all[] = {gradients, values, kept, probed, again};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            free(all[i]);
        probe_destroy(probe);
        network_destroy(network);
    }
}

/* ---- A skip gain of 0 ---- */

/* SkipInit: with its gain 0 a block that is no transition is the identity, to the bit. */
static void test_skip_gain_0_makes_a_block_the_identity(void **state)
{
    (void)state;
    enum { N = 5 };
    struct model_spec spec = rig_narrow(FAMILY_PAPERS);
    spec.skip_gain = SKIP_GAIN_ZERO;
    struct network *network = rig_network(&spec, N, 3);
    const struct probe_options unit = {.unit_gain = true};
    struct probe *probe = rig_probe(network, N, NULL), *forced = rig_probe(network, N, &unit);
    struct reference r = {.perturbed = -1};
    run(network, &r, N, false);
    const struct tensor *in = &r.output[1], *out = &r.output[2];
    assert_int_equal(in->rows, out->rows);
    assert_memory_equal(in->values, out->values, in->rows * (size_t)in->channels * sizeof(float));
    assert_true(probe->points[2].variance == probe->points[1].variance);
    assert_true(probe->points[2].branch_variance > 0.5f);
    assert_true(forced->points[2].variance > forced->points[2].shortcut_variance * 1.1f);
    assert_false(forced->gradients);
    assert_true(forced->points[2].gradient_norm == 0 && forced->points[2].weight_gradient_norm == 0);
    assert_true(forced->points[2].weight_norm == probe->points[2].weight_norm);
    free_reference(&r);
    probe_destroy(probe);
    probe_destroy(forced);
    network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_number_is_that_of_the_tensors),
        cmocka_unit_test(test_gradients_of_outputs_by_finite_differences),
        cmocka_unit_test(test_a_probe_measures_the_network_and_leaves_it),
        cmocka_unit_test(test_skip_gain_0_makes_a_block_the_identity),
    };
    return cmocka_run_group_tests(tests, probe_rig_open, probe_rig_close);
}
