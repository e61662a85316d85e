/* Names, folders and locks of sessions; see session_paths.h. */
#include "sessions/session_internal.h"

#include "base/clock.h"
#include "base/line.h"
#include "sessions/checkpoint.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *home(void)
{
    const char *folder = getenv("HOME");
    if (folder && *folder)
        return folder;
    const struct passwd *user = getpwuid(getuid());
    return user ? user->pw_dir : NULL;
}

int session_data_home(char path[SETTINGS_PATH_SIZE], struct error *error)
{
    const char *base = getenv("XDG_DATA_HOME"), *folder = home();
    int length;
    if (base && *base == '/') /* the specification says to ignore a relative one */
        length = snprintf(path, SETTINGS_PATH_SIZE, "%s/nfbench", base);
    else if (folder)
        length = snprintf(path, SETTINGS_PATH_SIZE, "%s/.local/share/nfbench", folder);
    else
        return error_set(error, "no home folder: set HOME");
    if (length < 0 || length >= SETTINGS_PATH_SIZE)
        return error_set(error, "the path of the home folder is too long");
    return 0;
}

int sessions_directory(const struct settings *settings, char path[SETTINGS_PATH_SIZE], struct error *error)
{
    if (*settings->sessions_dir) {
        strcpy(path, settings->sessions_dir);
        return 0;
    }
    if (session_data_home(path, error))
        return error_prefix(error, "no folder for the sessions (--sessions-dir DIR)");
    return 0;
}

int session_paths(const char *folder, struct session_paths *paths, struct error *error)
{
    if (path_format(paths->folder, error, "%s", folder) ||
        path_format(paths->settings, error, "%s/settings.ini", folder) ||
        path_format(paths->metrics, error, "%s/metrics.jsonl", folder) ||
        path_format(paths->commands, error, "%s/commands.jsonl", folder) ||
        path_format(paths->checkpoints, error, "%s/checkpoints", folder) ||
        path_format(paths->images, error, "%s/images", folder) || path_format(paths->lock, error, "%s/lock", folder) ||
        path_format(paths->parent, error, "%s/parent", folder) ||
        path_format(paths->input, error, "%s/input.json", folder) ||
        path_format(paths->socket, error, "%s/" SESSION_SOCKET, folder))
        return -1;
    return 0;
}

int session_check_name(const char *name, struct error *error)
{
    size_t length = strlen(name);
    const char *why = NULL;
    if (length == 0 || length >= SESSION_NAME_SIZE)
        why = "it must have 1 to 127 bytes";
    else if (strchr(name, '/'))
        why = "it may not hold '/'";
    else if (name[0] == '.' || name[0] == '-')
        why = "it may not begin with '.' or '-'";
    for (size_t i = 0; i < length && !why; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            why = "it may not hold control characters";
    }
    if (!why)
        return 0;
    char shown[64];
    snprintf(shown, sizeof shown, "%.60s", name);
    for (char *letter = shown; *letter; letter++)
        if ((unsigned char)*letter < 0x20 || *letter == 0x7f)
            *letter = '?'; /* the message goes to terminals */
    return error_set(error, "'%s' cannot be a session's name: %s", shown, why);
}

/* Of a log that cannot be read it is not known. */
static bool has_records(const char *path)
{
    struct metrics metrics = {0};
    const bool read = metrics_read_summary(path, &metrics, NULL) == 0;
    const bool any = metrics.last_step > 0 || metrics.step_count > 0 || metrics.epoch_count > 0 ||
                     metrics.command_count > 0 || metrics.damaged_lines > 0;
    metrics_free(&metrics);
    return any || !read;
}

/* One that a person has named; an import names its own before the session is made whole. */
static bool has_named(const struct checkpoint_entry *entries, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(entries[i].name, CHECKPOINT_IMPORTED) != 0)
            return true;
    return false;
}

/* Whether a run was there: nobody has trained in a session that is still being made. Where that cannot be read, it may
 * have been. */
