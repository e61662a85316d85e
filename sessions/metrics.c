/* The logs of a session as they are written and cut; see metrics.h. */
#include "sessions/metrics.h"

#include "engine/live.h"
#include "sessions/file.h"
#include "sessions/log_lines.h"
#include "sessions/metrics_record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct metrics_log {
    char path[FILE_PATH_SIZE];
    int descriptor;
    struct text line; /* kept between records */
    bool unsure;      /* a sync has failed: what the disk has of it is not known */
    long lines;       /* in the file; -1: not counted yet */
    long damaged;     /* lines seen by metrics_log_cut */
};

/* ---- Writing ---- */

/* Cuts what stands behind the last newline: a line that a crash has torn. */
static int repair_tail(const struct metrics_log *log, struct error *error)
{
    char block[4096];
    off_t end = lseek(log->descriptor, 0, SEEK_END), keep = 0;
    if (end < 0)
        return file_failed(error, "read", log->path);
    for (off_t at = end; at > 0 && keep == 0;) {
        size_t size = at < (off_t)sizeof block ? (size_t)at : sizeof block;
        at -= (off_t)size;
        ssize_t got = pread(log->descriptor, block, size, at);
        if (got < 0 && errno == EINTR) {
            at += (off_t)size;
            continue;
        }
        if (got < 0)
            return file_failed(error, "read", log->path);
        if (got != (ssize_t)size)
            return error_set(error, "cannot read %s: it shrank", log->path);
        const char *newline = memrchr(block, '\n', size);
        if (newline)
            keep = at + (newline - block) + 1;
    }
    if (keep < end && ftruncate(log->descriptor, keep))
        return file_failed(error, "cut the torn line of", log->path);
    return 0;
}

static int open_log(struct metrics_log *log, struct error *error)
{
    if (log->descriptor >= 0)
        close(log->descriptor);
    log->descriptor = open(log->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log->descriptor < 0)
        return file_failed(error, "write", log->path);
    return repair_tail(log, error);
}

int metrics_log_open(const char *path, struct metrics_log **out, struct error *error)
{
    struct metrics_log *log = calloc(1, sizeof *log);
    if (!log)
        return error_set(error, "cannot write %s: out of memory", path);
    log->descriptor = -1;
    log->lines = -1;
    if (path_format(log->path, error, "%s", path) || open_log(log, error)) {
        metrics_log_close(log, NULL);
        return -1;
    }
    *out = log;
    return 0;
}

/* A sync that has failed is not tried again: the next may succeed without what was lost. The whole log is written anew
 * then, of what the system still has in its memory. */
static int write_anew(struct metrics_log *log, struct error *error)
{
    char *data = NULL;
    size_t size = 0;
    if (file_read(log->path, &data, &size, error))
        return -1;
    const int result = metrics_log_replace(log, data, size, error);
    free(data);
    return result;
}

int metrics_log_sync(struct metrics_log *log, struct error *error)
{
    if (log->unsure || log->descriptor < 0)
        return write_anew(log, error);
    while (fsync(log->descriptor)) {
        if (errno == EINTR)
            continue;
        log->unsure = true;
        return file_failed(error, "write", log->path);
    }
    return 0;
}

int metrics_log_close(struct metrics_log *log, struct error *error)
{
    int result = 0;
    if (!log)
        return 0;
    if (log->descriptor >= 0) {
        result = metrics_log_sync(log, error);
        close(log->descriptor);
    }
    free(log->line.data);
    free(log);
    return result;
}

static int add_record(struct metrics_log *log, enum record_kind kind, const void *record, struct error *error)
{
    struct text *line = &log->line;
    line->length = 0;
    line->failed = false;
    record_write(kind, record, line);
    if (line->failed)
        return error_set(error, "cannot write %s: out of memory", log->path);
    if (log->descriptor < 0 && open_log(log, error))
        return -1;
    if (file_write_all(log->descriptor, line->data, line->length, log->path, error)) {
        const int reason = errno;
        (void)repair_tail(log, NULL); /* else the half is one damaged line */
        errno = reason;
        return -1;
    }
    log->lines += log->lines >= 0;
    return 0;
}

int metrics_log_step(struct metrics_log *log, const struct step_record *record, struct error *error)
{
    return add_record(log, RECORD_STEP, record, error);
}

