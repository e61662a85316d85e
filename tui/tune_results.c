/* See tune_results.h. */
#include "tui/tune_results.h"

#include "base/digits.h"
#include "sessions/csv.h"
#include "sessions/number.h"
#include "sessions/seed_report.h"
#include "tui/cli.h"
#include "tui/cli_table.h"
#include "tui/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CELL = 32, QUARTERS = 4 };

int tune_marks(const struct tune *tune, int marks[TUNE_MARKS])
{
    int epochs = 0, count = 0, last = 0;
    if (tune->rung_count > 1) {
        memcpy(marks, tune->rungs, (size_t)tune->rung_count * sizeof *marks);
        return tune->rung_count;
    }
    for (int i = 0; i < tune->count; i++)
        epochs = tune->trials[i].epochs > epochs ? tune->trials[i].epochs : epochs;
    for (int q = 1; q <= QUARTERS; q++) {
        const int mark = epochs * q / QUARTERS;
        if (mark != last)
            marks[count++] = mark;
        last = mark;
    }
    return count;
}

const char *tune_metric(const struct tune *tune)
{
    return tune->trials[0].held_out ? "validation accuracy" : "test accuracy";
}

/* ---- The table ---- */

static void accuracy_cell(struct table *table, double accuracy)
{
    char text[CELL];
    words_percent(accuracy, text, sizeof text);
    table_cell(table, "%s", text);
}

static void loss_cell(struct table *table, double loss)
{
    char text[CELL];
    digits_loss(loss, text, sizeof text);
    table_cell(table, "%s", isnan(loss) || loss < 0 ? "-" : text);
}

static void trial_row(const struct tune *tune, const struct tune_watch *watch, int index, bool best, const int *marks,
                      int mark_count, struct table *table)
{
    const struct tune_trial *trial = &tune->trials[index];
    const struct tune_status *status = tune_watch_status(watch, index);
    char time[CELL], speed[CELL];
    for (int a = 0; a < tune->axis_count; a++)
        table_cell(table, "%s", trial->values[a]);
    if (tune->axis_count == 0)
        table_cell(table, "%s", trial->session);
    accuracy_cell(table, (double)status->best);
    table_cell(table, "%s", best ? "best" : "");
    for (int m = 0; m < mark_count; m++)
        accuracy_cell(table, (double)tune_status_accuracy(status, trial, marks[m]));
    loss_cell(table, tune_state_is_ill(status->state) ? (double)NAN : (double)tune_status_newest_loss(status, trial));
    accuracy_cell(table, (double)status->test_accuracy);
    words_duration(status->seconds, time, sizeof time);
    table_cell(table, "%s", status->step > 0 ? time : "-");
    words_count(status->median_speed, speed, sizeof speed);
    table_cell(table, "%s", status->median_speed > 0 ? speed : "-");
    if (status->state == TUNE_DIVERGED && status->diverged_step == 0)
        table_cell(table, "exploded");
    else if (status->state == TUNE_DIVERGED)
        table_cell(table, "diverged at step %ld", status->diverged_step);
    else if (status->state == TUNE_DROPPED)
        table_cell(table, "dropped after epoch %d", status->epoch);
    else
        table_cell(table, "%s", tune_watch_state_words(watch, index));
}

static struct table *make_table(const struct tune *tune, const struct tune_watch *watch, const int *order)
{
    int marks[TUNE_MARKS];
    const int mark_count = tune_marks(tune, marks), axes = tune->axis_count > 0 ? tune->axis_count : 1;
    const int best = tune_watch_best(watch);
    char columns[TUNE_AXES + TUNE_MARKS + 8] = "";
    for (int a = 0; a < axes; a++)
        strcat(columns, tune->axis_count > 0 ? "r" : "l");
    strcat(columns, "rl");
    for (int m = 0; m < mark_count; m++)
        strcat(columns, "r");
    strcat(columns, "rrrrl");
    struct table *table = table_create(columns);
    for (int a = 0; a < tune->axis_count; a++)
        table_cell(table, "%s", tune->axes[a].row->name);
    if (tune->axis_count == 0)
        table_cell(table, "session");
    table_cell(table, "highest");
    table_cell(table, " ");
    for (int m = 0; m < mark_count; m++)
        table_cell(table, "%d epoch%s", marks[m], marks[m] == 1 ? "" : "s");
    table_cell(table, "loss");
    table_cell(table, "test");
    table_cell(table, "time");
    table_cell(table, "img/s");
    table_cell(table, "state");
    for (int i = 0; i < tune->count; i++)
        trial_row(tune, watch, order[i], order[i] == best, marks, mark_count, table);
    return table;
}

/* Why some have no result, a line each; on a terminal without the step, which the table has, and what is too long ends
 * at a word. */