static bool was_trained(const struct session_paths *paths)
{
    struct checkpoint_entry *entries = NULL, *named = NULL;
    int count = 0, names = 0;
    bool trained = true;
    if (checkpoint_list(paths->checkpoints, &entries, &count, NULL) == 0 &&
        checkpoint_list_named(paths->checkpoints, &named, &names, NULL) == 0)
        trained = (count > 0 && entries[0].step > 0) || has_named(named, names) || has_records(paths->metrics) ||
                  has_records(paths->commands);
    free(entries);
    free(named);
    return trained;
}

bool session_is_unmade(const struct session_paths *paths)
{
    if (file_folder_is_empty(paths->folder))
        return true;
    return access(paths->settings, F_OK) != 0 && access(paths->lock, F_OK) == 0 && !was_trained(paths);
}

/* Removes that, unless the process still makes it. */
static bool discard_unmade(const struct session_paths *paths)
{
    int lock;
    if (session_lock(paths, "", &lock, NULL))
        return false;
    session_discard(paths);
    close(lock);
    return true;
}

int session_name_is_free(const struct settings *settings, struct error *error)
{
    char directory[SETTINGS_PATH_SIZE], folder[FILE_PATH_SIZE];
    struct session_paths paths;
    if (!*settings->session)
        return 0;
    if (session_check_name(settings->session, error) || sessions_directory(settings, directory, error))
        return -1;
    if (path_format(folder, error, "%s/%s", directory, settings->session) || session_paths(folder, &paths, error))
        return -1;
    if (access(folder, F_OK) != 0 || session_is_unmade(&paths))
        return 0;
    error_set(error, "--session %.100s: there is one of that name in %.300s", settings->session, directory);
    errno = EEXIST;
    return -1;
}

/* Makes the folder of that name; *taken when it exists already. */
static int claim_name(const char *directory, const char *name, struct session_paths *paths, bool *taken,
                      struct error *error)
{
    char folder[FILE_PATH_SIZE];
    *taken = false;
    if (path_format(folder, error, "%s/%s", directory, name) || session_paths(folder, paths, error))
        return -1;
    if (mkdir(folder, 0777) == 0)
        return 0;
    *taken = errno == EEXIST;
    return file_failed(error, "make folder", folder);
}

static int claim_made_up_name(const struct settings *settings, const char *directory, char name[SESSION_NAME_SIZE],
                              struct session_paths *paths, struct error *error)
{
    char date[16];
    struct tm local;
    time_t now = clock_calendar();
    bool taken = true;
    const char *recipe = settings_recipe(settings);
    if (!localtime_r(&now, &local) || !strftime(date, sizeof date, "%Y%m%d", &local))
        return error_set(error, "cannot read the clock");
    for (int counter = 1; taken && counter < 1000000; counter++) {
        snprintf(name, SESSION_NAME_SIZE, "%s-%s-%d", date, recipe ? recipe : settings->origin, counter);
        if (claim_name(directory, name, paths, &taken, error) == 0)
            return 0;
    }
    return -1;
}

int session_claim(const struct settings *settings, const char *directory, char name[SESSION_NAME_SIZE],
                  struct session_paths *paths, struct error *error)
{
    bool taken;
    if (!*settings->session)
        return claim_made_up_name(settings, directory, name, paths, error);
    if (session_check_name(settings->session, error))
        return -1;
    strcpy(name, settings->session);
    if (claim_name(directory, name, paths, &taken, error) == 0)
        return 0;
    if (!taken)
        return -1;
    if (session_is_unmade(paths) && discard_unmade(paths) && claim_name(directory, name, paths, &taken, error) == 0)
        return 0;
    char reference[FILE_PATH_SIZE];
    session_shell_word(*settings->sessions_dir ? paths->folder : name, reference, sizeof reference);
    return error_set(error, "session %s exists already: choose another name, or `nfbench resume %s`", name, reference);
}

int session_folder_above(const struct session_paths *paths, char folder[FILE_PATH_SIZE], struct error *error)
{
    const char *slash = strrchr(paths->folder, '/');
    const int length = slash ? (int)(slash - paths->folder) : 0;
    return slash ? path_format(folder, error, "%.*s", length > 0 ? length : 1, paths->folder)
                 : path_format(folder, error, ".");
}

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && (unsigned char)*text < 0x80 && !strchr("/._-+:@%,=", *text))
            return false;
    return true;
}

