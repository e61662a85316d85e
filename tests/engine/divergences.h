/* What a run does at a step that is not finite, on whatever back end: the same tests for the CPU and the GPU. */
#ifndef NFBENCH_TESTS_ENGINE_DIVERGENCES_H
#define NFBENCH_TESTS_ENGINE_DIVERGENCES_H

#include "tests/engine/tiny_run.h"

/* Run as a group between tiny_open and tiny_close; 0 when all pass. */
int divergences_run(void);

#endif
