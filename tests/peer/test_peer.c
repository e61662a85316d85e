/* Whole networks against PyTorch: the same weights and images must give the same logits, loss, gradients and, after
 * three optimizer steps, weights. The files and their tensors are described in peer.py, which makes them. The golden
 * ones are committed; the live ones ($NFBENCH_PEER_FILES) hold all gradients of the presets. */
#include "engine/network.h"
#include "engine/network_probe.h"
#include "sessions/safetensors.h"
#include "sessions/settings.h"
#include "tests/peer/draw.h"
#include "tests/peer/must.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ||ours - theirs|| / ||theirs|| of each tensor; PyTorch's own fp32 stays below 1e-5 on these files. */
static const double TOLERANCE = 1e-4;
/* Of the change over three steps. The biases were fitted for the first alone, so in the later ones rounding may decide
 * the sign of a ReLU's input; a mistake in clipping, decay or momentum is a few per cent. */
static const double UPDATE_TOLERANCE = 5e-3;
/* Of every number of a probe. */
static const double SIGNAL_TOLERANCE = 1e-3;

/* The network is made for more images than any file has, and goes through them in parts of 16 with so few threads. */
enum { BATCH = 40, THREADS = 2 };

struct fixture {
    struct safetensors *expected, *weights; /* weights NULL: drawn */
    struct settings settings;
    struct backend *backend;
    struct network *network;
    int n;
    float *images;   /* (n, 32, 32, 3) */
    uint8_t *labels; /* (n) */
};

/* The tensor of a file that is as far from ours as any. */
struct worst {
    double error;
    char name[96];
};

static struct error error;

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    assert_non_null(memory);
    return memory;
}

static double relative_error(const float *ours, const float *theirs, size_t count)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)ours[i] - theirs[i];
        difference += d * d;
        norm += (double)theirs[i] * theirs[i];
    }
    return sqrt(difference / norm);
}

/* Keeps NaN: it is worse than any number. */
static void note(struct worst *worst, double relative, const char *name)
{
    if (isnan(worst->error) || relative <= worst->error)
        return;
    worst->error = relative;
    snprintf(worst->name, sizeof worst->name, "%s", name);
}

static const char *metadata(const struct safetensors *file, const char *key)
{
    const char *value = safetensors_metadata(file, key);
    assert_non_null(value);
    return value;
}

static const struct tensor *find(const struct safetensors *file, const char *prefix, const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    return safetensors_find(file, full);
}

/* The values of PREFIX + NAME, which must be there with `count` of them; freed by the caller. */
static float *values(const struct safetensors *file, const char *prefix, const char *name, size_t count)
{
    const struct tensor *tensor = find(file, prefix, name);
    if (!tensor)
        fail_msg("no tensor %s%s in the file", prefix, name);
    assert_int_equal(tensor->count, count);
    float *out = allocate(count, sizeof *out);
    must(tensor_read(tensor, out, &error));
    return out;
}

static void parse_settings(struct fixture *f)
{
    char words[512], *argv[32] = {"nfbench"};
    int argc = 1, first;
    snprintf(words, sizeof words, "%s", metadata(f->expected, "settings"));
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
        assert_true(argc < 31);
        argv[argc++] = word;
    }
    must(settings_parse(&f->settings, SETTINGS_NEW, argc, argv, &first, &error));
    f->settings.model.classes = 10;
}

static void load_parameters(struct fixture *f)
{
    int count;
    const struct parameter *parameters = network_parameters(f->network, &count);
    for (int i = 0; i < count; i++) {
        const struct parameter *p = &parameters[i];
        const struct safetensors *file = f->weights ? f->weights : find(f->expected, "", p->name) ? f->expected : NULL;
        float *host = file ? values(file, "", p->name, p->count) : allocate(p->count, sizeof *host);
        if (!file)
            draw_tensor(p->name, p->dims, p->dim_count, host);
        must(network_write(f->network, p, PART_VALUE, host, &error));
        free(host);
    }
    if (f->weights)
        assert_int_equal(safetensors_count(f->weights), count);
}

