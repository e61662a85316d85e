/* Drives the real nfbench on a pseudo-terminal of its own, whose bytes libvterm makes a screen of: what a person would
 * see, cell by cell. Quicker than tmux, counts bytes, and knows the terminal's modes. One program at a time. */
#ifndef NFBENCH_TESTS_TERMINAL_PTY_H
#define NFBENCH_TESTS_TERMINAL_PTY_H

#include "viz/canvas.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* How long any of these waits for what must come, however slow the machine is. */
enum { PTY_PATIENCE_MS = 300000 };

/* A folder for the program, where it runs; removed behind the tests. */
int pty_set_up(void **state);
int pty_tear_down(void **state);
/* FOLDER/NAME, static. */
const char *pty_path(const char *name);

/* From the next start on: how many pixels a cell has, 0: the terminal does not say; and who sees all that the program
 * writes before the screen does, and returns how much of it the screen gets. Both until they are set again. */
void pty_set_pixels(int width, int height);
void pty_set_filter(size_t (*filter)(char *bytes, size_t count));

/* Starts nfbench in so many cells, with more of the environment ("NO_COLOR=1 TERM=vt100", may be empty) and these
 * arguments, both separated by blanks. Sessions lie in FOLDER/sessions. */
void pty_start(int columns, int rows, const char *environment, const char *arguments);
/* Ends whatever runs, and the terminal. */
void pty_end(void);
pid_t pty_pid(void);
/* Closes the terminal, as a lost line does; the program gets SIGHUP. */
void pty_hang_up(void);

void pty_send(const char *bytes, size_t count);
void pty_keys(const char *keys);       /* up to the 0 byte */
void pty_command(const char *command); /* ":", the text, Enter */
void pty_click(int row, int column);   /* of the left button, as the terminal reports it; nothing where it does not */
void pty_wheel(int row, int column, bool up);
void pty_resize(int columns, int rows);

/* Rows of the screen, each without the blanks at its end, a newline behind each; valid until the next call. */
const char *pty_text(void);
/* One row, padded to the screen's width. */
const char *pty_row(int row);
/* The first place of the words; false when they are not there. Columns count cells. */
bool pty_find(const char *words, int *row, int *column);
/* Waits for a state; fails the test, and shows the screen, when it does not come. */
void pty_wait(const char *words);
void pty_wait_gone(const char *words);
/* Takes what the program writes, waiting so long for it; false when nothing came. */
bool pty_take(int milliseconds);
/* The same until nothing has come for so long and the screen waits for something to happen: for an Escape, which the
 * program tells from the start of a longer key by what follows, and for the rest of a frame. */
void pty_take_until_quiet(int milliseconds);
/* Waits until all keys so far have had their effect and the screen shows it: a key that does nothing has its word in
 * the last row, and another takes that away. No overlay may be open, and the command line may not have the focus. */
void pty_settle(void);
/* Takes what the program writes until it has ended; its status as waitpid has it. */
int pty_status(void);
bool pty_runs(void);

/* Bytes that the program has written to the terminal so far. */
long pty_bytes(void);
/* The modes of the terminal: the other screen, the cursor's sight, the mouse's reports (0: none). */
struct pty_modes {
    bool other_screen, cursor;
    int mouse;
};
struct pty_modes pty_modes(void);
/* The line's settings are those of before the start. */
bool pty_line_restored(void);
/* A read of the line waits for a key. */
bool pty_line_waits(void);
/* The screen in colours, as cells of a canvas that the caller destroys. */
struct canvas *pty_canvas(void);
/* Milliseconds on the monotonic clock. */
long pty_now(void);

#endif
