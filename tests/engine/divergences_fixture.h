/* What the tests of divergences share: a tiny run that breaks at a step, and how it is compared with one that did not.
 */
#ifndef NFBENCH_TESTS_ENGINE_DIVERGENCES_FIXTURE_H
#define NFBENCH_TESTS_ENGINE_DIVERGENCES_FIXTURE_H

#include "tests/engine/tiny_run.h"

enum { BROKEN = 5 }; /* the step that is not finite; checkpoints at 0, 4 and the epoch's end */

extern bool diverging_spoilt; /* it was broken already */

/* A constant rate and no averages, so that nothing but the state decides a step; on a GPU no step is in flight when the
 * bias is spoilt, since a checkpoint is due there. */
void diverging_init(struct tiny_run *run, enum divergence_policy policy);
/* For tiny_run's `saved`. Behind the checkpoint before the head's bias makes the next loss overflow, once; the other
 * makes step 4's loss twenty times as large before that, though finite. */
void diverging_spoil_once(struct tiny_run *run, long step);
void diverging_hurry(struct tiny_run *run, long step);
/* Trains to the end, which is a good one. */
void diverging_finish(struct tiny_run *run);
/* Trains on from a checkpoint without anything that breaks. */
void diverging_train_from(struct tiny_run *run, const struct tiny_checkpoint *from);
const struct tiny_checkpoint *diverging_checkpoint(const struct tiny_run *run, long step);
/* The steps of `run` from `first` on are all of `reference`, which began before them. */
void diverging_assert_same_steps(const struct tiny_run *run, long first, const struct tiny_run *reference);

/* The groups of tests, a file each. */
int divergences_rollback(void);
int divergences_continue(void);
int divergences_pause(void);

#endif
