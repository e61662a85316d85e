/* `nfbench probe`: signal propagation at initialisation, no training: what each residual block does to the variance of
 * its input, measured and predicted, as a table, JSON and a figure; or of networks that differ in one choice. */
#include "tui/cli_probe.h"

#include "engine/loader.h"
#include "engine/network_probe.h"
#include "engine/noise.h"
#include "engine/whitening.h"
#include "tui/export.h"

#include <stdlib.h>
#include <string.h>

/* ---- The input ---- */

/* The first images of the training part, without augmentation. */
static int load_images(struct settings *settings, struct probe_input *input, struct error *error)
{
    const struct partition *parts = &input->parts;
    struct loader *loader = NULL;
    char note[RUN_TEXT_SIZE] = "";
    if (run_open_data(settings, note, &input->dataset, error) != 0)
        return -1;
    int result = partition_make(input->dataset, &settings->train, &input->parts, error);
    if (result == 0 && parts->train < settings->train.batch)
        settings->train.batch = parts->train;
    const struct loader_options options = {.split = SPLIT_TRAIN,
                                           .count = settings->train.batch,
                                           .batch = settings->train.batch,
                                           .normalize = settings->train.normalize,
                                           .statistics = parts->statistics,
                                           .seed = settings->train.seed};
    if (result == 0)
        result = loader_create(input->dataset, &options, &loader, error);
    if (result == 0) {
        const struct batch *batch = loader_next(loader);
        memcpy(input->images, batch->images, (size_t)batch->n * IMAGE_BYTES * sizeof *input->images);
        memcpy(input->labels, batch->labels, (size_t)batch->n);
        snprintf(input->words, sizeof input->words, "the first images of %s", settings->data);
    }
    loader_destroy(loader);
    cli_note(note);
    return result;
}

static int make_input(struct probing *probing, struct error *error)
{
    struct probe_input *input = &probing->input;
    struct settings *settings = &probing->subjects[0].settings;
    const size_t batch = (size_t)settings->train.batch;
    input->images = malloc(batch * IMAGE_BYTES * sizeof *input->images);
    input->labels = malloc(batch);
    if (!input->images || !input->labels)
        return error_set(error, "out of memory for a batch of %zu images", batch);
    if (!input->noise)
        return load_images(settings, input, error);
    noise_batch(settings->train.seed, settings->model.classes, settings->train.batch, input->images, input->labels);
    snprintf(input->words, sizeof input->words, "unit Gaussian noise");
    return 0;
}

/* ---- The measuring ---- */

static int measure(struct probing *probing, struct probe_subject *subject, struct error *error)
{
    struct settings *settings = &subject->settings;
    struct backend *backend = NULL;
    struct network *network = NULL;
    const struct probe_input *input = &probing->input;
    int result = run_open_network(settings, NULL, &backend, &network, probing->device, probing->note, error);
    if (result == 0 && input->dataset)
        result = whitening_apply(network, input->dataset, &input->parts, settings->train.normalize, error);
    if (result == 0)
        result = probe_create(&settings->model, &subject->probe, error);
    if (result == 0) {
        const struct step_batch batch = {.n = settings->train.batch, .images = input->images, .labels = input->labels};
        const struct probe_options options = {.gradients = true,
                                              .unit_gain = unit_gain(subject),
                                              .label_smoothing = settings->train.label_smoothing,
                                              .agc = settings->train.agc};
        result = probe_take(network, &batch, &options, subject->probe, error);
    }
    network_destroy(network);
    if (backend)
        backend->destroy(backend);
    return result;
}

/* All with the same input. */
static int measure_all(struct probing *probing, struct error *error)
{
    const struct settings *first = &probing->subjects[0].settings;
    for (int i = 0; i < probing->count; i++) {
        struct probe_subject *subject = &probing->subjects[i];
        subject->settings.train.batch = first->train.batch;
        subject->settings.model.classes = first->model.classes;
        if (measure(probing, subject, error) != 0)
            return -1;
    }
    return 0;
}

/* ---- What is compared ---- */

static const struct setting *find_compared(const char *name, struct error *error)
{
    const int row = settings_find(name);
    const struct setting *setting = row < 0 ? NULL : settings_row(row);
    if (setting && strcmp(setting->section, "model") == 0 &&
        (setting->type == SETTING_CHOICE || setting->type == SETTING_SWITCH))
        return setting;
    error_set(error,
              "--compare %.60s: must be a setting of the model that has words to choose from: init, ws, norm, "
              "activation, family, stem-kind, shortcut, skip-gain",
              name);
    return NULL;
}

