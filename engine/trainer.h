/* The run: one thread that owns the network and goes through data, step, update, evaluation, checkpoint; commands reach
 * it through a queue and are applied between two steps. It knows no file and no screen: results leave by the sink
 * (called on the training thread) and by a ring that a viewer drains when it likes. */
#ifndef NFBENCH_ENGINE_TRAINER_H
#define NFBENCH_ENGINE_TRAINER_H

#include "engine/data.h"
#include "engine/network.h"
#include "engine/options.h"

enum trainer_state {
    TRAINER_STARTING,
    TRAINER_RUNNING,
    TRAINER_PAUSED,
    TRAINER_EVALUATING,
    TRAINER_SAVING,
    TRAINER_FINISHED, /* all epochs done */
    TRAINER_STOPPED,  /* asked to end */
    TRAINER_DIVERGED, /* loss or activations not finite: paused for good, the last checkpoint stays */
    TRAINER_FAILED    /* see the message */
};
const char *trainer_state_name(enum trainer_state state);

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
    double images_per_second; /* over the last second or so */
};

/* After an epoch, or an `eval` command. Accuracies are -1 when not measured. */
struct epoch_record {
    long step;
    int epoch;                        /* epochs completed */
    float train_loss, train_accuracy; /* means over the epoch */
    float validation_loss, validation_accuracy;
    float test_loss, test_accuracy;
    double seconds;
    bool best; /* by validation accuracy, else test accuracy */
};

enum command_kind {
    COMMAND_LEARNING_RATE,       /* value: the new peak rate */
    COMMAND_SCALE_LEARNING_RATE, /* value: factor */
    COMMAND_PAUSE,
    COMMAND_RESUME,
    COMMAND_STEP, /* count: run so many steps, then pause */
    COMMAND_EVALUATE,
    COMMAND_SAVE,
    COMMAND_STOP /* save and end */
};
struct command {
    enum command_kind kind;
    double value;
    long count;
    char text[120]; /* as the person wrote it, for the record */
};
struct command_record {
    long step; /* applied between this step and the next */
    struct command command;
    bool ok;
    char outcome[160]; /* "lr 0.1 -> 0.01" */
};

/* What a checkpoint must hold beside the parameters to go on to the bit. */
struct training_state {
    long step;
    int epoch;               /* from 0 */
    uint32_t batch_in_epoch; /* next batch */
    float learning_rate;     /* peak in force */
    double seconds;
    double epoch_loss_sum; /* running sums of the epoch so far */
    long epoch_correct, epoch_images;
    float best_accuracy; /* -1: none yet */
    long best_step;
    float last_loss;
};

/* All optional. A non-zero return fails the run with the error's message. Called on the training thread. */
struct trainer_sink {
    void *context;
    int (*on_step)(void *context, const struct step_record *record, struct error *error);
    int (*on_epoch)(void *context, const struct epoch_record *record, struct error *error);
    int (*on_command)(void *context, const struct command_record *record, struct error *error);
    /* Write the network's parameters and the state away; `best` when this is the best so far. */
    int (*on_checkpoint)(void *context, struct network *network, const struct training_state *state, bool best,
                         struct error *error);
    int (*on_divergence)(void *context, const char *diagnosis, long step, struct error *error);
};

/* The latest of everything, for a viewer. */
struct snapshot {
    enum trainer_state state;
    struct step_record step;   /* the newest; step.step == 0 before the first */
    struct epoch_record epoch; /* the newest; epoch.step == 0 before the first */
    long steps_total, steps_per_epoch;
    int epochs_total;
    float peak_learning_rate;
    double eta_seconds;            /* < 0: not known yet */
    int evaluated, evaluate_total; /* progress of an evaluation */
    long saved_step;               /* of the last checkpoint; 0: none */
    char message[512];             /* diagnosis or failure; else empty */
};

/* What leaves by the ring, in order. When a viewer sleeps and the ring is full, steps are merged (min, max, sum,
 * count), never lost; the others wait. */
enum event_kind { EVENT_STEPS, EVENT_EPOCH, EVENT_COMMAND, EVENT_MESSAGE };
struct step_summary {
    long first_step, last_step;
    int count, non_finite;
    float loss_min, loss_max;
    double loss_sum;
    double accuracy_sum;
    float learning_rate; /* last */
    double seconds;      /* last */
};
struct event {
    enum event_kind kind;
    union {
        struct step_summary steps;
        struct epoch_record epoch;
        struct command_record command;
        char message[256];
    };
};

struct trainer;

/* `start` resumes from a state whose parameters were already written into the network; NULL starts anew. The data set
 * and network must outlive the trainer. The sink is copied. */
int trainer_create(struct network *network, const struct dataset *dataset, const struct train_options *options,
                   const struct training_state *start, const struct trainer_sink *sink, struct trainer **out,
                   struct error *error);
void trainer_destroy(struct trainer *trainer); /* ends the thread first, without saving */

/* Trains on a thread of its own, or here (returns when the run has ended). `trainer_start` may begin paused. */
int trainer_start(struct trainer *trainer, bool paused, struct error *error);
int trainer_run(struct trainer *trainer, struct error *error);
/* Waits for the thread's end; -1 and the message when the run failed or diverged. */
int trainer_join(struct trainer *trainer, struct error *error);

/* From any one other thread. Returns -1 when 64 commands wait already. Never blocks. */
int trainer_command(struct trainer *trainer, const struct command *command, struct error *error);
/* Asks for an end after the current step, with a checkpoint. Async-signal-safe. */
void trainer_request_stop(struct trainer *trainer);
/* Never blocks, never makes the trainer wait. */
void trainer_snapshot(struct trainer *trainer, struct snapshot *out);
/* Takes the oldest event; false when there is none. One viewer thread. */
bool trainer_next_event(struct trainer *trainer, struct event *out);

/* Accuracy and mean loss of the network on a part of the data, and the confusion counts (classes x classes, row =
 * truth) when not NULL; per-image mean as it comes, no augmentation. `progress` (may be NULL) is told after each batch
 * and ends the evaluation by a non-zero return. */
struct evaluation {
    double loss;
    double accuracy;
    long correct, count;
};
struct evaluation_options {
    enum split split;
    int first, count;
    int batch;
    enum normalize_kind normalize;
    struct channel_statistics statistics;
    bool use_ema;
    uint32_t *confusion;
    int (*progress)(void *context, int done, int total);
    void *context;
};
int evaluate(struct network *network, const struct dataset *dataset, const struct evaluation_options *options,
             struct evaluation *out, struct error *error);

#endif
