/* `nfbench test`: a session's network measured on a part of the data: loss, accuracy, each class's accuracy and what is
 * taken for what. */
#include "tui/cli.h"
#include "tui/cli_progress.h"
#include "tui/cli_table.h"
#include "tui/measure.h"
#include "tui/words.h"

#include <string.h>
#include <unistd.h>

enum { WIDEST_MATRIX = 20, MOST_CONFUSIONS = 15 };

/* What to measure. */
struct test_options {
    struct settings settings;
    const char *part;
    struct checkpoint_choice checkpoint;
    enum tta_kind tta;
};

/* ---- Options ---- */

static int read_options(const struct cli *cli, struct test_options *options, struct error *error)
{
    long batch;
    if (cli_split(cli, &options->part, error) != 0 ||
        cli_number(cli, "batch", options->settings.train.batch, 1, 65536, &batch, error) != 0 ||
        cli_checkpoint(cli, CHECKPOINT_LATEST, &options->checkpoint, error) != 0 ||
        cli_tta(cli, &options->tta, error) != 0 || cli_over_session(cli, &options->settings, error) != 0)
        return -1;
    options->settings.train.batch = (int)batch;
    return 0;
}

/* ---- Measuring ---- */

static int show_progress(void *context, int done, int total)
{
    progress_share(context, "evaluating", done, total);
    return 0;
}

static int measure_part(struct measure *test, const struct test_options *options, struct error *error)
{
    struct progress progress;
    test->tta = options->tta;
    cli_note(test->device_note);
    progress_open(&progress, STDERR_FILENO);
    int result = measure_run(test, options->part, show_progress, &progress, error);
    progress_close(&progress);
    return result;
}

/* ---- Results ---- */

static const uint32_t *confusion_row(const struct measure *test, int truth)
{
    return test->confusion + (size_t)truth * (size_t)test->settings.model.classes;
}

static json_t *confusion_json(const struct measure *test)
{
    json_t *matrix = json_array();
    for (int t = 0; matrix && t < test->settings.model.classes; t++) {
        json_t *row = json_array();
        for (int c = 0; row && c < test->settings.model.classes; c++)
            if (json_array_append_new(row, json_integer(confusion_row(test, t)[c])) != 0) {
                json_decref(row);
                row = NULL;
            }
        if (json_array_append_new(matrix, row) != 0) {
            json_decref(matrix);
            matrix = NULL;
        }
    }
    return matrix;
}

static json_t *classes_json(const struct measure *test)
{
    json_t *classes = json_array();
    for (int t = 0; classes && t < test->settings.model.classes; t++) {
        json_t *row =
            json_pack("{s:s, s:o, s:I}", "name", dataset_class_name(test->dataset, t), "accuracy",
                      cli_json_fraction(confusion_accuracy(test->confusion, test->settings.model.classes, t)), "images",
                      (json_int_t)confusion_images(test->confusion, test->settings.model.classes, t));
        if (json_array_append_new(classes, row) != 0) {
            json_decref(classes);
            classes = NULL;
        }
    }
    return classes;
}

static json_t *test_json(const struct measure *test)
{
    const bool tta = test->tta != TTA_NONE;
    return json_pack(
        "{s:o, s:I, s:s, s:o, s:s, s:b, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o}", "session",
        cli_json_text(session_name(test->session)), "step", (json_int_t)test->state.step, "split", test->part, "data",
        cli_json_text(dataset_location(test->dataset)), "device", test->device, "averaged_weights", test->averaged,
        "tta", tta_name(test->tta), "plain_accuracy", cli_json_fraction(tta ? test->plain.accuracy : -1), "plain_loss",
        cli_json_loss(tta ? (float)test->plain.loss : -1), "accuracy", cli_json_fraction(test->result.accuracy), "loss",
        cli_json_loss((float)test->result.loss), "correct", (json_int_t)test->result.correct, "images",
        (json_int_t)test->result.count, "classes", classes_json(test), "confusion", confusion_json(test));
}

static void print_summary(const struct measure *test)
{
    char percent[CLI_VALUE_SIZE];
    words_percent(test->result.accuracy, percent, sizeof percent);
    printf("%s, step %ld%s, on the %ld %s images of %s, on %s\n", session_name(test->session), test->state.step,
           test->averaged ? ", averaged weights" : "", test->result.count, test->part, dataset_name(test->dataset),
           test->device);
    printf("accuracy %s (%ld right), loss %.4f", percent, test->result.correct, test->result.loss);
    words_percent(test->plain.accuracy, percent, sizeof percent);
    if (test->tta != TTA_NONE)
        printf(", averaged with the mirror images; without them %s, loss %.4f", percent, test->plain.loss);
    printf("\n\n");
}

