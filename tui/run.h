/* A run put together: settings -> data set, back end, network, session, trainer. `nfbench train`, `nfbench resume` and
 * the screen share it, so a run without a screen is the same run, and other processes may watch it (serve.h). Or a run
 * of another process, of which only that is here which a viewer has (attach.h). What is opened is owned by the run and
 * freed by run_destroy, in the right order. */
#ifndef NFBENCH_TUI_RUN_H
#define NFBENCH_TUI_RUN_H

#include "engine/data.h"
#include "engine/network.h"
#include "engine/port.h"
#include "engine/trainer.h"
#include "sessions/session.h"
#include "tui/device.h"

enum { RUN_TEXT_SIZE = 1280 };

struct run;

struct run_request {
    const struct settings *settings;     /* all of them; when resuming, the session's own with any overrides applied */
    const char *resume;                  /* name or folder of the session to go on with; NULL: start a new one */
    struct checkpoint_choice checkpoint; /* when resuming: from which one */
    struct attachment *attach;           /* to the run of another process, which is the run then; it stays the caller's
                                          * and must outlive it. NULL: train here */
    bool keep_running;                   /* the screen alone: when its terminal goes, the run goes on */
    int graphics;                        /* the screen alone: enum graphics_mode, how it draws images */
    const char *script;                  /* a file of commands to begin with; NULL: none (the caller runs it) */
    struct command changes[FIRST_CHANGES]; /* when resuming: settings that are others from here on, by run_add_change;
                                            * `settings` has them as the session began */
    int change_count;

    /* Told, in one line each, what is being done ("opening CIFAR-10 in data") while the run is put together: seconds
     * with a large network. Called on the thread that calls run_create; may be NULL. A non-zero return gives up. */
    int (*progress)(void *context, const char *text);
    bool (*given_up)(void *context); /* asked often in between; may be NULL */
    void *context;
};

/* Adds `set NAME VALUE`, or `lr VALUE`, of a setting that may change while a run trains (live.h). */
void run_add_change(struct run_request *request, const struct settings *settings, const char *name);
/* Whether such a change leaves the run as it is. That of the rate never does: a person may want to see it in the log.
 */
bool run_is_so(struct trainer *trainer, const struct command *change);

/* What a run is made of, for reading and for the trainer's commands; owned by the run. */
struct run_parts {
    const struct settings
        *settings;           /* as they are in force: device, precision, threads and classes are the real ones */
    struct dataset *dataset; /* NULL in a run of another process whose data cannot be opened here */
    struct backend *backend; /* NULL in a run of another process, as are the next and the trainer */
    struct network *network;
    struct session *session;
    struct trainer *trainer;       /* created, not started: trainer_start is the caller's */
    struct port *port;             /* what its viewer sees */
    double parameters, memory;     /* of the network: how many, bytes */
    double image_flops;            /* of a training step, for each image */
    char device[DEVICE_TEXT_SIZE]; /* "CPU, 2 threads, bf16" */
    char data[RUN_TEXT_SIZE];      /* "CIFAR-10 in /work/data" or "synthetic images, built in" */
    char note[RUN_TEXT_SIZE];      /* what the person should know, or empty: no data found, a checkpoint passed over */
    long resumed_step;             /* 0 for a new run */
    int changes;                   /* that the resume was given: recorded, and the first events once it is started */
    double resumed_seconds;        /* training time of the processes before this one */
    bool done; /* resumed, with all steps behind it and its results measured: not to be started, only finished */
};

/* What can be known to be wrong of a new run's settings before anything is made: the session's name is taken, the data
 * are not there, too many images held out. */
int run_check(const struct settings *settings, struct error *error);

/* Puts the run together; takes seconds, so a screen calls it on a thread of its own. -1 with the message on failure or
 * when `progress` or `given_up` gave up. */
int run_create(const struct run_request *request, struct run **out, struct error *error);

/* Ends the trainer's thread without saving if it still runs, releases everything; NULL is fine. A new session whose
 * training never began is removed. */
void run_destroy(struct run *run);

const struct run_parts *run_parts(const struct run *run);

/* A run of another process: its process, 0 where that is not known; -1 when the run is this one's. */
pid_t run_process(const struct run *run);
/* Gives the run a command; see trainer_command. */
int run_command(struct run *run, const struct command *command, struct error *error);
/* Whether nothing more will come of it: `now` is its newest snapshot. */
bool run_has_ended(const struct run *run, const struct snapshot *now);
/* Viewers in other processes: how many there are, and whether one has left the run paused; see serve_is_held. */
int run_viewers(const struct run *run);
bool run_is_held(const struct run *run);
/* Why no other process can attach to the run; empty: one can. */
const char *run_not_served(const struct run *run);

/* Waits for the trainer's thread and records in the session how the run ended (of one that was `done`: as it was), and
 * tells the viewers. -1 and the message when the run failed or diverged, or its process is gone; *last holds the final
 * state either way. */
int run_finish(struct run *run, struct snapshot *last, struct error *error);

/* Opens the data of settings->data; when that was never given, the first of $NFBENCH_DATA, ./data and
 * session_data_home's data that holds a data set, else the synthetic one, which `note` then says. One that is there but
 * cannot be used is an error. Puts the place and the number of classes into the settings. The caller closes it. */
int run_open_data(struct settings *settings, char note[RUN_TEXT_SIZE], struct dataset **out, struct error *error);

/* Opens the data of a session's settings, never others, and checks that its network has as many classes. */
int run_open_session_data(const struct settings *settings, struct dataset **out, struct error *error);
/* The same, of which the test images are enough (dataset_open_for_test). */
int run_open_session_test_data(const struct settings *settings, struct dataset **out, struct error *error);

/* The index-th place that run_open_data looks at; false behind the last. */
bool run_data_place(int index, char path[SETTINGS_PATH_SIZE]);

/* The back end and the network of the settings, for batches of up to settings->train.batch. Puts the real device,
 * precision and number of threads into the settings, what they are in words into `device`, and what there is to say of
 * the choice into `note`. `partition`: the data of the run that is to come, whose memory must be there, too; NULL where
 * none is. The caller destroys the network, then the back end (backend->destroy). */
int run_open_network(struct settings *settings, const struct partition *partition, struct backend **backend,
                     struct network **network, char device[DEVICE_TEXT_SIZE], char note[DEVICE_NOTE_SIZE],
                     struct error *error);

#endif
