/* What `nfbench predict` found: as a table, JSON or comma-separated values. */
#include "tui/cli_predict.h"

#include "sessions/csv.h"
#include "sessions/number.h"
#include "tui/cli_table.h"
#include "tui/words.h"
#include "viz/canvas.h" /* text_columns */

#include <stdlib.h>
#include <string.h>

enum { TOP = 3, PATH_LEAST = 14, NAME_LEAST = 6, TEXT_SIZE = 4200 };

static const float *probabilities_of(const struct predict_report *report, long image)
{
    return report->predictions->probabilities + (size_t)image * (size_t)report->predictor->input.class_count;
}

static const char *class_name(const struct predict_report *report, int index)
{
    return report->predictor->input.classes[index];
}

static int top_of(const struct predict_report *report, long image, int top[TOP])
{
    return predictions_top(probabilities_of(report, image), report->predictor->input.class_count, TOP, top);
}

/* ---- JSON ---- */

static json_t *guess_json(const struct predict_report *report, long image, int class_index)
{
    return json_pack("{s:o, s:o}", "class", cli_json_text(class_name(report, class_index)), "confidence",
                     cli_json_fraction((double)probabilities_of(report, image)[class_index]));
}

static json_t *image_json(const struct predict_report *report, long i)
{
    const struct predicted_image *image = &report->predictions->images[i];
    int top[TOP];
    const int count = top_of(report, i, top);
    json_t *guesses = json_array();
    for (int k = 0; guesses && k < count; k++)
        if (json_array_append_new(guesses, guess_json(report, i, top[k])) != 0) {
            json_decref(guesses);
            guesses = NULL;
        }
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "file", cli_json_text(image->path), "record",
                     image->record < 0 ? json_null() : json_integer(image->record), "label",
                     image->label < 0 ? json_null() : cli_json_text(class_name(report, image->label)), "class",
                     cli_json_text(class_name(report, top[0])), "confidence",
                     cli_json_fraction((double)probabilities_of(report, i)[top[0]]), "top", guesses);
}

