/* A run lived through on the real screen: it comes at once, shows the curves, and is led by keys and by commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/terminal/tmux.h"

/* Shows a paused screen, whose step then stands still. */
static long pause_now(void)
{
    wait_for_step_above(0);
    screen_pause();
    return screen_step();
}

static void there_is_something_to_read_at_once(void **state)
{
    long started;

    (void)state;
    started = clock_ms();
    screen_start(100, 30, "", TINY);
    wait_for("q quit");
    print_message("first text after %ld ms, with tmux, the shell and the asking\n", clock_ms() - started);
    wait_for("synthetic images");
    wait_for("micro, changed, ");
    wait_for("CPU, 1 thread, fp32");
    wait_for(" training ");
    wait_for_step_above(5);
    wait_for("Loss");
    wait_for("Accuracy");
    wait_for("\xe2\xa0"); /* braille */
    screen_key("q");
    assert_int_equal(screen_status(), 0);
    wait_for("stopped at step");
}

static void keys_lead_the_run(void **state)
{
    long step;

    (void)state;
    screen_start(120, 36, "", TINY);
    step = pause_now();
    screen_key("s");
    wait_for_pause_at(step + 1);
    wait_for(" paused ");
    screen_key("+");
    wait_for("lr 0.02 -> 0.025");
    screen_key("-");
    wait_for("lr 0.025 -> 0.02");
    screen_key("w");
    wait_for("saved at step");
    screen_key("e");
    wait_for("eval: validation accuracy");
    screen_key("Space");
    wait_for(" training ");
    wait_for_step_above(step + 1);
    screen_key("q");
    assert_int_equal(screen_status(), 0);
}

static void commands_lead_the_run(void **state)
{
    long step;

    (void)state;
    screen_start(120, 36, "", TINY);
    wait_for_step_above(0);
    screen_command("pause");
    wait_for_pause();
    step = screen_step();
    screen_command("step 3");
    wait_for_pause_at(step + 3);
    screen_command("lr 0.01");
    wait_for("lr 0.02 -> 0.01");
    screen_command("lr x0.5");
    wait_for("lr 0.01 -> 0.005");
    screen_command("log on");
    wait_for("loss axis logarithmic");
    screen_command("smooth 0.5");
    wait_for("smoothing 0.5");
    screen_command("resume");
    wait_for(" training ");
    screen_command("quit");
    assert_int_equal(screen_status(), 0);
}

static void the_command_line_completes_suggests_and_remembers(void **state)
{
    (void)state;
    screen_start(120, 36, "", TINY);
    wait_for_step_above(0);
    screen_type(":the");
    screen_key("Tab");
    wait_for(":theme ");
    screen_key("Tab");
    wait_for("light");
    wait_for("mono");
    screen_type("lihgt\n");
    wait_for("did you mean 'light'?");
    wait_for(":theme lihgt"); /* it is there to be mended */
    screen_key("C-u");
    wait_until_gone(":theme lihgt");
    screen_key("C-d"); /* on an empty line: back to the keys, not out of the run */
    wait_for(": for the command line");
    screen_type(":zzz");
    wait_for(":zzz");
    screen_key("C-c"); /* throws the line away, not the run */
    wait_until_gone(":zzz");
    screen_type(":abc");
    wait_for(":abc");
    screen_key("Escape");
    wait_until_gone(":abc");
    screen_command("theme mono");
    wait_for("theme mono");
    screen_key(":");
    wait_until_gone(":theme mono"); /* as it was typed */
    screen_key("Up");
    wait_for(":theme mono");
    screen_key("Escape");
    wait_until_gone(":theme mono");
    screen_key("q");
    assert_int_equal(screen_status(), 0);
    assert_int_equal(access(screen_path(".local/state/nfbench/history"), F_OK), 0);
}

/* In a panel's frame; the names of all views stand above. */
#define LOSS " Loss \xe2\x94\x80"
#define ACCURACY " Accuracy \xe2\x94\x80"
/* Before the title of the one that takes the keys. */
#define CHOSEN "\xe2\x96\xb6 "

static void views_help_and_pictures(void **state)
{
    (void)state;
    char path[256], text[sizeof path + 16];
    screen_start(120, 36, "", TINY);
    wait_for_step_above(3);
    screen_key("2");
    wait_for(CHOSEN "Loss");
    screen_key("c");
    wait_for(CHOSEN "Accuracy");
    screen_key("c");
    wait_for(CHOSEN "Learning rate");
    screen_key("c");
    wait_for(CHOSEN "Gradient norm");
    screen_key("c");
    wait_for(CHOSEN "Loss");
    screen_key("Enter");
    wait_until_gone(ACCURACY);
    screen_key("0");
    wait_until_gone(LOSS);
    wait_for("session /");
    screen_key("1");
    wait_for(ACCURACY);
    screen_key("Tab");
    wait_for(CHOSEN "Loss");
    screen_key("?");
    wait_for("Keys and commands");
    screen_key("Escape");
    wait_until_gone("Keys and commands");
    screen_command("export");
    wait_for("charts");
    wait_for("wrote /");
    assert_int_equal(access(screen_path("sessions"), F_OK), 0);
    snprintf(path, sizeof path, "%s", screen_path("alone.png"));
    snprintf(text, sizeof text, "export %s", path);
    screen_command(text);
    snprintf(text, sizeof text, "wrote %s", path); /* one picture was named: no charts beside it */
    wait_for(text);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_not_equal(access(screen_path("alone-loss.png"), F_OK), 0);
    screen_command("export signal density");
    wait_for("wrote 2 pictures into /");
    screen_command("save");
    wait_for("saved at step");
    screen_command("export filters,augmentation,samples"); /* with the network, beside the run */
    wait_for("wrote 3 pictures into /");
    screen_command("export signal,sig");
    wait_for("there is no picture 'sig'");
    screen_type(".png\n"); /* the line is there to be edited */
    wait_for("signal,sig.png");
    screen_key("q");
    assert_int_equal(screen_status(), 0);
}

