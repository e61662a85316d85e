/* The session's folder: making, opening, locking, and what the trainer writes into it; see session.h. */
#include "sessions/session_internal.h"

#include "sessions/state_record.h"
#include "sessions/tensorboard.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Open and close ---- */

static struct session *allocate(struct error *error)
{
    struct session *session = calloc(1, sizeof *session);
    if (!session)
        error_set(error, "out of memory");
    else
        session->lock = -1;
    return session;
}

void session_close(struct session *session)
{
    if (!session)
        return;
    metrics_log_close(session->metrics, NULL);
    metrics_log_close(session->commands, NULL);
    tensorboard_close(session->board);
    if (session->lock >= 0)
        close(session->lock); /* releases it */
    free(session);
}

void session_abandon(struct session *session)
{
    if (!session)
        return;
    if (session->lock >= 0) /* nobody else can have begun to use it */
        session_discard(&session->paths);
    session_close(session);
}

static int open_logs(struct session *session, struct error *error)
{
    if (metrics_log_open(session->paths.metrics, &session->metrics, error))
        return -1;
    long count; /* known from now on: nobody who asks for it later has to read the log */
    return metrics_log_open(session->paths.commands, &session->commands, error) ||
                   metrics_log_count(session->commands, &count, error)
               ? -1
               : 0;
}

/* A relative folder would be another one when the session is resumed from elsewhere. */
static int make_data_absolute(struct settings *settings, struct error *error)
{
    if (strcmp(settings->data, "synthetic") == 0 || settings->data[0] == '/')
        return 0;
    char *absolute = realpath(settings->data, NULL);
    if (!absolute)
        return error_set(error, "data %s: %s", settings->data, strerror(errno));
    int result = settings_set(settings, "data", absolute, error);
    free(absolute);
    return result;
}

static int fill(struct session *session, struct error *error)
{
    struct session_paths *paths = &session->paths;
    if (make_data_absolute(&session->settings, error) || file_make_folders(paths->checkpoints, error) ||
        file_make_folders(paths->images, error) || open_logs(session, error))
        return -1;
    session->kept = session->settings;
    return 0;
}

/* The folder and its lock, or nothing. */
static int claim(struct session *session, const char *directory, struct error *error)
{
    int guard;
    if (session_guard(directory, &guard, error))
        return -1;
    int result = session_claim(&session->settings, directory, session->name, &session->paths, error);
    if (result == 0 && session_lock(&session->paths, session->name, &session->lock, error)) {
        session_discard(&session->paths);
        result = -1;
    }
    session_unguard(guard);
    return result;
}

int session_prepare(const struct settings *settings, struct session **out, struct error *error)
{
    char directory[SETTINGS_PATH_SIZE];
    struct session *session = allocate(error);
    if (!session)
        return -1;
    session->settings = *settings;
    if (sessions_directory(settings, directory, error) || file_make_folders(directory, error) ||
        claim(session, directory, error)) {
        session_close(session);
        return -1;
    }
    session_name_reference(session);
    if (fill(session, error) || file_sync_folder(directory, error)) {
        session_abandon(session);
        return -1;
    }
    *out = session;
    return 0;
}

int session_publish(const struct session *session, struct error *error)
{
    return settings_write(&session->settings, session->paths.settings, error);
}

int session_create(const struct settings *settings, struct session **out, struct error *error)
{
    struct session *session;
    if (session_prepare(settings, &session, error))
        return -1;
    if (session_publish(session, error)) {
        session_abandon(session);
        return -1;
    }
    *out = session;
    return 0;
}

int session_open(const struct settings *settings, const char *name, enum session_mode mode, struct session **out,
                 struct error *error)
{
    struct session *session = allocate(error);
    if (!session)
        return -1;
    if (session_find(settings, name, session->name, &session->paths, error))
        goto fail;
    if (mode == SESSION_WRITE && session_lock(&session->paths, session->name, &session->lock, error))
        goto fail;
    if (session_read_settings(session, settings, name, error)) {
        error_prefix(error, "session %s", session->name);
        goto fail;
    }
    if (mode == SESSION_WRITE && (file_make_folders(session->paths.checkpoints, error) || open_logs(session, error) ||
                                  session_recover_back(session, error)))
        goto fail;
    *out = session;
    return 0;
fail:
    session_close(session);
    return -1;
}

