/* Looks into a run's network, on the back end that tiny_backend_open opens. */
#ifndef NFBENCH_TESTS_ENGINE_LOOKS_H
#define NFBENCH_TESTS_ENGINE_LOOKS_H

int looks_run(void); /* as main returns */

#endif
