/* See curves.h. */
#include "tui/curves.h"

#include "engine/live.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum part { PART_TRAIN, PART_VALIDATION, PART_TEST, PART_COUNT };

static const struct {
    const char *name;
    enum role role;
    enum chart_kind kind;
    enum stroke stroke;
    enum marker_shape marker;
} looks[PART_COUNT] = {
    [PART_TRAIN] = {"training", ROLE_SERIES_1, CHART_LINE, STROKE_SOLID, MARKER_CIRCLE},
    [PART_VALIDATION] = {"validation", ROLE_SERIES_2, CHART_POINTS, STROKE_DASHED, MARKER_DIAMOND},
    [PART_TEST] = {"test", ROLE_SERIES_3, CHART_POINTS, STROKE_DOTTED, MARKER_SQUARE},
};

struct mark {
    double step;
    char label[160];
};

struct curves {
    struct series *series[QUANTITY_COUNT][PART_COUNT];
    struct mark *marks;
    int mark_count, mark_room;
    double domain; /* end of the x axis, held */
};

int curves_create(double smoothing, struct curves **out, struct error *error)
{
    struct curves *curves = calloc(1, sizeof(*curves));

    if (!curves)
        return error_set(error, "out of memory");
    for (int q = 0; q < QUANTITY_COUNT; q++)
        for (int p = 0; p < PART_COUNT; p++)
            if (series_create(p == PART_TRAIN ? smoothing : 0, &curves->series[q][p], error)) {
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
    const float values[QUANTITY_COUNT] = {[QUANTITY_LOSS] = loss, [QUANTITY_ACCURACY] = accuracy};

    if (accuracy < 0)
        return 0;
    for (int q = 0; q < QUANTITY_COUNT; q++) {
        make_way(curves->series[q][part], (double)epoch->step);
        if (series_append(curves->series[q][part], (double)epoch->step, values[q], error))
            return -1;
    }
    return 0;
}

static int add_epoch(struct curves *curves, const struct epoch_record *epoch, struct error *error)
{
    if (add_measured(curves, PART_VALIDATION, epoch, epoch->validation_loss, epoch->validation_accuracy, error))
        return -1;
    return add_measured(curves, PART_TEST, epoch, epoch->test_loss, epoch->test_accuracy, error);
}

static int add_steps(struct curves *curves, const struct step_summary *steps, struct error *error)
{
    struct series *loss = curves->series[QUANTITY_LOSS][PART_TRAIN];
    struct series *accuracy = curves->series[QUANTITY_ACCURACY][PART_TRAIN];
    double first = (double)steps->first_step, last = (double)steps->last_step;
    size_t count = (size_t)steps->count;
    double mean;

    if (steps->count < 1)
        return 0;
    make_way(loss, first);
    make_way(accuracy, first);
    if (series_append_merged(loss, first, last, steps->loss_min, steps->loss_max, steps->loss_sum / steps->count, count,
                             0, error))
        return -1;
    mean = steps->accuracy_sum / steps->count;
    return series_append_merged(accuracy, first, last, (float)mean, (float)mean, mean, count, 0, error);
}

void curves_cut(struct curves *curves, double step)
{
    int kept = 0;

    for (int q = 0; q < QUANTITY_COUNT; q++)
        for (int p = 0; p < PART_COUNT; p++)
            series_truncate(curves->series[q][p], step + 0.5);
    for (int i = 0; i < curves->mark_count; i++)
        if (curves->marks[i].step <= step)
            curves->marks[kept++] = curves->marks[i];
    curves->mark_count = kept;
}

int curves_mark(struct curves *curves, double step, const char *label, struct error *error)
{
    if (curves->mark_count == curves->mark_room) {
        int room = curves->mark_room ? 2 * curves->mark_room : 16;
        struct mark *marks = realloc(curves->marks, (size_t)room * sizeof(*marks));

        if (!marks)
            return error_set(error, "out of memory");
        curves->marks = marks;
        curves->mark_room = room;
    }
    curves->marks[curves->mark_count].step = step;
    snprintf(curves->marks[curves->mark_count].label, sizeof(curves->marks->label), "%s", label);
    curves->mark_count++;
    return 0;
}

/* Of "peak lr 0.1 -> 0.01; the schedule goes on ...", or "back here from step 45, ...: peak lr 0.1 -> 0.01 (rollback 1
 * of 3)", the rate and why it changed: the log has the rest. */
static int mark_change(struct curves *curves, const struct command_record *record, struct error *error)
{
    bool back = record->command.kind == COMMAND_ROLLBACK;
    const char *rate = back ? strstr(record->outcome, "peak lr") : record->outcome;
    char label[sizeof(record->outcome) + 16];

    rate = rate ? rate : record->outcome;
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
        return add_steps(curves, &event->steps, error);
    case EVENT_EPOCH:
        return add_epoch(curves, &event->epoch, error);
    case EVENT_COMMAND:
        return add_command(curves, &event->command, error);
    case EVENT_ROLLBACK:
        curves_cut(curves, (double)event->rollback);
        return 0;
    default:
        return 0;
    }
}

