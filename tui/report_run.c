/* What the run was told to do: its settings, the commands it was given, and how to do it again; see report.h. */
#include "tui/report.h"

#include "sessions/fields.h"
#include "sessions/session_paths.h"

#include <stdlib.h>
#include <string.h>

enum { WORD = 64 };

/* ---- Settings ---- */

struct values {
    char began[SETTINGS_VALUE_SIZE], now[SETTINGS_VALUE_SIZE], origin[SETTINGS_VALUE_SIZE];
};

static void get_values(const struct report *report, const struct setting *row, struct values *out)
{
    settings_get(session_settings(report->session.session), row, out->began);
    settings_get(&report->session.now, row, out->now);
    settings_get(&report->origin, row, out->origin);
    if (row->type == SETTING_PRESET) { /* which cannot change */
        settings_network_name(session_settings(report->session.session), out->began);
        settings_network_name(&report->origin, out->origin);
        strcpy(out->now, out->began);
    }
}

/* The row of the preset says what a run began from, too. */
static bool is_told(const struct setting *row)
{
    return row->saved && row->type != SETTING_ORIGIN;
}

static bool is_changed(const struct values *values)
{
    return strcmp(values->began, values->now) != 0;
}

static bool is_special(const struct setting *row, const struct values *values)
{
    return is_told(row) && (strcmp(values->began, values->origin) != 0 || is_changed(values));
}

/* "preset micro", "recipe fast" */
static void say_origin(const struct report *report, char text[WORD])
{
    const char *recipe = settings_recipe(&report->origin);
    snprintf(text, WORD, "%s %s", recipe ? "recipe" : "preset", recipe ? recipe : report->origin.model.preset);
}

static void add_rows(const struct report *report, bool all, bool changes, struct page *page)
{
    const struct setting *row;
    char origin[WORD];
    say_origin(report, origin);
    page_table(page, changes ? "lwwww" : "lwww");
    page_cell(page, "setting");
    page_cell(page, "value");
    if (changes)
        page_cell(page, "changed to");
    page_cell(page, "%s", origin);
    page_cell(page, "what it is");
    for (int i = 0; (row = settings_row(i)); i++) {
        struct values values;
        get_values(report, row, &values);
        if (!is_told(row) || !(all || is_special(row, &values)))
            continue;
        page_cell(page, "%s", row->name);
        page_cell(page, "%s", values.began);
        if (changes)
            page_cell(page, "%s", is_changed(&values) ? values.now : "");
        page_cell(page, "%s", values.origin);
        page_cell(page, "%s", row->help);
    }
    page_table_end(page);
}

void report_add_settings(const struct report *report, struct page *page)
{
    const struct setting *row;
    int special = 0, changes = 0;
    char origin[WORD];
    say_origin(report, origin);
    for (int i = 0; (row = settings_row(i)); i++) {
        struct values values;
        get_values(report, row, &values);
        special += is_special(row, &values);
        changes += row->saved && is_changed(&values);
    }
    page_section(page, "settings", "Settings");
    if (*session_note(report->session.session))
        page_note(page, PAGE_WARNING, "%s", session_note(report->session.session));
    if (special == 0) {
        page_paragraph(page, "All settings are those of the %s.", origin);
    } else {
        page_paragraph(page, "Where they differ from the %s, or were changed on the way:", origin);
        add_rows(report, false, changes > 0, page);
    }
    page_fold(page, "All settings");
    add_rows(report, true, changes > 0, page);
    page_fold_end(page);
}

/* ---- Commands and notes ---- */

static bool is_note(const struct command_record *record)
{
    return record->command.kind == COMMAND_NOTE && !command_is_lost(record);
}

static void add_notes(const struct metrics *metrics, struct page *page)
{
    bool any = false;
    for (int i = 0; i < metrics->command_count; i++) {
        const struct command_record *record = &metrics->commands[i];
        if (!is_note(record))
            continue;
        if (!any) {
            page_subtitle(page, "Notes");
            page_table(page, "rw");
            page_cell(page, "step");
            page_cell(page, "note");
        }
        any = true;
        page_cell(page, "%ld", record->step);
        page_cell(page, "%s", command_noted(&record->command));
    }
    if (any)
        page_table_end(page);
}

