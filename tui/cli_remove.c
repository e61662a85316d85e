/* `nfbench sessions rm`: takes sessions away, when the person has said so twice. */
#include "tui/cli_remove.h"

#include "sessions/session.h"
#include "sessions/tune_list.h"
#include "tui/cli_sessions.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What would go, in a line. */
static int describe(const struct cli *cli, const char *name, char *text, size_t size, struct error *error)
{
    struct session *session;
    struct session_summary summary;
    if (session_open(&cli->settings, name, SESSION_READ, &session, error) != 0)
        return -1;
    session_summarize(session, &summary);
    snprintf(text, size, "%s, %s, step %ld, with all its checkpoints", session_path(session), summary.state,
             summary.step);
    const bool locked = summary.locked;
    session_close(session);
    return locked ? error_set(error, "session %s is being trained: end the run first", name) : 0;
}

static bool is_among(const char *name, char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void note_forks(const struct session_summary *rows, int row_count, char *const *names, int count)
{
    char note[3 * SESSION_NAME_SIZE];
    for (int i = 0; i < row_count; i++) {
        const struct session_summary *row = &rows[i];
        if (!*row->parent || !is_among(row->parent, names, count) || is_among(row->name, names, count))
            continue;
        snprintf(note, sizeof note, "%s is a fork of %s: it stays, and its steps up to %ld are on record there alone",
                 row->name, row->parent, row->parent_step);
        cli_note(note);
    }
}

void cli_remove_note_forks(const struct cli *cli, char *const *names, int count)
{
    struct session_summary *rows = NULL;
    int row_count = 0;
    if (count > 0 && sessions_list(&cli->settings, &rows, &row_count, NULL) == 0)
        note_forks(rows, row_count, names, count);
    free(rows);
}

/* Its tune would be without it. */
static void note_tunes(const struct cli *cli, struct session_summary *rows, int row_count, char *const *names,
                       int count)
{
    struct tune_group *groups;
    char note[CLI_VALUE_SIZE + 4 * SESSION_NAME_SIZE];
    int group_count;
    if (tunes_group(&cli->settings, rows, row_count, &groups, &group_count, NULL) != 0)
        return;
    for (int i = 0; i < row_count; i++) {
        if (!*rows[i].tune || !is_among(rows[i].name, names, count))
            continue;
        snprintf(note, sizeof note,
                 "%s is a trial of tune %s, which is not complete without it: `nfbench tune --resume %s` would train "
                 "it anew",
                 rows[i].name, rows[i].tune, rows[i].tune);
        cli_note(note);
    }
    free(groups);
}

/* What others lose. */
static void note_others(const struct cli *cli, char *const *names, int count)
{
    struct session_summary *rows = NULL;
    int row_count = 0;
    if (sessions_list(&cli->settings, &rows, &row_count, NULL) == 0) {
        note_forks(rows, row_count, names, count);
        note_tunes(cli, rows, row_count, names, count);
    }
    free(rows);
}

int cli_remove_check(const struct cli *cli, struct error *error)
{
    if (cli_value(cli, "yes") || (!cli->settings.json && isatty(STDIN_FILENO)))
        return 0;
    return error_set(error,
                     "nothing is removed before a yes, and there is no terminal to ask on: --yes removes at once");
}

/* Anything but a yes is a no. */
static bool says_yes(void)
{
    char line[CLI_VALUE_SIZE] = "";
    const bool answered = fgets(line, sizeof line, stdin) != NULL;
    return answered && tolower((unsigned char)line[0]) == 'y';
}

bool cli_remove_agreed(const struct cli *cli, const char *what)
{
    if (cli_value(cli, "yes"))
        return true;
    fprintf(stderr, "remove %s for good? [y/N] ", what);
    return says_yes();
}

/* All are looked at before the first goes. */
static int ask(const struct cli *cli, char **names, int count, bool *agreed, struct error *error)
{
    char text[SETTINGS_PATH_SIZE + 2 * CLI_VALUE_SIZE];
    for (int i = 0; i < count; i++) {
        if (describe(cli, names[i], text, sizeof text, error) != 0)
            return -1;
        if (!cli_value(cli, "yes"))
            fprintf(stderr, "%s\n", text);
    }
    note_others(cli, names, count);
    *agreed = cli_remove_agreed(cli, count == 1 ? "it" : "these");
    return 0;
}

static int check_there(const struct cli *cli, char **names, int count, struct error *error)
{
    for (int i = 0; i < count; i++) {
        struct session *session;
        if (session_open(&cli->settings, names[i], SESSION_READ, &session, error) != 0)
            return -1;
        session_close(session);
    }
    return 0;
}

enum cli_status cli_sessions_remove(struct cli *cli, char **names, int count)
{
    struct error error;
    bool agreed;
    if (check_there(cli, names, count, &error) != 0)
        return cli_failed(cli, &error);
    if (cli_remove_check(cli, &error) != 0)
        return cli_usage(cli, &error);
    if (ask(cli, names, count, &agreed, &error) != 0)
        return cli_failed(cli, &error);
    if (!agreed) {
        error_set(&error, "nothing was removed");
        return cli_failed(cli, &error);
    }
    json_t *removed = json_array();
    enum cli_status status = CLI_DONE;
    for (int i = 0; i < count && status == CLI_DONE; i++) {
        if (session_remove(&cli->settings, names[i], &error) != 0)
            status = cli_failed(cli, &error);
        else if (cli->settings.json)
            json_array_append_new(removed, cli_json_text(names[i]));
        else
            printf("removed %s\n", names[i]);
    }
    if (status == CLI_DONE && cli->settings.json)
        return cli_print_json(cli, json_pack("{s:o}", "removed", removed));
    json_decref(removed);
    return status;
}
