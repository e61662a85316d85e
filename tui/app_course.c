/* A run that has other records than those on the screen: they are read from its session again, on the thread that reads
 * the others (runs.h), while the events that come meanwhile are kept and put behind them. */
#include "tui/app_state.h"

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

/* What has come until now is in the records that are read now, unless the run has left it behind. */
static void ask(struct app *app)
{
    app_drop_events(app);
    app->scene.runs.course.wanted++;
    if (app->runs)
        app_want_runs(app);
    else
        app_log(app, JOURNAL_ERROR, "the records of the run cannot be read: its curves begin here");
}

static bool is_awaited(const struct app *app)
{
    return app->runs && app->scene.runs.course.read < app->scene.runs.course.wanted;
}

void app_read_course(struct app *app)
{
    curves_cut(app->scene.curves, -1);
    probes_cut(app->scene.probes, -1);
    app->course_is_another = true;
    ask(app);
}

/* The best of the run may be undone: an earlier one is it then. */
void app_go_back(struct app *app, long step)
{
    probes_cut(app->scene.probes, step);
    if (app->scene.best_step > step)
        ask(app);
}

void app_keep_event(struct app *app, const struct event *event)
{
    struct event *events;

    if (!is_awaited(app))
        return;
    events = array_grow(app->kept_events, &app->kept_room, (size_t)app->kept_count + 1, sizeof(*events));
    if (!events) {
        app_log(app, JOURNAL_ERROR, "the curves have a gap: out of memory");
        return;
    }
    app->kept_events = events;
    app->kept_events[app->kept_count++] = *event;
}

static bool is_same_command(const struct command_record *one, const struct command_record *other)
{
    return one->step == other->step && one->command.kind == other->command.kind &&
           strcmp(one->command.text, other->command.text) == 0 && strcmp(one->outcome, other->outcome) == 0;
}

static bool has_command(const struct metrics *records, const struct event *event)
{
    if (event->kind == EVENT_COMMAND)
        for (int i = records->command_count - 1; i >= 0; i--)
            if (is_same_command(&records->commands[i], &event->command))
                return true;
    return false;
}

bool app_knows_command(struct app *app, const struct event *event)
{
    const bool known = event->kind == EVENT_COMMAND && is_same_command(&app->last_recorded, &event->command);

    if (known)
        memset(&app->last_recorded, 0, sizeof(app->last_recorded));
    return known;
}

/* Probes that were taken meanwhile stand behind those of the records. */
static int put_probes(struct app *app, const struct metrics *records, struct error *error)
{
    const long last = records->probe_count > 0 ? records->probes[records->probe_count - 1]->step : -1;
    const int count = probes_count(app->scene.probes);
    struct metrics newer = {.probes = calloc((size_t)count + 1, sizeof(*newer.probes))};
    int result = newer.probes ? 0 : error_set(error, "out of memory");

    for (int i = 0; i < count && result == 0; i++) {
        const struct probe *probe = probes_at(app->scene.probes, i);

        if (probe->step <= last)
            continue;
        result = probe_create_summary(probe->count, &newer.probes[newer.probe_count], error);
        if (result == 0)
            probe_copy(newer.probes[newer.probe_count++], probe);
    }
    probes_cut(app->scene.probes, -1);
    result = result || app_add_probes(app, records, error) || app_add_probes(app, &newer, error) ? -1 : 0;
    metrics_free(&newer);
    return result;
}

static int put_curves(struct app *app, const struct metrics *records, struct error *error)
{
    const struct command_record *last =
        records->command_count > 0 ? &records->commands[records->command_count - 1] : NULL;

    curves_cut(app->scene.curves, -1);
    if (curves_add_history(app->scene.curves, records, error))
        return -1;
    app->last_recorded = last ? *last : (struct command_record){.step = 0};
    for (int i = 0; i < app->kept_count; i++) {
        const struct event *event = &app->kept_events[i];

        app_knows_command(app, event); /* it has come */
        if (!has_command(records, event) && curves_add_event(app->scene.curves, event, error))
            return -1;
    }
    return put_probes(app, records, error);
}

static void put_records(struct app *app, const struct metrics *records)
{
    struct error error;

    app_find_best(&app->scene, records);
    for (int i = 0; i < app->kept_count; i++)
        if (app->kept_events[i].kind == EVENT_EPOCH)
            app_take_best(&app->scene, &app->kept_events[i].epoch);
    if (app->course_is_another && put_curves(app, records, &error))
        app_log(app, JOURNAL_ERROR, "the curves have a gap: %s", error.message);
}

void app_take_course(struct app *app)
{
    struct run_course *course = &app->scene.runs.course;

    if (course->wanted == app->course_taken || is_awaited(app))
        return;
    app->course_taken = course->wanted;
    if (course->failed)
        app_log(app, JOURNAL_ERROR, "the curves are not there: %s", course->message);
    else
        put_records(app, &course->records);
    app->course_is_another = false;
    metrics_free(&course->records);
    app_drop_events(app);
}

void app_drop_events(struct app *app)
{
    free(app->kept_events);
    app->kept_events = NULL;
    app->kept_room = 0;
    app->kept_count = 0;
}
