/* Who trains a trial of a tune, and what no session tells of it; see tune.h. */
#include "sessions/fields.h"
#include "sessions/json.h"
#include "sessions/tune.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int tune_claim(const struct tune *tune, int trial, int *descriptor, struct error *error)
{
    char path[FILE_PATH_SIZE];
    if (tune_path(tune, trial, "lock", path, error))
        return -1;
    const int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock < 0)
        return file_failed(error, "open", path);
    if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
        *descriptor = lock;
        return 1;
    }
    const bool taken = errno == EWOULDBLOCK || errno == EINTR;
    if (!taken)
        file_failed(error, "lock", path);
    close(lock);
    return taken ? 0 : -1;
}

bool tune_is_claimed(const struct tune *tune, int trial)
{
    char path[FILE_PATH_SIZE];
    const int lock = tune_path(tune, trial, "lock", path, NULL) == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (lock < 0)
        return false;
    const bool claimed = flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(lock);
    return claimed;
}

static const struct field note_fields[] = {FIELD(tune_note, crashes, FIELD_INT), FIELD(tune_note, given_up, FIELD_BOOL),
                                           FIELD_CHARS(tune_note, "why", why)};
enum { NOTE_FIELDS = sizeof note_fields / sizeof *note_fields };

int tune_note_read(const struct tune *tune, int trial, struct tune_note *out, struct error *error)
{
    char path[FILE_PATH_SIZE], *text = NULL;
    size_t size = 0;
    json_error_t why;
    memset(out, 0, sizeof *out);
    if (tune_path(tune, trial, "json", path, error))
        return -1;
    if (access(path, F_OK) != 0)
        return 0;
    if (file_read(path, &text, &size, error))
        return -1;
    json_t *note = json_read(text, size, &why);
    free(text);
    const int result =
        note ? fields_read(note_fields, NOTE_FIELDS, note, out, error) : error_set(error, "%s", why.text);
    json_decref(note);
    return result ? error_prefix(error, "%s", path) : 0;
}

int tune_note_write(const struct tune *tune, int trial, const struct tune_note *note, struct error *error)
{
    char path[FILE_PATH_SIZE];
    struct text text = {0};
    if (tune_path(tune, trial, "json", path, error))
        return -1;
    text_add(&text, "{");
    fields_write(note_fields, NOTE_FIELDS, note, &text);
    text_add(&text, "}\n");
    const int result =
        text.failed ? error_set(error, "out of memory") : file_replace(path, text.data, text.length, error);
    free(text.data);
    return result;
}
