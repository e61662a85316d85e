/* Viewers of a run that a real process trains, by the interface that the screen has to them (tui/attach.h). */
#ifndef NFBENCH_TESTS_TUI_WATCHER_H
#define NFBENCH_TESTS_TUI_WATCHER_H

#include "engine/port.h"
#include "tests/tui/process.h"
#include "tui/attach.h"

enum { WATCHER_TEXT = 512 };

/* A moment of waiting, many of which are some minutes. */
enum { WATCHER_MOMENTS = 40000 };
void watcher_moment(void);

/* NAME in the folder of a session below the process's folder: for process_path. */
const char *watcher_place(const char *session, const char *name);

/* `nfbench train` of a tiny network as this session, at a rate of 0.002, which it bears for long; returns when it can
 * be attached to. */
struct process watcher_start_run(const char *session, const char *more);
/* The same, paused before its first step, for watchers of a run that soon ends: until `script`, its standard input, is
 * closed behind a "resume". */
struct process watcher_start_held(const char *session, const char *more, int *script);
void watcher_let_go(int script);

struct watcher {
    struct attachment *attachment;
    struct port *port;
    struct snapshot now;
    long steps, first;         /* of the events so far; the first of these */
    int courses;               /* times that it was told to read the records */
    long rollback;             /* the step that the run went back to last */
    int answers;               /* to commands, so far */
    char answer[WATCHER_TEXT]; /* of the newest command: "TEXT: OUTCOME" */
};

void watcher_attach(struct watcher *watcher, const char *session);
void watcher_leave(struct watcher *watcher);
void watcher_take(struct watcher *watcher);
void watcher_tell(struct watcher *watcher, const char *command);
/* Each fails the test when it does not come within some minutes. */
void watcher_wait_step(struct watcher *watcher, long step);
void watcher_wait_state(struct watcher *watcher, enum trainer_state state);
void watcher_wait_answer(struct watcher *watcher, const char *answer); /* its beginning */
/* The run's end: what attach_result says. */
int watcher_wait_end(struct watcher *watcher, bool *lost, struct error *error);

#endif
