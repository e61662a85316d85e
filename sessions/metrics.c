/* The logs of a session; see metrics.h. */
#include "sessions/metrics.h"

#include "sessions/crc32c.h"
#include "sessions/fields.h"
#include "sessions/file.h"
#include "sessions/probe_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct state_record {
    long step;
    char state[16];
    char message[METRICS_MESSAGE_SIZE];
};

static const struct field step_fields[] = {
    FIELD(step_record, step, FIELD_LONG),
    FIELD(step_record, epoch, FIELD_INT),
    FIELD(step_record, loss, FIELD_FLOAT),
    FIELD(step_record, accuracy, FIELD_FLOAT),
    FIELD_NAMED(step_record, "lr", learning_rate, FIELD_FLOAT),
    FIELD(step_record, gradient_norm, FIELD_FLOAT),
    FIELD(step_record, clipped_units, FIELD_INT),
    FIELD(step_record, seconds, FIELD_DOUBLE),
    FIELD(step_record, images_per_second, FIELD_DOUBLE),
};
static const struct field epoch_fields[] = {
    FIELD(epoch_record, step, FIELD_LONG),
    FIELD(epoch_record, epoch, FIELD_INT),
    FIELD(epoch_record, train_loss, FIELD_FLOAT),
    FIELD(epoch_record, train_accuracy, FIELD_FLOAT),
    FIELD(epoch_record, validation_loss, FIELD_FLOAT),
    FIELD(epoch_record, validation_accuracy, FIELD_FLOAT),
    FIELD(epoch_record, test_loss, FIELD_FLOAT),
    FIELD(epoch_record, test_accuracy, FIELD_FLOAT),
    FIELD(epoch_record, seconds, FIELD_DOUBLE),
    FIELD(epoch_record, best, FIELD_BOOL),
};
/* By name, so that a log stays readable when the commands' numbers change. */
static const char *const command_words[] = {
    [COMMAND_LEARNING_RATE] = "lr",  [COMMAND_SCALE_LEARNING_RATE] = "scale-lr",
    [COMMAND_PAUSE] = "pause",       [COMMAND_RESUME] = "resume",
    [COMMAND_STEP] = "step",         [COMMAND_EVALUATE] = "eval",
    [COMMAND_SAVE] = "save",         [COMMAND_PROBE] = "probe",
    [COMMAND_STOP] = "stop",         [COMMAND_ON_DIVERGENCE] = "on-divergence",
    [COMMAND_ROLLBACK] = "rollback", NULL,
};
_Static_assert(sizeof(enum command_kind) == sizeof(int), "words are stored as int");
static const struct field command_fields[] = {
    FIELD(command_record, step, FIELD_LONG),
    FIELD_WORD(command_record, "action", command.kind, command_words),
    FIELD_NAMED(command_record, "value", command.value, FIELD_DOUBLE),
    FIELD_NAMED(command_record, "count", command.count, FIELD_LONG),
    FIELD_CHARS(command_record, "command", command.text),
    FIELD(command_record, ok, FIELD_BOOL),
    FIELD_CHARS(command_record, "outcome", outcome),
};
/* As finding_kind_name and finding_severity_name have them. */
static const char *const finding_words[] = {[FINDING_DIVERGENCE] = "divergence",  [FINDING_NOT_FINITE] = "not-finite",
                                            [FINDING_VARIANCE] = "variance",      [FINDING_DEAD] = "dead-units",
                                            [FINDING_UPDATE] = "update-ratio",    [FINDING_CHANCE] = "chance-level",
                                            [FINDING_GAMMA] = "gamma-in-weights", NULL};
static const char *const severity_words[] = {
    [FINDING_NOTE] = "note", [FINDING_WARNING] = "warning", [FINDING_ALARM] = "alarm", NULL};
_Static_assert(sizeof(enum finding_kind) == sizeof(int), "words are stored as int");
static const struct field finding_fields[] = {
    FIELD(finding, step, FIELD_LONG),
    FIELD_WORD(finding, "finding", kind, finding_words),
    FIELD_WORD(finding, "severity", severity, severity_words),
    FIELD(finding, over, FIELD_BOOL),
    FIELD(finding, since, FIELD_LONG),
    FIELD(finding, point, FIELD_INT),
    FIELD(finding, measured, FIELD_FLOAT),
    FIELD(finding, limit, FIELD_FLOAT),
    FIELD_CHARS(finding, "text", text),
};
static const struct field state_fields[] = {
    FIELD(state_record, step, FIELD_LONG),
    FIELD_CHARS(state_record, "state", state),
    FIELD_CHARS(state_record, "message", message),
};

/* What is read of a probe where only its place in the log counts. */
struct probe_place {
    long step;
};
static const struct field probe_fields[] = {FIELD(probe_place, step, FIELD_LONG)};

