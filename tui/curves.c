/* See curves.h. */
#include "tui/curves_impl.h"

#include "base/array.h"
#include "engine/live.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *title, *word, *unit;
} quantities[QUANTITY_COUNT] = {
    [QUANTITY_LOSS] = {"Loss", "loss", "cross-entropy, in nats"},
    [QUANTITY_ACCURACY] = {"Accuracy", "accuracy", "images predicted right"},
    [QUANTITY_LEARNING_RATE] = {"Learning rate", "learning-rate", "of each step, by the schedule"},
    [QUANTITY_GRADIENT_NORM] = {"Gradient norm", "gradient-norm", "of all parameters, before clipping"},
};

const char *quantity_title(enum quantity quantity)
{
    return quantities[quantity].title;
}

const char *quantity_slug(enum quantity quantity)
{
    return quantities[quantity].word;
}

const char *quantity_unit(enum quantity quantity)
{
    return quantities[quantity].unit;
}

/* The learning rate is set, not measured: there is nothing to smooth. */
static bool is_smoothed(int quantity, int part)
{
    return part == PART_TRAIN && quantity != QUANTITY_LEARNING_RATE;
}

static int create_all(struct curves *curves, struct error *error)
{
    struct series *train[QUANTITY_COUNT];

    for (int q = 0; q < QUANTITY_COUNT; q++)
        for (int p = 0; p < PART_COUNT; p++)
            if (series_create(is_smoothed(q, p) ? curves->smoothing : 0, &curves->series[q][p], error))
                return -1;
    for (int q = 0; q < QUANTITY_COUNT; q++)
        train[q] = curves->series[q][PART_TRAIN];
    if (futures_create(train, &curves->futures, error))
        return -1;
    return scale_create(0, &curves->epochs, error) || scale_create(0, &curves->seconds, error) ? -1 : 0;
}

int curves_create(double smoothing, struct curves **out, struct error *error)
{
    struct curves *curves = calloc(1, sizeof(*curves));

    if (!curves)
        return error_set(error, "out of memory");
    curves->smoothing = smoothing;
    if (create_all(curves, error)) {
        curves_destroy(curves);
        return -1;
    }
    *out = curves;
    return 0;
}

void curves_destroy(struct curves *curves)
{
    if (!curves)
        return;
    for (int q = 0; q < QUANTITY_COUNT; q++)
        for (int p = 0; p < PART_COUNT; p++)
            series_destroy(curves->series[q][p]);
    scale_destroy(curves->epochs);
    scale_destroy(curves->seconds);
    futures_destroy(curves->futures);
    free(curves->marks);
    free(curves);
}

/* A point that does not follow the last one replaces what stands from its step on. */
static void make_way(struct series *series, double step)
{
    size_t count = series_count(series);

    if (count && series_x(series, count - 1) >= step)
        series_truncate(series, step - 0.5);
}

static int add_measured(struct curves *curves, enum part part, const struct epoch_record *epoch, float loss,
                        float accuracy, struct error *error)
{
    const float values[] = {[QUANTITY_LOSS] = loss, [QUANTITY_ACCURACY] = accuracy};

    if (accuracy < 0)
        return 0;
    for (int q = QUANTITY_LOSS; q <= QUANTITY_ACCURACY; q++) {
        make_way(curves->series[q][part], (double)epoch->step);
        if (series_append(curves->series[q][part], (double)epoch->step, values[q], error))
            return -1;
    }
    return 0;
}

/* A point of a second measure of the steps, at or behind its last one. */
static int add_scale(struct scale *scale, double step, double value, struct error *error)
{
    scale_truncate(scale, step - 0.5);
    return step > 0 ? scale_append(scale, step, value, error) : 0;
}

static int add_epoch(struct curves *curves, const struct epoch_record *epoch, struct error *error)
{
    if (epoch->epoch_end && add_scale(curves->epochs, (double)epoch->step, epoch->epoch, error))
        return -1;
    if (add_measured(curves, PART_VALIDATION, epoch, epoch->validation_loss, epoch->validation_accuracy, error))
        return -1;
    return add_measured(curves, PART_TEST, epoch, epoch->test_loss, epoch->test_accuracy, error);
}

