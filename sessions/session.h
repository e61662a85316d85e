/* A session: the folder a run leaves behind.
 *
 *   settings.ini                  all settings of the run (settings.h); `on-divergence` changes its row on the way
 *   metrics.jsonl                 a record a line (metrics.h)
 *   commands.jsonl                what the person did, with the step (metrics.h)
 *   checkpoints/STEP.safetensors  (checkpoint.h); kept: the last 2, the best, and those with a name
 *   undone.jsonl                  lines of commands.jsonl that a resume has taken back
 *   parent                        of a fork: the step and the session it comes from
 *   input.json                    how images are normalised, and the names of the classes (session_write_input)
 *   events.out.tfevents.*         for TensorBoard (tensorboard.h): a file for each process that trained it
 *   images/                       what `export` makes
 *   lock                          held (flock) by the one writer; holds its process id, and why its run stands still
 *   socket                        while a process trains that can be attached to: of its owner alone
 *
 * Not thread safe: open it, then give its sink to the trainer; while the trainer's thread runs, only session_name,
 * session_path and session_settings may be used elsewhere. Readers of a session that trains open it with
 * SESSION_READ, in the same or another process. */
#ifndef NFBENCH_SESSIONS_SESSION_H
#define NFBENCH_SESSIONS_SESSION_H

#include "engine/data.h"
#include "engine/data_names.h"
#include "engine/trainer.h"
#include "sessions/metrics.h"
#include "sessions/settings.h"

#include <time.h>

struct session;

enum { SESSION_NAME_SIZE = 128 };
#define SESSION_SOCKET "socket"

enum session_mode {
    SESSION_READ, /* takes no lock, changes nothing */
    SESSION_WRITE /* takes the lock; fails with the owner's process id when another process or handle has it */
};

/* $XDG_DATA_HOME/nfbench, else ~/.local/share/nfbench: where a person's data and sessions are by default. */
int session_data_home(char path[SETTINGS_PATH_SIZE], struct error *error);

/* The folder of all sessions: settings->sessions_dir, else session_data_home. It need not exist. */
int sessions_directory(const struct settings *settings, char path[SETTINGS_PATH_SIZE], struct error *error);

/* Makes a new session's folder, and the folders above it, and takes its lock. Its name is settings->session, or made of
 * date, preset or recipe and a counter (20260131-micro-1) when that is empty. model.classes and train.threads must be
 * the real ones by now: they are part of the session. A relative data folder is written as an absolute one. */
int session_create(const struct settings *settings, struct session **out, struct error *error);

/* -1 when settings->session cannot be a new session's name, or, with errno EEXIST, has been taken. */
int session_name_is_free(const struct settings *settings, struct error *error);

/* Opens a session by its name in sessions_directory(settings), or by the path of its folder (when it holds a '/'). */
int session_open(const struct settings *settings, const char *name, enum session_mode mode, struct session **out,
                 struct error *error);
/* NULL is allowed. Metrics and commands not yet on the disk are put there. */
void session_close(struct session *session);
/* Closes a session that session_create made and removes its folder: a run that never began leaves nothing behind. NULL
 * is allowed. */
void session_abandon(struct session *session);

const char *session_name(const struct session *session);
/* What a person should know of its settings.ini: that it is damaged, or was changed by hand; else empty. */
const char *session_note(const struct session *session);
/* What a command of the shell takes for it: its name, or its path when it does not lie in the usual folder, in quotes
 * where it needs them. */
const char *session_reference(const struct session *session);
/* Any text as a word for the shell: in quotes where it needs them. */
void session_shell_word(const char *text, char *word, size_t size);
/* The same for a fork of that name. */
void session_fork_reference(const struct session *parent, const struct settings *settings, const char *name,
                            char reference[FORK_REFERENCE_SIZE]);
const char *session_path(const struct session *session);
/* As settings.ini has them. sessions_dir is as given to open or create, or the folder that a session lies in which was
 * opened by its path (empty: the usual one). */
const struct settings *session_settings(const struct session *session);

/* As its newest checkpoint has them: the settings with what was changed while it trained, and the state itself, with
 * the commands that wait. -1 when there is no checkpoint to be read. */
int session_in_force(const struct session *session, struct settings *settings, struct training_state *state,
                     struct error *error);

/* Writes everything the trainer reports into the session (opened for writing), which must outlive the trainer. A viewer
 * that wants to listen too wraps it: call these from its own sink. */
struct trainer_sink session_sink(struct session *session);

