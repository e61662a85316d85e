/* A log of a session in memory, line by line. One bad byte costs one line: where it stands in place of a newline, the
 * two lines around it are found all the same, and where it became one, the halves are one damaged line. */
#ifndef NFBENCH_SESSIONS_LOG_LINES_H
#define NFBENCH_SESSIONS_LOG_LINES_H

#include "base/error.h"

#include <stddef.h>

struct log_lines {
    char *data, *next, *end;
};

/* An absent file is empty. Free lines->data. */
int log_lines_load(const char *path, struct log_lines *lines, struct error *error);

/* The next line without what ends it, one byte; NULL at the end. A last line without a newline is still being written:
 * lines->next stands before it then. */
const char *log_lines_next(struct log_lines *lines, size_t *length);

#endif