static json_t *images_json(const struct predict_report *report)
{
    json_t *list = json_array();
    for (long i = 0; list && i < report->predictions->count; i++)
        if (json_array_append_new(list, image_json(report, i)) != 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static double accuracy_of(const struct predictions *predictions)
{
    return predictions->labelled > 0 ? (double)predictions->correct / (double)predictions->labelled : -1;
}

json_t *predict_json(const struct predict_report *report)
{
    const struct predictor *predictor = report->predictor;
    const struct predictions *predictions = report->predictions;
    return json_pack("{s:o, s:I, s:s, s:b, s:s, s:I, s:I, s:I, s:o, s:o, s:O}", "session",
                     cli_json_text(session_name(report->session)), "step", (json_int_t)predictor->state.step, "device",
                     predictor->device, "averaged_weights", predictor->averaged, "tta", tta_name(predictor->tta),
                     "images", (json_int_t)predictions->count, "labelled", (json_int_t)predictions->labelled, "correct",
                     (json_int_t)predictions->correct, "accuracy", cli_json_fraction(accuracy_of(predictions)),
                     "predictions", images_json(report), "failed", report->failed);
}

/* ---- Comma-separated values ---- */

static void write_csv(const struct predict_report *report, struct text *text)
{
    const int classes = report->predictor->input.class_count;
    text_add(text, "file,record,label,predicted,confidence");
    for (int c = 0; c < classes; c++) {
        text_add(text, ",");
        csv_add_text(class_name(report, c), text);
    }
    for (long i = 0; i < report->predictions->count && !text->failed; i++) {
        const struct predicted_image *image = &report->predictions->images[i];
        const float *probabilities = probabilities_of(report, i);
        char number[NUMBER_SIZE];
        int best;
        (void)predictions_top(probabilities, classes, 1, &best);
        text_add(text, "\r\n");
        csv_add_text(image->path, text);
        if (image->record >= 0)
            text_add(text, ",%d,", image->record);
        else
            text_add(text, ",,");
        csv_add_text(image->label >= 0 ? class_name(report, image->label) : "", text);
        text_add(text, ",");
        csv_add_text(class_name(report, best), text);
        number_from_float(probabilities[best], number);
        text_add(text, ",%s", number);
        for (int c = 0; c < classes; c++) {
            number_from_float(probabilities[c], number);
            text_add(text, ",%s", number);
        }
    }
    text_add(text, "\r\n");
}

int predict_write_csv(const struct predict_report *report, const char *path, struct error *error)
{
    struct text text = {0};
    int result = 0;
    write_csv(report, &text);
    if (text.failed)
        result = error_set(error, "out of memory for the table");
    else if (strcmp(path, "-") == 0)
        (void)fwrite(text.data, 1, text.length, stdout); /* whether it arrives is asked at the program's end */
    else
        result = file_output(path, &(struct file_piece){text.data, text.length}, 1, error);
    free(text.data);
    return result;
}

/* ---- The table ---- */

/* Where an image came from: "cat.png", "test_batch.bin:17"; of one that is too long for `most` columns (0: it never is)
 * the end is kept. Returns its columns. */
static int name_image(const struct predicted_image *image, int most, char out[TEXT_SIZE])
{
    char path[TEXT_SIZE - 32], record[16] = "";
    if (image->record >= 0)
        snprintf(record, sizeof record, ":%d", image->record);
    words_printable(image->path, path, sizeof path);
    const char *end = path;
    const int room = most - (int)strlen(record) - 2;
    if (most > 0 && text_columns(path) > room + 2)
        while (text_columns(end) > room)
            (void)text_next(&end);
    snprintf(out, TEXT_SIZE, "%s%s%s", end > path ? ".." : "", end, record);
    return text_columns(out);
}

/* Columns of the table; 0: as wide as what is in them. */
struct widths {
    int image, name;
};

static int widest_name(const struct predict_report *report)
{
    int widest = 0;
    for (int c = 0; c < report->predictor->input.class_count; c++) {
        const int width = (int)strlen(class_name(report, c));
        widest = width > widest ? width : widest;
    }
    return widest;
}

/* What fits into the terminal: long paths give way first, then long names of classes. */
static struct widths fit(const struct predict_report *report, int columns)
{
    enum { GAP = 2, PERCENT = 6 };
    const bool labelled = report->predictions->labelled > 0;
    const int classes = report->predictor->input.class_count, guesses = classes < TOP ? classes : TOP;
    struct widths widths = {.name = widest_name(report)};
    char text[TEXT_SIZE];
    for (long i = 0; i < report->predictions->count; i++) {
        const int width = name_image(&report->predictions->images[i], 0, text);
        widths.image = width > widths.image ? width : widths.image;
    }
    const int fixed = guesses * (GAP + PERCENT) + labelled * GAP, names = guesses + labelled;
    int over = columns > 0 ? widths.image + fixed + names * widths.name - columns : 0;
    for (; over > 0 && widths.image > PATH_LEAST; over--)
        widths.image--;
    for (; over > 0 && widths.name > NAME_LEAST; over -= names)
        widths.name--;
    return widths;
}

enum { NAME_SIZE = sizeof((struct session_input *)0)->classes[0] };

static const char *short_name(const struct predict_report *report, int class_index, int width, char out[NAME_SIZE])
{
    const char *name = class_index < 0 ? "" : class_name(report, class_index);
    const bool fits = (int)strlen(name) <= width;
    snprintf(out, NAME_SIZE, "%.*s%s", fits ? width : width - 2, name, fits ? "" : "..");
    return out;
}

static int print_rows(const struct predict_report *report, struct error *error)
{
    const struct widths widths = fit(report, cli_columns(stdout, 0));
    const bool labelled = report->predictions->labelled > 0;
    const int classes = report->predictor->input.class_count, guesses = classes < TOP ? classes : TOP;
    static const char *const heads[TOP] = {"1st", "2nd", "3rd"};
    struct table *table = table_create(labelled ? &"lllll"[TOP - guesses] : &"llll"[TOP - guesses]);
    table_cell(table, "image");
    if (labelled)
        table_cell(table, "is");
    for (int k = 0; k < guesses; k++)
        table_cell(table, "%-*s %5s", widths.name, heads[k], "%");
    for (long i = 0; i < report->predictions->count; i++) {
        const struct predicted_image *image = &report->predictions->images[i];
        char text[TEXT_SIZE], name[NAME_SIZE];
        int top[TOP];
        name_image(image, widths.image, text);
        table_cell(table, "%s", text);
        (void)top_of(report, i, top);
        if (labelled)
            table_cell(table, "%s", short_name(report, image->label, widths.name, name));
        for (int k = 0; k < guesses; k++)
            table_cell(table, "%-*s %5.1f", widths.name, short_name(report, top[k], widths.name, name),
                       100 * (double)probabilities_of(report, i)[top[k]]);
    }
    const int result = table_print(table, stdout, error);
    table_destroy(table);
    return result;
}

int predict_print(const struct predict_report *report, bool rows, struct error *error)
{
    const struct predictor *predictor = report->predictor;
    const struct predictions *predictions = report->predictions;
    char percent[CLI_VALUE_SIZE];
    printf("%s, step %ld%s%s, on %s\n", session_name(report->session), predictor->state.step,
           predictor->averaged ? ", averaged weights" : "", predictor->tta == TTA_FLIP ? ", with mirror images" : "",
           predictor->device);
    if (rows) {
        putchar('\n');
        if (print_rows(report, error) != 0)
            return -1;
        putchar('\n');
    }
    printf("%ld image%s", predictions->count, predictions->count == 1 ? "" : "s");
    if (predictions->labelled > 0 && predictions->labelled < predictions->count)
        printf(", %ld with a label", predictions->labelled);
    words_percent(accuracy_of(predictions), percent, sizeof percent);
    if (predictions->labelled > 0)
        printf(": accuracy %s (%ld of %ld right)", percent, predictions->correct, predictions->labelled);
    putchar('\n');
    return 0;
}
