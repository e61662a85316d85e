/* What came of the run, measured on its images, and what it ran on; see report.h. */
#include "tui/report.h"

#include "base/digits.h"
#include "tui/cli.h"
#include "tui/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WORD = 96, MOST_CLASSES = 10 };

/* ---- What the network says of the images ---- */

/* The class that images of `truth` are most often taken for; -1: none. */
static int most_taken_for(const struct measure *measure, int truth)
{
    const int classes = measure->settings.model.classes;
    const uint32_t *row = measure->confusion + (size_t)truth * (size_t)classes;
    int most = -1;
    for (int c = 0; c < classes; c++)
        if (c != truth && row[c] > 0 && (most < 0 || row[c] > row[most]))
            most = c;
    return most;
}

static void add_class(const struct measure *measure, int truth, struct page *page)
{
    const int classes = measure->settings.model.classes, other = most_taken_for(measure, truth);
    char percent[WORD];
    words_percent(confusion_accuracy(measure->confusion, classes, truth), percent, sizeof percent);
    page_cell(page, "%s", dataset_class_name(measure->dataset, truth));
    page_cell(page, "%s", percent);
    page_cell(page, "%u", confusion_images(measure->confusion, classes, truth));
    if (other < 0)
        page_cell(page, "%s", "");
    else
        page_cell(page, "%s (%u)", dataset_class_name(measure->dataset, other),
                  measure->confusion[(size_t)truth * (size_t)classes + (size_t)other]);
}

/* The worst first; ties by their numbers. */
static void add_classes(const struct measure *measure, struct page *page)
{
    const int classes = measure->settings.model.classes;
    double above = -1;
    int after = -1;
    page_subtitle(page, classes > MOST_CLASSES ? "The classes that it knows least" : "Its classes, the worst first");
    page_table(page, "lrrl");
    page_cell(page, "class");
    page_cell(page, "accuracy");
    page_cell(page, "images");
    page_cell(page, "most often taken for");
    for (int i = 0; i < classes && i < MOST_CLASSES; i++) {
        int next = -1;
        double least = 2;
        for (int c = 0; c < classes; c++) {
            const double accuracy = confusion_accuracy(measure->confusion, classes, c);
            const bool behind = accuracy > above || (accuracy == above && c > after);
            if (behind && accuracy < least) {
                next = c;
                least = accuracy;
            }
        }
        if (next < 0)
            break;
        add_class(measure, next, page);
        above = least;
        after = next;
    }
    page_table_end(page);
}

void report_add_images(const struct report *report, const char *folder, struct page *page)
{
    const struct measure *measure = &report->source.measure;
    if (!report->source.measured) {
        page_note(page, PAGE_PLAIN, "What the network says of the test images is not part of this report: %s.",
                  report->unmeasured.message);
        return;
    }
    char percent[WORD], images[2 * WORD];
    words_percent(measure->result.accuracy, percent, sizeof percent);
    (void)measure_say_images(measure, images, sizeof images);
    page_paragraph(
        page,
        "Measured for this report, the %scheckpoint of step %ld%s: accuracy %s (%ld right), loss %.4f on the "
        "%s.",
        measure->state.step == measure->state.best_step ? "best " : "", measure->state.step,
        measure->averaged ? " with averaged weights" : "", percent, measure->result.correct, measure->result.loss,
        images);
    if (*measure->note)
        page_note(page, PAGE_WARNING, "%s", measure->note);
    add_classes(measure, page);
    report_add_picture(report, "confusion", folder, page);
    report_add_picture(report, "samples", folder, page);
    report_add_picture(report, "mistakes", folder, page);
}

/* ---- Environment ---- */

static void add_fact(const char *name, const char *value, struct page *page)
{
    page_cell(page, "%s", name);
    page_cell(page, "%s", value);
}

static void add_time(const char *name, time_t time, struct page *page)
{
    char text[WORD] = "unknown";
    struct tm local;
    if (time > 0 && localtime_r(&time, &local) && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &local) == 0)
        snprintf(text, sizeof text, "unknown");
    add_fact(name, text, page);
}

/* Of all starts: what they trained on, where it was another than at the start before. */
static void add_starts(const struct metrics *metrics, struct page *page)
{
    page_fold(page, "Every start");
    page_table(page, "rlllwww");
    page_cell(page, "behind step");
    page_cell(page, "device");
    page_cell(page, "precision");
    page_cell(page, "threads");
    page_cell(page, "processor or GPU");
    page_cell(page, "library");
    page_cell(page, "program");
    for (int i = 0; i < metrics->start_count; i++) {
        const struct platform *platform = &metrics->starts[i].platform;
        page_cell(page, "%ld", metrics->starts[i].step);
        page_cell(page, "%s", platform->device);
        page_cell(page, "%s", platform->precision);
        page_cell(page, "%d", platform->threads);
        page_cell(page, "%s", platform->processor);
        page_cell(page, "%s", platform->library);
        page_cell(page, "%s", platform->program);
    }
    page_table_end(page);
    page_fold_end(page);
}

static void add_platform(const struct platform *platform, struct page *page)
{
    char threads[WORD];
    snprintf(threads, sizeof threads, "%d", platform->threads);
    add_fact("program", platform->program, page);
    add_fact("device", platform->device, page);
    add_fact("processor or GPU", platform->processor, page);
    add_fact("precision", platform->precision, page);
    add_fact("threads", threads, page);
    add_fact("library", platform->library, page);
    add_fact("data, checksum", platform->data, page);
}

static void add_checkpoints(const struct report *report, struct page *page)
{
    if (report->checkpoint_count == 0) {
        page_paragraph(page, "There is no checkpoint.");
        return;
    }
    page_subtitle(page, "Checkpoints");
    page_table(page, "lrrc");
    page_cell(page, "file");
    page_cell(page, "step");
    page_cell(page, "size");
    page_cell(page, "SHA-256");
    for (int i = 0; i < report->checkpoint_count; i++) {
        const struct report_checkpoint *checkpoint = &report->checkpoints[i];
        char size[WORD];
        words_bytes(checkpoint->bytes, size, sizeof size);
        page_cell(page, "%s", checkpoint->file);
        if (checkpoint->step >= 0)
            page_cell(page, "%ld", checkpoint->step);
        else
            page_cell_tone(page, PAGE_BAD, "unreadable");
        page_cell(page, "%s", size);
        page_cell(page, "%s", *checkpoint->sha256 ? checkpoint->sha256 : "cannot be read");
    }
    page_table_end(page);
}

void report_add_environment(const struct report *report, struct page *page)
{
    const struct metrics *metrics = &report->session.metrics;
    const struct session_summary *summary = &report->session.summary;
    page_section(page, "environment", "Environment");
    page_table(page, "lw");
    add_fact("", "of the last start", page);
    if (metrics->start_count > 0)
        add_platform(&metrics->starts[metrics->start_count - 1].platform, page);
    add_time("begun", summary->started, page);
    add_time("last written", summary->changed, page);
    add_fact("folder", session_path(report->session.session), page);
    char program[WORD];
    snprintf(program, sizeof program, "nfbench %s", cli_version());
    add_fact("this report by", program, page);
    page_table_end(page);
    if (metrics->start_count == 0)
        page_paragraph(page, "The log does not say what the run was trained on.");
    else if (metrics->start_count > 1)
        add_starts(metrics, page);
    add_checkpoints(report, page);
}
