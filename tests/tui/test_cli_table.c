/* Tables line up, whatever is in their cells. */
#include "tui/cli_table.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *printed(const struct table *table)
{
    char *text = NULL;
    size_t size = 0;
    struct error error;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    assert_int_equal(table_print(table, file, &error), 0);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void fill(struct table *table, const char *const *cells, int count)
{
    assert_non_null(table);
    for (int i = 0; i < count; i++)
        table_cell(table, "%s", cells[i]);
}

static void test_columns_line_up(void **state)
{
    (void)state;
    static const char *const cells[] = {"name", "step", "state", "a", "12345", "done", "longer", "7", "stopped"};
    struct table *table = table_create("lrl");
    fill(table, cells, 9);
    char *text = printed(table);
    assert_string_equal(text, "name     step  state\n"
                              "a       12345  done\n"
                              "longer      7  stopped\n");
    free(text);
    table_destroy(table);
}

static void test_no_blanks_at_a_lines_end(void **state)
{
    (void)state;
    static const char *const cells[] = {"a", "b", "longer", "", "", "c", "", ""};
    struct table *table = table_create("ll");
    fill(table, cells, 8);
    char *text = printed(table);
    assert_string_equal(text, "a       b\nlonger\n        c\n\n");
    free(text);
    table_destroy(table);
}

static void test_unfinished_row(void **state)
{
    (void)state;
    static const char *const cells[] = {"a", "b", "c"};
    struct table *table = table_create("rr");
    fill(table, cells, 3);
    char *text = printed(table);
    assert_string_equal(text, "a  b\nc\n");
    free(text);
    table_destroy(table);
}

static void test_width_is_in_cells_of_the_terminal(void **state)
{
    (void)state;
    if (!setlocale(LC_CTYPE, "C.UTF-8")) {
        print_message("SKIPPED: no locale C.UTF-8\n");
        skip();
    }
    static const char *const cells[] = {"äö", "1", "漢字", "2", "\xff\xfe", "3", "abcd", "4"};
    struct table *table = table_create("lr");
    fill(table, cells, 8);
    char *text = printed(table);
    assert_string_equal(text, "äö    1\n漢字  2\n\xff\xfe    3\nabcd  4\n");
    free(text);
    table_destroy(table);
}

static char *printed_within(const struct table *table, int columns)
{
    char *text = NULL;
    size_t size = 0;
    struct error error;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    assert_int_equal(table_print_within(table, columns, file, &error), 0);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void assert_prints(const struct table *table, int columns, const char *expected)
{
    char *text = printed_within(table, columns);
    assert_string_equal(text, expected);
    free(text);
}

/* Columns that have no room stand below, each group with the first column; no line is wider than the terminal. */
static void test_columns_that_do_not_fit_stand_below(void **state)
{
    (void)state;
    static const char *const cells[] = {"", "a one", "b two", "c three", "lr", "0.1, now 0.05", "0.2", "0.30000000"};
    struct table *table = table_create("llll");
    fill(table, cells, 8);
    assert_prints(table, 40,
                  "    a one          b two  c three\n"
                  "lr  0.1, now 0.05  0.2    0.30000000\n");
    assert_prints(table, 24,
                  "    a one          b two\n"
                  "lr  0.1, now 0.05  0.2\n"
                  "\n"
                  "    c three\n"
                  "lr  0.30000000\n");
    table_destroy(table);
}

/* Of columns that may be left out the last goes first, and none while all fit. */
static void test_columns_are_left_out_before_any_stands_below(void **state)
{
    (void)state;
    static const char *const cells[] = {"name", "network", "best", "now",    "fork of",
                                        "a",    "micro",   "9 %",  "attach", "b"};
    struct table *table = table_create("lLrLL");
    fill(table, cells, 10);
    assert_prints(table, 36,
                  "name  network  best  now     fork of\n"
                  "a     micro     9 %  attach  b\n");
    assert_prints(table, 35,
                  "name  network  best  now\n"
                  "a     micro     9 %  attach\n");
    assert_prints(table, 18,
                  "name  best\n"
                  "a      9 %\n");
    char *text = printed(table); /* not on a terminal */
    assert_non_null(strstr(text, "fork of"));
    free(text);
    table_destroy(table);
}

static void test_cells_that_are_too_wide_are_cut(void **state)
{
    (void)state;
    static const char *const cells[] = {"", "a", "b", "data", "/a/long/path/to/some/images", "/short"};
    struct table *table = table_create("lll");
    fill(table, cells, 6);
    assert_prints(table, 38,
                  "      a                b\n"
                  "data  /a/long/path/..  /short\n");
    char *text = printed_within(table, 0);
    assert_non_null(strstr(text, "/a/long/path/to/some/images"));
    free(text);
    text = printed_within(table, 3); /* narrower than any table */
    assert_non_null(strstr(text, ".."));
    free(text);
    table_destroy(table);
}

static void test_no_table_is_an_error_not_a_crash(void **state)
{
    (void)state;
    struct error error = {""};
    table_cell(NULL, "x");
    assert_int_equal(table_print(NULL, stdout, &error), -1);
    assert_string_equal(error.message, "out of memory");
    table_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_line_up),
        cmocka_unit_test(test_no_blanks_at_a_lines_end),
        cmocka_unit_test(test_unfinished_row),
        cmocka_unit_test(test_width_is_in_cells_of_the_terminal),
        cmocka_unit_test(test_columns_that_do_not_fit_stand_below),
        cmocka_unit_test(test_columns_are_left_out_before_any_stands_below),
        cmocka_unit_test(test_cells_that_are_too_wide_are_cut),
        cmocka_unit_test(test_no_table_is_an_error_not_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
