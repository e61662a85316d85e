/* `nfbench sessions verify`: what is wrong with sessions, what that means, and what a repair has done. */
#include "tui/cli_sessions.h"

#include "sessions/verify.h"

#include <stdlib.h>
#include <string.h>

struct results {
    json_t *sessions, *directory; /* of --json; the latter NULL where single ones were asked for */
    int count, fine, wrong, mended;
};

/* ---- One session ---- */

static json_t *findings_json(const struct verify_report *report)
{
    json_t *list = json_array();
    for (int i = 0; list && i < report->count; i++) {
        const struct verify_finding *finding = &report->findings[i];
        json_t *row = json_pack(
            "{s:s, s:o, s:o, s:o, s:o, s:b}", "severity", finding->severity == VERIFY_WRONG ? "wrong" : "note", "file",
            cli_json_text(finding->file), "what", cli_json_text(finding->what), "means", cli_json_text(finding->means),
            "repair", cli_json_text(finding->mend), "repaired", finding->mended);
        if (json_array_append_new(list, row) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static int keep_json(const struct verify_report *report, struct results *results)
{
    return json_array_append_new(
        results->sessions,
        json_pack("{s:o, s:o, s:b, s:b, s:I, s:i, s:I, s:I, s:o}", "session", cli_json_text(report->name), "path",
                  cli_json_text(report->folder), "ok", report->wrong == 0, "training", report->training, "step",
                  (json_int_t)report->step, "checkpoints", report->checkpoints, "records", (json_int_t)report->records,
                  "commands", (json_int_t)report->commands, "findings", findings_json(report)));
}

static void print_finding(const struct verify_finding *finding, bool repair)
{
    printf("  %s: %s%s%s\n",
           finding->mended                     ? "repaired"
           : finding->severity == VERIFY_WRONG ? "wrong"
                                               : "note",
           finding->file, *finding->file ? ": " : "", finding->what);
    if (*finding->means)
        printf("      %s\n", finding->means);
    if (*finding->mend)
        printf("      %s%s\n", repair ? "repair: " : "--repair ", finding->mend);
}

static void print_report(const struct verify_report *report, bool repair)
{
    printf("%s: ", report->name);
    if (report->wrong)
        printf("%d wrong", report->wrong);
    else
        printf("fine");
    if (report->step >= 0)
        printf(", step %ld", report->step);
    printf(", %d checkpoint%s, %ld record%s, %ld command%s%s\n", report->checkpoints,
           report->checkpoints == 1 ? "" : "s", report->records, report->records == 1 ? "" : "s", report->commands,
           report->commands == 1 ? "" : "s", report->training ? ", a process has it open" : "");
    for (int i = 0; i < report->count; i++)
        print_finding(&report->findings[i], repair);
    fflush(stdout); /* large sessions take a while: each is told as it is known */
}

/* -1 when it could not be looked at, which is told. */
static int verify(struct cli *cli, const char *name, struct results *results)
{
    const bool repair = cli_value(cli, "repair") != NULL;
    struct verify_report report;
    struct error error = {""};
    int result = session_verify(&cli->settings, name, repair, &report, &error);
    results->count++;
    if (result != 0)
        cli_failed(cli, &error);
    else if (!cli->settings.json)
        print_report(&report, repair);
    else
        result = keep_json(&report, results);
    results->fine += result == 0 && report.wrong == 0;
    results->wrong += result == 0 ? report.wrong : 0;
    for (int i = 0; i < report.count; i++)
        results->mended += report.findings[i].mended;
    verify_free(&report);
    return result;
}

/* ---- All of them ---- */

static enum cli_status finish(struct cli *cli, struct results *results)
{
    enum cli_status status = results->fine == results->count && results->wrong == 0 ? CLI_DONE : CLI_FAILED;
    if (cli->settings.json) {
        json_t *object =
            json_pack("{s:b, s:i, s:i, s:O, s:O*}", "ok", status == CLI_DONE, "wrong", results->wrong, "repaired",
                      results->mended, "sessions", results->sessions, "directory", results->directory);
        return cli_print_json(cli, object) == CLI_DONE ? status : CLI_FAILED;
    }
    char directory[SETTINGS_PATH_SIZE];
    if (results->count == 0 && sessions_directory(&cli->settings, directory, NULL) == 0)
        printf("no sessions in %s\n", directory);
    else if (results->count != 1)
        printf("%d of %d sessions fine%s\n", results->fine, results->count,
               results->mended ? ", with what was repaired" : "");
    return status;
}

static int by_name(const void *a, const void *b)
{
    const struct session_summary *left = a, *right = b;
    return strcmp(left->name, right->name);
}

/* What is in their folder that is no session. */
static int verify_directory(struct cli *cli, struct results *results, struct error *error)
{
    const bool repair = cli_value(cli, "repair") != NULL;
    struct verify_report report;
    const int result = sessions_verify_directory(&cli->settings, repair, &report, error);
    if (report.count > 0 && !cli->settings.json)
        printf("%s:\n", report.folder);
    for (int i = 0; i < report.count; i++) {
        if (!cli->settings.json)
            print_finding(&report.findings[i], repair);
        results->mended += report.findings[i].mended;
    }
    if (cli->settings.json)
        results->directory = findings_json(&report);
    results->wrong += report.wrong;
    verify_free(&report);
    return result;
}

static int verify_all(struct cli *cli, struct results *results, struct error *error)
{
    struct session_summary *rows = NULL;
    int count = 0;
    if (verify_directory(cli, results, error) != 0)
        return -1;
    if (sessions_list(&cli->settings, &rows, &count, error) != 0)
        return -1;
    if (count > 0)
        qsort(rows, (size_t)count, sizeof *rows, by_name);
    for (int i = 0; i < count; i++)
        verify(cli, rows[i].name, results);
    free(rows);
    return 0;
}

enum cli_status cli_sessions_verify(struct cli *cli, char **names, int count)
{
    struct results results = {.sessions = json_array()};
    struct error error = {""};
    enum cli_status status;
    int result = 0;
    if (count == 0 || (count == 1 && strcmp(names[0], "all") == 0))
        result = verify_all(cli, &results, &error);
    else
        for (int i = 0; i < count; i++)
            verify(cli, names[i], &results);
    status = result != 0 ? cli_failed(cli, &error) : finish(cli, &results);
    json_decref(results.sessions);
    json_decref(results.directory);
    return status;
}
