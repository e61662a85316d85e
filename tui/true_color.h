/* 24-bit colours by curses. Its descriptions of terminals seldom have them, even where the terminal does and says so by
 * COLORTERM; so the description is made anew with them in it, in memory, and handed to curses by $TERMINFO. */
#ifndef NFBENCH_TUI_TRUE_COLOR_H
#define NFBENCH_TUI_TRUE_COLOR_H

#include <stdbool.h>

/* To be called before the terminal is opened (it looks `type` up itself, on the descriptor `fd`). Returns true when
 * $TERMINFO holds the new description, until true_color_withdraw. */
bool true_color_offer(const char *type, int fd);
void true_color_withdraw(void);

#endif