/* The network of a pair of files, with the parameters and images that PyTorch had. */
static void set_up(struct fixture *f, const char *folder, const char *name)
{
    char path[1024];
    memset(f, 0, sizeof *f);
    snprintf(path, sizeof path, "%s/%s.expected.safetensors", folder, name);
    must(safetensors_open(path, &f->expected, &error));
    snprintf(path, sizeof path, "%s/%s.weights.safetensors", folder, name);
    if (access(path, F_OK) == 0)
        must(safetensors_open(path, &f->weights, &error));
    parse_settings(f);
    f->n = atoi(metadata(f->expected, "images"));
    f->images = allocate((size_t)f->n * 3072, sizeof *f->images);
    f->labels = allocate((size_t)f->n, sizeof *f->labels);
    draw_images(f->n, f->images, f->labels);
    must(backend_cpu_create(THREADS, &f->backend, &error));
    const struct network_options options = {.batch = BATCH, .dtype = DTYPE_FP32};
    must(network_create(f->backend, &f->settings.model, &options, &f->network, &error));
    load_parameters(f);
}

static void tear_down(struct fixture *f)
{
    network_destroy(f->network);
    f->backend->destroy(f->backend);
    safetensors_close(f->weights);
    safetensors_close(f->expected);
    free(f->images);
    free(f->labels);
}

static float train_step(struct fixture *f)
{
    const struct step_options options = {.label_smoothing = f->settings.train.label_smoothing};
    struct step_result result;
    must(network_train_step(f->network, f->images, f->labels, f->n, &options, &result, &error));
    assert_true(result.finite);
    return result.loss;
}

static void check_forward(struct fixture *f, struct worst *worst)
{
    size_t count = (size_t)f->n * 10;
    float *ours = allocate(count, sizeof *ours), *theirs = values(f->expected, "", "logits", count);
    must(network_predict(f->network, f->images, f->n, false, ours, &error));
    note(worst, relative_error(ours, theirs, count), "logits");
    free(ours);
    free(theirs);

    float *loss = values(f->expected, "", "loss", 1);
    float our_loss = train_step(f);
    note(worst, relative_error(&our_loss, loss, 1), "loss");
    free(loss);

    int blocks = model_block_count(&f->settings.model);
    float *predicted = values(f->expected, "", "predicted", (size_t)blocks);
    for (int i = 0; i < blocks; i++) {
        float variance = model_block(&f->settings.model, i).variance_out;
        note(worst, relative_error(&variance, &predicted[i], 1), "predicted variance");
    }
    free(predicted);
}

static double projected_error(const struct fixture *f, const struct parameter *p, const float *gradient)
{
    double ours[1 + PROJECTIONS], squares = 0;
    float *theirs = values(f->expected, "projection.", p->name, 1 + PROJECTIONS);
    draw_projections(p->name, gradient, p->count, ours);
    for (int k = 1; k <= PROJECTIONS; k++)
        squares += (ours[k] - theirs[k]) * (ours[k] - theirs[k]);
    double by_products = sqrt(squares / PROJECTIONS) / theirs[0];
    double by_norm = fabs(ours[0] - theirs[0]) / theirs[0];
    free(theirs);
    return fmax(by_products, by_norm);
}

static void check_gradients(const struct fixture *f, struct worst *worst)
{
    int count;
    const struct parameter *parameters = network_parameters(f->network, &count);
    for (int i = 0; i < count; i++) {
        const struct parameter *p = &parameters[i];
        float *gradient = allocate(p->count, sizeof *gradient);
        must(network_read(f->network, p, PART_GRADIENT, gradient, &error));
        double relative;
        if (find(f->expected, "projection.", p->name)) {
            relative = projected_error(f, p, gradient);
        } else {
            float *theirs = values(f->expected, "gradient.", p->name, p->count);
            relative = relative_error(gradient, theirs, p->count);
            free(theirs);
        }
        note(worst, relative, p->name);
        free(gradient);
    }
}

