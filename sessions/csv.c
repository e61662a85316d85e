/* See csv.h: the columns are the members of the records (metrics_record.h). */
#include "sessions/csv.h"

#include "sessions/metrics_record.h"
#include "sessions/number.h"
#include "sessions/probe_record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Cells ---- */

void csv_add_text(const char *cell, struct text *text)
{
    if (!strpbrk(cell, ",\"\r\n")) {
        text_add(text, "%s", cell);
        return;
    }
    text_add(text, "\"");
    for (const char *quote; (quote = strchr(cell, '"')); cell = quote + 1)
        text_add(text, "%.*s\"\"", (int)(quote - cell), cell);
    text_add(text, "%s\"", cell);
}

/* Numbers as in the log, but for those that settings keep as a float, in full there: 0.8 and not 0.800000011920929.
 * `measured`: one below 0 means that it was not. */
static void add_number(const struct field *field, const void *row, bool measured, struct text *text)
{
    const void *at = (const char *)row + field->offset;
    const double value = field->type == FIELD_FLOAT ? (double)*(const float *)at : *(const double *)at;
    if (!isfinite(value) || (measured && value < 0))
        return;
    if ((double)(float)value == value) {
        char number[NUMBER_SIZE];
        number_from_float((float)value, number);
        text_add(text, "%s", number);
    } else {
        field_write(field, row, text);
    }
}

static void add_cell(const struct field *field, const void *row, bool measured, struct text *text)
{
    const void *at = (const char *)row + field->offset;
    switch (field->type) {
    case FIELD_TEXT:
        csv_add_text(at, text);
        break;
    case FIELD_WORD:
        csv_add_text(field->words[*(const int *)at], text);
        break;
    case FIELD_FLOAT:
    case FIELD_DOUBLE:
        add_number(field, row, measured, text);
        break;
    default:
        field_write(field, row, text);
    }
}

static void add_names(const struct fields *fields, const char *prefix, struct text *text)
{
    for (int i = 0; i < fields->count; i++)
        text_add(text, "%s%s%s", i ? "," : "", prefix, fields->fields[i].name);
}

static void add_cells(const struct fields *fields, const void *row, bool measured, struct text *text)
{
    for (int i = 0; i < fields->count; i++) {
        text_add(text, i ? "," : "");
        add_cell(&fields->fields[i], row, measured, text);
    }
}

static void end_line(struct text *text)
{
    text_add(text, "\r\n");
}

/* ---- Tables ---- */

static void write_rows(enum record_kind kind, const void *rows, int count, size_t size, bool measured,
                       struct text *text)
{
    const struct fields fields = record_fields(kind);
    add_names(&fields, "", text);
    end_line(text);
    for (int i = 0; i < count; i++) {
        add_cells(&fields, (const char *)rows + (size_t)i * size, measured, text);
        end_line(text);
    }
}

static void write_steps(const struct metrics *metrics, struct text *text)
{
    write_rows(RECORD_STEP, metrics->steps, metrics->step_count, sizeof *metrics->steps, false, text);
}

static void write_epochs(const struct metrics *metrics, struct text *text)
{
    write_rows(RECORD_EPOCH, metrics->epochs, metrics->epoch_count, sizeof *metrics->epochs, true, text);
}

static void write_findings(const struct metrics *metrics, struct text *text)
{
    write_rows(RECORD_FINDING, metrics->findings, metrics->finding_count, sizeof *metrics->findings, false, text);
}

/* Of one that waits, what it waits for stands in columns of its own. */
static void write_commands(const struct metrics *metrics, struct text *text)
{
    const struct fields fields = record_fields(RECORD_COMMAND), waits = record_wait_fields();
    add_names(&fields, "", text);
    text_add(text, ",");
    add_names(&waits, "waits_", text);
    end_line(text);
    for (int i = 0; i < metrics->command_count; i++) {
        const struct command_record *record = &metrics->commands[i];
        add_cells(&fields, record, false, text);
        text_add(text, ",");
        if (record->ok && record->command.kind == COMMAND_WAIT)
            add_cells(&waits, record, false, text);
        else
            text_add(text, "%.*s", waits.count - 1, ",,,,,,,,,,,,,,,,");
        end_line(text);
    }
}

static void write_probes(const struct metrics *metrics, struct text *text)
{
    const struct fields heads = probe_head_fields(), points = probe_point_fields();
    add_names(&heads, "", text);
    text_add(text, ",point,");
    add_names(&points, "", text);
    end_line(text);
    for (int i = 0; i < metrics->probe_count; i++)
        for (int p = 0; p < metrics->probes[i]->count; p++) {
            add_cells(&heads, metrics->probes[i], false, text);
            text_add(text, ",%d,", p);
            add_cells(&points, &metrics->probes[i]->points[p], false, text);
            end_line(text);
        }
}

static void add_edge(int edge, struct text *text)
{
    char number[NUMBER_SIZE] = "";
    if (edge > 0 && edge < VALUE_BINS)
        number_from_float(value_edge(edge), number);
    text_add(text, "%s,", number);
}

/* The outer bins have no end. */
static void write_bins(const struct probe *probe, int point, const char *of, const uint32_t counts[VALUE_BINS],
                       struct text *text)
{
    for (int bin = 0; bin < VALUE_BINS; bin++) {
        if (counts[bin] == 0)
            continue;
        text_add(text, "%ld,%d,%s,", probe->step, point, of);
        add_edge(bin, text);
        add_edge(bin + 1, text);
        text_add(text, "%u", counts[bin]);
        end_line(text);
    }
}

static void write_histograms(const struct metrics *metrics, struct text *text)
{
    text_add(text, "step,point,of,from,to,count\r\n");
    for (int i = 0; i < metrics->probe_count; i++)
        for (int p = 0; p < metrics->probes[i]->count; p++) {
            write_bins(metrics->probes[i], p, "values", metrics->probes[i]->points[p].values, text);
            write_bins(metrics->probes[i], p, "channel variances", metrics->probes[i]->points[p].variances, text);
        }
}

static const struct {
    const char *name;
    void (*write)(const struct metrics *metrics, struct text *text);
} tables[] = {
    {"steps", write_steps},       {"epochs", write_epochs}, {"commands", write_commands},
    {"findings", write_findings}, {"probes", write_probes}, {"histograms", write_histograms},
};

const char *csv_table(int index)
{
    return index >= 0 && index < (int)(sizeof tables / sizeof *tables) ? tables[index].name : NULL;
}

int csv_write(int index, const struct metrics *metrics, const char *folder, char path[FILE_PATH_SIZE],
              struct error *error)
{
    struct text text = {0};
    int result = -1;
    tables[index].write(metrics, &text);
    if (text.failed)
        error_set(error, "out of memory for %s.csv", tables[index].name);
    else if (file_make_folders(folder, error) == 0 &&
             path_format(path, error, "%s/%s.csv", folder, tables[index].name) == 0)
        result = file_output(path, &(struct file_piece){text.data, text.length}, 1, error);
    free(text.data);
    return result;
}
