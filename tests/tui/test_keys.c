/* Bytes to keys: what terminals send, in one piece or cut anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "tui/keys.h"

static void takes(const char *bytes, size_t count, size_t expected, int key)
{
    int found = -1;

    assert_int_equal(key_decode((const unsigned char *)bytes, count, &found), expected);
    assert_int_equal(found, key);
}

static void characters(void **state)
{
    (void)state;
    takes("a", 1, 1, 'a');
    takes(" x", 2, 1, ' ');
    takes("\r", 1, 1, KEY_CODE_ENTER);
    takes("\n", 1, 1, KEY_CODE_ENTER);
    takes("\t", 1, 1, KEY_CODE_TAB);
    takes("\x7f", 1, 1, KEY_CODE_BACKSPACE);
    takes("\b", 1, 1, KEY_CODE_BACKSPACE);
    if (setlocale(LC_ALL, "C.UTF-8"))
        takes("\xc3\xa4x", 3, 2, 0xe4);
}

static void sequences(void **state)
{
    (void)state;
    takes("\033", 1, 1, KEY_CODE_ESCAPE);
    takes("\033[A", 3, 3, KEY_CODE_UP);
    takes("\033OA", 3, 3, KEY_CODE_UP);
    takes("\033[Bq", 4, 3, KEY_CODE_DOWN);
    takes("\033[5~\033[6~", 8, 4, KEY_CODE_PAGE_UP);
    takes("\033[6~", 4, 4, KEY_CODE_PAGE_DOWN);
    takes("\033[H", 3, 3, KEY_CODE_HOME);
    takes("\033[4~", 4, 4, KEY_CODE_END);
    takes("\033[1;5C", 6, 6, KEY_CODE_NONE); /* Ctrl-Right: nothing here, and taken whole */
    takes("\033f", 2, 2, KEY_CODE_NONE);     /* Alt-f */
}

static void mouse_does(const char *bytes, size_t count, enum mouse_act act, int row, int column, bool control)
{
    struct mouse mouse = mouse_decode((const unsigned char *)bytes, count);

    takes(bytes, count, count, KEY_CODE_MOUSE);
    assert_int_equal(mouse.act, act);
    assert_int_equal(mouse.row, row);
    assert_int_equal(mouse.column, column);
    assert_int_equal(mouse.control, control);
}

static void the_mouse(void **state)
{
    (void)state;
    mouse_does("\033[<0;5;3M", 9, MOUSE_PRESS, 2, 4, false);
    mouse_does("\033[<0;5;3m", 9, MOUSE_OTHER, 2, 4, false);   /* let go */
    mouse_does("\033[<2;5;3M", 9, MOUSE_OTHER, 2, 4, false);   /* the right button */
    mouse_does("\033[<32;5;3M", 10, MOUSE_OTHER, 2, 4, false); /* moved */
    mouse_does("\033[<64;300;100M", 14, MOUSE_WHEEL_UP, 99, 299, false);
    mouse_does("\033[<81;1;1M", 10, MOUSE_WHEEL_DOWN, 0, 0, true);
    mouse_does("\033[<66;1;1M", 10, MOUSE_WHEEL_LEFT, 0, 0, false);
    mouse_does("\033[M\x20\x25\x23", 6, MOUSE_PRESS, 2, 4, false); /* the older form */
    mouse_does("\033[M\x61\x21\x21", 6, MOUSE_WHEEL_DOWN, 0, 0, false);
    takes("\033[M\x20", 4, 4, KEY_CODE_NONE); /* not all of it yet */
    takes("\033[<0;5", 6, 6, KEY_CODE_NONE);
    takes("\033[<0;5;3Mq", 10, 9, KEY_CODE_MOUSE); /* and no byte more */
}

static void any_bytes_are_taken_and_never_more_than_there_are(void **state)
{
    unsigned char bytes[16];

    (void)state;
    srand(7);
    for (int i = 0; i < 200000; i++) {
        size_t count = (size_t)rand() % sizeof bytes + 1, taken;
        int key;

        for (size_t k = 0; k < count; k++)
            bytes[k] = rand() % 3 ? (unsigned char)rand() : "\033[O~;5<M"[rand() % 8];
        taken = key_decode(bytes, count, &key);
        if (key == KEY_CODE_MOUSE)
            (void)mouse_decode(bytes, taken);
        assert_true(taken >= 1 && taken <= count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters),
        cmocka_unit_test(sequences),
        cmocka_unit_test(the_mouse),
        cmocka_unit_test(any_bytes_are_taken_and_never_more_than_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
