/* A text that is put together piece by piece in memory of the caller's; what does not fit is cut. */
#ifndef NFBENCH_BASE_LINE_H
#define NFBENCH_BASE_LINE_H

#include <stddef.h>

struct line {
    char *text;
    size_t size, used; /* size: with the terminating zero; above 0 */
};

/* An empty line in `text`. */
struct line line_begin(char *text, size_t size);
void line_add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
