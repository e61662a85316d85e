/* The live table of `nfbench tune` on a terminal: what it shows at two sizes, its keys, and how it is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/terminal/pty.h"

#define NETWORK                                                                                                        \
    "tune --data synthetic --family papers --stem 8 --stages 8/4x1,16/8x1/2 --threads 1 --precision fp32 "             \
    "--schedule constant --probe-every 0 --limit 96 --validation 48 "
/* The first ends at once, the second trains for long; the others wait, more than there are rows. */
#define MANY NETWORK "--lr 1000,0.01 --batch 8,9,10,11,12,13,14,15,16,17 --epochs 9000 --name many --jobs 11"
#define FEW NETWORK "--lr 1000,0.01 --batch 8 --epochs 9000 --name few"

static void end_with(int expected)
{
    const int status = pty_status();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
    assert_true(pty_line_restored());
    assert_false(pty_modes().other_screen);
}

/* Waits until the first row that holds the words has the others, too: a table may be read half drawn. */
static void wait_in_row(const char *words, const char *others)
{
    const long limit = pty_now() + PTY_PATIENCE_MS;
    int row, column;
    while (!pty_find(words, &row, &column) || !strstr(pty_row(row), others)) {
        if (pty_now() > limit || (!pty_take(50) && !pty_runs() && !pty_take(50)))
            fail_msg("no row has '%s' and '%s':\n%s", words, others, pty_text());
    }
}

static void wait_in_row_of_number(int row, const char *words)
{
    const long limit = pty_now() + PTY_PATIENCE_MS;
    while (!strstr(pty_row(row), words)) {
        if (pty_now() > limit || (!pty_take(50) && !pty_runs() && !pty_take(50)))
            fail_msg("row %d has no '%s':\n%s", row, words, pty_text());
    }
}

static void the_table_shows_each_trial(void **state)
{
    (void)state;
    pty_start(80, 24, "", FEW);
    pty_wait("diverged");
    pty_wait("training");
    pty_wait("2 trials: 1 training, 1 diverged");
    wait_in_row("lr  state", "state         best %   now %   epoch     loss   img/s   to go");
    wait_in_row(" diverged ", "step ");
    wait_in_row(" diverged ", "left the"); /* its diagnosis */
    pty_wait("/9000");
    /* what is known of the marked one: first the diverged, in full */
    pty_wait("Loss before");
    pty_keys("\033[B");
    pty_wait("In another shell: nfbench attach sessions/few-lr0.01");
    wait_in_row_of_number(5, ">");
}

static void a_larger_screen_shows_more(void **state)
{
    (void)state;
    pty_resize(160, 48);
    pty_wait("trained   session");
    wait_in_row("0.01  training", "few-lr0.01");
    pty_resize(80, 24);
    pty_wait_gone("trained   session");
}

static void leaving_is_asked_about_and_saves(void **state)
{
    struct stat status;
    (void)state;
    pty_keys("q");
    pty_wait("Leave?");
    pty_keys("n");
    pty_wait_gone("Leave?");
    assert_true(pty_runs());
    pty_keys("q");
    pty_wait("Leave?");
    pty_keys("y");
    end_with(130);
    pty_wait("nfbench tune --resume");
    wait_in_row("lr 1000: ", " \u2026"); /* a line, cut at a word */
    pty_wait("The whole: nfbench sessions show sessions/few-lr1000, or");
    assert_int_equal(stat(pty_path("sessions/few-lr0.01/checkpoints"), &status), 0);
}

/* In the view of runs: one line, whose trials a key shows. */
static void its_trials_are_one_line_among_the_runs(void **state)
{
    (void)state;
    pty_start(80, 24, "", "--data synthetic --stem 8 --stages 8/4x1 --threads 1 --limit 96 --steps 1 --session own");
    pty_wait("finished");
    pty_keys("7");
    pty_wait("tune few: 1 of 2 trials ended");
    assert_null(strstr(pty_text(), "few-lr0.01"));
    pty_keys("\033[Bt"); /* this run is the newest */
    pty_wait("few-lr0.01 ");
    pty_wait("few-lr1000 ");
    pty_keys("q");
    end_with(0);
}

static void removing_is_asked_about(void **state)
{
    struct stat status;
    (void)state;
    pty_start(80, 24, "", "tune --rm few");
    pty_wait("with all their checkpoints");
    pty_wait("remove these for good? [y/N]");
    pty_keys("n\r");
    end_with(1);
    pty_wait("nothing was removed");
    assert_int_equal(stat(pty_path("sessions/few.tune/plan.json"), &status), 0);
    pty_start(80, 24, "", "tune --rm few");
    pty_wait("remove these for good? [y/N]");
    pty_keys("y\r");
    end_with(0);
    pty_wait("removed tune few and 2 sessions");
    assert_int_not_equal(stat(pty_path("sessions/few.tune"), &status), 0);
    assert_int_not_equal(stat(pty_path("sessions/few-lr0.01"), &status), 0);
}

static void rows_are_sorted_and_scrolled(void **state)
{
    (void)state;
    pty_start(80, 24, "NO_COLOR=1", MANY);
    pty_wait("1 of 20, as planned");
    wait_in_row_of_number(4, "1000      8");
    assert_null(strstr(pty_text(), "0.01     17 "));
    pty_keys("\033[F"); /* End */
    pty_wait("20 of 20, as planned");
    wait_in_row("0.01     17 ", ">");
    pty_wait_gone("1000      8");
    pty_wait("10 diverged");
    pty_keys("ooo");
    pty_wait("by state");
    pty_keys("\033[H"); /* Home: what trains comes first */
    pty_wait("1 of 20, by state");
    wait_in_row_of_number(4, "training");
}

static void ctrl_c_saves_and_leaves(void **state)
{
    (void)state;
    pty_keys("\003");
    end_with(130);
}

static void ascii_alone_will_do(void **state)
{
    (void)state;
    pty_start(60, 18, "LC_ALL=C TERM=vt100", NETWORK "--lr 0.01 --batch 8 --epochs 9000 --name plain");
    pty_wait("1 trial: 1 training");
    pty_wait("/9000");
    assert_null(strstr(pty_text(), "?"));
    pty_keys("qy");
    end_with(130);
}

static int tear_down(void **state)
{
    pty_end();
    return pty_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_shows_each_trial),       cmocka_unit_test(a_larger_screen_shows_more),
        cmocka_unit_test(leaving_is_asked_about_and_saves), cmocka_unit_test(its_trials_are_one_line_among_the_runs),
        cmocka_unit_test(removing_is_asked_about),          cmocka_unit_test(rows_are_sorted_and_scrolled),
        cmocka_unit_test(ctrl_c_saves_and_leaves),          cmocka_unit_test(ascii_alone_will_do),
    };
    return cmocka_run_group_tests_name("the table of a tune", tests, pty_set_up, tear_down);
}
