/* The way from a state of a run over its recorded steps (trainer_again.c), and those who go it: `back` to a step, which
 * calls it off where it is not what it was, and a replay (trainer_replay.c), which measures and tells. Internal to the
 * trainer. */
#ifndef NFBENCH_ENGINE_AGAIN_H
#define NFBENCH_ENGINE_AGAIN_H

#include "engine/trainer_internal.h"

enum { UNDONE_NAMED = 2 };

struct again {
    struct trainer *trainer;
    struct past past;
    long from, until;
    int compared; /* of past.steps, up to the last step made */
    bool compared_any;
    int commands;     /* of past.commands, done again */
    int epochs;       /* of past.epochs, whose results the state has */
    bool anew;        /* from the network's initialisation */
    long other;       /* the first step whose loss is not the recorded one; 0: all are */
    int undone_count; /* commands that waited for the step `until` itself; the first of them by name: */
    char undone[64 * UNDONE_NAMED];

    struct replay *replay; /* what was recorded of steps and epochs is compared there; NULL: losses alone are, here */
    bool goes_on;          /* ... beyond the first difference */
};

/* Makes the steps up to `until`, with nothing in flight. RUN_ON there, or with an error in `why`; RUN_INTERRUPTED where
 * it was called off or a difference ends it; RUN_AGAIN at a step that is not finite. */
enum progress again_walk(struct again *again, struct error *why);

/* trainer_replay.c: a step that was made, and what was recorded of it (NULL: nothing); true ends the way. */
bool replay_step(struct again *again, const struct step_record *made, const struct step_record *recorded);
/* A step that is not finite, and what was recorded of it. */
bool replay_lost_step(struct again *again, long step, const struct step_record *recorded);
/* Measures what a record was made of, here where the run stands. */
enum progress replay_epoch(struct again *again, const struct epoch_record *recorded);

#endif
