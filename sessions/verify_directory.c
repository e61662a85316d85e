/* The folder that all sessions lie in, under verify.h: what is in it that is no session, but was to be one. */
#include "sessions/verify_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* False when some process has begun to use it, or has used it meanwhile. */
static bool discard(const char *directory, const struct session_paths *paths, bool hidden)
{
    bool done = false;
    int guard, lock;
    if (session_guard(directory, &guard, NULL)) /* one that is new may not be locked yet */
        return false;
    if (session_lock(paths, "", &lock, NULL) == 0) {
        done = hidden || session_is_unmade(paths);
        if (done)
            session_discard(paths); /* with the lock held */
        close(lock);
    }
    session_unguard(guard);
    return done;
}

/* Nobody makes it any more: what has its lock free and no settings was never a session. */
static void tell_unmade(struct verify *verify, const char *directory, const struct session_paths *paths,
                        const char *name, const char *what)
{
    const bool hidden = name[0] == '.';
    if (session_is_locked(paths, NULL) || (verify->repair && !discard(directory, paths, hidden)))
        return;
    struct verify_finding *finding = verify_add(verify, VERIFY_NOTE, name, "%s", what);
    snprintf(finding->means, sizeof finding->means,
             "the process that was at it has died: there is nothing in it to go on from");
    snprintf(finding->mend, sizeof finding->mend, "removes the folder");
    verify_mended(verify, finding, 0, NULL);
}

static void tell_lost(struct verify *verify, const struct session_paths *paths, const char *name)
{
    struct settings settings;
    struct error error = {""};
    struct verify_finding *finding =
        verify_add(verify, VERIFY_WRONG, name, "a run was there, but its settings.ini is missing");
    if (verify_can_restore(paths)) {
        snprintf(finding->means, sizeof finding->means, "it is in no list, and cannot be opened");
        snprintf(finding->mend, sizeof finding->mend, "writes it anew from the newest checkpoint");
        const int result = verify->repair ? verify_restore_settings(paths, &settings, &error) : 0;
        verify_mended(verify, finding, result, &error);
        return;
    }
    snprintf(finding->means, sizeof finding->means,
             "it is in no list, and cannot be opened: put settings.ini back; that of its parent or of a run with the "
             "same settings does");
}

static void look_at(struct verify *verify, const char *directory, const char *name)
{
    char folder[FILE_PATH_SIZE];
    struct session_paths paths;
    if (path_format(folder, NULL, "%s/%s", directory, name) || session_paths(folder, &paths, NULL) ||
        access(paths.lock, F_OK) != 0)
        return;
    if (strncmp(name, SESSION_HIDDEN_FORK, strlen(SESSION_HIDDEN_FORK)) == 0)
        tell_unmade(verify, directory, &paths, name, "a fork that was never finished");
    else if (strncmp(name, SESSION_HIDDEN_REMOVED, strlen(SESSION_HIDDEN_REMOVED)) == 0)
        tell_unmade(verify, directory, &paths, name, "what is left of a session that was removed");
    else if (session_check_name(name, NULL) || access(paths.settings, F_OK) == 0)
        return;
    else if (session_is_unmade(&paths))
        tell_unmade(verify, directory, &paths, name, "a session that was never finished");
    else
        tell_lost(verify, &paths, name);
}

int sessions_verify_directory(const struct settings *settings, bool repair, struct verify_report *out,
                              struct error *error)
{
    struct verify verify = {.report = out, .repair = repair};
    char path[SETTINGS_PATH_SIZE];
    memset(out, 0, sizeof *out);
    if (sessions_directory(settings, path, error))
        return -1;
    memcpy(out->folder, path, sizeof path);
    DIR *directory = opendir(path);
    const struct dirent *entry;
    if (!directory)
        return errno == ENOENT ? 0 : error_set(error, "cannot list %s: %s", path, strerror(errno));
    while ((entry = readdir(directory)))
        look_at(&verify, path, entry->d_name);
    closedir(directory);
    for (int i = 0; i < out->count; i++)
        out->wrong += out->findings[i].severity == VERIFY_WRONG && !out->findings[i].mended;
    return verify.out_of_memory ? error_set(error, "cannot verify %s: out of memory", path) : 0;
}
