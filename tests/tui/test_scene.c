/* The whole screen drawn without a terminal: at every size with nothing, a little and much to show, and what it must
 * say in each state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tui/live_scene.h"
#include "tui/keys.h"
#include "tui/panel.h"

static void all_sizes(void)
{
    for (int rows = 1; rows <= 100; rows += rows < 32 ? 1 : 17)
        for (int columns = 1; columns <= 300; columns += columns < 24 ? 1 : 19)
            for (int view = 0; view < VIEW_COUNT; view++) {
                live.view = (enum view)view;
                render_live(rows, columns, view == VIEW_LOG ? GLYPHS_ASCII : GLYPHS_BRAILLE);
            }
    live.view = VIEW_OVERVIEW;
}

static void every_size_can_be_drawn(void **state)
{
    (void)state;
    all_sizes();
    go_live(0);
    all_sizes();
    live.snapshot.steps_total = 0; /* before the trainer knows */
    live.snapshot.steps_per_epoch = 0;
    all_sizes();
    go_live(3000);
    live.overlay = OVERLAY_HELP;
    all_sizes();
    live.overlay = OVERLAY_MESSAGE;
    memset(live.message, 'x', sizeof live.message - 1);
    live.cursor = 1500;
    live.journal_scroll = 1 << 20;
    live.command_focused = true;
    live.notice.role = ROLE_BAD;
    memset(live.notice.text, 'x', sizeof live.notice.text - 1);
    all_sizes();
}

static void the_first_frame_says_what_is_being_done(void **state)
{
    (void)state;
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "nfbench"));
    assert_true(live_shows(24, "starting"));
    assert_true(live_shows(24, "opening the data"));
    assert_true(live_shows(24, "q quit"));
}

/* No key is offered that could only say that the run has ended. */
static void after_the_end_only_keys_that_do_something_are_offered(void **state)
{
    (void)state;
    go_live(10);
    render_live(24, 120, GLYPHS_BRAILLE);
    for (const char *key = "space pause\0s step\0+/- lr\0e eval\0w save\0Tab view\0"; *key; key += strlen(key) + 1)
        assert_true(live_shows(24, key));
    for (int ended = 0; ended < 3; ended++) {
        live.snapshot.state = (enum trainer_state[]){TRAINER_FINISHED, TRAINER_DIVERGED, TRAINER_STARTING}[ended];
        live.phase = ended < 2 ? PHASE_LIVE : PHASE_BROKEN;
        render_live(24, 120, GLYPHS_BRAILLE);
        for (const char *key = "space\0s step\0 lr \0e eval\0w save\0"; *key; key += strlen(key) + 1)
            assert_null(strstr(shown_text[22], key));
        assert_non_null(strstr(shown_text[22], "Tab view"));
        assert_non_null(strstr(shown_text[22], "q quit"));
    }
}

/* Where room is short: what the keys of the view are nobody can guess. */
static void the_views_keys_are_offered_before_the_general_ones(void **state)
{
    (void)state;
    go_live(10);
    scene_open(&live, VIEW_IMAGES);
    render_live(24, 80, GLYPHS_BRAILLE);
    for (const char *key = "p page\0Enter large\0r re-roll\0u measure\0c class\0? help\0q quit\0"; *key;
         key += strlen(key) + 1)
        assert_non_null(strstr(shown_text[22], key));
    assert_null(strstr(shown_text[22], "Tab view"));
    scene_open(&live, VIEW_RUNS);
    render_live(18, 60, GLYPHS_BRAILLE);
    assert_non_null(strstr(shown_text[16], "Enter detail"));
    assert_non_null(strstr(shown_text[16], "q quit"));
    scene_open(&live, VIEW_LOG); /* which has few */
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(shown_text[22], "space pause"));
    assert_non_null(strstr(shown_text[22], "Tab view"));
}

static void a_small_terminal_says_what_it_needs(void **state)
{
    (void)state;
    go_live(10);
    render_live(5, 30, GLYPHS_BRAILLE);
    assert_string_equal(shown_text[0], "30x5 is too small             ");
    assert_non_null(strstr(shown_text[1], "needs 40x10"));
    assert_int_equal(render_live(1, 1, GLYPHS_BRAILLE).row, -1);
}

static void a_diagnosis_stands_over_the_charts(void **state)
{
    (void)state;
    go_live(10);
    live.overlay = OVERLAY_MESSAGE;
    snprintf(live.message_title, sizeof live.message_title, "Training diverged");
    snprintf(live.message, sizeof live.message, "block 3 of 6 left the finite range. Try --lr 0.01");
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "Training diverged"));
    assert_true(live_shows(24, "block 3 of 6"));
    assert_true(live_shows(24, "Esc closes"));
}

/* In the command line's row where it has room, else wrapped above it; what went well may be cut. */
static void a_refusal_is_read_to_its_end(void **state)
{
    (void)state;
    go_live(10);
    live.notice.role = ROLE_BAD;
    snprintf(live.notice.text, sizeof live.notice.text, "no setting 'momentun': did you mean 'momentum'?");
    for (int focused = 0; focused < 2; focused++) {
        live.command_focused = focused;
        render_live(24, 80, GLYPHS_BRAILLE);
        assert_non_null(strstr(shown_text[23], "no setting 'momentun': did you mean 'momentum'?"));
        render_live(18, 44, GLYPHS_BRAILLE);
        assert_non_null(strstr(shown_text[15], " no setting 'momentun': did you mean "));
        assert_non_null(strstr(shown_text[16], " 'momentum'?  "));
        assert_null(strstr(shown_text[17], "momentum"));
    }
    live.notice.role = ROLE_GOOD;
    render_live(18, 44, GLYPHS_BRAILLE);
    assert_non_null(strstr(shown_text[17], "no setting"));
    assert_null(strstr(shown_text[16], "momentum"));
}

