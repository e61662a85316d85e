/* readline fed by hand: editing, history on disk, completion with its list, and what is to be drawn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <readline/readline.h>

#include "tui/repl.h"

static char last[256];
static int entered;
static bool refuse; /* all lines */

static bool on_line(void *context, const char *line)
{
    (void)context;
    entered++;
    snprintf(last, sizeof last, "%s", line);
    return !refuse;
}

static void open_with(const char *history)
{
    char note[256];
    struct error error = {""};

    entered = 0;
    refuse = false;
    assert_int_equal(repl_open(history, on_line, NULL, note, sizeof note, &error), 0);
    assert_string_equal(note, "");
}

static bool type(const char *bytes)
{
    return repl_feed((const unsigned char *)bytes, strlen(bytes));
}

static int set_up(void **state)
{
    (void)state;
    open_with(NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    repl_close();
    return 0;
}

static void a_line_is_edited_and_entered(void **state)
{
    (void)state;
    assert_true(type("lr 0.1"));
    assert_string_equal(repl_text(), "lr 0.1");
    assert_true(type("\x02\x02\x02\x0b")); /* back three times, cut to the end */
    assert_string_equal(repl_text(), "lr ");
    assert_true(type("0.5\r"));
    assert_int_equal(entered, 1);
    assert_string_equal(last, "lr 0.5");
    assert_string_equal(repl_text(), "");
}

static void several_lines_in_one_burst(void **state)
{
    (void)state;
    assert_true(type("pause\rresume\r"));
    assert_int_equal(entered, 2);
    assert_string_equal(last, "resume");
}

/* Whatever came of it: nothing is left to be run by mistake, and the arrow brings it back to be mended. */
static void an_entered_line_goes_and_the_arrow_up_brings_it_back(void **state)
{
    (void)state;
    assert_true(type("puase\r"));
    assert_string_equal(repl_text(), "");
    assert_true(type("\033[A"));
    assert_string_equal(repl_text(), "puase");
    assert_true(type("\x7f\x7f\x7f\x7f"
                     "ause\r"));
    assert_string_equal(last, "pause");
}

/* One that is not understood stays, with the cursor behind it. */
static void a_refused_line_stays_to_be_edited(void **state)
{
    (void)state;
    refuse = true;
    assert_true(type("lr\r"));
    assert_string_equal(repl_text(), "lr");
    refuse = false;
    assert_true(type(" 0.1\r"));
    assert_int_equal(entered, 2);
    assert_string_equal(last, "lr 0.1");
    assert_string_equal(repl_text(), "");
}

/* As a person does who opens the line for each command; the refused one is in the history. */
static void a_colon_behind_a_refused_line_begins_another(void **state)
{
    (void)state;
    refuse = true;
    assert_true(type("set flip none\r:"));
    assert_string_equal(repl_text(), "");
    refuse = false;
    assert_true(type("set lookahead 3"));
    assert_string_equal(repl_text(), "set lookahead 3");
    assert_true(type("\r"));
    assert_string_equal(last, "set lookahead 3");
    assert_true(type("\033[A\033[A"));
    assert_string_equal(repl_text(), "set flip none");
    refuse = true;
    assert_true(type("\r :")); /* it is edited further: a colon is a letter of it */
    assert_string_equal(repl_text(), "set flip none :");
    repl_set_text("");
}

static void end_of_file_leaves_an_empty_line_alone(void **state)
{
    (void)state;
    assert_true(type("ab\x01\x04")); /* at the start of a line that is not empty it deletes */
    assert_string_equal(repl_text(), "b");
    assert_true(type("\x05\x15"));
    assert_false(type("\x04"));
    assert_int_equal(entered, 0);
    assert_true(type("save\r")); /* and the line works on */
    assert_string_equal(last, "save");
}

static void blank_lines_are_not_entered(void **state)
{
    (void)state;
    assert_true(type("   \r"));
    assert_int_equal(entered, 0);
}

static void completion_fills_in_and_lists(void **state)
{
    int count;
    char *const *matches;

    (void)state;
    type("pau\t");
    assert_string_equal(repl_text(), "pause ");
    type("\x15log o\t");
    matches = repl_matches(&count);
    assert_int_equal(count, 2);
    assert_string_equal(matches[0], "off");
    assert_string_equal(matches[1], "on");
    type("n");
    repl_matches(&count);
    assert_int_equal(count, 0);
    type("\x15\t"); /* all commands */
    repl_matches(&count);
    assert_true(count > 10);
}

static void history_is_recalled_and_searched(void **state)
{
    struct repl_view view;

    (void)state;
    type("lr 0.3\rstep 4\r");
    type("\033[A\033[A");
    assert_string_equal(repl_text(), "lr 0.3");
    type("\x05\x15\x12step");
    assert_true(repl_busy());
    repl_look(80, &view);
    assert_non_null(strstr(view.prompt, "step"));
    repl_set_text("");
    assert_false(repl_busy());
    assert_string_equal(repl_text(), "");
}

static void history_survives_the_process(void **state)
{
    char folder[] = "/tmp/nfbench-repl-XXXXXX", path[128], text[256] = "";
    struct stat status;
    FILE *file;

    (void)state;
    repl_close();
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a/b/history", folder);
    open_with(path);
    type("lr 0.7\rlr 0.7\rsave\r"); /* the same twice is kept once */
    repl_close();
    file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, "lr 0.7\nsave\n");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    open_with(path);
    type("\033[A");
    assert_string_equal(repl_text(), "save");
    type("\x15");
    unlink(path);
    snprintf(path, sizeof path, "%s/a/b", folder);
    rmdir(path);
    snprintf(path, sizeof path, "%s/a", folder);
    rmdir(path);
    rmdir(folder);
}

