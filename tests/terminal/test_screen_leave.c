/* Leaving: a person is asked only where something would be lost; a terminal that goes away ends the run, or does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/terminal/pty.h"

#define TINY                                                                                                           \
    "--data synthetic --stem 8 --stages 16/8x1 --limit 2000 --validation 200 --batch 8 --threads 1 --precision fp32 "  \
    "--lr 0.02 --schedule constant --session run "

static void assert_exit(int expected)
{
    int status = pty_status();

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
}

static const char *kept_log(void)
{
    static char text[1 << 16];
    FILE *file = fopen(pty_path("sessions/run/screen.log"), "r");

    *text = 0;
    if (file) {
        text[fread(text, 1, sizeof text - 1, file)] = 0;
        fclose(file);
    }
    return text;
}

static void must_say(const char *words)
{
    if (!strstr(kept_log(), words))
        fail_msg("'%s' is not in screen.log:\n%s", words, kept_log());
}

static bool is_there(const char *name)
{
    struct stat status;

    return stat(pty_path(name), &status) == 0;
}

static void a_run_that_is_saved_and_paused_or_finished_is_left_without_a_question(void **state)
{
    (void)state;
    pty_start(80, 24, "", TINY "--epochs 40");
    pty_wait(" training ");
    pty_keys(" ");
    pty_wait(" paused ");
    pty_keys("q");
    assert_exit(0);
    assert_true(pty_line_restored());
    pty_start(80, 24, "", "resume run --screen --steps 20");
    pty_wait("q leaves");
    pty_keys("q");
    assert_exit(0);
}

/* It throws away what was typed before it, even between the screen's poll and its read: a read that then waited for a
 * key would leave the signal waiting, too. */
static void ctrl_c_leaves_whatever_was_typed_before(void **state)
{
    (void)state;
    pty_start(80, 24, "", TINY "--epochs 40");
    pty_wait(" training ");
    assert_false(pty_line_waits());
    pty_keys("z");
    pty_keys("\003");
    assert_exit(0);
    assert_true(pty_line_restored());
}

static void a_decision_that_is_waited_for_is_asked_about(void **state)
{
    (void)state;
    pty_start(80, 24, "", TINY "--epochs 40 --lr 1000");
    pty_wait("Training diverged");
    pty_keys("q");
    pty_wait("Leave? y or q: yes, Esc: no"); /* in the last line */
    pty_wait("waits for a decision");
    pty_keys("\033");
    pty_wait_gone("Leave?");
    pty_keys("\003"); /* Ctrl-C asks, too */
    pty_wait("Leave?");
    pty_keys(" ");
    pty_wait_gone("Leave?");
    pty_keys("q");
    pty_wait("Leave?");
    pty_keys("q");
    assert_exit(1); /* as diverged */
    assert_true(pty_line_restored());
}

/* ... and in sight: what has taken the question's place does not answer it. */
static void the_question_is_asked_again_when_help_has_hidden_it(void **state)
{
    (void)state;
    pty_start(80, 24, "", TINY "--epochs 40 --lr 1000");
    pty_wait("Training diverged");
    pty_keys("q");
    pty_wait("Leave?");
    pty_keys("?");
    pty_wait("Keys and commands");
    pty_wait_gone("Leave?");
    pty_keys("\003");
    pty_wait("Leave?");
    assert_true(pty_runs());
    pty_keys("y"); /* as a question is answered elsewhere */
    assert_exit(1);
}

static void a_lost_terminal_saves_and_ends_the_run(void **state)
{
    (void)state;
    pty_start(80, 24, "", TINY "--epochs 40");
    pty_wait(" training ");
    pty_wait(" step ");
    pty_hang_up();
    assert_exit(130);
    assert_true(is_there("sessions/run/checkpoints"));
    assert_false(is_there("sessions/run/screen.log"));
}

static void kept_running_the_run_goes_on_to_its_end(void **state)
{
    (void)state;
    pty_start(80, 24, "", TINY "--epochs 6 --keep-running");
    pty_wait(" training ");
    pty_hang_up();
    assert_exit(0);
    must_say("making the session");
    must_say("the terminal is gone: training goes on without it");
    must_say("epoch 4 ");
    must_say("finished at step");
}

static void kept_running_before_the_run_is_there(void **state)
{
    (void)state;
    pty_start(80, 24, "", TINY "--epochs 1 --keep-running");
    pty_wait("nfbench");
    pty_hang_up();
    assert_exit(0);
    must_say("finished at step");
}

static void nobody_could_resume_a_paused_run(void **state)
{
    (void)state;
    pty_start(80, 24, "", TINY "--epochs 40 --keep-running");
    pty_wait(" training ");
    pty_keys(" ");
    pty_wait(" paused ");
    pty_hang_up();
    assert_exit(130);
    must_say("paused with nobody there: saved and ended");
}

/* The signal alone, without a terminal that is gone: a person may send it. The terminal is the shell's from then on. */
static void a_kept_run_can_still_be_ended(void **state)
{
    long written;

    (void)state;
    pty_start(80, 24, "", TINY "--epochs 400 --keep-running");
    pty_wait(" training ");
    assert_int_equal(kill(pty_pid(), SIGHUP), 0);
    for (long limit = pty_now() + PTY_PATIENCE_MS; !strstr(kept_log(), "goes on without it"); pty_take(20))
        assert_true(pty_now() < limit);
    pty_wait_gone("Overview");
    pty_take_until_quiet(300);
    written = pty_bytes();
    assert_int_equal(kill(pty_pid(), SIGCONT), 0);
    pty_take_until_quiet(1000);
    assert_int_equal(kill(pty_pid(), SIGTSTP), 0);
    pty_take_until_quiet(1000);
    assert_int_equal(pty_bytes(), written);
    assert_int_equal(kill(pty_pid(), SIGTERM), 0);
    assert_exit(130);
    assert_true(pty_line_restored());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pty_set_up, pty_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_run_that_is_saved_and_paused_or_finished_is_left_without_a_question),
        TEST(ctrl_c_leaves_whatever_was_typed_before),
        TEST(a_decision_that_is_waited_for_is_asked_about),
        TEST(the_question_is_asked_again_when_help_has_hidden_it),
        TEST(a_lost_terminal_saves_and_ends_the_run),
        TEST(kept_running_the_run_goes_on_to_its_end),
        TEST(kept_running_before_the_run_is_there),
        TEST(nobody_could_resume_a_paused_run),
        TEST(a_kept_run_can_still_be_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