static void add_waiting(const struct training_state *state, struct page *page)
{
    if (state->pending_count == 0)
        return;
    page_subtitle(page, "Commands that wait");
    page_table(page, "rw");
    page_cell(page, "number");
    page_cell(page, "command");
    for (int i = 0; i < state->pending_count; i++) {
        page_cell(page, "%ld", state->pending[i].number);
        page_cell(page, "%s", state->pending[i].text);
    }
    page_table_end(page);
}

static void add_family(const struct compared *session, struct page *page)
{
    for (int i = 0; i < session->ancestor_count; i++)
        page_paragraph(page,
                       i == 0 ? "It is a fork of session %s at step %ld." : "That is a fork of session %s at step %ld.",
                       session->ancestors[i].name, session->ancestors[i].step);
}

void report_add_commands(const struct report *report, struct page *page)
{
    const struct metrics *metrics = &report->session.metrics;
    int commands = 0;
    for (int i = 0; i < metrics->command_count; i++)
        commands += !is_note(&metrics->commands[i]);
    page_section(page, "commands", "Commands");
    add_family(&report->session, page);
    if (commands == 0)
        page_paragraph(page, "No command was given.");
    else
        page_table(page, "rwlw");
    for (int i = -1; i < metrics->command_count && commands > 0; i++) {
        const struct command_record *record = i < 0 ? NULL : &metrics->commands[i];
        if (record && is_note(record))
            continue;
        if (!record) {
            page_cell(page, "step");
            page_cell(page, "command");
            page_cell(page, "done");
            page_cell(page, "what came of it");
            continue;
        }
        page_cell(page, "%ld", record->step);
        page_cell(page, "%s", record->command.text);
        page_cell_tone(page, record->ok ? PAGE_GOOD : PAGE_BAD, "%s", record->ok ? "yes" : "no");
        page_cell(page, "%s", record->outcome);
    }
    if (commands > 0)
        page_table_end(page);
    add_waiting(&report->state, page);
    add_notes(metrics, page);
}

/* ---- Again ---- */

static void add_word(struct text *line, const char *text)
{
    enum { WORD_SIZE = 4 * SETTINGS_VALUE_SIZE };
    char word[WORD_SIZE];
    session_shell_word(text, word, sizeof word);
    text_add(line, "%s", word);
}

/* `nfbench train` with what its preset or recipe does not say. */
static void add_command_line(const struct report *report, struct text *line)
{
    const struct setting *row;
    const char *recipe = settings_recipe(&report->origin);
    text_add(line, "nfbench train %s ", recipe ? "--config" : "--preset");
    add_word(line, recipe ? recipe : report->origin.model.preset);
    for (int i = 0; (row = settings_row(i)); i++) {
        struct values values;
        get_values(report, row, &values);
        if (!row->saved || row->file_only || strcmp(row->name, "preset") == 0 ||
            strcmp(values.began, values.origin) == 0)
            continue;
        text_add(line, " --%s ", row->name);
        add_word(line, values.began);
    }
    text_add(line, "\n");
}

void report_add_again(const struct report *report, struct page *page)
{
    const char *reference = session_reference(report->session.session);
    struct text line = {0}, replay = {0};
    int changes = 0;
    for (int i = 0; i < report->session.metrics.command_count; i++)
        changes += compare_is_change(&report->session.metrics.commands[i]);
    page_section(page, "again", "Reproduce");
    add_command_line(report, &line);
    text_add(&replay, "nfbench replay %s\n", reference);
    if (line.failed || replay.failed) {
        page_note(page, PAGE_WARNING, "The command line has no room in memory.");
    } else {
        page_paragraph(page, "The same run, from its beginning:");
        page_code(page, line.data);
        if (changes > 0)
            page_paragraph(page, "%d command%s changed it on the way, which this does not give it; the next does.",
                           changes, changes == 1 ? "" : "s");
        page_paragraph(page, "The recorded run made again, with its commands, and every figure compared to the bit:");
        page_code(page, replay.data);
    }
    free(line.data);
    free(replay.data);
}
