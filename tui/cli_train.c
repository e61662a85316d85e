/* `nfbench train` and `nfbench resume`: the run without a screen. The training has a thread of its own; this one waits
 * for signals, shows the progress between them and prints the results at the end. */
#include "base/digits.h"
#include "engine/live.h"
#include "tui/cli.h"
#include "tui/cli_progress.h"
#include "tui/cli_script.h"
#include "tui/cli_signals.h"
#include "tui/run.h"
#include "tui/words.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- Starting ---- */

struct start {
    struct progress *progress;
    const sigset_t *signals;
    bool interrupted;
};

static bool is_given_up(void *context)
{
    struct start *start = context;
    const struct timespec at_once = {0};
    if (sigtimedwait(start->signals, NULL, &at_once) > 0)
        start->interrupted = true;
    return start->interrupted;
}

static int say_start(void *context, const char *text)
{
    struct start *start = context;
    progress_doing(start->progress, text);
    return is_given_up(start);
}

static void say_started(struct progress *progress, const struct run *run)
{
    const struct run_parts *parts = run_parts(run);
    struct snapshot snapshot;
    trainer_snapshot(parts->trainer, &snapshot);
    char network[SETTINGS_NETWORK_SIZE], until[64] = "";
    settings_network_name(parts->settings, network);
    if (*parts->note)
        progress_line(progress, "note: %s", parts->note);
    progress_line(progress, "%s, %zu parameters, on %s; %s", network, network_parameter_count(parts->network),
                  parts->device, parts->data);
    if (snapshot.next_batch > 0)
        snprintf(until, sizeof until, " until batch %d comes", snapshot.next_batch);
    progress_line(progress, "session %s: steps %ld to %ld, %ld an epoch%s", session_path(parts->session),
                  parts->resumed_step, snapshot.steps_total, snapshot.steps_per_epoch, until);
    if (parts->resumed_step >= snapshot.steps_total)
        progress_line(progress, "note: all of its steps are done; what is left is to measure the results");
    if (*run_not_served(run))
        progress_line(progress, "note: nfbench attach cannot show this run: %s", run_not_served(run));
    else
        progress_line(progress, "nfbench attach %s shows it on a screen", session_reference(parts->session));
}

static int begin(struct progress *progress, struct run *run, long until, struct cli_script *script, struct error *error)
{
    if (run_parts(run)->done)
        return 0;
    say_started(progress, run);
    trainer_until(run_parts(run)->trainer, (int)until);
    if (cli_script_begin(script, run_parts(run)->trainer, error) != 0)
        return -1;
    return trainer_start(run_parts(run)->trainer, false, error);
}

/* ---- Running ---- */

static void say_warning(struct progress *progress, struct session *session)
{
    char warning[SESSION_WARNING_SIZE];
    if (session_take_warning(session, warning))
        progress_line(progress, "warning: %s", warning);
}

static void drain(struct progress *progress, const struct run_parts *parts, struct cli_script *script,
                  struct snapshot *snapshot)
{
    struct trainer *trainer = parts->trainer;
    struct event event;
    trainer_snapshot(trainer, snapshot);
    while (trainer_next_event(trainer, &event)) {
        progress_event(progress, &event, snapshot);
        cli_script_hear(script, &event);
    }
    say_warning(progress, parts->session);
}

/* The run waits, and nobody can have it go on: no line of a script, and nobody who is attached. Who has paused it from
 * a screen may come back to it; but a step that is not finite needs somebody now. */
static bool is_deserted(const struct run *run, const struct cli_script *script, const struct snapshot *now)
{
    return cli_script_has_ended(script) && trainer_waits(run_parts(run)->trainer) && run_viewers(run) == 0 &&
           (!run_is_held(run) || now->diverged);
}

/* In one line, once: a log of a run that stands still would else end like that of one that trains. Why there is no room
 * has been said. */
