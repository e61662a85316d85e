/* Takes away each barrier and each wait for asynchronous copies of the real kernels, one at a time, and looks whether
 * it is noticed: the results then differ from the whole kernel's in at least one order of blocks and threads, or the
 * emulated GPU reports a fault. What is not noticed here would not be noticed when somebody removes it. */
#include "kernels/cuda.h"
#include "kernels/selftest_trial.h"
#include "tests/cuda_emulation/emulation.h"
#include "tests/kernels/op_checks.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_WORK = 512, MOST_SITES = 256 };

static const char *const calls[] = {"__syncthreads", "__syncwarp", "cp_async_wait"}; /* by emulation_site_kind */

/* One run: of an op of the op table, of one of the self-test, or of neither. */
static struct work {
    const struct op_case *op;
    const struct selftest_case *selftest;
    uint64_t (*other)(enum dtype dtype);
    enum dtype dtype;
    bool tf32;               /* of convolutions: products in TF32 */
    uint64_t sum;            /* of the bits that it makes */
    bool passes[MOST_SITES]; /* by which places it comes */
} works[MOST_WORK];
static int work_count;

static struct backend *backend;

static uint64_t add_to_sum(uint64_t sum, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum = (sum ^ ((const unsigned char *)bytes)[i]) * 1099511628211u; /* FNV-1a */
    return sum;
}

static uint64_t run_op(const struct op_case *c, enum dtype dtype, bool tf32)
{
    struct op_values v = op_values_make(c, dtype);
    v.tf32 = tf32;
    op_run(c, backend, dtype, &v);
    uint64_t sum = add_to_sum(1, v.out, v.shape.output_count * sizeof *v.out);
    for (int i = 0; i < v.shape.input_count && op_has_backward(c); i++)
        sum = add_to_sum(sum, v.gradient[i], v.shape.inputs[i].count * sizeof *v.out);
    op_values_free(&v);
    return sum;
}

static uint64_t run_selftest(const struct selftest_case *c, enum dtype dtype, bool tf32)
{
    struct trial trial = {.backend = backend, .dtype = dtype, .tf32 = tf32};
    uint64_t sum = 1;
    c->run(&trial, c);
    for (int i = 0; i < trial.outputs; i++) {
        sum = add_to_sum(sum, trial.output[i].values, trial.output[i].count * sizeof *trial.output[i].values);
        free(trial.output[i].values);
    }
    for (int i = 0; i < trial.tensors; i++)
        backend->release(backend, trial.tensor[i]);
    if (trial.failed) {
        fprintf(stderr, "%s: %s\n", c->name, trial.error.message);
        exit(1);
    }
    return sum;
}

enum { PARAMETERS = 3 };

/* Rows shorter and longer than a warp's and a block's share, clipped; with what the step's report says. */
static uint64_t run_update(enum dtype dtype)
{
    static const int rows[PARAMETERS] = {70, 9, 3}, lengths[PARAMETERS] = {27, 300, 5000};
    const struct update_options options = {
        .learning_rate = 0.1f, .momentum = 0.9f, .weight_decay = 1e-3f, .agc = 0.02f, .ema_decay = 0.99f};
    struct rig rig = {.backend = backend, .dtype = dtype, .repeats = 1};
    struct update_parameter parameters[PARAMETERS];
    struct step_report told = {0};
    struct updater *updater;
    struct error failure = {""};
    uint64_t sum = 1;
    rig_begin(&rig);
    for (int i = 0; i < PARAMETERS; i++) {
        float *device[4];
        const size_t count = (size_t)(rows[i] * lengths[i]);
        for (uint32_t k = 0; k < 4; k++) {
            float *host = rig_normals(k, count, k == 1 ? 0.1f : 1.0f, 0.0f);
            device[k] = rig_copy_in(&rig, host, count * sizeof *host);
            free(host);
        }
        parameters[i] = (struct update_parameter){rows[i],   lengths[i], true,      true, device[0],
                                                  device[1], device[2],  device[3], NULL};
    }
    struct step_values *values = rig_values(&rig, 3, &options);
    struct step_report *report = rig_copy_in(&rig, &told, sizeof told);
    if (backend->updater_create(backend, parameters, PARAMETERS, &updater, &failure))
        rig_failed("updater_create", failure.message);
    RIG_CALL(&rig, backend->update(backend, updater, values, report, &error));
    backend->updater_destroy(backend, updater);
    for (int i = 0; i < PARAMETERS; i++) {
        const size_t count = (size_t)(rows[i] * lengths[i]);
        double *got = malloc(count * sizeof *got);
        rig_download(&rig, DTYPE_FP32, parameters[i].value, got, count);
        sum = add_to_sum(sum, got, count * sizeof *got);
        free(got);
    }
    if (backend->copy_out(backend, &told, report, sizeof told, &failure))
        rig_failed("copy_out", failure.message);
    rig_end(&rig);
    return add_to_sum(sum, &told, sizeof told);
}

