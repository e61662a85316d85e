/* Decodes what terminals send for the few special keys that the screen uses, in the ANSI and the application form; the
 * command line itself is readline's, which decodes its own. */
#include "tui/keys.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

static const struct {
    const char *sequence; /* behind ESC */
    int key;
} sequences[] = {
    {"[A", KEY_CODE_UP},       {"OA", KEY_CODE_UP},         {"[B", KEY_CODE_DOWN},     {"OB", KEY_CODE_DOWN},
    {"[C", KEY_CODE_RIGHT},    {"OC", KEY_CODE_RIGHT},      {"[D", KEY_CODE_LEFT},     {"OD", KEY_CODE_LEFT},
    {"[H", KEY_CODE_HOME},     {"OH", KEY_CODE_HOME},       {"[1~", KEY_CODE_HOME},    {"[7~", KEY_CODE_HOME},
    {"[F", KEY_CODE_END},      {"OF", KEY_CODE_END},        {"[4~", KEY_CODE_END},     {"[8~", KEY_CODE_END},
    {"[5~", KEY_CODE_PAGE_UP}, {"[6~", KEY_CODE_PAGE_DOWN}, {"[Z", KEY_CODE_BACK_TAB},
};

/* Length of a control sequence behind ESC [ or ESC O: parameters, then one final byte. */
static size_t sequence_length(const unsigned char *bytes, size_t count)
{
    size_t at = 1;

    if (bytes[0] != '[')
        return count < 2 ? count : 2;
    while (at < count && bytes[at] >= 0x20 && bytes[at] < 0x40)
        at++;
    if (at == 1 && at < count && bytes[at] == 'M') /* the mouse's older form: three bytes follow */
        at += 3;
    return at < count ? at + 1 : count;
}

static bool is_mouse(const unsigned char *sequence, size_t length)
{
    if (length > 1 && sequence[1] == '<')
        return sequence[length - 1] == 'M' || sequence[length - 1] == 'm';
    return length == 5 && sequence[1] == 'M';
}

static size_t decode_escape(const unsigned char *bytes, size_t count, int *key)
{
    size_t length;

    *key = KEY_CODE_ESCAPE;
    if (count < 2)
        return 1;
    *key = KEY_CODE_NONE;
    if (bytes[1] != '[' && bytes[1] != 'O')
        return 2; /* Alt and a character */
    length = sequence_length(bytes + 1, count - 1);
    for (size_t i = 0; i < sizeof(sequences) / sizeof(*sequences); i++)
        if (strlen(sequences[i].sequence) == length && memcmp(bytes + 1, sequences[i].sequence, length) == 0)
            *key = sequences[i].key;
    if (bytes[1] == '[' && is_mouse(bytes + 1, length))
        *key = KEY_CODE_MOUSE;
    return 1 + length;
}

size_t key_decode(const unsigned char *bytes, size_t count, int *key)
{
    mbstate_t state = {0};
    wchar_t wide = 0;
    size_t length;

    if (bytes[0] == KEY_CODE_ESCAPE)
        return decode_escape(bytes, count, key);
    *key = bytes[0] == '\n' ? KEY_CODE_ENTER : bytes[0] == '\b' ? KEY_CODE_BACKSPACE : bytes[0];
    if (bytes[0] < 0x80)
        return 1;
    length = mbrtowc(&wide, (const char *)bytes, count, &state);
    if (length == (size_t)-1 || length == (size_t)-2 || length == 0) {
        *key = KEY_CODE_NONE;
        return 1;
    }
    *key = (int)wide;
    return length;
}

enum { BUTTON = 3, CONTROL = 16, MOVED = 32, WHEEL = 64, MORE_BUTTONS = 128 };

static enum mouse_act act_of(int code, bool pressed)
{
    if (!pressed || code & (MOVED | MORE_BUTTONS))
        return MOUSE_OTHER;
    if (code & WHEEL)
        return (enum mouse_act)(MOUSE_WHEEL_UP + (code & BUTTON));
    return (code & BUTTON) == 0 ? MOUSE_PRESS : MOUSE_OTHER;
}

struct mouse mouse_decode(const unsigned char *bytes, size_t count)
{
    char text[32], end = 'm';
    int code = BUTTON, column = 0, row = 0;

    if (count == 6 && bytes[2] == 'M') {
        code = bytes[3] - 32;
        column = bytes[4] - 32;
        row = bytes[5] - 32;
        end = 'M';
    } else {
        snprintf(text, sizeof(text), "%.*s", (int)count, (const char *)bytes);
        if (sscanf(text, "\033[<%4d;%4d;%4d%c", &code, &column, &row, &end) != 4)
            end = 'm';
    }
    return (struct mouse){act_of(code, end == 'M'), row - 1, column - 1, code & CONTROL};
}
