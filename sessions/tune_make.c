/* The plan of a tune in memory: its trials, their settings and names; see tune.h. */
#include "base/line.h"
#include "engine/evaluate.h"
#include "engine/loader.h"
#include "kernels/philox.h"
#include "sessions/number.h"
#include "sessions/seed_report.h"
#include "sessions/session_paths.h"
#include "sessions/tune_internal.h"

#include <ctype.h>
#include <math.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>

/* ---- Values ---- */

static int grid_size(const struct tune_request *request, struct error *error)
{
    long size = 1;
    for (int a = 0; a < request->axis_count; a++) {
        if (request->axes[a].range)
            return error_set(error, "--%s is a range: give --random N, how many trials to draw, or a list of values",
                             request->axes[a].row->name);
        size *= request->axes[a].count;
        if (size > TUNE_TRIALS)
            return error_set(error, "more than %d trials", TUNE_TRIALS);
    }
    return (int)size;
}

/* The last axis turns fastest. */
static void grid_values(const struct tune_request *request, int trial, char values[TUNE_AXES][TUNE_VALUE_SIZE])
{
    for (int a = request->axis_count - 1; a >= 0; a--) {
        const struct tune_axis *axis = &request->axes[a];
        strcpy(values[a], axis->values[trial % axis->count]);
        trial /= axis->count;
    }
}

/* Four digits: what a person can type, and the name of a session hold. */
static int draw_value(const struct tune_axis *axis, uint64_t seed, int trial, int which, int again,
                      char value[TUNE_VALUE_SIZE], struct error *error)
{
    const struct philox drawn = philox_draw(seed, PHILOX_TUNE, (uint32_t)again, (uint64_t)trial, (uint32_t)which);
    if (!axis->range) {
        strcpy(value, axis->values[philox_below(drawn.word[0], (uint32_t)axis->count)]);
        return 0;
    }
    const double part = (double)philox_uniform(drawn.word[0]);
    double number =
        axis->low > 0 ? axis->low * pow(axis->high / axis->low, part) : axis->low + part * (axis->high - axis->low);
    struct settings scratch;
    char text[SETTINGS_VALUE_SIZE];
    if (axis->row->type == SETTING_FLOAT)
        snprintf(text, sizeof text, "%.4g", number);
    else
        snprintf(text, sizeof text, "%.0f", number);
    if (settings_default(&scratch, error) || settings_set(&scratch, axis->row->name, text, error))
        return -1;
    settings_get(&scratch, axis->row, text);
    snprintf(value, TUNE_VALUE_SIZE, "%s", text);
    return 0;
}

static bool is_drawn(const struct tune *tune, int trials, char values[TUNE_AXES][TUNE_VALUE_SIZE])
{
    for (int i = 0; i < trials; i++) {
        bool same = true;
        for (int a = 0; a < tune->axis_count && same; a++)
            same = strcmp(tune->trials[i].values[a], values[a]) == 0;
        if (same)
            return true;
    }
    return false;
}

/* No combination twice. */
static int draw_values(const struct tune *tune, const struct tune_request *request, int trial,
                       char values[TUNE_AXES][TUNE_VALUE_SIZE], struct error *error)
{
    enum { TRIES = 1000 };
    for (int again = 0; again < TRIES; again++) {
        for (int a = 0; a < request->axis_count; a++)
            if (draw_value(&request->axes[a], request->shared->train.seed, trial, a, again, values[a], error))
                return -1;
        if (!is_drawn(tune, trial, values))
            return 0;
    }
    return error_set(error, "--random %d: there are not so many combinations of these values", request->random);
}

/* ---- Settings ---- */

static int read_settings(const struct tune *tune, const struct tune_request *request, const struct tune_trial *trial,
                         struct settings *settings, struct error *error)
{
    int first, count = request->argument_count;
    char **arguments = calloc((size_t)count + TUNE_AXES + 1, sizeof *arguments);
    char values[TUNE_AXES][TUNE_VALUE_SIZE + 64];
    if (!arguments)
        return error_set(error, "out of memory");
    memcpy(arguments, request->arguments, (size_t)count * sizeof *arguments);
    for (int a = 0; a < tune->axis_count; a++) {
        snprintf(values[a], sizeof *values, "--%s=%s", tune->axes[a].row->name, trial->values[a]);
        arguments[count++] = values[a];
    }
    const int result = settings_parse(settings, SETTINGS_NEW, count, arguments, &first, error);
    free(arguments);
    if (result)
        return -1;
    memcpy(settings->data, request->shared->data, sizeof settings->data);
    settings->model.classes = request->shared->model.classes;
    if (settings->train.threads == 0)
        settings->train.threads = request->threads;
    return settings_validate(settings, error);
}

