/* Sessions and PyTorch: docs/load_session.py makes of a session the network with the same logits, whatever its
 * settings; import takes back what PyTorch saves of it. The files themselves are read by the rules of safetensors in
 * plain Python (check_session.py), too. */
#include "engine/augment.h"
#include "engine/data.h"
#include "sessions/import.h"
#include "sessions/safetensors.h"
#include "tests/peer/draw.h"
#include "tests/peer/must.h"

#include <ftw.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { BATCH = 8, IMAGES = 5, CLASSES = 10, STATISTICS_OF = 20, NOT_THERE = 77 };

#define SMALL "--stem 8 --stages 16/8x2,32/16x1/2 "

/* Every option that changes what a network computes when it is evaluated. */
static const struct variant {
    const char *name, *settings;
} variants[] = {
    {"micro", "--preset micro"},
    {"report", "--preset report"},
    {"plain", SMALL},
    {"unstandardised", SMALL "--ws off --alpha 0.5"},
    {"batch-norm", SMALL "--norm batch"},
    {"whitened", SMALL "--stem-kind whitened"},
    {"squeeze-excite", SMALL "--squeeze-excite 0.3"},
    {"groups", SMALL "--group-width 4 --normalize image"},
    {"gains-and-drops", SMALL "--skip-gain one --stochastic-depth 0.2 --dropout 0.2"},
    {"shortcut", SMALL "--shortcut conv --activation gelu"},
    {"silu", "--stem 8 --stages 16/8x1/2,32/16x2 --activation silu --squeeze-excite 0.5 --group-width 8 --norm batch"},
    {"report-plain",
     "--preset report --stem 8 --stages 16/8x2,32/8x2/2 --ws off --activation tanh --normalize dataset"},
    {"report-batch", "--preset report --stem 8 --stages 16/8x2,32/8x2/2 --norm batch --squeeze-excite 0.5"},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static char folder[] = "/tmp/nfbench-interchange-XXXXXX";
static struct error error;

/* ---- The sessions ---- */

struct rig {
    struct settings settings;
    struct backend *backend;
    struct network *network;
};

static struct settings settings_of(const struct variant *variant)
{
    struct settings settings;
    char words[512], *argv[32] = {"nfbench"};
    int argc = 1, first;
    snprintf(words, sizeof words, "%s --ema 0.5 --batch 8 --threads 2 --session %s --sessions-dir %s",
             variant->settings, variant->name, folder);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    must(settings_parse(&settings, SETTINGS_NEW, argc, argv, &first, &error));
    settings.model.classes = CLASSES;
    return settings;
}

static struct rig make_rig(const struct variant *variant)
{
    struct rig rig = {.settings = settings_of(variant)};
    const struct network_options options = {.batch = BATCH, .dtype = DTYPE_FP32, .seed = 7, .ema = true};
    must(backend_cpu_create(2, &rig.backend, &error));
    must(network_create(rig.backend, &rig.settings.model, &options, &rig.network, &error));
    return rig;
}

static void free_rig(struct rig *rig)
{
    network_destroy(rig->network);
    rig->backend->destroy(rig->backend);
}

/* Gains that are not 1, biases and skip gains that are not 0: else a mistake in them would not show. Batch norm's own
 * stay, lest all signals vanish. */
static void draw_parameters(struct network *network)
{
    int count;
    const struct parameter *parameters = network_parameters(network, &count);
    for (int i = 0; i < count; i++) {
        const struct parameter *p = &parameters[i];
        float *values = malloc(p->count * sizeof *values);
        assert_non_null(values);
        draw_tensor(p->name, p->dims, p->dim_count, values);
        if (p->role != PARAMETER_BUFFER && (p->role != PARAMETER_GAIN || strstr(p->name, ".gain")))
            must(network_write(network, p, PART_VALUE, values, &error));
        free(values);
    }
}

/* Steps large enough for averages and running statistics to be their own. */
static void train(struct network *network)
{
    static float images[BATCH * 3072];
    static uint8_t labels[BATCH];
    const struct optimizer_options optimizer = {
        .learning_rate = 0.02f, .momentum = 0.9f, .agc = 0.02f, .ema = 0.5f, .step = 100};
    draw_images(BATCH, images, labels);
    for (uint32_t step = 0; step < 3; step++) {
        const struct step_options options = {.step = step};
        struct step_result result;
        struct update_result update;
        must(network_train_step(network, images, labels, BATCH, &options, &result, &error));
        must(network_update(network, &optimizer, &update, &error));
        assert_true(result.finite && update.finite);
    }
}

static void draw_bytes(uint8_t bytes[IMAGES * IMAGE_BYTES])
{
    uint32_t state = 1;
    for (int i = 0; i < IMAGES * IMAGE_BYTES; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)((state >> 24) * (unsigned)(1 + i / IMAGE_BYTES) / IMAGES); /* brighter and brighter */
    }
}

