/* What the trainer's files share: trainer.c (the thread and its loop), trainer_flight.c (training steps),
 * trainer_probe.c (probes), trainer_look.c (looks), trainer_steps.c (an evaluation, a checkpoint), trainer_divergence.c
 * (what is not finite or not healthy), trainer_back.c (going back), trainer_again.c (steps that are made again),
 * trainer_replay.c (the whole run again), trainer_commands.c (what each command does), trainer_settings.c (settings
 * that change), trainer_pending.c (commands that wait), kept_state.c (states to go back to), trainer_rehearsal.c (steps
 * that are not the run's own), trainer_trial.c (what-if trials), trainer_tell.c (what the sink hears). Nobody else
 * includes this. */
#ifndef NFBENCH_ENGINE_TRAINER_INTERNAL_H
#define NFBENCH_ENGINE_TRAINER_INTERNAL_H

#include "engine/device_data.h"
#include "engine/divergence.h"
#include "engine/kept_state.h"
#include "engine/loader.h"
#include "engine/lr_find.h"
#include "engine/pace.h"
#include "engine/port.h"
#include "engine/trainer.h"

#include <pthread.h>
#include <semaphore.h>

/* What a piece of the run's work came to. */
enum progress {
    RUN_FAILED = -1,     /* the trainer's `failure` says why */
    RUN_ON = 0,          /* go on */
    RUN_ENDED = 1,       /* the state says how */
    RUN_INTERRUPTED = 2, /* an evaluation was left unfinished, for a stop */
    RUN_AGAIN = 3        /* something was not finite, and was dealt with: what was begun is void, the loop goes on */
};

/* A step that was queued. */
struct flight {
    uint64_t ticket;
    int n; /* images of its batch */
    double rate, waited;
};

/* Steps that are not the run's own: of them nothing reaches the sink, the events or the snapshot but what on_step makes
 * of it; they are neither probed nor saved, and epochs end without an evaluation. */
struct rehearsal {
    long until; /* stands behind this step in the end, or behind the run's last */
    void *context;
    /* Told of each step in order; non-zero ends the rehearsal. On a device with a queue some steps behind it may have
     * been made already. */
    int (*on_step)(void *context, const struct step_record *record);
    /* The learning rate of the step behind `step`; NULL: the run's own. */
    double (*rate)(void *context, long step);
};

/* What is tried, and what came of it until it is accepted or dropped. */
struct trial {
    struct trial_request request;
    bool range;          /* of rates, request.values[0] to [1]; else `count` values are tried in turn */
    int count, done, at; /* values, those that were tried, and the one that is being tried */
    struct trial_result results[TRIAL_VALUES];
    struct lr_find find;
    long step;            /* that the run stood at */
    bool waiting;         /* for a person's choice */
    bool paused;          /* the run was before it, or was asked to since */
    bool over, cut, deaf; /* the range has shown all there is; a person ended it; the viewer cannot be told */
};

enum { TRAINER_FLIGHTS = 8 };

struct trainer {
    struct network *network;
    const struct dataset *dataset;
    struct train_options options; /* in force */
    struct train_options given;   /* as the run was created with */
    struct trainer_sink sink;
    struct partition parts;
    struct loader *loader;
    float *scratch; /* the largest parameter, to look at before a checkpoint */
    long steps_total, steps_per_epoch;

