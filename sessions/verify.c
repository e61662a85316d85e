/* The folder of a session under verify.h: settings, rights, what writes and crashes have left, and the order in which
 * all is looked at. */
#include "sessions/verify_internal.h"

#include "sessions/fields.h"
#include "sessions/metrics_record.h"
#include "sessions/tensorboard.h"
#include "sessions/tfevents.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Findings ---- */

struct verify_finding *verify_add(struct verify *verify, enum verify_severity severity, const char *file,
                                  const char *format, ...)
{
    static _Thread_local struct verify_finding nowhere;
    struct verify_report *report = verify->report;
    struct verify_finding *grown = reallocarray(report->findings, (size_t)report->count + 1, sizeof *report->findings);
    struct verify_finding *finding = &nowhere;
    if (grown) {
        report->findings = grown;
        finding = &grown[report->count++];
    } else
        verify->out_of_memory = true;
    memset(finding, 0, sizeof *finding);
    finding->severity = severity;
    snprintf(finding->file, sizeof finding->file, "%s", file ? file : "");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding->what, sizeof finding->what, format, arguments);
    va_end(arguments);
    return finding;
}

void verify_mended(struct verify *verify, struct verify_finding *finding, int result, const struct error *error)
{
    finding->mended = verify->repair && result == 0;
    if (verify->repair && result)
        snprintf(finding->mend, sizeof finding->mend, "could not: %.240s", error->message);
}

/* ---- Aside ---- */

static int find_aside(const char *path, char aside[FILE_PATH_SIZE], struct error *error)
{
    struct stat status;
    if (path_format(aside, error, "%s.damaged", path))
        return -1;
    for (int i = 2; lstat(aside, &status) == 0; i++)
        if (path_format(aside, error, "%s.damaged.%d", path, i))
            return -1;
    return 0;
}

int verify_move_aside(const char *path, struct error *error)
{
    char aside[FILE_PATH_SIZE];
    if (find_aside(path, aside, error))
        return -1;
    return rename(path, aside) ? error_set(error, "cannot rename %s: %s", path, strerror(errno)) : 0;
}

int verify_copy_aside(const char *path, struct error *error)
{
    char aside[FILE_PATH_SIZE];
    return find_aside(path, aside, error) || file_copy(path, aside, error) ? -1 : 0;
}

/* ---- Settings and rights ---- */

/* Moves the file aside, where there is one, and writes what the newest checkpoint has. */
int verify_restore_settings(const struct session_paths *paths, struct settings *settings, struct error *error)
{
    struct session session = {.paths = *paths};
    const struct error why = {"no checkpoint has settings"};
    if (session_restore_settings(&session, &why, error) ||
        (access(paths->settings, F_OK) == 0 && verify_move_aside(paths->settings, error)) ||
        settings_write(&session.settings, paths->settings, error))
        return -1;
    *settings = session.settings;
    return 0;
}

bool verify_can_restore(const struct session_paths *paths)
{
    struct session session = {.paths = *paths};
    const struct error why = {""};
    return session_restore_settings(&session, &why, NULL) == 0;
}

static void tell_damaged_settings(struct verify *verify, const struct error *why)
{
    struct error error = {""};
    struct verify_finding *finding = verify_add(verify, VERIFY_WRONG, "settings.ini", "%s", why->message);
    if (!verify_can_restore(&verify->paths)) {
        snprintf(finding->means, sizeof finding->means,
                 "the session cannot be opened until it is set right; a fork's parent may have the same");
        return;
    }
    snprintf(finding->means, sizeof finding->means, "the settings are taken from the newest checkpoint");
    snprintf(finding->mend, sizeof finding->mend, "writes them anew from there, and keeps it as settings.ini.damaged");
    const int result = verify->repair ? verify_restore_settings(&verify->paths, &verify->settings, &error) : 0;
    verify_mended(verify, finding, result, &error);
    verify->settings_known = finding->mended;
}

static void check_settings(struct verify *verify)
{
    struct session session = {.paths = verify->paths};
    struct error error = {""};
    errno = 0;
    verify->settings_known =
        settings_default(&session.settings, &error) == 0 && session_read_settings_file(&session, &error) == 0;
    verify->settings = session.settings;
    verify->settings_changed = *session.note != '\0';
    if (!verify->settings_known && errno == EBADMSG)
        tell_damaged_settings(verify, &error);
    else if (!verify->settings_known) {
        struct verify_finding *finding = verify_add(verify, VERIFY_WRONG, "settings.ini", "%s", error.message);
        snprintf(finding->means, sizeof finding->means,
                 "nothing is known to be wrong with it, but it cannot be used here");
    } else if (verify->settings_changed) {
        struct verify_finding *finding = verify_add(verify, VERIFY_NOTE, "settings.ini",
                                                    "it is not as nfbench wrote it: changed by hand, or damaged");
        snprintf(finding->means, sizeof finding->means,
                 "its values are taken as they stand; the next resume writes it anew");
    }
}

