/* `nfbench test`: a session's network measured on a part of the data: loss, accuracy, each class's accuracy and what is
 * taken for what. */
#include "tui/cli.h"
#include "tui/cli_progress.h"
#include "tui/cli_table.h"
#include "tui/run.h"
#include "tui/words.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDEST_MATRIX = 20, MOST_CONFUSIONS = 15 };

/* What is measured, and with what. */
struct test {
    struct settings settings;
    struct session *session;
    struct dataset *dataset;
    struct backend *backend;
    struct network *network;
    struct training_state state;
    char device[DEVICE_TEXT_SIZE];
    char note[256];
    const char *part; /* "test", "validation", "train" */
    long checkpoint;
    struct evaluation result;
    uint32_t *confusion; /* (classes, classes), row = truth */
};

/* ---- Options ---- */

static int read_checkpoint(const struct cli *cli, long *out, struct error *error)
{
    const char *text = cli_value(cli, "checkpoint");
    *out = text && strcmp(text, "best") == 0 ? CHECKPOINT_BEST : CHECKPOINT_LATEST;
    if (!text || strcmp(text, "best") == 0 || strcmp(text, "last") == 0)
        return 0;
    if (cli_number(cli, "checkpoint", 0, 0, LONG_MAX, out, NULL) != 0)
        return error_set(error, "--checkpoint %.60s: must be last, best or a step", text);
    return 0;
}

static int read_options(const struct cli *cli, struct test *test, struct error *error)
{
    const char *part = cli_value(cli, "split");
    long batch;
    test->part = part ? part : "test";
    if (strcmp(test->part, "test") != 0 && strcmp(test->part, "validation") != 0 && strcmp(test->part, "train") != 0)
        return error_set(error, "--split %.60s: must be test, validation or train", part);
    if (cli_number(cli, "batch", test->settings.train.batch, 1, 65536, &batch, error) != 0 ||
        read_checkpoint(cli, &test->checkpoint, error) != 0 || cli_over_session(cli, &test->settings, error) != 0)
        return -1;
    test->settings.train.batch = (int)batch;
    return 0;
}

/* ---- Measuring ---- */

static int show_progress(void *context, int done, int total)
{
    progress_share(context, "evaluating", done, total);
    return 0;
}

/* The images that --split names, as the training split them. */
static int choose_part(const struct test *test, struct evaluation_options *options, struct error *error)
{
    struct partition parts;
    if (partition_make(test->dataset, &test->settings.train, &parts, error) != 0)
        return -1;
    *options = (struct evaluation_options){.split = SPLIT_TEST,
                                           .count = parts.test,
                                           .batch = test->settings.train.batch,
                                           .normalize = test->settings.train.normalize,
                                           .statistics = parts.statistics,
                                           .use_ema = test->settings.train.ema > 0,
                                           .confusion = test->confusion};
    if (strcmp(test->part, "test") == 0)
        return 0;
    bool validation = strcmp(test->part, "validation") == 0;
    options->split = SPLIT_TRAIN;
    options->first = validation ? parts.validation_first : 0;
    options->count = validation ? parts.validation : parts.train;
    if (options->count == 0)
        return error_set(error, "the session held no images out (--validation 0): there is no validation split");
    return 0;
}

static int open_test(struct test *test, struct error *error)
{
    struct settings *settings = &test->settings;
    char note[DEVICE_NOTE_SIZE];
    int classes = settings->model.classes;
    if (run_open_session_data(settings, &test->dataset, error) != 0 ||
        run_open_network(settings, NULL, &test->backend, &test->network, test->device, note, error) != 0)
        return -1;
    cli_note(note);
    test->confusion = calloc((size_t)classes * (size_t)classes, sizeof *test->confusion);
    if (!test->confusion)
        return error_set(error, "out of memory");
    return session_load(test->session, test->checkpoint, test->network, &test->state, test->note, error);
}

static int measure(struct test *test, struct error *error)
{
    struct evaluation_options options;
    struct progress progress;
    if (choose_part(test, &options, error) != 0)
        return -1;
    progress_open(&progress, STDERR_FILENO);
    options.progress = show_progress;
    options.context = &progress;
    int result = evaluate(test->network, test->dataset, &options, &test->result, error);
    progress_close(&progress);
    return result;
}

static void close_test(struct test *test)
{
    free(test->confusion);
    if (test->network)
        network_destroy(test->network);
    if (test->backend)
        test->backend->destroy(test->backend);
    if (test->dataset)
        dataset_close(test->dataset);
    session_close(test->session);
}

