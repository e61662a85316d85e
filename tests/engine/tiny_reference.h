/* The uninterrupted tiny run that others are compared with. */
#ifndef NFBENCH_TESTS_ENGINE_TINY_REFERENCE_H
#define NFBENCH_TESTS_ENGINE_TINY_REFERENCE_H

#include "tests/engine/tiny_run.h"

/* Makes the rest of a run that tiny_init began, and trains it to its end. */
void tiny_run_to_end(struct tiny_run *run, const struct tiny_checkpoint *from);

/* Preset micro with a checkpoint at each step; made when it is first asked for. */
struct tiny_run *tiny_reference(void);
/* In place of tiny_close as the group's teardown: frees it, too. */
int tiny_close_reference(void **state);

/* The last steps of `a` are all of `b`'s, to the bit. */
void tiny_assert_same_steps(const struct tiny_run *a, const struct tiny_run *b);

#endif