int curves_add_history(struct curves *curves, const struct metrics *metrics, struct error *error)
{
    for (int i = 0; i < metrics->step_count; i++) {
        const struct step_record *record = &metrics->steps[i];
        struct step_summary steps = {.first_step = record->step,
                                     .last_step = record->step,
                                     .count = 1,
                                     .loss_min = record->loss,
                                     .loss_max = record->loss,
                                     .loss_sum = (double)record->loss,
                                     .accuracy_sum = (double)record->accuracy};

        if (add_steps(curves, &steps, error))
            return -1;
    }
    for (int i = 0; i < metrics->epoch_count; i++)
        if (add_epoch(curves, &metrics->epochs[i], error))
            return -1;
    for (int i = 0; i < metrics->command_count; i++)
        if (add_command(curves, &metrics->commands[i], error))
            return -1;
    return 0;
}

void curves_set_smoothing(struct curves *curves, double smoothing)
{
    for (int q = 0; q < QUANTITY_COUNT; q++)
        series_set_smoothing(curves->series[q][PART_TRAIN], smoothing);
}

double curves_latest(const struct curves *curves, enum quantity quantity)
{
    const struct series *series = curves->series[quantity][PART_TRAIN];
    size_t count = series_count(series);

    return count ? (double)series_smoothed(series, count - 1) : NAN;
}

bool curves_want_log(const struct curves *curves)
{
    const double range = 100, least = 0.1; /* what a run that learns comes to is no explosion's other end */
    struct series_summary loss = series_summarize(curves->series[QUANTITY_LOSS][PART_TRAIN], SERIES_RAW, 0, SIZE_MAX);

    return loss.count > 0 && (double)loss.max > range * fmax((double)loss.min, least);
}

double curves_last_step(const struct curves *curves)
{
    const struct series *series = curves->series[QUANTITY_LOSS][PART_TRAIN];
    size_t count = series_count(series);

    return count ? series_x(series, count - 1) : 0;
}

/* The series that have points, in the chart's words; returns how many. */
static int list_series(const struct curves *curves, enum quantity quantity, struct chart_series *list)
{
    int count = 0;

    for (int p = 0; p < PART_COUNT; p++) {
        if (series_count(curves->series[quantity][p]) == 0)
            continue;
        list[count++] = (struct chart_series){.series = curves->series[quantity][p],
                                              .name = looks[p].name,
                                              .role = looks[p].role,
                                              .kind = looks[p].kind,
                                              .stroke = looks[p].stroke,
                                              .marker = looks[p].marker};
    }
    return count;
}

void curves_draw(struct curves *curves, const struct curves_look *look, struct canvas *canvas, struct rect area)
{
    enum { EVENTS = 64 }; /* on one chart; of more the newest */
    struct chart_series list[PART_COUNT];
    struct chart_event events[EVENTS];
    struct chart chart = chart_init();
    int first = curves->mark_count > EVENTS ? curves->mark_count - EVENTS : 0;

    curves->domain = chart_hold_domain(curves->domain, curves_last_step(curves), look->steps_total);
    for (int i = first; i < curves->mark_count; i++)
        events[i - first] = (struct chart_event){.x = curves->marks[i].step, .label = curves->marks[i].label};
    chart.title = look->title;
    chart.x_label = "step";
    chart.y_label = look->y_label;
    chart.empty_text = look->empty_text;
    chart.series = list;
    chart.series_count = list_series(curves, look->quantity, list);
    chart.events = events;
    chart.event_count = curves->mark_count - first;
    chart.x_min = 0;
    chart.x_max = curves->domain;
    chart.log_y = look->log_axis;
    chart.format = look->quantity == QUANTITY_ACCURACY ? CHART_PERCENT : CHART_NUMBER;
    chart.cursor = look->cursor;
    chart_draw(canvas, area, &chart);
}
