/* The run as the screen sees it: what it reports while it goes on, and how it ended. All of it becomes lines of the
 * log, points of the curves and numbers of the header. */
#include "tui/app_state.h"

#include "base/clock.h"
#include "base/digits.h"
#include "tui/terminal.h"
#include "tui/words.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const double FIGURES_SECONDS = 0.5;

void app_log(struct app *app, enum journal_kind kind, const char *format, ...)
{
    char text[JOURNAL_TEXT];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    journal_add(app->scene.journal, kind, app->past ? 0 : clock_calendar(), "%s", text);
    app_keep_newest(app);
    app->dirty = true;
}

void app_message(struct app *app, enum role role, const char *title, const char *text)
{
    struct scene *scene = &app->scene;

    scene->asks_to_leave = false;
    if (scene->phase != PHASE_LEAVING)
        app->next.session[0] = 0;
    scene->overlay = OVERLAY_MESSAGE;
    scene->overlay_scroll = 0;
    scene->message_role = role;
    snprintf(scene->message_title, sizeof(scene->message_title), "%s", title);
    snprintf(scene->message, sizeof(scene->message), "%s", text);
    app->dirty = true;
}

void app_fail(struct app *app, const char *title)
{
    app->run_failed = true;
    app_log(app, JOURNAL_ERROR, "%s: %s", title, app->error.message);
    app_message(app, ROLE_BAD, title, app->error.message);
}

/* ---- News of the run ---- */

void app_take_best(struct scene *scene, const struct epoch_record *epoch)
{
    if (!epoch->best)
        return;
    scene->best = scene->best_is_test ? epoch->test_accuracy : epoch->validation_accuracy;
    scene->best_step = epoch->step;
}

/* Of a run with other records than before. */
void app_find_best(struct scene *scene, const struct metrics *history)
{
    scene->best = -1;
    scene->best_step = 0;
    for (int i = 0; i < history->epoch_count; i++)
        app_take_best(scene, &history->epochs[i]);
}

int app_add_probes(struct app *app, const struct metrics *history, struct error *error)
{
    for (int i = 0; i < history->probe_count; i++)
        if (probes_add(app->scene.probes, history->probes[i], error))
            return -1;
    return 0;
}

static size_t append_measure(char *text, size_t size, const char *name, float loss, float accuracy)
{
    char percent[32], words[32];

    if (accuracy < 0)
        return 0;
    words_percent((double)accuracy, percent, sizeof(percent));
    digits_loss((double)loss, words, sizeof(words));
    return (size_t)snprintf(text, size, "   %s %s, loss %s", name, percent, words);
}

static void log_epoch(struct app *app, const struct epoch_record *epoch)
{
    struct scene *scene = &app->scene;
    char text[256];
    size_t used;

    app_take_best(scene, epoch);
    if (epoch->run_end)
        scene->results = *epoch;
    if (epoch->epoch_end)
        used = (size_t)snprintf(text, sizeof(text), "epoch %d", epoch->epoch);
    else
        used = (size_t)snprintf(text, sizeof(text), "step %ld", epoch->step);
    used += append_measure(text + used, sizeof(text) - used, "training", epoch->train_loss, epoch->train_accuracy);
    used += append_measure(text + used, sizeof(text) - used, "validation", epoch->validation_loss,
                           epoch->validation_accuracy);
    used += append_measure(text + used, sizeof(text) - used, "test", epoch->test_loss, epoch->test_accuracy);
    snprintf(text + used, sizeof(text) - used, "%s", epoch->best ? "   best so far" : "");
    app_log(app, JOURNAL_RESULT, "%s", text);
}

static const char look[] = "Blocks (key 3) shows what the signal does in each";
static const char choose[] = "accept takes the best, accept VALUE another, drop none";
static const char no_best[] = "none made all steps: accept VALUE takes one, drop none";

/* What a person may want to do next. */
static const char *way_on(const struct command_record *record)
{
    const enum command_kind kind = record->command.kind;

    if (!record->ok)
        return "";
    if (kind == COMMAND_LR_FIND && strstr(record->outcome, "no advice"))
        return "drop goes on";
    if (kind == COMMAND_TRY && !strstr(record->outcome, "(best)"))
        return no_best;
    if (kind == COMMAND_TRY || kind == COMMAND_LR_FIND)
        return choose;
    return kind == COMMAND_PAUSE ? look : "";
}

/* A `step` is under way until a person has the run do something else; what else happens on the way leaves it so. */
static void note_step(struct app *app, const struct command_record *record)
{
    if (!record->ok)
        return;
    switch (record->command.kind) {
    case COMMAND_STEP:
        app->pause_step = record->step + record->command.count;
        break;
    case COMMAND_PAUSE:
    case COMMAND_RESUME:
    case COMMAND_ROLLBACK:
        app->pause_step = 0;
        break;
    default:
        break;
    }
}

