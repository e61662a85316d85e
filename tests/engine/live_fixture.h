/* What the tests of settings that change and of commands that wait share. */
#ifndef NFBENCH_TESTS_ENGINE_LIVE_FIXTURE_H
#define NFBENCH_TESTS_ENGINE_LIVE_FIXTURE_H

#include "tests/engine/tiny_run.h"

struct condition live_at(long step);
void live_ask(struct tiny_run *run, struct condition when, enum command_kind kind, double value);
void live_finish(struct tiny_run *run);
/* The first of its kind; fails the test where there is none. */
const struct command_record *live_record_of(const struct tiny_run *run, enum command_kind kind);

/* A group of tests, in a file of its own; brief as in live_changes_run. */
int live_waits(bool brief);

#endif
