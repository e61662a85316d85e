/* `nfbench tune --list`: which tunes there are, and how far each has come. */
#include "sessions/tune_list.h"
#include "sessions/tune_watch.h"
#include "tui/cli_table.h"
#include "tui/cli_tune.h"
#include "tui/tune_plan.h"
#include "tui/tune_results.h"
#include "tui/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 256 };

/* A tune as a row. */
struct listed {
    struct tune tune;
    char name[TUNE_NAME_SIZE]; /* of its folder */
    char network[SETTINGS_NETWORK_SIZE];
    const char *state;
    int ended;
    int best; /* a trial; -1 */
    double accuracy;
    time_t changed;
};

static const char *kind_of(const struct tune *tune)
{
    return tune->random && tune->factor > 0 ? "random, halving"
           : tune->random                   ? "random"
           : tune->factor > 0               ? "halving"
                                            : "grid";
}

static const char *state_of(const struct tune *tune, const struct tune_watch *watch)
{
    bool begun = false;
    for (int i = 0; i < tune->count; i++) {
        const struct tune_status *status = tune_watch_status(watch, i);
        if (status->training || tune_is_claimed(tune, i))
            return "running";
        begun |= status->begun;
    }
    return tune_watch_is_over(watch) ? "done" : begun ? "interrupted" : "not begun";
}

static int look(struct listed *row, struct error *error)
{
    struct tune_watch *watch;
    const struct tune *tune = &row->tune;
    if (tune_watch_open(tune, &watch, error) != 0)
        return -1;
    const int result = tune_watch_read(watch, error);
    if (result == 0) {
        row->state = state_of(tune, watch);
        for (int i = 0; i < tune->count; i++)
            row->ended += tune_state_is_end(tune_watch_status(watch, i)->state);
        row->best = tune_watch_best(watch);
        row->accuracy = row->best >= 0 ? (double)tune_watch_status(watch, row->best)->best : -1;
        row->changed = tune_changed(tune);
        tune_plan_network(tune, row->network);
    }
    tune_watch_close(watch);
    return result;
}

/* One that cannot be read is a row, too. */
static void read_row(const struct cli *cli, const char *name, struct listed *row)
{
    struct error error;
    memset(row, 0, sizeof *row);
    row->best = -1;
    row->accuracy = -1;
    snprintf(row->name, sizeof row->name, "%s", name);
    errno = 0;
    if (tune_open(&cli->settings, name, &row->tune, &error) == 0 && look(row, &error) == 0)
        return;
    row->state = errno == ENOTSUP ? "newer" : "damaged";
    cli_note(error.message);
}

static int last_written_first(const void *a, const void *b)
{
    const struct listed *left = a, *right = b;
    if (left->changed != right->changed)
        return left->changed > right->changed ? -1 : 1;
    return strcmp(left->name, right->name);
}

/* ---- Output ---- */

static json_t *row_json(const struct listed *row)
{
    const struct tune *tune = &row->tune;
    json_t *axes = json_array();
    for (int a = 0; a < tune->axis_count; a++)
        json_array_append_new(axes, json_string(tune->axes[a].row->name));
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:i, s:i, s:s, s:o, s:o, s:o, s:I}", "tune", cli_json_text(row->name),
                     "folder", cli_json_text(tune->folder), "kind", kind_of(tune), "network",
                     cli_json_text(row->network), "axes", axes, "trials", tune->count, "ended", row->ended, "state",
                     row->state, "best_accuracy", cli_json_fraction(row->accuracy), "best",
                     row->best >= 0 ? cli_json_text(tune->trials[row->best].session) : json_null(), "values",
                     row->best >= 0 ? tune_values_json(tune, row->best) : json_null(), "changed",
                     (json_int_t)row->changed);
}

static json_t *list_json(const char *directory, const struct listed *rows, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, row_json(&rows[i]));
    return json_pack("{s:o, s:o}", "directory", cli_json_text(directory), "tunes", list);
}

static void add_row(struct table *table, const struct listed *row)
{
    char percent[CLI_VALUE_SIZE], changed[CLI_VALUE_SIZE] = "-", values[WORDS] = "";
    words_percent(row->accuracy, percent, sizeof percent);
    if (row->best >= 0)
        tune_trial_words(&row->tune, row->best, values, sizeof values);
    if (row->changed > 0)
        cli_time_words(row->changed, changed);
    table_cell(table, "%s", row->name);
    table_cell(table, "%s", row->state);
    table_cell(table, "%d of %d", row->ended, row->tune.count);
    table_cell(table, "%s", percent);
    table_cell(table, "%s", values);
    table_cell(table, "%s", row->tune.count > 0 ? kind_of(&row->tune) : "");
    table_cell(table, "%s", row->network);
    table_cell(table, "%s", changed);
}

static int print_list(const struct listed *rows, int count, struct error *error)
{
    static const char *const heads[] = {"tune", "state", "trials", "best", "with", "kind", "network", "changed"};
    struct table *table = table_create("llrrllll");
    const struct listed *interrupted = NULL;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        table_cell(table, "%s", heads[i]);
    for (int i = 0; i < count; i++) {
        add_row(table, &rows[i]);
        if (!interrupted && (strcmp(rows[i].state, "interrupted") == 0 || strcmp(rows[i].state, "not begun") == 0))
            interrupted = &rows[i];
    }
    const int result = table_print_within(table, cli_columns(stdout, 0), stdout, error);
    table_destroy(table);
    if (interrupted) {
        char reference[FILE_PATH_SIZE];
        tune_reference(&interrupted->tune, reference, sizeof reference);
        printf("\nnfbench tune --resume %s goes on\n", reference);
    }
    return result;
}

enum cli_status cli_tune_list(const struct cli *cli)
{
    struct error error;
    char directory[SETTINGS_PATH_SIZE], (*names)[TUNE_NAME_SIZE];
    int count;
    if (sessions_directory(&cli->settings, directory, &error) != 0 ||
        tunes_find(&cli->settings, &names, &count, &error) != 0)
        return cli_failed(cli, &error);
    enum cli_status status = CLI_DONE;
    struct listed *rows = count > 0 ? calloc((size_t)count, sizeof *rows) : NULL;
    for (int i = 0; i < count && rows; i++)
        read_row(cli, names[i], &rows[i]);
    if (count > 0 && rows)
        qsort(rows, (size_t)count, sizeof *rows, last_written_first);
    if (count > 0 && !rows) {
        error_set(&error, "out of memory");
        status = cli_failed(cli, &error);
    } else if (cli->settings.json)
        status = cli_print_json(cli, list_json(directory, rows, count));
    else if (count == 0)
        printf("no tunes in %s\n", directory);
    else if (print_list(rows, count, &error) != 0)
        status = cli_failed(cli, &error);
    for (int i = 0; i < count && rows; i++)
        tune_free(&rows[i].tune);
    free(rows);
    free(names);
    return status;
}