void session_shell_word(const char *text, char *word, size_t size)
{
    struct line line = line_begin(word, size);
    if (is_plain(text)) {
        line_add(&line, "%s", text);
        return;
    }
    line_add(&line, "'");
    for (; *text; text++)
        line_add(&line, "%s%c", *text == '\'' ? "'\\'" : "", *text);
    line_add(&line, "'");
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status, (void)type, (void)place;
    return remove(path);
}

void session_discard(const struct session_paths *paths)
{
    (void)nftw(paths->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS); /* what cannot be removed stays */
}

static bool is_tune(const char *folder)
{
    char plan[FILE_PATH_SIZE];
    return path_format(plan, NULL, "%s.tune/plan.json", folder) == 0 && access(plan, F_OK) == 0;
}

int session_find(const struct settings *settings, const char *name, char found[SESSION_NAME_SIZE],
                 struct session_paths *paths, struct error *error)
{
    char directory[SETTINGS_PATH_SIZE], folder[FILE_PATH_SIZE];
    struct stat status;
    if (strchr(name, '/')) {
        size_t length = strlen(name);
        while (length > 1 && name[length - 1] == '/')
            length--;
        if (path_format(folder, error, "%.*s", (int)length, name))
            return -1;
    } else if (session_check_name(name, error) || sessions_directory(settings, directory, error) ||
               path_format(folder, error, "%s/%s", directory, name))
        return -1;
    const char *slash = strrchr(folder, '/');
    snprintf(found, SESSION_NAME_SIZE, "%.*s", SESSION_NAME_SIZE - 1, slash ? slash + 1 : folder);
    if (session_paths(folder, paths, error))
        return -1;
    if (stat(paths->settings, &status) == 0)
        return 0;
    if (errno != ENOENT && errno != ENOTDIR)
        return file_failed(error, "open session", folder);
    if (stat(folder, &status) && is_tune(folder))
        return error_set(error, "%s is a tune, not a session: `nfbench tune --show %s` compares its trials", found,
                         found);
    if (stat(folder, &status))
        return error_set(error, "there is no session %s: `nfbench sessions` lists them", folder);
    if (access(paths->lock, F_OK) != 0)
        return error_set(error, "%s is not a session: it has no settings.ini", folder);
    return error_set(error, "%s has lost its settings.ini: `nfbench sessions verify --repair` may write it anew",
                     folder);
}

/* ---- The lock ---- */

/* Whether it is still the file of that path: the folder may have been removed before it was locked. */
static bool is_at(int descriptor, const char *path)
{
    struct stat ours, there;
    return fstat(descriptor, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
}

/* Whether nobody has it for good: others only look (session_is_locked), and let go of it as soon as they are on. */
static bool is_only_looked_at(int descriptor)
{
    return flock(descriptor, LOCK_SH | LOCK_NB) == 0 && flock(descriptor, LOCK_UN) == 0;
}

/* Somebody wants the process to end: whoever has these blocked looks at them later. */
static bool is_told_to_end(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) || sigismember(&pending, SIGHUP));
}

/* flock with retries: who looks has it for a moment, which may be long where many processes wait for a processor; one
 * that was stopped in it has it for good. `brief`: so has whoever owns it. */
static int try_lock(int descriptor, const char *path, bool brief)
{
    enum { TRIES = 10, TRIES_OF_BRIEF = 500, PAUSE_NANOSECONDS = 20000000 };
    for (int i = 0, briefly = 0; i <= TRIES && briefly <= TRIES_OF_BRIEF;) {
        if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
            errno = EWOULDBLOCK;
            return is_at(descriptor, path) ? 0 : -1;
        }
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1;
        if (is_told_to_end()) {
            errno = EINTR;
            return -1;
        }
        if (brief || is_only_looked_at(descriptor))
            briefly++;
        else
            i++;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NANOSECONDS}, NULL);
    }
    errno = brief ? ETIMEDOUT : EWOULDBLOCK;
    return -1;
}