int metrics_log_epoch(struct metrics_log *log, const struct epoch_record *record, struct error *error)
{
    return add_record(log, RECORD_EPOCH, record, error);
}

int metrics_log_probe(struct metrics_log *log, const struct probe *probe, struct error *error)
{
    return add_record(log, RECORD_PROBE, probe, error);
}

int metrics_log_command(struct metrics_log *log, const struct command_record *record, struct error *error)
{
    return add_record(log, RECORD_COMMAND, record, error);
}

int metrics_log_finding(struct metrics_log *log, const struct finding *finding, struct error *error)
{
    return add_record(log, RECORD_FINDING, finding, error);
}

int metrics_log_state(struct metrics_log *log, const char *state, long step, const char *message, struct error *error)
{
    struct state_record record = {.step = step};
    snprintf(record.state, sizeof record.state, "%s", state);
    snprintf(record.message, sizeof record.message, "%s", message);
    return add_record(log, RECORD_STATE, &record, error);
}

int metrics_log_start(struct metrics_log *log, long step, const struct platform *platform, struct error *error)
{
    const struct state_record record = {
        .step = step, .state = METRICS_STARTED, .has_platform = true, .platform = *platform};
    return add_record(log, RECORD_STATE, &record, error);
}

/* ---- Counting, cutting, replacing ---- */

int metrics_log_count(struct metrics_log *log, long *count, struct error *error)
{
    struct log_lines lines;
    size_t length;
    if (log->lines < 0) {
        if (log_lines_load(log->path, &lines, error))
            return -1;
        for (log->lines = 0; log_lines_next(&lines, &length); log->lines++)
            ;
        free(lines.data);
    }
    *count = log->lines;
    return 0;
}

static bool changes_training(const struct record *record)
{
    return record->kind == RECORD_COMMAND && command_changes_state(record->command.command.kind);
}

/* At an epoch's last step a checkpoint may have been saved before the epoch was measured, and before its end: what came
 * of it then is measured again. */
static bool is_measured_behind(const struct record *record, const struct training_state *state)
{
    const struct epoch_record *epoch = &record->epoch;
    return record->kind == RECORD_EPOCH &&
           (epoch->epoch > state->epoch || (epoch->best && state->best_step != epoch->step));
}

/* What waits in the state will be done behind it: that it was, and what it measured, is no part of its past. */
static bool is_due_again(const struct record *record, const struct training_state *state)
{
    long number = 0;
    if (record->kind == RECORD_EPOCH)
        number = record->epoch.waited;
    else if (record->kind == RECORD_COMMAND && record->command.command.kind != COMMAND_WAIT)
        number = record->command.command.number;
    for (int i = 0; i < state->pending_count && number > 0; i++)
        if (state->pending[i].number == number)
            return true;
    return false;
}

/* Whether a line belongs to the past of the state; see metrics_log_cut. -1: that cannot be known for want of memory. */
static int is_past(const char *line, size_t length, bool known, const struct training_state *state)
{
    struct record record;
    if (!record_read(line, length, false, &record)) {
        if (errno == ENOMEM || !record_checksum_fits(line, length))
            return errno == ENOMEM ? -1 : known;
        const long unknown = record_unknown_step(line, length);
        return unknown < 0 ? -1 : unknown <= state->step;
    }
    const long step = record_step(&record);
    return step < state->step || (step == state->step && !is_measured_behind(&record, state) &&
                                  !is_due_again(&record, state) && (known || !changes_training(&record)));
}

/* Whether the path is another file by now than the one that is written to. */
static bool is_replaced(const struct metrics_log *log)
{
    struct stat ours, there;
    return log->descriptor < 0 || fstat(log->descriptor, &ours) || stat(log->path, &there) ||
           ours.st_ino != there.st_ino || ours.st_dev != there.st_dev;
}

/* Where the rename was done and its folder could not be synced, all that follows belongs in the new file all the same.
 */
int metrics_log_replace(struct metrics_log *log, const char *data, size_t size, struct error *error)
{
    const int result = file_replace(log->path, data, size, error), reason = errno;
    if (result == 0 || is_replaced(log)) {
        log->lines = -1;
        log->unsure = result != 0;
        if (open_log(log, result ? NULL : error))
            return -1;
    }
    errno = reason;
    return result;
}