static void print_reasons(const struct tune *tune, const struct tune_watch *watch, int columns, FILE *file)
{
    int first_cut = -1;
    bool any = false;
    for (int i = 0; i < tune->count; i++) {
        const struct tune_status *status = tune_watch_status(watch, i);
        char words[256], text[sizeof words + sizeof status->why + 2];
        const char *rest = "";
        if (!*status->why || !tune_state_is_ill(status->state))
            continue;
        tune_trial_words(tune, i, words, sizeof words);
        const char *why = columns > 0 && status->diverged_step > 0 ? strstr(status->why, ": ") : NULL;
        snprintf(text, sizeof text, "%s: %s", *words ? words : tune->trials[i].session, why ? why + 2 : status->why);
        size_t length = strlen(text);
        if (columns > 2 && words_wrapped_lines(text, columns) > 1)
            length = words_wrap(text, columns - 2, &rest);
        if (*rest && first_cut < 0)
            first_cut = i;
        fprintf(file, "%s%.*s%s\n", any ? "" : "\n", (int)length, text, *rest ? " \u2026" : "");
        any = true;
    }
    if (first_cut >= 0) {
        char reference[FILE_PATH_SIZE];
        tune_trial_reference(tune, first_cut, reference, sizeof reference);
        fprintf(file, "The whole: nfbench sessions show %s, or --csv or --json\n", reference);
    }
}

/* ---- Beside the report ---- */

static const struct seed_trial *theirs_of(const struct tune_trial *trial)
{
    return trial->as_report ? seed_report_tried(trial->learning_rate, trial->batch) : NULL;
}

static bool has_theirs(const struct tune *tune)
{
    for (int i = 0; i < tune->count; i++)
        if (theirs_of(&tune->trials[i]))
            return true;
    return false;
}

static void difference_cell(struct table *table, double ours, double theirs)
{
    if (ours < 0)
        table_cell(table, "-");
    else
        table_cell(table, "%+.2f", 100 * (ours - theirs));
}

static void theirs_row(const struct tune_watch *watch, int index, const struct tune_trial *trial,
                       const struct seed_trial *theirs, struct table *table)
{
    const struct tune_status *status = tune_watch_status(watch, index);
    double ours = -1;
    table_cell(table, "%g", theirs->learning_rate);
    table_cell(table, "%d", theirs->batch);
    for (int m = 0; m < SEED_REPORT_MARKS; m++) {
        ours = (double)tune_status_accuracy(status, trial, seed_report_marks[m]);
        if (m == SEED_REPORT_MARKS - 1) {
            accuracy_cell(table, ours);
            accuracy_cell(table, theirs->validation_accuracy[m]);
        }
        difference_cell(table, ours, theirs->validation_accuracy[m]);
    }
    loss_cell(table, (double)tune_status_loss(status, trial, seed_report_marks[SEED_REPORT_MARKS - 1]));
    table_cell(table, isnan(theirs->loss) ? "NaN" : "%.3f", theirs->loss);
}

static int print_theirs(const struct tune *tune, const struct tune_watch *watch, int columns, FILE *file,
                        struct error *error)
{
    struct table *table = table_create("rrrrrrrrrr");
    table_cell(table, "lr");
    table_cell(table, "batch");
    for (int m = 0; m < SEED_REPORT_MARKS - 1; m++)
        table_cell(table, "%d: +-", seed_report_marks[m]);
    table_cell(table, "%d: ours", seed_report_marks[SEED_REPORT_MARKS - 1]);
    table_cell(table, "theirs");
    table_cell(table, "+-");
    table_cell(table, "loss: ours");
    table_cell(table, "theirs");
    for (int i = 0; i < tune->count; i++)
        if (theirs_of(&tune->trials[i]))
            theirs_row(watch, i, &tune->trials[i], theirs_of(&tune->trials[i]), table);
    fputs("\nBeside the seed report's own search: validation accuracy after so many epochs, in points\n\n", file);
    const int result = table_print_within(table, columns, file, error);
    table_destroy(table);
    return result;
}

int tune_results_print(const struct tune *tune, const struct tune_watch *watch, int columns, FILE *file,
                       struct error *error)
{
    int *order = calloc((size_t)tune->count, sizeof *order);
    if (!order)
        return error_set(error, "out of memory");
    tune_watch_rank(watch, order);
    struct table *table = make_table(tune, watch, order);
    fprintf(file, "tune %s: %s\n\n", tune->name, tune_metric(tune));
    int result = table_print_within(table, columns, file, error);
    table_destroy(table);
    free(order);
    print_reasons(tune, watch, columns, file);
    if (result == 0 && has_theirs(tune))
        result = print_theirs(tune, watch, columns, file, error);
    return result;
}

/* ---- CSV ---- */

static void add_cell(struct text *text, const char *cell)
{
    csv_add_text(cell, text);
    text_add(text, ",");
}

/* Empty where it was not measured. */
static void add_number(struct text *text, double value)
{
    char number[NUMBER_SIZE] = "";
    if (isfinite(value) && value >= 0)
        number_from_float((float)value, number);
    text_add(text, "%s,", number);
}