/* One row a class: its name, its accuracy, and how often it was taken for each class. */
static int print_matrix(const struct measure *test, struct error *error)
{
    int classes = test->settings.model.classes;
    char columns[WIDEST_MATRIX + 3] = "lr";
    memset(columns + 2, 'r', (size_t)classes);
    struct table *table = table_create(columns);
    table_cell(table, "truth, and taken for:");
    table_cell(table, "accuracy");
    for (int c = 0; c < classes; c++)
        table_cell(table, "%d", c);
    for (int t = 0; t < classes; t++) {
        char percent[CLI_VALUE_SIZE];
        words_percent(confusion_accuracy(test->confusion, test->settings.model.classes, t), percent, sizeof percent);
        table_cell(table, "%2d %s", t, dataset_class_name(test->dataset, t));
        table_cell(table, "%s", percent);
        for (int c = 0; c < classes; c++)
            table_cell(table, "%u", confusion_row(test, t)[c]);
    }
    int result = table_print(table, stdout, error);
    table_destroy(table);
    return result;
}

static int print_classes(const struct measure *test, struct error *error)
{
    struct table *table = table_create("lrr");
    table_cell(table, "class");
    table_cell(table, "accuracy");
    table_cell(table, "images");
    for (int t = 0; t < test->settings.model.classes; t++) {
        char percent[CLI_VALUE_SIZE];
        words_percent(confusion_accuracy(test->confusion, test->settings.model.classes, t), percent, sizeof percent);
        table_cell(table, "%s", dataset_class_name(test->dataset, t));
        table_cell(table, "%s", percent);
        table_cell(table, "%u", confusion_images(test->confusion, test->settings.model.classes, t));
    }
    int result = table_print(table, stdout, error);
    table_destroy(table);
    return result;
}

/* The most frequent mistakes, where the whole matrix is too wide to read: each time the one next below the last. */
static int print_confusions(const struct measure *test, struct error *error)
{
    size_t classes = (size_t)test->settings.model.classes, cells = classes * classes;
    struct table *table = table_create("lrll");
    uint32_t above = UINT32_MAX;
    size_t after = cells;
    for (int i = 0; i < MOST_CONFUSIONS; i++) {
        size_t best = cells;
        for (size_t k = 0; k < cells; k++) {
            uint32_t count = test->confusion[k];
            bool next = k / classes != k % classes && count > 0 && (count < above || (count == above && k > after));
            if (next && (best == cells || count > test->confusion[best]))
                best = k;
        }
        if (best == cells)
            break;
        above = test->confusion[best];
        after = best;
        table_cell(table, "%s", i == 0 ? "most often" : "");
        table_cell(table, "%u", above);
        table_cell(table, "%s", dataset_class_name(test->dataset, (int)(best / classes)));
        table_cell(table, "taken for %s", dataset_class_name(test->dataset, (int)(best % classes)));
    }
    putchar('\n');
    int result = table_print(table, stdout, error);
    table_destroy(table);
    return result;
}

static enum cli_status report(struct cli *cli, const struct measure *test)
{
    struct error error;
    cli_note(test->note);
    if (cli->settings.json)
        return cli_print_json(cli, test_json(test));
    print_summary(test);
    int printed = test->settings.model.classes <= WIDEST_MATRIX
                      ? print_matrix(test, &error)
                      : print_classes(test, &error) || print_confusions(test, &error);
    return printed == 0 ? CLI_DONE : cli_failed(cli, &error);
}

enum cli_status cli_test(struct cli *cli)
{
    struct test_options options = {0};
    struct session *session;
    struct measure test = {0};
    struct error error;
    enum cli_status status;
    if (session_open(&cli->settings, cli->operands[0], SESSION_READ, &session, &error) != 0)
        return cli_failed(cli, &error);
    options.settings = *session_settings(session);
    if (read_options(cli, &options, &error) != 0)
        status = cli_usage(cli, &error);
    else if (measure_open(&test, session, &options.settings, &options.checkpoint, &error) != 0 ||
             measure_part(&test, &options, &error) != 0)
        status = cli_failed(cli, &error);
    else
        status = report(cli, &test);
    measure_close(&test);
    session_close(session);
    return status;
}
