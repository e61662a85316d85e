/* What `nfbench test` says: lines and tables, or JSON. */
#include "tui/cli_test.h"

#include "tui/cli_matrix.h"
#include "tui/cli_table.h"
#include "tui/words.h"

#include <math.h>
#include <string.h>

enum { MOST_CONFUSIONS = 15 };

static int class_count(const struct test_results *results)
{
    return results->measure->settings.model.classes;
}

static const char *class_name(const struct test_results *results, int index)
{
    return dataset_class_name(results->measure->dataset, index);
}

static const uint32_t *confusion_row(const struct test_results *results, int truth)
{
    return results->measure->confusion + (size_t)truth * (size_t)class_count(results);
}

/* ---- JSON ---- */

/* Appends to an array; NULL, and the array gone, when memory is out. */
static json_t *with(json_t *array, json_t *item)
{
    if (json_array_append_new(array, item) == 0)
        return array;
    json_decref(array);
    return NULL;
}

static json_t *confusion_json(const struct test_results *results)
{
    json_t *matrix = json_array();
    for (int t = 0; matrix && t < class_count(results); t++) {
        json_t *row = json_array();
        for (int c = 0; row && c < class_count(results); c++)
            row = with(row, json_integer(confusion_row(results, t)[c]));
        matrix = with(matrix, row);
    }
    return matrix;
}

static json_t *classes_json(const struct test_results *results)
{
    const uint32_t *confusion = results->measure->confusion;
    const int count = class_count(results);
    json_t *classes = json_array();
    for (int t = 0; classes && t < count; t++)
        classes = with(classes, json_pack("{s:s, s:o, s:o, s:o, s:o, s:I}", "name", class_name(results, t), "accuracy",
                                          cli_json_fraction(confusion_accuracy(confusion, count, t)), "precision",
                                          cli_json_fraction(confusion_precision(confusion, count, t)), "recall",
                                          cli_json_fraction(confusion_accuracy(confusion, count, t)), "f1",
                                          cli_json_fraction(confusion_f1(confusion, count, t)), "images",
                                          (json_int_t)confusion_images(confusion, count, t)));
    return classes;
}

static json_t *reliability_json(const struct calibration *calibration)
{
    json_t *bins = json_array();
    for (int i = 0; bins && i < CALIBRATION_BINS; i++) {
        const struct calibration_bin *bin = &calibration->bins[i];
        bins =
            with(bins, json_pack("{s:o, s:o, s:I, s:o, s:o}", "low", cli_json_fraction(i / (double)CALIBRATION_BINS),
                                 "high", cli_json_fraction((i + 1) / (double)CALIBRATION_BINS), "images",
                                 (json_int_t)bin->count, "accuracy", cli_json_fraction(bin->count ? bin->accuracy : -1),
                                 "confidence", cli_json_fraction(bin->count ? bin->confidence : -1)));
    }
    return bins;
}

static json_t *weights_json(const struct test_weights *weights)
{
    return weights->measured
               ? json_pack("{s:o, s:o, s:o, s:I}", "accuracy", cli_json_fraction(weights->result.accuracy), "loss",
                           cli_json_loss((float)weights->result.loss), "ece",
                           cli_json_fraction(weights->calibration.expected_error), "correct",
                           (json_int_t)weights->result.correct)
               : json_null();
}

/* Of severity 1 to 5. */
static json_t *severities_json(const double values[CORRUPTION_SEVERITIES], json_t *(*number)(double value))
{
    json_t *list = json_array();
    for (int s = 0; list && s < CORRUPTION_SEVERITIES; s++)
        list = with(list, number(values[s]));
    return list;
}

static json_t *corruptions_json(const struct test_results *results)
{
    const struct robustness *robustness = &results->robustness;
    if (!results->corrupted)
        return json_null();
    json_t *kinds = json_array();
    for (int k = 0; kinds && k < CORRUPTION_KINDS; k++)
        kinds = with(kinds, json_pack("{s:s, s:o, s:o, s:o}", "name", corruption_name((enum corruption_kind)k),
                                      "accuracy", severities_json(robustness->accuracy[k], cli_json_fraction), "loss",
                                      severities_json(robustness->loss[k], cli_json_loss), "mean",
                                      cli_json_fraction(robustness_kind_mean(robustness, (enum corruption_kind)k))));
    return json_pack("{s:o, s:o}", "mean", cli_json_fraction(robustness_mean(robustness)), "kinds", kinds);
}

