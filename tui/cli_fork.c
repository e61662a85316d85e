/* `nfbench fork`: another session that goes on from any step of one. The step is come to as the screen's `back STEP`
 * does it: from the nearest checkpoint before it, with the commands that were in force; the parent is only read. */
#include "engine/live.h"
#include "tui/cli.h"
#include "tui/cli_progress.h"
#include "tui/platform.h"
#include "tui/run.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct fork {
    struct cli *cli;
    struct session *session;
    struct settings settings;   /* the fork's: as its parent began */
    struct run_request request; /* what it changes of them from its step on */
    struct dataset *dataset;
    struct backend *backend;
    struct network *network;
    struct trainer *trainer;
    struct training_state start;
    struct session_changes changes;
    char name[SESSION_NAME_SIZE], reference[FORK_REFERENCE_SIZE];
    long step;
};

/* ---- What the trainer makes ---- */

/* The changes that were asked for are commands of the fork; some hold for all of it. */
static int on_command(void *context, const struct command_record *record, struct error *error)
{
    struct fork *fork = context;
    const struct live_setting *setting = live_of_command(record->command.kind);
    (void)error;
    if (!setting || !record->ok || fork->changes.count == SESSION_CHANGES)
        return 0;
    fork->changes.records[fork->changes.count++] = *record;
    if (setting->of_session)
        live_put(setting, &fork->settings.train, record->command.value);
    return 0;
}

static int on_fork(void *context, const char *name, struct network *network, const struct training_state *state,
                   char reference[FORK_REFERENCE_SIZE], struct error *error)
{
    struct fork *fork = context;
    if (session_fork(fork->session, name, &fork->settings, network, state, &fork->changes, fork->name, error) != 0)
        return -1;
    fork->step = state->step;
    session_fork_reference(fork->session, &fork->settings, fork->name, reference);
    strcpy(fork->reference, reference);
    return 0;
}

/* ---- Coming to the step ---- */

/* What the step was made on, where that is recorded: its bits hang on it. */
static int choose_platform(const struct fork *fork, long at, struct settings *settings, struct error *error)
{
    struct metrics metrics;
    const struct platform *then = NULL;
    if (session_metrics(fork->session, &metrics, error) != 0)
        return -1;
    for (int i = 0; i < metrics.start_count; i++)
        if (metrics.starts[i].step < at)
            then = &metrics.starts[i].platform;
    const int result = then ? platform_choose(fork->cli, then, settings, error) : 0;
    live_copy(&fork->settings.train, &settings->train); /* the session's, whatever the fork is to have */
    metrics_free(&metrics);
    return result;
}

/* `at`: the step that is to be made; -1: none is. */
static int open_parts(struct fork *fork, const struct checkpoint_choice *from, long at, struct error *error)
{
    struct settings looks = fork->settings, *settings = &looks;
    struct partition parts;
    char device[DEVICE_TEXT_SIZE], note[DEVICE_NOTE_SIZE], warning[256];
    if (choose_platform(fork, at, settings, error) != 0 ||
        run_open_session_data(settings, &fork->dataset, error) != 0 ||
        partition_make(fork->dataset, &settings->train, &parts, error) != 0 ||
        run_open_network(settings, &parts, &fork->backend, &fork->network, device, note, error) != 0 ||
        session_load_choice(fork->session, from, fork->network, &fork->start, warning, error) != 0)
        return -1;
    cli_note(note);
    cli_note(warning);
    struct trainer_sink sink = session_source(fork->session);
    sink.context = fork;
    sink.on_command = on_command;
    sink.on_fork = on_fork;
    if (trainer_create(fork->network, fork->dataset, &settings->train, &fork->start, &sink, &fork->trainer, error) != 0)
        return -1;
    trainer_only_looks(fork->trainer);
    return trainer_start(fork->trainer, true, error);
}

/* Gives a command and waits until it is done; -1 when it could not be. */
static int command(const struct fork *fork, const struct command *command, struct error *error)
{
    const struct timespec tick = {.tv_nsec = 20000000};
    struct progress progress;
    struct snapshot now;
    struct event event;
    int result = 1;
    if (trainer_command(fork->trainer, command, error) != 0)
        return -1;
    progress_open(&progress, STDERR_FILENO);
    while (result > 0) {
        trainer_snapshot(fork->trainer, &now);
        while (result > 0 && trainer_next_event(fork->trainer, &event))
            if (event.kind == EVENT_COMMAND && strcmp(event.command.command.text, command->text) == 0)
                result = event.command.ok ? 0 : error_set(error, "%s", event.command.outcome);
        if (result > 0 && trainer_has_ended(now.state))
            result = error_set(error, "%s", now.message);
        if (now.rehearse_total > 0)
            progress_share(&progress, "making steps again", (int)now.rehearsed, (int)now.rehearse_total);
        nanosleep(&tick, NULL);
    }
    progress_close(&progress);
    if (result == 0 && command->kind != COMMAND_FORK)
        fprintf(stderr, "%s\n", event.command.outcome);
    return result;
}

