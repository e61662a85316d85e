/* `nfbench sessions`: what runs there are, and what became of one. */
#include "tui/cli_sessions.h"
#include "tui/cli_table.h"
#include "tui/words.h"

#include "sessions/tune_list.h"

#include <langinfo.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- list ---- */

/* null: it does not stand still. */
static json_t *waits_for_json(const struct session_summary *row)
{
    return row->standstill ? json_string(standstill_waits_for(row->standstill)) : json_null();
}

static json_t *list_json(const char *directory, const struct session_summary *rows, int count)
{
    json_t *sessions = json_array();
    for (int i = 0; sessions && i < count; i++) {
        json_t *row = json_pack(
            "{s:o, s:s, s:s, s:s, s:o, s:I, s:o, s:I, s:b, s:b}", "session", cli_json_text(rows[i].name), "preset",
            rows[i].preset, "network", rows[i].network, "state", rows[i].state, "waits_for", waits_for_json(&rows[i]),
            "step", (json_int_t)rows[i].step, "best_accuracy", cli_json_fraction(rows[i].best_accuracy), "changed",
            (json_int_t)rows[i].changed, "locked", rows[i].locked, "attachable", rows[i].attachable);
        if (row && *rows[i].tune && json_object_set_new(row, "tune", cli_json_text(rows[i].tune)) != 0) {
            json_decref(row);
            row = NULL;
        }
        if (row && *rows[i].parent &&
            (json_object_set_new(row, "parent", cli_json_text(rows[i].parent)) != 0 ||
             json_object_set_new(row, "parent_step", json_integer(rows[i].parent_step)) != 0)) {
            json_decref(row);
            row = NULL;
        }
        if (json_array_append_new(sessions, row) != 0) {
            json_decref(sessions);
            sessions = NULL;
        }
    }
    return json_pack("{s:o, s:o}", "directory", cli_json_text(directory), "sessions", sessions);
}

/* Forks stand below what they come from, with a corner on a terminal; for programs the name is the line's first word.
 */
static void name_cell(struct table *table, const char *name, int depth)
{
    enum { DEEPEST = 16 }; /* shown */
    const bool corners = cli_columns(stdout, 0) > 0 && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (depth == 0)
        table_cell(table, "%s", name);
    else
        table_cell(table, "%*s%s%s", 2 * ((depth < DEEPEST ? depth : DEEPEST) - 1), "", corners ? "\u2514 " : "  ",
                   name);
}

static int print_rows(const struct session_summary *rows, int count, struct error *error)
{
    static const char *const heads[] = {"session", "network", "state", "step", "best", "changed"};
    bool forks = false, attach = false, validated = false, tested = false;
    for (int i = 0; i < count; i++) {
        validated |= rows[i].best_is_validation;
        tested |= rows[i].best_accuracy >= 0 && !rows[i].best_is_validation;
        forks |= *rows[i].parent != '\0';
        attach |= rows[i].attachable;
    }
    const int columns = cli_columns(stdout, 0);
    struct table *table = table_create(forks && attach ? "lLlrrlLL" : forks || attach ? "lLlrrlL" : "lLlrrl");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        table_cell(table, "%s", heads[i]);
    if (attach)
        table_cell(table, "now");
    if (forks)
        table_cell(table, "fork of");
    for (int i = 0; i < count; i++) {
        char percent[CLI_VALUE_SIZE], changed[CLI_VALUE_SIZE];
        words_percent(rows[i].best_accuracy, percent, sizeof percent);
        cli_time_words(rows[i].changed, changed);
        name_cell(table, rows[i].name, rows[i].depth);
        table_cell(table, "%s", rows[i].network);
        table_cell(table, "%s", rows[i].state);
        table_cell(table, "%ld", rows[i].step);
        table_cell(table, "%s", percent);
        table_cell(table, "%s", changed);
        if (attach)
            table_cell(table, "%s", rows[i].attachable ? "attach" : "");
        if (forks && *rows[i].parent)
            table_cell(table, "%s, step %ld", rows[i].parent, rows[i].parent_step);
        else if (forks)
            table_cell(table, "%s", "");
    }
    int result = table_print_within(table, columns, stdout, error);
    table_destroy(table);
    if (result == 0 && validated && tested) {
        putchar('\n');
        cli_paragraph(
            stdout, "best: of the test images, but of the validation images where a run sets some aside (--validation)",
            0, columns > 0 ? columns : INT_MAX);
    }
    return result;
}

