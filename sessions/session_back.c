/* Going back in a session, and checkpoints with a name. Where a run goes to stands on the disk before anything that it
 * undoes is touched, so that a crash at any point leaves a session that goes on: from where it was, or from where it
 * went.
 *
 *   checkpoints/NAME.safetensors, NAME.metrics.jsonl, NAME.commands.jsonl   a checkpoint with a name, and the logs then
 *   checkpoints/undone                                                      while the run goes back: see struct undone
 */
#include "sessions/session_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Names ---- */

int session_check_checkpoint_name(const char *name, struct error *error)
{
    static const char *const taken[] = {"last", "best", "good", "all"};
    const size_t length = strlen(name);
    const char *why = NULL;
    if (length == 0 || length >= CHECKPOINT_NAME_SIZE)
        why = "it must have 1 to 63 bytes";
    else if (strspn(name, "0123456789") == length)
        why = "it would be taken for a step";
    else if (name[0] == '.' || name[0] == '-')
        why = "it may not begin with '.' or '-'";
    for (size_t i = 0; i < sizeof taken / sizeof *taken && !why; i++)
        if (strcmp(name, taken[i]) == 0)
            why = "that word means something else";
    for (size_t i = 0; i < length && !why; i++)
        if (name[i] == '/' || (unsigned char)name[i] <= ' ' || name[i] == 0x7f)
            why = "it may hold neither blanks nor '/' nor control characters";
    return why ? error_set(error, "'%.60s' cannot be a checkpoint's name: %s", name, why) : 0;
}

static int name_path(const struct session *session, const char *name, const char *end, char path[FILE_PATH_SIZE],
                     struct error *error)
{
    return path_format(path, error, "%s/%s.%s", session->paths.checkpoints, name, end);
}

/* A log as it is now, beside the checkpoint. */
static int keep_log(const struct session *session, const char *from, const char *name, const char *end,
                    struct error *error)
{
    char path[FILE_PATH_SIZE];
    return name_path(session, name, end, path, error) || file_copy(from, path, error) ? -1 : 0;
}

/* The same file under another name; where the file system has no links, a copy. */
static int copy_file(const char *from, const char *to, struct error *error)
{
    char temporary[FILE_PATH_SIZE];
    if (path_format(temporary, error, "%s.tmp", to))
        return -1;
    (void)unlink(temporary); /* of a crash */
    if (link(from, temporary) != 0)
        return file_copy(from, to, error);
    const int result = file_publish(to, error);
    (void)unlink(temporary); /* where `to` was the same file already, rename has left it */
    return result;
}

/* Whether two checkpoints have the same weights, averages and momentum: what stands behind the head, the length of
 * which is its first eight bytes. */
static int same_weights(const char *one, const char *other, bool *same, struct error *error)
{
    const char *const paths[] = {one, other};
    char *data[2] = {NULL, NULL};
    size_t size[2] = {0, 0}, head[2] = {0, 0};
    int result = 0;
    for (int i = 0; i < 2 && result == 0; i++) {
        uint64_t length = 0;
        result = file_read(paths[i], &data[i], &size[i], error);
        if (result == 0 && size[i] >= sizeof length)
            memcpy(&length, data[i], sizeof length);
        head[i] = length < size[i] ? sizeof length + (size_t)length : size[i];
    }
    *same = result == 0 && head[0] <= size[0] && head[1] <= size[1] && size[0] - head[0] == size[1] - head[1] &&
            memcmp(data[0] + head[0], data[1] + head[1], size[0] - head[0]) == 0;
    free(data[0]);
    free(data[1]);
    return result;
}

/* What has the name already must be the same state of the same course: else it would be lost. */
static int check_name_is_free(const char *name, const char *from, const char *to, long step, struct error *error)
{
    struct checkpoint_info old;
    bool same = false;
    if (checkpoint_read_info(to, &old, NULL))
        return 0;
    if (old.state.step != step)
        return error_set(error, "%s is the checkpoint of step %ld already: choose another name", name, old.state.step);
    if (same_weights(from, to, &same, error))
        return -1;
    return same ? 0 : error_set(error, "%s is another checkpoint of step %ld already: choose another name", name, step);
}

int session_keep_name(struct session *session, const char *name, long step, struct error *error)
{
    char from[FILE_PATH_SIZE], to[FILE_PATH_SIZE];
    if (session_check_checkpoint_name(name, error) || name_path(session, name, "safetensors", to, error) ||
        path_format(from, error, "%s/%ld.safetensors", session->paths.checkpoints, step) ||
        check_name_is_free(name, from, to, step, error))
        return -1;
    return keep_log(session, session->paths.metrics, name, "metrics.jsonl", error) ||
                   keep_log(session, session->paths.commands, name, "commands.jsonl", error) ||
                   copy_file(from, to, error)
               ? -1
               : 0;
}

