/* What the screen shows of a trial while it goes on: where the charts look, the finder's figure, lines of the log. The
 * futures themselves are the curves' part. */
#include "tui/app_state.h"

#include "base/digits.h"
#include "tui/charts.h"

/* Few steps of a long run would be a few dots: the charts show where they are, until they go. */
static void zoom_to_trial(struct scene *scene, const struct trial_event *event)
{
    const double before = 1, behind = 1.7; /* as many steps as are tried; their names have room behind them */
    const double from = (double)event->from, steps = (double)event->steps;
    const bool whole = scene->range.to <= scene->range.from;

    if (event->news == TRIAL_BEGINS && event->index == 0 && whole) {
        charts_show(scene, from - before * steps, from + behind * steps);
        scene->tried = scene->range;
    } else if (event->news == TRIAL_GONE) {
        if (!whole && scene->range.from == scene->tried.from && scene->range.to == scene->tried.to)
            charts_fit(scene);
        scene->tried = scene->range;
    }
}

static void log_result(struct app *app, const struct trial_event *event)
{
    const struct trial_result *result = &event->result;
    char loss[32];

    digits_loss((double)result->loss, loss, sizeof(loss));
    if (result->diverged)
        app_log(app, JOURNAL_RESULT, "%d: %s %g diverged after %ld steps", event->index + 1, event->name, result->value,
                result->diverged - event->from);
    else
        app_log(app, JOURNAL_RESULT, "%d: %s %g has loss %s after %ld step%s", event->index + 1, event->name,
                result->value, loss, result->steps, result->steps == 1 ? "" : "s");
}

/* The finder's figure opens with its test and goes with it; of values each is told as it is done. */
void app_follow_trial(struct app *app, const struct trial_event *event)
{
    struct scene *scene = &app->scene;
    struct error error;

    scene->undecided = event->news == TRIAL_ENDS || (scene->undecided && event->news != TRIAL_GONE);
    if (finder_take(scene->finder, event, &error))
        app_log(app, JOURNAL_ERROR, "the figure has a gap: %s", error.message);
    if (event->news == TRIAL_BEGINS && event->range)
        scene->overlay = OVERLAY_FINDER;
    else if (scene->overlay == OVERLAY_FINDER && !finder_has_test(scene->finder))
        scene->overlay = OVERLAY_NONE;
    if (!event->range)
        zoom_to_trial(scene, event);
    if (!event->range && event->news == TRIAL_ENDS)
        log_result(app, event);
}
