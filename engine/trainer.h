/* The run: one thread that owns the network and goes through data, step, update, evaluation, checkpoint; commands reach
 * it through a queue and are applied between two steps. It knows no file and no screen: results leave by the sink
 * (called on the training thread) and by a ring that a viewer drains when it likes. */
#ifndef NFBENCH_ENGINE_TRAINER_H
#define NFBENCH_ENGINE_TRAINER_H

#include "engine/evaluate.h"
#include "engine/health.h"
#include "engine/look.h"
#include "engine/options.h"
#include "engine/probe.h"
#include "engine/step_time.h"
#include "engine/trial.h"

enum trainer_state {
    TRAINER_STARTING,
    TRAINER_RUNNING,
    TRAINER_PAUSED,
    TRAINER_EVALUATING,
    TRAINER_SAVING,
    TRAINER_RECOMPUTING, /* makes steps again that were made before, to come back to one of them */
    TRAINER_TRYING,      /* makes steps that are not the run's: a trial (trial.h) */
    TRAINER_WAITING,     /* for room on the disk: see trainer_sink */
    TRAINER_FINISHED,    /* all epochs done */
    TRAINER_STOPPED,     /* asked to end */
    TRAINER_DIVERGED,    /* loss or activations not finite: over, the last checkpoint stays */
    TRAINER_FAILED       /* see the message */
};
const char *trainer_state_name(enum trainer_state state);
/* True when no step will follow, whatever the reason. */
bool trainer_has_ended(enum trainer_state state);

/* Why a run stands still, for whoever looks on from outside. */
enum standstill {
    STANDSTILL_NONE,
    STANDSTILL_PAUSED,
    STANDSTILL_DIVERGED, /* paused at a step that is not finite */
    STANDSTILL_CHOICE,   /* of what was tried */
    STANDSTILL_ROOM,     /* on the disk */
    STANDSTILL_RANKS,    /* the others have not come for a while */
    STANDSTILLS
};
/* "paused" or "waits", and for what: "room on its disk"; empty when it does not stand still. */
const char *standstill_name(enum standstill standstill);
const char *standstill_waits_for(enum standstill standstill);

/* After one training step (step counts from 1: the number of updates done). */
struct step_record {
    long step;
    int epoch; /* from 0 */
    float loss;
    float accuracy; /* of this batch, 0..1 */
    float learning_rate;
    float gradient_norm;
    int clipped_units;
    double seconds;           /* training time so far, pauses left out, over all processes that trained this run */
    double images_per_second; /* over the last second or so of training */
};

/* After an epoch, at the run's end, or after an `eval` command. The validation part is measured each time; the test set
 * at the run's end, or each time when there is no validation part. Losses and accuracies are -1 when not measured. */
struct epoch_record {
    long step;
    int epoch;                        /* epochs completed */
    float train_loss, train_accuracy; /* means over the epoch's images, so far when it is not at its end */
    float validation_loss, validation_accuracy;
    float test_loss, test_accuracy;
    double seconds; /* as in step_record */
    bool epoch_end; /* an epoch has just been completed */
    bool run_end;   /* the run has come to its end: these are its results */
    bool best;      /* the highest validation accuracy so far, else test accuracy; never set by `eval` */
    long waited;    /* the number of the `eval` that had waited for this place; 0: any other record */
};