static void a_history_that_cannot_be_is_told_and_no_harm(void **state)
{
    char note[256];
    struct error error = {""};

    (void)state;
    repl_close();
    assert_int_equal(repl_open("/dev/null/x/history", on_line, NULL, note, sizeof note, &error), 0);
    assert_non_null(strstr(note, "not remembered"));
    type("pause\r");
    assert_string_equal(last, "pause");
}

static void a_long_line_scrolls_with_its_cursor(void **state)
{
    struct repl_view view;
    char text[32] = "";

    (void)state;
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "%c", 'a' + i % 26);
        type(text);
        for (int columns = 1; columns < 50; columns += 7) {
            repl_look(columns, &view);
            assert_true((int)strlen(view.text) + view.prompt_columns <= columns || columns <= view.prompt_columns + 1);
            assert_true(columns <= view.prompt_columns + 1 ||
                        (view.cursor >= view.prompt_columns && view.cursor < columns));
        }
    }
    repl_look(40, &view);
    assert_true(view.cut_left);
    type("\x01");
    repl_look(40, &view);
    assert_int_equal(view.cursor, view.prompt_columns);
    assert_true(view.cut_right);
}

static void the_cursor_counts_columns_not_bytes(void **state)
{
    struct repl_view view;

    (void)state;
    type("\xc3\xa4\xe4\xb8\xad"); /* one column, then two */
    repl_look(40, &view);
    assert_int_equal(view.cursor, view.prompt_columns + 3);
    type("\x02");
    repl_look(40, &view);
    assert_int_equal(view.cursor, view.prompt_columns + 1);
}

/* readline 8.2 went down at the second of them. */
static void a_longer_key_inside_a_search_does_no_harm(void **state)
{
    (void)state;
    type("theme light\r");
    type("\022"); /* Ctrl-R */
    type("\030"); /* Ctrl-X */
    type("l");
    assert_true(repl_busy());
    type("\r");
    assert_string_equal(last, "theme light");
    assert_int_equal(entered, 2);
}