enum { IMAGES = 24, IMAGE = 3 * 32 * 32 };

/* So many images that each change is drawn, by every kind of augmentation and both normalisations, and mixed. */
static uint64_t run_load_batch(enum dtype dtype)
{
    static uint8_t pixels[IMAGES * IMAGE], labels[IMAGES];
    static double got[IMAGES * IMAGE];
    struct rig rig = {.backend = backend, .dtype = dtype, .repeats = 1};
    struct image_source source = {.count = IMAGES, .seed = 5, .mean = {120, 121, 122}, .scale = {0.01f, 0.02f, 0.03f}};
    uint64_t sum = 1;
    for (uint32_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 2654435761u >> 24);
    rig_begin(&rig);
    const struct step_values at = {.epoch = 9, .ends = IMAGES - 1, .mix = {.partner = MIX_WHOLE / 3}};
    const struct step_values *values = rig_copy_in(&rig, &at, sizeof at);
    source.pixels = rig_copy_in(&rig, pixels, sizeof pixels);
    source.labels = rig_copy_in(&rig, labels, sizeof labels);
    void *images = rig_poisoned(&rig, dtype, sizeof pixels), *image_labels = rig_bytes(&rig, IMAGES);
    uint8_t *partner_labels = rig_bytes(&rig, IMAGES);
    for (int kind = AUGMENT_REPORT; kind <= AUGMENT_STANDARD; kind++)
        for (int normalize = NORMALIZE_DATASET; normalize <= NORMALIZE_IMAGE; normalize++) {
            source.augment = (struct augment_options)AUGMENT_USUAL((enum augment_kind)kind);
            source.normalize = (enum normalize_kind)normalize;
            RIG_CALL(&rig,
                     backend->load_batch(backend, &source, values, dtype, images, image_labels, NULL, IMAGES, &error));
            rig_download(&rig, dtype, images, got, sizeof pixels);
            sum = add_to_sum(sum, got, sizeof got);
        }
    for (int normalize = NORMALIZE_DATASET; normalize <= NORMALIZE_IMAGE; normalize++) {
        source.normalize = (enum normalize_kind)normalize;
        RIG_CALL(&rig, backend->load_batch(backend, &source, values, dtype, images, image_labels, partner_labels,
                                           IMAGES, &error));
        rig_download(&rig, dtype, images, got, sizeof pixels);
        sum = add_to_sum(sum, got, sizeof got);
    }
    rig_end(&rig);
    return sum;
}

static uint64_t run_work(const struct work *work)
{
    if (work->op)
        return run_op(work->op, work->dtype, work->tf32);
    return work->selftest ? run_selftest(work->selftest, work->dtype, work->tf32) : work->other(work->dtype);
}

/* Runs it whole, and notes by which places it comes. */
static void add_work(struct work what)
{
    uint64_t before[MOST_SITES] = {0};
    struct work *work = &works[work_count++];
    for (int i = 0; i < emulation_site_count() && i < MOST_SITES; i++)
        before[i] = emulation_site_at(i).passes;
    *work = what;
    work->sum = run_work(work);
    for (int i = 0; i < emulation_site_count() && i < MOST_SITES; i++)
        work->passes[i] = emulation_site_at(i).passes > before[i];
}