/* The one value of a single step, for which `weight` of them may stand; or the extremes and the mean of many. */
static int add_values(struct series *series, const struct step_summary *steps, size_t weight, float min, float max,
                      double sum, struct error *error)
{
    double first = (double)steps->first_step, last = (double)steps->last_step, mean = sum / steps->count;

    make_way(series, first);
    if (steps->count == 1)
        return series_append_weighted(series, last, (float)mean, weight, error);
    return series_append_merged(series, first, last, min, max, mean, (size_t)steps->count, 0, error);
}

static int add_steps(struct curves *curves, const struct step_summary *steps, size_t weight, struct error *error)
{
    struct series *train[QUANTITY_COUNT];
    float accuracy = (float)(steps->accuracy_sum / steps->count);

    if (steps->count < 1)
        return 0;
    for (int q = 0; q < QUANTITY_COUNT; q++)
        train[q] = curves->series[q][PART_TRAIN];
    if (add_values(train[QUANTITY_LOSS], steps, weight, steps->loss_min, steps->loss_max, steps->loss_sum, error) ||
        add_values(train[QUANTITY_ACCURACY], steps, weight, accuracy, accuracy, steps->accuracy_sum, error) ||
        add_values(train[QUANTITY_GRADIENT_NORM], steps, weight, steps->gradient_norm_min, steps->gradient_norm_max,
                   steps->gradient_norm_sum, error))
        return -1;
    make_way(train[QUANTITY_LEARNING_RATE], (double)steps->first_step);
    if (series_append(train[QUANTITY_LEARNING_RATE], (double)steps->last_step, steps->learning_rate, error))
        return -1;
    if (!isfinite(steps->seconds) || steps->seconds <= 0)
        return 0;
    scale_set_slope(curves->seconds, steps->seconds / (double)steps->last_step);
    return add_scale(curves->seconds, (double)steps->last_step, steps->seconds, error);
}

void curves_cut(struct curves *curves, double step)
{
    int kept = 0;

    for (int q = 0; q < QUANTITY_COUNT; q++)
        for (int p = 0; p < PART_COUNT; p++)
            series_truncate(curves->series[q][p], step + 0.5);
    scale_truncate(curves->epochs, step);
    scale_truncate(curves->seconds, step);
    for (int i = 0; i < curves->mark_count; i++)
        if (curves->marks[i].step <= step)
            curves->marks[kept++] = curves->marks[i];
    curves->mark_count = kept;
}

int curves_mark(struct curves *curves, double step, const char *label, struct error *error)
{
    struct mark *marks = array_grow(curves->marks, &curves->mark_room, (size_t)curves->mark_count + 1, sizeof(*marks));

    if (!marks)
        return error_set(error, "out of memory");
    curves->marks = marks;
    curves->marks[curves->mark_count].step = step;
    snprintf(curves->marks[curves->mark_count].label, sizeof(curves->marks->label), "%s", label);
    curves->mark_count++;
    return 0;
}

/* Of "peak lr 0.1 -> 0.01; the schedule goes on ...", or "back at step 40 from step 45, ...: peak lr 0.1 -> 0.01
 * (rollback 1 of 3)", the rate and why it changed, and of a way back that a person asked for what was typed: the log
 * has the rest. */
static int mark_change(struct curves *curves, const struct command_record *record, struct error *error)
{
    bool back = record->command.kind == COMMAND_ROLLBACK;
    const char *rate = back ? strstr(record->outcome, "peak lr") : record->outcome;
    char label[sizeof(record->outcome) + 16];

    if (!rate)
        return curves_mark(curves, (double)record->step, record->command.text, error);
    snprintf(label, sizeof(label), "%s%.*s", back ? "rollback: " : "", (int)strcspn(rate, ";("), rate);
    for (size_t length = strlen(label); length > 0 && label[length - 1] == ' '; length--)
        label[length - 1] = 0;
    return curves_mark(curves, (double)record->step, label, error);
}

static int mark_note(struct curves *curves, const struct command_record *record, struct error *error)
{
    static const char name[] = "note ";
    const char *text = strcasestr(record->command.text, name); /* behind an `at` or `when`, too */

    return curves_mark(curves, (double)record->step, text ? text + sizeof(name) - 1 : record->command.text, error);
}

/* Only what changes the course of the curves stands on them, and what the person remarks. */
static int add_command(struct curves *curves, const struct command_record *record, struct error *error)
{
    enum command_kind kind = record->command.kind;

    if (!record->ok)
        return 0;
    if (kind == COMMAND_NOTE)
        return mark_note(curves, record, error);
    if (!live_of_command(kind) && kind != COMMAND_SCALE_LEARNING_RATE && kind != COMMAND_ROLLBACK)
        return 0;
    return mark_change(curves, record, error);
}

