/* The report as a whole: its head, the figures that count, and the sections in their order; see report.h. */
#include "tui/report.h"

#include "base/digits.h"
#include "base/line.h"
#include "tui/words.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WORD = 96 };

/* ---- What came of it ---- */

static bool is_state(const struct report *report, const char *state)
{
    return strcmp(report->session.summary.state, state) == 0;
}

/* " Test accuracy 89.28 % (loss 0.3510), best validation accuracy 89.79 % at step 75000." */
static void add_measured(const struct compared *session, struct line *line)
{
    const struct compare_value *test = &session->last[COMPARE_TEST_ACCURACY],
                               *validation = &session->best[COMPARE_VALIDATION_ACCURACY],
                               *loss = &session->last[COMPARE_TRAIN_LOSS];
    char percent[WORD], number[WORD];
    if (!isnan(test->value)) {
        words_percent(test->value, percent, sizeof percent);
        digits_loss(session->last[COMPARE_TEST_LOSS].value, number, sizeof number);
        line_add(line, " Test accuracy %s (loss %s)", percent, number);
    }
    if (!isnan(validation->value)) {
        words_percent(validation->value, percent, sizeof percent);
        line_add(line, "%s %s at step %ld",
                 isnan(test->value) ? " Best validation accuracy" : ", best validation accuracy", percent,
                 validation->step);
    }
    if (isnan(test->value) && isnan(validation->value) && !isnan(loss->value)) {
        digits_loss(loss->value, number, sizeof number);
        line_add(line, " Training loss %s", number);
    }
    if (!isnan(test->value) || !isnan(validation->value) || !isnan(loss->value))
        line_add(line, ".");
}

static void add_state(const struct report *report, struct line *line)
{
    const struct compared *session = &report->session;
    const long step = session->summary.step;
    char time[WORD];
    words_duration(session->seconds, time, sizeof time);
    if (is_state(report, "damaged") || is_state(report, "newer"))
        line_add(line, "The session cannot be read as a whole: its settings or its log are damaged.");
    else if (is_state(report, "diverged"))
        line_add(line, "The run diverged at step %ld and ended there.", step);
    else if (is_state(report, "training") && step == 0)
        line_add(line, "The run trains now, before its first step.");
    else if (is_state(report, "training"))
        line_add(line, "The run trains now: this is as of step %ld.", step);
    else if (session->summary.standstill)
        line_add(line, "The run stands still and waits for %s: this is as of step %ld.",
                 standstill_waits_for(session->summary.standstill), step);
    else if (step == 0)
        line_add(line, session->metrics.imported ? "Weights from elsewhere were imported; no step has been made yet."
                                                 : "No step has been made yet.");
    else if (is_state(report, "finished"))
        line_add(line, "The run finished: %ld steps in %s.", step, time);
    else
        line_add(line, "The run was %s at step %ld.", session->summary.state, step);
}

enum page_tone report_lead(const struct report *report, char text[REPORT_LEAD_SIZE])
{
    struct line line = line_begin(text, REPORT_LEAD_SIZE);
    add_state(report, &line);
    add_measured(&report->session, &line);
    if (report->verified.wrong > 0)
        line_add(&line, " Verifying its files found %d thing%s wrong.", report->verified.wrong,
                 report->verified.wrong == 1 ? "" : "s");
    if (is_state(report, "diverged") || is_state(report, "failed") || is_state(report, "damaged"))
        return PAGE_BAD;
    if (report->verified.wrong > 0)
        return PAGE_WARNING;
    return is_state(report, "finished") ? PAGE_GOOD : PAGE_PLAIN;
}

/* ---- Head ---- */

static void say_about(const struct report *report, char text[512])
{
    const struct settings *settings = session_settings(report->session.session);
    const struct metrics *metrics = &report->session.metrics;
    struct line line = line_begin(text, 512);
    if (report_preset(report)) {
        line_add(&line, "Preset %s", report_preset(report));
    } else {
        char stages[SETTINGS_VALUE_SIZE], name[SETTINGS_NETWORK_SIZE];
        settings_network_name(settings, name);
        stages_format(&settings->model, stages);
        line_add(&line, "%c%s: %s block, stem %d, stages %s", toupper(*name), name + 1,
                 settings->model.family == FAMILY_REPORT ? "the seed report's" : "the papers'", settings->model.stem,
                 stages);
    }
    if (metrics->start_count > 0) {
        const struct platform *platform = &metrics->starts[metrics->start_count - 1].platform;
        const size_t checksum = strcspn(platform->data, " ");
        line_add(&line, " \u00b7 %.*s \u00b7 %s, %s", (int)checksum, platform->data,
                 *platform->processor ? platform->processor : platform->device, platform->precision);
    } else {
        line_add(&line, " \u00b7 data %s", settings->data);
    }
}

/* ---- The figures that count ---- */

struct tile_text {
    char value[WORD], more[WORD];
};