/* A probe beside PyTorch's hooks: the columns of peer.py's measure_signal. */
static void check_signal(struct fixture *f, struct worst *worst)
{
    enum { COLUMNS = 5 };
    struct probe *probe;
    const struct step_batch batch = {.n = f->n, .images = f->images, .labels = f->labels};
    const struct probe_options options = {.gradients = true, .label_smoothing = f->settings.train.label_smoothing};
    must(probe_create(&f->settings.model, &probe, &error));
    must(probe_take(f->network, &batch, &options, probe, &error));
    float *theirs = values(f->expected, "", "signal", (size_t)probe->count * COLUMNS);
    for (int i = 0; i < probe->count; i++) {
        const struct probe_point *point = &probe->points[i];
        const float ours[COLUMNS] = {point->variance, point->squared_mean, point->branch_variance, point->gradient_norm,
                                     point->gradient_variance};
        static const char *const names[COLUMNS] = {"variance", "squared mean", "branch variance", "gradient norm",
                                                   "gradient variance"};
        for (int k = 0; k < COLUMNS; k++)
            if (i > 0 || k != 2) /* the stem has no branch */
                note(worst, relative_error(&ours[k], &theirs[i * COLUMNS + k], 1), names[k]);
    }
    free(theirs);
    probe_destroy(probe);
}

static void assert_close(const char *what, const char *name, const struct worst *worst, double tolerance)
{
    print_message("# %s %s: relative error at most %.1e (%s)\n", name, what, worst->error, worst->name);
    if (!(worst->error < tolerance))
        fail_msg("%s differs from PyTorch: relative error %.3g in %s, allowed %.0e", name, worst->error, worst->name,
                 tolerance);
}

static void compare(const char *folder, const char *name)
{
    struct fixture f;
    struct worst worst = {0, ""};
    set_up(&f, folder, name);
    check_forward(&f, &worst);
    check_gradients(&f, &worst);
    struct worst signal = {0, ""};
    check_signal(&f, &signal);
    tear_down(&f);
    assert_close("forward and backward", name, &worst, TOLERANCE);
    assert_close("signal", name, &signal, SIGNAL_TOLERANCE);
}

/* As peer.py's `updated` does it. */
static void compare_updates(const char *folder, const char *name)
{
    struct fixture f;
    set_up(&f, folder, name);
    bool report = f.settings.model.family == FAMILY_REPORT;
    const struct optimizer_options options = {.learning_rate = 0.05f,
                                              .momentum = 0.9f,
                                              .weight_decay = 0.01f,
                                              .agc = report ? 0 : 0.02f,
                                              .nesterov = !report,
                                              .decay_all = report};
    for (int step = 0; step < 3; step++) {
        struct update_result result;
        train_step(&f);
        must(network_update(f.network, &options, &result, &error));
        assert_true(result.finite);
    }
    struct worst worst = {0, ""};
    int count;
    const struct parameter *parameters = network_parameters(f.network, &count);
    for (int i = 0; i < count; i++) {
        const struct parameter *p = &parameters[i];
        float *before = values(f.weights, "", p->name, p->count);
        float *theirs = values(f.expected, "updated.", p->name, p->count);
        float *ours = allocate(p->count, sizeof *ours);
        must(network_read(f.network, p, PART_VALUE, ours, &error));
        for (size_t k = 0; k < p->count; k++) {
            ours[k] -= before[k];
            theirs[k] -= before[k];
        }
        note(&worst, relative_error(ours, theirs, p->count), p->name);
        free(before);
        free(theirs);
        free(ours);
    }
    tear_down(&f);
    assert_close("three updates", name, &worst, UPDATE_TOLERANCE);
}

static void golden(void **state)
{
    compare("tests/peer/golden", *state);
}

static void golden_updates(void **state)
{
    compare_updates("tests/peer/golden", *state);
}

static void live(void **state)
{
    const char *folder = getenv("NFBENCH_PEER_FILES");
    if (!folder || !*folder) {
        print_message("# skipped: the full comparison of %s needs PyTorch (make peer)\n", (const char *)*state);
        skip();
    }
    compare(folder, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"papers-small", golden, NULL, NULL, "papers-small"},
        {"report-small", golden, NULL, NULL, "report-small"},
        {"report", golden, NULL, NULL, "report"},
        {"micro", golden, NULL, NULL, "micro"},
        {"large", golden, NULL, NULL, "large"},
        {"papers-small updates", golden_updates, NULL, NULL, "papers-small"},
        {"report-small updates", golden_updates, NULL, NULL, "report-small"},
        {"report in full", live, NULL, NULL, "report"},
        {"micro in full", live, NULL, NULL, "micro"},
        {"large in full", live, NULL, NULL, "large"},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