/* Which checkpoint. */
enum {
    CHECKPOINT_LATEST = -1,
    CHECKPOINT_BEST = -2,
    CHECKPOINT_GOOD = -4, /* the newest that is not unsound */
    CHECKPOINT_NAMED = -5 /* saved under a name: of a checkpoint_choice alone */
};                        /* or a step >= 0 */
struct checkpoint_choice {
    long which;
    char name[CHECKPOINT_NAME_SIZE]; /* CHECKPOINT_NAMED */
};

/* Writes a checkpoint outside the sink (an imported network's at step 0). */
int session_save(struct session *session, struct network *network, const struct training_state *state, bool best,
                 struct error *error);

/* Loads weights, momentum and averages into the network (made from session_settings()->model) and the state (may be
 * NULL). For CHECKPOINT_LATEST and CHECKPOINT_BEST a damaged file is passed over for the one before it, and `note`
 * (empty otherwise) says so. */
int session_load(struct session *session, long which, struct network *network, struct training_state *state,
                 char note[256], struct error *error);

/* To go on training: loads a checkpoint, and cuts the records of metrics and commands behind its step, so that no step
 * is in the logs twice; commands among them are kept in undone.jsonl, and `note` tells them. A session that died before
 * its first checkpoint begins with the network as it is, at step 0. For CHECKPOINT_LATEST damaged newer ones are set
 * aside (*.damaged); for the others newer ones are removed: the run has gone back. Opened for writing. */
int session_resume(struct session *session, long which, struct network *network, struct training_state *state,
                   char note[256], struct error *error);

/* The same of a checkpoint that a person has chosen. To go on from one with a name is to go to it as `load` does: the
 * records become those that it was saved with. */
int session_load_choice(struct session *session, const struct checkpoint_choice *choice, struct network *network,
                        struct training_state *state, char note[256], struct error *error);
int session_resume_choice(struct session *session, const struct checkpoint_choice *choice, struct network *network,
                          struct training_state *state, char note[256], struct error *error);

/* -1 unless it can be a checkpoint's name: no blanks, no '/', no number, not one of the words that --checkpoint takes.
 */
int session_check_checkpoint_name(const char *name, struct error *error);
/* The names of the session's checkpoints, by their steps; *out is freed by the caller. */
struct session_name {
    char name[CHECKPOINT_NAME_SIZE];
    long step; /* -1: it cannot be read */
};
int session_names(const struct session *session, struct session_name **out, int *count, struct error *error);

/* Makes a session beside the parent (or in settings->sessions_dir, where that is another) that goes on from a state:
 * settings, records up to there, checkpoint. `asked`: its name, or empty for one of the parent's name and the step.
 * `changes` (may be NULL): what the state has seen commanded beyond its first state->commands commands, which the
 * fork's log is to have, too. The parent may be training. */
enum { SESSION_CHANGES = LIVE_SETTINGS };
struct session_changes {
    struct command_record records[SESSION_CHANGES];
    int count;
};
int session_fork(const struct session *parent, const char *asked, const struct settings *settings,
                 struct network *network, const struct training_state *state, const struct session_changes *changes,
                 char name[SESSION_NAME_SIZE], struct error *error);

/* What a session is a fork of, what that is a fork of, and so on, the nearest first: how many, at most `most`. The last
 * may not be there any more. */
struct session_ancestor {
    char name[SESSION_NAME_SIZE];
    long step; /* that it was left at */
};
int session_ancestors(const struct session *session, struct session_ancestor *out, int most);

/* Before the training begins or goes on behind `step`, for a session opened for writing: from now on what is recorded
 * goes to TensorBoard's events, too, where the settings say so; first what these lack of the logs. A failure ends the
 * events and nothing else: session_take_warning then has one line to tell, once; from any thread. */
void session_begin_events(struct session *session, long step);
enum { SESSION_WARNING_SIZE = 640 };
bool session_take_warning(struct session *session, char text[SESSION_WARNING_SIZE]);
/* A picture for them; before the training begins. */
struct tensorboard_picture;
void session_show_picture(struct session *session, const struct tensorboard_picture *picture, long step);

/* What a trainer reads of a session, and nothing that writes: to come to any of its steps. */
struct trainer_sink session_source(struct session *session);

/* What this process trains on: recorded with each start from now on. */
void session_set_platform(struct session *session, const struct platform *platform);
/* Records the start of a new session. */
int session_begin(struct session *session, struct error *error);

/* Writes input.json, where it is not there as it should be, for `nfbench predict` and for programs that load the
 * network elsewhere (docs/load_session.py): {"data": "CIFAR-10", "normalize": "dataset" or "image", "classes": [names]}
 * and, with "dataset", "mean" and "deviation" of the channels, of pixels in 0..1. */
