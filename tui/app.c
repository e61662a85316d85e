/* The event loop of the live screen: one thread waits for the terminal, signals, stray output and the launch, looks at
 * the trainer five times a second, and draws when something has changed. */
#include "tui/app.h"

#include "base/clock.h"
#include "tui/app_state.h"
#include "tui/frames.h"
#include "tui/graphics.h"
#include "tui/repl.h"
#include "tui/screen.h"
#include "tui/terminal.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double LOOK_SECONDS = 0.2, SOON_SECONDS = 0.05;
static const double SMOOTHING = 0.95; /* weight of the past at first */

bool app_can_run(struct error *error)
{
    const char *type = getenv("TERM");

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        error_set(error, "standard input and output are not a terminal");
        return false;
    }
    if (!type || !*type || strcmp(type, "dumb") == 0) {
        error_set(error, "TERM is %s", type && *type ? type : "not set");
        return false;
    }
    return true;
}

/* ---- Signals ---- */

static void stop(struct app *app)
{
    screen_leave();
    terminal_stop();
    app->hidden = true; /* until it is known who has the terminal */
}

static void come_back(struct app *app)
{
    if (app->deaf || !terminal_is_ours()) /* a run that is alone leaves the terminal to the shell for good */
        return;
    app->hidden = false;
    app->dirty = true;
    if (screen_return(&app->error))
        app_leave(app);
}

/* The keyboard's Ctrl-C throws away the line that is being typed, and else leaves. The terminal's line throws away at
 * it what it had not passed on yet, a half of a frame, too. */
static void interrupt(struct app *app)
{
    if (!app->hidden)
        screen_redraw();
    if (app->scene.command_focused && *repl_text() && app->scene.phase != PHASE_LEAVING)
        app_focus(app, false);
    else
        app_quit(app);
}

static void take_signal(struct app *app, enum terminal_signal signal)
{
    switch (signal) {
    case TERMINAL_CTRL_C:
        interrupt(app);
        break;
    case TERMINAL_HANG_UP:
        app_hang_up(app);
        break;
    case TERMINAL_END:
        app->interrupted = !app->scene.facts.attached;
        app_leave(app);
        break;
    case TERMINAL_RESIZED:
        app->dirty = true;
        if (!app->hidden && screen_fit(&app->error))
            app_leave(app);
        break;
    case TERMINAL_STOP:
        if (!app->hidden)
            stop(app);
        come_back(app);
        break;
    case TERMINAL_CONTINUED:
        come_back(app);
        break;
    default:
        break;
    }
}

/* ---- The loop ---- */

enum {
    POLL_INPUT,
    POLL_SIGNALS,
    POLL_CAUGHT,
    POLL_LAUNCH,
    POLL_RUNS,
    POLL_PICTURES,
    POLL_COUNT = POLL_PICTURES + PICTURES_MOST
};

static bool trains(const struct app *app)
{
    return app->run && !app->run_ended;
}

/* Milliseconds until there is something to do by the clock; -1: nothing. */
static int timeout(struct app *app, double next_frame, double next_look)
{
    double now = clock_seconds(), until = INFINITY, escape = app_finish_input(app);

    if (escape >= 0)
        until = now + escape;
    if (trains(app))
        until = fmin(until, next_look);
    if (app->dirty && !app->hidden)
        until = fmin(until, next_frame);
    return isinf(until) ? -1 : until <= now ? 0 : (int)ceil(1000 * (until - now));
}

static void take_stray_output(struct app *app)
{
    char line[512];

    while (terminal_next_line(line, sizeof(line)))
        app_log(app, JOURNAL_STRAY, "%s", line);
}

static void draw(struct app *app)
{
    struct scene_cursor cursor;

    app_want_runs(app);
    canvas_clear(screen_canvas());
    cursor = scene_draw(&app->scene, screen_canvas());
    screen_show(cursor.row, cursor.column);
    app->dirty = false;
    app->frames++;
}

static int wait_for_something(struct app *app, int milliseconds, struct error *error)
{
    struct pollfd polls[POLL_COUNT] = {
        [POLL_INPUT] = {.fd = app->hidden || app->deaf ? -1 : STDIN_FILENO, .events = POLLIN},
        [POLL_SIGNALS] = {.fd = terminal_signal_fd(), .events = POLLIN},
        [POLL_CAUGHT] = {.fd = terminal_caught_fd(), .events = POLLIN},
        [POLL_LAUNCH] = {.fd = app->launch ? launch_fd(app->launch) : -1, .events = POLLIN},
        [POLL_RUNS] = {.fd = app->runs ? runs_fd(app->runs) : -1, .events = POLLIN}};
    enum terminal_signal signal;

    for (int i = 0; i < PICTURES_MOST; i++)
        polls[POLL_PICTURES + i] =
            (struct pollfd){.fd = i < app->picture_count ? picture_fd(app->pictures[i]) : -1, .events = POLLIN};
    if (poll(polls, POLL_COUNT, milliseconds) < 0 && errno != EINTR)
        return error_set(error, "cannot wait for the terminal: %s", strerror(errno));
    while ((signal = terminal_next_signal()) != TERMINAL_NOTHING)
        take_signal(app, signal);
    if (polls[POLL_CAUGHT].revents)
        take_stray_output(app);
    if (polls[POLL_LAUNCH].revents)
        app_follow_launch(app);
    if (polls[POLL_RUNS].revents)
        app_follow_runs(app);
    for (int i = PICTURES_MOST - 1; i >= 0; i--)
        if (polls[POLL_PICTURES + i].revents)
            app_follow_picture(app, i);
    if (polls[POLL_INPUT].revents && !app->hidden)
        app_read_input(app);
    return 0;
}

