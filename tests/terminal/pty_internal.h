/* What the files of the pseudo-terminal share: pty.c (the program, its bytes, waiting), pty_screen.c (reading the
 * screen). */
#ifndef NFBENCH_TESTS_TERMINAL_PTY_INTERNAL_H
#define NFBENCH_TESTS_TERMINAL_PTY_INTERNAL_H

#include "tests/terminal/pty.h"

#include <termios.h>
#include <vterm.h>

extern struct pty {
    VTerm *vterm;
    VTermScreen *screen;
    int rows, columns;
    int terminal, line; /* both ends; the far one stays open so that its settings can be read at the end */
    struct termios before;
    pid_t pid; /* 0: none runs */
    long bytes;
    struct pty_modes modes;
    int cell_width, cell_height;
    size_t (*filter)(char *bytes, size_t count);
} pty;

#endif