static void add_trial(const struct tune *tune, const struct tune_watch *watch, int index, const int *marks,
                      int mark_count, struct text *text)
{
    const struct tune_trial *trial = &tune->trials[index];
    const struct tune_status *status = tune_watch_status(watch, index);
    const struct seed_trial *theirs = theirs_of(trial);
    add_cell(text, trial->session);
    for (int a = 0; a < tune->axis_count; a++)
        add_cell(text, trial->values[a]);
    add_cell(text, tune_state_name(status->state));
    text_add(text, "%d,%ld,", status->epoch, status->step);
    add_number(text, (double)status->best);
    for (int m = 0; m < mark_count; m++)
        add_number(text, (double)tune_status_accuracy(status, trial, marks[m]));
    add_number(text, (double)status->accuracy);
    add_number(text, (double)tune_status_newest_loss(status, trial));
    add_number(text, (double)status->test_accuracy);
    add_number(text, status->step > 0 ? status->seconds : (double)NAN);
    add_number(text, status->median_speed > 0 ? status->median_speed : (double)NAN);
    add_number(text, theirs ? theirs->validation_accuracy[SEED_REPORT_MARKS - 1] : (double)NAN);
    add_cell(text, status->why);
    text->length--; /* the last comma */
    text_add(text, "\r\n");
}

int tune_results_csv(const struct tune *tune, const struct tune_watch *watch, const char *path, struct error *error)
{
    struct text text = {0};
    int marks[TUNE_MARKS];
    const int mark_count = tune_marks(tune, marks);
    text_add(&text, "session,");
    for (int a = 0; a < tune->axis_count; a++)
        text_add(&text, "%s,", tune->axes[a].row->name);
    text_add(&text, "state,epochs,steps,best_accuracy,");
    for (int m = 0; m < mark_count; m++)
        text_add(&text, "accuracy_%d,", marks[m]);
    text_add(&text, "accuracy,train_loss,test_accuracy,seconds,images_per_second,report_accuracy_40,why\r\n");
    for (int i = 0; i < tune->count && !text.failed; i++)
        add_trial(tune, watch, i, marks, mark_count, &text);
    const int result = text.failed ? error_set(error, "out of memory")
                                   : file_output(path, &(struct file_piece){text.data, text.length}, 1, error);
    free(text.data);
    return result;
}

/* ---- JSON ---- */

json_t *tune_values_json(const struct tune *tune, int index)
{
    json_t *object = json_object();
    for (int a = 0; a < tune->axis_count; a++) {
        const char *value = tune->trials[index].values[a];
        double number;
        long whole;
        json_object_set_new(object, tune->axes[a].row->name,
                            number_to_long(value, &whole)      ? json_integer(whole)
                            : number_to_double(value, &number) ? json_real(number)
                                                               : json_string(value));
    }
    return object;
}

static json_t *trial_json(const struct tune *tune, const struct tune_watch *watch, int index)
{
    const struct tune_trial *trial = &tune->trials[index];
    const struct tune_status *status = tune_watch_status(watch, index);
    const struct seed_trial *theirs = theirs_of(trial);
    json_t *accuracies = json_array(), *losses = json_array();
    for (int e = 1; e <= status->epoch; e++) {
        json_array_append_new(accuracies, cli_json_fraction((double)tune_status_accuracy(status, trial, e)));
        json_array_append_new(losses, cli_json_loss((double)tune_status_loss(status, trial, e)));
    }
    return json_pack("{s:s, s:o, s:s, s:i, s:i, s:I, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "session",
                     trial->session, "values", tune_values_json(tune, index), "state", tune_state_name(status->state),
                     "rung", status->rung, "epochs", status->epoch, "step", (json_int_t)status->step, "best_accuracy",
                     cli_json_fraction((double)status->best), "best_epoch", status->best_epoch, "accuracy",
                     cli_json_fraction((double)status->accuracy), "train_loss",
                     cli_json_loss((double)tune_status_newest_loss(status, trial)), "test_accuracy",
                     cli_json_fraction((double)status->test_accuracy), "seconds",
                     status->step > 0 ? cli_json_number(status->seconds) : json_null(), "images_per_second",
                     status->median_speed > 0 ? cli_json_number(status->median_speed) : json_null(), "accuracies",
                     accuracies, "train_losses", losses, "report_accuracy",
                     theirs ? json_real(theirs->validation_accuracy[SEED_REPORT_MARKS - 1]) : json_null(), "why",
                     *status->why ? cli_json_text(status->why) : json_null());
}

json_t *tune_results_json(const struct tune *tune, const struct tune_watch *watch)
{
    const int best = tune_watch_best(watch);
    json_t *axes = json_array(), *trials = json_array(), *rungs = json_array();
    for (int a = 0; a < tune->axis_count; a++)
        json_array_append_new(axes, json_string(tune->axes[a].row->name));
    for (int i = 0; i < tune->count; i++)
        json_array_append_new(trials, trial_json(tune, watch, i));
    for (int r = 0; r < tune->rung_count; r++)
        json_array_append_new(rungs, json_integer(tune->rungs[r]));
    return json_pack("{s:s, s:o, s:b, s:s, s:o, s:o, s:o, s:o}", "tune", tune->name, "folder",
                     cli_json_text(tune->folder), "complete", tune_watch_is_over(watch), "metric", tune_metric(tune),
                     "axes", axes, "rungs", rungs, "best",
                     best >= 0 ? json_string(tune->trials[best].session) : json_null(), "trials", trials);
}
