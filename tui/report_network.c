/* The network block by block: what it is made of, what it costs, and what the signal does in it; see report.h. */
#include "tui/report.h"

#include "base/digits.h"
#include "engine/health.h"
#include "sessions/seed_report.h"
#include "tui/figure_signal.h"
#include "tui/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WORD = 32 };

/* ---- What it is made of ---- */

static void add_cost(const struct model_cost *cost, struct page *page)
{
    char parameters[WORD];
    words_count((double)cost->parameters, parameters, sizeof parameters);
    page_cell(page, "%s", parameters);
    page_cell(page, "%.3f", cost->flops / 1e6);
}

static void add_block(const struct model_spec *spec, int index, int *side, const struct model_cost *cost,
                      struct page *page)
{
    const struct block_spec block = model_block(spec, index);
    *side /= block.stride;
    page_cell(page, "block %d", index + 1);
    page_cell(page, "%d", block.cin);
    page_cell(page, "%d", block.mid);
    page_cell(page, "%d", block.cout);
    page_cell(page, "%d", block.stride);
    page_cell(page, "%d x %d", *side, *side);
    page_cell(page, "%s", block.transition ? "yes" : "");
    page_cell(page, "%.4g", (double)block.beta);
    page_cell(page, "%.4g", (double)block.variance_out);
    add_cost(cost, page);
}

/* A row that is no block: the stem, the head, the sum. */
static void add_end(const char *name, int in, int out, const char *map, const struct model_cost *cost,
                    struct page *page)
{
    page_cell(page, "%s", name);
    page_cell(page, in ? "%d" : "", in);
    page_cell(page, "%s", "");
    page_cell(page, out ? "%d" : "", out);
    page_cell(page, "%s", "");
    page_cell(page, "%s", map);
    for (int i = 0; i < 3; i++)
        page_cell(page, "%s", "");
    add_cost(cost, page);
}

void report_add_network(const struct report *report, struct page *page)
{
    static const char *const heads[] = {"part",
                                        "in",
                                        "middle",
                                        "out",
                                        "stride",
                                        "map",
                                        "projection",
                                        "beta",
                                        "predicted variance",
                                        "parameters",
                                        "Mflop an image"};
    const struct model_spec *spec = &session_settings(report->session.session)->model;
    const int blocks = report->cost_count - 2;
    struct model_cost sum = {0, 0};
    char map[WORD];
    int side = MODEL_IMAGE_SIZE;
    for (int i = 0; i < report->cost_count; i++) {
        sum.parameters += report->costs[i].parameters;
        sum.flops += report->costs[i].flops;
    }
    page_section(page, "network", "Network");
    page_paragraph(page,
                   "%s block, %d blocks, alpha %g, %s%s. Operations are those of the forward pass for one image, a "
                   "multiplication and an addition counted as two; a training step takes about three times as many.",
                   spec->family == FAMILY_REPORT ? "The seed report's" : "The papers'", blocks, (double)spec->alpha,
                   spec->norm == NORM_BATCH ? "with batch normalisation" : "without normalisation",
                   spec->weight_standardization && spec->norm != NORM_BATCH ? ", weights standardised" : "");
    page_table(page, "lrrrrrlrrrr");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        page_cell(page, "%s", heads[i]);
    snprintf(map, sizeof map, "%d x %d", side, side);
    add_end("stem", 3, spec->stem, map, &report->costs[0], page);
    for (int i = 0; i < blocks; i++)
        add_block(spec, i, &side, &report->costs[i + 1], page);
    add_end("head", spec->stages[spec->stage_count - 1].width, spec->classes, "", &report->costs[blocks + 1], page);
    add_end("all", 0, 0, "", &sum, page);
    page_table_end(page);
}

/* ---- What the signal does in it ---- */

static void add_number(double value, struct page *page)
{
    char text[WORD] = "";
    if (!isnan(value))
        digits_significant(value, 3, text, sizeof text);
    page_cell(page, "%s", text);
}

