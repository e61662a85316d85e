/* `nfbench sessions compare`: sessions side by side as a table, as JSON, and as a picture of their curves. */
#include "tui/cli_sessions.h"

#include "base/digits.h"
#include "tui/cli_table.h"
#include "tui/compare.h"
#include "tui/export.h"
#include "tui/words.h"
#include "viz/png.h"
#include "viz/theme.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- The table ---- */

/* A row: what writes a session's cell of it. */
struct row {
    const char *label;
    void (*write)(const struct compared *session, int figure, char text[CLI_VALUE_SIZE]);
    int figure;
};

static void print_cells(struct table *table, const struct comparison *comparison, const struct row *row)
{
    table_cell(table, "%s", row->label);
    for (int i = 0; i < comparison->count; i++) {
        char text[CLI_VALUE_SIZE] = "";
        row->write(&comparison->sessions[i], row->figure, text);
        table_cell(table, "%s", text);
    }
}

static void blank_row(struct table *table, const struct comparison *comparison)
{
    for (int i = 0; i <= comparison->count; i++)
        table_cell(table, "%s", "");
}

static void write_network(const struct compared *session, int figure, char text[CLI_VALUE_SIZE])
{
    (void)figure;
    snprintf(text, CLI_VALUE_SIZE, "%s", session->summary.network);
}

static void write_state(const struct compared *session, int figure, char text[CLI_VALUE_SIZE])
{
    (void)figure;
    snprintf(text, CLI_VALUE_SIZE, "%s", session->summary.state);
}

static void write_step(const struct compared *session, int figure, char text[CLI_VALUE_SIZE])
{
    (void)figure;
    snprintf(text, CLI_VALUE_SIZE, "%ld", session->summary.step);
}

static void write_value(double value, int figure, char text[CLI_VALUE_SIZE])
{
    if (isnan(value))
        snprintf(text, CLI_VALUE_SIZE, "-");
    else if (compare_figure_is_accuracy((enum compare_figure)figure))
        words_percent(value, text, CLI_VALUE_SIZE);
    else
        digits_loss(value, text, CLI_VALUE_SIZE);
}

static void write_last(const struct compared *session, int figure, char text[CLI_VALUE_SIZE])
{
    write_value(session->last[figure].value, figure, text);
}

static void write_best(const struct compared *session, int figure, char text[CLI_VALUE_SIZE])
{
    const struct compare_value *best = &session->best[figure];
    write_value(best->value, figure, text);
    const size_t used = strlen(text);
    if (!isnan(best->value))
        snprintf(text + used, CLI_VALUE_SIZE - used, " (%ld)", best->step);
}

static void write_speed(const struct compared *session, int figure, char text[CLI_VALUE_SIZE])
{
    (void)figure;
    if (isnan(session->images_per_second))
        snprintf(text, CLI_VALUE_SIZE, "-");
    else
        digits_significant(session->images_per_second, 3, text, CLI_VALUE_SIZE);
}

static void write_time(const struct compared *session, int figure, char text[CLI_VALUE_SIZE])
{
    (void)figure;
    words_duration(session->seconds, text, CLI_VALUE_SIZE);
}

static void write_signal(const struct compare_signal *signal, char text[CLI_VALUE_SIZE])
{
    char ratio[32], point[32];
    if (signal->point < 0) {
        snprintf(text, CLI_VALUE_SIZE, "-");
        return;
    }
    digits_significant(signal->ratio, 3, ratio, sizeof ratio);
    probe_point_name(signal->point, point, sizeof point);
    snprintf(text, CLI_VALUE_SIZE, "%s (%s)", ratio, point);
}

static void write_signal_start(const struct compared *session, int figure, char text[CLI_VALUE_SIZE])
{
    (void)figure;
    write_signal(&session->signal_start, text);
}

static void write_signal_now(const struct compared *session, int figure, char text[CLI_VALUE_SIZE])
{
    (void)figure;
    write_signal(&session->signal_now, text);
}

