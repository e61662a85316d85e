/* A tune: runs that differ in some settings, its axes, and are compared by their accuracy. Each is a session (a trial),
 * trained by a process of its own. What is to be trained, the plan, never changes:
 *
 *   SESSIONS_DIR/NAME.tune/plan.json      axes, trials and rungs; written last, so a folder without it is no tune yet
 *                          trial-N.ini    the settings of a trial, as `nfbench train --config` takes them
 *                          trial-N.lock   held (flock) by whoever trains it, a process of nfbench tune and its child
 *                          trial-N.json   what no session tells: crashes, and why it was given up
 *                          trial-N.log    what the child said
 *   SESSIONS_DIR/NAME-VALUES/             the session of a trial
 *
 * Everything else follows from the sessions (tune_watch.h), so that any number of processes may work on one tune
 * without talking to each other, and each finds the same after a crash.
 *
 * Successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943): all trials are trained up to the first rung, so
 * many epochs; the best of them, one in `factor`, go on to the next, and so on; the last rung is the whole run. */
#ifndef NFBENCH_SESSIONS_TUNE_H
#define NFBENCH_SESSIONS_TUNE_H

#include "engine/data.h"
#include "sessions/file.h"
#include "sessions/session.h"
#include "sessions/settings.h"

enum {
    TUNE_AXES = 6,
    TUNE_VALUES = 64, /* of an axis */
    TUNE_TRIALS = 1024,
    TUNE_RUNGS = 16,
    TUNE_NAME_SIZE = 64,
    TUNE_VALUE_SIZE = 128,
    TUNE_DIGEST_SIZE = 65
};
#define TUNE_FOLDER_END ".tune"

/* A setting with several values, or, for a random search, with a range of them. */
struct tune_axis {
    const struct setting *row;
    bool range;
    double low, high; /* of a range: drawn evenly over its logarithm, or, where it begins at 0, over itself */
    int count;        /* of a list */
    char values[TUNE_VALUES][TUNE_VALUE_SIZE]; /* as settings_get writes them */
};

struct tune_trial {
    char session[SESSION_NAME_SIZE];
    char values[TUNE_AXES][TUNE_VALUE_SIZE]; /* of each axis */
    int epochs;                              /* the last one may be cut short by --steps */
    int classes;
    double learning_rate;
    int batch;
    bool held_out;   /* accuracy is that of the images held out, else of the test set */
    bool any_device; /* its settings leave the device open */
    bool as_report;  /* network, images and settings are the seed report's, but for rate, batch and length */
    long steps, steps_per_epoch;
};

struct tune {
    char name[TUNE_NAME_SIZE];
    char digest[TUNE_DIGEST_SIZE]; /* the same for the same plan */
    char folder[FILE_PATH_SIZE];
    char sessions_dir[SETTINGS_PATH_SIZE]; /* as it was given; empty: the usual one */
    struct tune_axis axes[TUNE_AXES];
    int axis_count;
    struct tune_trial *trials;
    int count;
    bool random;
    int factor;            /* of the halving; 0: none */
    int rungs[TUNE_RUNGS]; /* the epochs that each ends behind; the last is the whole run's; without halving just that
                            */
    int rung_count;
    struct settings *settings; /* (count), of a tune that tune_make made; else NULL */
};

/* "lr" and "0.1,0.01", or "0.001..0.1": whether the text is more than one value of that setting. Of `stages`, which has
 * commas of its own, values are separated by semicolons. */
bool tune_is_axis(const struct setting *row, const char *text);
/* -1 when the setting can be no axis, a value is none of it, or stands there twice. */
int tune_axis_parse(const char *name, const char *text, struct tune_axis *axis, struct error *error);

struct tune_request {
    const char *name;       /* empty: made of the plan, so that the same plan has the same name */
    char *const *arguments; /* settings that all trials share, as settings_parse takes them, ARGUMENTS[0] passed over */
    int argument_count;
    const struct tune_axis *axes;
    int axis_count;
    const struct settings *shared; /* the same settings read, with the real data and classes */
    const struct dataset *dataset;
    int threads; /* of each trial whose settings do not say */
    int random;  /* trials to draw, by the seed; 0: all combinations */
    int factor;  /* of the halving; 0: none */
};

/* Makes the plan in memory; free it with tune_free, on failure too. */
int tune_make(const struct tune_request *request, struct tune *out, struct error *error);
/* Writes it, where it is not there. *taken: another tune, or a session, has one of its names; that is an error, too. */
int tune_create(struct tune *tune, bool *taken, struct error *error);
/* Reads one by its name, in sessions_directory(settings), or by the path of its folder; the name may have the folder's
 * ending. errno is ENOTSUP where a newer nfbench wrote it. */
int tune_open(const struct settings *settings, const char *name, struct tune *out, struct error *error);
void tune_free(struct tune *tune);

/* Of a halving: how many of a rung's trials go on. */
int tune_rung_room(const struct tune *tune, int trials);

/* FOLDER/trial-N.END */
int tune_path(const struct tune *tune, int trial, const char *end, char path[FILE_PATH_SIZE], struct error *error);
/* -1 where the folder has another name than the tune: it was copied or renamed, and the sessions are the tune's that
 * has the name. */
int tune_check_folder(const struct tune *tune, struct error *error);
/* What a command of the shell takes for the tune, and for the session of a trial. */
void tune_reference(const struct tune *tune, char *text, size_t size);
void tune_trial_reference(const struct tune *tune, int trial, char *text, size_t size);
/* "lr 0.1, batch 64" */
void tune_trial_words(const struct tune *tune, int trial, char *text, size_t size);

/* Waits until no other process writes into the tune's folder: a descriptor, to be closed; -1 on error. */
int tune_hold(const struct tune *tune, struct error *error);

/* ---- Who trains a trial ---- */

/* 1: it is ours, until *descriptor is closed here and in the child that has it, too; 0: another process has it. */
int tune_claim(const struct tune *tune, int trial, int *descriptor, struct error *error);
/* Whether some process has it. */
bool tune_is_claimed(const struct tune *tune, int trial);
/* What no session tells. Read without a claim, written with one. */
struct tune_note {
    int crashes;
    bool given_up;
    char why[256]; /* of the last crash, or why it was given up */
};
int tune_note_read(const struct tune *tune, int trial, struct tune_note *out, struct error *error);
int tune_note_write(const struct tune *tune, int trial, const struct tune_note *note, struct error *error);

#endif
