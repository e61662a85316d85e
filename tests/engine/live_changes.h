/* Settings that change while a run trains, and commands that wait: to the bit what a run is that was begun with them at
 * that step, and through a resume at any other; undone in their order; at just the step that was said. On the CPU and
 * on the emulated GPU, where steps are in flight. */
#ifndef NFBENCH_TESTS_ENGINE_LIVE_CHANGES_H
#define NFBENCH_TESTS_ENGINE_LIVE_CHANGES_H

#include <stdbool.h>

/* Runs all of them, or those where the GPU has a way of its own, on the back end of tiny_backend_open; what main
 * returns. */
int live_changes_run(bool brief);

#endif
