/* See tune_plan.h. */
#include "tui/tune_plan.h"

#include "base/line.h"
#include "sessions/tune_watch.h"
#include "tui/cli.h"
#include "tui/cli_table.h"
#include "tui/tune_results.h"
#include "tui/words.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT = 2048, SHOWN = 8 /* values of an axis */ };

/* ---- Two lines ---- */

static bool is_axis(const struct tune *tune, const char *name)
{
    for (int a = 0; a < tune->axis_count; a++)
        if (strcmp(tune->axes[a].row->name, name) == 0)
            return true;
    return false;
}

/* Of the first trial; a plan that was read has it in its file. */
static int read_settings(const struct tune *tune, struct settings *settings)
{
    char path[FILE_PATH_SIZE];
    if (tune->settings) {
        *settings = tune->settings[0];
        return 0;
    }
    return settings_default(settings, NULL) || tune_path(tune, 0, "ini", path, NULL) ||
           settings_read(settings, path, NULL);
}

/* Of one that is as no preset or recipe has it, what no axis changes. */
static void add_parts(struct line *line, const struct tune *tune, const struct settings *settings)
{
    static const char *const parts[] = {"family", "stem", "stages"};
    bool any = false;
    for (size_t p = 0; p < sizeof parts / sizeof *parts && strcmp(settings->model.preset, "custom") == 0; p++) {
        char value[SETTINGS_VALUE_SIZE];
        settings_get(settings, settings_row(settings_find(parts[p])), value);
        if (is_axis(tune, parts[p]))
            continue;
        line_add(line, "%s%s %s", any ? ", " : " (", parts[p], value);
        any = true;
    }
    if (any)
        line_add(line, ")");
}

static void add_network(struct line *line, const struct tune *tune)
{
    struct settings *settings = calloc(1, sizeof *settings);
    if (settings && !is_axis(tune, "preset") && read_settings(tune, settings) == 0) {
        char name[SETTINGS_NETWORK_SIZE];
        settings_network_name(settings, name);
        line_add(line, ", network %s", name);
        add_parts(line, tune, settings);
    }
    free(settings);
}

static void add_epochs(struct line *line, const struct tune *tune)
{
    int least = tune->trials[0].epochs, most = least;
    for (int i = 1; i < tune->count; i++) {
        least = tune->trials[i].epochs < least ? tune->trials[i].epochs : least;
        most = tune->trials[i].epochs > most ? tune->trials[i].epochs : most;
    }
    if (least < most)
        line_add(line, " of %d to %d epochs", least, most);
    else
        line_add(line, " of %d epoch%s", most, most == 1 ? "" : "s");
}

static void add_axis(struct line *line, const struct tune_axis *axis)
{
    if (axis->range) {
        line_add(line, "%s from %g to %g", axis->row->name, axis->low, axis->high);
        return;
    }
    line_add(line, "%s of %d values (", axis->row->name, axis->count);
    for (int i = 0; i < axis->count; i++)
        if (i < SHOWN - 1 || i == axis->count - 1)
            line_add(line, "%s%s", i == 0 ? "" : i > SHOWN - 1 ? " ... " : ", ", axis->values[i]);
    line_add(line, ")");
}

static void add_axes(struct line *line, const struct tune *tune)
{
    if (tune->random)
        line_add(line, "drawn: ");
    for (int a = 0; a < tune->axis_count; a++) {
        line_add(line, "%s", a == 0 ? "" : tune->random ? ", " : " x ");
        add_axis(line, &tune->axes[a]);
    }
    for (int r = 0; r < tune->rung_count && tune->rung_count > 1; r++)
        line_add(line, "%s%d", r == 0 ? "; rungs end after epochs " : ", ", tune->rungs[r]);
    if (tune->rung_count > 1)
        line_add(line, ", one in %d goes on", tune->factor);
}

void tune_plan_network(const struct tune *tune, char text[SETTINGS_NETWORK_SIZE])
{
    struct settings *settings = calloc(1, sizeof *settings);
    text[0] = '\0';
    if (settings && !is_axis(tune, "preset") && read_settings(tune, settings) == 0)
        settings_network_name(settings, text);
    free(settings);
}

static void say(const char *text, int columns, FILE *file)
{
    if (columns == 0)
        fprintf(file, "%s\n", text);
    while (columns > 0 && *text) {
        const char *next;
        const size_t length = words_wrap(text, columns, &next);
        fprintf(file, "%.*s\n", (int)length, text);
        text = next;
    }
}

void tune_plan_say(const struct tune *tune, int jobs, int columns, FILE *file)
{
    char text[TEXT];
    struct line line = line_begin(text, sizeof text);
    line_add(&line, "tune %s: %d trial%s", tune->name, tune->count, tune->count == 1 ? "" : "s");
    add_epochs(&line, tune);
    line_add(&line, ", %d at a time", jobs < tune->count ? jobs : tune->count);
    add_network(&line, tune);
    line_add(&line, "; in %s", tune->folder);
    say(text, columns, file);
    if (tune->axis_count == 0)
        return;
    line = line_begin(text, sizeof text);
    add_axes(&line, tune);
    say(text, columns, file);
}