/* What is not finite stands as that, not as a figure that is missing. */
static void add_variance(const struct probe *probe, int point, struct page *page)
{
    const struct probe_point *at = &probe->points[point];
    if (isfinite(at->variance))
        add_number((double)at->variance, page);
    else
        page_cell_tone(page, PAGE_BAD, "not finite");
}

static void add_point(const struct model_spec *spec, const struct probe *start, const struct probe *now, int point,
                      struct page *page)
{
    static const enum page_tone tones[] = {
        [HEALTH_GOOD] = PAGE_GOOD, [HEALTH_WATCH] = PAGE_WARNING, [HEALTH_BAD] = PAGE_BAD};
    static const char *const words[] = {[HEALTH_GOOD] = "good", [HEALTH_WATCH] = "watch", [HEALTH_BAD] = "bad"};
    char name[WORD], why[256] = "";
    const enum health health = health_of_point(spec, now, point, why, sizeof why);
    probe_point_name(point, name, sizeof name);
    page_cell(page, "%s", name);
    add_number(signal_predicted(now, point, SIGNAL_VARIANCE), page);
    add_variance(start, point, page);
    add_variance(now, point, page);
    add_number((double)now->points[point].squared_mean, page);
    page_cell(page, "%.0f %%", 100 * (double)now->points[point].dead);
    add_number(now->gradients ? (double)now->points[point].gradient_norm : NAN, page);
    add_number((double)now->points[point].update_ratio, page);
    page_cell_tone(page, tones[health], "%s", words[health]);
    page_cell(page, "%s", why);
}

static void add_points(const struct report *report, const struct probe *start, const struct probe *now,
                       struct page *page)
{
    const struct model_spec *spec = &session_settings(report->session.session)->model;
    page_table(page, "lrrrrrrrlw");
    page_cell(page, "behind");
    page_cell(page, "predicted");
    page_cell(page, "variance, step %ld", start->step);
    page_cell(page, "variance, step %ld", now->step);
    page_cell(page, "squared mean");
    page_cell(page, "dead");
    page_cell(page, "gradient");
    page_cell(page, "update");
    page_cell(page, "health");
    page_cell(page, "why");
    for (int i = 0; i < now->count; i++)
        add_point(spec, start, now, i, page);
    page_table_end(page);
}

/* Of its own network the seed report tells two figures. */
static void add_seed_report(const struct report *report, const struct probe *start, struct page *page)
{
    const char *preset = report_preset(report);
    if (!preset || strcmp(preset, "report") != 0 || start->step != 0)
        return;
    char first[WORD], last[WORD];
    digits_significant((double)start->points[1].variance, 3, first, sizeof first);
    digits_significant((double)start->points[start->count - 1].variance, 3, last, sizeof last);
    page_paragraph(
        page,
        "At initialisation the seed report's network has a variance of about %g behind its first block and %g "
        "behind its last, where its formula predicts 1.04 and 1.2; here it is %s and %s. Its gamma sits in the "
        "weights, so the stem and the shortcuts, which have no activation before them, multiply the variance "
        "by gamma squared, 2.93.",
        SEED_REPORT_VARIANCE_FIRST, SEED_REPORT_VARIANCE_LAST, first, last);
}

void report_add_signal(const struct report *report, const char *folder, struct page *page)
{
    const struct metrics *metrics = &report->session.metrics;
    page_section(page, "signal", "Signal");
    if (metrics->probe_count == 0) {
        page_paragraph(page, "The signal was not measured: the log has no probe (--probe-every).");
        return;
    }
    const struct probe *start = metrics->probes[0], *now = metrics->probes[metrics->probe_count - 1];
    page_paragraph(page, "%d probes looked into every block, the first after %ld step%s, the last after %ld.",
                   metrics->probe_count, start->step, start->step == 1 ? "" : "s", now->step);
    add_seed_report(report, start, page);
    report_add_picture(report, "signal", folder, page);
    if (now->count == 1 + model_block_count(&session_settings(report->session.session)->model) &&
        start->count == now->count)
        add_points(report, start, now, page);
    report_add_picture(report, "histograms", folder, page);
}
