/* `nfbench replay`: a session's run is made again from its settings and its recorded commands, and every figure that
 * was logged is compared. Where the run was trained on other threads, precision or devices in turn, so is the replay:
 * a stretch each. The session is only read. */
#include "tui/cli.h"
#include "tui/cli_progress.h"
#include "tui/cli_signals.h"
#include "tui/platform.h"
#include "tui/run.h"
#include "tui/words.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cli_replay {
    struct cli *cli;
    struct session *session;
    struct trainer_sink source; /* of the session */
    struct metrics metrics;
    struct settings settings; /* of a stretch */
    struct dataset *dataset;
    struct progress progress;
    sigset_t signals;
    bool interrupted;

    long from, to;                                        /* steps */
    char begin[256];                                      /* where it begins, in words; empty: at the run's beginning */
    char clauses[PLATFORM_CLAUSES][PLATFORM_CLAUSE_SIZE]; /* why the bits may be others */
    int clause_count;
    struct replay found; /* over all stretches */

    /* from one stretch to the next */
    struct training_state state;
    float *parameters; /* NULL: the network's own, or a checkpoint's */
    bool has_state;
};

/* What one stretch is made with. */
struct stretch {
    struct cli_replay *replay;
    struct backend *backend;
    struct network *network;
    struct trainer *trainer;
};

/* ---- What the trainer hands over ---- */

/* The end of a stretch, for the next. */
static int on_fork(void *context, const char *name, struct network *network, const struct training_state *state,
                   char reference[FORK_REFERENCE_SIZE], struct error *error)
{
    struct cli_replay *replay = context;
    (void)name;
    reference[0] = '\0';
    if (!replay->parameters)
        replay->parameters = malloc(network_state_floats(network) * sizeof *replay->parameters);
    if (!replay->parameters)
        return error_set(error, "out of memory for a copy of the weights");
    replay->state = *state;
    replay->has_state = true;
    return network_read_state(network, replay->parameters, error);
}

/* ---- Where it begins ---- */

/* The oldest checkpoint there is. */
static int load_oldest(struct cli_replay *replay, struct network *network, struct error *error)
{
    struct error missing;
    char note[256];
    long oldest = -1;
    for (long step = replay->source.saved_step(replay->session, LONG_MAX); step >= 0;
         step = replay->source.saved_step(replay->session, step - 1))
        oldest = step;
    if (oldest < 0)
        return error_set(error, "session %s began with imported weights, and has no checkpoint to begin with",
                         session_name(replay->session));
    if (session_load(replay->session, oldest, network, &replay->state, note, &missing) != 0)
        return error_set(error, "%s", missing.message);
    snprintf(replay->begin, sizeof replay->begin,
             "the imported weights that it began with are not there any more: from its checkpoint of step %ld", oldest);
    return 0;
}

/* A run's weights are those of its initialisation, unless they were imported. */
static int load_start(struct cli_replay *replay, struct network *network, struct error *error)
{
    struct error missing;
    if (replay->parameters)
        return network_write_state(network, replay->parameters, error);
    if (!replay->metrics.imported)
        return 0;
    if (replay->source.on_load(replay->session, CHECKPOINT_IMPORTED, -1, network, &replay->state, &missing) == 0)
        snprintf(replay->begin, sizeof replay->begin, "from the imported weights that it began with");
    else if (load_oldest(replay, network, error) != 0)
        return -1;
    replay->has_state = true;
    replay->from = replay->state.step;
    return replay->from < replay->to ? 0
                                     : error_set(error, "step %ld cannot be made again: %s", replay->to, replay->begin);
}

static void say_parent(struct cli_replay *replay)
{
    struct session_summary summary;
    session_summarize(replay->session, &summary);
    if (*summary.parent && !replay->metrics.imported)
        snprintf(replay->begin, sizeof replay->begin,
                 "from the beginning of %s, whose fork it is: up to step %ld its steps", summary.parent,
                 summary.parent_step);
}

/* ---- A stretch ---- */

