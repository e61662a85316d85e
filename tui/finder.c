/* See finder.h. */
#include "tui/finder.h"

#include "base/digits.h"
#include "viz/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct finder {
    bool shown, ended;
    double from, to;
    struct lr_find find;
    struct series *raw, *smoothed;
};

int finder_create(struct finder **out, struct error *error)
{
    struct finder *finder = calloc(1, sizeof(*finder));

    if (!finder)
        return error_set(error, "out of memory");
    if (series_create(0, &finder->raw, error) || series_create(0, &finder->smoothed, error)) {
        finder_destroy(finder);
        return -1;
    }
    *out = finder;
    return 0;
}

void finder_destroy(struct finder *finder)
{
    if (!finder)
        return;
    series_destroy(finder->raw);
    series_destroy(finder->smoothed);
    free(finder);
}

/* ---- News of the test ---- */

static void begin(struct finder *finder, const struct trial_event *event)
{
    finder->find = (struct lr_find){.steps = (int)event->steps};
    finder->shown = true;
    finder->ended = false;
    finder->from = event->low;
    finder->to = event->high;
    series_truncate(finder->raw, -INFINITY);
    series_truncate(finder->smoothed, -INFINITY);
}

/* A new point changes the smoothed ones before it whose surroundings it completes. */
static int smooth_anew(struct finder *finder, struct error *error)
{
    const struct lr_find *find = &finder->find;
    int first = find->count - 1 - lr_find_reach(find);

    first = first < 0 ? 0 : first;
    series_truncate(finder->smoothed, first > 0 ? (double)find->rate[first - 1] : -INFINITY);
    for (int i = first; i < find->count; i++)
        if (series_append(finder->smoothed, (double)find->rate[i], (float)lr_find_smoothed(find, i), error))
            return -1;
    return 0;
}

int finder_take(struct finder *finder, const struct trial_event *event, struct error *error)
{
    const float rate = event->taken.learning_rate, loss = event->taken.loss_max;

    if (event->news == TRIAL_GONE || !event->range) {
        finder->shown = false;
        return 0;
    }
    if (event->news == TRIAL_BEGINS)
        begin(finder, event);
    finder->ended |= event->news == TRIAL_ENDS;
    if (event->news != TRIAL_STEPS || finder->find.count == LR_FIND_MOST)
        return 0;
    (void)lr_find_add(&finder->find, rate, loss); /* that it is the last one the trainer has found, too */
    return series_append(finder->raw, (double)rate, loss, error) || smooth_anew(finder, error) ? -1 : 0;
}

bool finder_has_test(const struct finder *finder)
{
    return finder->shown;
}

const struct lr_find *finder_points(const struct finder *finder)
{
    return &finder->find;
}

/* ---- Figure and words ---- */

void finder_words(const struct finder *finder, char *text, size_t size)
{
    const struct lr_advice advice = lr_find_advise(&finder->find);
    char loss[32];

    if (!finder->ended) {
        snprintf(text, size, "step %d of %d", finder->find.count, finder->find.steps);
        return;
    }
    if (advice.steepest <= 0) {
        snprintf(text, size,
                 "no certain fall of the loss between these rates: no advice; larger batches are less noisy");
        return;
    }
    digits_loss(advice.lowest_loss, loss, sizeof(loss));
    snprintf(text, size, "steepest fall at lr %.2g; lowest loss %s at %.2g, a tenth of that is %.2g", advice.steepest,
             loss, advice.lowest, advice.tenth);
}

/* The fall fills the figure; where the loss blows up the line leaves it at the top. NAN where there is none. */
static void bound(const struct lr_find *find, double *low, double *high)
{
    const struct lr_advice advice = lr_find_advise(find);
    double span;

    *low = *high = NAN;
    if (advice.steepest <= 0)
        return;
    *high = advice.lowest_loss;
    for (int i = 0; i < find->count && (double)find->rate[i] <= advice.lowest; i++)
        *high = fmax(*high, lr_find_smoothed(find, i));
    span = *high - advice.lowest_loss;
    *high += 0.4 * span;
    *low = fmax(0, advice.lowest_loss - 0.3 * span);
}

void finder_draw(struct finder *finder, const char *title, struct canvas *canvas, struct rect area)
{
    const struct lr_advice advice = finder->ended ? lr_find_advise(&finder->find) : (struct lr_advice){0};
    double low, high;
    bound(&finder->find, &low, &high);
    const struct chart_series list[] = {
        {.series = finder->raw, .name = "loss of each step", .role = ROLE_DIM, .kind = CHART_LINE, .unbounded = true},
        {.series = finder->smoothed,
         .name = "smoothed",
         .role = ROLE_SERIES_1,
         .kind = CHART_LINE,
         .unbounded = isfinite(high)}};
    char labels[2][32];
    const struct chart_event steepest = {advice.steepest, labels[0]}, tenth = {advice.tenth, labels[1]};
    const bool first = advice.steepest < advice.tenth;
    const struct chart_event events[] = {first ? steepest : tenth, first ? tenth : steepest}; /* by rising rate */
    struct chart chart = chart_init();

    snprintf(labels[0], sizeof(labels[0]), "steepest: %.2g", advice.steepest);
    snprintf(labels[1], sizeof(labels[1]), "lowest / 10: %.2g", advice.tenth);
    chart.title = title;
    chart.x_label = "learning rate";
    chart.y_label = "loss";
    chart.empty_text = "waiting for the first step";
    chart.series = list;
    chart.series_count = (int)(sizeof(list) / sizeof(*list));
    chart.events = events;
    chart.event_count = advice.steepest > 0 ? 2 : 0;
    chart.x_min = finder->from;
    chart.x_max = finder->to;
    chart.log_x = true;
    chart.y_min = low;
    chart.y_max = high;
    chart_draw(canvas, area, &chart);
}