static int count_changes(const struct compared *session)
{
    int count = 0;
    for (int i = 0; i < session->metrics.command_count; i++)
        count += compare_is_change(&session->metrics.commands[i]);
    return count;
}

static void write_commands(const struct compared *session, int figure, char text[CLI_VALUE_SIZE])
{
    (void)figure;
    const int changes = count_changes(session);
    if (session->metrics.command_count == 0)
        snprintf(text, CLI_VALUE_SIZE, "none");
    else
        snprintf(text, CLI_VALUE_SIZE, "%d (%d change%s)", session->metrics.command_count, changes,
                 changes == 1 ? "" : "s");
}

static bool is_measured(const struct comparison *comparison, int figure)
{
    for (int i = 0; i < comparison->count; i++)
        if (!isnan(comparison->sessions[i].last[figure].value))
            return true;
    return false;
}

static void add_settings(struct table *table, const struct comparison *comparison)
{
    const struct setting *row;
    for (int i = 0; (row = compare_difference(comparison, i)); i++) {
        if (i == 0)
            blank_row(table, comparison);
        table_cell(table, "%s", row->name);
        for (int k = 0; k < comparison->count; k++) {
            char text[COMPARE_CELL];
            compare_cell(&comparison->sessions[k], row, text);
            table_cell(table, "%s", text);
        }
    }
}

static void add_figures(struct table *table, const struct comparison *comparison)
{
    for (int i = 0; i < COMPARE_FIGURES; i++) {
        if (!is_measured(comparison, i))
            continue;
        const struct row last = {compare_figure_title((enum compare_figure)i), write_last, i};
        const struct row best = {"  best (at step)", write_best, i};
        print_cells(table, comparison, &last);
        print_cells(table, comparison, &best);
    }
}

static struct table *make_table(const struct comparison *comparison)
{
    static const struct row head[] = {
        {"network", write_network, 0}, {"state", write_state, 0}, {"step", write_step, 0}};
    static const struct row rest[] = {{"commands", write_commands, 0},
                                      {"images/s", write_speed, 0},
                                      {"training time", write_time, 0},
                                      {"variance/predicted", write_signal_now, 0},
                                      {"  in the first probe", write_signal_start, 0}};
    char columns[COMPARE_MOST + 2] = "lllllllll";
    columns[1 + comparison->count] = '\0';
    struct table *table = table_create(columns);
    table_cell(table, "%s", "");
    for (int i = 0; i < comparison->count; i++)
        table_cell(table, "%c: %s", 'a' + i, session_name(comparison->sessions[i].session));
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        print_cells(table, comparison, &head[i]);
    add_settings(table, comparison);
    blank_row(table, comparison);
    add_figures(table, comparison);
    blank_row(table, comparison);
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        print_cells(table, comparison, &rest[i]);
    return table;
}

/* ---- Below it ---- */

/* On a terminal wrapped at blanks; what goes elsewhere has a line each. */
static void print_change(const struct command_record *record)
{
    enum { INDENT = 4, LEAST = 20 };
    char text[sizeof record->outcome + 32];
    const int columns = cli_columns(stdout, 0), room = columns > INDENT + LEAST ? columns - INDENT : INT_MAX;
    const char *line = text, *next;
    snprintf(text, sizeof text, "step %ld: %s", record->step, record->outcome);
    for (; *line; line = next)
        printf("%s%.*s\n", line == text ? "  " : "    ", (int)words_wrap(line, room, &next), line);
}

static void print_changes(const struct compared *session, char letter)
{
    int shown = 0;
    for (int i = 0; i < session->metrics.command_count; i++) {
        const struct command_record *record = &session->metrics.commands[i];
        if (!compare_is_change(record))
            continue;
        if (shown++ == 0)
            printf("\nchanges of %c (%s):\n", letter, session_name(session->session));
        print_change(record);
    }
}