int session_write_input(const struct session *session, const struct dataset *dataset,
                        const struct channel_statistics *statistics, struct error *error);

/* What stands in it. */
struct session_input {
    char data[CLASS_NAME_SIZE];           /* dataset_name: "CIFAR-10" */
    struct channel_statistics statistics; /* with NORMALIZE_DATASET */
    int class_count;
    char classes[MODEL_MAX_CLASSES][CLASS_NAME_SIZE]; /* fit to be shown on a terminal, as `data` is */
};
/* -1, with errno as file_read leaves it: ENOENT where there is none, as in sessions of older versions and imported ones
 * whose data were not there; EBADMSG where it is damaged or does not fit the settings. */
int session_read_input(const struct session *session, struct session_input *out, struct error *error);
/* The same of a data set that is open. */
void session_input_of(const struct dataset *dataset, const struct channel_statistics *statistics,
                      struct session_input *out);

/* Records how the run ended, for the list, once: the sink does it where the run has come to its end; of one that has
 * failed, or was never started, call it after trainer_join. `message` may be empty. */
int session_end(struct session *session, enum trainer_state state, long step, const char *message, struct error *error);

/* Removes a session and all that is in its folder, for good. -1 when a process trains it, and nothing has changed then.
 */
int session_remove(const struct settings *settings, const char *name, struct error *error);

/* Replaces settings.ini after a resume changed settings (more epochs, other threads). */
int session_update_settings(struct session *session, const struct settings *settings, struct error *error);

/* All records so far, for the charts; free with metrics_free. */
int session_metrics(const struct session *session, struct metrics *out, struct error *error);

/* The records behind a place (zeroed: all), for whoever follows a session that trains. Where the run has gone back
 * since, the place is before the first again, and `out` has all of them: `*anew` then says that those of before are
 * void. */
struct session_place {
    struct metrics_place metrics, commands;
};
int session_metrics_on(const struct session *session, struct session_place *place, bool *anew, struct metrics *out,
                       struct error *error);

/* Tells whether a session's files were written since they were read. */
struct session_stamp {
    struct timespec metrics, settings, checkpoints;
    long long metrics_size;
};

/* One row of `nfbench sessions`. */
struct session_summary {
    char name[SESSION_NAME_SIZE];
    char preset[32];
    char network[SETTINGS_NETWORK_SIZE]; /* settings_network_name() */
    /* "training", "paused" or "waits" (standstill_waits_for says for what), "finished", "stopped", "diverged",
     * "failed", "interrupted", "new", "damaged", or "newer": written by a later nfbench */
    char state[16];
    long step;                      /* of the newest record or checkpoint */
    float best_accuracy;            /* validation, else test; 0..1, -1: not measured */
    float last_loss;                /* of the newest step; NAN before the first */
    float learning_rate;            /* the same step's; NAN, too */
    char parent[SESSION_NAME_SIZE]; /* of a fork; else empty */
    long parent_step;
    char tune[64];  /* whose trial it is, in a list that tunes_group has looked at (tune_list.h); else empty */
    time_t changed; /* last write */
    time_t started; /* when its folder was made, as far as the disk knows that */
    bool locked;    /* some process has it open to train it; a screen keeps it open behind its end, too */
    enum standstill standstill; /* ... and its run stands still */
    bool attachable;            /* ... and its run goes on, and other processes can attach to it */
    bool best_is_validation;    /* best_accuracy is of the validation images, not the test images */
    int depth;                  /* from the root of its family; see sessions_family */
    struct session_stamp stamp;
};
/* The newest step that the session's log or checkpoints know of. */
int session_newest_step(const struct session *session, long *step, struct error *error);
/* Whether some process has it open to train it; and whether other processes can attach to that. */
bool session_is_trained(const struct session *session);
bool session_takes_viewers(const struct session *session);
/* The row of a session that is open for reading: the same state and step as in the list. */
void session_summarize(const struct session *session, struct session_summary *out);
/* Newest first; *out is freed by the caller with free(). An absent folder is an empty list. */
int sessions_list(const struct settings *settings, struct session_summary **out, int *count, struct error *error);
/* Brings a list (NULL and 0 at first) up to date; of sessions whose files have not been written since, the row stays
 * and nothing is read. On failure the list is as before. */
int sessions_update(const struct settings *settings, struct session_summary **list, int *count, struct error *error);
/* Puts the rows in the order of a tree: behind each those that are forks of it, in the order they had, with its depth
 * in each. One whose parent is not in the list is a root. On failure the list is as before. */
int sessions_family(struct session_summary *rows, int count, struct error *error);

#endif