enum { COUNT_OF_UNDO = -2 };
enum command_kind {
    COMMAND_LEARNING_RATE,       /* value: the new peak rate */
    COMMAND_SCALE_LEARNING_RATE, /* value: factor */
    COMMAND_PAUSE,
    COMMAND_RESUME,
    COMMAND_STEP, /* count: run so many steps, then pause */
    COMMAND_EVALUATE,
    COMMAND_SAVE, /* name: the checkpoint is kept under it for good; empty: as any other */
    COMMAND_PROBE,
    COMMAND_LOOK,          /* changes nothing, so no record is made of it: see trainer_newest_look */
    COMMAND_STOP,          /* save and end */
    COMMAND_ON_DIVERGENCE, /* value: an enum divergence_policy */
    COMMAND_ROLLBACK, /* value: the peak rate after it. The trainer's own, recorded at the step it went back to: where
                       * the steps that were undone are not made again, it comes to a new rate */
    COMMAND_BACK,     /* count: a step, BACK_LAST or BACK_GOOD. The run then waits there; what came of it is recorded as
                       * COMMAND_ROLLBACK */
    COMMAND_LOAD,     /* name: of a checkpoint, whose records are the run's from then on; the same otherwise */
    COMMAND_FORK,     /* name: of the session that is to begin here; empty: one is made up. The run goes on */
    /* value: the new one of a setting (live.h), an enum's as its number */
    COMMAND_MOMENTUM,
    COMMAND_WEIGHT_DECAY,
    COMMAND_AGC,
    COMMAND_LABEL_SMOOTHING,
    COMMAND_EMA,
    COMMAND_AUGMENT,
    COMMAND_MIXUP,
    COMMAND_CUTMIX,
    COMMAND_SCHEDULE,
    COMMAND_BATCH,  /* from the next epoch's start on */
    COMMAND_EPOCHS, /* how long the run is, on which schedules hang: by epochs, and ... */
    COMMAND_STEPS,  /* ... by steps, 0: by epochs alone */
    COMMAND_PROBE_EVERY,
    COMMAND_LOG_EVERY,
    COMMAND_CHECKPOINT_EVERY,
    COMMAND_UNDO,    /* of the last change of a setting; recorded as the change back, with COUNT_OF_UNDO */
    COMMAND_NOTE,    /* nothing but its text, with the step */
    COMMAND_WAIT,    /* the trainer's own: records that a command with a condition waits */
    COMMAND_CANCEL,  /* count: the number of a command that waits, -1: all of them */
    COMMAND_TRY,     /* trial: the values; the run then waits where it stood, for one of the next two */
    COMMAND_LR_FIND, /* trial: from one rate to another; it waits in the same way */
    COMMAND_ACCEPT,  /* value: one that was tried, else count: its number from 1, 0: the best. It is recorded as the
                      * command that sets it, and the run goes on as it was before the trial */
    COMMAND_DROP,    /* ... none: the trial is forgotten */
    COMMAND_REPLAY,  /* count: the step up to which; value: not 0: beyond the first difference. Makes recorded steps
                      * again from where the trainer stands; of one that only looks (snapshot: `replay`) */
    COMMAND_KINDS
};

/* The name of the checkpoint, where there is one, with the weights that an imported run began with. */
#define CHECKPOINT_IMPORTED "imported"

/* Where COMMAND_BACK goes beside a step, which is made again from the newest state before it, to the bit. */
enum {
    BACK_LAST = -1, /* before the last command that changed the training, to the bit; from a divergence, BACK_GOOD */
    BACK_GOOD = -2  /* the last good checkpoint, at the rate in force */
};

/* When a command is to be executed, once: at once, or between the first two steps where the condition holds. */
enum quantity_kind {
    WHEN_NOW,
    WHEN_STEP,
    WHEN_EPOCH,    /* epochs completed */
    WHEN_LOSS,     /* of the newest step, as are the next two */
    WHEN_ACCURACY, /* fractions, 0..1 */
    WHEN_GRADIENT_NORM,
    WHEN_VALIDATION_LOSS, /* newest measured: on the images held out, else on the test set */
    WHEN_VALIDATION_ACCURACY
};
enum relation { RELATION_AT, RELATION_BELOW, RELATION_UP_TO, RELATION_FROM, RELATION_ABOVE };
struct condition {
    enum quantity_kind quantity;
    enum relation relation; /* RELATION_AT: a step, which must not be behind the run */
    double value;
};

enum { CHECKPOINT_NAME_SIZE = 64, FORK_REFERENCE_SIZE = 1200 };