/* Adds what is another on this machine than it was, once. */
static void compare_platform(struct cli_replay *replay, const struct platform *then)
{
    char clauses[PLATFORM_CLAUSES][PLATFORM_CLAUSE_SIZE];
    struct platform now;
    platform_find(&replay->settings, replay->dataset, &now);
    const int count = platform_compare(then, &now, clauses);
    for (int i = 0; i < count && replay->clause_count < PLATFORM_CLAUSES; i++) {
        bool said = false;
        for (int j = 0; j < replay->clause_count; j++)
            said |= strcmp(replay->clauses[j], clauses[i]) == 0;
        if (said)
            continue;
        strcpy(replay->clauses[replay->clause_count++], clauses[i]);
        progress_line(&replay->progress, "note: the bits may be others: %s", clauses[i]);
    }
}

static int open_stretch(struct stretch *stretch, const struct platform *then, long until, struct error *error)
{
    struct cli_replay *replay = stretch->replay;
    struct trainer_sink sink = {
        .context = replay, .source = replay->source.source, .recall = replay->source.recall, .on_fork = on_fork};
    struct partition parts;
    char device[DEVICE_TEXT_SIZE], note[DEVICE_NOTE_SIZE];
    replay->settings.train.probe_every = 0;
    if ((then && platform_choose(replay->cli, then, &replay->settings, error) != 0) ||
        partition_make(replay->dataset, &replay->settings.train, &parts, error) != 0 ||
        run_open_network(&replay->settings, &parts, &stretch->backend, &stretch->network, device, note, error) != 0 ||
        load_start(replay, stretch->network, error) != 0)
        return -1;
    progress_line(&replay->progress, "steps %ld to %ld, on %s", replay->state.step + 1, until, device);
    if (then)
        compare_platform(replay, then);
    if (trainer_create(stretch->network, replay->dataset, &replay->settings.train,
                       replay->has_state ? &replay->state : NULL, &sink, &stretch->trainer, error) != 0)
        return -1;
    trainer_only_looks(stretch->trainer);
    return trainer_start(stretch->trainer, true, error);
}

static void close_stretch(struct stretch *stretch)
{
    trainer_destroy(stretch->trainer);
    network_destroy(stretch->network);
    if (stretch->backend)
        stretch->backend->destroy(stretch->backend);
}

/* Gives a command and shows what comes until it is done. */
static int command(struct stretch *stretch, const struct command *command, struct snapshot *now, struct error *error)
{
    struct cli_replay *replay = stretch->replay;
    struct event event;
    if (trainer_command(stretch->trainer, command, error) != 0)
        return -1;
    for (;;) {
        const int signal = signals_wait(&replay->signals);
        if (signal && replay->interrupted)
            signals_die_of(signal);
        if (signal) {
            replay->interrupted = true;
            trainer_request_stop(stretch->trainer);
        }
        trainer_snapshot(stretch->trainer, now);
        while (trainer_next_event(stretch->trainer, &event)) {
            if (event.kind != EVENT_COMMAND)
                progress_event(&replay->progress, &event, now);
            else if (event.command.command.kind == command->kind) {
                trainer_snapshot(stretch->trainer, now);
                return event.command.ok || replay->interrupted ? 0 : error_set(error, "%s", event.command.outcome);
            }
        }
        if (trainer_has_ended(now->state))
            return replay->interrupted ? 0 : error_set(error, "%s", now->message);
        progress_show(&replay->progress, now);
    }
}

static void add_found(struct replay *all, const struct replay *part)
{
    all->step = part->step;
    all->steps += part->steps;
    all->epochs += part->epochs;
    if (all->first.step == 0)
        all->first = part->first;
    if (part->largest.step > 0 && (all->largest.step == 0 || part->largest.relative > all->largest.relative))
        all->largest = part->largest;
}

/* `until`: its last step; the replay's, or where it goes on with others. */
static int make_stretch(struct stretch *stretch, long until, struct error *error)
{
    struct cli_replay *replay = stretch->replay;
    const struct command again = {
        .kind = COMMAND_REPLAY, .count = until, .value = replay->clause_count > 0, .text = "replay"};
    const struct command hand_over = {.kind = COMMAND_FORK, .text = "fork"};
    struct snapshot now;
    if (command(stretch, &again, &now, error) != 0)
        return -1;
    add_found(&replay->found, &now.replay);
    if (replay->interrupted || until >= replay->to || (replay->found.first.step > 0 && replay->clause_count == 0))
        return 0;
    return command(stretch, &hand_over, &now, error);
}