static void print_ancestor(const struct session_ancestor *common, const char *whom)
{
    printf("%s: %s, the same up to step %ld\n", whom, common->name, common->step);
}

/* Of all, or of the pairs that have one. */
static void print_families(const struct comparison *comparison)
{
    struct session_ancestor common;
    char whom[64];
    if (compare_common(comparison, &common)) {
        print_ancestor(&common, "\ncommon origin");
        return;
    }
    for (int i = 0, shown = 0; i < comparison->count; i++)
        for (int k = i + 1; k < comparison->count; k++)
            if (compare_ancestor(&comparison->sessions[i], &comparison->sessions[k], &common)) {
                snprintf(whom, sizeof whom, "%scommon origin of %c and %c", shown++ ? "" : "\n", 'a' + i, 'a' + k);
                print_ancestor(&common, whom);
            }
}

static int print(const struct comparison *comparison, struct error *error)
{
    struct table *table = make_table(comparison);
    const int result = table_print_within(table, cli_columns(stdout, 0), stdout, error);
    table_destroy(table);
    if (result != 0)
        return -1;
    if (!compare_difference(comparison, 0))
        puts("\nthe settings are the same");
    for (int i = 0; i < comparison->count; i++)
        print_changes(&comparison->sessions[i], (char)('a' + i));
    print_families(comparison);
    return 0;
}

/* ---- JSON ---- */

static json_t *changes_json(const struct compared *session)
{
    json_t *list = json_array();
    for (int i = 0; i < session->metrics.command_count; i++) {
        const struct command_record *record = &session->metrics.commands[i];
        if (compare_is_change(record))
            json_array_append_new(list, json_pack("{s:I, s:o, s:o}", "step", (json_int_t)record->step, "command",
                                                  cli_json_text(record->command.text), "outcome",
                                                  cli_json_text(record->outcome)));
    }
    return list;
}

static json_t *value_json(double value, int figure)
{
    return compare_figure_is_accuracy((enum compare_figure)figure) ? cli_json_fraction(isnan(value) ? -1 : value)
                                                                   : cli_json_number(value);
}

/* "train_loss": the last; "best": {"train_loss": {"value", "step"}} */
static int add_figures_json(json_t *object, const struct compared *session)
{
    json_t *best = json_object();
    for (int i = 0; i < COMPARE_FIGURES; i++) {
        const char *key = compare_figure_key((enum compare_figure)i);
        const struct compare_value *value = &session->best[i];
        json_object_set_new(object, key, value_json(session->last[i].value, i));
        json_object_set_new(best, key,
                            isnan(value->value) ? json_null()
                                                : json_pack("{s:o, s:I}", "value", value_json(value->value, i), "step",
                                                            (json_int_t)value->step));
    }
    return json_object_set_new(object, "best", best);
}

static json_t *signal_json(const struct compare_signal *signal)
{
    return signal->point < 0 ? json_null()
                             : json_pack("{s:o, s:i, s:I}", "ratio", cli_json_number(signal->ratio), "block",
                                         signal->point, "step", (json_int_t)signal->step);
}

static json_t *session_json(const struct compared *session)
{
    const struct session_summary *summary = &session->summary;
    json_t *object = json_pack(
        "{s:o, s:o, s:s, s:s, s:s, s:I, s:i, s:o, s:o, s:o, s:o, s:o}", "session",
        cli_json_text(session_name(session->session)), "path", cli_json_text(session_path(session->session)), "preset",
        summary->preset, "network", summary->network, "state", summary->state, "step", (json_int_t)summary->step,
        "commands", session->metrics.command_count, "changes", changes_json(session), "images_per_second",
        cli_json_number(session->images_per_second), "seconds", cli_json_number(session->seconds), "signal_first",
        signal_json(&session->signal_start), "signal_last", signal_json(&session->signal_now));
    if (object && add_figures_json(object, session) == 0 &&
        (!*summary->parent ||
         (json_object_set_new(object, "parent", cli_json_text(summary->parent)) == 0 &&
          json_object_set_new(object, "parent_step", json_integer((json_int_t)summary->parent_step)) == 0)))
        return object;
    json_decref(object);
    return NULL;
}

