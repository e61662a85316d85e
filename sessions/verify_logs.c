/* The logs of a session under verify.h: every line's checksum, the order of its records, and what they say that
 * checkpoints are to agree with. */
#include "sessions/verify_internal.h"

#include "base/array.h"
#include "engine/live.h"
#include "sessions/log_lines.h"
#include "sessions/metrics_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A log that is gone over. */
struct walk {
    struct verify *verify;
    const char *path, *file;
    bool commands;
    struct log_facts *facts;
    char *data;
    size_t size, whole; /* bytes; ... up to the last newline */
    size_t room, changes_room;
    long first_damaged, unknown, first_unknown; /* lines, from 1 */
    long unended;                               /* lines whose newline is another byte */
    long step, epoch;                           /* of the last step, or command; of the last epoch record */
    struct error disorder;                      /* the first that was found */
    long disorders;
    int format; /* the highest that a start tells of */
};

static void note_disorder(struct walk *walk, const char *text, long number, long before)
{
    if (walk->disorders++ == 0)
        error_set(&walk->disorder, "line %ld: %s %ld comes behind %ld", walk->facts->lines, text, number, before);
}

static void take_step(struct walk *walk, const struct step_record *record)
{
    if (record->step == walk->step && walk->disorders++ == 0)
        error_set(&walk->disorder, "line %ld: step %ld is there twice", walk->facts->lines, record->step);
    else if (record->step < walk->step)
        note_disorder(walk, "step", record->step, walk->step);
    if (record->epoch < walk->facts->epochs)
        note_disorder(walk, "a step of epoch", record->epoch, walk->facts->epochs);
    walk->step = record->step;
}

static void take_epoch(struct walk *walk, const struct epoch_record *record)
{
    struct log_facts *facts = walk->facts;
    if (record->epoch < facts->epochs)
        note_disorder(walk, "epoch", record->epoch, facts->epochs);
    if (record->step < walk->epoch)
        note_disorder(walk, "an epoch of step", record->step, walk->epoch);
    walk->epoch = record->step;
    facts->epochs = record->epoch;
    if (record->best)
        facts->best_step = record->step;
}

static void take_command(struct walk *walk, const struct command_record *record)
{
    if (record->step < walk->step)
        note_disorder(walk, "a command of step", record->step, walk->step);
    walk->step = record->step;
    walk->facts->lost += command_is_lost(record);
    walk->facts->went_back = walk->facts->went_back || record->command.kind == COMMAND_ROLLBACK;
}

static void take_record(struct walk *walk, const struct record *record)
{
    const long step = record_step(record);
    if (walk->facts->last_step < 0 || step < walk->facts->first_step)
        walk->facts->first_step = step;
    walk->facts->last_step = step > walk->facts->last_step ? step : walk->facts->last_step;
    if (record->kind == RECORD_STEP)
        take_step(walk, &record->step);
    else if (record->kind == RECORD_EPOCH)
        take_epoch(walk, &record->epoch);
    else if (record->kind == RECORD_COMMAND)
        take_command(walk, &record->command);
    else if (record->kind == RECORD_STATE && record->state.format > walk->format)
        walk->format = record->state.format;
}

/* What checkpoints are compared with: the step of each command. */
static void keep_command(struct walk *walk, bool read, const struct record *record)
{
    struct log_facts *facts = walk->facts;
    const bool command = read && record->kind == RECORD_COMMAND;
    const size_t count = (size_t)facts->lines;
    long *steps = array_grow(facts->steps, &walk->room, count, sizeof *steps);
    bool *changes = array_grow(facts->changes, &walk->changes_room, count, sizeof *changes);
    facts->steps = steps ? steps : facts->steps;
    facts->changes = changes ? changes : facts->changes;
    if (!steps || !changes) {
        walk->verify->out_of_memory = true;
        return;
    }
    steps[count - 1] = command ? record->command.step : -1;
    changes[count - 1] = command && command_changes_state(record->command.command.kind);
}

static void take_line(struct walk *walk, const char *line, size_t length)
{
    struct log_facts *facts = walk->facts;
    struct record record = {.whole = NULL};
    const bool read = record_read(line, length, true, &record);
    facts->lines++;
    if (!read && errno == ENOMEM) {
        walk->verify->out_of_memory = true;
        return;
    }
    if (walk->commands)
        keep_command(walk, read, &record);
    if (read)
        take_record(walk, &record);
    else if (record_checksum_fits(line, length))
        walk->first_unknown = walk->unknown++ ? walk->first_unknown : facts->lines;
    else
        walk->first_damaged = facts->damaged++ ? walk->first_damaged : facts->lines;
    if (read && record.kind == RECORD_PROBE)
        probe_destroy(record.whole);
}

/* ---- Repair ---- */

/* In place of a damaged command: checkpoints count the lines before them. */
static void add_substitute(struct text *text, long step)
{
    struct command_record record = {.step = step, .command = {.kind = COMMAND_NOTE}};
    command_lost(&record);
    record_write(RECORD_COMMAND, &record, text);
}

