/* `nfbench probe`: signal propagation at initialisation, no training: what each residual block does to the variance of
 * its input, measured and predicted, as a table, JSON and a figure; or of networks that differ in one choice. */
#include "engine/health.h"
#include "engine/loader.h"
#include "engine/network_probe.h"
#include "engine/noise.h"
#include "tui/cli.h"
#include "tui/cli_table.h"
#include "tui/export.h"
#include "tui/figure_choices.h"
#include "tui/figure_signal.h"
#include "tui/run.h"
#include "viz/png.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PICTURE_COLUMNS = 160, PICTURE_ROWS = 24, NOTE_SIZE = 320 };

/* What goes into the networks. */
struct input {
    bool noise;
    char words[RUN_TEXT_SIZE]; /* "unit Gaussian noise" */
    float *images;             /* (batch, 32, 32, 3) */
    uint8_t *labels;           /* (batch) */
};

/* One network that was probed. */
struct subject {
    char choice[CLI_VALUE_SIZE]; /* the words of --compare: "he", "he, ws off"; empty without it */
    int first, second;           /* numbers of the words */
    struct settings settings;
    struct probe *probe;
};

struct probing {
    struct cli *cli;
    struct input input;
    const struct setting *compared[2]; /* NULL, NULL: one network; all choices of both with each other */
    struct subject subjects[CHOICES_MOST];
    int count;
    long scale; /* of the picture */
    char device[DEVICE_TEXT_SIZE], note[DEVICE_NOTE_SIZE];
};

/* ---- The input ---- */

/* The first images of the training part, without augmentation. */
static int load_images(struct settings *settings, struct input *input, struct error *error)
{
    struct dataset *dataset;
    struct partition parts;
    struct loader *loader = NULL;
    char note[RUN_TEXT_SIZE] = "";
    if (run_open_data(settings, note, &dataset, error) != 0)
        return -1;
    int result = partition_make(dataset, &settings->train, &parts, error);
    if (result == 0 && parts.train < settings->train.batch)
        settings->train.batch = parts.train;
    const struct loader_options options = {.split = SPLIT_TRAIN,
                                           .count = settings->train.batch,
                                           .batch = settings->train.batch,
                                           .augment = AUGMENT_NONE,
                                           .normalize = settings->train.normalize,
                                           .statistics = parts.statistics,
                                           .seed = settings->train.seed};
    if (result == 0)
        result = loader_create(dataset, &options, &loader, error);
    if (result == 0) {
        const struct batch *batch = loader_next(loader);
        memcpy(input->images, batch->images, (size_t)batch->n * IMAGE_BYTES * sizeof *input->images);
        memcpy(input->labels, batch->labels, (size_t)batch->n);
        snprintf(input->words, sizeof input->words, "the first images of %s", settings->data);
    }
    loader_destroy(loader);
    dataset_close(dataset);
    cli_note(note);
    return result;
}