static void say_standstill(struct progress *progress, const struct run *run, const struct snapshot *now,
                           enum standstill *said)
{
    const struct run_parts *parts = run_parts(run);
    const bool paused = now->state == TRAINER_PAUSED;
    if (now->standstill == *said || (paused && !trainer_waits(parts->trainer)))
        return;
    if (*said == STANDSTILL_RANKS)
        progress_line(progress, "step %ld  its other ranks are there again", now->step.step);
    *said = now->standstill;
    if (paused)
        progress_line(progress, "step %ld  %s, and waits for %s%s%s", now->step.step, trainer_state_name(now->state),
                      standstill_waits_for(now->standstill), *run_not_served(run) ? "" : ": nfbench attach ",
                      *run_not_served(run) ? "" : session_reference(parts->session));
    else if (now->standstill == STANDSTILL_RANKS)
        progress_line(progress, "step %ld  waits for %s", now->step.step, standstill_waits_for(now->standstill));
}

/* Until the run has ended; whether a signal asked for the end. */
static bool watch(struct progress *progress, const struct run *run, struct cli_script *script, const sigset_t *signals)
{
    struct trainer *trainer = run_parts(run)->trainer;
    struct snapshot snapshot;
    enum standstill said = STANDSTILL_NONE;
    bool asked = false, deserted = false;
    do {
        int signal = signals_wait(signals);
        if (signal && asked)
            signals_die_of(signal);
        if (signal) {
            asked = true;
            trainer_request_stop(trainer);
            progress_line(progress, "stopping: saving after this step (again: leave at once, without saving)");
        }
        drain(progress, run_parts(run), script, &snapshot);
        cli_script_read(script);
        if (!deserted && is_deserted(run, script, &snapshot)) {
            deserted = true;
            trainer_request_end(trainer);
            progress_line(progress, "stopping: the run is paused, and nobody is left who could resume it");
        }
        if (!asked && !deserted)
            say_standstill(progress, run, &snapshot, &said);
        progress_show(progress, &snapshot);
    } while (!trainer_has_ended(snapshot.state));
    drain(progress, run_parts(run), script, &snapshot);
    cli_script_read(script);
    progress_close(progress);
    return asked;
}

/* ---- Results ---- */

struct result {
    const char *session, *state, *message;
    long step;
    double seconds, images_per_second; /* NAN: not measured */
    struct step_time step_time;        /* mean of this process; zeros: no step was made */
    struct epoch_record epoch;         /* the newest measurements */
    bool diverged;
    long diverged_step; /* the one that could not be done */
    long skipped;       /* batches passed over */
};

/* The training loss of the session's last epoch, for a resumed run that had nothing left to do: -1 when there is none.
 */
static float recall_train_loss(const struct session *session)
{
    struct metrics metrics = {0};
    float loss = -1;
    if (session_metrics(session, &metrics, NULL) == 0)
        for (int i = 0; i < metrics.epoch_count; i++)
            if (metrics.epochs[i].train_loss >= 0)
                loss = metrics.epochs[i].train_loss;
    metrics_free(&metrics);
    return loss;
}

/* The newest measurements; without any, the loss of the last step is all there is. */
static struct epoch_record newest_epoch(const struct run_parts *parts, const struct snapshot *last)
{
    struct epoch_record epoch = {
        .train_loss = -1, .validation_loss = -1, .validation_accuracy = -1, .test_loss = -1, .test_accuracy = -1};
    if (last->epoch.step > 0)
        epoch = last->epoch;
    else if (last->step.step > 0 && last->state != TRAINER_DIVERGED)
        epoch.train_loss = last->step.loss;
    if (epoch.train_loss < 0 && last->state != TRAINER_DIVERGED)
        epoch.train_loss = recall_train_loss(parts->session);
    return epoch;
}

static struct result make_result(const struct run_parts *parts, const struct snapshot *last)
{
    bool stepped = last->step.step > 0;
    const struct result result = {.session = session_name(parts->session),
                                  .state = trainer_state_name(last->state),
                                  .message = last->message,
                                  .step = stepped ? last->step.step : parts->resumed_step,
                                  .seconds = stepped ? last->step.seconds : parts->resumed_seconds,
                                  .images_per_second =
                                      last->images > 0 ? (double)last->images / last->trained.whole : NAN,
                                  .epoch = newest_epoch(parts, last),
                                  .diverged = last->state == TRAINER_DIVERGED,
                                  .diverged_step = last->diverged_step,
                                  .skipped = last->skipped_batches,
                                  .step_time = step_time_mean(&last->trained, last->trained_steps)};
    return result;
}

