/* The mouse on the real screen: clicks and the wheel go to what they point at; off, the terminal has it to itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "tests/terminal/pty.h"

#define RUN                                                                                                            \
    "--data synthetic --stem 8 --stages 16/8x4 --limit 600 --validation 200 --batch 8 --threads 1 --precision fp32 "   \
    "--steps 4 --lr 0.02 --schedule constant --session run"

static void start(void)
{
    pty_start(80, 24, "NFBENCH_CLOCK=1700000000", RUN);
    pty_wait("q leaves");
}

static void leave(void)
{
    pty_keys("q");
    assert_int_equal(pty_status(), 0);
    assert_int_equal(pty_modes().mouse, 0);
    assert_true(pty_line_restored());
}

static void click_on(const char *words)
{
    int row, column;

    if (!pty_find(words, &row, &column))
        fail_msg("'%s' is not there:\n%s", words, pty_text());
    pty_click(row, column);
}

static void a_click_opens_a_tab(void **state)
{
    (void)state;
    start();
    click_on(" Signal");
    pty_wait("Signal propagation");
    click_on(" Log");
    pty_wait("opening the data");
    click_on(" Blocks");
    pty_wait("block 4");
    click_on(" Overview");
    pty_wait_gone("block 4");
    leave();
}

static void a_click_marks_a_block_and_a_second_one_opens_it(void **state)
{
    (void)state;
    start();
    pty_command("view blocks");
    pty_wait("block 3");
    click_on("block 3");
    pty_wait(" block 3:"); /* its sentence below */
    click_on("block 3");
    pty_wait("Block 3 of 4");
    leave();
}

static void the_wheel_scrolls_what_it_points_at(void **state)
{
    int row, column;

    (void)state;
    start();
    pty_wait_gone("opening the data");
    assert_true(pty_find("q leaves", &row, &column));
    for (int i = 0; i < 8; i++)
        pty_wheel(row, column, true);
    pty_wait("opening the data");
    for (int i = 0; i < 8; i++)
        pty_wheel(row, column, false);
    pty_wait_gone("opening the data");
    pty_keys("?");
    pty_wait("Up and Down scroll");
    for (int i = 0; i < 50; i++)
        pty_wheel(row - 5, column, false);
    pty_wait("Ctrl-Z stops");
    pty_click(row - 5, column);
    pty_wait_gone("Ctrl-Z stops");
    leave();
}

/* On the command line it types nothing. */
static void a_click_is_no_text(void **state)
{
    (void)state;
    start();
    pty_keys(":theme");
    pty_wait(":theme");
    click_on(" Log");
    pty_wait("opening the data");
    pty_wait(":theme ");
    pty_keys(" light\r");
    pty_wait("theme light");
    leave();
}

static void off_it_is_the_terminals(void **state)
{
    (void)state;
    start();
    assert_int_not_equal(pty_modes().mouse, 0);
    pty_command("mouse off");
    pty_wait("mouse off: the terminal has it");
    assert_int_equal(pty_modes().mouse, 0);
    click_on(" Signal"); /* sends nothing */
    pty_settle();
    assert_null(strstr(pty_text(), "Signal propagation"));
    pty_command("mouse on");
    pty_settle(); /* the words themselves stand there as soon as they are typed */
    assert_int_not_equal(pty_modes().mouse, 0);
    click_on(" Signal");
    pty_wait("Signal propagation");
    leave();
}

static void a_terminal_without_one_is_told(void **state)
{
    (void)state;
    pty_start(80, 24, "TERM=vt100", RUN);
    pty_wait("q leaves");
    assert_int_equal(pty_modes().mouse, 0);
    pty_command("mouse on");
    pty_wait("this terminal has no mouse");
    leave();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pty_set_up, pty_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_click_opens_a_tab),
        TEST(a_click_marks_a_block_and_a_second_one_opens_it),
        TEST(the_wheel_scrolls_what_it_points_at),
        TEST(a_click_is_no_text),
        TEST(off_it_is_the_terminals),
        TEST(a_terminal_without_one_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