static void predict(const struct rig *rig, const struct channel_statistics *statistics, bool averaged, float *logits)
{
    static uint8_t bytes[IMAGES * IMAGE_BYTES];
    static float images[IMAGES * IMAGE_BYTES];
    draw_bytes(bytes);
    for (int i = 0; i < IMAGES; i++)
        normalize_image(rig->settings.train.normalize, statistics, bytes + i * IMAGE_BYTES, images + i * IMAGE_BYTES);
    must(network_predict(rig->network, images, IMAGES, averaged, logits, &error));
    for (int i = 0; i < IMAGES * CLASSES; i++)
        assert_true(isfinite(logits[i]));
}

/* What the network says, for Python. */
static void write_expected(const char *path, const struct rig *rig, const struct channel_statistics *statistics)
{
    static const struct tensor_shape shapes[] = {
        {"images", {IMAGES, 3, 32, 32}, 4}, {"raw", {IMAGES, CLASSES}, 2}, {"averaged", {IMAGES, CLASSES}, 2}};
    static uint8_t bytes[IMAGES * IMAGE_BYTES];
    static float images[IMAGES * IMAGE_BYTES];
    float logits[IMAGES * CLASSES];
    struct safetensors_writer *writer;
    draw_bytes(bytes);
    for (int i = 0; i < IMAGES * IMAGE_BYTES; i++)
        images[i] = bytes[i];
    must(safetensors_create(path, shapes, 3, NULL, 0, &writer, &error));
    must(safetensors_write(writer, images, IMAGES * IMAGE_BYTES, &error));
    for (int averaged = 0; averaged < 2; averaged++) {
        predict(rig, statistics, averaged, logits);
        must(safetensors_write(writer, logits, IMAGES * CLASSES, &error));
    }
    must(safetensors_commit(writer, &error));
}

static struct channel_statistics statistics;

static void make_session(const struct variant *variant, const struct dataset *dataset)
{
    struct rig rig = make_rig(variant);
    struct training_state state = training_state_first(0.1f);
    struct session *session;
    char path[128];
    draw_parameters(rig.network);
    train(rig.network);
    state.step = 3;
    must(session_create(&rig.settings, &session, &error));
    must(session_write_input(session, dataset, &statistics, &error));
    must(session_save(session, rig.network, &state, false, &error));
    session_close(session);
    snprintf(path, sizeof path, "%s/%s/expected.safetensors", folder, variant->name);
    write_expected(path, &rig, &statistics);
    free_rig(&rig);
}

static int set_up(void **state)
{
    struct dataset *dataset;
    (void)state;
    assert_non_null(mkdtemp(folder));
    must(dataset_open("synthetic", &dataset, &error));
    statistics = dataset_statistics(dataset, STATISTICS_OF);
    for (int i = 0; i < VARIANTS; i++)
        make_session(&variants[i], dataset);
    dataset_close(dataset);
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status, (void)type, (void)place;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- Python ---- */

/* Runs check_session.py on all sessions; skips the test where Python or what it needs is not there. */
static void run_python(const char *mode)
{
    char command[4096];
    const char *python = getenv("PYTHON"), *packages = getenv("NFBENCH_PYTHON_PACKAGES");
    int used = snprintf(command, sizeof command, "PYTHONPATH='%s/safetensors' exec %s tests/peer/check_session.py %s",
                        packages ? packages : "", python ? python : "python3", mode);
    for (int i = 0; i < VARIANTS; i++)
        used += snprintf(command + used, sizeof command - (size_t)used, " %s/%s", folder, variants[i].name);
    strcat(command, " 2>&1");
    FILE *out = popen(command, "r");
    assert_non_null(out);
    for (char line[512]; fgets(line, sizeof line, out);)
        print_message("# %s", line);
    const int status = pclose(out);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NOT_THERE || WEXITSTATUS(status) == 127) {
        print_message("# skipped: PyTorch's networks of sessions need Python with torch and safetensors\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void plain_python_reads_each_checkpoint(void **state)
{
    (void)state;
    run_python("read");
}

static void pytorch_gives_the_same_logits(void **state)
{
    (void)state;
    run_python("torch");
}

/* Behind pytorch_gives_the_same_logits, which has PyTorch save each network. */
static void what_pytorch_saves_is_imported_with_the_same_logits(void **state)
{
    (void)state;
    for (int i = 0; i < VARIANTS; i++) {
        char path[128];
        float before[IMAGES * CLASSES], after[IMAGES * CLASSES];
        struct safetensors *expected;
        snprintf(path, sizeof path, "%s/%s/python.safetensors", folder, variants[i].name);
        if (access(path, F_OK) != 0)
            skip();
        struct rig rig = make_rig(&variants[i]);
        must(import_weights(path, rig.network, &error));
        predict(&rig, &statistics, false, after);
        snprintf(path, sizeof path, "%s/%s/expected.safetensors", folder, variants[i].name);
        must(safetensors_open(path, &expected, &error));
        must(tensor_read(safetensors_find(expected, "raw"), before, &error));
        assert_memory_equal(before, after, sizeof before);
        safetensors_close(expected);
        free_rig(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_python_reads_each_checkpoint),
        cmocka_unit_test(pytorch_gives_the_same_logits),
        cmocka_unit_test(what_pytorch_saves_is_imported_with_the_same_logits),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
