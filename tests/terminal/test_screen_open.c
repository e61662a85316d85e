/* open: from a run that leaving would end as diverged, which is asked about first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/terminal/pty.h"

#define MODEL                                                                                                          \
    "--data synthetic --stem 8 --stages 16/8x2 --limit 400 --validation 200 --batch 8 --threads 1 --precision fp32 "
#define QUESTION "leaving ends it"

static void end_with(int expected)
{
    int status = pty_status();

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
    assert_true(pty_line_restored());
}

/* A session whose steps are done, and on the screen a run that waits for a decision. */
static void start_diverged(void)
{
    pty_start(100, 30, "", MODEL "--session other --epochs 1");
    pty_wait(" finished ");
    pty_keys("q");
    end_with(0);
    pty_start(100, 30, "", MODEL "--session bad --epochs 4 --lr 900 --schedule constant");
    pty_wait("Esc closes");
    pty_keys("\033");
    pty_wait_gone("Esc closes");
    pty_command("open other");
    pty_wait(QUESTION);
}

static int set_up(void **state)
{
    int failed = pty_set_up(state);

    if (!failed)
        start_diverged();
    return failed;
}

static void yes_shows_the_other_session(void **state)
{
    (void)state;
    pty_keys("y");
    pty_wait("nfbench  other ");
    pty_wait(" finished ");
    pty_keys("q");
    end_with(0);
    assert_non_null(strstr(pty_text(), "session bad: diverged"));
    assert_non_null(strstr(pty_text(), "session other: finished"));
}

static void no_forgets_it(void **state)
{
    (void)state;
    pty_keys("\033");
    pty_wait_gone(QUESTION);
    pty_keys("q");
    pty_wait(QUESTION);
    pty_keys("q");
    end_with(1);
    assert_null(strstr(pty_text(), "session other"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(yes_shows_the_other_session, set_up, pty_tear_down),
        cmocka_unit_test_setup_teardown(no_forgets_it, set_up, pty_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