static void add_tile(struct page_tile *tiles, struct tile_text *texts, int *count, const char *label)
{
    tiles[*count] = (struct page_tile){label, texts[*count].value, texts[*count].more};
    (*count)++;
}

static void tell_figure(const struct report *report, enum compare_figure figure, struct tile_text *text)
{
    const struct compare_value *last = &report->session.last[figure], *best = &report->session.best[figure];
    const bool accuracy = compare_figure_is_accuracy(figure);
    char number[WORD];
    if (accuracy)
        words_percent(last->value, text->value, WORD);
    else
        digits_loss(last->value, text->value, WORD);
    snprintf(text->more, WORD, "at step %ld%s", last->step,
             best->step == last->step && best->step > 0 ? ", the best" : "");
    if (best->step == last->step)
        return;
    if (accuracy)
        words_percent(best->value, number, sizeof number);
    else
        digits_loss(best->value, number, sizeof number);
    snprintf(text->more, WORD, "best %.40s at step %ld", number, best->step);
}

static void tell_epochs(int epochs, char text[WORD])
{
    snprintf(text, WORD, "%d epoch%s", epochs, epochs == 1 ? "" : "s");
}

static void add_tiles(const struct report *report, struct page *page)
{
    static const char *const labels[COMPARE_FIGURES] = {[COMPARE_TRAIN_LOSS] = "Training loss",
                                                        [COMPARE_VALIDATION_ACCURACY] = "Validation accuracy",
                                                        [COMPARE_VALIDATION_LOSS] = "Validation loss",
                                                        [COMPARE_TEST_ACCURACY] = "Test accuracy",
                                                        [COMPARE_TEST_LOSS] = "Test loss"};
    static const enum compare_figure order[] = {COMPARE_TEST_ACCURACY, COMPARE_VALIDATION_ACCURACY, COMPARE_TEST_LOSS,
                                                COMPARE_VALIDATION_LOSS, COMPARE_TRAIN_LOSS};
    enum { MOST = 10 };
    const struct compared *session = &report->session;
    struct page_tile tiles[MOST];
    struct tile_text texts[MOST];
    size_t parameters = 0;
    int count = 0;
    memset(texts, 0, sizeof texts);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (isnan(session->last[order[i]].value))
            continue;
        tell_figure(report, order[i], &texts[count]);
        add_tile(tiles, texts, &count, labels[order[i]]);
    }
    words_count((double)session->summary.step, texts[count].value, WORD);
    if (session->metrics.epoch_count > 0)
        tell_epochs(session->metrics.epochs[session->metrics.epoch_count - 1].epoch, texts[count].more);
    add_tile(tiles, texts, &count, "Steps");
    if (!isnan(session->seconds)) {
        words_duration(session->seconds, texts[count].value, WORD);
        snprintf(texts[count].more, WORD, "without pauses");
        add_tile(tiles, texts, &count, "Training time");
    }
    if (!isnan(session->images_per_second)) {
        words_count(session->images_per_second, texts[count].value, WORD);
        snprintf(texts[count].more, WORD, "median of the log");
        add_tile(tiles, texts, &count, "Images a second");
    }
    for (int i = 0; i < report->cost_count; i++)
        parameters += report->costs[i].parameters;
    words_count((double)parameters, texts[count].value, WORD);
    add_tile(tiles, texts, &count, "Parameters");
    page_tiles(page, tiles, count);
}

/* ---- All of it ---- */

void report_add_picture(const struct report *report, const char *name, const char *folder, struct page *page)
{
    const struct report_picture *picture = report->pictures;
    while (strcmp(picture->name, name) != 0)
        picture++;
    if (!picture->light.png) {
        page_note(page, PAGE_PLAIN, "There is no picture \u201c%s\u201d: %s.", picture->alt, picture->why.message);
        return;
    }
    char file[FILE_PATH_SIZE];
    snprintf(file, sizeof file, "%s/%s.png", folder, name);
    const struct page_figure figure = {file, picture->alt, picture->caption, picture->light, picture->dark};
    page_figure(page, &figure);
}

int report_write(const struct report *report, enum page_format format, const char *folder, struct page **out,
                 struct error *error)
{
    char about[512], lead[REPORT_LEAD_SIZE];
    say_about(report, about);
    const enum page_tone tone = report_lead(report, lead);
    const struct page_head head = {"nfbench \u00b7 report of a session", session_name(report->session.session), about,
                                   lead, tone};
    if (page_create(format, &head, out, error) != 0)
        return -1;
    page_section(*out, "results", "Results");
    add_tiles(report, *out);
    report_add_images(report, folder, *out);
    report_add_course(report, folder, *out);
    report_add_signal(report, folder, *out);
    report_add_troubles(report, *out);
    report_add_commands(report, *out);
    report_add_settings(report, *out);
    report_add_network(report, *out);
    report_add_environment(report, *out);
    report_add_again(report, *out);
    return 0;
}
