/* Messages must reach the user whole, prefixed in order, and never run past their buffer. */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void set_formats_and_fails(void **state)
{
    (void)state;
    struct error error = {""};
    assert_int_equal(error_set(&error, "label %d in %s", 10, "data_batch_1.bin"), -1);
    assert_string_equal(error.message, "label 10 in data_batch_1.bin");
}

static void prefix_goes_before(void **state)
{
    (void)state;
    struct error error = {""};
    error_set(&error, "no such file");
    assert_int_equal(error_prefix(&error, "reading %s", "a.ini"), -1);
    assert_int_equal(error_prefix(&error, "session %d", 3), -1);
    assert_string_equal(error.message, "session 3: reading a.ini: no such file");
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    struct error error;
    char text[2 * sizeof error.message];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    error_set(&error, "%s", text);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    error_prefix(&error, "%s", text);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    error_set(&error, "end");
    error_prefix(&error, "%.*s", (int)sizeof error.message - 4, text);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
}

static void nobody_listens(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, "lost"), -1);
    assert_int_equal(error_prefix(NULL, "lost"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_formats_and_fails),
        cmocka_unit_test(prefix_goes_before),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
