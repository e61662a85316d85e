/* The ways out of the screen: a person who leaves is asked first where something would be lost, signals and the end of
 * the run are not; and the run that goes on when its terminal is gone. */
#include "tui/app_state.h"

#include "tui/screen.h"
#include "tui/terminal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LOST_SIZE = 512 };

/* A run of this process is asked to `end` once more where it was before: it may wait for room on a full disk, and now
 * somebody does not. */
static void leave(struct app *app, void (*end)(struct trainer *trainer))
{
    app->dirty = true;
    if (app->scene.phase != PHASE_LEAVING) {
        app->scene.phase = PHASE_LEAVING;
        terminal_leave_on_interrupt();
        if (app->launch)
            launch_cancel(app->launch);
    }
    if (!app->run || app->run_ended)
        return;
    if (app->scene.facts.attached)
        app->run_ended = true; /* for this screen: it goes on */
    else
        end(run_parts(app->run)->trainer);
}

void app_leave(struct app *app)
{
    leave(app, trainer_request_stop);
}

/* ---- The question ---- */

static void add(char text[LOST_SIZE], const char *sentence)
{
    size_t used = strlen(text);

    snprintf(text + used, LOST_SIZE - used, "%s%s", used ? "\n" : "", sentence);
}

/* The disk is full. */
static void add_unsaved(const struct app *app, char text[LOST_SIZE])
{
    const long step = app->scene.snapshot.saved_step; /* 0: none of this process */
    char which[64], sentence[256];

    snprintf(which, sizeof(which), step > 0 ? "the checkpoint of step %ld" : "the last checkpoint", step);
    snprintf(
        sentence, sizeof(sentence),
        "The disk is full: leaving ends the run without saving. What is behind %s is lost, commands and notes too. "
        "Make room, then resume.",
        which);
    add(text, sentence);
}

/* What leaving now would throw away; empty: nothing. A run that trains is saved as it is, and can be resumed. */
static void list_lost(const struct app *app, char text[LOST_SIZE])
{
    const struct snapshot *now = &app->scene.snapshot;
    const bool goes_on = app->run && !app->run_ended, attached = app->scene.facts.attached;

    *text = 0;
    if (goes_on && now->diverged)
        add(text, attached ? "The run waits for a decision on a step that is not finite: where nobody else watches it, "
                             "detaching ends it as diverged. back goes to the last good checkpoint, resume tries the "
                             "step again."
                           : "The run waits for a decision on a step that is not finite: leaving ends it as diverged. "
                             "back goes to the last good checkpoint, resume tries the step again.");
    if (goes_on && now->state == TRAINER_WAITING && !attached)
        add_unsaved(app, text);
    if (goes_on && app->scene.undecided)
        add(text, attached ? "What was tried is neither accepted nor dropped: the run waits for that until somebody "
                             "attaches again. accept takes the best, accept VALUE another, drop none."
                           : "What was tried is neither accepted nor dropped, and the futures are not saved. accept "
                             "takes the best, accept VALUE another, drop none.");
    if (goes_on && run_viewers(app->run) > 0)
        add(text, "Others have attached to this run and watch it: leaving ends it for them, too.");
    for (int i = 0; i < app->picture_count; i++)
        if (picture_measures(app->pictures[i])) {
            add(text, "Pictures of the network are still being made: those that are missing would stay so.");
            break;
        }
}

void app_ask_less(struct app *app)
{
    char lost[LOST_SIZE];

    if (!app->scene.asks_to_leave || app->scene.overlay != OVERLAY_MESSAGE)
        return;
    list_lost(app, lost);
    if (*lost)
        return;
    app->scene.overlay = OVERLAY_NONE;
    app->scene.asks_to_leave = false;
}

void app_quit(struct app *app)
{
    char lost[LOST_SIZE];

    app_follow_run(app); /* what is on the screen may be older than what the run has said since */
    list_lost(app, lost);
    if (*lost == 0 || (app->scene.asks_to_leave && app->scene.overlay == OVERLAY_MESSAGE)) {
        app->scene.asks_to_leave = false; /* there may be another reason to ask before it is saved */
        leave(app, app->scene.snapshot.state == TRAINER_WAITING ? trainer_request_stop : trainer_request_end);
        return;
    }
    app_message(app, ROLE_WARNING, app->scene.facts.attached ? "Detach?" : "Leave?", lost);
    app->scene.asks_to_leave = true;
}

/* It is looked for before the run is left: a screen that ends with "no such session" would be no answer. */
static int find_next(const struct app *app, const char *name, struct app_next *next, struct error *error)
{
    const struct run_parts *parts = run_parts(app->run);
    struct session *session;
    bool trained;

    if (session_open(parts->settings, name, SESSION_READ, &session, error))
        return -1;
    trained = session_is_trained(session);
    next->attach = session_takes_viewers(session);
    snprintf(next->session, sizeof(next->session), "%s", session_path(session));
    session_close(session);
    if (strcmp(next->session, session_path(parts->session)) == 0)
        return error_set(error, "open: %s is the session on this screen", name);
    if (trained && !next->attach)
        return error_set(error, "open: %s is in use by another process, which cannot be attached to", name);
    return 0;
}

int app_open(struct app *app, const char *session, struct error *error)
{
    struct app_next next;

    if (!app->run)
        return error_set(error, "open: the run is not there yet");
    if (find_next(app, session, &next, error))
        return -1;
    app_quit(app);
    app->next = next; /* behind the question whether to leave: no forgets it */
    return 0;
}

/* ---- The terminal is gone ---- */

static void keep_line(struct app *app, const struct journal_line *line)
{
    struct tm when;
    char stamp[32] = "";

    if (localtime_r(&line->time, &when))
        strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &when);
    fprintf(app->kept, "%s  %s\n", stamp, line->text);
    fflush(app->kept); /* one that cannot be written is lost: the run is what counts */
}

void app_keep_newest(struct app *app)
{
    if (app->kept)
        keep_line(app, journal_line(app->scene.journal, 0));
}

void app_keep_log(struct app *app)
{
    char path[1100];

    if (!app->alone || app->kept || !app->run)
        return;
    snprintf(path, sizeof(path), "%s/screen.log", session_path(run_parts(app->run)->session));
    app->kept = fopen(path, "ae");
    for (int i = journal_count(app->scene.journal) - 1; app->kept && i >= 0; i--)
        keep_line(app, journal_line(app->scene.journal, i));
}

void app_hang_up(struct app *app)
{
    bool over = app->run_ended || app->scene.phase == PHASE_LEAVING || app->scene.phase == PHASE_BROKEN;

    if (app->deaf)
        return;
    if (!app->hidden)
        screen_leave(); /* a terminal that is still there is the shell's */
    app->deaf = true;
    app->hidden = true;
    if (!app->keep_running || over) {
        app->interrupted = !app->scene.facts.attached;
        app_leave(app);
        return;
    }
    app->alone = true;
    app_log(app, JOURNAL_NOTE, "the terminal is gone: training goes on without it");
    app_keep_log(app);
}

void app_go_on_alone(struct app *app)
{
    if (!app->alone || app->scene.phase == PHASE_STARTING || app->scene.phase == PHASE_LEAVING)
        return;
    if (app->run_ended || app->scene.phase == PHASE_BROKEN) {
        app_leave(app);
    } else if (app->scene.snapshot.state == TRAINER_PAUSED &&
               run_viewers(app->run) == 0) { /* nobody could have it go on */
        app_log(app, JOURNAL_WARNING, "paused with nobody there: saved and ended");
        app->interrupted = true;
        leave(app, trainer_request_end);
    }
}
