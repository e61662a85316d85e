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

/* How far a trial is, as its row tells. */
struct standing {
    long step;
    bool training, ended; /* of itself: nothing is known of the rungs */
};

static bool is_given_up(const struct tune *tune, int trial)
{
    struct tune_note note;
    return tune_note_read(tune, trial, &note, NULL) == 0 && note.given_up;
}

/* Of a halving: what a rung that is done has dropped, counted by the steps alone, since logs take time to read. */
static int count_dropped(const struct tune *tune, const struct standing *standings)
{
    int dropped = 0, members = tune->count;
    for (int r = 0; r + 1 < tune->rung_count; r++) {
        int behind = 0, ended = 0;
        for (int i = 0; i < tune->count; i++) {
            const struct standing *standing = &standings[i];
            const long epoch = tune->trials[i].steps_per_epoch, end = tune->rungs[r] * epoch;
            const long begin = r > 0 ? tune->rungs[r - 1] * epoch : 0;
            if (standing->step > end || (standing->step == end && !standing->training))
                behind++;
            else
                ended += standing->ended && standing->step >= begin;
        }
        if (behind + ended < members)
            break;
        const int room = tune_rung_room(tune, members);
        members = behind < room ? behind : room;
        dropped += behind - members;
    }
    return dropped;
}

static void take_row(const struct tune *tune, int trial, struct session_summary *row, struct standing *standing,
                     struct tune_group *group)
{
    snprintf(row->tune, sizeof row->tune, "%s", group->name);
    group->begun++;
    standing->step = row->step;
    standing->training = row->locked;
    standing->ended = strcmp(row->state, "finished") == 0 || strcmp(row->state, "diverged") == 0 ||
                      row->step > tune->trials[trial].steps;
    group->training += strcmp(row->state, "training") == 0 || row->standstill;
    group->changed = row->changed > group->changed ? row->changed : group->changed;
    if (row->best_accuracy > group->best) {
        group->best = row->best_accuracy;
        tune_trial_words(tune, trial, group->best_values, sizeof group->best_values);
    }
}

/* Takes the rows of a tune's trials; standings: (trials), zeroed. */
static void take_trials(const struct tune *tune, struct session_summary *rows, int count, struct standing *standings,
                        struct tune_group *group)
{
    bool longer = false;
    group->trials = tune->count;
    for (int t = 0; t < tune->count; t++) {
        for (int i = 0; i < count; i++)
            if (strcmp(rows[i].name, tune->trials[t].session) == 0) {
                take_row(tune, t, &rows[i], &standings[t], group);
                longer |= rows[i].step > tune->trials[t].steps;
            }
        standings[t].ended = standings[t].ended || is_given_up(tune, t);
        group->ended += standings[t].ended;
    }
    group->ended += count_dropped(tune, standings);
    if (longer)
        forget_best(group);
}

static void take_tune(const struct settings *settings, const char *name, struct session_summary *rows, int count,
                      struct tune_group *group)
{
    struct tune *tune = calloc(1, sizeof *tune);
    memset(group, 0, sizeof *group);
    group->best = -1;
    snprintf(group->name, sizeof group->name, "%s", name);
    if (tune && tune_open(settings, name, tune, NULL) == 0) {
        tune_reference(tune, group->reference, sizeof group->reference);
        struct standing *standings = calloc((size_t)tune->count, sizeof *standings);
        if (standings)
            take_trials(tune, rows, count, standings, group);
        free(standings);
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
    if (group->ended < group->trials)
        line_add(&line, "%d of ", group->ended);
    line_add(&line, "%d trial%s%s", group->trials, group->trials == 1 ? "" : "s",
             group->ended < group->trials ? " ended" : "");
    if (group->training > 0)
        line_add(&line, ", %d training", group->training);
    if (group->best >= 0)
        line_add(&line, ", best %s%s%s%s", percent, *group->best_values ? " (" : "", group->best_values,
                 *group->best_values ? ")" : "");
}
