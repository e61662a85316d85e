/* Pixel graphics: which protocol the terminal speaks, and the pictures that stand on it. The terminal is asked once and
 * answers among the keys, or never; nothing waits for it: until it has answered, pictures are half blocks. One thread.
 */
#ifndef NFBENCH_TUI_GRAPHICS_H
#define NFBENCH_TUI_GRAPHICS_H

#include "viz/canvas.h"

#include <stdio.h>

/* What a person may ask for. Inside tmux and screen auto means cells, unless they say that they have sixels. */
enum graphics_mode { GRAPHICS_AUTO, GRAPHICS_KITTY, GRAPHICS_SIXEL, GRAPHICS_CELLS };
const char *graphics_word(int index); /* "auto", ... as the command takes it; NULL behind the last */

/* The mode of a word, in `mode`; -1 and the message when there is none. */
int graphics_named(const char *word, int *mode, struct error *error);

/* For a terminal that has just been opened; it must outlive graphics_close. Asks it behind the first frame. */
void graphics_open(FILE *terminal);
/* Takes all pictures away; an answer that is under way is waited for, a quarter of a second at most, so that it is not
 * typed into the shell. Idempotent. */
void graphics_close(void);
/* -1 when the terminal does not say how large its cells are, which sixels need. `said` (may be NULL): what it came to.
 */
int graphics_choose(enum graphics_mode mode, const char **said, struct error *error);

/* The length of an answer at the front of `count` > 0 bytes of input; 0 when there is none. `last`: no more will come
 * soon, so that one which has begun counts as whole. */
size_t graphics_answer(const unsigned char *bytes, size_t count, bool last);
/* Seconds to wait for the rest of what may be an answer's beginning; 0: it is none. */
double graphics_patience(const unsigned char *bytes, size_t count);

/* Before a frame is shown: takes the pictures off its canvas, where the terminal can draw them; blanks stand there. */
void graphics_take(struct canvas *canvas);
/* Behind it: draws those that are new or have changed, takes away those that are gone. */
void graphics_show(void);
/* The terminal was erased, or has another size. */
void graphics_forget(void);
/* The shell gets the terminal for a while. */
void graphics_leave(void);
/* For a crash: the bytes that take all pictures away; "" where there are none. */
const char *graphics_farewell(void);

#endif
