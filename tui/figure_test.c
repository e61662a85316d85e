/* See figure_test.h. */
#include "tui/figure_test.h"

#include "tui/words.h"
#include "viz/profile.h"
#include "viz/reliability.h"

#include <math.h>
#include <stdio.h>

enum { CORRUPTIONS_COLUMNS = 96, CORRUPTIONS_ROWS = 34, PERCENT = 32, VERDICT = 128 };

/* ---- Reliability ---- */

int figure_reliability(const struct figure_head *head, const char *images, const struct calibration *calibration,
                       const struct theme *theme, int scale, struct canvas **out, struct error *error)
{
    struct reliability_bin bins[CALIBRATION_BINS];
    char verdict[VERDICT], expected[PERCENT], greatest[PERCENT];
    int columns, rows;
    struct rect inside;
    for (int i = 0; i < CALIBRATION_BINS; i++) {
        const struct calibration_bin *bin = &calibration->bins[i];
        bins[i] = (struct reliability_bin){i / (double)CALIBRATION_BINS, (i + 1) / (double)CALIBRATION_BINS, bin->count,
                                           bin->accuracy, bin->confidence};
    }
    words_percent(calibration->expected_error, expected, sizeof expected);
    words_percent(calibration->greatest_error, greatest, sizeof greatest);
    snprintf(verdict, sizeof verdict, "expected calibration error %s (%d bins), greatest %s", expected,
             CALIBRATION_BINS, greatest);
    const struct reliability reliability = {.title = head->title,
                                            .notes = {head->note, images, verdict},
                                            .bins = bins,
                                            .bin_count = CALIBRATION_BINS,
                                            .accuracy = calibration->accuracy,
                                            .confidence = calibration->confidence};
    reliability_size(&reliability, &columns, &rows);
    if (canvas_create_figure(columns, rows, scale, theme, out, &inside, error) != 0)
        return -1;
    reliability_draw(*out, inside, &reliability);
    return 0;
}

/* ---- Corruptions ---- */

/* A line: the accuracies of a kind from severity 0, the image itself, on. */
struct kind_line {
    const struct robustness *robustness;
    int kind; /* CORRUPTION_KINDS: the mean of all */
    double plain;
};

static double accuracy_at(const void *data, int severity)
{
    const struct kind_line *line = data;
    if (severity == 0)
        return line->plain;
    return line->kind == CORRUPTION_KINDS ? robustness_severity_mean(line->robustness, severity)
                                          : line->robustness->accuracy[line->kind][severity - 1];
}

static void name_severity(const void *data, int severity, char out[TICK_LABEL])
{
    (void)data;
    snprintf(out, TICK_LABEL, severity == 0 ? "none" : "%d", severity);
}

int figure_corruptions(const struct figure_head *head, const struct robustness *robustness, double plain,
                       const struct theme *theme, int scale, struct canvas **out, struct error *error)
{
    static const enum stroke strokes[] = {STROKE_SOLID, STROKE_DASHED, STROKE_DOTTED};
    struct kind_line values[CORRUPTION_KINDS + 1];
    struct profile_line lines[CORRUPTION_KINDS + 1];
    struct rect inside;
    char names[CORRUPTION_KINDS + 1][VERDICT];
    for (int k = 0; k <= CORRUPTION_KINDS; k++) {
        const bool mean = k == CORRUPTION_KINDS;
        const int line = mean ? k : CORRUPTION_KINDS - 1 - k; /* the legend begins with the last */
        char percent[PERCENT];
        words_percent(mean ? robustness_mean(robustness) : robustness_kind_mean(robustness, (enum corruption_kind)k),
                      percent, sizeof percent);
        snprintf(names[k], sizeof names[k], "%s %s", mean ? "mean of all" : corruption_name((enum corruption_kind)k),
                 percent);
        values[k] = (struct kind_line){robustness, k, plain};
        lines[line] = (struct profile_line){.name = names[k],
                                            .value = accuracy_at,
                                            .data = &values[k],
                                            .style = STYLE(mean ? ROLE_TEXT : ROLE_SERIES_1 + k % SERIES_ROLES),
                                            .stroke = mean ? STROKE_SOLID : strokes[k % 3],
                                            .width = mean ? 3 : 2,
                                            .markers = true,
                                            .marker = (enum marker_shape)(k % MARKER_SHAPES)};
    }
    const struct profile profile = {.x_label = "severity",
                                    .y_label = "accuracy",
                                    .count = CORRUPTION_SEVERITIES + 1,
                                    .name = name_severity,
                                    .lines = lines,
                                    .line_count = CORRUPTION_KINDS + 1,
                                    .percent = true,
                                    .cursor = NAN};
    const int note = text_columns(head->note), columns = note > CORRUPTIONS_COLUMNS ? note : CORRUPTIONS_COLUMNS;
    if (canvas_create_figure(columns, CORRUPTIONS_ROWS, scale, theme, out, &inside, error) != 0)
        return -1;
    canvas_text_cut(*out, inside.column, inside.row, inside.columns, STYLE(ROLE_TITLE), head->title);
    canvas_text_cut(*out, inside.column, inside.row + 1, inside.columns, STYLE(ROLE_DIM), head->note);
    const struct rect below = {inside.column, inside.row + 3, inside.columns, inside.rows - 3};
    (void)profile_draw(*out, below, &profile);
    return 0;
}