/* What came of a command that was given before the newest, which was refused, does not hide why: it is in the log. */
static void answer(struct app *app, enum role role, const char *text)
{
    const struct notice *newest = &app->scene.notice;

    if (!*newest->text || newest->role != ROLE_BAD)
        app_notice(app, role, "%s", text);
}

static void log_outcome(struct app *app, const struct command_record *record, const char *more)
{
    app_log(app, record->ok ? JOURNAL_COMMAND : JOURNAL_ERROR, *more ? "%s: %s; %s" : "%s: %s%s", record->command.text,
            record->outcome, more);
}

/* The name in "forked at step 40: nfbench resume --screen 'FOLDER/a NAME'", which is quoted for the shell. */
static void name_fork(const char *outcome, char name[SESSION_NAME_SIZE])
{
    static const char before[] = " --screen ", quote[] = "'\\''";
    const char *begin = strstr(outcome, before), *slash = strrchr(outcome, '/'); /* no name has one */
    size_t length = 0;

    begin = slash ? slash + 1 : begin ? begin + strlen(before) : outcome;
    begin += *begin == '\'' && strncmp(begin, quote, strlen(quote)) != 0;
    while (*begin && length < SESSION_NAME_SIZE - 1) {
        if (strncmp(begin, quote, strlen(quote)) == 0)
            begin += strlen(quote) - 1;
        else if (*begin == '\'')
            break;
        name[length++] = *begin++;
    }
    name[length] = '\0';
}

static void take_command(struct app *app, const struct command_record *record)
{
    char text[sizeof(record->outcome) + 128];
    const char *more = way_on(record);
    char name[SESSION_NAME_SIZE], open[sizeof(name) + 32];

    if (strcmp(record->command.text, app->asked_text) == 0)
        app->scene.asked = false;
    note_step(app, record);
    if (record->ok && record->command.kind == COMMAND_SAVE && *record->command.name)
        command_know_name(record->command.name);
    if (record->ok && record->command.kind == COMMAND_FORK) {
        name_fork(record->outcome, name);
        snprintf(open, sizeof(open), "open %s goes on with it here", name);
        more = open;
    }
    log_outcome(app, record, more);
    snprintf(text, sizeof(text), *more ? "%s; %s" : "%s%s", record->outcome, more);
    if (more == choose) /* what was tried is on the chart and in the log */
        snprintf(text, sizeof(text), "%s", choose);
    answer(app, record->ok ? ROLE_GOOD : ROLE_BAD, text);
}

/* Paused at a step that is not finite: why, and what the person can do. */
void app_explain_divergence(struct app *app, const char *diagnosis)
{
    char text[JOURNAL_TEXT];

    snprintf(text, sizeof(text),
             "%s. Training is paused with the weights before that step. :back goes to the last good checkpoint and "
             "waits there: change something (:lr x0.1), then resume. Without it resume tries the same step again; "
             "%s ends the run.",
             diagnosis, app->scene.facts.attached ? "stop" : "quit");
    words_sentences(text);
    app_message(app, ROLE_BAD, "Training diverged", text);
    app_notice(app, ROLE_BAD, "diverged; back goes to the last good checkpoint, resume tries the step again");
}

static void log_finding(struct app *app, const struct finding *finding)
{
    static const enum journal_kind kinds[] = {
        [FINDING_NOTE] = JOURNAL_NOTE, [FINDING_WARNING] = JOURNAL_WARNING, [FINDING_ALARM] = JOURNAL_ERROR};

    app_log(app, finding->over ? JOURNAL_GOOD : kinds[finding->severity], "%s", finding->text);
}

static void take_finding(struct app *app, const struct finding *finding)
{
    log_finding(app, finding);
    if (finding->kind == FINDING_DIVERGENCE && finding->severity == FINDING_ALARM)
        app_explain_divergence(app, finding->text);
}

/* The records of epochs, commands and findings, in the order of their steps. */
void app_log_past(struct app *app, const struct metrics *history)
{
    int epoch = 0, command = 0, finding = 0;

    app->past = true;
    while (epoch < history->epoch_count || command < history->command_count || finding < history->finding_count) {
        const long none = LONG_MAX, of_epoch = epoch < history->epoch_count ? history->epochs[epoch].step : none;
        const long of_command = command < history->command_count ? history->commands[command].step : none;
        const long of_finding = finding < history->finding_count ? history->findings[finding].step : none;

        if (of_finding <= of_epoch && of_finding <= of_command)
            log_finding(app, &history->findings[finding++]);
        else if (of_epoch <= of_command)
            log_epoch(app, &history->epochs[epoch++]);
        else
            log_outcome(app, &history->commands[command++], "");
    }
    app->past = false;
}