struct command {
    enum command_kind kind;
    double value;
    long count;
    struct condition when;
    long number;            /* of one that waits: what `cancel` calls it; the trainer's */
    enum command_kind then; /* COMMAND_WAIT, as it is recorded: what is done then; itself where that is not known */
    bool in_turn;           /* it cuts nothing short that was given before it, as a stop and a pause else do */
    struct trial_request trial;
    char name[CHECKPOINT_NAME_SIZE]; /* of a checkpoint or a session */
    char text[256];                  /* as the person wrote it, for the record */
};
struct command_record {
    long step; /* applied between this step and the next */
    struct command command;
    bool ok;
    char outcome[320]; /* "lr 0.1 -> 0.01" */
};

/* A change of a setting that can be undone. */
struct undo_entry {
    enum command_kind kind; /* what makes it */
    double before;
};

enum { LIVE_SETTINGS = 17, PENDING_MOST = 16, CHANGES_MOST = 32 };

/* What a checkpoint must hold beside the parameters (value, momentum, EMA) to go on to the bit. */
struct training_state {
    long step;
    int epoch;               /* from 0 */
    uint32_t batch_in_epoch; /* next batch; the number of batches: all done, but the evaluation was interrupted */
    float learning_rate;     /* peak in force */
    double seconds;
    double epoch_loss_sum; /* running sums of the epoch so far */
    long epoch_correct, epoch_images;
    float best_accuracy; /* -1: none yet */
    long best_step;
    float last_loss;
    bool unsound;  /* the loss had risen far when it was saved, or the step behind it was not finite */
    long commands; /* recorded before it: of those at its step, the ones that are part of it; the sink counts them */

    /* Figures that commands may wait for, and so part of what comes next. Below 0: none yet. */
    float last_accuracy, last_gradient_norm;    /* of the newest step */
    float validation_loss, validation_accuracy; /* newest measured */

    /* Settings in force (live.h: live_setting(i) has values[i]), those of the session left out; not known of states
     * that are older than this: they are as the run began. */
    bool has_values;
    double values[LIVE_SETTINGS];
    int next_batch;   /* from the next epoch's start on; 0: as it is */
    long extra_steps; /* step - epoch * (steps of an epoch) - batch_in_epoch: of epochs that had another batch */
    struct undo_entry changes[CHANGES_MOST]; /* the newest last */
    int change_count;
    struct command pending[PENDING_MOST]; /* in the order they came */
    int pending_count;
    long pending_number; /* the last that was given */
};

/* Where a new run begins. */
struct training_state training_state_first(float learning_rate);

/* What is recorded of a stretch of the run, each in the order of the steps. Zeroed it is empty. */
struct past {
    struct step_record *steps; /* every so many, by --log-every */
    struct epoch_record *epochs;
    struct command_record *commands; /* that changed the training or measured it */
    int step_count, epoch_count, command_count;
    bool imported; /* the run began with weights from elsewhere, not with its network's initialisation */
};
void past_free(struct past *past);

/* A recorded figure that was another when the step was made again. */
struct difference {
    long step;             /* 0: there is none */
    const char *figure;    /* by its name in metrics.jsonl */
    double recorded, made; /* NAN: not finite */
    double relative;       /* to the recorded one; infinite where one of them is not finite */
};

/* What came of making a run again, so far. */
struct replay {
    long step;          /* the last one that was made */
    long steps, epochs; /* records compared */
    struct difference first;
    struct difference largest; /* of losses */
};

/* All optional. In on_step the network may be some steps ahead of the record, where the device has its own queue; in
 * the others it stands at the record's step. A non-zero return fails the run with the error's message; where errno is
 * ENOSPC or EDQUOT then, nothing was recorded, and the run waits for room (TRAINER_WAITING) and calls with the same
 * again, every few seconds and at COMMAND_RESUME; who stops it meanwhile fails it (trainer_request_end). Called on the
 * training thread. A checkpoint is asked for at each epoch's end (after on_epoch), every checkpoint_every steps, at the
 * run's end, at a stop and by `save`; never when a parameter is not finite. */
