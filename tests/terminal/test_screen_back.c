/* Going back on the real screen: before a command, to a step, to a checkpoint with a name and ahead to it again, and a
 * fork of the run; the curves follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/terminal/tmux.h"

/* Paused at step 40, with what follows to come only when it is asked for. */
static void start_at_40(const char *name)
{
    char arguments[512];

    snprintf(arguments, sizeof arguments, TINY "--log-every 1 --checkpoint-every 15 --session %s", name);
    screen_start(160, 40, "", arguments);
    wait_for_step_above(0);
    screen_command("pause");
    wait_for(" paused ");
    screen_command("back 0");
    wait_for("back at step 0 from step ");
    screen_command("step 40");
    wait_for_pause_at(40);
}

static void command_waiting(const char *command, const char *words)
{
    screen_command(command);
    wait_for(words);
}

static void step_to(const char *command, long step)
{
    screen_command(command);
    wait_for_pause_at(step);
}

static void leave(void)
{
    screen_command("quit");
    assert_int_equal(screen_status(), 0);
}

static void back_undoes_a_command_and_any_step_is_made_again(void **state)
{
    (void)state;
    start_at_40("back");
    command_waiting("set momentum 0.5", "momentum 0.9 -> 0.5");
    step_to("step 10", 50);
    command_waiting("back", "back at step 40 from step 50, before `set momentum 0.5`, paused");
    command_waiting("set momentum", "momentum 0.9");
    command_waiting("back 37", "back at step 37 from step 40, paused: made again from step ");
    wait_for("with the losses recorded then");
    assert_int_equal(screen_step(), 37);
    command_waiting("back 38", "step 38 is not behind the run");
    command_waiting("back good", "back at step ");
    wait_for("change it, then resume");
    leave();
}

static void a_name_is_loaded_from_behind_and_from_ahead(void **state)
{
    (void)state;
    start_at_40("named");
    command_waiting("save forty", "saved at step 40 as forty");
    command_waiting("save 40", "it would be taken for a step");
    screen_key("Escape"); /* what is not understood stays to be edited */
    wait_until_gone(":save 40");
    command_waiting("back 12", "back at step 12 from step 40");
    assert_int_equal(screen_step(), 12);
    screen_type(":load fo");
    screen_key("Tab");
    wait_for("load forty");
    screen_key("Enter");
    wait_for("at step 40 as saved in forty, from step 12; paused");
    assert_int_equal(screen_step(), 40);
    step_to("step 5", 45);
    command_waiting("load forty", "at step 40 as saved in forty, from step 45; paused");
    command_waiting("load fifty", "has no checkpoint fifty");
    screen_key("2"); /* the curves are those of then, read from the records */
    wait_for("all steps");
    screen_key("Home");
    wait_for("gradient ");
    screen_key("Escape");
    wait_until_gone("gradient ");
    leave();
}

/* The fork opens with the curves of before and those of its parent, and the run goes on. */
static void a_fork_is_a_session_of_its_own(void **state)
{
    char again[512];

    (void)state;
    start_at_40("root");
    command_waiting("fork branch", "forked at step 40: nfbench resume --screen ");
    wait_for("open branch goes on with it here");
    command_waiting("fork branch", "session branch exists already");
    step_to("step 2", 42);
    leave();
    screen_end();
    snprintf(again, sizeof again, "resume --screen %s", screen_path("sessions/branch"));
    screen_start(160, 40, "", again);
    wait_for("resumed at step 40");
    wait_for_step_above(40);
    screen_key("0");
    wait_for("a fork of root, whose curves lie over this run's");
    screen_key("1");
    wait_for("a root "); /* in the chart's legend */
    leave();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(back_undoes_a_command_and_any_step_is_made_again, screen_tear_down),
        cmocka_unit_test_teardown(a_name_is_loaded_from_behind_and_from_ahead, screen_tear_down),
        cmocka_unit_test_teardown(a_fork_is_a_session_of_its_own, screen_tear_down),
    };
    return cmocka_run_group_tests(tests, tmux_set_up, tmux_tear_down);
}
