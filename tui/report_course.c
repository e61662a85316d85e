/* The course of the run: its curves, a table of its epochs, beside those of the seed report where it is that network,
 * and what went wrong; see report.h. */
#include "tui/report.h"

#include "base/digits.h"
#include "sessions/seed_report.h"
#include "tui/words.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WORD = 96, EVERY = 10, SHORT_RUN = 20 };

/* ---- Epochs ---- */

/* The figures of an epoch that a run may have measured. */
static const struct column {
    const char *title;
    size_t offset; /* a float; below 0: not measured */
    bool accuracy;
} columns[] = {
    {"training loss", offsetof(struct epoch_record, train_loss), false},
    {"training accuracy", offsetof(struct epoch_record, train_accuracy), true},
    {"validation loss", offsetof(struct epoch_record, validation_loss), false},
    {"validation accuracy", offsetof(struct epoch_record, validation_accuracy), true},
    {"test loss", offsetof(struct epoch_record, test_loss), false},
    {"test accuracy", offsetof(struct epoch_record, test_accuracy), true},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static float value_of(const struct epoch_record *epoch, int column)
{
    float value;
    memcpy(&value, (const char *)epoch + columns[column].offset, sizeof value);
    return value;
}

/* Of a long run each tenth, and how it ended. */
static bool is_shown(const struct metrics *metrics, int index)
{
    const struct epoch_record *epoch = &metrics->epochs[index];
    const bool is_short = metrics->epochs[metrics->epoch_count - 1].epoch <= SHORT_RUN;
    return index == metrics->epoch_count - 1 || (epoch->epoch_end && (is_short || epoch->epoch % EVERY == 0));
}

/* The rate of the last step before an epoch's end; NAN: it has no record. */
static double rate_at(const struct metrics *metrics, long step)
{
    int low = 0, high = metrics->step_count;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (metrics->steps[middle].step <= step)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? (double)metrics->steps[low - 1].learning_rate : NAN;
}

static void add_value(double value, bool accuracy, struct page *page)
{
    char text[WORD] = "";
    if (accuracy && value >= 0)
        words_percent(value, text, sizeof text);
    else if (!(value < 0))
        digits_loss(value, text, sizeof text);
    page_cell(page, "%s", text);
}

/* ---- The seed report's ---- */

/* What it publishes beside a run of its network. */
struct seed {
    bool shown;
    const struct seed_trial *trial; /* of its search, with these settings; NULL: its final run */
};

/* A run as long as those of its search stands beside the one with the same settings; so does another, unless its rate
 * and batch are the final run's, or none that it tried. */
static struct seed find_seed(const struct report *report)
{
    const struct settings *settings = session_settings(report->session.session);
    const struct train_options *train = &settings->train;
    struct session_input input;
    struct seed seed = {.shown = session_read_input(report->session.session, &input, NULL) == 0 &&
                                 seed_report_is_like(settings, input.data)};
    if (train->epochs == seed_report_marks[SEED_REPORT_MARKS - 1] || train->batch != SEED_REPORT_BATCH ||
        fabs((double)train->learning_rate - SEED_REPORT_RATE) > 1e-6)
        seed.trial = seed_report_tried((double)train->learning_rate, train->batch);
    return seed;
}

/* Its loss and validation accuracy after an epoch; NAN and -1: it does not say. */
static void find_theirs(const struct seed *seed, int epoch, double *loss, double *accuracy)
{
    const struct seed_epoch *of_final = seed->trial ? NULL : seed_report_at(epoch);
    *loss = of_final ? of_final->loss : NAN;
    *accuracy = of_final ? of_final->validation_accuracy : -1;
    for (int i = 0; seed->trial && i < SEED_REPORT_MARKS; i++)
        if (seed_report_marks[i] == epoch) {
            *accuracy = seed->trial->validation_accuracy[i];
            *loss = i == SEED_REPORT_MARKS - 1 ? seed->trial->loss : NAN;
        }
}

static void add_theirs(const struct seed *seed, const struct epoch_record *epoch, struct page *page)
{
    double loss, accuracy;
    find_theirs(seed, epoch->epoch_end ? epoch->epoch : -1, &loss, &accuracy);
    if (isnan(loss))
        page_cell(page, "%s", "");
    else
        page_cell(page, "%.3f", loss);
    add_value(accuracy, true, page);
}

static void add_source(const struct seed *seed, struct page *page)
{
    const char *title = "\u201c" SEED_REPORT_TITLE "\u201d";
    char percent[WORD];
    words_percent(SEED_REPORT_TEST_ACCURACY, percent, sizeof percent);
    if (seed->trial)
        page_paragraph(page,
                       "Beside it the seed report's own run of this network with these settings, of its search (%s): "
                       "learning rate %g, batch %d, 40 epochs%s. It publishes no figures of the cells that are empty.",
                       title, seed->trial->learning_rate, seed->trial->batch,
                       isnan(seed->trial->loss) ? ", its loss no number" : "");
    else
        page_paragraph(page,
                       "Beside it the seed report's final run of this network (%s): learning rate %g, batch %d, 200 "
                       "epochs, test accuracy %s at the end. It publishes no figures of the cells that are empty.",
                       title, SEED_REPORT_RATE, SEED_REPORT_BATCH, percent);
}

/* ---- The table ---- */

static void add_epoch(const struct metrics *metrics, const struct epoch_record *epoch, const bool measured[COLUMNS],
                      const struct seed *seed, struct page *page)
{
    char text[WORD] = "";
    const double rate = rate_at(metrics, epoch->step);
    page_cell(page, "%d%s", epoch->epoch, epoch->epoch_end ? "" : "+"); /* and a part of the next */
    page_cell(page, "%ld", epoch->step);
    if (!isnan(rate))
        words_rate(rate, text, sizeof text);
    page_cell(page, "%s", text);
    for (int i = 0; i < COLUMNS; i++)
        if (measured[i])
            add_value((double)value_of(epoch, i), columns[i].accuracy, page);
    if (seed->shown)
        add_theirs(seed, epoch, page);
    words_duration(epoch->seconds, text, sizeof text);
    page_cell(page, "%s", text);
}

static void add_epochs(const struct metrics *metrics, const struct seed *seed, struct page *page)
{
    bool measured[COLUMNS] = {false};
    char letters[COLUMNS + 8] = "rrr";
    for (int i = 0; i < metrics->epoch_count; i++)
        for (int k = 0; k < COLUMNS; k++)
            measured[k] |= value_of(&metrics->epochs[i], k) >= 0;
    for (int k = 0; k < COLUMNS + (seed->shown ? 3 : 1); k++)
        if (k >= COLUMNS || measured[k])
            strcat(letters, "r");
    page_table(page, letters);
    page_cell(page, "epoch");
    page_cell(page, "step");
    page_cell(page, "learning rate");
    for (int k = 0; k < COLUMNS; k++)
        if (measured[k])
            page_cell(page, "%s", columns[k].title);
    if (seed->shown) {
        page_cell(page, "seed report: loss");
        page_cell(page, "seed report: validation");
    }
    page_cell(page, "time");
    for (int i = 0; i < metrics->epoch_count; i++)
        if (is_shown(metrics, i))
            add_epoch(metrics, &metrics->epochs[i], measured, seed, page);
    page_table_end(page);
}

void report_add_course(const struct report *report, const char *folder, struct page *page)
{
    const struct metrics *metrics = &report->session.metrics;
    const struct seed seed = find_seed(report);
    page_section(page, "course", "Course");
    if (metrics->step_count == 0 && metrics->epoch_count == 0) {
        page_paragraph(page, "There is no step in the log yet.");
        return;
    }
    report_add_picture(report, "loss", folder, page);
    report_add_picture(report, "accuracy", folder, page);
    if (metrics->epoch_count == 0)
        page_paragraph(page, "No epoch has ended yet.");
    else
        add_epochs(metrics, &seed, page);
    if (seed.shown && metrics->epoch_count > 0)
        add_source(&seed, page);
    report_add_picture(report, "learning-rate", folder, page);
    report_add_picture(report, "gradient-norm", folder, page);
}

/* ---- What went wrong ---- */

static int add_end(const struct report *report, struct page *page)
{
    const struct metrics *metrics = &report->session.metrics;
    const char *state = report->session.summary.state;
    const bool bad = strcmp(state, "diverged") == 0 || strcmp(state, "failed") == 0;
    if (bad && *metrics->end_message)
        page_note(page, PAGE_BAD, "%c%s", toupper((unsigned char)*metrics->end_message), metrics->end_message + 1);
    else if (bad)
        page_note(page, PAGE_BAD, "The run %s, and its log does not say why.", state);
    if (metrics->damaged_lines > 0)
        page_note(page, PAGE_WARNING,
                  "%d damaged line%s of the logs were passed over: this report lacks what stood there.",
                  metrics->damaged_lines, metrics->damaged_lines == 1 ? "" : "s");
    return bad + (metrics->damaged_lines > 0);
}

static int add_findings(const struct metrics *metrics, struct page *page)
{
    static const enum page_tone tones[] = {
        [FINDING_NOTE] = PAGE_PLAIN, [FINDING_WARNING] = PAGE_WARNING, [FINDING_ALARM] = PAGE_BAD};
    if (metrics->finding_count == 0)
        return 0;
    page_subtitle(page, "Found while it trained");
    page_table(page, "rllw");
    page_cell(page, "step");
    page_cell(page, "block");
    page_cell(page, "severity");
    page_cell(page, "finding");
    for (int i = 0; i < metrics->finding_count; i++) {
        const struct finding *finding = &metrics->findings[i];
        char place[WORD] = "";
        if (finding->point >= 0)
            probe_point_name(finding->point, place, sizeof place);
        page_cell(page, "%ld", finding->step);
        page_cell(page, "%s", place);
        page_cell_tone(page, finding->over ? PAGE_GOOD : tones[finding->severity], "%s",
                       finding->over ? "over" : finding_severity_names[finding->severity]);
        page_cell(page, "%s", finding->text);
    }
    page_table_end(page);
    return metrics->finding_count;
}

static int add_ways_back(const struct metrics *metrics, struct page *page)
{
    int count = 0;
    for (int i = 0; i < metrics->command_count; i++) {
        const struct command_record *record = &metrics->commands[i];
        if (record->command.kind != COMMAND_ROLLBACK)
            continue;
        if (count++ == 0)
            page_subtitle(page, "Ways back");
        page_note(page, PAGE_WARNING, "Step %ld: %s", record->step, record->outcome);
    }
    return count;
}

/* What verifying has found. */
static int add_damages(const struct verify_report *verified, struct page *page)
{
    if (verified->count == 0)
        return 0;
    page_subtitle(page, "Found on the disk");
    page_table(page, "llww");
    page_cell(page, "severity");
    page_cell(page, "file");
    page_cell(page, "what was found");
    page_cell(page, "what it means");
    for (int i = 0; i < verified->count; i++) {
        const struct verify_finding *finding = &verified->findings[i];
        const bool wrong = finding->severity == VERIFY_WRONG;
        page_cell_tone(page, wrong ? PAGE_BAD : PAGE_PLAIN, "%s", wrong ? "wrong" : "note");
        page_cell(page, "%s", finding->file);
        page_cell(page, "%s", finding->what);
        page_cell(page, "%s", finding->means);
    }
    page_table_end(page);
    return verified->count;
}

void report_add_troubles(const struct report *report, struct page *page)
{
    const struct metrics *metrics = &report->session.metrics;
    page_section(page, "troubles", "What went wrong");
    const int troubles = add_end(report, page) + add_findings(metrics, page) + add_ways_back(metrics, page) +
                         add_damages(&report->verified, page);
    if (troubles == 0)
        page_note(page, PAGE_GOOD,
                  "Nothing: no finding, no way back, no steps without a record, and every file of the session is as it "
                  "was written.");
}
