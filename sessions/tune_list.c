/* The tunes in the folder of sessions; see tune_list.h. */
#include "sessions/tune_list.h"

#include "base/line.h"
#include "sessions/session_paths.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Which there are ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Adds the tune of that folder, when it is one's. */
static int add_name(const char *directory, const char *folder, char (**list)[TUNE_NAME_SIZE], int *count,
                    struct error *error)
{
    const size_t length = strlen(folder), end = strlen(TUNE_FOLDER_END);
    char path[FILE_PATH_SIZE];
    if (length <= end || length - end >= TUNE_NAME_SIZE || strcmp(folder + length - end, TUNE_FOLDER_END) != 0)
        return 0;
    if (path_format(path, error, "%s/%s/plan.json", directory, folder))
        return -1;
    if (access(path, F_OK) != 0)
        return 0;
    char(*grown)[TUNE_NAME_SIZE] = reallocarray(*list, (size_t)*count + 1, sizeof *grown);
    if (!grown)
        return error_set(error, "cannot list %s: out of memory", directory);
    *list = grown;
    snprintf(grown[(*count)++], TUNE_NAME_SIZE, "%.*s", (int)(length - end), folder);
    return 0;
}

int tunes_find(const struct settings *settings, char (**out)[TUNE_NAME_SIZE], int *count, struct error *error)
{
    char directory[SETTINGS_PATH_SIZE];
    *out = NULL;
    *count = 0;
    if (sessions_directory(settings, directory, error))
        return -1;
    DIR *folder = opendir(directory);
    if (!folder)
        return errno == ENOENT ? 0 : file_failed(error, "list", directory);
    int result = 0;
    const struct dirent *entry;
    while (result == 0 && (errno = 0, entry = readdir(folder)))
        result = add_name(directory, entry->d_name, out, count, error);
    if (result == 0 && errno)
        result = file_failed(error, "list", directory);
    closedir(folder);
    if (result == 0 && *count > 0)
        qsort(*out, (size_t)*count, sizeof **out, by_name);
    if (result) {
        free(*out);
        *out = NULL;
        *count = 0;
    }
    return result;
}

static void last_change(const char *path, time_t *changed)
{
    struct stat status;
    if (stat(path, &status) == 0 && status.st_mtime > *changed)
        *changed = status.st_mtime;
}

time_t tune_changed(const struct tune *tune)
{
    char path[FILE_PATH_SIZE];
    const char *slash = strrchr(tune->folder, '/');
    time_t changed = 0;
    if (path_format(path, NULL, "%s/plan.json", tune->folder) == 0)
        last_change(path, &changed);
    for (int i = 0; i < tune->count; i++)
        if (path_format(path, NULL, "%.*s%s/metrics.jsonl", slash ? (int)(slash + 1 - tune->folder) : 0, tune->folder,
                        tune->trials[i].session) == 0)
            last_change(path, &changed);
    return changed;
}

/* ---- Their trials in a list of sessions ---- */

/* The rows tell the best of all that a session was trained: of one that a person went on with behind the plan's end,
 * what it had at that end is not known here. */
static void forget_best(struct tune_group *group)
{
    group->best = -1;
    memset(group->best_values, 0, sizeof group->best_values);
}

static void take_row(const struct tune *tune, int trial, struct session_summary *row, struct tune_group *group)
{
    snprintf(row->tune, sizeof row->tune, "%s", group->name);
    group->begun++;
    group->training += strcmp(row->state, "training") == 0 || row->standstill;
    group->changed = row->changed > group->changed ? row->changed : group->changed;
    if (row->best_accuracy > group->best) {
        group->best = row->best_accuracy;
        tune_trial_words(tune, trial, group->best_values, sizeof group->best_values);
    }
}

static void take_tune(const struct settings *settings, const char *name, struct session_summary *rows, int count,
                      struct tune_group *group)
{
    struct tune *tune = calloc(1, sizeof *tune);
    memset(group, 0, sizeof *group);
    group->best = -1;
    snprintf(group->name, sizeof group->name, "%s", name);
    if (tune && tune_open(settings, name, tune, NULL) == 0) {
        bool longer = false;
        group->trials = tune->count;
        for (int t = 0; t < tune->count; t++)
            for (int i = 0; i < count; i++)
                if (strcmp(rows[i].name, tune->trials[t].session) == 0) {
                    take_row(tune, t, &rows[i], group);
                    longer |= rows[i].step > tune->trials[t].steps;
                }
        if (longer)
            forget_best(group);
    }
    if (tune)
        tune_free(tune);
    free(tune);
}

static int last_written_first(const void *a, const void *b)
{
    const struct tune_group *left = a, *right = b;
    if (left->changed != right->changed)
        return left->changed > right->changed ? -1 : 1;
    return strcmp(left->name, right->name);
}

int tunes_group(const struct settings *settings, struct session_summary *rows, int count, struct tune_group **out,
                int *groups, struct error *error)
{
    char(*names)[TUNE_NAME_SIZE];
    int found;
    *out = NULL;
    *groups = 0;
    for (int i = 0; i < count; i++)
        memset(rows[i].tune, 0, sizeof rows[i].tune); /* rows are compared as bytes */
    if (tunes_find(settings, &names, &found, error))
        return -1;
    *out = found > 0 ? calloc((size_t)found, sizeof **out) : NULL;
    for (int i = 0; i < found && *out; i++) {
        take_tune(settings, names[i], rows, count, &(*out)[*groups]);
        *groups += (*out)[*groups].begun > 0;
    }
    free(names);
    if (found > 0 && !*out)
        return error_set(error, "out of memory");
    if (*groups > 0)
        qsort(*out, (size_t)*groups, sizeof **out, last_written_first);
    return 0;
}

int tunes_set_apart(struct session_summary *rows, int count)
{
    struct session_summary *copy = count > 0 ? reallocarray(NULL, (size_t)count, sizeof *copy) : NULL;
    int others = 0, trials = 0;
    if (!copy)
        return count;
    for (int i = 0; i < count; i++)
        if (*rows[i].tune)
            copy[trials++] = rows[i];
        else
            rows[others++] = rows[i];
    if (trials > 0)
        memcpy(rows + others, copy, (size_t)trials * sizeof *copy);
    free(copy);
    return others;
}

void tune_group_words(const struct tune_group *group, const char *percent, char *text, size_t size)
{
    struct line line = line_begin(text, size);
    line_add(&line, "tune %s: ", group->name);
    if (group->begun < group->trials)
        line_add(&line, "%d of ", group->begun);
    line_add(&line, "%d trial%s", group->trials, group->trials == 1 ? "" : "s");
    if (group->training > 0)
        line_add(&line, ", %d training", group->training);
    if (group->best >= 0)
        line_add(&line, ", best %s%s%s%s", percent, *group->best_values ? " (" : "", group->best_values,
                 *group->best_values ? ")" : "");
}
