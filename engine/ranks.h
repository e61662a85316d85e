/* A run on several ranks (dist.h): rank 0 has the trainer, its commands, its clock, its files and its people; the
 * others follow. Rank 0 says each step and each evaluation to them, and sends its weights along whenever something
 * other than a step has changed them (a checkpoint loaded, a way back, a trial), so all of that is the same on any
 * number of ranks. Here are rank 0's words, and what both sides do of them; the others' part is follow.c. */
#ifndef NFBENCH_ENGINE_RANKS_H
#define NFBENCH_ENGINE_RANKS_H

#include "engine/dist.h"
#include "engine/trainer_internal.h"

#include <limits.h>

enum order_kind {
    ORDER_RUN, /* a run begins */
    ORDER_STEP,
    ORDER_EVALUATE,
    ORDER_BATCH, /* another batch, or whether there is room for one */
    ORDER_END,   /* of the run */
    ORDER_LEAVE  /* no other will begin */
};

/* What a run is made of, as rank 0 has it. */
struct run_order {
    struct model_spec spec;
    struct network_options network;
    struct train_options train;
    char data[PATH_MAX];
};

struct step_order {
    struct train_options options; /* in force */
    uint32_t epoch, number;       /* of the batch */
    int flights;                  /* steps in flight before it */
    struct step_options step;
    struct optimizer_options update;
};

struct batch_order {
    int batch;
    bool change; /* else it is only asked for */
};

struct order {
    enum order_kind kind;
    bool state; /* rank 0's weights follow */
    union {
        struct step_order step;
        struct evaluation_options evaluate; /* its pointers are rank 0's own */
        struct batch_order batch;
    };
};

/* Rank 0: a run begins, with the trainer's network and options; fails where a rank cannot take part or has other data
 * than this one. Must be ended. Collective. */
int ranks_begin(struct trainer *trainer, struct error *error);
void ranks_end(struct trainer *trainer);
/* Rank 0: says an order, and sends the weights where they were written. */
int ranks_say(struct trainer *trainer, struct order *order, struct error *error);

/* Rank 0, with no step in flight: goes over to another batch, or only asks whether there is room for it, on all ranks
 * or none. 0, NETWORK_BATCH_REFUSED with the rank that has no room and why, or -1 where the run cannot go on. Of a run
 * of one process it is asked alone. */
int ranks_batch(struct trainer *trainer, int batch, bool change, struct error *why);
/* Both sides: the order that it gives. Collective. */
int ranks_try_batch(struct trainer *trainer, const struct batch_order *order, struct error *why);
/* Both sides. Whether all ranks can take part: `mine` says why this one cannot, or is empty. Collective. */
int ranks_agree(const struct trainer *trainer, const struct error *mine, struct error *error);
/* The data set's images of an evaluation shared out over the ranks: loss, hits and accuracy as of evaluate() on rank 0,
 * whose options->progress decides for all. Nothing else that evaluate() can measure is taken. Collective. */
int ranks_evaluate(struct trainer *trainer, const struct evaluation_options *options, struct evaluation *out,
                   struct error *error);

#endif