struct trainer_sink {
    void *context;
    void *
        source; /* of those that only read what was recorded and saved (saved_step, recall, on_load); NULL: `context` */
    int (*on_step)(void *context, const struct step_record *record, struct error *error);
    int (*on_epoch)(void *context, const struct epoch_record *record, struct error *error);
    int (*on_command)(void *context, const struct command_record *record, struct error *error);
    /* The run stands still from now on, or goes on again; said when that changes, and never in a step's way. */
    void (*on_standstill)(void *context, enum standstill standstill);
    /* Write the network's parameters and the state away; `best` when this is the best so far. */
    int (*on_checkpoint)(void *context, struct network *network, const struct training_state *state, bool best,
                         struct error *error);
    /* A step, an evaluation or a parameter is not finite, and the run ends, or pauses where trainer_attend was called.
     */
    int (*on_divergence)(void *context, const char *diagnosis, long step, struct error *error);
    /* The run has come to its end, as the state says: finished, stopped or diverged; the last that is told of it. One
     * that has failed, or is destroyed first, tells none. */
    int (*on_end)(void *context, enum trainer_state state, long step, const char *message, struct error *error);
    /* The trainer's own memory, valid in the call. */
    int (*on_probe)(void *context, const struct probe *probe, struct error *error);
    int (*on_finding)(void *context, const struct finding *finding, struct error *error);
    /* The run goes back to a state, with another rate perhaps: what was recorded and saved behind its step is void, and
     * so are those commands at the step that changed the training after the first state->commands. on_checkpoint of
     * that state follows. With a name the state is that of the checkpoint, which may lie ahead, and the records are
     * those that it was saved with. */
    int (*on_rollback)(void *context, struct network *network, const struct training_state *state, const char *name,
                       struct error *error);
    /* The step of the newest checkpoint that is not unsound, and not behind `limit`; -1: there is none. */
    long (*good_step)(void *context, long limit);
    /* The step of the newest checkpoint that is not behind `limit`; -1: there is none. */
    long (*saved_step)(void *context, long limit);
    /* Commands recorded so far; -1: they cannot be counted. */
    long (*recorded_commands)(void *context);
    /* What is recorded of the steps behind `from` up to `until`: of commands those that `from` does not include, up to
     * the last before that step. To be freed by past_free. A failure leaves the run as it is. */
    int (*recall)(void *context, const struct training_state *from, long until, struct past *out, struct error *error);
    /* Reads a checkpoint back, of a name, or of a step where that is NULL. A failure leaves the network as it is, and
     * the run goes on. */
    int (*on_load)(void *context, const char *name, long step, struct network *network, struct training_state *state,
                   struct error *error);
    /* Keeps the checkpoint of the step, which was just saved, under a name, with the records so far. A failure (the
     * name is another checkpoint's) is told, and the run goes on. */
    int (*on_name)(void *context, const char *name, long step, struct error *error);
    /* Makes another session that goes on from this state; `reference`: what a command takes for it. A failure is told,
     * and the run goes on. */
    int (*on_fork)(void *context, const char *name, struct network *network, const struct training_state *state,
                   char reference[FORK_REFERENCE_SIZE], struct error *error);
};

/* The latest of everything, for a viewer. */
struct snapshot {
    enum trainer_state state;
    enum standstill standstill;
    struct step_record step;   /* the newest; step.step == 0 before the first of a new run */
    struct epoch_record epoch; /* the newest; epoch.step == 0 before the first */
    long steps_total, steps_per_epoch;
    int epochs_total;
    float peak_learning_rate;
    float next_learning_rate;       /* of the step that comes next, by the schedule */
    double eta_seconds;             /* evaluations included once one was measured; < 0: not known yet */
    int evaluated, evaluate_total;  /* progress of an evaluation */
    long rehearsed, rehearse_total; /* ... of steps that are not the run's own (TRAINER_RECOMPUTING) */
    struct trial_progress trial;    /* ... of a trial */
    struct replay replay;           /* of COMMAND_REPLAY */
    long saved_step;                /* of the last checkpoint of this process; 0: none */
    bool diverged;                  /* paused at a step that was not finite, or ended by one */
    long diverged_step;             /* ... that step */
    long good_step;                 /* ... and the checkpoint to go back to; -1: none */
    long skipped_batches;           /* passed over by this process (DIVERGENCE_CONTINUE) */
    long images;                    /* trained on by this process, in so many steps ... */
    long trained_steps;             /* ... batches passed over left out ... */
    struct step_time trained;       /* ... that took so long together */
    struct step_time recent;        /* of one step, over the last second or so of training; zeros before the first */
    double evaluating_seconds, saving_seconds; /* of this process, beside training */
    struct train_options options;              /* in force */
    int next_batch;                            /* from the next epoch's start on; 0: as it is */
    long extra_steps;                          /* as in the state */
    double memory;                             /* bytes of the network, by this batch */
    long probe_every;                          /* steps between the scheduled probes, "auto" worked out; 0: none */
    struct command pending[PENDING_MOST];
    int pending_count;
    char message[512]; /* diagnosis or failure; else empty */
};

