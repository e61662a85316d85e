/* Keys of the terminal as numbers: bytes decoded from escape sequences. A character is its own number. The mouse comes
 * the same way, as a key with a place. */
#ifndef NFBENCH_TUI_KEYS_H
#define NFBENCH_TUI_KEYS_H

#include <stdbool.h>
#include <stddef.h>

enum key {
    KEY_CODE_NONE = 0, /* an escape sequence that means nothing here */
    KEY_CODE_TAB = '\t',
    KEY_CODE_ENTER = '\r',
    KEY_CODE_REDRAW = 'L' & 0x1f,
    KEY_CODE_ESCAPE = 0x1b,
    KEY_CODE_BACKSPACE = 0x7f,
    KEY_CODE_UP = 0x110000, /* beyond Unicode */
    KEY_CODE_DOWN,
    KEY_CODE_LEFT,
    KEY_CODE_RIGHT,
    KEY_CODE_HOME,
    KEY_CODE_END,
    KEY_CODE_PAGE_UP,
    KEY_CODE_PAGE_DOWN,
    KEY_CODE_BACK_TAB,
    KEY_CODE_MOUSE /* mouse_decode says what it did */
};

/* Decodes the first key of `count` > 0 bytes; returns how many bytes it takes (at least 1). A lone ESC is the key
 * Escape; the caller waits a little first when more may follow. */
size_t key_decode(const unsigned char *bytes, size_t count, int *key);

enum mouse_act { MOUSE_PRESS, MOUSE_WHEEL_UP, MOUSE_WHEEL_DOWN, MOUSE_WHEEL_LEFT, MOUSE_WHEEL_RIGHT, MOUSE_OTHER };

struct mouse {
    enum mouse_act act; /* MOUSE_PRESS: of the left button; MOUSE_OTHER: a release, another button */
    int row, column;    /* cells from 0 on; beyond the screen where the terminal says so */
    bool control;       /* that key was held down, too */
};

/* The bytes of a KEY_CODE_MOUSE: xterm's reports, in the form of mode 1006 and the older one of mode 1000. */
struct mouse mouse_decode(const unsigned char *bytes, size_t count);

#endif
