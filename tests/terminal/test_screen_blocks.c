/* The views of the blocks on the real screen: probes arrive live and at a pause, and one walks through them by keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/terminal/tmux.h"

#define PROBED TINY "--stages 16/8x2,32/16x2 --probe-every 50 "

/* The step in the heading of the blocks; -1 when there is none. */
static long probed_step(void)
{
    static const char heading[] = "Blocks \xc2\xb7 step ";
    const char *at = strstr(screen_text(), heading);
    long step = 0;

    if (!at)
        return -1;
    for (at += sizeof heading - 1; (*at >= '0' && *at <= '9') || *at == ','; at++)
        step = *at == ',' ? step : 10 * step + (*at - '0');
    return step;
}

static long wait_for_probe_behind(long step)
{
    long until = clock_ms() + 300000, found;

    while ((found = probed_step()) <= step)
        assert_true(clock_ms() < until);
    return found;
}

static void blocks_are_measured_while_it_trains(void **state)
{
    long step;

    (void)state;
    screen_start(120, 36, "", PROBED);
    screen_key("3");
    wait_for(" stem");
    wait_for("block 4");
    wait_for("predicted");
    step = wait_for_probe_behind(63); /* the last in the beginning is at 32 */
    assert_int_equal(step % 50, 0);
    step = wait_for_probe_behind(step);
    assert_int_equal(step % 50, 0);
    wait_for("next at");
    screen_leave();
}

/* A pause takes a probe of its own and says where it is to be seen. */
static void a_pause_leads_to_the_blocks(void **state)
{
    long step;

    (void)state;
    screen_start(120, 36, "", PROBED);
    wait_for_step_above(70);
    screen_pause();
    wait_for("Blocks (key 3) shows");
    step = screen_step();
    screen_key("3");
    wait_for_probe_behind(step - 1);
    screen_settle();
    assert_int_equal(probed_step(), step);
    screen_key("s");
    wait_for_pause_at(step + 1);
    wait_for_probe_behind(step);
    screen_settle();
    assert_int_equal(probed_step(), step + 1);
    screen_leave();
}

static void keys_walk_through_the_blocks(void **state)
{
    (void)state;
    screen_start(120, 36, "", PROBED);
    wait_for_step_above(3);
    screen_pause();
    screen_key("3");
    wait_for(" stem: ");
    screen_key("Down");
    wait_for("block 1: ");
    screen_key("End");
    wait_for("block 4: ");
    screen_key("Enter");
    wait_for("Block 4 of 4");
    wait_for("variance over the steps");
    screen_key("Left");
    wait_for("Block 3 of 4");
    screen_key("Escape");
    wait_for("Blocks \xc2\xb7"); /* the detail has the block's words, too, and a key too soon would make it Alt's */
    wait_for("block 3: ");
    screen_key("4");
    wait_for("Signal propagation");
    wait_for("block 3");
    screen_key("Right");
    wait_for("block 4");
    screen_key("5");
    wait_for("Gradients");
    screen_key("Enter");
    wait_for("Block 4 of 4");
    screen_key("Escape");
    wait_for("Gradients \xc2\xb7");
    screen_key("0");
    wait_for("session /");
    screen_key("1");
    wait_for(" Accuracy \xe2\x94\x80");
    screen_key(":");
    screen_type("view block\n");
    wait_for("Block 4 of 4");
    screen_leave();
}

static void without_probes_the_view_says_how_to_get_them(void **state)
{
    (void)state;
    screen_start(100, 30, "", TINY "--probe-every 0");
    wait_for_step_above(3);
    screen_key("3");
    wait_for("Probing is off");
    wait_for("--probe-every N");
    screen_pause(); /* a pause measures, too */
    wait_for(" stem");
    screen_leave();
}

/* What was measured before is there again. */
static void a_resumed_session_shows_its_probes(void **state)
{
    (void)state;
    screen_start(120, 36, "", PROBED "--steps 60 --session again");
    wait_for(" finished ");
    screen_leave();
    screen_end();
    screen_start(120, 36, "", "resume --screen again");
    wait_for(" finished "); /* it takes no step, so no probe */
    screen_key("3");
    wait_for("Blocks \xc2\xb7 step 60"); /* taken behind the last step */
    wait_for("block 4");
    screen_key("Enter");
    wait_for("variance over the steps");
    screen_leave();
}

static void every_view_fits_every_size(void **state)
{
    static const int sizes[][2] = {{80, 24}, {60, 18}, {40, 10}, {20, 5}, {200, 60}, {19, 6}, {160, 48}};
    static const char *const keys[] = {"3", "Enter", "4", "5"};

    (void)state;
    screen_start(100, 30, "", PROBED);
    wait_for_step_above(3);
    screen_pause();
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        screen_key(keys[k]);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            screen_resize(sizes[i][0], sizes[i][1]);
            wait_for(sizes[i][0] < 40 ? "too small" : " paused");
        }
    }
    screen_leave();
}

static void ascii_and_no_colors_will_do(void **state)
{
    static const char *const keys[] = {"3", "Enter", "4", "5"};

    (void)state;
    screen_start(80, 24, "LC_ALL=C TERM=vt100", PROBED);
    wait_for_step_above(3);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        screen_key(keys[k]);
        wait_for(k == 0 ? "predicted" : k == 1 ? "Esc back" : k == 2 ? "Signal prop" : "Gradients .");
        wait_for_ascii();
    }
    screen_leave();
}

/* Half blocks of one colour would say nothing. */
static void strips_are_shaded_where_there_are_no_colors(void **state)
{
    static const char half_blocks[] = "\xe2\x96\x80\xe2\x96\x80\xe2\x96\x80", shade[] = "\xe2\x96\x91";

    (void)state;
    screen_start(140, 40, "NO_COLOR=1", PROBED);
    wait_for_step_above(3);
    screen_pause();
    screen_key("3");
    wait_for("values over the steps");
    wait_for(shade);
    screen_settle();
    assert_null(strstr(screen_text(), half_blocks));
    screen_command("theme dark");
    wait_for(half_blocks);
    screen_leave();
}

static void a_paused_view_sends_nothing(void **state)
{
    (void)state;
    screen_start(100, 30, "", PROBED);
    wait_for_step_above(3);
    screen_pause();
    screen_key("3");
    wait_for(" stem: ");
    screen_stays_quiet();
    screen_leave();
}

#define TEST(name) cmocka_unit_test_teardown(name, screen_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(blocks_are_measured_while_it_trains), TEST(a_pause_leads_to_the_blocks),
        TEST(keys_walk_through_the_blocks),        TEST(without_probes_the_view_says_how_to_get_them),
        TEST(a_resumed_session_shows_its_probes),  TEST(every_view_fits_every_size),
        TEST(ascii_and_no_colors_will_do),         TEST(strips_are_shaded_where_there_are_no_colors),
        TEST(a_paused_view_sends_nothing),
    };
    return cmocka_run_group_tests(tests, tmux_set_up, tmux_tear_down);
}