/* "init" or "init,ws". */
static int read_compared(struct probing *probing, const char *text, const struct settings *settings,
                         struct error *error)
{
    char words[CLI_VALUE_SIZE];
    snprintf(words, sizeof words, "%s", text);
    char *comma = strchr(words, ',');
    if (comma)
        *comma++ = 0;
    if (comma && strchr(comma, ','))
        return error_set(error, "--compare %.60s: one setting, or two with a comma between them", text);
    const char *names[2] = {words, comma};
    for (int i = 0; i < 2 && names[i]; i++) {
        probing->compared[i] = find_compared(names[i], error);
        if (!probing->compared[i])
            return -1;
        if (settings_given(settings, names[i]))
            return error_set(error, "--compare tries every %s: leave --%s out", names[i], names[i]);
    }
    if (probing->compared[0] == probing->compared[1])
        return error_set(error, "--compare %s: twice the same", text);
    return 0;
}

static int choose(struct probe_subject *subject, const struct setting *setting, int word, struct error *error)
{
    return settings_set(&subject->settings, setting->name, setting_word(setting, word), error);
}

static int add_subject(struct probing *probing, const struct settings *settings, int first, int second,
                       struct error *error)
{
    const struct setting *const *compared = probing->compared;
    if (probing->count == CHOICES_MOST)
        return error_set(error, "--compare: these are more than %d networks", (int)CHOICES_MOST);
    struct probe_subject *subject = &probing->subjects[probing->count++];
    *subject = (struct probe_subject){.settings = *settings, .first = first, .second = second};
    if (choose(subject, compared[0], first, error) != 0 ||
        (compared[1] && choose(subject, compared[1], second, error) != 0))
        return -1;
    if (compared[1])
        snprintf(subject->choice, sizeof subject->choice, "%s, %s %s", setting_word(compared[0], first),
                 compared[1]->name, setting_word(compared[1], second));
    else
        snprintf(subject->choice, sizeof subject->choice, "%s %s", compared[0]->name, setting_word(compared[0], first));
    return settings_validate(&subject->settings, error);
}

static int list_subjects(struct probing *probing, const struct settings *settings, const char *compare,
                         struct error *error)
{
    if (!compare) {
        probing->count = 1;
        probing->subjects[0].settings = *settings;
        return 0;
    }
    if (read_compared(probing, compare, settings, error) != 0)
        return -1;
    const struct setting *const *compared = probing->compared;
    for (int second = 0; second == 0 || (compared[1] && setting_word(compared[1], second)); second++)
        for (int first = 0; setting_word(compared[0], first); first++)
            if (add_subject(probing, settings, first, second, error) != 0)
                return -1;
    return 0;
}

static int read_options(struct probing *probing, struct settings *settings, struct error *error)
{
    const struct cli *cli = probing->cli;
    const char *input = cli_value(cli, "input"), *png = cli_value(cli, "png");
    *settings = cli->settings;
    probing->input.noise = input ? strcmp(input, "noise") == 0 : !cli_given(cli, "data");
    if (input && !probing->input.noise && strcmp(input, "images") != 0)
        return error_set(error, "--input %.60s: must be noise or images", input);
    if (probing->input.noise && cli_given(cli, "data"))
        return error_set(error, "--input noise needs no --data");
    if (cli_check_png(png, error) != 0)
        return -1;
    if (!settings_given(settings, "precision"))
        settings->train.precision = PRECISION_FP32; /* it is compared with theory to fractions of a percent */
    if (cli_number(cli, "scale", 2, 1, EXPORT_SCALE_MAX, &probing->scale, error) != 0)
        return -1;
    return list_subjects(probing, settings, cli_value(cli, "compare"), error);
}

/* ---- The subcommand ---- */

static enum cli_status show(const struct probing *probing, struct error *error)
{
    const char *png = cli_value(probing->cli, "png");
    cli_note(probing->note);
    if (png && probing_picture(probing, png, error) != 0)
        return cli_failed(probing->cli, error);
    if (probing->cli->settings.json)
        return cli_print_json(probing->cli, probing_json(probing));
    if (probing_print(probing, error) != 0)
        return cli_failed(probing->cli, error);
    if (png)
        printf("%s\n", png);
    return CLI_DONE;
}

enum cli_status cli_probe(struct cli *cli)
{
    struct probing *probing = calloc(1, sizeof *probing);
    struct settings settings;
    struct error error = {""};
    enum cli_status status;
    if (!probing) {
        error_set(&error, "out of memory");
        return cli_failed(cli, &error);
    }
    probing->cli = cli;
    if (read_options(probing, &settings, &error) != 0)
        status = cli_usage(cli, &error);
    else if (make_input(probing, &error) != 0 || measure_all(probing, &error) != 0)
        status = cli_failed(cli, &error);
    else
        status = show(probing, &error);
    for (int i = 0; i < probing->count; i++)
        probe_destroy(probing->subjects[i].probe);
    free(probing->input.images);
    free(probing->input.labels);
    dataset_close(probing->input.dataset);
    free(probing);
    return status;
}
