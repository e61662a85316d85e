/* Puts a run together and takes it apart; see run.h. One path for new and resumed runs, with and without a screen.
 * Where its data come from is in run_data.c. */
#include "tui/run.h"

#include "engine/dist.h"
#include "engine/evaluate.h"
#include "engine/live.h"
#include "engine/synthetic.h"
#include "tui/attach.h"
#include "tui/platform.h"
#include "tui/run_events.h"
#include "tui/serve.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run {
    struct settings settings;
    struct run_parts parts;
    struct partition partition;
    struct training_state state;
    struct epoch_record results; /* of a run that was done before */
    bool made_session;           /* it was not there before */
    struct attachment *attach;   /* the run is another process's; else NULL */
    struct serve *serve;         /* shows it to others; NULL: there are none */
    struct error not_served;     /* ... and why */
};

const struct run_parts *run_parts(const struct run *run)
{
    return &run->parts;
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
                                      .ema = train->ema > 0,
                                      .lookahead = train->lookahead > 0};
    if (partition) {
        options.rank = dist_rank();
        options.ranks = dist_size();
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

static int tell_network(const struct run *run, const struct run_request *request, struct error *error)
{
    char network[SETTINGS_NETWORK_SIZE];
    settings_network_name(&run->settings, network);
    return tell(request, error, "building network %s", network);
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

/* A sum over the slices of other ranks has other last bits. Asked before this start is recorded as the newest. */
static int note_ranks(struct run *run, struct error *error)
{
    struct metrics metrics;
    char text[128];
    if (session_metrics(run->parts.session, &metrics, error) != 0)
        return -1;
    const int before = metrics.start_count > 0 ? metrics.starts[metrics.start_count - 1].platform.ranks : dist_size();
    metrics_free(&metrics);
    snprintf(text, sizeof text, "not on as many ranks as before (%d, not %d): results may differ in their last bits",
             dist_size(), before);
    if (before != dist_size())
        add_note(run, text);
    return 0;
}

/* The session's checkpoint into the network, its state for the trainer, and what was overridden into settings.ini. */
static int load_session(struct run *run, const struct run_request *request, struct error *error)
{
    struct run_parts *parts = &run->parts;
    char note[256];
    if (tell(request, error, "loading the checkpoint") != 0 || note_ranks(run, error) != 0 ||
        session_resume_choice(parts->session, &request->checkpoint, parts->network, &run->state, note, error) != 0)
        return -1;
    if (*note)
        add_note(run, note);
    if (*session_note(parts->session))
        add_note(run, session_note(parts->session));
    const struct train_options *before = &session_settings(parts->session)->train;
    const struct train_options *now = &run->settings.train;
    if (before->device != now->device)
        add_note(run, "not on the device it was on before: results may differ in their last bits");
    else if (before->precision != now->precision)
        add_note(run, "not in the precision it was in before: results differ from those of a run in one");
    else if (now->device == DEVICE_CPU && before->threads != now->threads)
        add_note(run, "not as many threads as before: results may differ in their last bits");
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

bool run_is_so(struct trainer *trainer, const struct command *change)
{
    struct snapshot now;
    trainer_snapshot(trainer, &now);
    const bool comes_to_another = change->kind == COMMAND_BATCH && now.next_batch > 0;
    return live_get(live_of_command(change->kind), &now.options) == change->value && !comes_to_another &&
           change->kind != COMMAND_LEARNING_RATE;
}

/* Through the trainer as commands, so that the session records the step at which they took effect. */
static int make_changes(struct run *run, const struct run_request *request, struct error *error)
{
    struct trainer *trainer = run->parts.trainer;
    for (int i = 0; i < request->change_count; i++) {
        if (run_is_so(trainer, &request->changes[i]))
            continue;
        if (trainer_change(trainer, &request->changes[i], error) != 0)
            return -1;
        run->parts.changes++;
    }
    return 0;
}

/* What its viewers have of the network. */
static void note_network(struct run_parts *parts)
{
    struct network_work work[TIME_KINDS];
    parts->parameters = (double)network_parameter_count(parts->network);
    parts->memory = (double)network_memory(parts->network);
    network_work(parts->network, work);
    for (int k = 0; k < TIME_KINDS; k++)
        parts->image_flops += work[k].flops / network_batch(parts->network);
}

/* A run that nobody can attach to is trained all the same. */
static void serve_run(struct run *run)
{
    const struct run_parts *parts = &run->parts;
    struct wire_facts facts = {.parameters = parts->parameters,
                               .image_flops = parts->image_flops,
                               .memory = parts->memory,
                               .resumed_step = parts->resumed_step};
    const struct serve_options options = {.folder = session_path(parts->session),
                                          .trainer = parts->trainer,
                                          .spec = &run->settings.model,
                                          .facts = &facts};
    snprintf(facts.device, sizeof facts.device, "%s", parts->device);
    snprintf(facts.data, sizeof facts.data, "%s", parts->data);
    snprintf(facts.note, sizeof facts.note, "%s", parts->note);
    (void)serve_open(&options, &run->serve, &run->not_served);
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
    if (open_data(run, request, error) != 0 || tell_network(run, request, error) != 0 ||
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
    if (resume && look_whether_done(run, error) != 0)
        return -1;
    parts->port = trainer_port(parts->trainer);
    note_network(parts);
    if (!parts->done) {
        run_begin_events(parts, run->partition.train);
        serve_run(run);
    }
    return 0;
}

/* ---- Other processes ---- */

/* Its session, data set and port; where the data cannot be opened here, its images are not shown. */
static int build_attached(struct run *run, const struct run_request *request, struct error *error)
{
    struct run_parts *parts = &run->parts;
    const struct wire_facts *facts = attach_facts(request->attach);
    struct error why;
    run->attach = request->attach;
    parts->session = attach_session(request->attach);
    parts->port = attach_port(request->attach);
    snprintf(parts->device, sizeof parts->device, "%s", facts->device);
    snprintf(parts->data, sizeof parts->data, "%s", facts->data);
    snprintf(parts->note, sizeof parts->note, "%s", facts->note);
    parts->parameters = facts->parameters;
    parts->memory = facts->memory;
    parts->image_flops = facts->image_flops;
    parts->resumed_step = facts->resumed_step;
    if (tell(request, error, "opening the data") != 0)
        return -1;
    if (run_open_session_data(&run->settings, &parts->dataset, &why) == 0)
        attach_show_looks(run->attach, parts->dataset);
    else
        parts->dataset = NULL;
    return 0;
}

pid_t run_process(const struct run *run)
{
    return run->attach ? attach_process(run->attach) : -1;
}

int run_command(struct run *run, const struct command *command, struct error *error)
{
    return run->attach ? attach_command(run->attach, command, error)
                       : trainer_command(run->parts.trainer, command, error);
}

bool run_has_ended(const struct run *run, const struct snapshot *now)
{
    return run->attach ? port_has_ended(run->parts.port) : trainer_has_ended(now->state);
}

int run_viewers(const struct run *run)
{
    return serve_viewers(run->serve);
}

bool run_is_held(const struct run *run)
{
    return serve_is_held(run->serve);
}

const char *run_not_served(const struct run *run)
{
    return run->not_served.message;
}

/* ---- The whole ---- */

int run_create(const struct run_request *request, struct run **out, struct error *error)
{
    *out = NULL;
    struct run *run = calloc(1, sizeof *run);
    if (!run)
        return error_set(error, "out of memory");
    run->settings = *request->settings;
    run->parts.settings = &run->settings;
    if ((request->attach ? build_attached : build)(run, request, error) != 0) {
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
    serve_close(run->serve);
    if (parts->trainer)
        trainer_destroy(parts->trainer);
    if (run->made_session && !begun)
        session_abandon(parts->session);
    else if (!run->attach)
        session_close(parts->session);
    if (parts->network)
        network_destroy(parts->network);
    if (parts->backend)
        parts->backend->destroy(parts->backend);
    if (parts->dataset)
        dataset_close(parts->dataset);
    free(run);
}

/* Of another process, whose last word came, or did not. */
static int finish_attached(struct run *run, struct snapshot *last, struct error *error)
{
    bool lost;
    const int result = attach_result(run->attach, &lost, error);
    port_snapshot(run->parts.port, last);
    if (lost)
        last->state = TRAINER_FAILED;
    return result;
}

static int finish_own(struct run *run, struct snapshot *last, struct error *error)
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

int run_finish(struct run *run, struct snapshot *last, struct error *error)
{
    if (run->attach)
        return finish_attached(run, last, error);
    const int result = finish_own(run, last, error);
    serve_end(run->serve, result ? error->message : "");
    return result;
}