/* ---- Results ---- */

static const uint32_t *confusion_row(const struct test *test, int truth)
{
    return test->confusion + (size_t)truth * (size_t)test->settings.model.classes;
}

/* Images of a class; their accuracy is -1 when there are none. */
static uint32_t class_count(const struct test *test, int truth)
{
    uint32_t count = 0;
    for (int c = 0; c < test->settings.model.classes; c++)
        count += confusion_row(test, truth)[c];
    return count;
}

static double class_accuracy(const struct test *test, int truth)
{
    uint32_t count = class_count(test, truth);
    return count ? (double)confusion_row(test, truth)[truth] / count : -1;
}

static json_t *confusion_json(const struct test *test)
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

static json_t *classes_json(const struct test *test)
{
    json_t *classes = json_array();
    for (int t = 0; classes && t < test->settings.model.classes; t++) {
        json_t *row = json_pack("{s:s, s:o, s:I}", "name", dataset_class_name(test->dataset, t), "accuracy",
                                cli_json_fraction(class_accuracy(test, t)), "images", (json_int_t)class_count(test, t));
        if (json_array_append_new(classes, row) != 0) {
            json_decref(classes);
            classes = NULL;
        }
    }
    return classes;
}

static json_t *test_json(const struct test *test)
{
    return json_pack("{s:o, s:I, s:s, s:o, s:s, s:b, s:o, s:o, s:I, s:I, s:o, s:o}", "session",
                     cli_json_text(session_name(test->session)), "step", (json_int_t)test->state.step, "split",
                     test->part, "data", cli_json_text(dataset_location(test->dataset)), "device", test->device,
                     "averaged_weights", test->settings.train.ema > 0, "accuracy",
                     cli_json_fraction(test->result.accuracy), "loss", cli_json_loss((float)test->result.loss),
                     "correct", (json_int_t)test->result.correct, "images", (json_int_t)test->result.count, "classes",
                     classes_json(test), "confusion", confusion_json(test));
}

static void print_summary(const struct test *test)
{
    char percent[CLI_VALUE_SIZE];
    words_percent(test->result.accuracy, percent, sizeof percent);
    printf("%s, step %ld%s, on the %ld %s images of %s, on %s\n", session_name(test->session), test->state.step,
           test->settings.train.ema > 0 ? ", averaged weights" : "", test->result.count, test->part,
           dataset_name(test->dataset), test->device);
    printf("accuracy %s (%ld right), loss %.4f\n\n", percent, test->result.correct, test->result.loss);
}

/* One row a class: its name, its accuracy, and how often it was taken for each class. */
static int print_matrix(const struct test *test, struct error *error)
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
        words_percent(class_accuracy(test, t), percent, sizeof percent);
        table_cell(table, "%2d %s", t, dataset_class_name(test->dataset, t));
        table_cell(table, "%s", percent);
        for (int c = 0; c < classes; c++)
            table_cell(table, "%u", confusion_row(test, t)[c]);
    }
    int result = table_print(table, stdout, error);
    table_destroy(table);
    return result;
}

static int print_classes(const struct test *test, struct error *error)
{
    struct table *table = table_create("lrr");
    table_cell(table, "class");
    table_cell(table, "accuracy");
    table_cell(table, "images");
    for (int t = 0; t < test->settings.model.classes; t++) {
        char percent[CLI_VALUE_SIZE];
        words_percent(class_accuracy(test, t), percent, sizeof percent);
        table_cell(table, "%s", dataset_class_name(test->dataset, t));
        table_cell(table, "%s", percent);
        table_cell(table, "%u", class_count(test, t));
    }
    int result = table_print(table, stdout, error);
    table_destroy(table);
    return result;
}

/* The most frequent mistakes, where the whole matrix is too wide to read: each time the one next below the last. */
static int print_confusions(const struct test *test, struct error *error)
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

static enum cli_status report(struct cli *cli, const struct test *test)
{
    struct error error;
    if (*test->note)
        fprintf(stderr, "note: %s\n", test->note);
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
    struct test test = {0};
    struct error error;
    enum cli_status status;
    if (session_open(&cli->settings, cli->operands[0], SESSION_READ, &test.session, &error) != 0)
        return cli_failed(cli, &error);
    test.settings = *session_settings(test.session);
    if (read_options(cli, &test, &error) != 0)
        status = cli_usage(cli, &error);
    else if (open_test(&test, &error) != 0 || measure(&test, &error) != 0)
        status = cli_failed(cli, &error);
    else
        status = report(cli, &test);
    close_test(&test);
    return status;
}
