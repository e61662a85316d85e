/* Aligned text tables for the terminal's subcommands: cells are gathered row by row, widths follow from them. */
#ifndef NFBENCH_TUI_CLI_TABLE_H
#define NFBENCH_TUI_CLI_TABLE_H

#include "base/error.h"

#include <stdio.h>

struct table;

/* `columns`: one letter a column, 'l' or 'r' aligned; 'L' or 'R': left out where a terminal has no room for it, the
 * last such column first, and never the first of all. NULL when memory is out; every call below takes NULL. */
struct table *table_create(const char *columns);
void table_destroy(struct table *table);

/* The next cell, from left to right; a full row is followed by the next one. */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes the rows with two blanks between columns, none at a line's end. -1 when memory ran out on the way. What
 * happened to the stream is for its owner to ask. */
int table_print(const struct table *table, FILE *stream, struct error *error);

/* The same within so many columns of a terminal (0: any number): columns that do not all fit beside the first are
 * printed in groups below each other, each with the first; a cell that is still too wide ends in "..". */
int table_print_within(const struct table *table, int columns, FILE *stream, struct error *error);

#endif
