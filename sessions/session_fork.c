/* A session that goes on from a step of another; see session_fork in session.h. It is put together under a hidden name,
 * which is no session's, and gets its own when it is whole. */
#include "sessions/session_internal.h"

#include "sessions/crc32c.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_taken(const char *folder, const char *name)
{
    char path[FILE_PATH_SIZE];
    return path_format(path, NULL, "%s/%s", folder, name) || access(path, F_OK) == 0;
}

/* The name that was asked for, else one made of the parent's and the step. */
static int choose_name(const struct session *parent, const char *folder, const char *asked, long step,
                       char name[SESSION_NAME_SIZE], struct error *error)
{
    enum { TRIES = 1000 };
    if (*asked) {
        if (session_check_name(asked, error))
            return -1;
        strcpy(name, asked);
        return is_taken(folder, name) ? error_set(error, "session %s exists already: choose another name", name) : 0;
    }
    for (int i = 1; i < TRIES; i++) {
        char end[40];
        const int length =
            i == 1 ? snprintf(end, sizeof end, "-at-%ld", step) : snprintf(end, sizeof end, "-at-%ld-%d", step, i);
        snprintf(name, SESSION_NAME_SIZE, "%.*s%s", SESSION_NAME_SIZE - 1 - length, parent->name, end);
        if (!is_taken(folder, name))
            return 0;
    }
    return error_set(error, "there are too many forks of step %ld: give a name", step);
}

/* The records of the parent up to the state. */
static int copy_past(const char *from, const char *to, const struct training_state *state, long known,
                     struct metrics_log **log, struct error *error)
{
    return file_copy(from, to, error) || metrics_log_open(to, log, error) || metrics_log_cut(*log, state, known, error)
               ? -1
               : 0;
}

static int copy_metrics(const struct session *parent, const struct session_paths *paths,
                        const struct training_state *state, struct error *error)
{
    struct metrics_log *log = NULL;
    const int result = copy_past(parent->paths.metrics, paths->metrics, state, 0, &log, error) ||
                       metrics_log_state(log, trainer_state_name(TRAINER_STOPPED), state->step, "", error);
    return metrics_log_close(log, result ? NULL : error) || result ? -1 : 0;
}

/* With what was commanded since; `count`: of all. */
static int copy_commands(const struct session *parent, const struct session_paths *paths,
                         const struct training_state *state, const struct session_changes *changes, long *count,
                         struct error *error)
{
    struct metrics_log *log = NULL;
    int result = copy_past(parent->paths.commands, paths->commands, state, state->commands, &log, error);
    for (int i = 0; result == 0 && i < changes->count; i++)
        result = metrics_log_command(log, &changes->records[i], error);
    if (result == 0)
        result = metrics_log_count(log, count, error);
    return metrics_log_close(log, result ? NULL : error) || result ? -1 : 0;
}

/* The weights that an imported run began with: its steps can be made again from them. */
static int copy_imported(const struct session *parent, const struct session_paths *paths, struct error *error)
{
    static const char *const ends[] = {"safetensors", "metrics.jsonl", "commands.jsonl"};
    char from[FILE_PATH_SIZE], to[FILE_PATH_SIZE];
    int result = 0;
    for (size_t i = 0; i < sizeof ends / sizeof *ends && result == 0; i++) {
        if (path_format(from, error, "%s/" CHECKPOINT_IMPORTED ".%s", parent->paths.checkpoints, ends[i]) ||
            path_format(to, error, "%s/" CHECKPOINT_IMPORTED ".%s", paths->checkpoints, ends[i]))
            return -1;
        if (access(from, F_OK) == 0)
            result = file_copy(from, to, error);
    }
    return result;
}

/* A line "STEP NAME", and one of its CRC-32C. */
int session_write_parent(const struct session_paths *paths, const char *name, long step, struct error *error)
{
    char text[SESSION_NAME_SIZE + 48];
    const int line = snprintf(text, sizeof text, "%ld %s", step, name);
    const int length = line + snprintf(text + line, sizeof text - (size_t)line, "\n%08x\n", crc32c(text, (size_t)line));
    return file_replace(paths->parent, text, (size_t)length, error);
}

/* Ends the text behind its first line; false when that is not as it was written. */
static bool cut_checked_line(char *text, size_t size)
{
    enum { TAIL = sizeof "\n01234567\n" - 1 };
    char expected[TAIL + 1];
    if (size < TAIL)
        return false;
    snprintf(expected, sizeof expected, "\n%08x\n", crc32c(text, size - TAIL));
    const bool fits = memcmp(text + size - TAIL, expected, TAIL) == 0;
    text[size - TAIL] = '\0';
    return fits;
}

/* Sessions that are older than the file have none. */
static int copy_input(const struct session *parent, const struct session_paths *paths, struct error *error)
{
    return access(parent->paths.input, F_OK) == 0 ? file_copy(parent->paths.input, paths->input, error) : 0;
}