/* A fork has a step to make, or none; not some that it has made too many. */
static int check_end(const struct fork *fork, long step, struct error *error)
{
    const struct timespec tick = {.tv_nsec = 20000000};
    struct snapshot now;
    while (!trainer_is_settled(fork->trainer))
        nanosleep(&tick, NULL);
    trainer_snapshot(fork->trainer, &now);
    const bool given = cli_given(fork->cli, "epochs") || cli_given(fork->cli, "steps");
    return !given || step <= now.steps_total
               ? 0
               : error_set(error, "a fork at step %ld would be behind its end: with these settings that is step %ld",
                           step, now.steps_total);
}

/* `at`: a step, or -1: the checkpoint that the trainer began with. */
static int make(struct fork *fork, long at, const char *name, struct error *error)
{
    struct command back = {.kind = COMMAND_BACK, .count = at, .text = "back"};
    struct command make = {.kind = COMMAND_FORK, .text = "fork"};
    snprintf(make.name, sizeof make.name, "%s", name);
    if (at >= 0 && command(fork, &back, error) != 0)
        return -1;
    for (int i = 0; i < fork->request.change_count; i++) {
        const struct command *change = &fork->request.changes[i];
        if (!run_is_so(fork->trainer, change) && command(fork, change, error) != 0)
            return -1;
    }
    if (check_end(fork, at >= 0 ? at : fork->start.step, error) != 0)
        return -1;
    return command(fork, &make, error);
}

/* ---- The subcommand ---- */

static int read_options(struct fork *fork, struct checkpoint_choice *from, long *at, const char **name,
                        struct error *error)
{
    const struct cli *cli = fork->cli;
    const long end = cli_given(cli, "steps") ? cli->settings.train.steps : 0;
    long newest;
    if (session_newest_step(fork->session, &newest, error) != 0)
        return -1;
    *name = cli_value(cli, "session") ? cli_value(cli, "session") : "";
    if (cli_choice(cli, "at", CHECKPOINT_LATEST, from, error) != 0 ||
        cli_change_session(cli, &fork->settings, &fork->request, error) != 0)
        return -1;
    *at = from->which;
    if (*at < 0) {
        *at = -1;
        return 0;
    }
    from->which = CHECKPOINT_LATEST;
    if (end > 0 && *at > end)
        return error_set(error, "--steps %ld: a fork at step %ld would be behind its end", end, *at);
    return *at <= newest ? 0
                         : error_set(error, "--at %ld: session %s has come to step %ld", *at,
                                     session_name(fork->session), newest);
}

static enum cli_status report(struct cli *cli, const struct fork *fork)
{
    if (cli->settings.json)
        return cli_print_json(cli,
                              json_pack("{s:o, s:o, s:I}", "session", cli_json_text(fork->name), "parent",
                                        cli_json_text(session_name(fork->session)), "step", (json_int_t)fork->step));
    printf("session %s begins at step %ld of %s%s: nfbench resume %s goes on from there\n", fork->name, fork->step,
           session_name(fork->session), cli_value(cli, "at") ? "" : ", its last checkpoint (--at STEP takes another)",
           fork->reference);
    return CLI_DONE;
}

static void close_parts(struct fork *fork)
{
    if (fork->trainer)
        trainer_destroy(fork->trainer);
    if (fork->network)
        network_destroy(fork->network);
    if (fork->backend)
        fork->backend->destroy(fork->backend);
    if (fork->dataset)
        dataset_close(fork->dataset);
    session_close(fork->session);
}

enum cli_status cli_fork(struct cli *cli)
{
    struct fork fork = {.cli = cli};
    struct checkpoint_choice from;
    struct error error = {""};
    const char *name;
    long at;
    if (session_open(&cli->settings, cli->operands[0], SESSION_READ, &fork.session, &error) != 0)
        return cli_failed(cli, &error);
    fork.settings = *session_settings(fork.session);
    if (cli_given(cli, "sessions-dir"))
        memcpy(fork.settings.sessions_dir, cli->settings.sessions_dir, sizeof fork.settings.sessions_dir);
    enum cli_status status = CLI_DONE;
    if (read_options(&fork, &from, &at, &name, &error) != 0)
        status = cli_usage(cli, &error);
    else if (open_parts(&fork, &from, at, &error) != 0 || make(&fork, at, name, &error) != 0)
        status = cli_failed(cli, &error);
    else
        status = report(cli, &fork);
    close_parts(&fork);
    return status;
}