static void check_rights(struct verify *verify)
{
    const struct session_paths *paths = &verify->paths;
    const char *const all[] = {paths->folder, paths->settings, paths->metrics, paths->commands, paths->checkpoints};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct stat status;
        if (stat(all[i], &status) || faccessat(AT_FDCWD, all[i], W_OK, AT_EACCESS) == 0)
            continue;
        struct verify_finding *finding = verify_add(verify, VERIFY_NOTE, i ? strrchr(all[i], '/') + 1 : NULL,
                                                    "it cannot be written: %s", strerror(errno));
        snprintf(finding->means, sizeof finding->means, "the session can be read and forked elsewhere, not resumed");
        return;
    }
}

static void check_input(struct verify *verify)
{
    struct error error = {""};
    struct session_input input;
    json_t *json = session_input_json(verify->paths.input, &error);
    const bool damaged = !json && errno == EBADMSG;
    const bool can_compare = verify->settings_known && !verify->settings_changed; /* else they may be what is wrong */
    verify->out_of_memory |= !json && errno == ENOMEM;
    if (damaged || (json && can_compare && !session_input_take(json, &verify->settings, &input))) {
        struct verify_finding *finding =
            verify_add(verify, VERIFY_WRONG, "input.json",
                       damaged ? "it is not as it was written" : "it does not fit the session's settings");
        snprintf(finding->means, sizeof finding->means,
                 "`predict`, and programs that load the network elsewhere, would read wrong images; the next resume "
                 "writes it anew");
        snprintf(finding->mend, sizeof finding->mend, "moves it aside, to input.json.damaged");
        verify_mended(verify, finding, verify->repair ? verify_move_aside(verify->paths.input, &error) : 0, &error);
    }
    json_decref(json);
}

/* ---- What is left over ---- */

static bool ends_in(const char *name, const char *end)
{
    const size_t length = strlen(name), tail = strlen(end);
    return length > tail && strcmp(name + length - tail, end) == 0;
}

/* The temporary names that nfbench itself gives (file.h). */
static bool is_half_written(const char *name)
{
    static const char *const ends[] = {".safetensors.tmp", ".jsonl.tmp", ".ini.tmp", ".json.tmp"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_in(name, ends[i]))
            return true;
    return strcmp(name, "parent.tmp") == 0 || strcmp(name, "undone.tmp") == 0;
}

struct leftovers {
    int aside;
    long long bytes;
};

static void tell_removable(struct verify *verify, const char *path, const char *file, const char *what,
                           const char *means)
{
    struct error error = {""};
    struct verify_finding *finding = verify_add(verify, VERIFY_NOTE, file, "%s", what);
    snprintf(finding->means, sizeof finding->means, "%s", means);
    snprintf(finding->mend, sizeof finding->mend, "removes it");
    int result = 0;
    if (verify->repair && unlink(path))
        result = error_set(&error, "cannot remove %s: %s", path, strerror(errno));
    verify_mended(verify, finding, result, &error);
}

/* They can be made again of the logs. */
static void check_events(struct verify *verify, const char *path, const char *name)
{
    struct error error = {""};
    if (!tfevents_is_damaged(path))
        return;
    struct verify_finding *finding = verify_add(verify, VERIFY_NOTE, name, "a checksum in it does not fit");
    snprintf(finding->means, sizeof finding->means,
             "TensorBoard shows nothing of what comes behind; `nfbench export --tensorboard` makes events of the logs");
    snprintf(finding->mend, sizeof finding->mend, "moves it aside, to %.80s.damaged", name);
    verify_mended(verify, finding, verify->repair ? verify_move_aside(path, &error) : 0, &error);
}