/* What leaves by the ring, in order. When a viewer sleeps and the ring is full, steps are merged (min, max, sum,
 * count), never lost; the others wait. */
enum event_kind {
    EVENT_STEPS,
    EVENT_EPOCH,
    EVENT_COMMAND,
    EVENT_MESSAGE,
    EVENT_FINDING,
    EVENT_CHECKPOINT,
    EVENT_ROLLBACK,
    EVENT_COURSE,
    EVENT_TRIAL
};
struct step_summary {
    long first_step, last_step;
    int count;
    float loss_min, loss_max;
    double loss_sum;
    double accuracy_sum;
    float gradient_norm_min, gradient_norm_max;
    double gradient_norm_sum;
    float learning_rate; /* last */
    double seconds;      /* last */
};
/* News of a trial. Steps of one value are merged like the run's own; those of a range of rates are not. */
enum trial_news {
    TRIAL_BEGINS, /* a value's steps are to come; those of the first one void the trial before */
    TRIAL_STEPS,
    TRIAL_ENDS, /* of this value */
    TRIAL_GONE  /* accepted or dropped */
};
struct trial_event {
    enum trial_news news;
    char name[TRIAL_NAME_SIZE]; /* of the setting: "lr" */
    bool range;                 /* of rates, from `low` to `high`: the rate of a step is that of `taken` */
    double low, high;
    int index, count;           /* of the values */
    long from, steps;           /* the run's step behind which they are made, and how many are asked for */
    struct trial_result result; /* so far */
    struct step_summary taken;
};
struct event {
    enum event_kind kind;
    union {
        struct step_summary steps;
        struct epoch_record epoch;
        struct command_record command;
        char message[512];
        struct finding finding;
        long saved;    /* the step of a checkpoint that is on the disk */
        long rollback; /* the step the run has gone back to; EVENT_COURSE: where it stands with other records than
                        * those so far, which are to be read anew */
        struct trial_event trial;
    };
};

struct trainer;
struct port;

/* Fills in what a run on these parts of the data will take of the device beside the network, for network_create. */
void trainer_needs(const struct partition *parts, struct network_options *network);

/* `start` resumes from a state whose parameters were already written into the network; NULL starts anew, where a
 * whitened stem gets the filters of the training images. The data set and network must outlive the trainer. Options and
 * sink are copied; sink may be NULL. */
int trainer_create(struct network *network, const struct dataset *dataset, const struct train_options *options,
                   const struct training_state *start, const struct trainer_sink *sink, struct trainer **out,
                   struct error *error);
void trainer_destroy(struct trainer *trainer); /* ends the thread first, without saving */

/* A person is there, one more than before; and has gone again. Any thread, at any time. A run that diverges while
 * somebody is there pauses with the weights before the step (snapshot: `diverged` and the diagnosis), tries the step
 * again after COMMAND_RESUME or COMMAND_STEP, and ends as diverged when it is stopped instead. */
void trainer_attend(struct trainer *trainer);
void trainer_desert(struct trainer *trainer);

/* Said before the start: this one only comes to a state of another run for its caller (COMMAND_BACK, COMMAND_FORK).
 * Commands that wait in the state stay there, due or not, and a step ahead of it is gone to as well. */
