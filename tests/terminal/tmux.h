/* Drives the real nfbench in a real terminal (tmux): starts it from a shell, sends keys, reads the screen. Waiting
 * means polling for a state; nothing sleeps and hopes. */
#ifndef NFBENCH_TESTS_TERMINAL_TMUX_H
#define NFBENCH_TESTS_TERMINAL_TMUX_H

#include <stdbool.h>

/* A tiny network on the built-in images: many steps a second, and more of them than a test takes. */
#define TINY                                                                                                           \
    "--data synthetic --stem 8 --stages 16/8x1 --limit 2000 --validation 200 --batch 8 --threads 1 --precision fp32 "  \
    "--epochs 400 --lr 0.02 --schedule constant "

/* A folder and a tmux server for the program; the set-up skips all tests when there is no tmux. */
int tmux_set_up(void **state);
int tmux_tear_down(void **state);

/* A shell in a new terminal of so many cells, and in it nfbench, with more of the environment ("NO_COLOR=1", may be
 * empty) and these arguments. */
void screen_start(int columns, int rows, const char *environment, const char *arguments);
/* Ends whatever runs, and the terminal. */
void screen_end(void);

/* The teardown of a test: screen_end. */
int screen_tear_down(void **state);
/* Presses q; nfbench must end well. */
void screen_leave(void);
/* Waits until the header says that the run is paused (the log says so before it is), and all of the screen shows it. No
 * overlay may be open, and the command line may not have the focus. */
void wait_for_pause(void);
/* Presses space, and waits for the pause. */
void screen_pause(void);

/* In tmux's words ("Enter", "C-c", "Escape"); `screen_type` takes the text as it is. */
void screen_key(const char *key);
void screen_type(const char *text);
/* ":", the text, Enter. */
void screen_command(const char *text);
void screen_resize(int columns, int rows);

/* What is on the screen; `raw` with colours. Valid until the next call. */
const char *screen_text(void);
const char *screen_raw(void);
/* Polls until the screen shows the words; fails the test, and shows the screen, when it does not. */
void wait_for(const char *words);
/* ... in this row, from 1 on. */
void wait_for_in_row(int row, const char *words);
void wait_until_gone(const char *words);
/* Like wait_for, but the words may have scrolled off since: behind a crash a sanitizer writes more than a screen. */
void wait_for_said(const char *words);
/* All is in ASCII, and all but the question mark of the help, which comes, has a likeness there. */
void wait_for_ascii(void);
/* Polls until the step in the header satisfies it; returns it. While it trains a number may be read half written. */
long wait_for_step_above(long step);
/* ... and is the one at which the run has paused behind a `step`. */
void wait_for_pause_at(long step);
/* The step in the header; -1 when there is none. Of a screen that stands still: see wait_for_pause, screen_settle. */
long screen_step(void);
/* Waits until all keys so far have had their effect and the screen shows it whole: a key that does nothing has its word
 * in the last row. No overlay may be open, and the command line may not have the focus. */
void screen_settle(void);
/* From here on what nfbench writes to the terminal also goes to FOLDER/NAME. */
void screen_pipe(const char *name);
/* The paused screen comes to rest, and then sends its terminal nothing for two seconds. Once in a folder. */
void screen_stays_quiet(void);
/* Polls until a format of tmux ("#{alternate_on}") is this. */
void wait_for_format(const char *format, const char *words);

/* After nfbench has ended: its exit status, as the shell saw it; waits for it. */
int screen_status(void);
/* The process id of nfbench. */
int screen_pid(void);
/* Fails the test unless the terminal is as it was before: modes, main screen, visible cursor. */
void assert_terminal_restored(void);

/* Milliseconds on the monotonic clock. */
long clock_ms(void);
/* FOLDER/NAME, static. */
const char *screen_path(const char *name);

#endif
