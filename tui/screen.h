/* Puts a canvas of cells on the terminal by ncurses, in as many colours as it has, redrawing only what changed. One
 * thread; between terminal_open and terminal_close. */
#ifndef NFBENCH_TUI_SCREEN_H
#define NFBENCH_TUI_SCREEN_H

#include "viz/theme.h"

#include <stdbool.h>

/* Finds out what the terminal can do (TERM, COLORTERM, NO_COLOR, the locale's character set) and opens the screen. */
int screen_open(struct error *error);
/* Leaves the screen; the terminal shows what it showed before. Idempotent. */
void screen_close(void);

/* What to draw on, as large as the terminal; another one after screen_fit or screen_set_glyphs. */
struct canvas *screen_canvas(void);
/* Shows what is on the canvas. The cursor is hidden when its row is below 0. */
void screen_show(int cursor_row, int cursor_column);

/* Takes the terminal's present size. */
int screen_fit(struct error *error);
/* Everything is drawn again by the next screen_show, whatever the terminal shows by now. */
void screen_redraw(void);

const struct theme *screen_theme(void);
int screen_set_theme(const struct theme *theme, struct error *error);
int screen_set_glyphs(enum glyph_set glyphs, struct error *error);

/* Has the terminal report clicks and the wheel (it does from the start, where it can); off, it selects text with them.
 */
int screen_set_mouse(bool on, struct error *error);

/* For a stop: gives the terminal to the shell, and takes it back. */
void screen_leave(void);
int screen_return(struct error *error);

#endif
