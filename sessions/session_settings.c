/* A session's settings: from settings.ini, and where that is damaged, from its newest checkpoint. */
#include "sessions/session_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void session_name_reference(struct session *session)
{
    session_shell_word(*session->settings.sessions_dir ? session->paths.folder : session->name, session->reference,
                       sizeof session->reference);
}

/* Into settings.sessions_dir: that of a session opened by its path is where the path says, whatever else was asked. */
static int find_sessions_dir(struct session *session, const struct settings *given, const char *name,
                             struct error *error)
{
    char *own = session->settings.sessions_dir, usual[SETTINGS_PATH_SIZE], folder[FILE_PATH_SIZE];
    memcpy(own, given->sessions_dir, sizeof given->sessions_dir);
    if (!strchr(name, '/'))
        return 0;
    if (session_folder_above(&session->paths, folder, error))
        return -1;
    char *above = realpath(folder, NULL);
    if (!above)
        return file_failed(error, "find folder", folder);
    *own = '\0';
    const bool known = sessions_directory(&session->settings, usual, NULL) == 0;
    char *there = known ? realpath(usual, NULL) : NULL;
    const bool is_usual = there && strcmp(above, there) == 0, fits = strlen(above) < SETTINGS_PATH_SIZE;
    if (!is_usual && fits)
        strcpy(own, above);
    free(above);
    free(there);
    return is_usual || fits ? 0 : error_set(error, "the path of its folder is too long");
}

/* Of the first of these checkpoints that has them. */
static bool restore_from(struct session *session, const struct checkpoint_entry *entries, int count,
                         const struct error *why)
{
    for (int i = 0; i < count; i++) {
        if (settings_default(&session->settings, NULL) ||
            checkpoint_read_settings(entries[i].path, &session->settings, NULL))
            continue;
        snprintf(session->note, sizeof session->note, "%.160s; settings taken from the checkpoint of step %ld",
                 why->message, entries[i].step);
        return true;
    }
    return false;
}

int session_restore_settings(struct session *session, const struct error *why, struct error *error)
{
    int (*const lists[])(const char *, struct checkpoint_entry **, int *, struct error *) = {checkpoint_list,
                                                                                             checkpoint_list_named};
    bool restored = false;
    for (size_t i = 0; i < sizeof lists / sizeof *lists && !restored; i++) {
        struct checkpoint_entry *entries = NULL;
        int count = 0;
        if (lists[i](session->paths.checkpoints, &entries, &count, error))
            return -1;
        restored = restore_from(session, entries, count, why);
        free(entries);
    }
    return restored ? 0 : error_set(error, "%s", why->message);
}

/* nfbench writes all of them, but for an origin that the preset says: where one is missing, the file was cut off,
 * unless it is older than the setting. */
static int count_missing(const struct settings *settings)
{
    const struct setting *row;
    int missing = 0;
    for (int i = 0; (row = settings_row(i)); i++)
        missing += row->saved && row->type != SETTING_ORIGIN && !settings_given(settings, row->name);
    return missing;
}

int session_read_settings_file(struct session *session, struct error *error)
{
    const char *path = session->paths.settings;
    const bool as_written = settings_are_as_written(path);
    if (settings_read(&session->settings, path, error)) {
        if (errno == ENOTSUP && !as_written)
            errno = EBADMSG; /* a digit of its format's number has flipped */
        return -1;
    }
    const bool has_any = session->settings.given;
    if (!has_any || (!as_written && count_missing(&session->settings) > 0))
        return file_damaged(error, "%s is damaged: settings are missing", path);
    if (!as_written)
        snprintf(session->note, sizeof session->note,
                 "settings.ini is not as nfbench wrote it: changed by hand, or damaged");
    return 0;
}

int session_read_settings(struct session *session, const struct settings *given, const char *name, struct error *error)
{
    struct error why = {""};
    if (settings_default(&session->settings, error))
        return -1;
    const bool read = session_read_settings_file(session, &why) == 0;
    if (!read && errno != EBADMSG)
        return error_set(error, "%s", why.message);
    if ((!read && session_restore_settings(session, &why, error)) || find_sessions_dir(session, given, name, error))
        return -1;
    session_name_reference(session);
    session->kept = session->settings;
    return 0;
}
