/* A run small enough for tests: a real network of one narrow block on a few synthetic images, with a sink that keeps
 * all that it is told and a copy of each checkpoint. */
#ifndef NFBENCH_TESTS_ENGINE_TINY_RUN_H
#define NFBENCH_TESTS_ENGINE_TINY_RUN_H

#include "engine/trainer.h"

enum {
    TINY_TRAIN = 60, /* images: an epoch is seven batches of 8 and one of 4 */
    TINY_EPOCH = 8,  /* steps */
    TINY_HELD_OUT = 40,
    TINY_MAX_STEPS = 64,
    TINY_MAX_RECORDS = 64,
    TINY_PATIENCE = 300000 /* milliseconds that something is waited for, where a machine is very busy */
};

struct tiny_checkpoint {
    struct training_state state;
    bool best;
    long commands;     /* recorded until then */
    float *parameters; /* all values, momenta and averages, one after the other */
};

struct tiny_run {
    struct model_spec spec;
    struct train_options options; /* 2 epochs, 40 images held out, EMA, label smoothing, onecycle, no probes */
    struct network *network;
    struct trainer *trainer;
    struct trainer_sink sink;

    struct step_record steps[TINY_MAX_STEPS];
    struct epoch_record epochs[TINY_MAX_RECORDS];
    struct command_record commands[TINY_MAX_RECORDS];
    struct tiny_checkpoint checkpoints[TINY_MAX_STEPS];
    struct probe *probes[TINY_MAX_STEPS];
    bool command_void[TINY_MAX_RECORDS], epoch_void[TINY_MAX_RECORDS]; /* of those: the run has gone back behind them */
    int step_count, epoch_count, command_count, checkpoint_count, probe_count;
    char diagnosis[512];
    long diverged_step;
    struct finding findings[TINY_MAX_RECORDS];
    long rollbacks[TINY_MAX_RECORDS]; /* the steps it went back to */
    int finding_count, rollback_count;

    long stop_at;                                   /* on_step asks for a stop behind this step; 0: never */
    long spoil_at;                                  /* on_step makes a momentum infinite behind this step; 0: never */
    bool refuse_saves;                              /* on_checkpoint fails */
    void (*saved)(struct tiny_run *run, long step); /* called behind on_checkpoint; may be NULL */
    void (*probed)(struct tiny_run *run, const struct probe *probe);       /* called in on_probe; may be NULL */
    void (*found)(struct tiny_run *run, const struct finding *finding);    /* called in on_finding; may be NULL */
    void (*watch)(struct tiny_run *run, const struct step_record *record); /* called in on_step; may be NULL */
};

/* Opens the back end of all tiny runs: the CPU's with one thread, unless a test puts another here before tiny_open. */
extern int (*tiny_backend_open)(struct backend **out, struct error *error);

/* The data set and the back end of all tiny runs: group fixtures of cmocka. */
int tiny_open(void **state);
int tiny_close(void **state);
struct dataset *tiny_dataset(void);

/* Options and spec, to be changed by the test before tiny_create makes the rest. */
void tiny_init(struct tiny_run *run, const char *preset);
/* Network and trainer; `from` (may be NULL) is a checkpoint to go on from. */
void tiny_create(struct tiny_run *run, const struct tiny_checkpoint *from);
/* The same on a back end of the caller's. */
void tiny_create_on(struct tiny_run *run, struct backend *on, const struct tiny_checkpoint *from);
void tiny_free(struct tiny_run *run);

/* Waits for a state of the running thread, and the step that goes with it; fails the test after TINY_PATIENCE. */
void tiny_wait(struct tiny_run *run, enum trainer_state state, long step);
void tiny_command(struct tiny_run *run, enum command_kind kind, double value, long count);

/* Sets the first values (0: all) of a part of a parameter. */
void tiny_spoil(struct tiny_run *run, const char *name, enum parameter_part part, float value, size_t count);

/* Puts the checkpoint's parameters back into the network; the trainer must not be at work. */
void tiny_restore(struct tiny_run *run, const struct tiny_checkpoint *checkpoint);

const struct tiny_checkpoint *tiny_last(const struct tiny_run *run);
size_t tiny_parameter_floats(const struct tiny_run *run);
/* A part of all parameters, one behind the other, into `out` (NULL: they are only counted); returns how many floats. */
size_t tiny_read_all(struct network *network, enum parameter_part part, float *out);
/* Both runs came to the same bits: parameters and state of the last checkpoint, clocks apart. */
void tiny_assert_same_end(const struct tiny_run *a, const struct tiny_run *b);

#endif
