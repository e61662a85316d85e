/* States kept in memory, rehearsals and going back, on whatever back end: the same tests for the CPU and the GPU. */
#ifndef NFBENCH_TESTS_ENGINE_KEPT_STATES_H
#define NFBENCH_TESTS_ENGINE_KEPT_STATES_H

#include "tests/engine/tiny_run.h"

/* Run as a group between tiny_open and tiny_close; 0 when all pass. Brief: a few that show it all, for a slow device.
 */
int kept_states_run(void);
int kept_back_run(bool brief);
int kept_refused_run(void);

#endif