/* A line for the trials of each tune. */
static void print_groups(const struct tune_group *groups, int count)
{
    for (int i = 0; i < count; i++) {
        char percent[CLI_VALUE_SIZE], changed[CLI_VALUE_SIZE], words[2 * TUNE_WORDS_SIZE];
        words_percent((double)groups[i].best, percent, sizeof percent);
        cli_time_words(groups[i].changed, changed);
        tune_group_words(&groups[i], percent, words, sizeof words);
        printf("%s, %s\n", words, changed);
    }
    cli_paragraph(stdout, "`nfbench sessions list --all` shows each trial, `nfbench tune --show NAME` compares them", 0,
                  cli_columns(stdout, INT_MAX));
}

/* Trials stand behind all others in `rows`. */
static int print_folded(struct session_summary *rows, int count, const struct tune_group *groups, int group_count,
                        struct error *error)
{
    const int others = tunes_set_apart(rows, count);
    if (sessions_family(rows, others, error) != 0 || (others > 0 && print_rows(rows, others, error) != 0))
        return -1;
    if (others > 0 && group_count > 0)
        putchar('\n');
    if (group_count > 0)
        print_groups(groups, group_count);
    return 0;
}

static int print_list(const struct cli *cli, const char *directory, struct session_summary *rows, int count,
                      const struct tune_group *groups, int group_count, struct error *error)
{
    if (count == 0) {
        printf("no sessions in %s\n", directory);
        return 0;
    }
    if (!cli_value(cli, "all"))
        return print_folded(rows, count, groups, group_count, error);
    return sessions_family(rows, count, error) != 0 ? -1 : print_rows(rows, count, error);
}

static enum cli_status list(struct cli *cli)
{
    struct error error;
    struct session_summary *rows = NULL;
    struct tune_group *groups = NULL;
    char directory[SETTINGS_PATH_SIZE];
    int count = 0, group_count = 0;
    enum cli_status status = CLI_DONE;
    if (sessions_directory(&cli->settings, directory, &error) != 0 ||
        sessions_list(&cli->settings, &rows, &count, &error) != 0 ||
        tunes_group(&cli->settings, rows, count, &groups, &group_count, &error) != 0)
        status = cli_failed(cli, &error);
    else if (cli->settings.json)
        status = cli_print_json(cli, list_json(directory, rows, count));
    else if (print_list(cli, directory, rows, count, groups, group_count, &error) != 0)
        status = cli_failed(cli, &error);
    free(rows);
    free(groups);
    return status;
}

/* ---- show ---- */

/* What a session goes on with. */
struct in_force {
    struct settings settings;
    struct training_state state;
};

static void read_in_force(const struct session *session, struct in_force *now)
{
    if (session_in_force(session, &now->settings, &now->state, NULL) == 0)
        return;
    now->settings = *session_settings(session);
    now->state = (struct training_state){.step = 0};
}