static bool is_plain(const char *value)
{
    for (; *value; value++)
        if (!isalnum((unsigned char)*value) && !strchr(".-+", *value))
            return false;
    return true;
}

/* NAME-lr0.1-batch64; what is too long or has odd letters goes by its number. */
static void name_session(const struct tune *tune, int index)
{
    struct tune_trial *trial = &tune->trials[index];
    char name[TUNE_AXES * (TUNE_VALUE_SIZE + 32) + TUNE_NAME_SIZE];
    struct line line = line_begin(name, sizeof name);
    bool plain = true;
    line_add(&line, "%s", tune->name);
    for (int a = 0; a < tune->axis_count; a++) {
        plain = plain && is_plain(trial->values[a]);
        line_add(&line, "-%s%s", tune->axes[a].row->name, trial->values[a]);
    }
    if (plain && strlen(name) < sizeof trial->session)
        strcpy(trial->session, name);
    else
        snprintf(trial->session, sizeof trial->session, "%s-%d", tune->name, index + 1);
}

static int describe(const struct tune_request *request, const struct settings *settings, struct tune_trial *trial,
                    struct error *error)
{
    struct partition parts;
    const struct train_options *train = &settings->train;
    if (partition_make(request->dataset, train, &parts, error))
        return -1;
    trial->epochs = train->epochs;
    trial->classes = settings->model.classes;
    trial->learning_rate = (double)train->learning_rate;
    trial->batch = train->batch;
    trial->held_out = parts.validation > 0;
    trial->any_device = train->device == DEVICE_AUTO;
    trial->as_report = seed_report_is_like(settings, dataset_name(request->dataset));
    trial->steps_per_epoch = loader_batches_of(parts.train, train->batch);
    trial->steps = trial->steps_per_epoch * train->epochs;
    if (train->steps > 0 && train->steps < trial->steps) {
        trial->steps = train->steps;
        trial->epochs = (int)((trial->steps + trial->steps_per_epoch - 1) / trial->steps_per_epoch);
    }
    return 0;
}

/* ---- Rungs ---- */

void tune_set_rungs(struct tune *tune, int epochs)
{
    int rounds = 0;
    long most = tune->factor;
    while (tune->factor > 1 && rounds < TUNE_RUNGS - 1 && most <= tune->count && most <= epochs) {
        rounds++;
        most *= tune->factor;
    }
    tune->rung_count = rounds + 1;
    for (int r = rounds, least = epochs; r >= 0; r--) {
        tune->rungs[r] = least;
        least /= tune->factor > 1 ? tune->factor : 1;
    }
}

int tune_rung_room(const struct tune *tune, int trials)
{
    return trials / tune->factor > 1 ? trials / tune->factor : 1;
}

/* All trials of a rung must have come equally far, and some must be left out. */
static int check_rungs(const struct tune *tune, struct error *error)
{
    for (int i = 0; i < tune->count; i++) {
        const struct tune_trial *trial = &tune->trials[i];
        if (tune->settings[i].train.steps > 0)
            return error_set(error, "--halving goes by epochs: leave --steps out");
        if (trial->epochs != tune->trials[0].epochs)
            return error_set(error, "--halving compares trials after as many epochs: --epochs can be no axis");
    }
    if (tune->rung_count < 2)
        return error_set(error, "--halving with --factor %d needs %d trials and %d epochs at least: here are %d and %d",
                         tune->factor, tune->factor, tune->factor, tune->count, tune->trials[0].epochs);
    return 0;
}

/* Of one trial the images held out, of another the test set: these are no accuracies to compare. */
static int check_measure(const struct tune *tune, struct error *error)
{
    for (int i = 1; i < tune->count; i++)
        if (tune->trials[i].held_out != tune->trials[0].held_out)
            return error_set(error,
                             "--validation 0 cannot be compared with others: its accuracy is that of the test set");
    return 0;
}

