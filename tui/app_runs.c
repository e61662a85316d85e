/* The other sessions on the live screen: what of them is wanted, and what has been read; see runs.h. */
#include "tui/app_state.h"

#include "tui/charts.h"
#include "tui/runs_lines.h"

#include <stdio.h>
#include <string.h>

/* For the completion on the command line. */
static const struct run_list *listed;

/* Of all that can be laid over this run. */
static const char *session_word(int index)
{
    for (int i = 0; listed && i < listed->count; i++)
        if (strcmp(listed->rows[i].name, listed->own) != 0 && index-- == 0)
            return listed->rows[i].name;
    return NULL;
}

void app_open_runs(struct app *app)
{
    const struct run_parts *parts = run_parts(app->run);
    struct run_list *list = &app->scene.runs;
    struct error error;

    snprintf(list->own, sizeof(list->own), "%s", session_name(parts->session));
    if (runs_open(parts->settings, list->own, &app->runs, &error)) {
        app_log(app, JOURNAL_WARNING, "other sessions cannot be shown: %s", error.message);
        return;
    }
    listed = list;
    command_know_sessions(session_word);
}

void app_close_runs(struct app *app)
{
    runs_close(app->runs);
    app->runs = NULL;
    listed = NULL;
    command_know_sessions(NULL);
    run_list_clear(&app->scene.runs);
    app_drop_events(app);
}

void app_want_runs(struct app *app)
{
    const struct scene *scene = &app->scene;
    bool details = scene->view == VIEW_RUNS && scene->run_opened && !runs_marks_tune(scene);

    if (app->runs)
        runs_want(app->runs, scene->view == VIEW_RUNS || scene->command_focused, &scene->runs,
                  details ? scene->run_marked : "", curves_smoothing(scene->curves));
}

/* A fork is looked at beside what it comes from. */
static void overlay_parent(struct app *app)
{
    const char *parent = app->scene.runs.parent;
    struct error error;

    if (charts_overlay(&app->scene, parent, true, &error) == 0)
        app_log(app, JOURNAL_NOTE, "a fork of %s, whose curves lie over this run's (overlay off takes them away)",
                parent);
}

void app_follow_runs(struct app *app)
{
    bool had_parent = *app->scene.runs.parent;
    char said[RUN_WORDS];

    runs_take(app->runs, &app->scene.runs, said);
    (void)runs_make_lines(&app->scene); /* what is asked of the list before it is drawn; that one says why not */
    if (!had_parent && *app->scene.runs.parent)
        overlay_parent(app);
    charts_list_overlays(&app->scene);
    app_take_course(app);
    if (*said)
        app_notice(app, ROLE_BAD, "%s", said);
    app->dirty = true;
}