/* The log without its damaged lines and its torn tail; as it was it stays beside it. */
static int rewrite(const struct walk *walk, struct error *error)
{
    struct text text = {0};
    long step = 0;
    if (verify_copy_aside(walk->path, error))
        return -1;
    struct log_lines lines = {walk->data, walk->data, walk->data + walk->whole};
    const char *line;
    for (size_t length; (line = log_lines_next(&lines, &length));) {
        struct record record;
        if (record_read(line, length, false, &record))
            step = record_step(&record);
        if (record_checksum_fits(line, length)) {
            text_add_bytes(&text, line, length);
            text_add(&text, "\n");
        } else if (walk->commands)
            add_substitute(&text, step);
    }
    const int result = text.failed ? error_set(error, "cannot write %s: out of memory", walk->path)
                                   : file_replace(walk->path, text.data ? text.data : "", text.length, error);
    free(text.data);
    return result;
}

/* ---- Findings ---- */

static void tell_lines(struct walk *walk)
{
    const struct log_facts *facts = walk->facts;
    const size_t torn = walk->verify->report->training ? 0 : walk->size - walk->whole;
    struct error error = {""};
    int result = 0;
    if (walk->verify->repair && (facts->damaged || walk->unended || torn))
        result = rewrite(walk, &error);
    if (facts->damaged) {
        struct verify_finding *finding =
            verify_add(walk->verify, VERIFY_WRONG, walk->file,
                       "%ld of %ld lines %s damaged, the first is line %ld: its checksum does not fit", facts->damaged,
                       facts->lines, facts->damaged == 1 ? "is" : "are", walk->first_damaged);
        snprintf(finding->means, sizeof finding->means, "%s",
                 walk->commands ? "these commands are lost: the run cannot be replayed to its end"
                                : "these records are lost: charts have a gap there, all else is read");
        snprintf(finding->mend, sizeof finding->mend, "%s as %s.damaged",
                 walk->commands ? "puts a remark in their places, so that checkpoints count right, and keeps the file"
                                : "leaves them out and keeps the file",
                 walk->file);
        verify_mended(walk->verify, finding, result, &error);
    }
    if (walk->unended) {
        struct verify_finding *finding = verify_add(walk->verify, VERIFY_WRONG, walk->file,
                                                    "another byte stands in the place of %ld line ends", walk->unended);
        snprintf(finding->means, sizeof finding->means, "the lines before and behind are read all the same");
        snprintf(finding->mend, sizeof finding->mend, "ends these lines, and keeps the file as %s.damaged", walk->file);
        verify_mended(walk->verify, finding, result, &error);
    }
    if (torn) {
        struct verify_finding *finding = verify_add(walk->verify, VERIFY_NOTE, walk->file,
                                                    "its last line is torn (%zu bytes): a write was cut short", torn);
        snprintf(finding->means, sizeof finding->means, "the next resume cuts it, and does its step again");
        snprintf(finding->mend, sizeof finding->mend, "cuts it and keeps the file as %s.damaged", walk->file);
        verify_mended(walk->verify, finding, result, &error);
    }
}

static void tell_order(struct walk *walk)
{
    if (walk->unknown) {
        struct verify_finding *finding =
            verify_add(walk->verify, VERIFY_NOTE, walk->file,
                       "%ld records of a kind or with values that this nfbench does not know, the first in line %ld",
                       walk->unknown, walk->first_unknown);
        snprintf(finding->means, sizeof finding->means,
                 "their checksums fit: a newer nfbench has written them; this one passes them over");
    }
    walk->facts->disordered = walk->disorders > 0;
    if (walk->disorders) {
        struct verify_finding *finding = verify_add(walk->verify, VERIFY_WRONG, walk->file, "%s%s",
                                                    walk->disorder.message, walk->disorders > 1 ? ", and more" : "");
        snprintf(finding->means, sizeof finding->means,
                 "nfbench writes no such order: parts of two logs were put together, or lines copied");
    }
}

void verify_log(struct verify *verify, const char *path, const char *file, bool commands, struct log_facts *facts)
{
    struct walk walk = {.verify = verify, .path = path, .file = file, .commands = commands, .facts = facts};
    struct error error = {""};
    *facts = (struct log_facts){.last_step = -1, .best_step = -1};
    if (file_read(path, &walk.data, &walk.size, &error)) {
        if (errno != ENOENT)
            verify_add(verify, VERIFY_WRONG, file, "%s", error.message);
        return;
    }
    facts->there = true;
    struct log_lines lines = {walk.data, walk.data, walk.data + walk.size};
    const char *line;
    for (size_t length; !verify->out_of_memory && (line = log_lines_next(&lines, &length));) {
        take_line(&walk, line, length);
        walk.unended += line[length] != '\n';
    }
    walk.whole = (size_t)(lines.next - walk.data);
    if (walk.format > METRICS_FORMAT) {
        file_newer(&error, walk.format, METRICS_FORMAT);
        struct verify_finding *finding = verify_add(verify, VERIFY_WRONG, file, "%s", error.message);
        snprintf(finding->means, sizeof finding->means, "it cannot be read here, and is left as it is");
    } else if (!verify->out_of_memory) {
        tell_lines(&walk);
        tell_order(&walk);
    }
    free(walk.data);
}

void verify_facts_free(struct log_facts *facts)
{
    free(facts->steps);
    free(facts->changes);
    *facts = (struct log_facts){.last_step = -1, .best_step = -1};
}