int session_load_name(const struct session *session, const char *name, struct network *network,
                      struct checkpoint_info *info, struct error *error)
{
    char path[FILE_PATH_SIZE];
    if (session_check_checkpoint_name(name, error) || name_path(session, name, "safetensors", path, error))
        return -1;
    if (access(path, F_OK) != 0)
        return error_set(error, "session %s has no checkpoint %s: `nfbench sessions show %s` lists them", session->name,
                         name, session->name);
    return checkpoint_load(path, network, info, error);
}

int session_names(const struct session *session, struct session_name **out, int *count, struct error *error)
{
    struct checkpoint_entry *entries = NULL;
    if (checkpoint_list_named(session->paths.checkpoints, &entries, count, error))
        return -1;
    *out = calloc((size_t)*count + 1, sizeof **out);
    for (int i = 0; *out && i < *count; i++) {
        memcpy((*out)[i].name, entries[i].name, sizeof entries[i].name);
        (*out)[i].step = entries[i].step;
    }
    free(entries);
    return *out ? 0 : error_set(error, "out of memory");
}

/* ---- Going back ---- */

static int mark_path(const struct session *session, char path[FILE_PATH_SIZE], struct error *error)
{
    return path_format(path, error, "%s/undone", session->paths.checkpoints);
}

static int write_mark(struct session *session, struct error *error)
{
    char path[FILE_PATH_SIZE], text[CHECKPOINT_NAME_SIZE + 64];
    const struct undone *undone = &session->undone;
    const int length = snprintf(text, sizeof text, "%ld %ld %s\n", undone->behind, undone->at, undone->name);
    return mark_path(session, path, error) ? -1 : file_replace(path, text, (size_t)length, error);
}

/* What the run is made on from there is this process's platform, whatever was recorded of the steps before. */
static int log_platform(const struct session *session, long step, struct error *error)
{
    return session->has_platform ? session_log_start(session, step, error) : 0;
}

/* A log becomes what it was when the checkpoint got its name. */
static int take_log(const struct session *session, struct metrics_log *log, const char *end, struct error *error)
{
    char path[FILE_PATH_SIZE], *data = NULL;
    size_t size = 0;
    if (name_path(session, session->undone.name, end, path, error) || file_read(path, &data, &size, error))
        return -1;
    const int result = metrics_log_replace(log, data, size, error);
    free(data);
    return result;
}

/* All of a checkpoint with a name becomes the session's; again, where a crash has left it half done. */
static int take_name(const struct session *session, struct error *error)
{
    const struct undone *undone = &session->undone;
    char from[FILE_PATH_SIZE], to[FILE_PATH_SIZE];
    return name_path(session, undone->name, "safetensors", from, error) ||
                   path_format(to, error, "%s/%ld.safetensors", session->paths.checkpoints, undone->at) ||
                   copy_file(from, to, error) || take_log(session, session->metrics, "metrics.jsonl", error) ||
                   take_log(session, session->commands, "commands.jsonl", error)
               ? -1
               : 0;
}

/* The log and that of the checkpoint with a name are compared: the step is what `find` says of them. */
static int compare_log(const struct session *session, const char *log, const char *name, const char *end,
                       long (*find)(const char *one, size_t one_size, const char *other, size_t other_size), long *step,
                       struct error *error)
{
    char path[FILE_PATH_SIZE], *now = NULL, *then = NULL;
    size_t now_size = 0, then_size = 0;
    int result = -1;
    if (name_path(session, name, end, path, error) == 0 && file_read(path, &then, &then_size, error) == 0 &&
        file_read(log, &now, &now_size, error) == 0) {
        *step = find(now, now_size, then, then_size);
        result = *step < 0 ? error_set(error, "cannot read %s: out of memory", path) : 0;
    }
    free(now);
    free(then);
    return result;
}

/* The last step up to which the session and a checkpoint with a name have run the same course: one at which they were
 * commanded differently is none, since a checkpoint there knows how many commands came before it. */
static int common_step(const struct session *session, const char *name, long *step, struct error *error)
{
    long other;
    if (compare_log(session, session->paths.metrics, name, "metrics.jsonl", metrics_common_step, step, error) ||
        compare_log(session, session->paths.commands, name, "commands.jsonl", metrics_first_difference, &other, error))
        return -1;
    *step = *step < other ? *step : other - 1;
    return 0;
}

