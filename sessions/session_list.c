/* The list of sessions; see sessions_list in session.h. */
#include "base/clock.h"
#include "engine/divergence.h"
#include "sessions/session_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void last_change(const char *path, time_t *changed)
{
    struct stat status;
    if (stat(path, &status) == 0 && status.st_mtime > *changed)
        *changed = status.st_mtime;
}

/* An accuracy beside an absurd loss is chance. */
static float best_accuracy(const struct metrics *metrics, int classes, bool *is_validation)
{
    float validation = -1, test = -1;
    for (int i = 0; i < metrics->epoch_count; i++) {
        const struct epoch_record *epoch = &metrics->epochs[i];
        if (epoch->validation_accuracy > validation && !health_loss_is_absurd(classes, epoch->validation_loss))
            validation = epoch->validation_accuracy;
        if (epoch->test_accuracy > test && !health_loss_is_absurd(classes, epoch->test_loss))
            test = epoch->test_accuracy;
    }
    *is_validation = validation >= 0;
    return *is_validation ? validation : test;
}

/* A run's end is recorded; the lock alone tells nothing of it: a screen that is looked at has it still. */
static const char *state_name(const struct session_summary *summary, const struct metrics *metrics)
{
    if (*metrics->end_state && strcmp(metrics->end_state, METRICS_STARTED))
        return metrics->end_state;
    if (summary->locked)
        return summary->standstill ? standstill_name(summary->standstill) : "training";
    return summary->step > 0 || *metrics->end_state ? "interrupted" : "new";
}

/* That could not be done which the run diverged at. */
static long last_step_done(const struct metrics *metrics, long saved)
{
    const bool is_diverged =
        strcmp(metrics->end_state, "diverged") == 0 && divergence_step(metrics->end_message) == metrics->last_step;
    const long last = is_diverged ? metrics->last_step - 1 : metrics->last_step;
    return last > saved ? last : saved;
}

static void stamp_file(const char *path, struct timespec *written, long long *size)
{
    struct stat status;
    if (stat(path, &status))
        return;
    *written = status.st_mtim;
    if (size)
        *size = status.st_size;
}

static struct session_stamp take_stamp(const struct session_paths *paths)
{
    struct session_stamp stamp;
    memset(&stamp, 0, sizeof stamp); /* it is compared as bytes */
    stamp_file(paths->metrics, &stamp.metrics, &stamp.metrics_size);
    stamp_file(paths->settings, &stamp.settings, NULL);
    stamp_file(paths->checkpoints, &stamp.checkpoints, NULL);
    return stamp;
}

/* A folder's birth, or what comes nearest to it where the file system does not tell. */
static time_t birth_of(const struct session_paths *paths)
{
    const time_t now = clock_calendar(); /* no session is of tomorrow, whatever a disk says */
    struct statx status;
    struct stat settings;
    time_t born = stat(paths->settings, &settings) ? 0 : settings.st_mtime;
    if (statx(AT_FDCWD, paths->folder, 0, STATX_BTIME, &status) == 0 && status.stx_mask & STATX_BTIME)
        born = (time_t)status.stx_btime.tv_sec;
    return born < now ? born : now;
}

/* As the session is opened: what is damaged comes from a checkpoint. */
static int read_settings(struct session *session)
{
    struct error why = {""};
    if (settings_default(&session->settings, NULL))
        return -1;
    if (session_read_settings_file(session, &why) == 0)
        return 0;
    return errno == EBADMSG ? session_restore_settings(session, &why, NULL) : -1;
}