const char *session_name(const struct session *session)
{
    return session->name;
}

const char *session_note(const struct session *session)
{
    return session->note;
}

const char *session_reference(const struct session *session)
{
    return session->reference;
}

const char *session_path(const struct session *session)
{
    return session->paths.folder;
}

const struct settings *session_settings(const struct session *session)
{
    return &session->settings;
}

int session_update_settings(struct session *session, const struct settings *settings, struct error *error)
{
    struct settings changed = *settings;
    if (make_data_absolute(&changed, error) || settings_write(&changed, session->paths.settings, error))
        return -1;
    session->settings = session->kept = changed;
    return 0;
}

void session_set_platform(struct session *session, const struct platform *platform)
{
    session->platform = *platform;
    session->has_platform = true;
}

int session_log_start(const struct session *session, long step, struct error *error)
{
    return session->has_platform ? metrics_log_start(session->metrics, step, &session->platform, error)
                                 : metrics_log_state(session->metrics, METRICS_STARTED, step, "", error);
}

int session_begin(struct session *session, struct error *error)
{
    return session_log_start(session, 0, error);
}

int session_write_checkpoint(const struct session *session, struct network *network, const struct training_state *state,
                             bool best, long commands, struct error *error)
{
    char path[FILE_PATH_SIZE];
    struct checkpoint_info info = {.state = *state, .best = best, .commands = commands}, old;
    settings_digest(&session->settings, info.settings_digest);
    info.settings = &session->kept;
    if (path_format(path, error, "%s/%ld.safetensors", session->paths.checkpoints, state->step))
        return -1;
    if (!best && checkpoint_read_info(path, &old, error) == 0)
        info.best = old.best && old.state.step == state->step; /* `save` of one that is saved already keeps its mark */
    else if (!best && !checkpoint_is_lost(errno) && errno != EIO) /* what the disk has lost is written anew */
        return -1;
    return checkpoint_save(path, network, &info, error);
}

/* The logs first: a checkpoint on the disk has all its records there too. */
int session_save(struct session *session, struct network *network, const struct training_state *state, bool best,
                 struct error *error)
{
    long commands;
    if (metrics_log_sync(session->metrics, error) || metrics_log_sync(session->commands, error) ||
        metrics_log_count(session->commands, &commands, error) ||
        session_write_checkpoint(session, network, state, best, commands, error) || session_finish_back(session, error))
        return -1;
    return checkpoint_prune(session->paths.checkpoints, error);
}

/* ---- Checkpoints back ---- */

bool session_entry_matches(const struct checkpoint_entry *entry, long which)
{
    struct checkpoint_info info;
    if (which == CHECKPOINT_BEST || which == CHECKPOINT_GOOD)
        return checkpoint_read_info(entry->path, &info, NULL) == 0 &&
               (which == CHECKPOINT_BEST ? info.best : !info.state.unsound);
    return which == CHECKPOINT_LATEST || entry->step == which;
}

/* A process that died before the first checkpoint was saved had made no step yet. */
static bool has_not_begun(const struct session *session)
{
    struct metrics metrics = {0};
    const bool read = session_metrics(session, &metrics, NULL) == 0;
    const bool begun = !read || metrics.last_step > 0 || metrics.damaged_lines > 0 || metrics.imported;
    metrics_free(&metrics);
    return !begun;
}

static int no_checkpoint(const struct session *session, long which, struct error *error)
{
    if (which >= 0)
        return error_set(error, "session %s has no checkpoint at step %ld", session->name, which);
    return error_set(error, "session %s has no checkpoint%s%s", session->name,
                     which == CHECKPOINT_BEST   ? " that was the best"
                     : which == CHECKPOINT_GOOD ? " that is good"
                                                : "",
                     has_not_begun(session) ? " yet" : ": `nfbench sessions verify` looks at what there is");
}

static void compare_settings(const struct session *session, const struct checkpoint_info *info, char note[256])
{
    char digest[SETTINGS_DIGEST_SIZE];
    settings_digest(&session->settings, digest);
    if (strcmp(digest, info->settings_digest) && !*note)
        snprintf(note, 256, "the checkpoint of step %ld was made with other settings than settings.ini has now",
                 info->state.step);
}