    /* the training thread's own */
    struct training_state state;
    const struct batch *batch;  /* of the last step, or of the next; where the host makes them */
    bool fetched;               /* ... it is that of the next step, which waits for it */
    struct device_data *device; /* where the device makes them; else NULL */
    struct image_source source; /* the training images there */
    bool ordered;               /* their order is that of ordered_epoch */
    uint32_t ordered_epoch;
    struct flight flights[TRAINER_FLIGHTS]; /* a ring; `state` has none of them */
    int flight_first, flight_count;
    struct pace pace;
    struct loss_history losses;
    long probe_every;    /* 0: none */
    int close_looks;     /* probes out of their turn while the loss rose, so far */
    long probed;         /* the step before which the last probe was taken; -1: none yet */
    struct probe *probe; /* the last one */
    long looked;         /* looks taken so far */
    bool probe_refused;  /* there was no memory for one at a pause, which was said */
    struct health_watch health;
    struct kept_state held;            /* with DIVERGENCE_ROLLBACK: the last checkpoint before the loss began to rise */
    struct kept_ring kept;             /* what `back` goes to */
    const struct rehearsal *rehearsal; /* under way; else NULL */
    struct trial trial;
    struct command_record changes[FIRST_CHANGES]; /* done before the start */
    int change_count;
    int rollbacks;   /* so far */
    int skipped;     /* batches in a row that were passed over */
    long counted;    /* steps of this process that were finite */
    bool only_looks; /* has no records of its own */
    int until;       /* epochs after which the run is left; 0: none */
    bool stuck;      /* paused at one */
    bool replaying;  /* an evaluation that is not finite ends nothing */
    bool diverging;  /* a probe is being taken for a diagnosis */
    struct snapshot now;
    double mark;              /* the clock up to which training time was counted */
    double probe_seconds;     /* since then, of a probe before a step */
    double waited;            /* seconds, for room on the disk */
    struct step_time trained; /* all steps of this process, not settled */
    bool resumed;             /* from a checkpoint */
    bool paused;
    bool undoing;     /* a change is taken back */
    long pause_after; /* steps to go until a pause; 0: none is due */
    bool unsaved;     /* the state moved on since the last checkpoint */
    bool measured;    /* the run's last evaluation is done */
    bool keep_events; /* there may be a viewer */
    bool leads;       /* other ranks make its steps along (ranks.h) */
    bool ranks_late;  /* ... and one of them is waited for */
    struct command stop_command;
    struct error failure;

    /* shared */
    struct command_queue commands;
    pthread_mutex_t giving; /* among those who give commands; the training thread takes it at its end alone */
    bool closed;            /* under it: no more are taken */
    struct port own;        /* of the process's own viewer */
    struct port *guests;    /* of the others; NULL: not opened */
    sem_t wake;
    atomic_uint applied; /* commands of the queue */
    atomic_bool waits;   /* paused, for another command */
    atomic_bool stop, abandon;
    atomic_bool urgent;  /* the stop: not even room for the last records is waited for */
    atomic_int attended; /* people who can do something about a divergence */

    pthread_t thread;
    bool threaded;
};

/* Whose records and checkpoints the sink reads. */
static inline void *sink_source(const struct trainer_sink *sink)
{
    return sink->source ? sink->source : sink->context;
}

static inline bool trainer_interrupted(struct trainer *trainer)
{
    return atomic_load(&trainer->stop) || atomic_load(&trainer->abandon);
}

/* Time until now was not spent on training. */
void trainer_skip_time(struct trainer *trainer);
void trainer_set_state(struct trainer *trainer, enum trainer_state state);
/* What the snapshot has of the state and the options; not yet published. */
void trainer_note_state(struct trainer *trainer);
/* To all viewers. */
int trainer_emit(struct trainer *trainer, const struct event *event);
void trainer_publish(struct trainer *trainer);
void trainer_flush(struct trainer *trainer);
int trainer_message(struct trainer *trainer, const char *text);
double trainer_factor(const struct trainer *trainer, long step);  /* the schedule's, for the step after `step` */
double trainer_time_left(const struct trainer *trainer);          /* seconds; < 0: not known */
double trainer_time_to(const struct trainer *trainer, long step); /* the same up to a step */

/* trainer_tell.c: tell the sink, where it listens; -1 with the failure. The diagnosis is of now.diverged_step, `name`
 * as in on_rollback. */
int trainer_tell_step(struct trainer *trainer, const struct step_record *record);
int trainer_tell_epoch(struct trainer *trainer, const struct epoch_record *record);
int trainer_tell_command(struct trainer *trainer, const struct command_record *record);
int trainer_tell_probe(struct trainer *trainer); /* the last one */
int trainer_tell_finding(struct trainer *trainer, const struct finding *found);
int trainer_tell_checkpoint(struct trainer *trainer, bool best);
int trainer_tell_divergence(struct trainer *trainer, const char *diagnosis);
int trainer_tell_end(struct trainer *trainer, enum trainer_state state);
int trainer_tell_rollback(struct trainer *trainer, const char *name);

/* trainer_probe.c: memory for probes; whether one is due before the step behind `step`; takes one now, with nothing in
 * flight, unless this step has one; the same for a pause, where there may be no memory for it. */
