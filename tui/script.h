/* Files of commands: one a line; blank lines and those that begin with # are passed over. */
#ifndef NFBENCH_TUI_SCRIPT_H
#define NFBENCH_TUI_SCRIPT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>

/* The questions are those of one file that is run without a screen, where they are answered behind its commands. */
enum { SCRIPT_LINE_SIZE = 512, SCRIPT_DEPTH = 8, SCRIPT_QUESTIONS = 16 };

/* Does a line's command; `source` may run another file, with the same depth. */
typedef int script_line(void *context, const char *line, struct error *error);

/* A file of commands, to be closed by the caller; "~/" at the front is the home folder. NULL and the error when it
 * cannot be read. */
FILE *script_open(const char *path, struct error *error);

/* Hands each line that holds a command to `run`, and stops at the first that fails: the error names file and line.
 * `depth`: files that are being run now, of which there may be SCRIPT_DEPTH, so that none runs itself for ever. */
int script_run(const char *path, int *depth, script_line *run, void *context, struct error *error);

/* Whether each line of a file, and of those that it runs, is understood, and a run has room for all of them before its
 * first step, without doing it. `screen`: there is one, and what only a screen does is understood, too. */
int script_check(const char *path, bool screen, struct error *error);

/* The line without the blanks around it; false when it holds no command. Cuts `line`. */
bool script_trim(char **line);

#endif