static int fill(const struct session *parent, const struct session_paths *paths, const struct settings *settings,
                struct network *network, const struct training_state *state, const struct session_changes *changes,
                struct error *error)
{
    struct session fork = {.paths = *paths, .settings = *settings, .kept = *settings};
    long commands = 0;
    return file_make_folders(paths->checkpoints, error) || file_make_folders(paths->images, error) ||
                   settings_write(settings, paths->settings, error) || copy_metrics(parent, paths, state, error) ||
                   copy_commands(parent, paths, state, changes, &commands, error) ||
                   session_write_parent(paths, parent->name, state->step, error) || copy_input(parent, paths, error) ||
                   copy_imported(parent, paths, error) ||
                   session_write_checkpoint(&fork, network, state, false, commands, error)
               ? -1
               : 0;
}

/* What a process has left that ended while it made a fork: nobody holds its lock. */
static void discard_old(const char *folder)
{
    char path[FILE_PATH_SIZE];
    struct session_paths paths;
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        int lock;
        if (strncmp(entry->d_name, SESSION_HIDDEN_FORK, strlen(SESSION_HIDDEN_FORK)) != 0 ||
            path_format(path, NULL, "%s/%s", folder, entry->d_name) || session_paths(path, &paths, NULL) ||
            session_lock(&paths, entry->d_name, &lock, NULL))
            continue;
        session_discard(&paths);
        close(lock);
    }
    if (directory)
        closedir(directory);
}

/* With the rights that the person's umask gives to a new folder. */
static int make_hidden(const char *folder, char hidden[FILE_PATH_SIZE], struct error *error)
{
    for (int i = 1;; i++) {
        if (path_format(hidden, error, "%s/" SESSION_HIDDEN_FORK "%ld-%d", folder, (long)getpid(), i))
            return -1;
        if (mkdir(hidden, 0777) == 0)
            return 0;
        if (errno != EEXIST)
            return file_failed(error, "make a folder in", folder);
    }
}

static int make_hidden_and_lock(const char *folder, const char *name, struct session_paths *paths, int *lock,
                                struct error *error)
{
    char hidden[FILE_PATH_SIZE];
    int guard;
    if (session_guard(folder, &guard, error))
        return -1;
    discard_old(folder);
    int result = make_hidden(folder, hidden, error) || session_paths(hidden, paths, error) ? -1 : 0;
    if (result == 0 && session_lock(paths, name, lock, error)) {
        session_discard(paths);
        result = -1;
    }
    session_unguard(guard);
    return result;
}

/* Beside the parent, unless its settings ask for another folder. */
static int fork_folder(const struct session *parent, const struct settings *settings, char folder[FILE_PATH_SIZE],
                       struct error *error)
{
    if (!*settings->sessions_dir || strcmp(settings->sessions_dir, parent->settings.sessions_dir) == 0)
        return session_folder_above(&parent->paths, folder, error);
    return path_format(folder, error, "%s", settings->sessions_dir) || file_make_folders(folder, error) ? -1 : 0;
}

int session_fork(const struct session *parent, const char *asked, const struct settings *settings,
                 struct network *network, const struct training_state *state, const struct session_changes *changes,
                 char name[SESSION_NAME_SIZE], struct error *error)
{
    static const struct session_changes none = {0};
    char folder[FILE_PATH_SIZE], whole[FILE_PATH_SIZE];
    struct session_paths paths;
    int lock;
    if (fork_folder(parent, settings, folder, error) || choose_name(parent, folder, asked, state->step, name, error) ||
        path_format(whole, error, "%s/%s", folder, name) || make_hidden_and_lock(folder, name, &paths, &lock, error))
        return -1;
    int result = fill(parent, &paths, settings, network, state, changes ? changes : &none, error);
    if (result == 0 && rename(paths.folder, whole) != 0)
        result = file_failed(error, "give its name to the fork", whole);
    if (result != 0)
        session_discard(&paths);
    close(lock);
    return result != 0 ? -1 : file_sync_folder(folder, error);
}

void session_fork_reference(const struct session *parent, const struct settings *settings, const char *name,
                            char reference[FORK_REFERENCE_SIZE])
{
    char folder[FILE_PATH_SIZE], path[FILE_PATH_SIZE];
    const bool usual = !*settings->sessions_dir;
    if (usual || fork_folder(parent, settings, folder, NULL) || path_format(path, NULL, "%s/%s", folder, name))
        session_shell_word(name, reference, FORK_REFERENCE_SIZE);
    else
        session_shell_word(path, reference, FORK_REFERENCE_SIZE);
}

void session_read_parent(const struct session_paths *paths, char name[SESSION_NAME_SIZE], long *step)
{
    char *text = NULL, *end;
    size_t size = 0;
    name[0] = '\0';
    *step = -1;
    if (file_read(paths->parent, &text, &size, NULL))
        return;
    const bool whole = cut_checked_line(text, size);
    const long at = strtol(text, &end, 10);
    if (whole && end > text && *end == ' ' && at >= 0 &&
        session_check_name(end + 1, NULL) == 0) { /* it goes to terminals, and into paths */
        strcpy(name, end + 1);
        *step = at;
    }
    free(text);
}