static int lock_error(const struct session_paths *paths, const char *name, int descriptor, struct error *error)
{
    char owner[24] = "";
    if (errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS)
        return error_set(
            error,
            "cannot lock %s: %s: this file system has no locks, and two processes would spoil the session; "
            "--sessions-dir DIR names a folder on another",
            paths->lock, strerror(errno));
    if (errno == EINTR)
        return error_set(error, "interrupted while waiting for session %s, which another process has", name);
    if (errno != EWOULDBLOCK)
        return file_failed(error, "lock", paths->lock);
    ssize_t length = pread(descriptor, owner, sizeof owner - 1, 0);
    owner[length > 0 ? strspn(owner, "0123456789") : 0] = '\0';
    return error_set(error, "session %s is in use by process %s: stop that one first, or choose another session", name,
                     *owner ? owner : "(unknown)");
}

int session_guard(const char *directory, int *guard, struct error *error)
{
    *guard = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*guard < 0 || try_lock(*guard, directory, true) == 0 || (errno != ETIMEDOUT && errno != EINTR))
        return 0;
    const bool late = errno == ETIMEDOUT;
    close(*guard);
    *guard = -1;
    return late ? error_set(error,
                            "%s is held by another process that does not let go of it (is it stopped?): end that one, "
                            "or let it go on; --sessions-dir DIR names another folder",
                            directory)
                : error_set(error, "interrupted while waiting for %s, which another process holds", directory);
}

void session_unguard(int guard)
{
    if (guard >= 0)
        close(guard);
}

int session_lock(const struct session_paths *paths, const char *name, int *descriptor, struct error *error)
{
    char owner[24];
    int lock = open(paths->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock < 0)
        return file_failed(error, "open", paths->lock);
    if (try_lock(lock, paths->lock, false)) {
        lock_error(paths, name, lock, error);
        close(lock);
        return -1;
    }
    int length = snprintf(owner, sizeof owner, "%ld\n", (long)getpid());
    if (ftruncate(lock, 0) || lseek(lock, 0, SEEK_SET) < 0) {
        file_failed(error, "write", paths->lock);
        close(lock);
        return -1;
    }
    if (file_write_all(lock, owner, (size_t)length, paths->lock, error)) {
        close(lock);
        return -1;
    }
    *descriptor = lock;
    return 0;
}

static const char *const standstill_words[STANDSTILLS] = {
    [STANDSTILL_NONE] = "",         [STANDSTILL_PAUSED] = "paused", [STANDSTILL_DIVERGED] = "diverged",
    [STANDSTILL_CHOICE] = "choice", [STANDSTILL_ROOM] = "room",     [STANDSTILL_RANKS] = "ranks",
};

/* In one write over what stands there, which a full disk has room for; what was longer stays behind the line's end. */
void session_say_standstill(int descriptor, enum standstill standstill)
{
    char line[32], owner[24];
    const int start = snprintf(owner, sizeof owner, "%ld\n", (long)getpid());
    const int length = snprintf(line, sizeof line, "%s\n", standstill_words[standstill]);
    (void)!pwrite(descriptor, line, (size_t)length, start);
}

static enum standstill read_standstill(int lock)
{
    char text[64];
    const ssize_t length = pread(lock, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    const char *word = strchr(text, '\n');
    for (int i = STANDSTILL_NONE + 1; word && i < STANDSTILLS; i++) {
        const size_t size = strlen(standstill_words[i]);
        if (strncmp(word + 1, standstill_words[i], size) == 0 && word[1 + size] == '\n')
            return (enum standstill)i;
    }
    return STANDSTILL_NONE;
}

bool session_is_locked(const struct session_paths *paths, enum standstill *standstill)
{
    int lock = open(paths->lock, O_RDONLY | O_CLOEXEC);
    if (standstill)
        *standstill = STANDSTILL_NONE;
    if (lock < 0)
        return false;
    bool locked = flock(lock, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
    if (locked && standstill)
        *standstill = read_standstill(lock);
    close(lock);
    return locked;
}

/* A process that was killed leaves its socket, but no lock. */
bool session_is_attachable(const struct session_paths *paths)
{
    struct stat status;
    return stat(paths->socket, &status) == 0 && S_ISSOCK(status.st_mode) && session_is_locked(paths, NULL);
}

bool session_is_trained(const struct session *session)
{
    return session_is_locked(&session->paths, NULL);
}

bool session_takes_viewers(const struct session *session)
{
    return session_is_attachable(&session->paths);
}
