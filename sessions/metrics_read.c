/* The logs of a session as they are read; see metrics.h. */
#include "sessions/file.h"
#include "sessions/log_lines.h"
#include "sessions/metrics.h"
#include "sessions/metrics_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void note_first(struct metrics *out, long step)
{
    out->first_step = out->any && out->first_step < step ? out->first_step : step;
    out->any = true;
}

static int keep_record(struct metrics *out, const struct record *record)
{
    long step = record_step(record);
    note_first(out, step);
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
            struct record first;
            if (!out->any && record_read(line, length, false, &first))
                note_first(out, record_step(&first));
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

static const char lost_text[] = "note a command stood here whose record is lost";

void command_lost(struct command_record *record)
{
    record->command.kind = COMMAND_NOTE;
    snprintf(record->command.text, sizeof record->command.text, "%s", lost_text);
    snprintf(record->outcome, sizeof record->outcome, "it cannot be read");
}

bool command_is_lost(const struct command_record *record)
{
    return !record->ok && strcmp(record->command.text, lost_text) == 0;
}

const char *command_noted(const struct command *command)
{
    static const char word[] = "note ";
    const char *at = strstr(command->text, word); /* "at 100 note ..." */
    return at ? at + strlen(word) : command->text;
}
