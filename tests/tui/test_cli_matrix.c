/* The confusion matrix as text: each column's class can be told, within the terminal's width. */
#include "engine/data_names.h"
#include "tui/cli_matrix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CLASSES = 10 };

static const uint32_t confusion[CLASSES * CLASSES] = {1000, 7, [CLASSES] = 21, 890, [CLASSES * CLASSES - 1] = 951};

static char *printed(const char *const *names, int columns)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    struct error error = {""};
    assert_non_null(stream);
    assert_int_equal(matrix_print(names, confusion, CLASSES, columns, stream, &error), 0);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static size_t widest_line(const char *text)
{
    size_t widest = 0;
    for (; *text; text += strcspn(text, "\n") + 1)
        widest = strcspn(text, "\n") > widest ? strcspn(text, "\n") : widest;
    return widest;
}

static void names_stand_over_the_columns(void **state)
{
    (void)state;
    char *wide = printed(cifar10_names, 0), *narrow = printed(cifar10_names, 80);
    assert_ptr_equal(strstr(wide, "truth, and taken for:\n"), wide);
    assert_non_null(strstr(wide, "  airplane  automobile  bird  cat  deer  dog  frog  horse  ship  truck\n"));
    assert_non_null(strstr(wide, "airplane        1000           7     0 "));
    assert_non_null(strstr(narrow, "  airpl  autom  bird  cat  deer  dog  frog  horse  ship  truck\n"));
    assert_non_null(strstr(narrow, "\nautomobile     21    890     0    0     0    0     0      0     0      0\n"));
    assert_true(widest_line(narrow) <= 80);
    free(narrow);
    free(wide);
}

/* Five letters of "striped_disc" and "striped_ring" would be the same. */
static void numbers_where_names_would_be_alike(void **state)
{
    (void)state;
    static const char *const alike[CLASSES] = {"striped_disc", "striped_ring", "a", "b", "c", "d", "e", "f", "g", "h"};
    char *narrow = printed(alike, 80), *tiny = printed(cifar10_names, 40), *wide = printed(alike, 200);
    assert_non_null(strstr(narrow, " 0    1  2  3  4  5  6  7  8    9\n"));
    assert_non_null(strstr(narrow, "\n 1 striped_ring    21  890  0 "));
    assert_non_null(strstr(tiny, "\n 9 truck "));
    assert_non_null(strstr(wide, "  striped_disc  striped_ring  a  b "));
    free(wide);
    free(tiny);
    free(narrow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_stand_over_the_columns),
        cmocka_unit_test(numbers_where_names_would_be_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
