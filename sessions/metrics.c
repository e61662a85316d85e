/* The logs of a session; see metrics.h. */
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

int metrics_log_sync(struct metrics_log *log, struct error *error)
{
    while (fsync(log->descriptor)) {
        if (errno != EINTR)
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

/* ---- Reading ---- */

/* Adds one element of `size` bytes to a growing array. */
static int append(void *array, int *count, const void *element, size_t size)
{
    void *items;
    memcpy(&items, array, sizeof items);
    if ((*count & (*count - 1)) == 0) { /* full at the powers of two */
        void *grown = reallocarray(items, *count ? 2 * (size_t)*count : 1, size);
        if (!grown)
            return -1;
        items = grown;
        memcpy(array, &items, sizeof items);
    }
    memcpy((char *)items + (size_t)*count * size, element, size);
    (*count)++;
    return 0;
}

/* One that a resumed run has taken again stands for the first. */
static int keep_probe(struct metrics *out, struct probe *probe)
{
    if (out->probe_count > 0 && out->probes[out->probe_count - 1]->step == probe->step)
        probe_destroy(out->probes[--out->probe_count]);
    if (append(&out->probes, &out->probe_count, &probe, sizeof probe) == 0)
        return 0;
    probe_destroy(probe);
    return -1;
}

/* An epoch's end is its first record: an evaluation in the middle of the next comes behind it. */
static int keep_epoch(struct metrics *out, struct epoch_record epoch)
{
    epoch.epoch_end =
        epoch.epoch > (out->epoch_count > 0 ? out->epochs[out->epoch_count - 1].epoch : out->epochs_before);
    return append(&out->epochs, &out->epoch_count, &epoch, sizeof epoch);
}

static int keep_state(struct metrics *out, const struct state_record *state)
{
    const struct start_record start = {state->step, state->platform};
    out->format = state->format > out->format ? state->format : out->format;
    if (strcmp(state->state, METRICS_IMPORTED) == 0) {
        out->imported = true;
        return 0;
    }
    memcpy(out->end_state, state->state, sizeof out->end_state);
    memcpy(out->end_message, state->message, sizeof out->end_message);
    return state->has_platform ? append(&out->starts, &out->start_count, &start, sizeof start) : 0;
}

static int keep_record(struct metrics *out, const struct record *record)
{
    long step = record_step(record);
    out->last_step = step > out->last_step ? step : out->last_step;
    switch (record->kind) {
    case RECORD_STEP:
        return append(&out->steps, &out->step_count, &record->step, sizeof record->step);
    case RECORD_EPOCH:
        return keep_epoch(out, record->epoch);
    case RECORD_COMMAND:
        return append(&out->commands, &out->command_count, &record->command, sizeof record->command);
    case RECORD_PROBE:
        return keep_probe(out, record->whole);
    case RECORD_FINDING:
        return append(&out->findings, &out->finding_count, &record->finding, sizeof record->finding);
    default:
        return keep_state(out, &record->state);
    }
}

static int take_line(const char *line, size_t length, struct metrics *out)
{
    struct record record;
    if (record_read(line, length, true, &record))
        return keep_record(out, &record);
    if (errno == ENOMEM)
        return -1;
    out->damaged_lines += !record_is_unknown(line, length); /* else a newer nfbench knows it */
    return 0;
}

/* Adds the records; unless all are wanted, of the steps only the newest and no probes. */
static int read_records(const char *path, bool all, struct metrics *out, struct error *error)
{
    struct log_lines lines;
    const char *line, *newest = NULL;
    size_t length, newest_length = 0;
    int result = 0;
    if (log_lines_load(path, &lines, error))
        return -1;
    while (result == 0 && (line = log_lines_next(&lines, &length))) {
        if (all || !(record_is_kind(RECORD_STEP, line, length) || record_is_kind(RECORD_PROBE, line, length))) {
            result = take_line(line, length, out);
        } else if (record_is_kind(RECORD_STEP, line, length)) {
            newest = line;
            newest_length = length;
        }
    }
    if (result == 0 && newest)
        result = take_line(newest, newest_length, out);
    if (result == 0 && lines.next < lines.end)
        out->damaged_lines++;
    free(lines.data);
    if (result)
        return error_set(error, "cannot read %s: out of memory", path);
    if (out->format <= METRICS_FORMAT)
        return 0;
    file_newer(error, out->format, METRICS_FORMAT);
    return error_prefix(error, "cannot read %s", path);
}

int metrics_read(const char *path, struct metrics *out, struct error *error)
{
    return read_records(path, true, out, error);
}

int metrics_read_summary(const char *path, struct metrics *out, struct error *error)
{
    return read_records(path, false, out, error);
}

/* What was read up to here, with the line before it, when that still stands there. */
static bool is_behind(const struct metrics_place *place, const struct log_lines *lines)
{
    return lines->end - lines->data >= place->line_size &&
           memcmp(lines->data, place->line, (size_t)place->line_size) == 0;
}

static void move_behind(struct metrics_place *place, const struct log_lines *lines, const struct metrics *read)
{
    const long long size = lines->next - lines->data;
    place->offset += size - place->line_size;
    place->line_size = size < (long long)sizeof place->line ? (int)size : (int)sizeof place->line;
    memcpy(place->line, lines->next - place->line_size, (size_t)place->line_size);
    if (read->epoch_count > 0)
        place->epochs = read->epochs[read->epoch_count - 1].epoch;
}

int metrics_read_on(const char *path, struct metrics_place *place, bool *replaced, struct metrics *out,
                    struct error *error)
{
    struct log_lines lines = {.data = NULL};
    const char *line;
    size_t size = 0, length;
    int result = 0;
    *replaced = false;
    if (file_read_from(path, place->offset - place->line_size, &lines.data, &size, error))
        return errno == ENOENT && place->offset == 0 ? 0 : -1;
    lines.end = lines.data + size;
    lines.next = lines.data + place->line_size;
    if (!is_behind(place, &lines)) {
        *place = (struct metrics_place){.offset = 0};
        *replaced = true;
        free(lines.data);
        return 0;
    }
    out->epochs_before = place->epochs;
    while (result == 0 && (line = log_lines_next(&lines, &length)))
        result = take_line(line, length, out);
    if (result == 0)
        move_behind(place, &lines, out);
    free(lines.data);
    return result ? error_set(error, "cannot read %s: out of memory", path) : 0;
}

void metrics_free(struct metrics *metrics)
{
    free(metrics->steps);
    free(metrics->epochs);
    free(metrics->commands);
    for (int i = 0; i < metrics->probe_count; i++)
        probe_destroy(metrics->probes[i]);
    free(metrics->probes);
    free(metrics->findings);
    free(metrics->starts);
    memset(metrics, 0, sizeof *metrics);
}

const char *command_noted(const struct command *command)
{
    static const char word[] = "note ";
    const char *at = strstr(command->text, word); /* "at 100 note ..." */
    return at ? at + strlen(word) : command->text;
}

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
    return step < state->step ||
           (step == state->step && !is_measured_behind(&record, state) && (known || !changes_training(&record)));
}

int metrics_log_replace(struct metrics_log *log, const char *data, size_t size, struct error *error)
{
    if (file_replace(log->path, data, size, error))
        return -1;
    close(log->descriptor);
    log->lines = -1;
    return open_log(log, error);
}

int metrics_log_cut(struct metrics_log *log, const struct training_state *state, long known, struct error *error)
{
    struct log_lines lines;
    const char *line;
    size_t length;
    if (log_lines_load(log->path, &lines, error))
        return -1;
    char *kept = lines.data; /* written over what was read */
    int past = 0;
    for (long i = 0; past >= 0 && (line = log_lines_next(&lines, &length)); i++) {
        past = is_past(line, length, i < known, state);
        log->damaged += !record_checksum_fits(line, length);
        if (past <= 0)
            continue;
        memmove(kept, line, length);
        kept[length] = '\n';
        kept += length + 1;
    }
    int result = 0;
    if (past < 0)
        result = error_set(error, "cannot read %s: out of memory", log->path);
    else if (kept != lines.end)
        result = metrics_log_replace(log, lines.data, (size_t)(kept - lines.data), error);
    free(lines.data);
    return result;
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