int trainer_prepare_probes(struct trainer *trainer, struct error *error);
/* By options.probe_every; as before where there is no memory for it. */
int trainer_schedule_probes(struct trainer *trainer, struct error *error);
bool trainer_probe_due(const struct trainer *trainer, long step);
enum progress trainer_probe(struct trainer *trainer);
enum progress trainer_probe_pause(struct trainer *trainer);

/* trainer_look.c: a look for the viewer, with nothing in flight. */
void trainer_look(struct trainer *trainer);

/* trainer_settings.c: makes options, loader, plans and steps those of the state, which has just been put there. */
int trainer_adopt_settings(struct trainer *trainer, struct error *error);
/* At an epoch's start: the batch that was asked for. */
enum progress trainer_change_batch(struct trainer *trainer);
/* How long an epoch and the run are, by the batch in force. */
void trainer_count_steps(struct trainer *trainer);
int trainer_make_loader(struct trainer *trainer, struct error *error);
/* Where the device has the images: what a batch is made of, by the options in force. */
int trainer_make_source(struct trainer *trainer, struct error *error);
/* Runs `make` with the signals from outside blocked, so that the threads made in it leave them to the caller's. */
int trainer_without_signals(struct trainer *trainer, int (*make)(struct trainer *, struct error *),
                            struct error *error);
enum progress trainer_set(struct trainer *trainer, struct command_record *record);
enum progress trainer_undo(struct trainer *trainer, struct command_record *record);
/* `undo` takes it back: the value that a setting had before. */
void trainer_remember_change(struct trainer *trainer, enum command_kind kind, double before);
/* Does a command and fills in its outcome. */
enum progress trainer_do(struct trainer *trainer, struct command_record *record);

/* trainer_pending.c: a command with a condition, and `cancel`. */
enum progress trainer_wait(struct trainer *trainer, struct command_record *record);
/* ... as it was recorded; -1: the record does not say what waits. */
int trainer_wait_again(struct trainer *trainer, const struct command *recorded);
enum progress trainer_cancel(struct trainer *trainer, struct command_record *record);
/* Takes the first command whose condition holds off the list; false when there is none. Nothing is in flight. */
bool trainer_take_due(struct trainer *trainer, struct command *command);
/* Whether a command may be due behind `step`, so that no step is to be queued behind it before that is known. */
bool trainer_may_be_due(const struct trainer *trainer, long step);
void trainer_forget_pending(struct trainer *trainer, long number);

