/* What a resume takes back of a person's commands: those behind the checkpoint that it goes on from. They are kept, and
 * told. */
#include "sessions/session_internal.h"

#include "base/line.h"
#include "sessions/log_lines.h"
#include "sessions/metrics_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool ends_in(const char *data, size_t size, const char *end, size_t length)
{
    return size >= length && memcmp(data + size - length, end, length) == 0;
}

/* Behind those of before; what a process has kept already that died before it cut them stays once. */
static int keep(const struct session *session, const char *lines, size_t size, struct error *error)
{
    struct text text = {0};
    char path[FILE_PATH_SIZE], *before = NULL;
    size_t length = 0;
    int result = 0;
    if (path_format(path, error, "%s/" SESSION_UNDONE, session->paths.folder))
        return -1;
    if (file_read(path, &before, &length, error) && errno != ENOENT)
        return -1;
    if (!ends_in(before, length, lines, size)) {
        text_add_bytes(&text, before ? before : "", length);
        text_add_bytes(&text, lines, size);
        result = text.failed ? error_set(error, "cannot write %s: out of memory", path)
                             : file_replace(path, text.data, text.length, error);
    }
    free(text.data);
    free(before);
    return result;
}

/* "3 commands behind step 16 are undone, and kept in undone.jsonl: lr 0.01 (step 18), ..." as far as there is room. */
static void tell(char *lines, size_t size, long step, char note[SESSION_NOTE_SIZE])
{
    enum { LIST_MOST = 90 }; /* it fits with one name more */
    struct log_lines all = {lines, lines, lines + size};
    const size_t used = strlen(note);
    char names[SESSION_NOTE_SIZE];
    struct line list = line_begin(names, sizeof names);
    const char *at;
    long count = 0;
    bool whole = true;
    for (size_t length; (at = log_lines_next(&all, &length)); count++) {
        struct record record;
        const bool read = record_read(at, length, false, &record) && record.kind == RECORD_COMMAND;
        whole = whole && list.used < LIST_MOST;
        if (whole && read)
            line_add(&list, "%s%.50s (step %ld)", count ? ", " : "", record.command.command.text, record.command.step);
        else if (whole)
            line_add(&list, "%sone that cannot be read", count ? ", " : "");
    }
    struct line line = line_begin(note + used, SESSION_NOTE_SIZE - used);
    line_add(&line, "%s%ld command%s behind step %ld %s undone, and kept in %s: %s%s", used ? "; " : "", count,
             count == 1 ? "" : "s", step, count == 1 ? "is" : "are", SESSION_UNDONE, names, whole ? "" : ", ...");
}

int session_undo_commands(struct session *session, const struct training_state *state, long known,
                          char note[SESSION_NOTE_SIZE], struct error *error)
{
    char *lines = NULL;
    size_t size = 0;
    if (metrics_log_behind(session->commands, state, known, &lines, &size, error))
        return -1;
    int result = 0;
    if (size > 0)
        result = keep(session, lines, size, error);
    if (result == 0)
        result = metrics_log_cut(session->commands, state, known, error); /* also where it has nothing but a torn end */
    if (result == 0 && size > 0)
        tell(lines, size, state->step, note);
    free(lines);
    return result ? -1 : 0;
}