/* ---- The whole ---- */

/* What nobody said is up to each process of a tune: each may have other processors to share out. */
static bool is_left_open(const struct settings *settings, const struct setting *row, const char *value)
{
    if (strcmp(row->name, "threads") == 0)
        return !settings_given(settings, row->name);
    return strcmp(row->name, "classes") == 0 ||
           ((strcmp(row->name, "device") == 0 || strcmp(row->name, "precision") == 0) && strcmp(value, "auto") == 0);
}

/* Of all that the results hang on. */
static void digest(const struct tune *tune, char out[SHA256_DIGEST_STRING_LENGTH])
{
    SHA2_CTX context;
    const struct setting *row;
    char value[SETTINGS_VALUE_SIZE];
    SHA256Init(&context);
    SHA256Update(&context, (const uint8_t *)&tune->factor, sizeof tune->factor);
    for (int t = 0; t < tune->count; t++)
        for (int i = 0; (row = settings_row(i)); i++) {
            settings_get(&tune->settings[t], row, value);
            if (!row->saved || is_left_open(&tune->settings[t], row, value) ||
                (row->implied && strcmp(value, row->implied) == 0))
                continue;
            SHA256Update(&context, (const uint8_t *)row->name, strlen(row->name) + 1);
            SHA256Update(&context, (const uint8_t *)value, strlen(value) + 1);
        }
    SHA256End(&context, out);
}

static int name_tune(struct tune *tune, const char *name, struct error *error)
{
    char text[SHA256_DIGEST_STRING_LENGTH];
    digest(tune, text);
    memcpy(tune->digest, text, TUNE_DIGEST_SIZE - 1);
    if (name && *name && session_check_name(name, error)) /* the names of its sessions begin with it */
        return error_prefix(error, "--name");
    if (name && strlen(name) >= TUNE_NAME_SIZE)
        return error_set(error, "--name %.80s: a tune's name has %d bytes at most", name, TUNE_NAME_SIZE - 1);
    if (name && *name)
        snprintf(tune->name, sizeof tune->name, "%s", name);
    else
        snprintf(tune->name, sizeof tune->name, "tune-%.6s", tune->digest);
    return 0;
}

static int make_trials(const struct tune_request *request, struct tune *tune, struct error *error)
{
    tune->trials = calloc((size_t)tune->count, sizeof *tune->trials);
    tune->settings = calloc((size_t)tune->count, sizeof *tune->settings);
    if (!tune->trials || !tune->settings)
        return error_set(error, "out of memory for %d trials", tune->count);
    for (int i = 0; i < tune->count; i++) {
        struct tune_trial *trial = &tune->trials[i];
        if (request->random > 0 && draw_values(tune, request, i, trial->values, error))
            return -1;
        if (request->random == 0)
            grid_values(request, i, trial->values);
        if (read_settings(tune, request, trial, &tune->settings[i], error) ||
            describe(request, &tune->settings[i], trial, error)) {
            char words[256];
            tune_trial_words(tune, i, words, sizeof words);
            return error_prefix(error, "%s", *words ? words : "trial");
        }
    }
    return 0;
}

int tune_make(const struct tune_request *request, struct tune *tune, struct error *error)
{
    memset(tune, 0, sizeof *tune);
    memcpy(tune->axes, request->axes, (size_t)request->axis_count * sizeof *tune->axes);
    tune->axis_count = request->axis_count;
    memcpy(tune->sessions_dir, request->shared->sessions_dir, sizeof tune->sessions_dir);
    tune->random = request->random > 0;
    tune->factor = request->factor;
    tune->count = request->random > 0 ? request->random : grid_size(request, error);
    if (tune->count < 0 || make_trials(request, tune, error) || check_measure(tune, error))
        return -1;
    tune_set_rungs(tune, tune->trials[0].epochs);
    if ((tune->factor > 0 && check_rungs(tune, error)) || name_tune(tune, request->name, error))
        return -1;
    for (int i = 0; i < tune->count; i++)
        name_session(tune, i);
    return tune_find_folder(tune, error);
}

void tune_free(struct tune *tune)
{
    free(tune->trials);
    free(tune->settings);
    tune->trials = NULL;
    tune->settings = NULL;
    tune->count = 0;
}