static bool same_platform(const struct platform *a, const struct platform *b)
{
    return a && b && memcmp(a, b, sizeof *a) == 0;
}

/* What the step behind `step` was made on, as far as is recorded; `until`: up to which step. */
static const struct platform *platform_behind(const struct cli_replay *replay, long step, long *until)
{
    const struct metrics *metrics = &replay->metrics;
    const struct platform *found = NULL;
    *until = replay->to;
    for (int i = 0; i < metrics->start_count; i++) {
        const struct start_record *start = &metrics->starts[i];
        if (start->step <= step)
            found = &start->platform;
        else if (start->step < replay->to && !same_platform(found, &start->platform)) {
            *until = start->step;
            break;
        }
    }
    return found;
}

static int make_all(struct cli_replay *replay, struct error *error)
{
    bool goes_on = true;
    for (long step = 0, until; goes_on; step = until) {
        const struct platform *then = platform_behind(replay, replay->has_state ? replay->state.step : step, &until);
        struct stretch stretch = {.replay = replay};
        int result = open_stretch(&stretch, then, until, error);
        if (result == 0 && replay->state.step < until)
            result = make_stretch(&stretch, until, error);
        close_stretch(&stretch);
        if (result != 0)
            return -1;
        goes_on = until < replay->to && replay->has_state && replay->state.step >= until;
    }
    return 0;
}

/* ---- Results ---- */

static json_t *difference_json(const struct difference *difference)
{
    if (difference->step == 0)
        return json_null();
    return json_pack("{s:I, s:s, s:o, s:o, s:o}", "step", (json_int_t)difference->step, "figure", difference->figure,
                     "logged", cli_json_number(difference->recorded), "found", cli_json_number(difference->made),
                     "relative", cli_json_number(difference->relative));
}

/* "steps 901 to 1800 have no record": up to the replay's last, where they ought to; empty: all have. */
static void lost_words(const struct cli_replay *replay, char words[128])
{
    struct session_summary summary;
    struct metrics_lost lost = {.stretches = 0};
    session_summarize(replay->session, &summary);
    metrics_find_lost(&replay->metrics, !*summary.parent, session_settings(replay->session)->train.log_every,
                      replay->found.step, &lost);
    metrics_lost_words(&lost, words, 128);
}

static json_t *result_json(const struct cli_replay *replay)
{
    const struct replay *found = &replay->found;
    char lost[128];
    lost_words(replay, lost);
    json_t *clauses = json_array();
    for (int i = 0; i < replay->clause_count; i++)
        json_array_append_new(clauses, cli_json_text(replay->clauses[i]));
    return json_pack("{s:o, s:b, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "session",
                     cli_json_text(session_name(replay->session)), "identical", found->first.step == 0, "from",
                     (json_int_t)replay->from, "through", (json_int_t)found->step, "steps_compared",
                     (json_int_t)found->steps, "epochs_compared", (json_int_t)found->epochs, "begin",
                     *replay->begin ? cli_json_text(replay->begin) : json_null(), "platform_differs", clauses,
                     "first_difference", difference_json(&found->first), "not_compared",
                     *lost ? cli_json_text(lost) : json_null(), "largest_difference", difference_json(&found->largest));
}

static void print_difference(const char *what, const struct difference *difference)
{
    printf("%s: step %ld, %s %.9g logged, %.9g found", what, difference->step, difference->figure, difference->recorded,
           difference->made);
    if (isfinite(difference->relative))
        printf(" (relative difference %.2g)", difference->relative);
    putchar('\n');
}