enum record_kind {
    RECORD_STEP,
    RECORD_EPOCH,
    RECORD_COMMAND,
    RECORD_STATE,
    RECORD_PROBE,
    RECORD_FINDING,
    RECORD_KINDS
};

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))
static const struct {
    const char *name;
    const struct field *fields;
    int field_count;
} record_table[RECORD_KINDS] = {
    [RECORD_STEP] = {"step", step_fields, COUNT(step_fields)},
    [RECORD_EPOCH] = {"epoch", epoch_fields, COUNT(epoch_fields)},
    [RECORD_COMMAND] = {"command", command_fields, COUNT(command_fields)},
    [RECORD_FINDING] = {"health", finding_fields, COUNT(finding_fields)},
    [RECORD_STATE] = {"state", state_fields, COUNT(state_fields)},
    [RECORD_PROBE] = {"probe", probe_fields, COUNT(probe_fields)}, /* the rest: probe_record.h */
};

struct record {
    enum record_kind kind;
    union {
        struct step_record step;
        struct epoch_record epoch;
        struct command_record command;
        struct finding finding;
        struct state_record state;
        struct probe_place probe;
    };
    struct probe *whole; /* of RECORD_PROBE, where it was asked for */
};

struct metrics_log {
    char path[FILE_PATH_SIZE];
    int descriptor;
    struct text line; /* kept between records */
};

/* ---- Writing ---- */

/* Cuts what stands behind the last newline: a line that a crash has torn. */
static int repair_tail(const struct metrics_log *log, struct error *error)
{
    char block[4096];
    off_t end = lseek(log->descriptor, 0, SEEK_END), keep = 0;
    if (end < 0)
        return error_set(error, "cannot read %s: %s", log->path, strerror(errno));
    for (off_t at = end; at > 0 && keep == 0;) {
        size_t size = at < (off_t)sizeof block ? (size_t)at : sizeof block;
        at -= (off_t)size;
        ssize_t got = pread(log->descriptor, block, size, at);
        if (got < 0 && errno == EINTR) {
            at += (off_t)size;
            continue;
        }
        if (got != (ssize_t)size)
            return error_set(error, "cannot read %s: %s", log->path, got < 0 ? strerror(errno) : "it shrank");
        const char *newline = memrchr(block, '\n', size);
        if (newline)
            keep = at + (newline - block) + 1;
    }
    if (keep < end && ftruncate(log->descriptor, keep))
        return error_set(error, "cannot cut the torn line of %s: %s", log->path, strerror(errno));
    return 0;
}

static int open_log(struct metrics_log *log, struct error *error)
{
    log->descriptor = open(log->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log->descriptor < 0)
        return error_set(error, "cannot write %s: %s", log->path, strerror(errno));
    return repair_tail(log, error);
}