/* ---- Time ---- */

/* The same tune as it stands on the disk; -1: there is none yet. */
static int open_begun(const struct tune *tune, struct tune *begun)
{
    struct settings *place = calloc(1, sizeof *place);
    if (!place)
        return -1;
    memcpy(place->sessions_dir, tune->sessions_dir, sizeof place->sessions_dir);
    const int result = tune_open(place, tune->name, begun, NULL);
    free(place);
    return result == 0 && strcmp(begun->digest, tune->digest) == 0 ? 0 : -1;
}

static struct tune_time judge(const struct tune *tune, const struct tune_watch *watch, int jobs)
{
    struct tune_time time = {.seconds = -1};
    double seconds = 0, images = 0;
    for (int i = 0; i < tune->count; i++) {
        const struct tune_status *status = tune_watch_status(watch, i);
        if (!tune_state_is_end(status->state) || status->step == 0)
            continue;
        time.ended++;
        seconds += status->seconds;
        images += (double)status->step * tune->trials[i].batch;
    }
    const int left = tune->count - time.ended, at_once = jobs < left ? jobs : left;
    if (images > 0 && at_once > 0)
        time.seconds = tune_watch_work_left(watch) * seconds / images / at_once;
    return time;
}

struct tune_time tune_plan_time(const struct tune *tune, int jobs)
{
    struct tune_time time = {.seconds = -1};
    struct tune *begun = calloc(1, sizeof *begun);
    struct tune_watch *watch = NULL;
    if (begun && open_begun(tune, begun) == 0 && tune_watch_open(begun, &watch, NULL) == 0 &&
        tune_watch_read(watch, NULL) == 0)
        time = judge(begun, watch, jobs);
    tune_watch_close(watch);
    if (begun)
        tune_free(begun);
    free(begun);
    return time;
}

static void say_time(const struct tune *tune, int jobs, int columns, FILE *file)
{
    const struct tune_time time = tune_plan_time(tune, jobs);
    char words[64], text[TEXT];
    if (time.seconds < 0)
        return;
    words_duration(time.seconds, words, sizeof words);
    snprintf(text, sizeof text, "about %s to go, by the speed of the %d trial%s of it that ha%s ended", words,
             time.ended, time.ended == 1 ? "" : "s", time.ended == 1 ? "s" : "ve");
    say(text, columns, file);
}

/* ---- The whole ---- */

int tune_plan_print(const struct tune *tune, int jobs, int columns, FILE *file, struct error *error)
{
    char letters[TUNE_AXES + 4] = "";
    for (int c = 0; c < tune->axis_count + 2; c++)
        strcat(letters, "r");
    struct table *table = table_create(strcat(letters, "l"));
    for (int a = 0; a < tune->axis_count; a++)
        table_cell(table, "%s", tune->axes[a].row->name);
    table_cell(table, "epochs");
    table_cell(table, "steps");
    table_cell(table, "session");
    for (int i = 0; i < tune->count; i++) {
        const struct tune_trial *trial = &tune->trials[i];
        for (int a = 0; a < tune->axis_count; a++)
            table_cell(table, "%s", trial->values[a]);
        table_cell(table, "%d", trial->epochs);
        table_cell(table, "%ld", trial->steps);
        table_cell(table, "%s", trial->session);
    }
    tune_plan_say(tune, jobs, columns, file);
    say_time(tune, jobs, columns, file);
    fputc('\n', file);
    const int result = table_print_within(table, columns, file, error);
    table_destroy(table);
    return result;
}

json_t *tune_plan_json(const struct tune *tune, int jobs)
{
    const struct tune_time time = tune_plan_time(tune, jobs);
    json_t *axes = json_array(), *rungs = json_array(), *trials = json_array();
    for (int a = 0; a < tune->axis_count; a++)
        json_array_append_new(axes, json_string(tune->axes[a].row->name));
    for (int r = 0; r < tune->rung_count; r++)
        json_array_append_new(rungs, json_integer(tune->rungs[r]));
    for (int i = 0; i < tune->count; i++) {
        const struct tune_trial *trial = &tune->trials[i];
        const struct settings *settings = &tune->settings[i];
        json_array_append_new(trials, json_pack("{s:s, s:o, s:s, s:i, s:I}", "session", trial->session, "values",
                                                tune_values_json(tune, i), "preset", settings->model.preset, "epochs",
                                                trial->epochs, "steps", (json_int_t)trial->steps));
    }
    return json_pack("{s:s, s:o, s:i, s:o, s:o, s:o, s:o}", "tune", tune->name, "seconds_left",
                     cli_json_loss(time.seconds), "ended", time.ended, "folder", cli_json_text(tune->folder), "axes",
                     axes, "rungs", rungs, "trials", trials);
}
