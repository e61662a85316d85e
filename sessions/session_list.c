/* The list of sessions; see sessions_list in session.h. */
#include "sessions/checkpoint.h"
#include "sessions/session_paths.h"

#include <dirent.h>
#include <errno.h>
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
static float best_accuracy(const struct metrics *metrics, int classes)
{
    float validation = -1, test = -1;
    for (int i = 0; i < metrics->epoch_count; i++) {
        const struct epoch_record *epoch = &metrics->epochs[i];
        if (epoch->validation_accuracy > validation && !health_loss_is_absurd(classes, epoch->validation_loss))
            validation = epoch->validation_accuracy;
        if (epoch->test_accuracy > test && !health_loss_is_absurd(classes, epoch->test_loss))
            test = epoch->test_accuracy;
    }
    return validation >= 0 ? validation : test;
}

static const char *state_name(const struct session_summary *summary, const struct metrics *metrics)
{
    if (summary->locked)
        return "training";
    if (*metrics->end_state && strcmp(metrics->end_state, SESSION_STARTED))
        return metrics->end_state;
    return metrics->last_step > 0 || *metrics->end_state ? "interrupted" : "new";
}

void session_paths_summarize(const struct session_paths *paths, struct session_summary *summary)
{
    struct settings settings;
    struct metrics metrics = {0};
    struct checkpoint_entry *entries = NULL;
    int count = 0;
    last_change(paths->settings, &summary->changed);
    last_change(paths->metrics, &summary->changed);
    summary->locked = session_is_locked(paths);
    summary->best_accuracy = -1;
    strcpy(summary->state, "damaged");
    if (settings_default(&settings, NULL) || settings_read(&settings, paths->settings, NULL))
        return;
    strcpy(summary->preset, settings.model.preset);
    if (checkpoint_list(paths->checkpoints, &entries, &count, NULL) == 0 && count)
        summary->step = entries[0].step;
    free(entries);
    if (metrics_read_summary(paths->metrics, &metrics, NULL) == 0) {
        summary->step = metrics.last_step > summary->step ? metrics.last_step : summary->step;
        summary->best_accuracy = best_accuracy(&metrics, settings.model.classes);
        snprintf(summary->state, sizeof summary->state, "%s", state_name(summary, &metrics));
    }
    metrics_free(&metrics);
}

static int newest_first(const void *a, const void *b)
{
    const struct session_summary *left = a, *right = b;
    if (left->changed != right->changed)
        return left->changed > right->changed ? -1 : 1;
    return strcmp(right->name, left->name);
}

/* Adds the session of that name, when there is one. */
static int add_session(const char *directory, const char *name, struct session_summary **list, int *count,
                       struct error *error)
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
    memset(&grown[*count], 0, sizeof *grown);
    strcpy(grown[*count].name, name);
    session_paths_summarize(&paths, &grown[(*count)++]);
    return 0;
}

int sessions_list(const struct settings *settings, struct session_summary **out, int *count, struct error *error)
{
    char directory[SETTINGS_PATH_SIZE];
    *out = NULL;
    *count = 0;
    if (sessions_directory(settings, directory, error))
        return -1;
    DIR *folder = opendir(directory);
    if (!folder)
        return errno == ENOENT ? 0 : error_set(error, "cannot list %s: %s", directory, strerror(errno));
    int result = 0;
    const struct dirent *entry;
    while (result == 0 && (errno = 0, entry = readdir(folder)))
        result = add_session(directory, entry->d_name, out, count, error);
    if (result == 0 && errno)
        result = error_set(error, "cannot list %s: %s", directory, strerror(errno));
    closedir(folder);
    if (result) {
        free(*out);
        *out = NULL;
        return -1;
    }
    if (*count)
        qsort(*out, (size_t)*count, sizeof **out, newest_first);
    return 0;
}