/* 1: loaded, 0: not one of those asked for, -1: it cannot be known. What it says of itself counts once it is verified.
 */
static int try_once(const struct checkpoint_entry *entry, long which, struct network *network,
                    struct checkpoint_info *info, struct error *error)
{
    const bool by_content = which == CHECKPOINT_BEST || which == CHECKPOINT_GOOD;
    if (by_content && checkpoint_verify(entry->path, info, error))
        return -1;
    if (by_content ? !(which == CHECKPOINT_BEST ? info->best : !info->state.unsound)
                   : which != CHECKPOINT_LATEST && entry->step != which)
        return 0;
    return checkpoint_load(entry->path, network, info, error) ? -1 : 1;
}

/* A network's file system may have a moment's trouble. */
static int try_entry(const struct checkpoint_entry *entry, long which, struct network *network,
                     struct checkpoint_info *info, struct error *error)
{
    const int result = try_once(entry, which, network, info, error);
    return result < 0 && errno == EIO ? try_once(entry, which, network, info, error) : result;
}

/* Loads the newest good one of those asked for. `damaged` (may be NULL) counts the newer ones passed over. */
static int load_from(const struct session *session, const struct checkpoint_entry *entries, int count, long which,
                     struct network *network, struct checkpoint_info *info, int *damaged, char note[256],
                     struct error *error)
{
    struct error first = {""};
    int tried = 0;
    for (int i = 0; i < count; i++) {
        struct error reason = {""};
        const int found = try_entry(&entries[i], which, network, info, &reason);
        if (found > 0) {
            if (tried)
                snprintf(note, 256, "%.180s; step %ld taken instead", first.message, entries[i].step);
            compare_settings(session, info, note);
            *damaged = i;
            return 0;
        }
        if (found < 0 && !checkpoint_is_lost(errno))
            return error_set(error, "%s%s", reason.message,
                             errno == EIO ? ". It may be whole: nothing was changed; `--checkpoint STEP` takes another"
                                          : "");
        if (found < 0 && tried++ == 0)
            first = reason;
    }
    if (!tried)
        return no_checkpoint(session, which, error);
    return error_set(error, "%s", first.message);
}

static int remove_entry(const struct checkpoint_entry *entry, struct error *error)
{
    return unlink(entry->path) ? file_failed(error, "remove", entry->path) : 0;
}

static int set_aside(const struct checkpoint_entry *entry, struct error *error)
{
    char path[FILE_PATH_SIZE];
    if (path_format(path, error, "%s.damaged", entry->path))
        return -1;
    if (rename(entry->path, path))
        return file_failed(error, "rename", entry->path);
    return 0;
}

/* A run that trains meanwhile has given it up for newer ones. */
static bool is_any_gone(const struct checkpoint_entry *entries, int count)
{
    for (int i = 0; i < count; i++)
        if (access(entries[i].path, F_OK) != 0 && errno == ENOENT)
            return true;
    return false;
}

int session_load(struct session *session, long which, struct network *network, struct training_state *state,
                 char note[256], struct error *error)
{
    enum { TRIES = 20 };
    struct checkpoint_info info;
    bool again = true;
    int result = -1;
    for (int i = 0; i < TRIES && again; i++) {
        struct checkpoint_entry *entries = NULL;
        int count = 0, passed_over;
        note[0] = '\0';
        if (checkpoint_list(session->paths.checkpoints, &entries, &count, error))
            return -1;
        result = load_from(session, entries, count, which, network, &info, &passed_over, note, error);
        const int reason = errno;
        again = (result != 0 || *note) && is_any_gone(entries, result == 0 ? passed_over : count);
        errno = reason;
        free(entries);
    }
    if (result == 0 && state)
        *state = info.state;
    return result;
}

static int begin_anew(struct session *session, struct network *network, struct training_state *state, char note[256],
                      struct error *error)
{
    *state = training_state_first(session->settings.train.learning_rate);
    return session_undo_commands(session, state, 0, note, error) || session_save(session, network, state, false, error)
               ? -1
               : session_log_start(session, 0, error);
}