/* What is of the weights that were chosen. */
static json_t *figures_json(const struct test_results *results)
{
    const struct test_weights *chosen = test_chosen(results);
    const struct macro_scores macro = confusion_macro(results->measure->confusion, class_count(results));
    const bool tta = results->measure->tta != TTA_NONE;
    return json_pack("{s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "accuracy",
                     cli_json_fraction(chosen->result.accuracy), "loss", cli_json_loss((float)chosen->result.loss),
                     "correct", (json_int_t)chosen->result.correct, "images", (json_int_t)chosen->result.count,
                     "plain_accuracy", cli_json_fraction(tta ? chosen->plain.accuracy : -1), "plain_loss",
                     cli_json_loss(tta ? (float)chosen->plain.loss : -1), "ece",
                     cli_json_fraction(chosen->calibration.expected_error), "mce",
                     cli_json_fraction(chosen->calibration.greatest_error), "confidence",
                     cli_json_fraction(chosen->calibration.confidence), "macro_precision",
                     cli_json_fraction(macro.precision), "macro_recall", cli_json_fraction(macro.recall), "macro_f1",
                     cli_json_fraction(macro.f1), "classes", classes_json(results), "confusion",
                     confusion_json(results), "reliability", reliability_json(&chosen->calibration));
}

json_t *test_json(const struct test_results *results)
{
    const struct measure *measure = results->measure;
    json_t *object =
        json_pack("{s:o, s:I, s:s, s:o, s:s, s:b, s:s, s:s, s:{s:o, s:o}, s:o, s:O}", "session",
                  cli_json_text(session_name(measure->session)), "step", (json_int_t)measure->state.step, "split",
                  measure->part, "data", cli_json_text(dataset_location(measure->dataset)), "device", measure->device,
                  "averaged_weights", measure->averaged, "weights", measure->averaged ? "ema" : "raw", "tta",
                  tta_name(measure->tta), "by_weights", "raw", weights_json(&results->raw), "ema",
                  weights_json(&results->averaged), "corruptions", corruptions_json(results), "files", results->files);
    json_t *figures = figures_json(results);
    if (!object || !figures || json_object_update(object, figures) != 0) {
        json_decref(object);
        object = NULL;
    }
    json_decref(figures);
    return object;
}

/* ---- Lines ---- */

static void print_evaluation(const char *what, const struct evaluation *evaluation,
                             const struct calibration *calibration)
{
    char percent[CLI_VALUE_SIZE], error[CLI_VALUE_SIZE];
    words_percent(evaluation->accuracy, percent, sizeof percent);
    printf("%s %s (%ld right), loss %.4f", what, percent, evaluation->correct, evaluation->loss);
    if (calibration) {
        words_percent(calibration->expected_error, error, sizeof error);
        printf(", calibration error %s", error);
    }
    putchar('\n');
}

static void print_weights(const char *what, const struct test_weights *weights, bool tta)
{
    char text[CLI_VALUE_SIZE];
    snprintf(text, sizeof text, "%s%s", what, tta ? " with mirror images" : "");
    print_evaluation(text, &weights->result, &weights->calibration);
    snprintf(text, sizeof text, "%s without mirror images", what);
    if (tta)
        print_evaluation(text, &weights->plain, NULL);
}

static void print_summary(const struct test_results *results)
{
    const struct measure *measure = results->measure;
    const bool tta = measure->tta != TTA_NONE, both = results->averaged.measured;
    char images[2 * CLI_VALUE_SIZE];
    const bool limited = measure_say_images(measure, images, sizeof images);
    printf("%s, step %ld%s, on the %s%s, on %s\n", session_name(measure->session), measure->state.step,
           measure->averaged ? ", averaged weights" : "", images, limited ? " (--limit 0: all)" : "", measure->device);
    print_weights("accuracy", test_chosen(results), tta);
    if (both)
        print_weights(measure->averaged ? "of the raw weights" : "of the averaged weights",
                      measure->averaged ? &results->raw : &results->averaged, tta);
}

/* ---- Tables ---- */

static void percent_cell(struct table *table, double part)
{
    char percent[CLI_VALUE_SIZE];
    words_percent(part, percent, sizeof percent);
    table_cell(table, "%s", percent);
}

static int print_table(struct table *table, struct error *error)
{
    putchar('\n');
    const int result = table_print(table, stdout, error);
    table_destroy(table);
    return result;
}

