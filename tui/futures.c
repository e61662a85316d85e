/* See futures.h. */
#include "tui/futures.h"

#include "base/digits.h"
#include "tui/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_SIZE = 64, FIRST_ROLE = 3 /* the run's own lines have those before */ };

struct future {
    struct series *series[QUANTITY_COUNT]; /* NULL: this place is free */
    struct trial_result result;
    bool ended;
    char label[QUANTITY_COUNT][LABEL_SIZE];
};

struct futures {
    struct series *own[QUANTITY_COUNT];
    struct future future[TRIAL_VALUES];
    char legend[TRIAL_NAME_SIZE + 16]; /* "lr tried" */
    long from, steps;                  /* where they begin, and how many each is to make */
};

static void free_future(struct future *future)
{
    for (int q = 0; q < QUANTITY_COUNT; q++)
        series_destroy(future->series[q]);
    *future = (struct future){.ended = false};
}

int futures_create(struct series *const own[QUANTITY_COUNT], struct futures **out, struct error *error)
{
    struct futures *futures = calloc(1, sizeof(*futures));

    if (!futures)
        return error_set(error, "out of memory");
    memcpy(futures->own, own, sizeof(futures->own));
    *out = futures;
    return 0;
}

void futures_clear(struct futures *futures)
{
    for (int i = 0; i < TRIAL_VALUES; i++)
        free_future(&futures->future[i]);
}

void futures_destroy(struct futures *futures)
{
    if (!futures)
        return;
    futures_clear(futures);
    free(futures);
}

/* Smoothed as the run's own line, from where that stands at the step they begin behind. */
static void smooth(const struct futures *futures, struct future *future)
{
    for (int q = 0; q < QUANTITY_COUNT; q++) {
        const struct series *own = futures->own[q];
        const double smoothing = series_smoothing(own);
        const size_t count = series_find(own, (double)futures->from + 0.5);
        const double average = count ? (double)series_smoothed(own, count - 1) : NAN;

        series_set_smoothing(future->series[q], smoothing);
        if (isfinite(average))
            series_smooth_from(future->series[q], average, 1 - pow(smoothing, (double)futures->from));
    }
}

void futures_smooth(struct futures *futures)
{
    for (int i = 0; i < TRIAL_VALUES; i++)
        if (futures->future[i].series[0])
            smooth(futures, &futures->future[i]);
}

/* ---- News of a trial ---- */

static int begin(struct futures *futures, const struct trial_event *event, struct error *error)
{
    struct future *future = &futures->future[event->index];

    if (event->index == 0)
        futures_clear(futures); /* another trial takes the place of the one before */
    free_future(future);
    snprintf(futures->legend, sizeof(futures->legend), "%s tried", event->name);
    futures->from = event->from;
    futures->steps = event->steps;
    future->result = event->result;
    for (int q = 0; q < QUANTITY_COUNT; q++)
        if (series_create(0, &future->series[q], error)) {
            free_future(future);
            return -1;
        }
    smooth(futures, future);
    return 0;
}

static int add(struct future *future, const struct step_summary *steps, struct error *error)
{
    const double accuracy = steps->accuracy_sum / steps->count;
    const struct {
        double min, max, mean;
    } values[QUANTITY_COUNT] = {
        [QUANTITY_LOSS] = {(double)steps->loss_min, (double)steps->loss_max, steps->loss_sum / steps->count},
        [QUANTITY_ACCURACY] = {accuracy, accuracy, accuracy},
        [QUANTITY_LEARNING_RATE] = {(double)steps->learning_rate, (double)steps->learning_rate,
                                    (double)steps->learning_rate},
        [QUANTITY_GRADIENT_NORM] = {(double)steps->gradient_norm_min, (double)steps->gradient_norm_max,
                                    steps->gradient_norm_sum / steps->count},
    };

    for (int q = 0; q < QUANTITY_COUNT; q++)
        if (series_append_merged(future->series[q], (double)steps->first_step, (double)steps->last_step,
                                 (float)values[q].min, (float)values[q].max, values[q].mean, (size_t)steps->count, 0,
                                 error))
            return -1;
    return 0;
}

/* The step that was not finite is a point, too: the chart marks it. */
static int end(struct future *future, const struct trial_event *event, struct error *error)
{
    future->result = event->result;
    future->ended = true;
    if (!event->result.diverged)
        return 0;
    return series_append(future->series[QUANTITY_LOSS], (double)event->result.diverged, NAN, error);
}

int futures_take(struct futures *futures, const struct trial_event *event, struct error *error)
{
    struct future *future = &futures->future[event->index];

    if (event->news == TRIAL_GONE) {
        futures_clear(futures);
        return 0;
    }
    if (event->range) /* that has a figure of its own */
        return 0;
    if (event->news == TRIAL_BEGINS)
        return begin(futures, event, error);
    if (!future->series[0])
        return 0;
    return event->news == TRIAL_STEPS ? add(future, &event->taken, error) : end(future, event, error);
}

/* ---- On a chart ---- */

double futures_end(const struct futures *futures)
{
    for (int i = 0; i < TRIAL_VALUES; i++)
        if (futures->future[i].series[0])
            return (double)(futures->from + futures->steps);
    return 0;
}

/* The best of those that are done, once there is another to be better than. */
static int find_best(const struct futures *futures)
{
    struct trial_result results[TRIAL_VALUES];
    int count = 0;

    for (; count < TRIAL_VALUES && futures->future[count].ended; count++)
        results[count] = futures->future[count].result;
    return count > 1 ? trial_best(results, count, futures->steps) : -1;
}

/* "0.05 1.432 best", "0.2 diverged at 151" */
static void name_future(struct future *future, enum quantity quantity, bool best)
{
    const struct series *series = future->series[quantity];
    char *label = future->label[quantity], number[32];
    const size_t count = series_count(series);
    const double drawn = (double)series_summarize(series, SERIES_SMOOTHED, 0, count).last;
    /* the log has the same number */
    const double last = quantity == QUANTITY_LOSS && future->ended ? (double)future->result.loss : drawn;

    if (quantity == QUANTITY_ACCURACY)
        words_percent(last, number, sizeof(number));
    else
        digits_loss(last, number, sizeof(number));
    if (future->result.diverged)
        snprintf(label, LABEL_SIZE, "%g diverged at %ld", future->result.value, future->result.diverged);
    else
        snprintf(label, LABEL_SIZE, "%g %s%s", future->result.value, number, best ? " best" : "");
}

int futures_list(struct futures *futures, enum quantity quantity, struct chart_series list[TRIAL_VALUES])
{
    const int best = find_best(futures);
    int count = 0;

    for (int i = 0; i < TRIAL_VALUES; i++) {
        struct future *future = &futures->future[i];

        if (!future->series[0] || series_count(future->series[quantity]) == 0)
            continue;
        name_future(future, quantity, i == best);
        list[count] = (struct chart_series){.series = future->series[quantity],
                                            .name = count == 0 ? futures->legend : NULL,
                                            .label = future->label[quantity],
                                            .role = (enum role)(ROLE_SERIES_1 + (FIRST_ROLE + i) % SERIES_ROLES),
                                            .kind = CHART_LINE,
                                            .stroke = STROKE_DOTTED,
                                            .hide_raw = true,
                                            .unbounded = future->result.diverged > 0};
        count++;
    }
    return count;
}