static void take_event(struct app *app, const struct event *event)
{
    struct error error;

    app->dirty = true;
    app_keep_event(app, event);
    if (!app_knows_command(app, event) && curves_add_event(app->scene.curves, event, &error))
        app_log(app, JOURNAL_ERROR, "the curves have a gap: %s", error.message);
    if (event->kind == EVENT_EPOCH)
        log_epoch(app, &event->epoch);
    else if (event->kind == EVENT_COMMAND)
        take_command(app, &event->command);
    else if (event->kind == EVENT_ROLLBACK)
        app_go_back(app, event->rollback);
    else if (event->kind == EVENT_TRIAL)
        app_follow_trial(app, &event->trial);
    else if (event->kind == EVENT_COURSE)
        app_read_course(app);
    else if (event->kind == EVENT_FINDING)
        take_finding(app, &event->finding);
    else if (event->kind == EVENT_CHECKPOINT && event->saved > 0) /* that of the beginning is no news */
        app_log(app, JOURNAL_NOTE, "checkpoint of step %ld saved", event->saved);
    else if (event->kind == EVENT_MESSAGE)
        app_log(app, JOURNAL_WARNING, "%s", event->message);
}

static void take_events(struct app *app)
{
    struct port *port = run_parts(app->run)->port;
    struct event event;
    struct error error;
    char warning[SESSION_WARNING_SIZE];

    /* before the events: a rollback takes those away that were behind it */
    while (port_next_probe(port, app->incoming)) {
        app->dirty = true;
        if (probes_add(app->scene.probes, app->incoming, &error))
            app_log(app, JOURNAL_ERROR, "a probe is not kept: %s", error.message);
    }
    while (port_next_event(port, &event))
        take_event(app, &event);
    if (session_take_warning(run_parts(app->run)->session, warning))
        app_log(app, JOURNAL_WARNING, "%s", warning);
}

/* The trainer's thread is at its end: what it left is taken, and the session told. */
void app_end_run(struct app *app)
{
    struct snapshot *last = &app->scene.snapshot;

    app->run_failed = run_finish(app->run, last, &app->error) != 0;
    app->run_ended = true;
    last->eta_seconds = -1; /* nothing is to come */
    app->scene.asked = false;
    app->scene.gauge[0] = '\0';
    take_events(app);
    app_follow_images(app);
    if (run_parts(app->run)->done)
        app->scene.results = last->epoch;
    if (last->state == TRAINER_DIVERGED)
        app_message(app, ROLE_BAD, "Training diverged", last->message);
    else if (app->run_failed)
        app_fail(app, "The run failed");
    else
        app_log(app, JOURNAL_NOTE, "%s at step %ld; q leaves%s", trainer_state_name(last->state), last->step.step,
                run_parts(app->run)->done ? ", nfbench resume --screen with --epochs M goes on further" : "");
}

/* While it trains they are taken so often that an eye can follow: over a slow line they cost more than the step. What
 * has come to rest shows what it came to. */
static void take_figures(struct app *app)
{
    const double now = clock_seconds();

    if (app->scene.snapshot.state == TRAINER_RUNNING && now - app->figures_time < FIGURES_SECONDS)
        return;
    if (!scene_take_figures(&app->scene))
        return;
    app->figures_time = now;
    app->dirty = true;
}

void app_follow_run(struct app *app)
{
    struct snapshot now;

    if (!app->run || app->run_ended)
        return;
    memset(&now, 0, sizeof(now));
    take_events(app);
    port_snapshot(run_parts(app->run)->port, &now); /* behind them: no answer is told of an older state */
    app_sample(app);
    if (app->pause_step > 0 && now.state == TRAINER_PAUSED && now.step.step >= app->pause_step) {
        app_notice(app, ROLE_GOOD, "paused at step %ld; %s", now.step.step, look);
        app->pause_step = 0;
    }
    if (now.state == TRAINER_WAITING && app->scene.snapshot.state != TRAINER_WAITING)
        app_notice(app, ROLE_BAD, "the disk is full: training waits for room; resume tries again at once");
    if (now.state != TRAINER_WAITING && app->scene.snapshot.state == TRAINER_WAITING && !trainer_has_ended(now.state))
        app_notice(app, ROLE_GOOD, "the disk has room again");
    if (now.steps_per_epoch != app->scene.snapshot.steps_per_epoch)
        curves_set_epoch(app->scene.curves, (double)now.steps_per_epoch);
    if (memcmp(&now, &app->scene.snapshot, sizeof(now)) != 0) {
        command_changes(&now, &run_parts(app->run)->settings->train, app->scene.changed, sizeof(app->scene.changed));
        app->scene.probe_every = now.probe_every;
        app->scene.snapshot = now;
        app->dirty = true;
    }
    if (run_has_ended(app->run, &now))
        app_end_run(app);
    else
        app_follow_images(app);
    take_figures(app);
}

bool app_may_end(const struct app *app)
{
    return app->scene.phase == PHASE_LEAVING && !app->launch && (!app->run || app->run_ended);
}
