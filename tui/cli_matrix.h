/* The confusion matrix as text: a row a class, a column for each class that it was taken for. */
#ifndef NFBENCH_TUI_CLI_MATRIX_H
#define NFBENCH_TUI_CLI_MATRIX_H

#include "base/error.h"

#include <stdint.h>
#include <stdio.h>

enum { MATRIX_MOST_CLASSES = 20 };

/* `confusion`: (classes, classes), row: truth; at most MATRIX_MOST_CLASSES. Names stand over the columns, cut to what
 * `columns` of a terminal have room for (0: any number); numbers, which the rows' names then have before them, where
 * they could not be told apart. -1 when memory is out. */
int matrix_print(const char *const *names, const uint32_t *confusion, int classes, int columns, FILE *stream,
                 struct error *error);

#endif
