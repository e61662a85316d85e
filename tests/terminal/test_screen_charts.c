/* Charts and runs on the real screen: the keys that zoom, pan and read, the way back that a cursor prepares, and
 * another session's curves over this one's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/terminal/tmux.h"
#include "tui/words.h"

enum { TINY_EPOCH = 2000 / 8 }; /* steps of an epoch of TINY */

static void keys_lead_through_the_charts(void **state)
{
    char words[64], step[32];

    (void)state;
    screen_start(120, 40, "", TINY "--log-every 1");
    wait_for_step_above(40);
    screen_pause();
    screen_key("2");
    wait_for("Gradient norm");
    wait_for("smoothing 0.95");
    wait_for("all steps");
    screen_key("]");
    wait_for("going on");
    screen_key("{");
    screen_key("f");
    wait_for("all steps");
    screen_key(".");
    wait_for("smoothing 0.98");
    screen_key(",");
    wait_for("smoothing 0.95");
    screen_key("x");
    wait_for("axis epoch");
    screen_key("x");
    wait_for("axis time, in seconds");
    screen_key("x");
    wait_for("axis step");
    screen_key("l");
    wait_for("Loss \xc2\xb7 log");
    screen_key("Home");
    wait_for("step 1 ");
    wait_for("epoch 0.00, ");
    screen_key("End"); /* in the first epoch, whose length no record tells */
    snprintf(words, sizeof words, "epoch %.2f, ", (double)screen_step() / TINY_EPOCH);
    wait_for(words);
    screen_key("Home");
    wait_for("epoch 0.00, ");
    screen_key("Enter");
    wait_for("Enter: back 1");
    screen_key("C-u");
    screen_key("Escape");
    wait_for(": for the command line");
    screen_key("Escape"); /* the cursor */
    wait_for("smoothing 0.95");
    screen_command("zoom 10 30");
    wait_for("steps 10 to 30");
    screen_command("zoom 30 10");
    wait_for("is no part of the run");
    screen_key("C-u");
    screen_key("Escape");
    wait_for(": for the command line");
    screen_command("lr x0.5");
    wait_for("lr 0.02 -> 0.01");
    screen_command("fit");
    wait_for("all steps");
    screen_key("End");
    words_count((double)screen_step(), step, sizeof step);
    snprintf(words, sizeof words, "at %s: ", step);
    wait_for(words);
    wait_for("lr 0.02 -> 0.01");
    screen_command("view gradient-norm");
    wait_until_gone("Learning rate");
    screen_leave();
}

/* Enter puts the way back on the command line, a second one goes it. */
static void the_cursor_leads_back_to_its_step(void **state)
{
    (void)state;
    screen_start(120, 40, "", TINY);
    wait_for_step_above(60);
    screen_pause();
    screen_key("2");
    wait_for("smoothing 0.95");
    screen_key("Home");
    wait_for("\n step 1 ");
    wait_for("Enter back here");
    screen_key("Enter");
    wait_for("Enter: back 1");
    screen_key("Enter");
    wait_for("back at step 1");
    wait_for(" paused ");
    assert_int_equal(screen_step(), 1);
    screen_leave();
}

/* It is recorded before the screen reads the session, and its event comes all the same. */
static void a_change_given_to_a_resume_stands_on_a_chart_once(void **state)
{
    static const char change[] = "momentum 0.9 -> 0.8";
    const char *first;

    (void)state;
    screen_start(120, 40, "", TINY "--session again");
    wait_for_step_above(40);
    screen_leave();
    screen_end();
    screen_start(120, 40, "", "resume --screen again --momentum 0.8");
    wait_for_step_above(60);
    screen_pause();
    screen_key("2");
    wait_for("smoothing 0.95");
    screen_command("view gradient-norm");
    wait_until_gone("Learning rate");
    wait_for(change);
    screen_settle();
    first = strstr(screen_text(), change);
    assert_non_null(first);
    assert_null(strstr(first + 1, change));
    screen_leave();
}

static void another_sessions_curves_lie_over_this_ones(void **state)
{
    (void)state;
    screen_start(120, 40, "", TINY "--steps 30 --session first --lr 0.01");
    wait_for(" finished ");
    screen_leave();
    screen_end();
    screen_start(120, 40, "", TINY "--session second");
    wait_for_step_above(5);
    screen_pause();
    screen_key("7");
    wait_for("newest first");
    wait_for("\xe2\x96\xb6  second");
    screen_key("Down");
    wait_for("2 of ");
    screen_key("Space");
    wait_for("a  first");
    screen_key("Enter");
    wait_for("finished at step 30");
    wait_for("this run");
    wait_for("0.01 ");
    screen_key("Escape");
    wait_for("newest first");
    screen_key("2");
    wait_for("a first");
    screen_command("overlay off");
    wait_until_gone("a first");
    screen_type(":overlay fi");
    screen_key("Tab"); /* names of sessions are completed */
    wait_for("overlay first");
    screen_key("Enter");
    wait_for("a first");
    screen_command("overlay second");
    wait_for("is this run itself");
    screen_command("overlay first"); /* once more */
    wait_for("first is taken away");
    wait_until_gone("a first");
    screen_command("overlay first");
    wait_for("first lies over this run's curves");
    screen_command("overlay thrid");
    wait_for("there is no session"); /* read on another thread: the word on it takes the place of any other */
    screen_key("1");
    wait_for(" Accuracy \xe2\x94\x80");
    screen_stays_quiet();
    screen_leave();
}

#define TEST(name) cmocka_unit_test_teardown(name, screen_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_lead_through_the_charts),
        TEST(the_cursor_leads_back_to_its_step),
        TEST(a_change_given_to_a_resume_stands_on_a_chart_once),
        TEST(another_sessions_curves_lie_over_this_ones),
    };
    return cmocka_run_group_tests(tests, tmux_set_up, tmux_tear_down);
}