static void look_at(struct verify *verify, const char *inside, const char *name, struct leftovers *left)
{
    char path[FILE_PATH_SIZE], file[160];
    struct stat status;
    snprintf(file, sizeof file, "%s%s%s", inside, *inside ? "/" : "", name);
    if (path_format(path, NULL, "%s/%s%s%s", verify->paths.folder, inside, *inside ? "/" : "", name) ||
        lstat(path, &status))
        return;
    if (strstr(name, ".damaged")) {
        left->aside++;
        verify->aside += *inside != '\0' && strstr(name, ".safetensors") != NULL;
        left->bytes += (long long)status.st_size;
    } else if (verify->report->training)
        return;
    else if (S_ISREG(status.st_mode) && is_half_written(name))
        tell_removable(verify, path, file, "a write was cut short and left it",
                       "nothing is lost: no other file needs it");
    else if (S_ISREG(status.st_mode) && tensorboard_is_events(name))
        check_events(verify, path, name);
    else if (S_ISSOCK(status.st_mode))
        tell_removable(verify, path, file, "a process that is gone has left its socket", "nothing listens there");
}

static void check_leftovers(struct verify *verify)
{
    static const char *const folders[] = {"", "checkpoints"};
    struct leftovers left = {0};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[FILE_PATH_SIZE];
        if (path_format(path, NULL, "%s/%s", verify->paths.folder, folders[i]))
            continue;
        DIR *directory = opendir(path);
        const struct dirent *entry;
        while (directory && (entry = readdir(directory)))
            look_at(verify, folders[i], entry->d_name, &left);
        if (directory)
            closedir(directory);
    }
    if (!left.aside)
        return;
    struct verify_finding *finding =
        verify_add(verify, VERIFY_NOTE, NULL, "%d file%s (%lld bytes) %s set aside (*.damaged)", left.aside,
                   left.aside == 1 ? "" : "s", left.bytes, left.aside == 1 ? "was" : "were");
    snprintf(finding->means, sizeof finding->means, "nothing reads them: remove them when you need nothing of them");
}

/* ---- A way back that a crash has cut short ---- */

/* The logs lose a torn tail when they are opened: it is kept. */
static int keep_torn(const char *path, struct error *error)
{
    char *data = NULL;
    size_t size = 0;
    if (file_read(path, &data, &size, NULL))
        return 0;
    const bool torn = size > 0 && data[size - 1] != '\n';
    free(data);
    return torn ? verify_copy_aside(path, error) : 0;
}

static int finish_back(const struct verify *verify, struct error *error)
{
    struct session session = {.paths = verify->paths, .settings = verify->settings, .lock = -1};
    memcpy(session.name, verify->report->name, sizeof session.name);
    int result = keep_torn(session.paths.metrics, error) || keep_torn(session.paths.commands, error) ||
                 metrics_log_open(session.paths.metrics, &session.metrics, error) ||
                 metrics_log_open(session.paths.commands, &session.commands, error) ||
                 session_recover_back(&session, error);
    result = metrics_log_close(session.metrics, result ? NULL : error) || result;
    result = metrics_log_close(session.commands, result ? NULL : error) || result;
    return result ? -1 : 0;
}

static void tell_damaged_mark(struct verify *verify)
{
    char path[FILE_PATH_SIZE];
    struct error error = {""};
    int result = 0;
    struct verify_finding *finding = verify_add(verify, VERIFY_WRONG, "checkpoints/undone", "it is damaged");
    snprintf(finding->means, sizeof finding->means,
             "the run was going back when it ended: which checkpoints that made void is not known");
    snprintf(finding->mend, sizeof finding->mend, "moves it aside, to undone.damaged; all checkpoints stay");
    if (verify->repair)
        result = path_format(path, &error, "%s/undone", verify->paths.checkpoints) || verify_move_aside(path, &error);
    verify_mended(verify, finding, result, &error);
    verify->unfinished_back = !finding->mended;
}

static void check_back(struct verify *verify)
{
    struct undone undone;
    struct error error = {""};
    const bool read = session_read_back(&verify->paths, &undone, &error) == 0;
    verify->unfinished_back = !read || undone.on;
    if (!verify->unfinished_back || verify->report->training)
        return;
    if (!read && errno == EBADMSG) {
        tell_damaged_mark(verify);
        return;
    }
    const int result = verify->repair ? finish_back(verify, &error) : 0;
    struct verify_finding *finding =
        verify_add(verify, VERIFY_NOTE, "checkpoints/undone", "the run was going back to another step when it ended");
    snprintf(finding->means, sizeof finding->means, "the next resume brings that to its end");
    snprintf(finding->mend, sizeof finding->mend, "brings it to its end now");
    verify_mended(verify, finding, result, &error);
    verify->unfinished_back = !finding->mended;
    if (result)
        finding->severity = VERIFY_WRONG;
}

