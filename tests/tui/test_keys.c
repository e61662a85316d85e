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

static void any_bytes_are_taken_and_never_more_than_there_are(void **state)
{
    unsigned char bytes[16];

    (void)state;
    srand(7);
    for (int i = 0; i < 200000; i++) {
        size_t count = (size_t)rand() % sizeof bytes + 1, taken;
        int key;

        for (size_t k = 0; k < count; k++)
            bytes[k] = rand() % 3 ? (unsigned char)rand() : "\033[O~;5"[rand() % 6];
        taken = key_decode(bytes, count, &key);
        assert_true(taken >= 1 && taken <= count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters),
        cmocka_unit_test(sequences),
        cmocka_unit_test(any_bytes_are_taken_and_never_more_than_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