static void print_result(const struct cli_replay *replay)
{
    const struct replay *found = &replay->found;
    char lost[128];
    lost_words(replay, lost);
    if (*replay->begin)
        printf("session %s: %s\n", session_name(replay->session), replay->begin);
    if (found->first.step == 0)
        printf("session %s: %sidentical through step %ld (%ld records of steps and %ld of evaluations compared)\n",
               session_name(replay->session), replay->interrupted ? "interrupted; " : "", found->step, found->steps,
               found->epochs);
    else
        print_difference("first difference", &found->first);
    if (*lost)
        printf("not compared: %s\n", lost);
    if (found->first.step > 0 && replay->clause_count > 0 && found->largest.step > 0)
        print_difference("largest difference of a loss", &found->largest);
    for (int i = 0; i < replay->clause_count && found->first.step > 0; i++)
        printf("it may come of this: %s\n", replay->clauses[i]);
}

static enum cli_status report(struct cli_replay *replay)
{
    enum cli_status status = replay->found.first.step > 0 ? CLI_FAILED : CLI_DONE;
    if (replay->interrupted)
        status = CLI_INTERRUPTED;
    if (!replay->cli->settings.json) {
        print_result(replay);
        return status;
    }
    const enum cli_status printed = cli_print_json(replay->cli, result_json(replay));
    return printed == CLI_DONE ? status : printed;
}

/* ---- The subcommand ---- */

/* The first step with figures to compare; 0: there is none. */
static long first_logged(const struct metrics *metrics)
{
    const long step = metrics->step_count > 0 ? metrics->steps[0].step : LONG_MAX;
    const long epoch = metrics->epoch_count > 0 ? metrics->epochs[0].step : LONG_MAX;
    const long first = step < epoch ? step : epoch;
    return first < LONG_MAX ? first : 0;
}

/* ... and the last. */
static long last_logged(const struct metrics *metrics)
{
    const long step = metrics->step_count > 0 ? metrics->steps[metrics->step_count - 1].step : 0;
    const long epoch = metrics->epoch_count > 0 ? metrics->epochs[metrics->epoch_count - 1].step : 0;
    return step > epoch ? step : epoch;
}

static int read_options(struct cli_replay *replay, struct error *error)
{
    if (session_metrics(replay->session, &replay->metrics, error) != 0)
        return -1;
    const long last = last_logged(&replay->metrics);
    if (last == 0)
        return error_set(error, "session %s has logged nothing that could be compared", session_name(replay->session));
    return cli_number(replay->cli, "to", last, first_logged(&replay->metrics), last, &replay->to, error);
}

/* Behind the checkpoint that it began with there may be no record up to --to. */
static int look_for_figures(const struct cli_replay *replay, struct error *error)
{
    const struct replay *found = &replay->found;
    if (found->steps + found->epochs > 0 || replay->interrupted)
        return 0;
    return error_set(error, "session %s: nothing is logged behind step %ld up to step %ld: there is nothing to compare",
                     session_name(replay->session), replay->from, replay->to);
}

static int open_data(struct cli_replay *replay, struct error *error)
{
    replay->settings = *session_settings(replay->session);
    return cli_over_session(replay->cli, &replay->settings, error) != 0 ||
                   run_open_session_data(&replay->settings, &replay->dataset, error) != 0
               ? -1
               : 0;
}

enum cli_status cli_replay(struct cli *cli)
{
    struct cli_replay replay = {.cli = cli};
    struct error error = {""};
    enum cli_status status;
    if (session_open(&cli->settings, cli->operands[0], SESSION_READ, &replay.session, &error) != 0)
        return cli_failed(cli, &error);
    replay.source = session_source(replay.session);
    replay.signals = signals_block();
    progress_open(&replay.progress, STDERR_FILENO);
    if (read_options(&replay, &error) != 0)
        status = cli_usage(cli, &error);
    else if (open_data(&replay, &error) != 0 || (say_parent(&replay), make_all(&replay, &error)) != 0 ||
             look_for_figures(&replay, &error) != 0)
        status = cli_failed(cli, &error);
    else {
        progress_close(&replay.progress);
        status = report(&replay);
    }
    progress_close(&replay.progress);
    metrics_free(&replay.metrics);
    free(replay.parameters);
    dataset_close(replay.dataset);
    session_close(replay.session);
    return status;
}
