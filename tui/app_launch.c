/* The beginning of the run on the screen: its launch, what it is, and what its session has recorded before. */
#include "tui/app_state.h"

#include "tui/terminal.h"
#include "tui/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_facts(struct app *app)
{
    const struct run_parts *parts = run_parts(app->run);
    struct facts *facts = &app->scene.facts;
    char words[1400];

    snprintf(facts->session, sizeof(facts->session), "%s", session_name(parts->session));
    snprintf(facts->reference, sizeof(facts->reference), "%s", session_reference(parts->session));
    settings_network_name(parts->settings, facts->network);
    snprintf(facts->device, sizeof(facts->device), "%s", parts->device);
    snprintf(facts->data, sizeof(facts->data), "%.*s", (int)sizeof(facts->data) - 1, parts->data);
    facts->synthetic = strcmp(parts->settings->data, "synthetic") == 0;
    facts->parameters = parts->parameters;
    facts->image_flops = parts->image_flops;
    facts->attached = run_process(app->run) >= 0;
    facts->resumed_step = parts->resumed_step;
    app->scene.best_is_test = parts->settings->train.validation == 0;
    snprintf(words, sizeof(words),
             facts->attached ? "the run goes on: nfbench attach %s"
                             : "the last checkpoint stays: nfbench resume --screen %s",
             facts->reference);
    terminal_set_last_words(words);
}

static void log_facts(struct app *app)
{
    const struct run_parts *parts = run_parts(app->run);
    const struct facts *facts = &app->scene.facts;
    char parameters[32], memory[32];

    words_count(facts->parameters, parameters, sizeof(parameters));
    words_bytes(parts->memory, memory, sizeof(memory));
    app_log(app, JOURNAL_NOTE, "network %s: %s parameters, %s, on %s", facts->network, parameters, memory,
            facts->device);
    app_log(app, JOURNAL_NOTE, "data: %s", parts->data);
    app_log(app, JOURNAL_NOTE, "session %s", session_path(parts->session));
    if (*parts->note)
        app_log(app, JOURNAL_WARNING, "note: %s", parts->note);
    if (*run_not_served(app->run))
        app_log(app, JOURNAL_WARNING, "note: nfbench attach cannot show this run: %s", run_not_served(app->run));
}

static int take_history(struct app *app, const struct metrics *history, struct error *error)
{
    struct scene *scene = &app->scene;
    char label[64];

    app_find_best(scene, history);
    if (curves_add_history(scene->curves, history, error))
        return -1;
    if (scene->facts.resumed_step == 0)
        return 0;
    snprintf(label, sizeof(label), "resumed");
    app_log(app, JOURNAL_NOTE, "resumed at step %ld", scene->facts.resumed_step);
    return curves_mark(scene->curves, (double)scene->facts.resumed_step, label, error);
}

/* Names of checkpoints, for completion. */
static void take_names(const struct session *session)
{
    struct session_name *names = NULL;
    int count = 0;

    command_forget_names();
    if (session_names(session, &names, &count, NULL) == 0)
        for (int i = 0; i < count; i++)
            command_know_name(names[i].name);
    free(names);
}

/* The store of probes for this network, and in it those of a resumed session. */
static int open_probes(struct app *app, const struct metrics *history, struct error *error)
{
    const struct settings *settings = run_parts(app->run)->settings;

    if (probes_create(&settings->model, &app->scene.probes, error) ||
        probe_create(&settings->model, &app->incoming, error))
        return -1;
    return app_add_probes(app, history, error);
}

/* What the screen shows of a run, before its first news. */
static int open_views(struct app *app, const struct metrics *history, struct error *error)
{
    const struct run_parts *parts = run_parts(app->run);

    set_facts(app);
    log_facts(app);
    take_names(parts->session);
    if (app_open_monitor(app, error) || take_history(app, history, error) || open_probes(app, history, error))
        return -1;
    if (parts->dataset && images_create(parts->dataset, &app->scene.images, error))
        return -1;
    app_open_runs(app);
    port_snapshot(parts->port, &app->scene.snapshot);
    curves_set_epoch(app->scene.curves, (double)app->scene.snapshot.steps_per_epoch);
    scene_take_figures(&app->scene);
    app->scene.probe_every = app->scene.snapshot.probe_every;
    return 0;
}

static int begin_run(struct app *app, const struct metrics *history, struct error *error)
{
    struct trainer *trainer = run_parts(app->run)->trainer;
    const struct snapshot *now = &app->scene.snapshot;

    if (open_views(app, history, error))
        return -1;
    if (!trainer) { /* another process's, which has begun */
        app_log_past(app, history);
        app_log(app, JOURNAL_NOTE, "attached to process %ld, which trains: q detaches, stop ends the run",
                (long)run_process(app->run));
        if (now->diverged)
            app_explain_divergence(app, now->message);
        return 0;
    }
    trainer_attend(trainer);
    if (run_parts(app->run)->done) {
        if (app->script)
            app_log(app, JOURNAL_ERROR, "--script %s was not run: all steps of the session are done", app->script);
        return 0;
    }
    if (app->script && app_source(app, app->script, error)) /* before the first step */
        return -1;
    return trainer_start(trainer, false, error);
}

static void end_launch(struct app *app)
{
    struct metrics history = {0};
    bool leaving = app->scene.phase == PHASE_LEAVING;
    int result = launch_take(app->launch, &app->run, &history, &app->error);

    if (result == 0 && !leaving)
        result = begin_run(app, &history, &app->error);
    metrics_free(&history);
    launch_destroy(app->launch);
    app->launch = NULL;
    if (leaving || result) {
        run_destroy(app->run);
        app->run = NULL;
    }
    if (leaving)
        return;
    app->scene.phase = result ? PHASE_BROKEN : PHASE_LIVE;
    app_keep_log(app);
    if (result) {
        snprintf(app->scene.progress, sizeof(app->scene.progress), "the run could not start; q leaves");
        app_fail(app, "Cannot start");
    } else if (run_parts(app->run)->done)
        app_end_run(app);
}

void app_follow_launch(struct app *app)
{
    bool ended = launch_ended(app->launch); /* before the lines, so that none is missed */

    while (launch_next_line(app->launch, app->scene.progress, sizeof(app->scene.progress)))
        app_log(app, JOURNAL_NOTE, "%s", app->scene.progress);
    if (ended)
        end_launch(app);
}