/* False when there is more than the table takes. */
static bool add_all_work(void)
{
    if (3 * (op_case_count + selftest_case_count + 2) > MOST_WORK)
        return false;
    for (int dtype = DTYPE_FP32; dtype <= DTYPE_BF16; dtype++) {
        for (int i = 0; i < op_case_count; i++)
            if (dtype <= op_widest_dtype(&op_cases[i]))
                add_work((struct work){.op = &op_cases[i], .dtype = (enum dtype)dtype});
        for (int i = 0; i < selftest_case_count; i++)
            if (dtype == DTYPE_FP32 || !selftest_cases[i].fp32_only)
                add_work((struct work){.selftest = &selftest_cases[i], .dtype = (enum dtype)dtype});
        add_work((struct work){.other = run_load_batch, .dtype = (enum dtype)dtype});
    }
    for (int i = 0; i < op_case_count; i++)
        if (op_cases[i].op == &conv_op)
            add_work((struct work){.op = &op_cases[i], .tf32 = true});
    for (int i = 0; i < selftest_case_count; i++)
        if (selftest_cases[i].conv.k > 0)
            add_work((struct work){.selftest = &selftest_cases[i], .tf32 = true});
    add_work((struct work){.other = run_update});
    return true;
}

/* In a child process: leaves the place out, and ends with 0 when nothing of `wanted` shows it. */
static void run_without(int site, bool (*wanted)(const struct work *))
{
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    emulation_break(site);
    for (int order = 0; order < EMULATION_ORDERS; order++) {
        emulation_set_order((enum emulation_order)order, 1);
        for (int i = 0; i < work_count; i++)
            if (works[i].passes[site] && wanted(&works[i]) && run_work(&works[i]) != works[i].sum)
                _exit(1);
    }
    _exit(0);
}

static bool is_noticed(int site, bool (*wanted)(const struct work *))
{
    int status = 0;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0)
        run_without(site, wanted);
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("fork");
        exit(1);
    }
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

static bool in_tf32(const struct work *work)
{
    return work->tf32;
}

static bool not_in_tf32(const struct work *work)
{
    return !work->tf32;
}

/* How many places were not noticed that should be. Those of the tensor-core convolutions must be by either of their
 * types alone. */
static int remove_each(int count)
{
    int failed = 0;
    for (int i = 0; i < count; i++) {
        const struct emulation_site site = emulation_site_at(i);
        if (is_noticed(i, not_in_tf32) && (!strstr(site.file, "conv_mma") || is_noticed(i, in_tf32)))
            continue;
        printf("not noticed when removed: %s at %s:%d in %s\n", calls[site.kind], site.file, site.line, site.kernel);
        failed++;
    }
    return failed;
}

static bool is_reached(const char *file, int line)
{
    for (int i = 0; i < emulation_site_count(); i++)
        if (emulation_site_at(i).line == line && ends_with(emulation_site_at(i).file, file))
            return true;
    return false;
}

/* How many places in the sources no run has come by. */
static int count_unreached(void)
{
    glob_t found;
    int unreached = 0;
    if (glob("kernels/cuda/*.cu*", 0, NULL, &found)) {
        printf("kernels/cuda is not here\n");
        return 1;
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char line[512];
        FILE *f = fopen(found.gl_pathv[i], "r");
        for (int number = 1; f && fgets(line, sizeof line, f); number++)
            for (int kind = 0; kind < 3; kind++)
                if (strstr(line, calls[kind]) && !is_reached(found.gl_pathv[i], number)) {
                    printf("no run reaches %s:%d: %s", found.gl_pathv[i], number, line);
                    unreached++;
                }
        if (f)
            fclose(f);
    }
    globfree(&found);
    return unreached;
}

int main(void)
{
    struct error error = {""};
    if (backend_cuda_create(0, &backend, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    const bool all = add_all_work();
    const int count = emulation_site_count();
    if (!all || count > MOST_SITES || count == 0) {
        printf("%d runs and %d places: the tables are too small\n", work_count, count);
        return 1;
    }
    const int failed = remove_each(count) + count_unreached();
    backend->destroy(backend);
    printf("%d passed, %d failed\n", count - failed, failed);
    return failed != 0;
}
