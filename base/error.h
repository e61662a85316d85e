/* The one way a failure travels: a function that can fail returns 0, or -1 with a message in its `struct error`.
 * It sits below every other folder, so that all of them can report alike. */
#ifndef NFBENCH_BASE_ERROR_H
#define NFBENCH_BASE_ERROR_H

#include <stdbool.h>

struct error {
    char message[512]; /* one line that a user can act on, without a newline; empty while nothing failed */
};

/* Writes the message (printf style, cut to fit) and returns -1, so that a failing function can `return error_set(...)`.
 * `error` may be NULL when the caller does not care for the text. */
int error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "PREFIX: " before the message that is already there, and returns -1. */
int error_prefix(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
