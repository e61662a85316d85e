/* States of a run kept in host memory: all that it takes to go on from there to the bit. The trainer keeps one before
 * each command that changes the run (for `back`), one at each good checkpoint (for rollbacks), and one while it makes
 * steps that are not the run's own (trainer_rehearse). Taking one reads the parameters, nothing else: the run goes on
 * to the bit as without it. Internal to the trainer; on its thread, with no step in flight. */
#ifndef NFBENCH_ENGINE_KEPT_STATE_H
#define NFBENCH_ENGINE_KEPT_STATE_H

#include "engine/divergence.h"
#include "engine/trainer.h"

/* Zeroed it holds nothing. Of its bytes nearly all are the parameters: value and momentum, 8 bytes a parameter, and 4
 * more each for the average with --ema and the slow weight with --lookahead. */
struct kept_state {
    struct training_state state;
    struct snapshot now; /* its newest step and epoch, and what it said of a divergence */
    struct loss_history losses;
    struct health_watch health;
    bool measured, stuck;
    int skipped;
    float *parameters; /* network_state_floats; NULL: nothing is kept */
};

/* Copies the run's state into `kept`, over what was there. 0; 1 when there is no memory for it (`kept` then holds
 * nothing); -1 with the trainer's failure when the device does not answer. */
int kept_state_take(struct trainer *trainer, struct kept_state *kept);
/* The run stands at that state again: parameters (unless there are none here: then the network has them), histories,
 * place in the data. Whoever calls it tells the viewer and the sink. -1 with the trainer's failure. */
int kept_state_put_back(struct trainer *trainer, const struct kept_state *kept);
void kept_state_free(struct kept_state *kept);

/* The states before the last commands that changed the run, the newest last: at most KEPT_STATES, and no more than fit
 * into KEPT_BYTES, but always room for two. (The preset `micro` takes 3 MB each, `large` 115 MB.) */
enum { KEPT_STATES = 8, KEPT_SLOTS = KEPT_STATES + 1, KEPT_BYTES = 1 << 30 };

struct kept_command {
    struct kept_state before;
    struct command command;
};
struct kept_ring {
    struct kept_command kept[KEPT_SLOTS]; /* one more, until a command that may be refused is done */
    int first, count;
};

/* Keeps the state before `command`; when that is done kept_ring_trim follows, or kept_ring_pop. The same results as
 * kept_state_take; without memory all that was kept is gone, since `back` must not pass over a command. */
int kept_ring_push(struct trainer *trainer, struct kept_ring *ring, const struct command *command);
/* Forgets the oldest where there is no room for all. */
void kept_ring_trim(const struct trainer *trainer, struct kept_ring *ring);
/* The newest; NULL when nothing is kept. */
const struct kept_command *kept_ring_top(const struct kept_ring *ring);
/* Forgets the newest. Its memory is used again. */
void kept_ring_pop(struct kept_ring *ring);
/* Forgets those behind a state, and those at its step whose command is not part of it. */
void kept_ring_cut(struct kept_ring *ring, const struct training_state *state);
/* The newest that is not behind `step`, of several at the step itself the oldest; NULL when there is none. */
const struct kept_command *kept_ring_find(const struct kept_ring *ring, long step);
void kept_ring_free(struct kept_ring *ring);

#endif