static void note_damaged_lines(const struct session *session, char note[256])
{
    const long damaged = metrics_log_damaged(session->metrics) + metrics_log_damaged(session->commands);
    const size_t used = strlen(note);
    if (damaged)
        snprintf(note + used, 256 - used, "%s%ld damaged line%s of its logs passed over", used ? "; " : "", damaged,
                 damaged == 1 ? "" : "s");
}

int session_resume(struct session *session, long which, struct network *network, struct training_state *state,
                   char note[256], struct error *error)
{
    struct checkpoint_entry *entries = NULL;
    struct checkpoint_info info;
    int count = 0, damaged = 0;
    note[0] = '\0';
    if (checkpoint_list(session->paths.checkpoints, &entries, &count, error))
        return -1;
    if (count == 0 && which == CHECKPOINT_LATEST && has_not_begun(session))
        return begin_anew(session, network, state, note, error);
    int result = load_from(session, entries, count, which, network, &info, &damaged, note, error);
    for (int i = 0; result == 0 && i < damaged; i++)
        result = which == CHECKPOINT_LATEST ? set_aside(&entries[i], error) : remove_entry(&entries[i], error);
    free(entries);
    if (result || metrics_log_cut(session->metrics, &info.state, 0, error) ||
        session_undo_commands(session, &info.state, info.commands, note, error) ||
        session_mend_gaps(session, &info, note, error) || session_log_start(session, info.state.step, error))
        return -1;
    note_damaged_lines(session, note);
    *state = info.state;
    return 0;
}

int session_in_force(const struct session *session, struct settings *settings, struct training_state *state,
                     struct error *error)
{
    struct checkpoint_entry *entries = NULL;
    struct checkpoint_info info;
    int count = 0, found = -1;
    if (checkpoint_list(session->paths.checkpoints, &entries, &count, error))
        return -1;
    bool lost = true;
    for (int i = 0; i < count && found < 0 && lost; i++) {
        found = checkpoint_read_info(entries[i].path, &info, error);
        lost = checkpoint_is_lost(errno);
    }
    free(entries);
    if (found < 0)
        return lost ? no_checkpoint(session, CHECKPOINT_LATEST, error) : -1;
    *state = info.state;
    *settings = session->settings;
    state_settings(state, settings);
    return 0;
}

void session_summarize(const struct session *session, struct session_summary *out)
{
    memset(out, 0, sizeof *out);
    strcpy(out->name, session->name);
    session_paths_summarize(&session->paths, out);
}

int session_newest_step(const struct session *session, long *step, struct error *error)
{
    struct checkpoint_entry *entries = NULL;
    struct metrics metrics = {0};
    int count = 0;
    if (checkpoint_list(session->paths.checkpoints, &entries, &count, error))
        return -1;
    *step = count ? entries[0].step : 0;
    free(entries);
    const int result = metrics_read_summary(session->paths.metrics, &metrics, error);
    *step = metrics.last_step > *step ? metrics.last_step : *step;
    metrics_free(&metrics);
    return result;
}

int session_metrics(const struct session *session, struct metrics *out, struct error *error)
{
    memset(out, 0, sizeof *out);
    if (metrics_read(session->paths.metrics, out, error) || metrics_read(session->paths.commands, out, error)) {
        metrics_free(out);
        return -1;
    }
    return 0;
}

static int read_on(const struct session *session, struct session_place *place, bool *replaced, struct metrics *out,
                   struct error *error)
{
    bool first, second = false;
    memset(out, 0, sizeof *out);
    const int result = metrics_read_on(session->paths.metrics, &place->metrics, &first, out, error) ||
                       metrics_read_on(session->paths.commands, &place->commands, &second, out, error);
    *replaced = !result && (first || second);
    if (result || *replaced)
        metrics_free(out);
    return result ? -1 : 0;
}

int session_metrics_on(const struct session *session, struct session_place *place, bool *anew, struct metrics *out,
                       struct error *error)
{
    static const struct session_place start;
    bool replaced = false;
    *anew = memcmp(place, &start, sizeof start) == 0;
    if (read_on(session, place, &replaced, out, error))
        return -1;
    if (!replaced)
        return 0;
    *anew = true;
    *place = start;
    if (read_on(session, place, &replaced, out, error))
        return -1;
    if (replaced) /* once more, meanwhile: the next time tells */
        *place = start;
    return 0;
}