void session_paths_summarize(const struct session_paths *paths, struct session_summary *summary)
{
    struct session session = {.paths = *paths};
    struct metrics metrics = {0};
    struct checkpoint_entry *entries = NULL;
    int count = 0;
    last_change(paths->settings, &summary->changed);
    last_change(paths->metrics, &summary->changed);
    summary->locked = session_is_locked(paths, &summary->standstill);
    summary->attachable = session_is_attachable(paths);
    summary->started = birth_of(paths);
    summary->best_accuracy = -1;
    session_read_parent(paths, summary->parent, &summary->parent_step);
    summary->last_loss = summary->learning_rate = NAN;
    strcpy(summary->state, "damaged");
    if (read_settings(&session)) {
        strcpy(summary->state, errno == ENOTSUP ? "newer" : "damaged");
        return;
    }
    strcpy(summary->preset, session.settings.model.preset);
    settings_network_name(&session.settings, summary->network);
    if (checkpoint_list(paths->checkpoints, &entries, &count, NULL) == 0 && count)
        summary->step = entries[0].step;
    free(entries);
    if (metrics_read_summary(paths->metrics, &metrics, NULL) == 0) {
        summary->step = last_step_done(&metrics, summary->step);
        summary->best_accuracy = best_accuracy(&metrics, session.settings.model.classes, &summary->best_is_validation);
        if (metrics.step_count) {
            summary->last_loss = metrics.steps[metrics.step_count - 1].loss;
            summary->learning_rate = metrics.steps[metrics.step_count - 1].learning_rate;
        }
        snprintf(summary->state, sizeof summary->state, "%s", state_name(summary, &metrics));
    } else if (errno == ENOTSUP)
        strcpy(summary->state, "newer");
    metrics_free(&metrics);
}

static int newest_first(const void *a, const void *b)
{
    const struct session_summary *left = a, *right = b;
    if (left->changed != right->changed)
        return left->changed > right->changed ? -1 : 1;
    return strcmp(right->name, left->name);
}

/* The rows that are known already. */
struct known {
    const struct session_summary *rows;
    int count;
};

static bool is_held_as_before(const struct session_paths *paths, const struct session_summary *old)
{
    enum standstill standstill;
    return session_is_locked(paths, &standstill) == old->locked && standstill == old->standstill &&
           session_is_attachable(paths) == old->attachable;
}

/* The row of that name when nothing was written since; lock and socket are looked at in any case. */
static bool take_known(const struct known *known, const struct session_paths *paths, struct session_summary *row)
{
    for (int i = 0; i < known->count; i++) {
        const struct session_summary *old = &known->rows[i];
        if (strcmp(old->name, row->name))
            continue;
        if (memcmp(&old->stamp, &row->stamp, sizeof old->stamp) || !is_held_as_before(paths, old))
            return false;
        *row = *old;
        return true;
    }
    return false;
}

/* Adds the session of that name, when there is one. */
static int add_session(const char *directory, const char *name, const struct known *known,
                       struct session_summary **list, int *count, struct error *error)
{
    char folder[FILE_PATH_SIZE];
    struct session_paths paths;
    struct stat status;
    if (session_check_name(name, NULL))
        return 0;
    if (path_format(folder, error, "%s/%s", directory, name) || session_paths(folder, &paths, error))
        return -1;
    if (stat(paths.settings, &status))
        return 0;
    struct session_summary *grown = reallocarray(*list, (size_t)*count + 1, sizeof **list);
    if (!grown)
        return error_set(error, "cannot list %s: out of memory", directory);
    *list = grown;
    struct session_summary *row = &grown[(*count)++];
    memset(row, 0, sizeof *row);
    strcpy(row->name, name);
    row->stamp = take_stamp(&paths);
    if (!take_known(known, &paths, row))
        session_paths_summarize(&paths, row);
    return 0;
}

static int list_folder(const char *directory, const struct known *known, struct session_summary **out, int *count,
                       struct error *error)
{
    DIR *folder = opendir(directory);
    if (!folder)
        return errno == ENOENT ? 0 : file_failed(error, "list", directory);
    int result = 0;
    const struct dirent *entry;
    while (result == 0 && (errno = 0, entry = readdir(folder)))
        result = add_session(directory, entry->d_name, known, out, count, error);
    if (result == 0 && errno)
        result = file_failed(error, "list", directory);
    closedir(folder);
    return result;
}

int sessions_update(const struct settings *settings, struct session_summary **list, int *count, struct error *error)
{
    const struct known known = {*list, *count};
    char directory[SETTINGS_PATH_SIZE];
    struct session_summary *rows = NULL;
    int found = 0;
    if (sessions_directory(settings, directory, error))
        return -1;
    if (list_folder(directory, &known, &rows, &found, error)) {
        free(rows);
        return -1;
    }
    if (found)
        qsort(rows, (size_t)found, sizeof *rows, newest_first);
    free(*list);
    *list = rows;
    *count = found;
    return 0;
}

int sessions_list(const struct settings *settings, struct session_summary **out, int *count, struct error *error)
{
    *out = NULL;
    *count = 0;
    return sessions_update(settings, out, count, error);
}