static int go_to_name(struct session *session, const struct training_state *state, const char *name,
                      struct error *error)
{
    const bool begun = session->undone.on && strcmp(session->undone.name, name) == 0; /* there was no room to end it */
    struct undone undone = {.on = true, .at = state->step};
    if (!begun && common_step(session, name, &undone.behind, error))
        return -1;
    snprintf(undone.name, sizeof undone.name, "%s", name);
    session->undone = begun ? session->undone : undone;
    return write_mark(session, error) || take_name(session, error) || log_platform(session, state->step, error) ? -1
                                                                                                                : 0;
}

int session_go_back(struct session *session, struct network *network, const struct training_state *state,
                    const char *name, struct error *error)
{
    if (name)
        return go_to_name(session, state, name, error);
    if (session_write_checkpoint(session, network, state, false, state->commands, error))
        return -1;
    session->undone = (struct undone){.on = true, .behind = state->step, .at = state->step};
    return write_mark(session, error) || metrics_log_cut(session->metrics, state, 0, error) ||
                   metrics_log_cut(session->commands, state, state->commands, error) ||
                   log_platform(session, state->step, error)
               ? -1
               : 0;
}

int session_finish_back(struct session *session, struct error *error)
{
    const struct undone *undone = &session->undone;
    char path[FILE_PATH_SIZE];
    struct checkpoint_entry *entries = NULL;
    int count = 0, result = 0;
    if (!undone->on)
        return 0;
    if (mark_path(session, path, error) || checkpoint_list(session->paths.checkpoints, &entries, &count, error))
        return -1;
    for (int i = 0; i < count && result == 0; i++)
        if (entries[i].step > undone->behind && entries[i].step != undone->at && unlink(entries[i].path) != 0)
            result = file_failed(error, "remove", entries[i].path);
    free(entries);
    if (result == 0 && unlink(path) != 0 && errno != ENOENT)
        result = file_failed(error, "remove", path);
    session->undone.on = result != 0;
    return result;
}

/* What stands there removes checkpoints: it must be what write_mark writes. */
static bool read_mark(const char *text, struct undone *undone)
{
    const int fields = sscanf(text, "%ld %ld %63s", &undone->behind, &undone->at, undone->name);
    if (fields < 2 || undone->behind < 0 || undone->at < 0)
        return false;
    return *undone->name ? session_check_checkpoint_name(undone->name, NULL) == 0 : undone->behind == undone->at;
}

int session_read_back(const struct session_paths *paths, struct undone *undone, struct error *error)
{
    char path[FILE_PATH_SIZE], *text = NULL;
    size_t size = 0;
    *undone = (struct undone){.on = false};
    if (path_format(path, error, "%s/undone", paths->checkpoints))
        return -1;
    if (access(path, F_OK) != 0)
        return 0;
    if (file_read(path, &text, &size, error))
        return -1;
    undone->on = read_mark(text, undone);
    free(text);
    return undone->on ? 0 : file_damaged(error, "%s is damaged", path);
}

int session_recover_back(struct session *session, struct error *error)
{
    if (session_read_back(&session->paths, &session->undone, error)) {
        if (errno == EBADMSG)
            error_set(error, "%s/undone is damaged: `nfbench sessions verify %s --repair` moves it aside",
                      session->paths.checkpoints, session->name);
        return -1;
    }
    return (*session->undone.name && take_name(session, error)) || session_finish_back(session, error) ? -1 : 0;
}

/* ---- A person's choice ---- */

int session_load_choice(struct session *session, const struct checkpoint_choice *choice, struct network *network,
                        struct training_state *state, char note[256], struct error *error)
{
    struct checkpoint_info info;
    if (choice->which != CHECKPOINT_NAMED)
        return session_load(session, choice->which, network, state, note, error);
    note[0] = '\0';
    if (session_load_name(session, choice->name, network, &info, error))
        return -1;
    if (state)
        *state = info.state;
    return 0;
}

int session_resume_choice(struct session *session, const struct checkpoint_choice *choice, struct network *network,
                          struct training_state *state, char note[256], struct error *error)
{
    if (choice->which != CHECKPOINT_NAMED)
        return session_resume(session, choice->which, network, state, note, error);
    if (session_load_choice(session, choice, network, state, note, error) ||
        session_go_back(session, network, state, choice->name, error) || session_finish_back(session, error))
        return -1;
    return session->has_platform ? 0 : session_log_start(session, state->step, error); /* else it was recorded */
}
