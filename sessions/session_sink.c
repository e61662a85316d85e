/* What the trainer reports to its session, and what it reads back; see session_sink in session.h. */
#include "sessions/session_internal.h"

#include "engine/live.h"

#include <stdlib.h>

static int on_step(void *context, const struct step_record *record, struct error *error)
{
    struct session *session = context;
    if (session->end == TRAINER_DIVERGED &&
        metrics_log_state(session->metrics, METRICS_STARTED, record->step, "", error))
        return -1;
    session->end = TRAINER_STARTING; /* the person has changed something, and it goes on */
    if (record->step % session->kept.train.log_every)
        return 0;
    if (metrics_log_step(session->metrics, record, error))
        return -1;
    session_board_step(session, record);
    return 0;
}

static int on_epoch(void *context, const struct epoch_record *record, struct error *error)
{
    struct session *session = context;
    if (metrics_log_epoch(session->metrics, record, error))
        return -1;
    session_board_epoch(session, record);
    return 0;
}

static int on_probe(void *context, const struct probe *probe, struct error *error)
{
    struct session *session = context;
    if (metrics_log_probe(session->metrics, probe, error))
        return -1;
    session_board_probe(session, probe);
    return 0;
}

/* Some of what a person changes holds for the session, whatever checkpoint it goes on from. */
static int keep_setting(struct session *session, const struct command_record *record, struct error *error)
{
    const struct live_setting *setting = live_of_command(record->command.kind);
    if (!setting || !setting->of_session || !record->ok)
        return 0;
    live_put(setting, &session->kept.train, record->command.value);
    return settings_write(&session->kept, session->paths.settings, error);
}

static int on_command(void *context, const struct command_record *record, struct error *error)
{
    struct session *session = context;
    session->ended = false; /* one that comes too late is not on the disk yet */
    if (keep_setting(session, record, error) || metrics_log_command(session->commands, record, error))
        return -1;
    session_board_command(session, record);
    return 0;
}

static void on_standstill(void *context, enum standstill standstill)
{
    const struct session *session = context;
    session_say_standstill(session->lock, standstill);
}

static int on_checkpoint(void *context, struct network *network, const struct training_state *state, bool best,
                         struct error *error)
{
    return session_save(context, network, state, best, error);
}

/* How it ended, or diverged, once. */
static int log_end(struct session *session, enum trainer_state state, long step, const char *message,
                   struct error *error)
{
    if (session->end == state)
        return 0;
    if (metrics_log_state(session->metrics, trainer_state_name(state), step, message, error))
        return -1;
    session->end = state;
    session_board_state(session, step, trainer_state_name(state), message);
    return 0;
}

/* Of a divergence the record was written when it happened. */
int session_end(struct session *session, enum trainer_state state, long step, const char *message, struct error *error)
{
    if (session->ended && session->end == state)
        return 0;
    session->ended = false;
    if (log_end(session, state, step, message, error) || metrics_log_sync(session->commands, error) ||
        metrics_log_sync(session->metrics, error))
        return -1;
    session->ended = true;
    return 0;
}

static int on_divergence(void *context, const char *diagnosis, long step, struct error *error)
{
    struct session *session = context;
    session->end = TRAINER_STARTING; /* one more */
    return log_end(session, TRAINER_DIVERGED, step, diagnosis, error);
}

static int on_end(void *context, enum trainer_state state, long step, const char *message, struct error *error)
{
    return session_end(context, state, step, message, error);
}

static int on_finding(void *context, const struct finding *finding, struct error *error)
{
    struct session *session = context;
    if (metrics_log_finding(session->metrics, finding, error))
        return -1;
    session_board_finding(session, finding);
    return 0;
}

static int on_rollback(void *context, struct network *network, const struct training_state *state, const char *name,
                       struct error *error)
{
    struct session *session = context;
    session->end = TRAINER_STARTING; /* its record is cut */
    if (session_go_back(session, network, state, name, error))
        return -1;
    session_board_go_back(session, name ? 0 : state->step); /* with a name: to other records */
    return 0;
}

/* The newest checkpoint of those asked for that is not behind `limit`; -1: there is none. */
static long newest(const struct session *session, long which, long limit)
{
    struct checkpoint_entry *entries = NULL;
    long found = -1;
    int count = 0;
    if (checkpoint_list(session->paths.checkpoints, &entries, &count, NULL))
        return -1;
    for (int i = 0; i < count && found < 0; i++)
        if (entries[i].step <= limit && session_entry_matches(&entries[i], which))
            found = entries[i].step;
    free(entries);
    return found;
}

