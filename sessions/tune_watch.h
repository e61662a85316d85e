/* How the trials of a tune stand, as their sessions tell it, whichever processes train them; and what is to be done
 * next. One thread. */
#ifndef NFBENCH_SESSIONS_TUNE_WATCH_H
#define NFBENCH_SESSIONS_TUNE_WATCH_H

#include "sessions/tune.h"

enum tune_state {
    TUNE_WAITING,     /* not begun, or on its way to the next rung */
    TUNE_STARTING,    /* a process of ours is on its way to train it: see tune_watch_mark */
    TUNE_TRAINING,    /* some process trains it */
    TUNE_INTERRUPTED, /* begun, and nobody trains it now */
    TUNE_FINISHED,
    TUNE_DIVERGED, /* or exploded */
    TUNE_DROPPED,  /* by the halving */
    TUNE_FAILED,   /* given up: it crashed or failed twice */
    TUNE_STATES
};
const char *tune_state_name(enum tune_state state);
/* Whether nothing more comes of it; a dropped trial is no failure. */
bool tune_state_is_end(enum tune_state state);
/* It came to nothing: it diverged, or was given up. */
bool tune_state_is_ill(enum tune_state state);

/* What was measured behind an epoch. */
struct tune_point {
    float accuracy; /* a fraction; -1: not measured */
    float loss;     /* of training, the epoch's mean; -1 */
};

struct tune_status {
    enum tune_state state;
    bool begun;                     /* there is a session */
    bool training;                  /* by some process, now */
    bool stopped;                   /* its last run was, before its end */
    char why[METRICS_MESSAGE_SIZE]; /* the diagnosis of one that diverged, or why it failed; else empty */
    long step;                      /* newest recorded */
    long diverged_step;             /* the one that could not be done; 0: all could, but: */
    bool exploded;                  /* its newest measured loss is absurd (health.h) */
    int epoch;                      /* completed and measured */
    float loss;                     /* of the newest step; NAN: none */
    float accuracy, best;           /* newest and highest so far; -1 */
    int best_epoch;
    float test_accuracy;       /* at the end; -1 */
    double images_per_second;  /* of the newest step; 0: none */
    double median_speed;       /* images a second in the median of its steps; 0: none */
    double seconds;            /* of training */
    double left;               /* seconds to its target; < 0: not known */
    struct tune_point *points; /* (epoch of the trial): points[e] is behind epoch e + 1 */
    int target;                /* epochs to which it is to be trained now; 0: none */
    int rung;                  /* the rung that it is in, or came to, from 1 on */
    bool rung_done;            /* it has that behind it, and waits for the others */
};

/* The rung that is trained now; the last when all are done. */
struct tune_rung {
    int number, of;   /* from 1 on */
    int epochs;       /* behind which it ends */
    int trials, done; /* in it; that have it behind them */
    int go_on;        /* how many go on from it; 0: it is the last */
};

struct tune_watch;

int tune_watch_open(const struct tune *tune, struct tune_watch **out, struct error *error);
void tune_watch_close(struct tune_watch *watch); /* NULL is fine */
/* Reads what is new of all trials, and works out states, targets and rungs. */
int tune_watch_read(struct tune_watch *watch, struct error *error);
/* That a process was started for a trial: until its session tells more, up to the next read. */
void tune_watch_mark(struct tune_watch *watch, int trial);
const struct tune_status *tune_watch_status(const struct tune_watch *watch, int trial);
/* The state as people are told it: what waits has not begun, was stopped, waits for its rung's end, or goes on soon. */
const char *tune_watch_state_words(const struct tune_watch *watch, int trial);
const struct tune_rung *tune_watch_rung(const struct tune_watch *watch);
/* Images that are still to be trained on; of a halving, with as many trials in the later rungs as these hold. */
double tune_watch_work_left(const struct tune_watch *watch);
/* The trials, 0 .. count - 1, with the highest best accuracy first, of equals the one with more epochs; those without
 * one last, in their order. */
void tune_watch_rank(const struct tune_watch *watch, int *order);
/* The trial with the highest best accuracy; -1: none was measured. */
int tune_watch_best(const struct tune_watch *watch);
/* Of one trial that has a value there; -1 where it was not measured. `epoch` from 1 on. */
float tune_status_accuracy(const struct tune_status *status, const struct tune_trial *trial, int epoch);
float tune_status_loss(const struct tune_status *status, const struct tune_trial *trial, int epoch);
/* Mean of the last epoch that was measured; NAN: none was. */
float tune_status_newest_loss(const struct tune_status *status, const struct tune_trial *trial);
/* Counts the trials in each state. */
void tune_watch_count(const struct tune_watch *watch, int counts[TUNE_STATES]);
/* Whether all have ended; and whether one of them failed. */
bool tune_watch_is_over(const struct tune_watch *watch);

#endif
