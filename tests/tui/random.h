/* Numbers for tests that write nonsense: the same in each run of a program. */
#ifndef NFBENCH_TESTS_TUI_RANDOM_H
#define NFBENCH_TESTS_TUI_RANDOM_H

#include <stdint.h>

uint32_t next_random(void);

#endif