static int print_classes(const struct test_results *results, struct error *error)
{
    static const char *const heads[] = {"class", "images", "precision", "recall", "F1"};
    const uint32_t *confusion = results->measure->confusion;
    const int count = class_count(results);
    const struct macro_scores macro = confusion_macro(confusion, count);
    struct table *table = table_create("lrrrr");
    bool absent = false;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        table_cell(table, "%s", heads[i]);
    for (int c = 0; c < count; c++) {
        table_cell(table, "%s", class_name(results, c));
        table_cell(table, "%u", confusion_images(confusion, count, c));
        percent_cell(table, confusion_precision(confusion, count, c));
        percent_cell(table, confusion_accuracy(confusion, count, c));
        percent_cell(table, confusion_f1(confusion, count, c));
        absent |= confusion_precision(confusion, count, c) < 0 || confusion_accuracy(confusion, count, c) < 0 ||
                  confusion_f1(confusion, count, c) < 0;
    }
    table_cell(table, absent ? "mean, - as 0" : "mean");
    table_cell(table, "%s", "");
    percent_cell(table, macro.precision);
    percent_cell(table, macro.recall);
    percent_cell(table, macro.f1);
    return print_table(table, error);
}

static int print_matrix(const struct test_results *results, struct error *error)
{
    const char *names[MATRIX_MOST_CLASSES];
    for (int c = 0; c < class_count(results); c++)
        names[c] = class_name(results, c);
    putchar('\n');
    return matrix_print(names, results->measure->confusion, class_count(results), cli_columns(stdout, 0), stdout,
                        error);
}

/* The most frequent mistakes, where the whole matrix is too wide to read: each time the one next below the last. */
static int print_confusions(const struct test_results *results, struct error *error)
{
    const size_t classes = (size_t)class_count(results), cells = classes * classes;
    const uint32_t *confusion = results->measure->confusion;
    struct table *table = table_create("lrll");
    uint32_t above = UINT32_MAX;
    size_t after = cells;
    for (int i = 0; i < MOST_CONFUSIONS; i++) {
        size_t best = cells;
        for (size_t k = 0; k < cells; k++) {
            uint32_t count = confusion[k];
            bool next = k / classes != k % classes && count > 0 && (count < above || (count == above && k > after));
            if (next && (best == cells || count > confusion[best]))
                best = k;
        }
        if (best == cells)
            break;
        above = confusion[best];
        after = best;
        table_cell(table, "%s", i == 0 ? "most often" : "");
        table_cell(table, "%u", above);
        table_cell(table, "%s", class_name(results, (int)(best / classes)));
        table_cell(table, "taken for %s", class_name(results, (int)(best % classes)));
    }
    return print_table(table, error);
}

static int print_corruptions(const struct test_results *results, struct error *error)
{
    const struct robustness *robustness = &results->robustness;
    struct table *table = table_create("lrrrrrr");
    table_cell(table, "accuracy at severity:");
    for (int s = 1; s <= CORRUPTION_SEVERITIES; s++)
        table_cell(table, "%d", s);
    table_cell(table, "mean");
    for (int k = 0; k < CORRUPTION_KINDS; k++) {
        table_cell(table, "%s", corruption_name((enum corruption_kind)k));
        for (int s = 0; s < CORRUPTION_SEVERITIES; s++)
            percent_cell(table, robustness->accuracy[k][s]);
        percent_cell(table, robustness_kind_mean(robustness, (enum corruption_kind)k));
    }
    table_cell(table, "mean");
    for (int s = 1; s <= CORRUPTION_SEVERITIES; s++)
        percent_cell(table, robustness_severity_mean(robustness, s));
    percent_cell(table, robustness_mean(robustness));
    return print_table(table, error);
}

int test_print(const struct test_results *results, struct error *error)
{
    print_summary(results);
    if (print_classes(results, error) != 0)
        return -1;
    const int mistakes =
        class_count(results) <= MATRIX_MOST_CLASSES ? print_matrix(results, error) : print_confusions(results, error);
    if (mistakes != 0 || (results->corrupted && print_corruptions(results, error) != 0))
        return -1;
    if (json_array_size(results->files) > 0)
        putchar('\n');
    for (size_t i = 0; i < json_array_size(results->files); i++)
        printf("%s\n", json_string_value(json_object_get(json_array_get(results->files, i), "path")));
    return 0;
}