/* "lr 0.1 -> 0.01" */
void trainer_outcome(struct command_record *record, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same behind what is said already. */
void trainer_add_outcome(struct command_record *record, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The command is not done, and why; RUN_ON. */
enum progress trainer_refuse(struct command_record *record, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The batch of the step that is to be queued next; `waited` seconds for it. */
int trainer_next_batch(struct trainer *trainer, struct step_batch *batch, double *waited);
/* Lets the loader go on at the state's next batch. */
void trainer_seek(struct trainer *trainer);
/* Where a new run begins. */
struct training_state trainer_first_state(const struct trainer *trainer);
/* What a viewer sees before the first step from here: nothing in a new run, the last step's figures in another. */
struct step_record trainer_record_now(const struct trainer *trainer);

/* Puts the images into the device's memory, where it makes its batches itself. */
int trainer_upload(struct trainer *trainer, struct error *error);
/* Queues a step, and counts and reports those that are done, up to a point where another may be queued. */
enum progress trainer_train(struct trainer *trainer);
/* The same with all that is due at its step: a probe before, a checkpoint behind. */
enum progress trainer_step(struct trainer *trainer);
/* Waits for all steps in flight. */
enum progress trainer_land(struct trainer *trainer);
/* Makes batch `number` of this epoch on the host; trainer_seek afterwards. */
void trainer_host_batch(struct trainer *trainer, uint32_t number);
/* Waits for those that are left when a run was abandoned or has failed, and lets their results go. */
void trainer_forget_flights(struct trainer *trainer);
/* Something was not finite in `step`, or behind it: diagnoses, then does what options.on_divergence says. */
enum progress trainer_diverge(struct trainer *trainer, enum divergence_cause cause, long step);
/* The weights are not worth coming back to: the loss has risen far, or the next step is not finite. */
bool trainer_is_unsound(const struct trainer *trainer);
/* The last good checkpoint there is to go back to; -1: none. */
long trainer_good_step(const struct trainer *trainer);
/* trainer_back.c: the run stands at a kept state, at a rate, and tells the sink: what came behind it is undone. -1 with
 * the failure. */
int trainer_stand_at(struct trainer *trainer, const struct kept_state *at, float rate);
/* Goes back to the checkpoint of a step, at the rate in force, and tells the sink. RUN_ON, also when the checkpoint
 * cannot be had: `why` then says so, and is empty otherwise. */
enum progress trainer_go_back(struct trainer *trainer, long step, struct error *why);
/* Reads a checkpoint, by its name or its step, into the network, and what is known of its state. What it does not hold
 * begins anew, as in a resume. */
int trainer_load_state(struct trainer *trainer, const char *name, long step, struct kept_state *at, struct error *why);
/* Tells everyone that the run stands at its state. `name`: of the checkpoint whose records are to be the run's; NULL:
 * those behind the state are void. */
int trainer_tell_place(struct trainer *trainer, const char *name);
/* trainer_again.c: COMMAND_BACK to a step, which is made again. */
enum progress trainer_make_again(struct trainer *trainer, struct command_record *record);
/* trainer_replay.c: COMMAND_REPLAY. */
enum progress trainer_replay(struct trainer *trainer, struct command_record *record);
/* COMMAND_BACK, COMMAND_LOAD, and COMMAND_SAVE with a name. */
enum progress trainer_back(struct trainer *trainer, struct command_record *record);
enum progress trainer_load(struct trainer *trainer, struct command_record *record);
enum progress trainer_save_as(struct trainer *trainer, struct command_record *record);
enum progress trainer_fork(struct trainer *trainer, struct command_record *record);
/* What the policy `rollback` does, for a person who chose it at a divergence; false: there is nothing to go back to. */
bool trainer_can_roll_back(const struct trainer *trainer);
enum progress trainer_roll_back(struct trainer *trainer, long step, const char *diagnosis);
/* The run was to end well, but most of its batches were passed over. */
enum progress trainer_end_skipped(struct trainer *trainer);
/* Keeps the state as it is now, where a rollback may want it. */
int trainer_hold(struct trainer *trainer);
/* Judge the step that was just counted, and the probe that was just taken. */
int trainer_judge_step(struct trainer *trainer);
int trainer_judge_probe(struct trainer *trainer);
/* trainer_rehearsal.c: makes steps from where the run stands, with nothing in flight. RUN_ON behind the last one;
 * RUN_INTERRUPTED when a stop or COMMAND_PAUSE waits or on_step said so; RUN_AGAIN when the step behind the state's is
 * not finite; RUN_FAILED. The run is where that left it, its clock too: the caller keeps a state before
 * (kept_state_take) and puts it back. */
enum progress trainer_rehearse(struct trainer *trainer, const struct rehearsal *rehearsal);

/* Behind the last batch of an epoch: the state's place is the first batch of the next. */
void trainer_roll_over(struct trainer *trainer);
/* ... evaluates, reports, rolls over into the next, saves. */
enum progress trainer_end_epoch(struct trainer *trainer);
/* Behind the last step. */
enum progress trainer_finish(struct trainer *trainer);
/* Measures what a record was made of, at its place; RUN_AGAIN where it is not finite. */
enum progress trainer_measure_again(struct trainer *trainer, const struct epoch_record *recorded,
                                    struct epoch_record *record);
enum progress trainer_evaluate_now(struct trainer *trainer, long waited, struct epoch_record *record);
enum progress trainer_checkpoint(struct trainer *trainer, bool best);

/* trainer_trial.c: COMMAND_TRY and COMMAND_LR_FIND; the choice of what was tried. */
enum progress trainer_try(struct trainer *trainer, struct command_record *record);
enum progress trainer_accept(struct trainer *trainer, struct command_record *record);
enum progress trainer_drop(struct trainer *trainer, struct command_record *record);

/* Applies what waits in the queue; while paused, waits for more. */
enum progress trainer_apply_commands(struct trainer *trainer);
/* Records the commands that still wait when the run has ended as too late; RUN_ENDED or RUN_FAILED. */
enum progress trainer_refuse_commands(struct trainer *trainer);
struct command_record trainer_too_late(const struct trainer *trainer, const struct command *command);
int trainer_report_command(struct trainer *trainer, const struct command_record *record);
/* The end that a person asked for: saves, records. */
enum progress trainer_stop(struct trainer *trainer);

#endif