static long good_step(void *context, long limit)
{
    return newest(context, CHECKPOINT_GOOD, limit);
}

static long saved_step(void *context, long limit)
{
    return newest(context, CHECKPOINT_LATEST, limit);
}

static long recorded_commands(void *context)
{
    const struct session *session = context;
    long count = 0;
    return metrics_log_count(session->commands, &count, NULL) ? -1 : count;
}

static int on_load(void *context, const char *name, long step, struct network *network, struct training_state *state,
                   struct error *error)
{
    struct session *session = context;
    char note[256]; /* that other settings are in force now is as it should be */
    struct checkpoint_info info;
    if (!name)
        return session_load(session, step, network, state, note, error);
    if (session_load_name(session, name, network, &info, error))
        return -1;
    *state = info.state;
    return 0;
}

static int on_name(void *context, const char *name, long step, struct error *error)
{
    return session_keep_name(context, name, step, error);
}

/* ---- The past ---- */

/* Whether a command was done behind `from`, of which so many came before it, and before `until`. */
static bool was_done_between(const struct command_record *record, long number, const struct training_state *from,
                             long until)
{
    const bool after = record->step > from->step || (record->step == from->step && number >= from->commands);
    const enum command_kind kind = record->command.kind;
    return after && record->step < until && (command_changes_state(kind) || kind == COMMAND_EVALUATE);
}

/* Keeps of each list what lies between, in its place. */
static void narrow(struct past *past, const struct training_state *from, long until)
{
    int steps = 0, epochs = 0, commands = 0;
    for (int i = 0; i < past->step_count; i++)
        if (past->steps[i].step > from->step && past->steps[i].step <= until)
            past->steps[steps++] = past->steps[i];
    for (int i = 0; i < past->epoch_count; i++)
        if (past->epochs[i].step > from->step && past->epochs[i].step <= until)
            past->epochs[epochs++] = past->epochs[i];
    for (int i = 0; i < past->command_count; i++)
        if (was_done_between(&past->commands[i], i, from, until))
            past->commands[commands++] = past->commands[i];
    past->step_count = steps;
    past->epoch_count = epochs;
    past->command_count = commands;
}

static int recall(void *context, const struct training_state *from, long until, struct past *out, struct error *error)
{
    const struct session *session = context;
    struct metrics metrics;
    if (session_metrics(session, &metrics, error))
        return -1;
    *out = (struct past){.steps = metrics.steps,
                         .step_count = metrics.step_count,
                         .epochs = metrics.epochs,
                         .epoch_count = metrics.epoch_count,
                         .commands = metrics.commands,
                         .command_count = metrics.command_count,
                         .imported = metrics.imported};
    metrics.steps = NULL; /* the caller's */
    metrics.epochs = NULL;
    metrics.commands = NULL;
    metrics_free(&metrics);
    narrow(out, from, until);
    return 0;
}

static int on_fork(void *context, const char *name, struct network *network, const struct training_state *state,
                   char reference[FORK_REFERENCE_SIZE], struct error *error)
{
    const struct session *session = context;
    char forked[SESSION_NAME_SIZE];
    if (session_fork(session, name, &session->kept, network, state, NULL, forked, error))
        return -1;
    session_fork_reference(session, &session->settings, forked, reference);
    return 0;
}

struct trainer_sink session_source(struct session *session)
{
    return (struct trainer_sink){
        .context = session, .source = session, .saved_step = saved_step, .recall = recall, .on_load = on_load};
}

struct trainer_sink session_sink(struct session *session)
{
    return (struct trainer_sink){
        .context = session,
        .on_step = on_step,
        .on_epoch = on_epoch,
        .on_command = on_command,
        .on_standstill = on_standstill,
        .on_checkpoint = on_checkpoint,
        .on_divergence = on_divergence,
        .on_end = on_end,
        .on_probe = on_probe,
        .on_finding = on_finding,
        .on_rollback = on_rollback,
        .good_step = good_step,
        .saved_step = saved_step,
        .recorded_commands = recorded_commands,
        .recall = recall,
        .on_load = on_load,
        .on_name = on_name,
        .on_fork = on_fork,
    };
}