int metrics_log_open(const char *path, struct metrics_log **out, struct error *error)
{
    struct metrics_log *log = calloc(1, sizeof *log);
    if (!log)
        return error_set(error, "cannot write %s: out of memory", path);
    log->descriptor = -1;
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
            return error_set(error, "cannot write %s: %s", log->path, strerror(errno));
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
    text_add(line, "{\"kind\":\"%s\",", record_table[kind].name);
    if (kind == RECORD_PROBE)
        probe_record_write(record, line);
    else
        fields_write(record_table[kind].fields, record_table[kind].field_count, record, line);
    if (!line->failed)
        text_add(line, ",\"crc\":\"%08x\"}\n", crc32c(line->data, line->length));
    if (line->failed)
        return error_set(error, "cannot write %s: out of memory", log->path);
    return file_write_all(log->descriptor, line->data, line->length, log->path, error);
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

/* ---- Reading ---- */

/* The checksum is a fixed number of bytes from the line's end. */
static bool checksum_fits(const char *line, size_t length)
{
    static const char mark[] = ",\"crc\":\"";
    enum { MARK = sizeof mark - 1, TAIL = MARK + 8 + 2 };
    char expected[9];
    if (length < TAIL || memcmp(line + length - TAIL, mark, MARK))
        return false;
    snprintf(expected, sizeof expected, "%08x", crc32c(line, length - TAIL));
    return memcmp(line + length - 10, expected, 8) == 0;
}

static bool parse_record(const char *line, size_t length, bool whole, struct record *record)
{
    bool ok = false;
    if (!checksum_fits(line, length))
        return false;
    json_t *json = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    const char *kind = json_string_value(json_object_get(json, "kind"));
    memset(record, 0, sizeof *record);
    for (int i = 0; kind && i < RECORD_KINDS; i++) {
        if (strcmp(kind, record_table[i].name) == 0) {
            record->kind = (enum record_kind)i;
            ok = !fields_read(record_table[i].fields, record_table[i].field_count, json, &record->step, NULL);
        }
    }
    if (ok && whole && record->kind == RECORD_PROBE) {
        record->whole = probe_record_read(json);
        ok = record->whole;
    }
    json_decref(json);
    return ok;
}

static long record_step(const struct record *record)
{
    switch (record->kind) {
    case RECORD_STEP:
        return record->step.step;
    case RECORD_EPOCH:
        return record->epoch.step;
    case RECORD_COMMAND:
        return record->command.step;
    case RECORD_PROBE:
        return record->probe.step;
    case RECORD_FINDING:
        return record->finding.step;
    default:
        return record->state.step;
    }
}

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

static int keep_record(struct metrics *out, const struct record *record)
{
    long step = record_step(record);
    out->last_step = step > out->last_step ? step : out->last_step;
    switch (record->kind) {
    case RECORD_STEP:
        return append(&out->steps, &out->step_count, &record->step, sizeof record->step);
    case RECORD_EPOCH:
        return append(&out->epochs, &out->epoch_count, &record->epoch, sizeof record->epoch);
    case RECORD_COMMAND:
        return append(&out->commands, &out->command_count, &record->command, sizeof record->command);
    case RECORD_PROBE:
        return keep_probe(out, record->whole);
    case RECORD_FINDING:
        return append(&out->findings, &out->finding_count, &record->finding, sizeof record->finding);
    default:
        memcpy(out->end_state, record->state.state, sizeof out->end_state);
        memcpy(out->end_message, record->state.message, sizeof out->end_message);
        return 0;
    }
}

/* A log in memory, taken line by line. */
struct lines {
    char *data, *next, *end;
};

/* -1 on error; an absent file is empty. */
static int load_lines(const char *path, struct lines *lines, struct error *error)
{
    size_t size = 0;
    lines->data = NULL;
    if (file_read(path, &lines->data, &size, error) && errno != ENOENT)
        return -1;
    lines->next = lines->data;
    lines->end = lines->data ? lines->data + size : NULL;
    return 0;
}

/* The next line without its newline; NULL at the end. A last line without a newline is still being written. */
static const char *next_line(struct lines *lines, size_t *length)
{
    char *line = lines->next;
    char *newline = line ? memchr(line, '\n', (size_t)(lines->end - line)) : NULL;
    if (!newline)
        return NULL;
    lines->next = newline + 1;
    *length = (size_t)(newline - line);
    return line;
}

/* Told by its first bytes, without parsing it. */
static bool is_kind(enum record_kind kind, const char *line, size_t length)
{
    char start[32];
    const size_t size = (size_t)snprintf(start, sizeof start, "{\"kind\":\"%s\"", record_table[kind].name);
    return length >= size && memcmp(line, start, size) == 0;
}

static int take_line(const char *line, size_t length, struct metrics *out)
{
    struct record record;
    if (parse_record(line, length, true, &record))
        return keep_record(out, &record);
    out->damaged_lines++;
    return 0;
}

/* Adds the records; unless all are wanted, of the steps only the newest and no probes. */
static int read_records(const char *path, bool all, struct metrics *out, struct error *error)
{
    struct lines lines;
    const char *line, *newest = NULL;
    size_t length, newest_length = 0;
    int result = 0;
    if (load_lines(path, &lines, error))
        return -1;
    while (result == 0 && (line = next_line(&lines, &length))) {
        if (all || !(is_kind(RECORD_STEP, line, length) || is_kind(RECORD_PROBE, line, length))) {
            result = take_line(line, length, out);
        } else if (is_kind(RECORD_STEP, line, length)) {
            newest = line;
            newest_length = length;
        }
    }
    if (result == 0 && newest)
        result = take_line(newest, newest_length, out);
    if (result == 0 && lines.next < lines.end)
        out->damaged_lines++;
    free(lines.data);
    return result ? error_set(error, "cannot read %s: out of memory", path) : 0;
}

int metrics_read(const char *path, struct metrics *out, struct error *error)
{
    return read_records(path, true, out, error);
}

int metrics_read_summary(const char *path, struct metrics *out, struct error *error)
{
    return read_records(path, false, out, error);
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
    memset(metrics, 0, sizeof *metrics);
}

int metrics_log_count(const struct metrics_log *log, long *count, struct error *error)
{
    struct lines lines;
    size_t length;
    if (load_lines(log->path, &lines, error))
        return -1;
    for (*count = 0; next_line(&lines, &length); ++*count)
        ;
    free(lines.data);
    return 0;
}

static bool changes_training(const struct record *record)
{
    const enum command_kind kind = record->command.command.kind;
    return record->kind == RECORD_COMMAND &&
           (kind == COMMAND_LEARNING_RATE || kind == COMMAND_SCALE_LEARNING_RATE || kind == COMMAND_ROLLBACK);
}

/* Whether a line belongs to the past of the checkpoint; see metrics_log_cut. */
static bool is_past(const char *line, size_t length, bool known, long step)
{
    struct record record;
    if (!parse_record(line, length, false, &record))
        return known;
    return record_step(&record) <= step && (known || !changes_training(&record));
}

int metrics_log_cut(struct metrics_log *log, long step, long known, struct error *error)
{
    struct lines lines;
    const char *line;
    size_t length;
    if (load_lines(log->path, &lines, error))
        return -1;
    char *kept = lines.data; /* written over what was read */
    for (long i = 0; (line = next_line(&lines, &length)); i++) {
        if (!is_past(line, length, i < known, step))
            continue;
        memmove(kept, line, length + 1);
        kept += length + 1;
    }
    int result = 0;
    if (kept != lines.end) {
        close(log->descriptor);
        log->descriptor = -1;
        result = file_replace(log->path, lines.data, (size_t)(kept - lines.data), error);
        if (open_log(log, result ? NULL : error))
            result = -1;
    }
    free(lines.data);
    return result;
}
