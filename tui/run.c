/* Puts a run together and takes it apart; see run.h. One path for new and resumed runs, with and without a screen. */
#include "tui/run.h"

#include "engine/evaluate.h"
#include "engine/live.h"
#include "engine/synthetic.h"
#include "tui/platform.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct run {
    struct settings settings;
    struct run_parts parts;
    struct partition partition;
    struct training_state state;
    struct epoch_record results; /* of a run that was done before */
    bool made_session;           /* it was not there before */
};

const struct run_parts *run_parts(const struct run *run)
{
    return &run->parts;
}

/* ---- Data ---- */

bool run_data_place(int index, char path[SETTINGS_PATH_SIZE])
{
    char home[SETTINGS_PATH_SIZE];
    const char *value = NULL;
    int length = 0;
    switch (index) {
    case 0:
        value = getenv("NFBENCH_DATA");
        length = snprintf(path, SETTINGS_PATH_SIZE, "%s", value ? value : "");
        break;
    case 1:
        length = snprintf(path, SETTINGS_PATH_SIZE, "data");
        break;
    case 2:
        if (session_data_home(home, NULL) == 0)
            length = snprintf(path, SETTINGS_PATH_SIZE, "%s/data", home);
        break;
    default:
        return false;
    }
    if (length <= 0 || length >= SETTINGS_PATH_SIZE)
        path[0] = '\0';
    return true;
}

/* The first place that holds a data set; the synthetic one when none does. A damaged one is an error: who has fetched
 * CIFAR does not want to find out later that the run was on other images. A folder without any is told. */
static int search_data(char note[RUN_TEXT_SIZE], struct dataset **out, struct error *error)
{
    char path[SETTINGS_PATH_SIZE];
    struct error why_not;
    struct stat status;
    note[0] = '\0';
    for (int i = 0; run_data_place(i, path); i++) {
        if (!*path)
            continue;
        if (dataset_open(path, out, &why_not) == 0)
            return 0;
        if (dataset_is_at(path))
            return error_set(error, "%.400s; or say --data DIR, or --data synthetic", why_not.message);
        const size_t told = strlen(note);
        if (i == 0 || stat(path, &status) == 0)
            snprintf(note + told, RUN_TEXT_SIZE - told, "%s is of no use (%.250s). ", i ? path : "$NFBENCH_DATA",
                     why_not.message);
    }
    size_t used = strlen(note);
    snprintf(note + used, RUN_TEXT_SIZE - used,
             "no CIFAR data found, so the built-in synthetic images are used; --data DIR for CIFAR-10 or CIFAR-100");
    return dataset_open("synthetic", out, error);
}

int run_open_data(struct settings *settings, char note[RUN_TEXT_SIZE], struct dataset **out, struct error *error)
{
    note[0] = '\0';
    int result =
        settings_given(settings, "data") ? dataset_open(settings->data, out, error) : search_data(note, out, error);
    if (result != 0)
        return -1;
    const char *place = dataset_location(*out);
    if (strcmp(place, "built in") == 0)
        place = "synthetic";
    if (settings_set(settings, "data", place, error) != 0) { /* what settings.ini cannot hold could not be resumed */
        dataset_close(*out);
        *out = NULL;
        return -1;
    }
    settings->model.classes = dataset_classes(*out);
    return 0;
}

int run_open_session_data(const struct settings *settings, struct dataset **out, struct error *error)
{
    int classes = settings->model.classes;
    if (dataset_open(settings->data, out, error) != 0)
        return error_prefix(error, "the session's data (--data DIR says where they are now)");
    int found = dataset_classes(*out);
    if (found == classes)
        return 0;
    error_set(error, "the session's network has %d classes, the data in %s have %d: name others by --data", classes,
              dataset_location(*out), found);
    dataset_close(*out);
    *out = NULL;
    return -1;
}

/* Opening the synthetic set takes seconds, and it is always there: its size is known. */
int run_check(const struct settings *settings, struct error *error)
{
    struct dataset *dataset;
    struct partition partition;
    if (session_name_is_free(settings, error) != 0)
        return -1;
    if (!settings_given(settings, "data") || strcmp(settings->data, "synthetic") == 0)
        return settings->train.validation < SYNTHETIC_TRAIN
                   ? 0
                   : error_set(error, "--validation %d: there are only %d training images", settings->train.validation,
                               (int)SYNTHETIC_TRAIN);
    if (dataset_open(settings->data, &dataset, error) != 0)
        return error_prefix(error, "--data");
    const int result = partition_make(dataset, &settings->train, &partition, error);
    dataset_close(dataset);
    return result;
}

/* ---- Back end and network ---- */