/* Alt-P asks for a text to search for; Escape would be put into it. */
static void a_search_for_a_whole_text_is_left_by_escape(void **state)
{
    (void)state;
    type("theme light\r");
    type("\033p");
    type("the");
    assert_true(repl_busy());
    assert_false(repl_wants_escape());
    repl_set_text("");
    assert_false(repl_busy());
    assert_string_equal(repl_text(), "");
    type("\022");
    assert_true(repl_wants_escape());
    repl_set_text("");
}

/* A line of the history keeps its own list of edits; freed with it, it was freed again. */
static void a_recalled_line_that_was_edited_is_let_go_of(void **state)
{
    (void)state;
    type("theme light\r");
    for (int i = 0; i < 3; i++) {
        type("\033[A");
        type("xyz");
        repl_set_text("");
        assert_string_equal(repl_text(), "");
        type("\033[A");
        type("\x7f");
        type("\r");
        repl_set_text("");
    }
    assert_int_equal(entered, 4);
}

static int set_up_vi(void **state)
{
    return set_up(state) || rl_variable_bind("editing-mode", "vi");
}

static int tear_down_vi(void **state)
{
    return rl_variable_bind("editing-mode", "emacs") || tear_down(state);
}

/* readline 8.2 went round for ever at the end of such a letter (an unassigned one of Thaana). */
static void vi_mode_gets_past_any_letter(void **state)
{
    (void)state;
    for (const char *key = "E\0W\0=\0%\0\\\0"; *key; key += 2) {
        type("#x\xde\xb9");
        assert_string_equal(repl_text(), "#x");
        type("\033");
        type("0");
        type(key);
        repl_set_text("");
    }
}

/* As the screen gives them: whole keys, and now and then the line is left. */
static void any_keys_do_no_harm(void **state)
{
    static const char *const keys[] = {"\033[A", "\033[B", "\033[C", "\033[D", "\033[H",  "\033[F",
                                       "\t",     "\r",     "\033",   "\x7f",   "\014",    "\022",
                                       "\030",   "\033[",  "\033b",  "\033.",  "\033[5~", "\033[<0;"};

    (void)state;
    srand(14);
    for (int i = 0; i < 20000; i++) {
        char byte[2] = {(char)(' ' + rand() % 95), 0};

        if (rand() % 10 == 0)
            byte[0] = (char)(rand() % 255 + 1);
        refuse = rand() % 2;
        if (!type(rand() % 2 ? keys[rand() % (int)(sizeof keys / sizeof *keys)] : byte) || rand() % 40 == 0)
            repl_set_text("");
        assert_true(strlen(repl_text()) < 1 << 20);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_VI(name) cmocka_unit_test_setup_teardown(name, set_up_vi, tear_down_vi)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_edited_and_entered),
        TEST(several_lines_in_one_burst),
        TEST(an_entered_line_goes_and_the_arrow_up_brings_it_back),
        TEST(a_refused_line_stays_to_be_edited),
        TEST(a_colon_behind_a_refused_line_begins_another),
        TEST(end_of_file_leaves_an_empty_line_alone),
        TEST(blank_lines_are_not_entered),
        TEST(completion_fills_in_and_lists),
        TEST(history_is_recalled_and_searched),
        TEST(history_survives_the_process),
        TEST(a_history_that_cannot_be_is_told_and_no_harm),
        TEST(a_long_line_scrolls_with_its_cursor),
        TEST(the_cursor_counts_columns_not_bytes),
        TEST(a_longer_key_inside_a_search_does_no_harm),
        TEST(a_search_for_a_whole_text_is_left_by_escape),
        TEST(a_recalled_line_that_was_edited_is_let_go_of),
        TEST(any_keys_do_no_harm),
        TEST_VI(vi_mode_gets_past_any_letter),
        TEST_VI(any_keys_do_no_harm),
    };
    if (!setlocale(LC_ALL, "C.UTF-8"))
        return 1;
    setenv("TERM", "xterm", 1);
    setenv("INPUTRC", "/dev/null", 1); /* not the person's own keys */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