static void a_run_that_is_over_stays_to_be_looked_at(void **state)
{
    (void)state;
    screen_start(120, 36, "", TINY "--steps 12 --session over");
    wait_for(" finished ");
    wait_for("test accuracy");
    wait_for("finished at step 12");
    screen_key("s");
    wait_for("the run has ended; nfbench resume goes on with more --epochs");
    screen_key("q");
    assert_int_equal(screen_status(), 0);
    wait_for("finished at step 12. nfbench test");
    screen_end();
    screen_start(120, 36, "", "resume --screen over"); /* and can be looked at again */
    wait_for(" finished ");
    wait_for("finished after");
    wait_for("test accuracy");
    wait_for("--epochs M goes on further");
    screen_key("q");
    assert_int_equal(screen_status(), 0);
}

static void a_divergence_is_explained(void **state)
{
    (void)state;
    screen_start(120, 36, "", TINY "--lr 1000 --agc 0");
    wait_for("Training diverged");
    wait_for("left the finite range");
    wait_for(" diverged ");
    screen_key("Escape");
    wait_until_gone("Esc closes");
    screen_key("Space"); /* nothing was changed: it is not finite again */
    wait_for("tries step ");
    wait_for("Training diverged");
    screen_key("Escape");
    wait_until_gone("Esc closes");
    screen_key("q");
    wait_for("Leave?"); /* the run waits for a decision */
    screen_key("q");
    assert_int_equal(screen_status(), 1);
    wait_for("diverged at step");
}

static void the_system_view_tells_where_the_time_goes(void **state)
{
    (void)state;
    screen_start(100, 32, "", TINY);
    wait_for_step_above(3);
    screen_key("8");
    wait_for("images/s");
    wait_for("\xe2\x96\x93 backward"); /* with its filling */
    wait_for(" of a processor, ");     /* the screen itself, from the second sample on */
    wait_for("Speed");
    screen_key("q");
    assert_int_equal(screen_status(), 0);
    assert_terminal_restored();
}

static void what_cannot_start_says_why(void **state)
{
    (void)state;
    screen_start(100, 30, "", "--sessions-dir /proc/nfbench");
    wait_for("Cannot start");
    wait_for("/proc/nfbench");
    wait_for("the run could not start; q leaves");
    screen_key("Escape");
    wait_until_gone("Esc closes");
    wait_until_gone("waiting for the first step");
    screen_key("s");
    wait_for(": the run could not start; q leaves");
    screen_key("q");
    assert_int_equal(screen_status(), 1);
    assert_terminal_restored();
}

/* All keys come before the trainer has answered the first. */
static void a_second_space_takes_the_pause_back(void **state)
{
    long step;

    (void)state;
    screen_start(120, 36, "", TINY "--probe-every 0");
    step = wait_for_step_above(0);
    screen_type(" + ");
    wait_for("resume: running");
    wait_for_step_above(step + 20);
    screen_key("q");
    assert_int_equal(screen_status(), 0);
}

/* The best of the run is one of its epochs, not of those that were undone; a load may bring these back. */
static void the_best_is_one_of_the_run(void **state)
{
    (void)state;
    screen_start(100, 30, "", TINY "--probe-every 0");
    wait_for_step_above(250); /* behind the first epoch, which is the best so far */
    wait_until_gone("best       -");
    screen_command("save late");
    wait_for(" as late");
    screen_command("back 100");
    wait_for("at step 100");
    wait_for("best       -");
    screen_command("load late");
    wait_for(" as saved in late");
    wait_until_gone("best       -");
    screen_key("q");
    assert_int_equal(screen_status(), 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, screen_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(there_is_something_to_read_at_once),
        TEST(keys_lead_the_run),
        TEST(commands_lead_the_run),
        TEST(the_command_line_completes_suggests_and_remembers),
        TEST(views_help_and_pictures),
        TEST(a_run_that_is_over_stays_to_be_looked_at),
        TEST(a_second_space_takes_the_pause_back),
        TEST(the_best_is_one_of_the_run),
        TEST(a_divergence_is_explained),
        TEST(the_system_view_tells_where_the_time_goes),
        TEST(what_cannot_start_says_why),
    };
    return cmocka_run_group_tests(tests, tmux_set_up, tmux_tear_down);
}