int run_open_network(struct settings *settings, const struct partition *partition, struct backend **backend,
                     struct network **network, char device[DEVICE_TEXT_SIZE], char note[DEVICE_NOTE_SIZE],
                     struct error *error)
{
    struct train_options *train = &settings->train;
    *network = NULL;
    if (device_open(train, backend, device, note, error) != 0)
        return -1;
    struct network_options options = {.batch = train->batch,
                                      .dtype = train->precision == PRECISION_BF16 ? DTYPE_BF16 : DTYPE_FP32,
                                      .tf32 = train->precision == PRECISION_TF32,
                                      .seed = train->seed,
                                      .ema = train->ema > 0};
    if (partition) {
        trainer_needs(partition, &options);
        options.probes = train->probe_every != 0;
    }
    if (network_create(*backend, &settings->model, &options, network, error) != 0) {
        (*backend)->destroy(*backend);
        *backend = NULL;
        return -1;
    }
    return 0;
}

/* ---- The run ---- */

static int tell(const struct run_request *request, struct error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int tell(const struct run_request *request, struct error *error, const char *format, ...)
{
    char text[RUN_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (request->progress && request->progress(request->context, text) != 0)
        return error_set(error, "interrupted while starting");
    return 0;
}

/* The synthetic images that statistics are taken of, made here bit by bit: that takes seconds on a busy machine, and a
 * person may leave meanwhile. */
static int make_sample(const struct dataset *dataset, const struct run_request *request, int limit, struct error *error)
{
    enum { AT_ONCE = 50 };
    for (int count = AT_ONCE; count <= SYNTHETIC_SAMPLE && (limit == 0 || count <= limit); count += AT_ONCE) {
        if (request->given_up && request->given_up(request->context))
            return error_set(error, "interrupted while starting");
        for (int i = count - AT_ONCE; i < count; i++)
            (void)dataset_image(dataset, SPLIT_TRAIN, i);
    }
    return 0;
}

static int open_data(struct run *run, const struct run_request *request, struct error *error)
{
    struct run_parts *parts = &run->parts;
    if (tell(request, error, "opening the data") != 0)
        return -1;
    int opened = request->resume ? run_open_session_data(&run->settings, &parts->dataset, error)
                                 : run_open_data(&run->settings, parts->note, &parts->dataset, error);
    if (opened != 0)
        return -1;
    bool synthetic = strcmp(dataset_location(parts->dataset), "built in") == 0;
    if (synthetic && run->settings.train.normalize == NORMALIZE_DATASET &&
        make_sample(parts->dataset, request, run->settings.train.limit, error) != 0)
        return -1;
    /* made again by the trainer; asked for here so that nothing is left of a bad split, and the memory is reserved */
    if (partition_make(parts->dataset, &run->settings.train, &run->partition, error) != 0)
        return -1;
    snprintf(parts->data, sizeof parts->data, synthetic ? "%s images, %s" : "%s in %s", dataset_name(parts->dataset),
             dataset_location(parts->dataset));
    return 0;
}

static void add_note(struct run *run, const char *text)
{
    size_t used = strlen(run->parts.note);
    snprintf(run->parts.note + used, sizeof run->parts.note - used, "%s%s", used ? "; " : "", text);
}

/* The session's checkpoint into the network, its state for the trainer, and what was overridden into settings.ini. */
static int load_session(struct run *run, const struct run_request *request, struct error *error)
{
    struct run_parts *parts = &run->parts;
    char note[256];
    if (tell(request, error, "loading the checkpoint") != 0 ||
        session_resume_choice(parts->session, &request->checkpoint, parts->network, &run->state, note, error) != 0)
        return -1;
    if (*note)
        add_note(run, note);
    const struct train_options *before = &session_settings(parts->session)->train;
    struct train_options *now = &run->settings.train;
    if (before->device != now->device)
        add_note(run, "not on the device it was on before: results may differ in their last bits");
    else if (before->precision != now->precision)
        add_note(run, "not in the precision it was in before: results differ from those of a run in one");
    else if (now->device == DEVICE_CPU && before->threads != now->threads)
        add_note(run, "not as many threads as before: results may differ in their last bits");
    now->epochs = before->epochs; /* as it began: another length is a change, with its step */
    now->steps = before->steps;
    parts->resumed_step = run->state.step;
    parts->resumed_seconds = run->state.seconds;
    return session_update_settings(parts->session, &run->settings, error);
}

void run_add_change(struct run_request *request, const struct settings *settings, const char *name)
{
    const struct live_setting *setting = live_find(name);
    struct command *command = &request->changes[request->change_count++];
    char value[SETTINGS_VALUE_SIZE];
    const bool rate = setting->command == COMMAND_LEARNING_RATE;
    *command = (struct command){.kind = setting->command, .value = live_get(setting, &settings->train)};
    settings_get(settings, settings_row(settings_find(name)), value);
    snprintf(command->text, sizeof command->text, "%s%s %.100s", rate ? "" : "set ", name, value);
}

/* Through the trainer as commands, so that the session records the step at which they took effect. */
static int make_changes(struct run *run, const struct run_request *request, struct error *error)
{
    for (int i = 0; i < request->change_count; i++) {
        const struct command *command = &request->changes[i];
        struct snapshot now;
        trainer_snapshot(run->parts.trainer, &now);
        const bool is_so = live_get(live_of_command(command->kind), &now.options) == command->value;
        if (is_so && command->kind != COMMAND_LEARNING_RATE) /* which a person may want to see in the log */
            continue;
        if (trainer_change(run->parts.trainer, command, error) != 0)
            return -1;
    }
    return 0;
}

/* A run that is asked for no more steps than it has behind it, and has its results, has nothing left to do. */
static int look_whether_done(struct run *run, struct error *error)
{
    struct run_parts *parts = &run->parts;
    struct snapshot start;
    struct metrics metrics;
    trainer_snapshot(parts->trainer, &start);
    if (parts->resumed_step < start.steps_total)
        return 0;
    if (session_metrics(parts->session, &metrics, error) != 0)
        return -1;
    for (int i = 0; i < metrics.epoch_count; i++)
        if (metrics.epochs[i].step == parts->resumed_step && metrics.epochs[i].test_accuracy >= 0) {
            run->results = metrics.epochs[i];
            parts->done = true;
        }
    metrics_free(&metrics);
    return 0;
}

/* What the session is to record of what it is trained on. */
static void tell_platform(struct run *run)
{
    struct platform platform;
    platform_find(&run->settings, run->parts.dataset, &platform);
    session_set_platform(run->parts.session, &platform);
}

static int make_session(struct run *run, const struct run_request *request, struct error *error)
{
    if (tell(request, error, "making the session") != 0 ||
        session_create(&run->settings, &run->parts.session, error) != 0)
        return -1;
    run->made_session = true;
    tell_platform(run);
    return session_begin(run->parts.session, error);
}

static int build(struct run *run, const struct run_request *request, struct error *error)
{
    struct run_parts *parts = &run->parts;
    char note[DEVICE_NOTE_SIZE];
    bool resume = request->resume;
    if (resume && (tell(request, error, "opening session %s", request->resume) != 0 ||
                   session_open(&run->settings, request->resume, SESSION_WRITE, &parts->session, error) != 0))
        return -1;
    if (open_data(run, request, error) != 0 ||
        tell(request, error, "building network %s", run->settings.model.preset) != 0 ||
        run_open_network(&run->settings, &run->partition, &parts->backend, &parts->network, parts->device, note,
                         error) != 0)
        return -1;
    if (*note)
        add_note(run, note);
    if (resume)
        tell_platform(run);
    if (resume ? load_session(run, request, error) != 0 : make_session(run, request, error) != 0)
        return -1;
    if (session_write_input(parts->session, parts->dataset, &run->partition.statistics, error) != 0)
        return -1;
    const struct trainer_sink sink = session_sink(parts->session);
    if (trainer_create(parts->network, parts->dataset, &run->settings.train, resume ? &run->state : NULL, &sink,
                       &parts->trainer, error) != 0 ||
        make_changes(run, request, error) != 0)
        return -1;
    return resume ? look_whether_done(run, error) : 0;
}

int run_create(const struct run_request *request, struct run **out, struct error *error)
{
    *out = NULL;
    struct run *run = calloc(1, sizeof *run);
    if (!run)
        return error_set(error, "out of memory");
    run->settings = *request->settings;
    run->parts.settings = &run->settings;
    if (build(run, request, error) != 0) {
        run_destroy(run);
        return -1;
    }
    *out = run;
    return 0;
}

static bool training_begun(struct trainer *trainer)
{
    struct snapshot snapshot;
    if (!trainer)
        return false;
    trainer_snapshot(trainer, &snapshot);
    return snapshot.state != TRAINER_STARTING;
}

void run_destroy(struct run *run)
{
    if (!run)
        return;
    struct run_parts *parts = &run->parts;
    const bool begun = training_begun(parts->trainer);
    if (parts->trainer)
        trainer_destroy(parts->trainer);
    if (run->made_session && !begun)
        session_abandon(parts->session);
    else
        session_close(parts->session);
    if (parts->network)
        network_destroy(parts->network);
    if (parts->backend)
        parts->backend->destroy(parts->backend);
    if (parts->dataset)
        dataset_close(parts->dataset);
    free(run);
}

int run_finish(struct run *run, struct snapshot *last, struct error *error)
{
    int result = trainer_join(run->parts.trainer, error);
    trainer_snapshot(run->parts.trainer, last);
    if (run->parts.done) {
        last->state = TRAINER_FINISHED;
        last->epoch = run->results;
    }
    struct error unrecorded;
    if (session_end(run->parts.session, last->state, last->step.step, last->message, &unrecorded) != 0 && result == 0)
        return error_set(error, "%s", unrecorded.message);
    return result;
}
