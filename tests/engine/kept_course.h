/* A run that tests go back in, paused wherever nothing else is said, and what it must come to in the end. */
#ifndef NFBENCH_TESTS_ENGINE_KEPT_COURSE_H
#define NFBENCH_TESTS_ENGINE_KEPT_COURSE_H

#include "tests/engine/tiny_run.h"

/* Three epochs with augmented images, a schedule, clipping. */
void course_init(struct tiny_run *run);
void course_start(struct tiny_run *run);
void course_go_to(struct tiny_run *run, long step);
/* Waits until a command has been done and the snapshot shows it, and returns its record. */
struct command_record course_command(struct tiny_run *run, enum command_kind kind, double value, long count);
void course_finish(struct tiny_run *run);
/* A run without anything undone: `rate` from a step on, 0: none. */
void course_reference(struct tiny_run *run, long step, double rate);
void course_assert_same(const struct tiny_run *run, const struct tiny_run *reference);

/* A run whose only checkpoint to go back to is its first; the other goes to step 22, over the end of an epoch, with a
 * rate at 4 that stays in force at step 11, and one at 19 that does not. */
void course_init_to_22(struct tiny_run *run);
void course_change_at_4_and_19(struct tiny_run *run);
/* For a sink's saved_step: there is none. */
long course_no_checkpoint(void *context, long limit);

#endif
