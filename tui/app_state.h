/* What the files of the live screen share: app.c (the loop), app_input.c (keys and bytes), app_actions.c (commands),
 * app_launch.c (the run's beginning), app_run.c (its news, its end), app_course.c (its records, read anew),
 * app_leave.c (the ways out), app_images.c (looks into its network), app_monitor.c (the machine). */
#ifndef NFBENCH_TUI_APP_STATE_H
#define NFBENCH_TUI_APP_STATE_H

#include "tui/app.h"
#include "tui/command.h"
#include "tui/launch.h"
#include "tui/machine.h"
#include "tui/picture.h"
#include "tui/run.h"
#include "tui/scene.h"

enum { INPUT_SIZE = 4096, PICTURES_MOST = 8 };

struct app {
    struct scene scene;
    struct launch *launch;
    struct picture *pictures[PICTURES_MOST]; /* being written, the oldest first */
    int picture_count;
    struct run *run;           /* NULL until launched */
    const char *script;        /* a file of commands that the run begins with; NULL: none */
    int script_depth;          /* files that are being run, within each other */
    bool run_ended;            /* run_finish was called */
    bool run_failed;           /* ... or the run could not be put together: `error` says why */
    bool interrupted;          /* by a signal */
    bool hidden;               /* the shell has the terminal */
    bool deaf;                 /* the terminal's input has ended */
    bool keep_running;         /* when the terminal goes */
    bool alone;                /* it has gone, and the run goes on */
    struct app_next next;      /* to be shown behind this run */
    FILE *kept;                /* screen.log, while alone; else NULL */
    bool dirty;                /* the scene has changed since it was drawn */
    bool past;                 /* what is told in the log was before: when is not known */
    char asked_text[256];      /* the newest command that the trainer was given */
    long pause_step;           /* where a `step` is to end; 0: none is under way */
    struct probe *incoming;    /* the run's port copies into it */
    long look_number;          /* of the newest look; 0: none */
    bool images_open;          /* the view of images was shown at the last look at the run */
    struct machine *machine;   /* from the run's begin on */
    struct runs *runs;         /* reads the other sessions; NULL until the run is there */
    struct event *kept_events; /* that came while the run's records are read */
    size_t kept_room;
    int kept_count;
    bool course_is_another;              /* ... for the curves, too, not for the best alone */
    long course_taken;                   /* number of the records that were read last */
    struct command_record last_recorded; /* the last of these, whose event may be still to come */
    struct nvml *nvml;                   /* while training on a GPU, where its library is; else NULL */
    double sample_time;                  /* when they were last read; 0: not yet */
    double figures_time;                 /* when those of the header were last taken */
    double screen_seconds;               /* ... the processor time of this thread then */
    long frames, frames_sampled;         /* drawn; ... of these by then */
    struct error error;
    unsigned char input[INPUT_SIZE]; /* not yet understood: an escape sequence may go on */
    size_t input_count;
    double input_time; /* of its last byte */
};

/* app_input.c */
void app_read_input(struct app *app);
/* A lone Escape is one when nothing has followed for a moment. Returns the seconds until then; below 0: none waits. */
double app_finish_input(struct app *app);
bool app_line(void *context, const char *line); /* a command line was entered; false: it is not understood */
void app_focus(struct app *app, bool focused);

/* app_actions.c: does what the action says, or says why not; -1 and the message. */
void app_act(struct app *app, const struct action *action);
int app_do(struct app *app, const struct action *action, struct error *error);
/* Runs the commands of a file. */
int app_source(struct app *app, const char *path, struct error *error);
void app_notice(struct app *app, enum role role, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Why a command is not done: beside the command line, where it may be cut, and whole in the log. */
void app_refuse(struct app *app, const struct error *error);
/* The pictures of an `export` are written, or have failed. */
void app_finish_picture(struct app *app, int index);
/* Says how far it is; finishes it when it is done. */
void app_follow_picture(struct app *app, int index);

/* app_leave.c: saves and leaves; the loop ends when that is done. Room on a full disk is not waited for. */
void app_leave(struct app *app);
/* The same, asked for by a person: where something would be lost only when it is asked for twice. */
void app_quit(struct app *app);
/* The same, and then another session is shown. */
int app_open(struct app *app, const char *session, struct error *error);
/* Takes the question whether to leave away where nothing would be lost any more. */
void app_ask_less(struct app *app);
/* The terminal is gone. The run ends, saved, or goes on alone where that was wished. */
void app_hang_up(struct app *app);
/* While the run is alone: what is in the log also goes into the session's screen.log, from the first line on. */
void app_keep_log(struct app *app);
void app_keep_newest(struct app *app);
/* Ends what is alone at its end, or when it waits for somebody. */
void app_go_on_alone(struct app *app);

/* app_runs.c: begun with the run; what is wanted is said before each drawing. */
void app_open_runs(struct app *app);
void app_close_runs(struct app *app);
void app_want_runs(struct app *app);
void app_follow_runs(struct app *app);

/* app_course.c: the run has other records than those on the screen (app_read_course), or fewer; what is read is taken
 * when it is there. */
void app_read_course(struct app *app);
void app_go_back(struct app *app, long step);
void app_keep_event(struct app *app, const struct event *event);
/* Whether a command stands on the curves already: it was recorded before its event came. */
bool app_knows_command(struct app *app, const struct event *event);
void app_take_course(struct app *app);
void app_drop_events(struct app *app);

/* app_run.c: the run */
void app_log(struct app *app, enum journal_kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A framed message over the charts, until the person closes it. */
void app_message(struct app *app, enum role role, const char *title, const char *text);
/* The same of `error`, with which the run is over for the screen. */
void app_fail(struct app *app, const char *title);
void app_follow_run(struct app *app);
void app_end_run(struct app *app);
/* Paused at a step that is not finite: why, and what the person can do. */
void app_explain_divergence(struct app *app, const char *diagnosis);
/* Of a run with these records. */
void app_take_best(struct scene *scene, const struct epoch_record *epoch);
void app_find_best(struct scene *scene, const struct metrics *history);
int app_add_probes(struct app *app, const struct metrics *history, struct error *error);
/* Lines of the log for what was recorded before the screen was there. */
void app_log_past(struct app *app, const struct metrics *history);
/* app_launch.c */
void app_follow_launch(struct app *app);
/* True when nothing keeps the loop from ending. */
bool app_may_end(const struct app *app);
/* app_monitor.c: looks at the machine and the GPU, seldom, from the run's begin on. */
int app_open_monitor(struct app *app, struct error *error);
void app_sample(struct app *app);
void app_close_monitor(struct app *app);
/* app_images.c: looks into the network for the view of images, when it is opened, at a pause, and when asked. */
void app_follow_images(struct app *app);
/* app_trial.c: what the screen shows of a trial beside its futures. */
void app_follow_trial(struct app *app, const struct trial_event *event);

#endif
