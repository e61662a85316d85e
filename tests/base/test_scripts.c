/* The build's scripts judge a compiler whose command is several words, as of `make CC='ccache cc'`, like that of one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SAID = 4096 };

static int said(const char *command, char text[SAID])
{
    FILE *pipe = popen(command, "r");

    assert_non_null(pipe);
    text[fread(text, 1, SAID - 1, pipe)] = 0;
    return pclose(pipe);
}

static void found_names_compiler_and_libraries(void **state)
{
    char one[SAID], two[SAID];

    (void)state;
    assert_int_equal(said("CC=cc scripts/found.sh", one), 0);
    assert_int_equal(said("CC='env cc' scripts/found.sh", two), 0);
    assert_string_equal(one, two);
    said("CC='env no-such-compiler' scripts/found.sh", two);
    assert_non_null(strstr(two, "not found: env no-such-compiler"));
}

static void what_is_there_is_not_missed(void **state)
{
    char text[SAID];

    (void)state;
    assert_int_equal(said("CC='env cc' scripts/deps.sh build 2>&1", text), 0);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_names_compiler_and_libraries),
        cmocka_unit_test(what_is_there_is_not_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