static int make_input(struct probing *probing, struct error *error)
{
    struct input *input = &probing->input;
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

/* Skip gains as in the theory, unless a person said what they should be. */
static bool unit_gain(const struct subject *subject)
{
    return !settings_given(&subject->settings, "skip-gain");
}

static int measure(struct probing *probing, struct subject *subject, struct error *error)
{
    struct settings *settings = &subject->settings;
    struct backend *backend = NULL;
    struct network *network = NULL;
    int result = run_open_network(settings, NULL, &backend, &network, probing->device, probing->note, error);
    if (result == 0)
        result = probe_create(&settings->model, &subject->probe, error);
    if (result == 0) {
        const struct step_batch batch = {
            .n = settings->train.batch, .images = probing->input.images, .labels = probing->input.labels};
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
        struct subject *subject = &probing->subjects[i];
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
              "activation, family, shortcut, skip-gain",
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

static int choose(struct subject *subject, const struct setting *setting, int word, struct error *error)
{
    return settings_set(&subject->settings, setting->name, setting_word(setting, word), error);
}

static int add_subject(struct probing *probing, const struct settings *settings, int first, int second,
                       struct error *error)
{
    const struct setting *const *compared = probing->compared;
    if (probing->count == CHOICES_MOST)
        return error_set(error, "--compare: these are more than %d networks", (int)CHOICES_MOST);
    struct subject *subject = &probing->subjects[probing->count++];
    *subject = (struct subject){.settings = *settings, .first = first, .second = second};
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
    const char *input = cli_value(cli, "input");
    *settings = cli->settings;
    probing->input.noise = input ? strcmp(input, "noise") == 0 : !cli_given(cli, "data");
    if (input && !probing->input.noise && strcmp(input, "images") != 0)
        return error_set(error, "--input %.60s: must be noise or images", input);
    if (probing->input.noise && cli_given(cli, "data"))
        return error_set(error, "--input noise needs no --data");
    if (!settings_given(settings, "precision"))
        settings->train.precision = PRECISION_FP32; /* it is compared with theory to fractions of a percent */
    if (cli_number(cli, "scale", 2, 1, EXPORT_SCALE_MAX, &probing->scale, error) != 0)
        return -1;
    return list_subjects(probing, settings, cli_value(cli, "compare"), error);
}

/* ---- The table ---- */

static void number_cell(struct table *table, double value)
{
    if (!isfinite(value))
        table_cell(table, "%s", isnan(value) ? "" : "inf");
    else if (value != 0 && (fabs(value) < 1e-3 || fabs(value) >= 1e5))
        table_cell(table, "%.2e", value);
    else
        table_cell(table, "%.4g", value);
}

/* NAN where theory says nothing, as with batch norm. */
static double predicted_value(const struct probe *probe, int point, enum signal signal)
{
    const double value = signal_predicted(probe, point, signal);
    return signal == SIGNAL_VARIANCE && value <= 0 ? NAN : value;
}

static void name_cell(struct table *table, int point)
{
    char name[32];
    probe_point_name(point, name, sizeof name);
    table_cell(table, "%s", name);
}

static struct table *one_table(const struct probe *probe)
{
    static const enum signal columns[] = {SIGNAL_VARIANCE, SIGNAL_SQUARED_MEAN, SIGNAL_SHORTCUT_VARIANCE,
                                          SIGNAL_BRANCH_VARIANCE, SIGNAL_GRADIENT_NORM};
    static const char *const titles[] = {"",       "predicted", "variance", "squared mean", "shortcut",
                                         "branch", "gradient",  "dead",     "least",        "most"};
    struct table *table = table_create("lrrrrrrrrr");
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        table_cell(table, "%s", titles[i]);
    for (int point = 0; point < probe->count; point++) {
        const struct probe_point *at = &probe->points[point];
        name_cell(table, point);
        number_cell(table, predicted_value(probe, point, SIGNAL_VARIANCE));
        for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
            number_cell(table, signal_value(probe, point, columns[i]));
        table_cell(table, "%.0f %%", 100 * (double)at->dead);
        number_cell(table, at->least);
        number_cell(table, at->most);
    }
    return table;
}

/* A quantity by block, a column a network. */
static struct table *compare_table(const struct probing *probing, enum signal signal)
{
    char columns[CHOICES_MOST + 3] = "lr";
    for (int i = 0; i < probing->count; i++)
        strcat(columns, "r");
    const struct probe *first = probing->subjects[0].probe;
    struct table *table = table_create(columns);
    table_cell(table, "%s", "");
    table_cell(table, "predicted");
    for (int i = 0; i < probing->count; i++)
        table_cell(table, "%s", probing->subjects[i].choice);
    for (int point = 0; point < first->count; point++) {
        name_cell(table, point);
        number_cell(table, predicted_value(first, point, signal));
        for (int i = 0; i < probing->count; i++)
            number_cell(table, signal_value(probing->subjects[i].probe, point, signal));
    }
    return table;
}

static int print_table(struct table *table, struct error *error)
{
    const int result = table_print(table, stdout, error);
    table_destroy(table);
    return result;
}

static int print_comparison(const struct probing *probing, struct error *error)
{
    static const enum signal signals[] = {SIGNAL_VARIANCE, SIGNAL_SQUARED_MEAN};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        printf("%s%s\n", i ? "\n" : "", signal_name(signals[i]));
        if (print_table(compare_table(probing, signals[i]), error) != 0)
            return -1;
    }
    return 0;
}

/* ---- What there is to say of it ---- */

/* The largest distance from variance = shortcut + (alpha s)^2 branch, with s = 1. */
static double law_distance(const struct settings *settings, const struct probe *probe)
{
    const double alpha = settings->model.norm == NORM_BATCH ? 1 : settings->model.alpha;
    double most = 0;
    for (int point = 1; point < probe->count; point++) {
        const struct probe_point *at = &probe->points[point];
        const double law = at->shortcut_variance + alpha * alpha * at->branch_variance;
        most = fmax(most, fabs(at->variance / law - 1));
    }
    return most;
}

/* What theory leaves out, and what is wrong where something is. */
static void print_notes(const struct subject *subject)
{
    const struct model_spec *model = &subject->settings.model;
    const struct probe *probe = subject->probe;
    char name[32], why[NOTE_SIZE], first[NOTE_SIZE] = "";
    int told = 0;
    for (int point = 0; point < probe->count; point++) {
        (void)health_of_point(model, probe, point, why, sizeof why);
        if (*why && told++ == 0) {
            probe_point_name(point, name, sizeof name);
            snprintf(first, sizeof first, "%s", why);
        }
    }
    putchar('\n');
    if (model->family == FAMILY_PAPERS && model->norm == NORM_NONE && unit_gain(subject))
        puts("Skip gains count as 1, as in the theory; --skip-gain zero shows them as training starts.");
    if (unit_gain(subject))
        printf("variance = shortcut + alpha^2 branch holds within %.2g %%.\n",
               100 * law_distance(&subject->settings, probe));
    if (model->norm == NORM_NONE && model->weight_standardization)
        puts("Zero padding takes ((3n - 2) / 3n)^2 of a 3x3 convolution's variance on an n x n map: branches stay "
             "below 1.");
    if (model->norm == NORM_NONE && model->family == FAMILY_PAPERS && model->shortcut == SHORTCUT_POOL)
        puts("A transition's average pool divides the variance of what neighbouring pixels do not share by 4.");
    if (told)
        printf("%s%s: %s\n", name, told > 1 ? " and others" : "", first);
}

static int print_tables(const struct probing *probing, struct error *error)
{
    const struct settings *settings = &probing->subjects[0].settings;
    printf("%s at initialisation, seed %llu, %s: %d images of %s\n\n", settings->model.preset,
           (unsigned long long)settings->train.seed, probing->device, settings->train.batch, probing->input.words);
    if (probing->compared[0])
        return print_comparison(probing, error);
    if (print_table(one_table(probing->subjects[0].probe), error) != 0)
        return -1;
    print_notes(&probing->subjects[0]);
    return 0;
}

/* ---- JSON ---- */

static json_t *point_json(const struct model_spec *model, const struct probe *probe, int point)
{
    const struct probe_point *at = &probe->points[point];
    char name[32], why[NOTE_SIZE];
    static const char *const words[] = {[HEALTH_GOOD] = "good", [HEALTH_WATCH] = "watch", [HEALTH_BAD] = "bad"};
    const enum health health = health_of_point(model, probe, point, why, sizeof why);
    probe_point_name(point, name, sizeof name);
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "point", name, "predicted",
                     at->predicted > 0 ? cli_json_number(at->predicted) : json_null(), "variance",
                     cli_json_number(at->variance), "squared_mean", cli_json_number(at->squared_mean),
                     "shortcut_variance", cli_json_number(at->shortcut_variance), "branch_variance",
                     point ? cli_json_number(at->branch_variance) : json_null(), "gradient_norm",
                     cli_json_number(at->gradient_norm), "gradient_variance", cli_json_number(at->gradient_variance),
                     "dead", cli_json_number(at->dead), "least", cli_json_number(at->least), "most",
                     cli_json_number(at->most), "health", words[health], "why", cli_json_text(why));
}

static json_t *points_json(const struct subject *subject)
{
    json_t *points = json_array();
    for (int point = 0; point < subject->probe->count; point++)
        json_array_append_new(points, point_json(&subject->settings.model, subject->probe, point));
    return points;
}

static json_t *probe_json(const struct probing *probing)
{
    const struct settings *settings = &probing->subjects[0].settings;
    json_t *object = json_pack("{s:s, s:s, s:i, s:I, s:s}", "preset", settings->model.preset, "input",
                               probing->input.noise ? "noise" : "images", "images", settings->train.batch, "seed",
                               (json_int_t)settings->train.seed, "device", probing->device);
    if (!probing->compared[0]) {
        json_object_set_new(object, "points", points_json(&probing->subjects[0]));
        return object;
    }
    json_object_set_new(object, "compare", json_string(cli_value(probing->cli, "compare")));
    json_t *networks = json_object();
    for (int i = 0; i < probing->count; i++)
        json_object_set_new(networks, probing->subjects[i].choice, points_json(&probing->subjects[i]));
    json_object_set_new(object, "networks", networks);
    return object;
}

/* ---- The picture ---- */

static bool says_unstandardised(const struct probing *probing)
{
    return cli_given(probing->cli, "ws") && !probing->subjects[0].settings.model.weight_standardization;
}

/* "ws off": the words of a kind of choice; returns their number. */
static int list_words(const struct setting *setting, char words[CHOICES_MOST][CLI_VALUE_SIZE],
                      const char *pointers[CHOICES_MOST])
{
    int count = 0;
    for (const char *word; setting && count < CHOICES_MOST && (word = setting_word(setting, count)); count++) {
        snprintf(words[count], CLI_VALUE_SIZE, "%s %s", setting->name, word);
        pointers[count] = words[count];
    }
    return count;
}

static void draw_choices(const struct probing *probing, struct canvas *canvas, struct rect area, const char *title)
{
    struct choice choices[CHOICES_MOST];
    char words[2][CHOICES_MOST][CLI_VALUE_SIZE];
    const char *pointers[2][CHOICES_MOST];
    for (int i = 0; i < probing->count; i++) {
        const struct subject *subject = &probing->subjects[i];
        choices[i] = (struct choice){subject->probe, subject->first, subject->second};
    }
    struct choices_figure figure = {
        .title = title, .choices = choices, .count = probing->count, .colors = pointers[0], .strokes = pointers[1]};
    figure.color_count = list_words(probing->compared[0], words[0], pointers[0]);
    figure.stroke_count = list_words(probing->compared[1], words[1], pointers[1]);
    figure_choices(canvas, area, &figure);
}

static void draw(const struct probing *probing, struct canvas *canvas, struct rect area)
{
    const struct subject *first = &probing->subjects[0];
    char title[160];
    snprintf(title, sizeof title, "Signal propagation at initialisation: %s%s, %s", first->settings.model.preset,
             says_unstandardised(probing) ? " without weight standardisation" : "",
             probing->input.noise ? "Gaussian noise" : "images");
    if (!probing->compared[0]) {
        const struct profile_figure figure = {.title = title,
                                              .now = first->probe,
                                              .model = &first->settings.model,
                                              .signals = SIGNALS_FORWARD,
                                              .log_axis = signals_want_log(first->probe, NULL, SIGNALS_FORWARD),
                                              .selected = -1};
        figure_profile(canvas, area, &figure);
        return;
    }
    draw_choices(probing, canvas, area, title);
}

static int write_picture(const struct probing *probing, const char *path, struct error *error)
{
    struct canvas *canvas;
    struct rect inside;
    if (canvas_create_figure(PICTURE_COLUMNS, PICTURE_ROWS, (int)probing->scale, theme_find("light"), &canvas, &inside,
                             error) != 0)
        return -1;
    draw(probing, canvas, inside);
    char *text = export_caption("", 0, &probing->subjects[0].settings);
    const struct png_caption caption = {"nfbench:session", text};
    const int result =
        text ? png_write_canvas(path, canvas, &caption, 1, error) : error_set(error, "out of memory for %s", path);
    free(text);
    canvas_destroy(canvas);
    return result;
}

/* ---- The subcommand ---- */

static enum cli_status show(const struct probing *probing, struct error *error)
{
    const char *png = cli_value(probing->cli, "png");
    cli_note(probing->note);
    if (png && write_picture(probing, png, error) != 0)
        return cli_failed(probing->cli, error);
    if (probing->cli->settings.json)
        return cli_print_json(probing->cli, probe_json(probing));
    if (print_tables(probing, error) != 0)
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
    free(probing);
    return status;
}
