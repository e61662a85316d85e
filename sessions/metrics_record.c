/* See metrics_record.h. */
#include "sessions/metrics_record.h"

#include "sessions/crc32c.h"
#include "sessions/json.h"
#include "sessions/probe_record.h"

#include <errno.h>
#include <string.h>

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
const char *const command_words[] = {
    [COMMAND_LEARNING_RATE] = "lr",
    [COMMAND_SCALE_LEARNING_RATE] = "scale-lr",
    [COMMAND_PAUSE] = "pause",
    [COMMAND_RESUME] = "resume",
    [COMMAND_STEP] = "step",
    [COMMAND_EVALUATE] = "eval",
    [COMMAND_SAVE] = "save",
    [COMMAND_PROBE] = "probe",
    [COMMAND_LOOK] = "look", /* never written, but no word may be missing before the last */
    [COMMAND_STOP] = "stop",
    [COMMAND_ON_DIVERGENCE] = "on-divergence",
    [COMMAND_ROLLBACK] = "rollback",
    [COMMAND_BACK] = "back",
    [COMMAND_LOAD] = "load",
    [COMMAND_FORK] = "fork",
    [COMMAND_MOMENTUM] = "momentum",
    [COMMAND_WEIGHT_DECAY] = "weight-decay",
    [COMMAND_AGC] = "agc",
    [COMMAND_LABEL_SMOOTHING] = "label-smoothing",
    [COMMAND_EMA] = "ema",
    [COMMAND_AUGMENT] = "augment",
    [COMMAND_MIXUP] = "mixup",
    [COMMAND_CUTMIX] = "cutmix",
    [COMMAND_SCHEDULE] = "schedule",
    [COMMAND_BATCH] = "batch",
    [COMMAND_EPOCHS] = "epochs",
    [COMMAND_STEPS] = "steps",
    [COMMAND_PROBE_EVERY] = "probe-every",
    [COMMAND_LOG_EVERY] = "log-every",
    [COMMAND_CHECKPOINT_EVERY] = "checkpoint-every",
    [COMMAND_UNDO] = "undo",
    [COMMAND_NOTE] = "note",
    [COMMAND_WAIT] = "wait",
    [COMMAND_CANCEL] = "cancel",
    [COMMAND_TRY] = "try",
    [COMMAND_LR_FIND] = "lrfind",
    [COMMAND_ACCEPT] = "accept",
    [COMMAND_DROP] = "drop",
    [COMMAND_REPLAY] = "replay", /* never written, either */
    NULL,
};
_Static_assert(sizeof command_words / sizeof *command_words == COMMAND_KINDS + 1, "each has a word");
_Static_assert(sizeof(enum command_kind) == sizeof(int), "words are stored as int");
const char *const quantity_words[] = {
    [WHEN_NOW] = "now",
    [WHEN_STEP] = "step",
    [WHEN_EPOCH] = "epoch",
    [WHEN_LOSS] = "loss",
    [WHEN_ACCURACY] = "accuracy",
    [WHEN_GRADIENT_NORM] = "gradient-norm",
    [WHEN_VALIDATION_LOSS] = "val-loss",
    [WHEN_VALIDATION_ACCURACY] = "val-accuracy",
    NULL,
};
const char *const relation_words[] = {
    [RELATION_AT] = "at",   [RELATION_BELOW] = "<", [RELATION_UP_TO] = "<=",
    [RELATION_FROM] = ">=", [RELATION_ABOVE] = ">", NULL,
};
_Static_assert(sizeof(enum quantity_kind) == sizeof(int) && sizeof(enum relation) == sizeof(int), "as int, too");
static const struct field command_fields[] = {
    FIELD(command_record, step, FIELD_LONG),
    FIELD_WORD(command_record, "action", command.kind, command_words),
    FIELD_NAMED(command_record, "value", command.value, FIELD_DOUBLE),
    FIELD_NAMED(command_record, "count", command.count, FIELD_LONG),
    FIELD_CHARS(command_record, "command", command.text),
    FIELD(command_record, ok, FIELD_BOOL),
    FIELD_CHARS(command_record, "outcome", outcome),
};
/* Of COMMAND_WAIT besides, as the member "waits": what is to be done, and when. */
static const struct field wait_fields[] = {
    FIELD_NAMED(command_record, "number", command.number, FIELD_LONG),
    FIELD_WORD(command_record, "when", command.when.quantity, quantity_words),
    FIELD_WORD(command_record, "relation", command.when.relation, relation_words),
    FIELD_NAMED(command_record, "bound", command.when.value, FIELD_DOUBLE),
    FIELD_WORD(command_record, "action", command.then, command_words),
    FIELD_CHARS(command_record, "name", command.name),
};
_Static_assert(sizeof(enum finding_kind) == sizeof(int), "words are stored as int");
static const struct field finding_fields[] = {
    FIELD(finding, step, FIELD_LONG),
    FIELD_WORD(finding, "finding", kind, finding_kind_names),
    FIELD_WORD(finding, "severity", severity, finding_severity_names),
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

/* Of a start besides, as the member "platform". */
static const struct field platform_fields[] = {
    FIELD_CHARS(state_record, "device", platform.device),
    FIELD_CHARS(state_record, "precision", platform.precision),
    FIELD_NAMED(state_record, "threads", platform.threads, FIELD_INT),
    FIELD_CHARS(state_record, "processor", platform.processor),
    FIELD_CHARS(state_record, "library", platform.library),
    FIELD_CHARS(state_record, "program", platform.program),
    FIELD_CHARS(state_record, "data", platform.data),
    FIELD_NAMED(state_record, "ranks", platform.ranks, FIELD_INT), /* the last: logs that are older have none */
};

static const struct field probe_fields[] = {FIELD(probe_place, step, FIELD_LONG)};

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

struct fields record_fields(enum record_kind kind)
{
    return (struct fields){record_table[kind].fields, record_table[kind].field_count};
}

struct fields record_wait_fields(void)
{
    return (struct fields){wait_fields, COUNT(wait_fields)};
}

struct fields record_platform_fields(void)
{
    return (struct fields){platform_fields, COUNT(platform_fields)};
}

static void write_wait(const struct command_record *record, struct text *line)
{
    if (record->command.kind != COMMAND_WAIT || !record->ok)
        return;
    text_add(line, ",\"waits\":{");
    fields_write(wait_fields, COUNT(wait_fields), record, line);
    text_add(line, "}");
}

/* The number of a command that had waited, and has been done: of its record, and of what it measured. */
static const struct field waited_fields[] = {
    [RECORD_EPOCH] = FIELD_NAMED(epoch_record, "waited", waited, FIELD_LONG),
    [RECORD_COMMAND] = FIELD_NAMED(command_record, "waited", command.number, FIELD_LONG),
};

static void write_waited(long number, struct text *line)
{
    if (number > 0)
        text_add(line, ",\"waited\":%ld", number);
}

/* Most records have none. */
static bool read_waited(enum record_kind kind, const json_t *json, struct record *record)
{
    const json_t *waited = json_object_get(json, waited_fields[kind].name);
    return !waited || field_read(&waited_fields[kind], waited, &record->step);
}

static void write_platform(const struct state_record *record, struct text *line)
{
    if (!record->has_platform)
        return;
    text_add(line, ",\"format\":%d,\"platform\":{", METRICS_FORMAT);
    fields_write(platform_fields, COUNT(platform_fields), record, line);
    text_add(line, "}");
}

static bool read_platform(const json_t *json, struct state_record *record)
{
    const json_t *platform = json_object_get(json, "platform");
    record->format = (int)json_integer_value(json_object_get(json, "format"));
    const int known = COUNT(platform_fields) - !json_object_get(platform, "ranks");
    record->has_platform = platform;
    record->platform.ranks = 1;
    return !platform || fields_read(platform_fields, known, platform, record, NULL) == 0;
}

/* Logs that are older than the member have none: then the command is not known. */
static bool read_wait(const json_t *json, struct command_record *record)
{
    const json_t *waits = json_object_get(json, "waits");
    record->command.then = COMMAND_WAIT;
    return !waits || fields_read(wait_fields, COUNT(wait_fields), waits, record, NULL) == 0;
}

void record_write(enum record_kind kind, const void *record, struct text *line)
{
    const size_t start = line->length;
    text_add(line, "{\"kind\":\"%s\",", record_table[kind].name);
    if (kind == RECORD_PROBE)
        probe_record_write(record, line);
    else
        fields_write(record_table[kind].fields, record_table[kind].field_count, record, line);
    if (kind == RECORD_COMMAND) {
        const struct command_record *command = record;
        write_wait(command, line);
        write_waited(command->command.kind == COMMAND_WAIT ? 0 : command->command.number, line);
    }
    if (kind == RECORD_EPOCH)
        write_waited(((const struct epoch_record *)record)->waited, line);
    if (kind == RECORD_STATE)
        write_platform(record, line);
    if (!line->failed)
        text_add(line, ",\"crc\":\"%08x\"}\n", crc32c(line->data + start, line->length - start));
}

/* The checksum is a fixed number of bytes from the line's end. */
bool record_checksum_fits(const char *line, size_t length)
{
    static const char mark[] = ",\"crc\":\"";
    enum { MARK = sizeof mark - 1, TAIL = MARK + 8 + 2 };
    char expected[9];
    if (length < TAIL || memcmp(line + length - TAIL, mark, MARK))
        return false;
    snprintf(expected, sizeof expected, "%08x", crc32c(line, length - TAIL));
    return memcmp(line + length - 10, expected, 8) == 0 && memcmp(line + length - 2, "\"}", 2) == 0;
}

bool record_read(const char *line, size_t length, bool whole, struct record *record)
{
    bool ok = false;
    json_error_t reason;
    errno = 0;
    if (!record_checksum_fits(line, length))
        return false;
    json_t *json = json_read(line, length, &reason);
    const char *kind = json_string_value(json_object_get(json, "kind"));
    memset(record, 0, sizeof *record);
    for (int i = 0; kind && i < RECORD_KINDS; i++) {
        if (strcmp(kind, record_table[i].name) == 0) {
            record->kind = (enum record_kind)i;
            ok = !fields_read(record_table[i].fields, record_table[i].field_count, json, &record->step, NULL);
        }
    }
    if (ok && record->kind == RECORD_COMMAND)
        ok = read_wait(json, &record->command);
    if (ok && (record->kind == RECORD_COMMAND || record->kind == RECORD_EPOCH))
        ok = read_waited(record->kind, json, record);
    if (ok && record->kind == RECORD_STATE)
        ok = read_platform(json, &record->state);
    if (ok && whole && record->kind == RECORD_PROBE) {
        record->whole = probe_record_read(json);
        ok = record->whole;
    }
    json_decref(json);
    return ok;
}

bool record_is_unknown(const char *line, size_t length)
{
    for (int kind = 0; kind < RECORD_KINDS; kind++)
        if (record_is_kind((enum record_kind)kind, line, length))
            return false;
    return record_checksum_fits(line, length);
}

long record_unknown_step(const char *line, size_t length)
{
    json_error_t reason;
    json_t *json = json_read(line, length, &reason);
    const long step = json ? (long)json_integer_value(json_object_get(json, "step")) : errno == ENOMEM ? -1 : 0;
    json_decref(json);
    return step;
}

long record_step(const struct record *record)
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

bool record_is_kind(enum record_kind kind, const char *line, size_t length)
{
    char start[32];
    const size_t size = (size_t)snprintf(start, sizeof start, "{\"kind\":\"%s\"", record_table[kind].name);
    return length >= size && memcmp(line, start, size) == 0;
}