/* ---- The parent ---- */

static void check_parent(struct verify *verify)
{
    char name[SESSION_NAME_SIZE], above[FILE_PATH_SIZE], path[FILE_PATH_SIZE];
    struct error error = {""};
    long step;
    session_read_parent(&verify->paths, name, &step);
    if (!*name && access(verify->paths.parent, F_OK) == 0) {
        struct verify_finding *finding =
            verify_add(verify, VERIFY_WRONG, "parent", "it does not say which session this is a fork of");
        snprintf(finding->means, sizeof finding->means, "the session is whole; only its place in the family is lost");
        snprintf(finding->mend, sizeof finding->mend, "moves it aside, to parent.damaged");
        verify_mended(verify, finding, verify->repair ? verify_move_aside(verify->paths.parent, &error) : 0, &error);
    }
    if (!*name || session_check_name(name, NULL) || session_folder_above(&verify->paths, above, NULL) ||
        path_format(path, NULL, "%s/%s/settings.ini", above, name) || access(path, F_OK) == 0)
        return;
    struct verify_finding *finding =
        verify_add(verify, VERIFY_NOTE, "parent", "%s, which this is a fork of, is not there any more", name);
    snprintf(finding->means, sizeof finding->means, "nothing is lost here: the fork has its records up to step %ld",
             step);
}

/* ---- All of it ---- */

static void verify_all(struct verify *verify)
{
    struct verify_report *report = verify->report;
    check_settings(verify);
    check_rights(verify);
    check_input(verify);
    check_back(verify);
    check_leftovers(verify);
    verify_log(verify, verify->paths.metrics, "metrics.jsonl", false, &verify->metrics);
    verify_log(verify, verify->paths.commands, "commands.jsonl", true, &verify->commands);
    verify_checkpoints(verify);
    if (!verify->unfinished_back)
        verify_agreement(verify);
    check_parent(verify);
    report->step = verify->has_newest ? verify->newest.state.step : -1;
    report->records = verify->metrics.lines;
    report->commands = verify->commands.lines;
    for (int i = 0; i < report->count; i++)
        report->wrong += report->findings[i].severity == VERIFY_WRONG && !report->findings[i].mended;
}

/* The newest that is whole, of a run that trains, before its logs are read: what it saves meanwhile is not to agree
 * with them. */
static void find_newest(struct verify *verify)
{
    enum { TRIES = 20 }; /* it may be gone for newer ones */
    for (int i = 0; i < TRIES && !verify->has_newest; i++) {
        struct checkpoint_entry *entries = NULL;
        int count = 0;
        if (checkpoint_list(verify->paths.checkpoints, &entries, &count, NULL))
            return;
        for (int k = 0; k < count && !verify->has_newest; k++)
            verify->has_newest = checkpoint_verify(entries[k].path, &verify->newest, NULL) == 0 &&
                                 verify->newest.state.step == entries[k].step;
        free(entries);
    }
}

static int verify_once(const struct session_paths *paths, bool repair, struct verify_report *out, struct error *error)
{
    struct verify verify = {.report = out, .paths = *paths, .repair = repair};
    out->training = !repair && session_is_locked(paths, NULL);
    if (out->training)
        find_newest(&verify);
    verify_all(&verify);
    verify_facts_free(&verify.metrics);
    verify_facts_free(&verify.commands);
    return verify.out_of_memory ? error_set(error, "cannot verify %s: out of memory", paths->folder) : 0;
}

int session_verify(const struct settings *settings, const char *name, bool repair, struct verify_report *out,
                   struct error *error)
{
    enum { TRIES = 3 }; /* of a session that changes while it is read */
    struct session_paths paths;
    char found[SESSION_NAME_SIZE];
    int lock = -1, result = 0;
    memset(out, 0, sizeof *out);
    if (session_find(settings, name, found, &paths, error) || (repair && session_lock(&paths, found, &lock, error)))
        return -1;
    for (int i = 0; i < TRIES && (i == 0 || (out->training && out->wrong)) && result == 0; i++) {
        verify_free(out);
        memcpy(out->name, found, sizeof found);
        snprintf(out->folder, sizeof out->folder, "%s", paths.folder);
        result = verify_once(&paths, repair, out, error);
    }
    if (lock >= 0)
        close(lock);
    return result;
}

void verify_free(struct verify_report *report)
{
    free(report->findings);
    memset(report, 0, sizeof *report);
}