/* A frame costs the training the time of one of its threads: few will do, but what a person has just asked for is to be
 * seen at once. */
static double look_seconds(const struct app *app, double now)
{
    return app->scene.asked || now - app->input_time < 1 ? SOON_SECONDS : LOOK_SECONDS;
}

static int loop(struct app *app, struct error *error)
{
    struct frames frames = {0};
    double next_look = 0;

    while (!app_may_end(app)) {
        double now;

        if (wait_for_something(app, timeout(app, frames.next, next_look), error))
            return -1;
        now = clock_seconds();
        if (trains(app) && now >= next_look) {
            app_follow_run(app);
            next_look = now + look_seconds(app, now);
        }
        app_go_on_alone(app);
        if (app->dirty && !app->hidden && frames_take(&frames, now))
            draw(app);
    }
    return 0;
}

/* ---- From the first moment to the last ---- */

static int open_scene(struct scene *scene, struct error *error)
{
    *scene = (struct scene){.phase = PHASE_STARTING, .best = -1, .cursor = NAN, .help_topic = NULL};
    snprintf(scene->progress, sizeof(scene->progress), "starting");
    return curves_create(SMOOTHING, &scene->curves, error) || finder_create(&scene->finder, error) ||
                   journal_create(&scene->journal, error)
               ? -1
               : 0;
}

/* A terminal that cannot do it gets cells. */
static void choose_graphics(struct app *app, enum graphics_mode mode)
{
    struct error error;

    if (graphics_choose(mode, NULL, &error) == 0)
        return;
    error_prefix(&error, "--graphics %s", graphics_word((int)mode));
    app_refuse(app, &error);
}

/* The first frame is there before anything else is begun. */
static int open_all(struct app *app, const struct run_request *request, struct error *error)
{
    char history[1024], note[256];

    if (open_scene(&app->scene, error) || terminal_open(error) ||
        repl_open(repl_history_path(history, sizeof(history)) ? NULL : history, app_line, app, note, sizeof(note),
                  error) ||
        screen_open(error))
        return -1;
    if (*note)
        app_log(app, JOURNAL_WARNING, "%s", note);
    choose_graphics(app, (enum graphics_mode)request->graphics);
    draw(app);
    app->script = request->script;
    return launch_start(request, &app->launch, error);
}

static void say_detached(const struct app *app)
{
    const struct snapshot *last = &app->scene.snapshot;
    const char *reference = app->scene.facts.reference;

    printf("session %s: detached at step %ld; ", app->scene.facts.session, last->step.step);
    if (!last->diverged)
        printf("the run %s. nfbench attach %s comes back.\n",
               last->state == TRAINER_PAUSED ? "stays paused" : "goes on", reference);
    else if (last->good_step < 0)
        printf("the next one is not finite: where nobody else watches the run, it ends as diverged.\n");
    else
        printf("the next one is not finite: where nobody else watches the run, it ends as diverged. nfbench resume "
               "--screen %s --checkpoint %ld goes back to before.\n",
               reference, last->good_step);
}

/* What the shell's screen says afterwards. */
static void say_goodbye(const struct app *app)
{
    const struct snapshot *last = &app->scene.snapshot;
    const char *name = app->scene.facts.session, *reference = app->scene.facts.reference;

    if (*name && last->state == TRAINER_DIVERGED && last->good_step >= 0)
        printf("session %s: diverged. nfbench resume --screen %s --checkpoint %ld goes back to before.\n", name,
               reference, last->good_step);
    if (!*name || app->run_failed)
        return;
    if (app->scene.facts.attached && !trainer_has_ended(last->state))
        say_detached(app);
    else if (last->state == TRAINER_FINISHED)
        printf("session %s: finished at step %ld. nfbench test %s measures it.\n", name, last->step.step, reference);
    else
        printf("session %s: stopped at step %ld and saved. nfbench resume --screen %s goes on.\n", name,
               last->step.step, reference);
}

int app_run(const struct run_request *request, bool *interrupted, struct app_next *next, struct error *error)
{
    struct app *app = calloc(1, sizeof(*app));
    int result;

    if (!app)
        return error_set(error, "out of memory");
    app->keep_running = request->keep_running;
    result = open_all(app, request, error);
    if (result == 0)
        result = loop(app, error);
    screen_close();
    repl_close();
    terminal_close();
    for (int i = 0; i < app->picture_count; i++)
        picture_cancel(app->pictures[i]);
    while (app->picture_count > 0)
        app_finish_picture(app, 0);
    if (app->launch)
        launch_cancel(app->launch);
    launch_destroy(app->launch);
    if (result == 0) {
        say_goodbye(app);
        if (app->run_failed)
            result = error_set(error, "%s", app->error.message);
    }
    if (interrupted)
        *interrupted = app->interrupted && app->scene.snapshot.state != TRAINER_FINISHED;
    if (next && !app->interrupted)
        *next = app->next;
    run_destroy(app->run);
    app_close_monitor(app);
    app_close_runs(app);
    curves_destroy(app->scene.curves);
    finder_destroy(app->scene.finder);
    probes_destroy(app->scene.probes);
    images_destroy(app->scene.images);
    cell_cache_destroy(app->scene.strips);
    probe_destroy(app->incoming);
    journal_destroy(app->scene.journal);
    if (app->kept)
        fclose(app->kept);
    free(app);
    return result;
}
