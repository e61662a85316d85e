/* Why a run left the finite range, in words: which block went first, how the loss had been going, what to try. */
#ifndef NFBENCH_ENGINE_DIVERGENCE_H
#define NFBENCH_ENGINE_DIVERGENCE_H

#include "engine/health.h"
#include "engine/network.h"

enum { LOSS_MEDIAN_WINDOW = 64, LOSS_RECENT = 16 };

/* The losses of the last steps, kept to tell when a run began to go wrong. */
struct loss_history {
    float recent[LOSS_RECENT];                                    /* the loss of step s at s % LOSS_RECENT */
    long first_step, last_step;                                   /* seen so far; 0: none */
    float window[LOSS_MEDIAN_WINDOW], sorted[LOSS_MEDIAN_WINDOW]; /* losses of the median, by age and by size */
    int count;
    int oldest;
    long explosion_step; /* since when the loss has stood above 10 x the median of the steps before; 0: it does not */
};

/* A zeroed history is empty. `loss` is finite, `step` grows by one. */
void loss_history_add(struct loss_history *history, long step, float loss);

/* The last loss is no more than twice the median: a state worth coming back to. True of an empty history. */
bool loss_history_is_calm(const struct loss_history *history);

enum divergence_cause {
    DIVERGED_LOSS,       /* the training step's loss or logits */
    DIVERGED_GRADIENT,   /* loss finite, some gradient not */
    DIVERGED_PARAMETER,  /* found on the way to a checkpoint */
    DIVERGED_EVALUATION, /* the loss on the validation or test images */
};

struct divergence_case {
    enum divergence_cause cause;
    long step; /* the step that was not completed, or after which it was found */
    float learning_rate;
    float peak;
    float agc;
    const float *images; /* (n, 32, 32, 3): what to look for the block with */
    int n;
    const struct loss_history *history;
    const struct health_watch *watch; /* what the probes have shown; NULL: there were none */
    long good_step;                   /* the checkpoint that `back` goes to; -1: none */
};

/* Writes the diagnosis, one line. -1 when the network fails to answer. */
int divergence_explain(struct network *network, const struct divergence_case *what, char *out, size_t size,
                       struct error *error);

/* The parameter with a value that is not finite among all of a part: the first in the order of the forward pass for
 * values, momenta and averages, the last for gradients, where the backward pass met it first. *out is NULL when all are
 * finite. `scratch` holds the largest parameter. */
int parameter_find_non_finite(struct network *network, enum parameter_part part, float *scratch,
                              const struct parameter **out, struct error *error);
/* Whether there is such a part: buffers have no momentum, and averages may be off. */
bool parameter_has_part(const struct parameter *parameter, enum parameter_part part);
/* Floats of the largest parameter. */
size_t parameter_largest(const struct network *network);

/* The step that such words name, which could not be done; 0: they name none. */
long divergence_step(const char *words);

#endif