static json_t *differences_json(const struct comparison *comparison)
{
    json_t *list = json_array();
    const struct setting *row;
    for (int i = 0; (row = compare_difference(comparison, i)); i++) {
        json_t *began = json_array(), *now = json_array();
        for (int k = 0; k < comparison->count; k++) {
            char value[SETTINGS_VALUE_SIZE];
            settings_get(session_settings(comparison->sessions[k].session), row, value);
            json_array_append_new(began, cli_json_text(value));
            settings_get(&comparison->sessions[k].now, row, value);
            json_array_append_new(now, cli_json_text(value));
        }
        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:o}", "setting", row->name, "values", began, "values_now", now));
    }
    return list;
}

static json_t *comparison_json(const struct comparison *comparison, const char *png)
{
    struct session_ancestor common;
    json_t *sessions = json_array();
    json_t *origin =
        compare_common(comparison, &common)
            ? json_pack("{s:o, s:I}", "session", cli_json_text(common.name), "step", (json_int_t)common.step)
            : json_null();
    for (int i = 0; sessions && i < comparison->count; i++)
        if (json_array_append_new(sessions, session_json(&comparison->sessions[i])) != 0) {
            json_decref(sessions);
            sessions = NULL;
        }
    return json_pack("{s:o, s:o, s:o, s:o}", "sessions", sessions, "differences", differences_json(comparison),
                     "common_origin", origin, "png", png ? cli_json_text(png) : json_null());
}

/* ---- The picture ---- */

/* Its text says which sessions it is of. */
static char *caption(const struct comparison *comparison)
{
    json_t *names = json_array();
    for (int i = 0; names && i < comparison->count; i++)
        json_array_append_new(names, cli_json_text(session_name(comparison->sessions[i].session)));
    json_t *object = json_pack("{s:o}", "sessions", names);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}

static int write_picture(const struct comparison *comparison, const char *path, int scale, struct error *error)
{
    struct canvas *canvas = NULL;
    char *text = caption(comparison);
    int result =
        text ? compare_draw(comparison, scale, theme_find("light"), &canvas, error) : error_set(error, "out of memory");
    if (result == 0) {
        const struct png_caption words = {"nfbench:session", text};
        result = png_write_canvas(path, canvas, &words, 1, error);
    }
    canvas_destroy(canvas);
    free(text);
    return result;
}

/* ---- The verb ---- */

static enum cli_status show(struct cli *cli, const struct comparison *comparison, long scale)
{
    const char *png = cli_value(cli, "png");
    struct error error = {""};
    if (png && write_picture(comparison, png, (int)scale, &error) != 0)
        return cli_failed(cli, &error);
    if (cli->settings.json)
        return cli_print_json(cli, comparison_json(comparison, png));
    if (print(comparison, &error) != 0)
        return cli_failed(cli, &error);
    if (png)
        printf("\n%s\n", png);
    return CLI_DONE;
}

enum cli_status cli_sessions_compare(struct cli *cli, char **names, int count)
{
    struct comparison *comparison = calloc(1, sizeof *comparison);
    struct error error = {""};
    enum cli_status status;
    long scale;
    if (!comparison) {
        error_set(&error, "out of memory");
        return cli_failed(cli, &error);
    }
    if (cli_number(cli, "scale", 2, 1, EXPORT_SCALE_MAX, &scale, &error) != 0 ||
        cli_check_png(cli_value(cli, "png"), &error) != 0)
        status = cli_usage(cli, &error);
    else if (compare_open(&cli->settings, names, count, comparison, &error) != 0)
        status = cli_failed(cli, &error);
    else
        status = show(cli, comparison, scale);
    compare_close(comparison);
    free(comparison);
    return status;
}