int curves_add_event(struct curves *curves, const struct event *event, struct error *error)
{
    switch (event->kind) {
    case EVENT_STEPS:
        return add_steps(curves, &event->steps, (size_t)event->steps.count, error);
    case EVENT_EPOCH:
        return add_epoch(curves, &event->epoch, error);
    case EVENT_COMMAND:
        return add_command(curves, &event->command, error);
    case EVENT_ROLLBACK:
        curves_cut(curves, (double)event->rollback);
        return 0;
    case EVENT_TRIAL:
        return futures_take(curves->futures, &event->trial, error);
    default:
        return 0;
    }
}

/* Steps between two records are those that are not recorded, or a gap where the ones before and behind lie closer. */
static bool is_gap(const struct step_record *steps, int index, int count, long last)
{
    long distance = steps[index].step - last, before, behind;

    if (index < 2 || index + 1 >= count)
        return false;
    before = steps[index - 1].step - steps[index - 2].step;
    behind = steps[index + 1].step - steps[index].step;
    return distance > before && distance > behind;
}

static int add_record(struct curves *curves, const struct metrics *metrics, int index, struct error *error)
{
    const struct step_record *record = &metrics->steps[index];
    const struct step_summary steps = {.first_step = record->step,
                                       .last_step = record->step,
                                       .count = 1,
                                       .loss_min = record->loss,
                                       .loss_max = record->loss,
                                       .loss_sum = (double)record->loss,
                                       .accuracy_sum = (double)record->accuracy,
                                       .gradient_norm_min = record->gradient_norm,
                                       .gradient_norm_max = record->gradient_norm,
                                       .gradient_norm_sum = (double)record->gradient_norm,
                                       .learning_rate = record->learning_rate,
                                       .seconds = record->seconds};
    long last = (long)curves_last_step(curves), distance = record->step - last;
    bool gap = is_gap(metrics->steps, index, metrics->step_count, last);

    for (int q = 0; gap && q < QUANTITY_COUNT; q++)
        if (series_break(curves->series[q][PART_TRAIN], error))
            return -1;
    return add_steps(curves, &steps, gap || distance < 1 ? 1 : (size_t)distance, error);
}

int curves_add_history(struct curves *curves, const struct metrics *metrics, struct error *error)
{
    for (int i = 0; i < metrics->step_count; i++)
        if (add_record(curves, metrics, i, error))
            return -1;
    for (int i = 0; i < metrics->epoch_count; i++)
        if (add_epoch(curves, &metrics->epochs[i], error))
            return -1;
    for (int i = 0; i < metrics->command_count; i++)
        if (add_command(curves, &metrics->commands[i], error))
            return -1;
    return 0;
}

void curves_set_epoch(struct curves *curves, double steps)
{
    scale_set_slope(curves->epochs, steps > 0 ? 1 / steps : 0);
}

void curves_set_smoothing(struct curves *curves, double smoothing)
{
    curves->smoothing = smoothing;
    for (int q = 0; q < QUANTITY_COUNT; q++)
        if (is_smoothed(q, PART_TRAIN))
            series_set_smoothing(curves->series[q][PART_TRAIN], smoothing);
    futures_smooth(curves->futures);
}

double curves_smoothing(const struct curves *curves)
{
    return curves->smoothing;
}

double curves_latest(const struct curves *curves, enum quantity quantity)
{
    const struct series *series = curves->series[quantity][PART_TRAIN];
    size_t count = series_count(series);

    return count ? (double)series_smoothed(series, count - 1) : NAN;
}

bool curves_want_log(const struct curves *curves, enum quantity quantity)
{
    const double range = 100, least = 0.1; /* what a run that learns comes to is no explosion's other end */
    struct series_summary sum = series_summarize(curves->series[quantity][PART_TRAIN], SERIES_RAW, 0, SIZE_MAX);

    return (quantity == QUANTITY_LOSS || quantity == QUANTITY_GRADIENT_NORM) && sum.count > 0 &&
           (double)sum.max > range * fmax((double)sum.min, least);
}

double curves_last_step(const struct curves *curves)
{
    const struct series *series = curves->series[QUANTITY_LOSS][PART_TRAIN];
    size_t count = series_count(series);

    return count ? series_x(series, count - 1) : 0;
}
