/* Takes a session away for good, when a person has asked for it. */
#include "sessions/session_paths.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* Out of sight first, by one rename: nothing is ever half a session. */
static int hide(const struct session_paths *paths, const char *name, struct session_paths *hidden, struct error *error)
{
    char above[FILE_PATH_SIZE], folder[FILE_PATH_SIZE];
    if (session_folder_above(paths, above, error) ||
        path_format(folder, error, "%s/" SESSION_HIDDEN_REMOVED "%s", above, name) ||
        session_paths(folder, hidden, error))
        return -1;
    session_discard(hidden); /* what a removal that was cut off has left */
    if (rename(paths->folder, hidden->folder))
        return file_failed(error, "remove", paths->folder);
    return file_sync_folder(above, error);
}

int session_remove(const struct settings *settings, const char *name, struct error *error)
{
    char found[SESSION_NAME_SIZE];
    struct session_paths paths, hidden;
    int lock;
    if (session_find(settings, name, found, &paths, error) || session_check_name(found, error) ||
        session_lock(&paths, found, &lock, error))
        return -1;
    int result = hide(&paths, found, &hidden, error);
    if (result == 0) {
        session_discard(&hidden);
        if (access(hidden.folder, F_OK) == 0)
            result = error_set(error, "session %s is removed from the list, but some of its files cannot be: see %s",
                               found, hidden.folder);
    }
    close(lock);
    return result;
}
