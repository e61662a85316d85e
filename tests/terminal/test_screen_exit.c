/* The ways out: whatever ends nfbench, the terminal is as it was before, and what was trained is saved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/terminal/tmux.h"

static void start(void)
{
    screen_start(100, 30, "", TINY "--session run");
    wait_for_step_above(3);
}

static void assert_saved(void)
{
    DIR *folder = opendir(screen_path("sessions/run/checkpoints"));
    const struct dirent *entry;
    int count = 0;

    assert_non_null(folder);
    while ((entry = readdir(folder)))
        count += strstr(entry->d_name, ".safetensors") != NULL;
    closedir(folder);
    assert_true(count > 0);
}

/* Each run has the same session name: the one before goes. */
static void forget(void)
{
    char command[512];

    snprintf(command, sizeof command, "rm -rf %s\n", screen_path("sessions"));
    screen_type(command);
    screen_type("echo for\"\"gotten\n");
    wait_for("forgotten");
}

static void ends_by_key(const char *key, int status)
{
    start();
    screen_key(key);
    assert_int_equal(screen_status(), status);
    assert_terminal_restored();
    wait_for("stopped at step");
    assert_saved();
    forget();
}

static void quitting(void **state)
{
    (void)state;
    ends_by_key("q", 0);
}

static void control_c(void **state)
{
    (void)state;
    ends_by_key("C-c", 0);
}

/* While a long step keeps the first one waiting, the run's first, however quick the machine is. */
static void a_second_control_c_leaves_at_once_and_says_so(void **state)
{
    (void)state;
    screen_start(100, 30, "",
                 "--data synthetic --preset report --batch 1024 --threads 1 --precision fp32 --probe-every 0");
    wait_for_in_row(2, " training ");
    screen_key("C-c");
    wait_for(" saving and leaving ");
    screen_key("C-c");
    assert_int_equal(screen_status(), 130);
    assert_terminal_restored();
    wait_for("nfbench left at once, without saving; the last checkpoint stays: nfbench resume --screen");
    screen_end();
}

static void ends_by_signal(int number, int status)
{
    start();
    assert_int_equal(kill(screen_pid(), number), 0);
    assert_int_equal(screen_status(), status);
    assert_terminal_restored();
    assert_saved();
    forget();
}

static void sigterm(void **state)
{
    (void)state;
    ends_by_signal(SIGTERM, 130);
}

static void sigint_from_elsewhere(void **state)
{
    (void)state;
    ends_by_signal(SIGINT, 130);
}

static void sighup(void **state)
{
    (void)state;
    ends_by_signal(SIGHUP, 130);
}

static void crashes(int number)
{
    start();
    assert_int_equal(kill(screen_pid(), number), 0);
    assert_int_not_equal(screen_status(), 0);
    assert_terminal_restored();
    wait_for_said("nfbench crashed; the last checkpoint stays: nfbench resume --screen /"); /* the path: it lies in no
                                                                                               usual folder */
    forget();
}

static void a_crash(void **state)
{
    (void)state;
    crashes(SIGSEGV);
}

static void an_abort(void **state)
{
    (void)state;
    crashes(SIGABRT);
}

static void leaving_while_it_starts(void **state)
{
    (void)state;
    screen_start(100, 30, "", TINY "--session run");
    wait_for("nfbench");
    wait_for("q quit");
    screen_key("q");
    assert_int_equal(screen_status(), 0);
    assert_terminal_restored();
    forget();
}

static void stop_and_come_back(void **state)
{
    long step;

    (void)state;
    start();
    screen_pause();
    step = screen_step();
    screen_key("C-z");
    wait_for("Stopped");
    wait_for_format("#{alternate_on} #{cursor_flag}", "0 1");
    screen_type("fg\n");
    wait_for(" paused ");
    wait_for("space resume");
    assert_int_equal(screen_step(), step);
    screen_key("s");
    wait_for_pause_at(step + 1);
    screen_key("q");
    wait_for("stopped at step");
    wait_for_format("#{alternate_on} #{cursor_flag}", "0 1"); /* the log may have said it before */
}

/* The resumed screen shows the curve from the beginning, and goes on behind it. */
static void resuming_on_the_screen(void **state)
{
    long step;

    (void)state;
    start();
    wait_for_step_above(40);
    screen_pause();
    step = screen_step();
    screen_key("q");
    assert_int_equal(screen_status(), 0);
    screen_end();
    screen_start(100, 30, "", "resume run --screen");
    wait_for_step_above(step);
    wait_for("resumed at step");
    wait_for("resumed");
    screen_key("q");
    assert_int_equal(screen_status(), 0);
    assert_terminal_restored();
    forget();
}

#define TEST(name) cmocka_unit_test_teardown(name, screen_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(quitting),
        TEST(control_c),
        TEST(a_second_control_c_leaves_at_once_and_says_so),
        TEST(sigterm),
        TEST(sigint_from_elsewhere),
        TEST(sighup),
        TEST(a_crash),
        TEST(an_abort),
        TEST(leaving_while_it_starts),
        TEST(resuming_on_the_screen),
        TEST(stop_and_come_back),
    };
    return cmocka_run_group_tests(tests, tmux_set_up, tmux_tear_down);
}
