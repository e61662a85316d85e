/* The README's tables of presets, commands, settings and records are what the program's own tables say. To write them
 * anew: NFBENCH_WRITE_GOLDEN=1 and run this test. */
#include "engine/model.h"
#include "sessions/metrics_record.h"
#include "sessions/probe_record.h"
#include "sessions/settings.h"
#include "tui/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *read_readme(void)
{
    FILE *file = fopen("README.md", "rb");
    assert_non_null(file);
    char *text = NULL;
    size_t size = 0;
    assert_true(getdelim(&text, &size, '\0', file) > 0);
    fclose(file);
    return text;
}

/* A bar would end the cell of the table. */
static void write_cell(FILE *file, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', file);
        fputc(*text, file);
    }
}

static void write_presets(FILE *file)
{
    fputs("| preset | |\n|---|---|\n", file);
    for (int i = 0; model_preset_name(i); i++)
        fprintf(file, "| `%s` | %s |\n", model_preset_name(i), model_preset_summary(i));
}

static void write_settings(FILE *file)
{
    const struct setting *row;
    fputs("| setting | what it is | settings.ini |\n|---|---|---|\n", file);
    for (int i = 0; (row = settings_row(i)); i++) {
        fprintf(file, "| `%s%s%s", row->file_only ? "" : "--", row->name, row->argument ? " " : "");
        write_cell(file, row->argument ? row->argument : "");
        fputs("` | ", file);
        write_cell(file, row->help);
        fprintf(file, " | %s%s%s |\n", row->saved ? "[" : "", row->saved ? row->section : "", row->saved ? "]" : "");
    }
}

static void write_members(FILE *file, struct fields fields)
{
    for (int i = 0; i < fields.count; i++)
        fprintf(file, "%s`%s`", i ? ", " : "", fields.fields[i].name);
}

/* What is in the logs (metrics.jsonl, commands.jsonl). */
static void write_records(FILE *file)
{
    static const struct {
        const char *name, *what;
        enum record_kind kind;
    } rows[] = {{"step", "a training step, counted from 1", RECORD_STEP},
                {"epoch", "an epoch's end, the run's, or `eval`", RECORD_EPOCH},
                {"probe", "the signal in every block, after so many steps", RECORD_PROBE},
                {"health", "something began or is over", RECORD_FINDING},
                {"state", "a run starts or ends", RECORD_STATE},
                {"command", "done between this step and the next", RECORD_COMMAND}};
    fputs("| kind | what | members |\n|---|---|---|\n", file);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fprintf(file, "| `%s` | %s | ", rows[i].name, rows[i].what);
        write_members(file, rows[i].kind == RECORD_PROBE ? probe_head_fields() : record_fields(rows[i].kind));
        if (rows[i].kind == RECORD_PROBE) {
            fputs("; ", file);
            write_members(file, probe_point_fields());
            fputs("; `values`, `variances`", file);
        }
        if (rows[i].kind == RECORD_COMMAND) {
            fputs("; `waits`: ", file);
            write_members(file, record_wait_fields());
        }
        if (rows[i].kind == RECORD_STATE) {
            fputs("; `platform`: ", file);
            write_members(file, record_platform_fields());
        }
        fputs(" |\n", file);
    }
}

static const struct table {
    const char *name;
    void (*write)(FILE *file);
} tables[] = {{"presets", write_presets},
              {"commands", command_markdown},
              {"settings", write_settings},
              {"records", write_records}};

static char *expected_table(const struct table *table)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    table->write(file);
    fclose(file);
    return text;
}

/* Where the table of that name begins and ends in the README. */
static void find_table(const char *readme, const char *name, const char **begin, const char **end)
{
    char mark[64];
    snprintf(mark, sizeof mark, "<!-- %s: begin -->\n", name);
    *begin = strstr(readme, mark);
    assert_non_null(*begin);
    *begin += strlen(mark);
    snprintf(mark, sizeof mark, "<!-- %s: end -->\n", name);
    *end = strstr(*begin, mark);
    assert_non_null(*end);
}

static void replace_table(const struct table *table)
{
    char *readme = read_readme(), *expected = expected_table(table);
    const char *begin, *end;
    find_table(readme, table->name, &begin, &end);
    FILE *file = fopen("README.md", "wb");
    assert_non_null(file);
    fprintf(file, "%.*s%s%s", (int)(begin - readme), readme, expected, end);
    assert_int_equal(fclose(file), 0);
    free(expected);
    free(readme);
}

static void table_is_the_programs(void **state)
{
    const struct table *table = *state;
    if (getenv("NFBENCH_WRITE_GOLDEN"))
        replace_table(table);
    char *readme = read_readme(), *expected = expected_table(table);
    const char *begin, *end;
    find_table(readme, table->name, &begin, &end);
    size_t length = (size_t)(end - begin);
    if (length != strlen(expected) || memcmp(begin, expected, length) != 0)
        fail_msg("the README's table of %s differs from the program's, which is:\n%s", table->name, expected);
    free(expected);
    free(readme);
}

/* ---- Promises ---- */

static char *read_source(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t size = 0;
    if (!file)
        fail_msg("the README names %s, which is not there", path);
    assert_true(getdelim(&text, &size, '\0', file) > 0);
    fclose(file);
    return text;
}

static bool is_script(const char *path)
{
    const char *end = strrchr(path, '.');
    return end && strcmp(end, ".sh") == 0;
}

/* A test of that name is defined there, and run. */
static void assert_has_test(const char *path, const char *source, const char *name)
{
    char definition[128], use[128];
    const bool script = is_script(path);
    snprintf(definition, sizeof definition, script ? "\n%s() {" : "static void %s(void **state)", name);
    snprintf(use, sizeof use, script ? "check %s\n" : "(%s", name);
    if (!strstr(source, definition) || !strstr(source, use))
        fail_msg("the README says that %s keeps a promise, and %s has no such test", name, path);
}

/* Each row names tests: a file, or a file and some of what is in it. */
static void promises_are_kept(void **state)
{
    (void)state;
    char *readme = read_readme(), *source = NULL, path[128] = "";
    const char *at, *end;
    int files = 0, tests = 0;
    find_table(readme, "promises", &at, &end);
    while ((at = strchr(at, '`')) && at < end) {
        const int length = (int)strcspn(at + 1, "`\n");
        char name[128];
        snprintf(name, sizeof name, "%.*s", length, at + 1);
        at += length + 2;
        if (strncmp(name, "tests/", 6) == 0) {
            free(source);
            source = read_source(name);
            snprintf(path, sizeof path, "%s", name);
            assert_non_null(strstr(source, is_script(name) ? "#!/usr/bin/env bash" : "int main(void)"));
            files++;
        } else if (source && strchr(name, '_')) { /* else a command, of the first column */
            assert_has_test(path, source, name);
            tests++;
        }
    }
    assert_true(files > 20 && tests > 20);
    free(source);
    free(readme);
}

int main(void)
{
    struct CMUnitTest tests[sizeof tables / sizeof *tables + 1];
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        tests[i] = (struct CMUnitTest){tables[i].name, table_is_the_programs, NULL, NULL, (void *)&tables[i]};
    tests[sizeof tables / sizeof *tables] = (struct CMUnitTest)cmocka_unit_test(promises_are_kept);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