/* How many of the lines that follow, of which the first is number `i`, reach to the last that can be read and is past:
 * damaged ones among them are past, too. -1: out of memory. */
static long count_sure(struct log_lines lines, long i, long known, const struct training_state *state)
{
    const char *line;
    size_t length;
    long sure = known;
    for (; (line = log_lines_next(&lines, &length)); i++) {
        const int past = record_checksum_fits(line, length) ? is_past(line, length, i < known, state) : 0;
        if (past < 0)
            return -1;
        sure = past && i >= sure ? i + 1 : sure;
    }
    return sure;
}

/* Of the log's lines those that are past, or those that are not, each with its newline; freed by the caller. `all`: the
 * size of the whole log; `damaged`: how many there are of these. */
static int pick_lines(const struct metrics_log *log, const struct training_state *state, long known, bool past,
                      char **picked, size_t *size, size_t *all, long *damaged, struct error *error)
{
    struct log_lines lines;
    const char *line;
    size_t length;
    int is = 0;
    if (log_lines_load(log->path, &lines, error))
        return -1;
    char *to = lines.data; /* written over what was read */
    long sure = -1;        /* not counted yet: only a damaged line asks for it */
    *damaged = 0;
    for (long i = 0; is >= 0 && (line = log_lines_next(&lines, &length)); i++) {
        const bool unread = !record_checksum_fits(line, length);
        if (unread && sure < 0)
            sure = count_sure(lines, i + 1, known, state);
        is = unread && sure < 0 ? -1 : is_past(line, length, i < (unread ? sure : known), state);
        *damaged += unread;
        if (is < 0 || (is > 0) != past)
            continue;
        memmove(to, line, length);
        to[length] = '\n';
        to += length + 1;
    }
    *picked = lines.data;
    *size = (size_t)(to - lines.data);
    *all = (size_t)(lines.end - lines.data);
    if (is >= 0)
        return 0;
    free(lines.data);
    return error_set(error, "cannot read %s: out of memory", log->path);
}

int metrics_log_cut(struct metrics_log *log, const struct training_state *state, long known, struct error *error)
{
    char *kept;
    size_t size, all;
    long damaged;
    if (pick_lines(log, state, known, true, &kept, &size, &all, &damaged, error))
        return -1;
    log->damaged += damaged;
    const int result = size != all || log->unsure ? metrics_log_replace(log, kept, size, error) : 0;
    free(kept);
    return result;
}

int metrics_log_behind(const struct metrics_log *log, const struct training_state *state, long known, char **lines,
                       size_t *size, struct error *error)
{
    size_t all;
    long damaged;
    return pick_lines(log, state, known, false, lines, size, &all, &damaged, error);
}

long metrics_log_damaged(const struct metrics_log *log)
{
    return log->damaged;
}

long metrics_common_step(const char *one, size_t one_size, const char *other, size_t other_size)
{
    long step = 0;
    size_t at = 0;
    const char *newline;
    while (at < one_size && (newline = memchr(one + at, '\n', one_size - at))) {
        const size_t next = (size_t)(newline - one) + 1;
        struct record record;
        if (next > other_size || memcmp(one + at, other + at, next - at) != 0)
            break;
        const bool read = record_read(one + at, next - at - 1, false, &record);
        if (!read && errno == ENOMEM)
            return -1;
        if (read && record_step(&record) > step)
            step = record_step(&record);
        at = next;
    }
    return step;
}

/* The step of the line that begins there; LONG_MAX: none does that can be read. */
static long step_at(const char *log, size_t size, size_t at)
{
    const char *newline = at < size ? memchr(log + at, '\n', size - at) : NULL;
    struct record record;
    errno = 0;
    if (!newline || !record_read(log + at, (size_t)(newline - log) - at, false, &record))
        return newline && errno == ENOMEM ? -1 : LONG_MAX;
    return record_step(&record);
}

long metrics_first_difference(const char *one, size_t one_size, const char *other, size_t other_size)
{
    const size_t least = one_size < other_size ? one_size : other_size;
    size_t same = 0;
    for (size_t at = 0; at < least && one[at] == other[at]; at++)
        if (one[at] == '\n')
            same = at + 1;
    const long left = step_at(one, one_size, same), right = step_at(other, other_size, same);
    return left < right ? left : right;
}
