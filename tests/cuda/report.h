/* Looks on while the emulated GPU finds a fault: the fault ends the process, so it happens in a child. */
#ifndef NFBENCH_TESTS_CUDA_REPORT_H
#define NFBENCH_TESTS_CUDA_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Runs `body` in a child process. Returns true when it came to its end; else `text` has what it said on standard error
 * before it was ended. */
bool report_survives(void (*body)(void *data), void *data, char *text, size_t size);

/* Fails unless the child is ended by a report with each of `words`, a list that ends with NULL. */
void report_expect(void (*body)(void *data), void *data, const char *const *words);
#define EXPECT_REPORT(body, data, ...)                                                                                 \
    do {                                                                                                               \
        const char *const words_[] = {__VA_ARGS__, NULL};                                                              \
        report_expect(body, data, words_);                                                                             \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
