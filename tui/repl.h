/* The command line: GNU readline driven by its callbacks, so that it edits, remembers and completes inside the screen
 * without ever touching the terminal itself. There is one, since readline is one to a process. Open it before the
 * screen: readline looks up the terminal's keys, and curses must have the last word. */
#ifndef NFBENCH_TUI_REPL_H
#define NFBENCH_TUI_REPL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* A line was entered (never blank). Called from repl_feed, when the line is in the history. False when it was not
 * understood: it stays there to be edited, unless a colon is the next key, which begins another line. */
typedef bool repl_line_function(void *context, const char *line);

/* `history` is the file that lines are remembered in, its folders made when absent; NULL: nothing is kept. When it
 * cannot be used the line still works, and `note` (size bytes, else empty) says why. */
int repl_open(const char *history, repl_line_function *on_line, void *context, char *note, size_t size,
              struct error *error);
void repl_close(void);

/* Gives readline bytes from the terminal. Returns false when the person asked to leave the line (end of file on an
 * empty one: Ctrl-D). */
bool repl_feed(const unsigned char *bytes, size_t count);
/* Replaces what is being edited. */
void repl_set_text(const char *text);
const char *repl_text(void); /* UTF-8, valid until the next call */
/* An incremental search or a number for a command is being typed. */
bool repl_busy(void);
/* True when Escape means something to the line: in vi mode, and at the end of an incremental search. (One that is typed
 * as a whole would take it for a character.) */
bool repl_wants_escape(void);

/* What to draw in so many columns: prompt, the part of the line around the cursor, the cursor's column. */
struct repl_view {
    char prompt[128];
    char text[1024];
    int prompt_columns, cursor; /* cursor: column from the left edge, prompt included */
    bool cut_left, cut_right;   /* something is hidden there */
};
void repl_look(int columns, struct repl_view *view);

/* Possible completions that the last key asked to see; count 0 when there is no list. Valid until the next feed. */
char *const *repl_matches(int *count);

/* $XDG_STATE_HOME/nfbench/history, by default under ~/.local/state; -1 when neither is known. */
int repl_history_path(char *path, size_t size);

#endif
