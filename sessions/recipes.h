/* The recipes: settings files (recipes/NAME.ini in the source) that are part of the program, so that --config takes
 * them by name wherever it is installed. */
#ifndef NFBENCH_SESSIONS_RECIPES_H
#define NFBENCH_SESSIONS_RECIPES_H

#include <stddef.h>

/* The index-th recipe's name; NULL behind the last. */
const char *recipe_name(int index);
/* What it is for: the words of the file's first line, behind "; ", in a buffer that the next call uses again; NULL
 * behind the last. */
const char *recipe_summary(int index);
/* The file's text, zero-terminated, of *size bytes; NULL when there is none of that name. */
const char *recipe_text(const char *name, size_t *size);

#endif
