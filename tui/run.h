/* A run put together: settings -> data set, back end, network, session, trainer. `nfbench train`, `nfbench resume` and
 * the screen share it, so a run without a screen is the same run. What is opened is owned by the run and freed by
 * run_destroy, in the right order. */
#ifndef NFBENCH_TUI_RUN_H
#define NFBENCH_TUI_RUN_H

#include "engine/data.h"
#include "engine/network.h"
#include "engine/trainer.h"

struct settings; /* sessions/settings.h */
struct session;  /* sessions/session.h */
struct run;

struct run_request {
    const struct settings *settings; /* all of them; when resuming, the session's own with any overrides applied */
    const char *resume;              /* name or folder of the session to go on with; NULL: start a new one */

    /* Told, in one line each, what is being done ("opening CIFAR-10 in data") while the run is put together: seconds
     * with a large network. Called on the thread that calls run_create; may be NULL. A non-zero return gives up. */
    int (*progress)(void *context, const char *text);
    void *context;
};

/* What a run is made of, for reading and for the trainer's commands; owned by the run. */
struct run_parts {
    const struct settings *settings;
    struct dataset *dataset;
    struct backend *backend;
    struct network *network;
    struct session *session;
    struct trainer *trainer; /* created, not started: trainer_start or trainer_run is the caller's */
    char device[96];         /* "CPU, 2 threads, bf16" */
    char data[256];          /* "CIFAR-10 in /work/data" or "synthetic (no CIFAR found: ...)" */
    char note[256];          /* something the person should know, or empty: no data found, bf16 emulated, ... */
    long resumed_step;       /* 0 for a new run */
};

/* Puts the run together; takes seconds, so a screen calls it on a thread of its own. -1 with the message on failure or
 * when `progress` gave up; nothing is left behind then but a new session's folder. */
int run_create(const struct run_request *request, struct run **out, struct error *error);

/* Ends the trainer's thread if it still runs, releases everything; NULL is fine. */
void run_destroy(struct run *run);

const struct run_parts *run_parts(const struct run *run);

/* Where the data of `--data` are. `asked` when given; else the first of $NFBENCH_DATA, ./data,
 * $XDG_DATA_HOME/nfbench/data that opens as a data set; else "synthetic", with a note in `note` (size bytes). Opens it,
 * since only that tells. The caller closes it. */
int run_open_data(const char *asked, char *note, int size, struct dataset **out, struct error *error);

#endif