static json_t *pending_json(const struct training_state *state)
{
    json_t *list = json_array();
    for (int i = 0; list && i < state->pending_count; i++)
        if (json_array_append_new(list, cli_json_text(state->pending[i].text)) != 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static json_t *settings_json(const struct settings *settings)
{
    json_t *object = json_object();
    const struct setting *row;
    for (int i = 0; object && (row = settings_row(i)); i++) {
        char value[SETTINGS_VALUE_SIZE];
        settings_get(settings, row, value);
        if (row->saved && json_object_set_new(object, row->name, cli_json_text(value)) != 0) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}

static json_t *epochs_json(const struct metrics *metrics)
{
    json_t *epochs = json_array();
    for (int i = 0; epochs && i < metrics->epoch_count; i++) {
        const struct epoch_record *epoch = &metrics->epochs[i];
        json_t *row = json_pack(
            "{s:I, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "step", (json_int_t)epoch->step, "epoch", epoch->epoch,
            "train_loss", cli_json_loss(epoch->train_loss), "train_accuracy", cli_json_fraction(epoch->train_accuracy),
            "validation_loss", cli_json_loss(epoch->validation_loss), "validation_accuracy",
            cli_json_fraction(epoch->validation_accuracy), "test_loss", cli_json_loss(epoch->test_loss),
            "test_accuracy", cli_json_fraction(epoch->test_accuracy), "seconds", cli_json_number(epoch->seconds));
        if (json_array_append_new(epochs, row) != 0) {
            json_decref(epochs);
            epochs = NULL;
        }
    }
    return epochs;
}

/* The checkpoints with a name: an array of objects; NULL without memory. */
static json_t *names_json(const struct session *session)
{
    struct session_name *names = NULL;
    int count = 0;
    json_t *list = json_array();
    if (session_names(session, &names, &count, NULL) != 0)
        return list;
    for (int i = 0; list && i < count; i++)
        if (json_array_append_new(list, json_pack("{s:o, s:I}", "name", cli_json_text(names[i].name), "step",
                                                  (json_int_t)names[i].step)) != 0) {
            json_decref(list);
            list = NULL;
        }
    free(names);
    return list;
}

static json_t *session_json(const struct session *session, const struct session_summary *summary,
                            const struct in_force *now, const struct metrics *metrics)
{
    return json_pack("{s:o, s:o, s:I, s:s, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "session",
                     cli_json_text(session_name(session)), "path", cli_json_text(session_path(session)), "step",
                     (json_int_t)summary->step, "state", summary->state, "waits_for", waits_for_json(summary),
                     "message", cli_json_text(metrics->end_message), "damaged_lines", metrics->damaged_lines,
                     "settings", settings_json(session_settings(session)), "settings_now",
                     settings_json(&now->settings), "pending", pending_json(&now->state), "epochs",
                     epochs_json(metrics), "findings", cli_json_findings(metrics), "checkpoints", names_json(session));
}

static void measured_cells(struct table *table, double accuracy, double loss)
{
    char percent[CLI_VALUE_SIZE];
    words_percent(accuracy, percent, sizeof percent);
    table_cell(table, "%s", percent);
    if (loss >= 0)
        table_cell(table, "%.4f", loss);
    else
        table_cell(table, "-");
}

static int print_epochs(const struct metrics *metrics, struct error *error)
{
    static const char *const heads[] = {"epoch", "step", "training", "loss", "validation",
                                        "loss",  "test", "loss",     "time"};
    struct table *table = table_create("rrrrrrrrr");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        table_cell(table, "%s", heads[i]);
    for (int i = 0; i < metrics->epoch_count; i++) {
        const struct epoch_record *epoch = &metrics->epochs[i];
        char time[CLI_VALUE_SIZE];
        words_duration(epoch->seconds, time, sizeof time);
        table_cell(table, "%d", epoch->epoch);
        table_cell(table, "%ld", epoch->step);
        measured_cells(table, epoch->train_accuracy, epoch->train_loss);
        measured_cells(table, epoch->validation_accuracy, epoch->validation_loss);
        measured_cells(table, epoch->test_accuracy, epoch->test_loss);
        table_cell(table, "%s", time);
    }
    int result = table_print(table, stdout, error);
    table_destroy(table);
    return result;
}

static int print_findings(const struct metrics *metrics, struct error *error)
{
    static const char *const heads[] = {"step", "block", "severity", "finding"};
    struct table *table = table_create("rlll");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        table_cell(table, "%s", heads[i]);
    for (int i = 0; i < metrics->finding_count; i++) {
        const struct finding *finding = &metrics->findings[i];
        char place[CLI_VALUE_SIZE] = "-";
        if (finding->point >= 0)
            probe_point_name(finding->point, place, sizeof place);
        table_cell(table, "%ld", finding->step);
        table_cell(table, "%s", place);
        table_cell(table, "%s", finding->over ? "over" : finding_severity_names[finding->severity]);
        table_cell(table, "%s", finding->text);
    }
    int result = table_print(table, stdout, error);
    table_destroy(table);
    return result;
}

/* As the run began, and what was changed since. */
static int print_settings(const struct settings *settings, const struct settings *in_force, struct error *error)
{
    struct table *table = table_create("ll");
    const struct setting *row;
    char network[SETTINGS_NETWORK_SIZE];
    settings_network_name(settings, network);
    table_cell(table, "network");
    table_cell(table, "%s", network);
    for (int i = 0; (row = settings_row(i)); i++) {
        char value[SETTINGS_VALUE_SIZE], now[SETTINGS_VALUE_SIZE];
        settings_get(settings, row, value);
        settings_get(in_force, row, now);
        const bool changed = strcmp(value, now) != 0;
        if (row->saved) {
            table_cell(table, "%s", row->name);
            table_cell(table, "%s%s%s", value, changed ? "  now " : "", changed ? now : "");
        }
    }
    int result = table_print(table, stdout, error);
    table_destroy(table);
    return result;
}

static void print_pending(const struct training_state *state)
{
    for (int i = 0; i < state->pending_count; i++)
        printf("%s%ld  %s\n", i ? "" : "\ncommands that wait:\n", state->pending[i].number, state->pending[i].text);
}

static void print_names(const struct session *session)
{
    struct session_name *names = NULL;
    int count = 0;
    if (session_names(session, &names, &count, NULL) == 0)
        for (int i = 0; i < count; i++)
            printf("%s%s at step %ld%s", i ? ", " : "checkpoints with a name: ", names[i].name, names[i].step,
                   i + 1 < count ? "" : "\n\n");
    free(names);
}

static int print_session(const struct session *session, const struct session_summary *summary,
                         const struct in_force *now, const struct metrics *metrics, struct error *error)
{
    printf("%s\nstep %ld, %s%s%s\n\n", session_path(session), summary->step, summary->state,
           *metrics->end_message ? ": " : "", metrics->end_message);
    if (summary->standstill)
        printf("it waits for %s%s%s\n\n", standstill_waits_for(summary->standstill),
               summary->attachable ? ": nfbench attach " : "", summary->attachable ? session_reference(session) : "");
    if (*summary->parent)
        printf("a fork of %s at step %ld\n\n", summary->parent, summary->parent_step);
    if (metrics->damaged_lines)
        printf("%d damaged lines of its logs were passed over\n\n", metrics->damaged_lines);
    print_names(session);
    if (print_settings(session_settings(session), &now->settings, error) != 0)
        return -1;
    print_pending(&now->state);
    if (metrics->epoch_count > 0) {
        putchar('\n');
        if (print_epochs(metrics, error) != 0)
            return -1;
    }
    if (metrics->finding_count == 0)
        return 0;
    putchar('\n');
    return print_findings(metrics, error);
}

static enum cli_status show(struct cli *cli, const char *name)
{
    struct error error;
    struct session *session;
    struct metrics metrics = {0};
    struct session_summary summary;
    enum cli_status status = CLI_DONE;
    if (session_open(&cli->settings, name, SESSION_READ, &session, &error) != 0)
        return cli_failed(cli, &error);
    struct in_force now;
    cli_note(session_note(session));
    read_in_force(session, &now);
    session_summarize(session, &summary);
    if (session_metrics(session, &metrics, &error) != 0)
        status = cli_failed(cli, &error);
    else if (cli->settings.json)
        status = cli_print_json(cli, session_json(session, &summary, &now, &metrics));
    else if (print_session(session, &summary, &now, &metrics, &error) != 0)
        status = cli_failed(cli, &error);
    metrics_free(&metrics);
    session_close(session);
    return status;
}

/* ---- The verbs ---- */

static const struct verb {
    const char *name;
    int least, most;     /* operands behind it */
    const char *wants;   /* what they are */
    const char *options; /* its own, separated by blanks */
} verbs[] = {{"list", 0, 0, "no name", "all"},
             {"show", 1, 1, "the name of one session", ""},
             {"compare", 2, 8, "the names of 2 to 8 sessions", "png scale"},
             {"verify", 0, 63, "names of sessions, or all", "repair"},
             {"rm", 1, 63, "names of sessions", "yes"}};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static int check_verb(const struct cli *cli, const struct verb *verb, struct error *error)
{
    const int count = cli->operand_count > 0 ? cli->operand_count - 1 : 0;
    if (!verb)
        return error_set(error, "%.60s: must be list, show, compare, verify or rm", cli->operands[0]);
    if (count > 0 && verb->most == 0)
        return error_set(error, "%s takes no name: `nfbench sessions show %.100s`?", verb->name, cli->operands[1]);
    if (count < verb->least || count > verb->most)
        return error_set(error, "%s takes %s", verb->name, verb->wants);
    for (int i = 0; i < CLI_OPTIONS && cli->command->options[i].name; i++)
        if (cli->values[i] && !strstr(verb->options, cli->command->options[i].name))
            return error_set(error, "--%s means nothing to sessions %s", cli->command->options[i].name, verb->name);
    return 0;
}

enum cli_status cli_sessions(struct cli *cli)
{
    struct error error;
    const struct verb *verb = find_verb(cli->operand_count > 0 ? cli->operands[0] : "list");
    if (check_verb(cli, verb, &error) != 0)
        return cli_usage(cli, &error);
    char **names = cli->operands + 1;
    const int count = cli->operand_count - 1;
    if (strcmp(verb->name, "show") == 0)
        return show(cli, names[0]);
    if (strcmp(verb->name, "compare") == 0)
        return cli_sessions_compare(cli, names, count);
    if (strcmp(verb->name, "verify") == 0)
        return cli_sessions_verify(cli, names, count);
    if (strcmp(verb->name, "rm") == 0)
        return cli_sessions_remove(cli, names, count);
    return list(cli);
}