/* All findings of the session, over all of its runs; NULL without memory. */
static json_t *findings_json(const struct session *session)
{
    struct metrics metrics = {0};
    if (session_metrics(session, &metrics, NULL) != 0)
        return json_array();
    json_t *list = cli_json_findings(&metrics);
    metrics_free(&metrics);
    return list;
}

static json_t *result_json(const struct session *session, const struct result *result)
{
    const struct epoch_record *epoch = &result->epoch;
    const bool stepped = result->step_time.whole > 0;
    json_t *object = json_pack(
        "{s:o, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:I, s:o}", "session",
        cli_json_text(result->session), "state", result->state, "step", (json_int_t)result->step, "seconds",
        cli_json_number(result->seconds), "images_per_second", cli_json_number(result->images_per_second),
        "milliseconds_per_step", cli_json_number(stepped ? 1e3 * result->step_time.whole : NAN), "milliseconds_by_part",
        stepped ? cli_json_step_time(&result->step_time) : json_null(), "train_loss", cli_json_loss(epoch->train_loss),
        "validation_accuracy", cli_json_fraction(epoch->validation_accuracy), "validation_loss",
        cli_json_loss(epoch->validation_loss), "test_accuracy", cli_json_fraction(epoch->test_accuracy), "test_loss",
        cli_json_loss(epoch->test_loss), "diverged", result->diverged, "skipped_batches", (json_int_t)result->skipped,
        "findings", findings_json(session));
    if (object && result->diverged && json_object_set_new(object, "diagnosis", cli_json_text(result->message)) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static void print_measured(const char *name, double accuracy, double loss)
{
    char percent[CLI_VALUE_SIZE], words[CLI_VALUE_SIZE];
    words_percent(accuracy, percent, sizeof percent);
    digits_loss(loss, words, sizeof words);
    if (accuracy >= 0)
        printf("%-12s%s, loss %s\n", name, percent, words);
}

static void print_result(const struct result *result)
{
    char time[CLI_VALUE_SIZE], loss[CLI_VALUE_SIZE];
    words_duration(result->seconds, time, sizeof time);
    printf("%-12s%s\n", "session", result->session);
    if (result->diverged)
        printf("%-12s%s at step %ld, with %ld done, %s of training", "state", result->state, result->diverged_step,
               result->step, time);
    else
        printf("%-12s%s at step %ld, %s of training", "state", result->state, result->step, time);
    if (isfinite(result->images_per_second))
        printf(", %.0f images/s", result->images_per_second);
    putchar('\n');
    if (result->skipped)
        printf("%-12s%ld batch%s whose steps were not finite\n", "passed over", result->skipped,
               result->skipped == 1 ? "" : "es");
    digits_loss(result->epoch.train_loss, loss, sizeof loss);
    if (result->epoch.train_loss >= 0)
        printf("%-12sloss %s\n", "training", loss);
    print_measured("validation", result->epoch.validation_accuracy, result->epoch.validation_loss);
    print_measured("test", result->epoch.test_accuracy, result->epoch.test_loss);
}

/* ---- The subcommands ---- */

static enum cli_status report(struct cli *cli, const struct run_parts *parts, const struct snapshot *last)
{
    const struct result result = make_result(parts, last);
    if (parts->done)
        fprintf(cli->settings.json ? stderr : stdout,
                "session %s: finished at step %ld of %ld; --epochs M goes on further\n", result.session, result.step,
                result.step);
    if (parts->done && !cli->settings.json)
        return CLI_DONE;
    if (cli->settings.json)
        return cli_print_json(cli, result_json(parts->session, &result));
    print_result(&result);
    return CLI_DONE;
}

/* What a person can do with a run that has diverged. */
static void say_way_back(const struct run_parts *parts, const struct snapshot *last)
{
    if (last->state == TRAINER_DIVERGED && last->good_step >= 0)
        fprintf(stderr, "to go back: nfbench resume %s --checkpoint %ld --lr %.2g\n", session_reference(parts->session),
                last->good_step, (double)health_tamer_rate(&parts->settings->model, last->peak_learning_rate));
}

/* --until: how many epochs; 0: the whole run. */
static int read_until(const struct cli *cli, long *until, struct error *error)
{
    return cli_number(cli, "until", 0, 1, 1000000, until, error);
}

static bool is_as_far_as(const struct snapshot *last, long until)
{
    return until > 0 && last->step.step - last->extra_steps >= until * last->steps_per_epoch;
}

static enum cli_status train(struct cli *cli, struct run_request request, long until)
{
    struct progress progress;
    struct error error = {""};
    struct run *run = NULL;
    enum cli_status status = CLI_FAILED;
    bool interrupted = false;
    progress_open(&progress, STDERR_FILENO);
    struct cli_script script = {.path = request.script, .progress = &progress};
    const sigset_t signals = signals_block();
    struct start start = {.progress = &progress, .signals = &signals};
    request.progress = say_start;
    request.given_up = is_given_up;
    request.context = &start;
    if (run_create(&request, &run, &error) != 0 || begin(&progress, run, until, &script, &error) != 0) {
        status = is_given_up(&start) ? CLI_INTERRUPTED : CLI_FAILED;
        cli_failed(cli, &error);
        goto out;
    }
    if (run_parts(run)->done)
        progress_close(&progress);
    else
        interrupted = watch(&progress, run, &script, &signals);
    struct snapshot last;
    int finished = run_finish(run, &last, &error);
    say_warning(&progress, run_parts(run)->session);
    status = report(cli, run_parts(run), &last);
    if (finished != 0) {
        words_sentences(error.message);
        status = cli_failed(cli, &error);
        say_way_back(run_parts(run), &last);
    } else if (status == CLI_DONE && script.path && run_parts(run)->done) {
        error_set(&error, "--script %s was not run: all steps of the session are done", script.path);
        status = cli_failed(cli, &error);
    } else if (status == CLI_DONE && script.refused > 0 && !interrupted) {
        error_set(&error, "%ld of the commands of %s could not be done: see above", script.refused, script.path);
        status = cli_failed(cli, &error);
    } else if (status == CLI_DONE && last.state == TRAINER_STOPPED && !is_as_far_as(&last, until))
        status = CLI_INTERRUPTED;
out:
    run_destroy(run);
    return status;
}

enum cli_status cli_train(struct cli *cli)
{
    struct run_request request = {.settings = &cli->settings, .script = cli_value(cli, "script")};
    struct error error;
    long until;
    (void)signals_block(); /* to look at the data takes a while */
    if (read_until(cli, &until, &error) != 0 || cli_script_check(request.script, &error) != 0 ||
        run_check(&cli->settings, &error) != 0)
        return cli_usage(cli, &error);
    return train(cli, request, until);
}

static int add_change(const struct train_options *began, const struct settings *settings,
                      const struct live_setting *setting, struct run_request *request, struct error *error)
{
    const char *refusal = live_refusal(setting, began, live_get(setting, &settings->train));
    if (refusal)
        return error_set(error, "--%s: %s", setting->name, refusal);
    run_add_change(request, settings, setting->name);
    return 0;
}

/* With --epochs the session's own --steps goes, too: it would else end the run first. */
int cli_change_session(const struct cli *cli, struct settings *settings, struct run_request *request,
                       struct error *error)
{
    const struct train_options before = settings->train;
    const struct live_setting *setting;
    const bool other_epochs = cli_given(cli, "epochs");
    if (cli_over_session(cli, settings, error) != 0)
        return -1;
    if (other_epochs && !cli_given(cli, "steps"))
        settings->train.steps = 0;
    for (int i = 0; (setting = live_setting(i)); i++)
        if ((cli_given(cli, setting->name) || (setting->command == COMMAND_STEPS && other_epochs)) &&
            add_change(&before, settings, setting, request, error) != 0)
            return -1;
    live_copy(&before, &settings->train);
    return 0;
}

/* A session that has all of its steps behind it. */
struct finished {
    long step; /* -1: it has not */
    struct train_options now;
};

static bool is_of_length(const struct live_setting *setting)
{
    return setting->command == COMMAND_EPOCHS || setting->command == COMMAND_STEPS;
}

/* Where it matters: a resume that changes nothing has nothing to read but what it goes on from. */
static struct finished look_whether_finished(const struct cli *cli, const struct session *session)
{
    const struct live_setting *setting;
    struct session_summary summary;
    struct settings settings;
    struct training_state state;
    bool matters = false;
    for (int i = 0; (setting = live_setting(i)); i++)
        matters |= !setting->of_session && !is_of_length(setting) && cli_given(cli, setting->name);
    if (!matters)
        return (struct finished){.step = -1};
    session_summarize(session, &summary);
    if (strcmp(summary.state, "finished") != 0 || session_in_force(session, &settings, &state, NULL) != 0 ||
        state.step < summary.step)
        return (struct finished){.step = -1};
    return (struct finished){.step = state.step, .now = settings.train};
}

/* No checkpoint would have a change that no step is made with: the next resume would undo it. */
static int check_steps_to_come(const struct finished *finished, const struct run_request *request, struct error *error)
{
    const char *change = NULL;
    const long from = request->checkpoint.which;
    if (finished->step < 0 || (from != CHECKPOINT_LATEST && from != finished->step))
        return 0;
    for (int i = 0; i < request->change_count; i++) {
        const struct live_setting *setting = live_of_command(request->changes[i].kind);
        const bool is_so = live_get(setting, &finished->now) == request->changes[i].value;
        if (is_of_length(setting) && !is_so)
            return 0;
        if (!setting->of_session && (!is_so || setting->command == COMMAND_LEARNING_RATE))
            change = setting->name;
    }
    return change ? error_set(error, "--%s: all %ld steps are done: give --epochs M with it", change, finished->step)
                  : 0;
}

/* The session's own settings, with those of the command line over them. */
enum cli_status cli_resume(struct cli *cli)
{
    static const char *const of_screen[] = {"keep-running", "graphics"};
    struct error error;
    struct session *session;
    long until;
    const char *name = cli->operands[0];
    for (int i = 0; i < 2 && !cli_value(cli, "screen"); i++)
        if (cli_value(cli, of_screen[i])) {
            error_set(&error, "--%s is of the screen: add --screen, or leave it out", of_screen[i]);
            return cli_usage(cli, &error);
        }
    if (cli_value(cli, "screen") && cli_value(cli, "until")) {
        error_set(&error, "--until is of a run without a screen: leave --screen out");
        return cli_usage(cli, &error);
    }
    if (read_until(cli, &until, &error) != 0)
        return cli_usage(cli, &error);
    if (session_open(&cli->settings, name, SESSION_READ, &session, &error) != 0)
        return cli_failed(cli, &error);
    struct settings settings = *session_settings(session);
    const struct finished finished = look_whether_finished(cli, session);
    session_close(session);
    struct run_request request = {.settings = &settings, .resume = name, .script = cli_value(cli, "script")};
    if (!cli_value(cli, "screen") && cli_script_check(request.script, &error) != 0)
        return cli_usage(cli, &error);
    if (cli_checkpoint(cli, CHECKPOINT_LATEST, &request.checkpoint, &error) != 0)
        return cli_usage(cli, &error);
    if (cli_change_session(cli, &settings, &request, &error) != 0 ||
        check_steps_to_come(&finished, &request, &error) != 0)
        return cli_usage(cli, &error);
    request.keep_running = cli_value(cli, "keep-running") != NULL;
    return cli_value(cli, "screen") ? cli_show(cli, &request) : train(cli, request, until);
}
