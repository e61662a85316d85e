/* The terminal as the process found it, and its way back there: saved before the screen opens and restored on every way
 * out, crashes included. Signals arrive here and become bytes of a pipe that the event loop polls. What anything writes
 * to standard output and error meanwhile is caught, for the screen's log. */
#ifndef NFBENCH_TUI_TERMINAL_H
#define NFBENCH_TUI_TERMINAL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* Takes over signals and standard output and error. The screen draws on terminal_stream(). */
int terminal_open(struct error *error);
/* Gives everything back; what was caught and not taken goes to standard error. Idempotent. */
void terminal_close(void);

FILE *terminal_stream(void);
/* Size in cells; false when the terminal does not say. */
bool terminal_size(int *rows, int *columns);

/* The bytes that make the terminal as it was (leave the alternate screen, show the cursor, ...) for a crash, when
 * nothing but write(2) may be used; copied, cut to fit. */
void terminal_set_farewell(const char *bytes, size_t count);
/* What is said behind the farewell after "nfbench crashed; " and, by an interrupt that leaves at once, after "nfbench
 * left at once, without saving; ": one line on how to go on. */
void terminal_set_last_words(const char *text);

int terminal_signal_fd(void); /* readable when a signal waits */
enum terminal_signal {
    TERMINAL_NOTHING,
    TERMINAL_CTRL_C, /* SIGINT from the keyboard */
    TERMINAL_END,    /* SIGTERM, or SIGINT by another process */
    TERMINAL_HANG_UP,
    TERMINAL_RESIZED,
    TERMINAL_STOP,     /* Ctrl-Z */
    TERMINAL_CONTINUED /* after a stop */
};
/* The next one; a burst of the same kind counts as one. */
enum terminal_signal terminal_next_signal(void);
/* From here on SIGINT and SIGTERM leave at once, even when the event loop no longer turns: terminal restored, exit
 * status 130. */
void terminal_leave_on_interrupt(void);

/* Stops the process as Ctrl-Z does, with the terminal as the shell wants it (the screen has left it already). Returns
 * when it is continued. */
void terminal_stop(void);
/* False while the shell has the terminal (after `bg`). */
bool terminal_is_ours(void);

/* What the terminal has sent, up to `size` bytes; 0: nothing now; -1: the terminal is gone. While the screen is open it
 * waits for nobody, whatever poll said: Ctrl-C throws away what had been typed before it. */
ssize_t terminal_read(void *bytes, size_t size);

int terminal_caught_fd(void); /* readable when something was written to standard output or error */
/* The next whole line of it; false when there is none. */
bool terminal_next_line(char *line, size_t size);

#endif
