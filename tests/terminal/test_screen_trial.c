/* What-if trials on the real screen: values are tried while it stays live, their futures stand on the charts, one is
 * accepted or none; and the learning rate finder opens its figure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "tests/terminal/tmux.h"

static void a_run_tries_and_goes_on(void **state)
{
    long step;

    (void)state;
    screen_start(120, 36, "", TINY "--probe-every 0");
    wait_for_step_above(20);
    screen_command("try lr x0.5 x1 1000 for 60");
    wait_for("accept takes the best");
    wait_for(" tried: accept or drop ");
    screen_settle();
    step = screen_step();
    wait_for("lr tried");
    wait_for("1000 diverged at ");
    wait_for(" best");
    wait_for("tried lr 0.01, 0.02, 1000 for 60 steps"); /* in the log */
    wait_for("3: lr 1000 diverged after ");
    screen_command("accept 5");
    wait_for("that was not tried: there are 0.01, 0.02, 1000");
    screen_command("accept 0.01");
    wait_for("lr 0.02 -> 0.01");
    wait_until_gone("lr tried");
    wait_for(" training "); /* as it was before */
    wait_for_step_above(step);
    screen_command("try lr 900 1000 for 60");
    wait_for("none made all steps: accept VALUE takes one, drop none");
    wait_for("lr tried");
    screen_command("drop");
    wait_until_gone("lr tried");
    screen_leave();
}

static void a_pause_ends_what_is_tried(void **state)
{
    long step;

    (void)state;
    screen_start(120, 36, "", TINY "--probe-every 0");
    wait_for_step_above(5);
    screen_command("try momentum 0.8 0.95 for 50000");
    wait_for(" trying 1/2, step ");
    screen_key("Space");
    wait_for(" tried: accept or drop ");
    wait_for("cut short");
    screen_settle();
    step = screen_step();
    screen_command("drop");
    wait_for("dropped; ");
    wait_until_gone("momentum tried");
    screen_settle();
    assert_int_equal(screen_step(), step);
    screen_command("accept");
    wait_for("nothing was tried that could be accepted");
    screen_leave();
}

static void quitting_ends_what_is_tried(void **state)
{
    (void)state;
    screen_start(100, 30, "", TINY "--probe-every 0");
    wait_for_step_above(5);
    screen_command("try lr 0.01 for 50000");
    wait_for(" trying 1/1, step ");
    screen_leave();
    wait_for("stopped at step");
}

/* Saved is the run alone: the question knows them until they are accepted or dropped. */
static void leaving_futures_behind_is_asked_about(void **state)
{
    (void)state;
    screen_start(120, 36, "", TINY "--probe-every 0");
    wait_for_step_above(5);
    screen_command("try lr x0.5 x1 for 20");
    wait_for(" tried: accept or drop ");
    wait_for("lr tried");
    screen_key("q");
    wait_for("Leave?");
    wait_for("What was tried is neither accepted nor dropped");
    screen_key("Enter");
    wait_until_gone("Leave?");
    screen_command("drop");
    wait_until_gone("lr tried");
    screen_leave(); /* with one key */
    screen_end();
    screen_start(120, 36, "", TINY "--probe-every 0");
    wait_for_step_above(5);
    screen_command("lrfind 1e-4 1 for 60");
    wait_for("accept, drop; Esc hides");
    wait_for(" tried: accept or drop ");
    screen_key("q");
    wait_for("neither accepted nor dropped");
    screen_leave(); /* with the second */
}

static void the_finder_opens_its_figure(void **state)
{
    (void)state;
    screen_start(120, 36, "", TINY "--probe-every 0");
    wait_for_step_above(5);
    screen_command("lrfind 1e-4 1 for 60");
    wait_for("Learning rate finder");
    wait_for("accept, drop; Esc hides");
    wait_for(" tried: accept or drop ");
    wait_for("learning rate");
    screen_key("Escape");
    wait_until_gone("Learning rate finder");
    wait_for("lrfind 1e-4 1 for 60: tried lr 0.0001 to 1 over ");
    screen_command("drop");
    wait_until_gone(" tried: accept or drop ");
    screen_command("lrfind 1e-4 1 for 60");
    wait_for("accept, drop; Esc hides");
    wait_for(" tried: accept or drop ");
    screen_key("0"); /* another view takes its place */
    wait_until_gone("Learning rate finder");
    wait_for("Log");
    screen_command("drop");
    wait_until_gone(" tried: accept or drop ");
    screen_leave();
}

static void what_means_nothing_stays_to_be_mended(void **state)
{
    const char *log;

    (void)state;
    screen_start(120, 36, "", TINY "--probe-every 0");
    wait_for_step_above(1);
    screen_command("try momentun 0.8");
    wait_for("did you mean 'momentum'?");
    wait_for(":try momentun 0.8");
    screen_key("C-u");
    wait_until_gone(":try momentun");
    screen_type("try mo");
    screen_key("Tab");
    wait_for(":try momentum ");
    screen_key("Escape");
    wait_until_gone(":try momentum");
    screen_command("try lr x1 for 400");
    screen_command("bakc"); /* what comes of the one before does not hide why */
    wait_for(":bakc  no command 'bakc'");
    wait_for(" tried: accept or drop ");
    wait_for("lr tried");
    assert_non_null(strstr(screen_text(), ":bakc  no command 'bakc'"));
    log = strstr(screen_text(), "no command 'bakc'");
    assert_non_null(log);
    assert_non_null(strstr(log + 1, "no command 'bakc'")); /* there whole, too */
    screen_key("Escape");
    wait_until_gone(":bakc");
    screen_command("drop");
    wait_until_gone("tried: accept or drop");
    screen_leave();
}

#define TEST(name) cmocka_unit_test_teardown(name, screen_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_run_tries_and_goes_on),     TEST(a_pause_ends_what_is_tried),
        TEST(quitting_ends_what_is_tried), TEST(leaving_futures_behind_is_asked_about),
        TEST(the_finder_opens_its_figure), TEST(what_means_nothing_stays_to_be_mended),
    };
    return cmocka_run_group_tests(tests, tmux_set_up, tmux_tear_down);
}