static void help_names_all_and_scrolls(void **state)
{
    (void)state;
    go_live(10);
    live.overlay = OVERLAY_HELP;
    render_live(100, 200, GLYPHS_BRAILLE);
    assert_true(live_shows(100, "lr X|xF"));
    assert_true(live_shows(100, "quit"));
    assert_true(live_shows(100, "Ctrl-R"));
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_false(live_shows(24, "Ctrl-R"));
    live.overlay_scroll = 1000;
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "second one leaves at once"));
    live.help_topic = "smooth";
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "smooth X"));
    assert_false(live_shows(24, "Draw the whole screen"));
}

/* Below its name, where there is no room beside it. */
static void help_is_whole_on_the_smallest_screen(void **state)
{
    bool found = false;

    (void)state;
    go_live(10);
    live.overlay = OVERLAY_HELP;
    for (int scroll = 0; scroll < 100 && !found; scroll++) {
        live.overlay_scroll = scroll;
        render_live(10, 40, GLYPHS_BRAILLE);
        assert_true(live_shows(10, "Up and Down scroll"));
        found = live_shows(10, "Stop before the next step and wait");
    }
    assert_true(found);
}

static void the_log_scrolls_and_stops_at_its_ends(void **state)
{
    (void)state;
    go_live(0);
    live.view = VIEW_LOG;
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "line 29"));
    assert_false(live_shows(24, "line 0 "));
    assert_true(scene_key(&live, 24, 80, KEY_CODE_HOME));
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "line 0"));
    assert_false(live_shows(24, "line 29"));
    assert_true(live_shows(24, "more"));
    assert_true(scene_key(&live, 24, 80, KEY_CODE_END));
    assert_true(scene_key(&live, 24, 80, KEY_CODE_DOWN));
    assert_int_equal(live.journal_scroll, 0);
    assert_false(scene_key(&live, 24, 80, 'z'));
}

/* Steps that will never come take no room. */
static void the_axis_ends_with_the_run(void **state)
{
    (void)state;
    go_live(35);
    scene_open_chart(&live, PLACE_LOSS);
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(shown_text[19], " 100"));
    live.snapshot.state = TRAINER_STOPPED;
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_null(strstr(shown_text[19], " 100"));
    assert_non_null(strstr(shown_text[19], " 35"));
}

static void the_cursor_walks_along_the_curve(void **state)
{
    (void)state;
    assert_false(scene_key(&live, 24, 80, KEY_CODE_LEFT)); /* there is no point yet */
    go_live(100);
    assert_true(scene_key(&live, 24, 80, KEY_CODE_LEFT));
    assert_true(live.cursor < 100 && live.cursor > 80);
    for (int i = 0; i < 200; i++)
        scene_key(&live, 24, 80, KEY_CODE_LEFT);
    assert_true(live.cursor == 1);
    assert_true(scene_key(&live, 24, 80, KEY_CODE_ESCAPE));
    assert_true(isnan(live.cursor));
    assert_false(scene_key(&live, 24, 80, KEY_CODE_ESCAPE));
}

static void one_of_the_charts_is_chosen_and_shown_alone(void **state)
{
    (void)state;
    go_live(100);
    scene_open(&live, VIEW_CHARTS);
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "* * Loss"));
    assert_true(live_shows(24, " Accuracy"));
    assert_true(live_shows(24, "c next chart")); /* not all of them have room */
    assert_false(live_shows(24, "* * * Accuracy"));
    assert_true(scene_key(&live, 24, 80, 'c'));
    assert_true(scene_key(&live, 24, 80, KEY_CODE_ENTER));
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "* * Accuracy"));
    assert_false(live_shows(24, " Loss"));
    scene_key(&live, 24, 80, KEY_CODE_LEFT); /* the first Escape is the cursor's */
    assert_true(scene_key(&live, 24, 80, KEY_CODE_ESCAPE));
    assert_true(live.zoomed);
    assert_true(scene_key(&live, 24, 80, KEY_CODE_ESCAPE));
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, " Loss"));
    scene_open_chart(&live, PLACE_LOSS); /* view loss */
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_false(live_shows(24, " Accuracy"));
    scene_open(&live, VIEW_OVERVIEW); /* which is not zoomed when one comes back to it */
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, " Accuracy"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, live_scene_set_up, live_scene_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_size_can_be_drawn),
        TEST(the_first_frame_says_what_is_being_done),
        TEST(after_the_end_only_keys_that_do_something_are_offered),
        TEST(the_views_keys_are_offered_before_the_general_ones),
        TEST(a_small_terminal_says_what_it_needs),
        TEST(a_diagnosis_stands_over_the_charts),
        TEST(a_refusal_is_read_to_its_end),
        TEST(help_names_all_and_scrolls),
        TEST(help_is_whole_on_the_smallest_screen),
        TEST(the_log_scrolls_and_stops_at_its_ends),
        TEST(the_axis_ends_with_the_run),
        TEST(the_cursor_walks_along_the_curve),
        TEST(one_of_the_charts_is_chosen_and_shown_alone),
    };
    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