void trainer_only_looks(struct trainer *trainer);

/* Said before the start: where the run is longer it ends, saved, as by a stop, when so many epochs are done and
 * measured. Schedules stay those of the whole run, and whoever resumes it goes on to the bit. */
void trainer_until(struct trainer *trainer, int epochs);

/* Said before the start: a command that sets a setting is done at once, and saved when the run starts, so that no crash
 * loses it. The sink hears of it here, on the caller's thread. -1 when it is refused. Each setting may change once. */
enum { FIRST_CHANGES = LIVE_SETTINGS };
int trainer_change(struct trainer *trainer, const struct command *command, struct error *error);

/* Trains on a thread of its own (signals from outside blocked there), or here (returns when the run has ended; no
 * events are kept). `trainer_start` may begin paused. Once for a trainer, one of the two. */
int trainer_start(struct trainer *trainer, bool paused, struct error *error);
int trainer_run(struct trainer *trainer, struct error *error);
/* Waits for the thread's end; -1 and the message when the run failed or diverged. */
int trainer_join(struct trainer *trainer, struct error *error);

enum { COMMAND_QUEUE_SIZE = 1024 };

/* From any other threads. Returns -1 when so many commands wait already, and when the run has ended. Never waits for
 * the training. One that comes while the run ends is answered, too, as too late. */
int trainer_command(struct trainer *trainer, const struct command *command, struct error *error);
/* Whether there is room for another. Any thread. */
bool trainer_has_room(struct trainer *trainer);
/* Whether all commands given so far were applied, and the snapshot shows it, or the run has ended. Any thread. */
bool trainer_is_settled(struct trainer *trainer);
/* Whether it is paused, with all of them applied: nothing happens before another one comes. Any thread. */
bool trainer_waits(struct trainer *trainer);
/* Asks for an end after the current step, with a checkpoint; interrupts an evaluation. Where the disk has no room for
 * that it waits for some, as elsewhere, until somebody asks once more. Async-signal-safe, from any thread. */
void trainer_request_end(struct trainer *trainer);
/* The same for who cannot wait, as at a signal: without room the run fails at once. */
void trainer_request_stop(struct trainer *trainer);
/* The newest snapshot. One viewer thread (with trainer_run the callbacks of the sink may be the viewer). Never blocks,
 * never makes the trainer wait. */
void trainer_snapshot(struct trainer *trainer, struct snapshot *out);
/* Takes the oldest event; false when there is none. The same viewer thread. Events that are left can be taken after the
 * run has ended. */
bool trainer_next_event(struct trainer *trainer, struct event *out);

/* Probes (network_probe.h) are taken before the steps 0, 1, 4, 16, ... below options.probe_every and every so many
 * steps, behind the last step, when the run pauses (where none are scheduled, too, if there is memory for it: else a
 * message), and by `probe`, of the batch of the step that comes next, or would; the training is to the bit what
 * it is without. Of those that a viewer has not taken yet the newest is kept and some before it. Copies the oldest of
 * them into the viewer's own memory (probe_create with the network's spec); false when there is none. The same viewer
 * thread. */
bool trainer_next_probe(struct trainer *trainer, struct probe *into);
/* What COMMAND_LOOK, or the end of a run that is attended, saw last, the newest alone; the training is to the bit what
 * it is without. Valid until the next call; NULL before the first. The same viewer thread. */
const struct look *trainer_newest_look(struct trainer *trainer);
/* The same as one thing, for a viewer that is to know no trainer (port.h). */
struct port *trainer_port(struct trainer *trainer);
/* Said before the start: another viewer thread sees the same, by a port of its own, which the trainer keeps. */
int trainer_open_guests(struct trainer *trainer, struct port **out, struct error *error);
/* Takes one here, on the caller's thread: of a trainer that is not started, as where all steps were made before. */
void trainer_look_now(struct trainer *trainer);
/* Steps between the scheduled ones, "auto" worked out; 0: none are scheduled. */
long trainer_probe_every(const struct trainer *trainer);

#endif
