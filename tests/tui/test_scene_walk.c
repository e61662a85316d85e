/* How a person walks through the views of the blocks: the keys, what opens what, which axes are chosen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "tests/tui/probed_scene.h"
#include "tui/keys.h"
#include "tui/panel_probe.h"

static void arrows_walk_and_rows_follow(void **state)
{
    (void)state;
    probed_scene_close(NULL);
    probed_scene_begin(100);
    add_healthy(0);
    scene.view = VIEW_BLOCKS;
    render(24, 80);
    must_show(24, " stem");
    assert_int_equal(row_of(24, "block 50 "), -1);
    press(KEY_CODE_DOWN);
    assert_int_equal(scene.selected, 1);
    press(KEY_CODE_PAGE_DOWN);
    assert_true(scene.selected > 5 && scene.selected < 20);
    press(KEY_CODE_END);
    assert_int_equal(scene.selected, 100);
    press(KEY_CODE_DOWN);
    assert_int_equal(scene.selected, 100);
    render(24, 80);
    must_show(24, "block 100");
    assert_int_equal(row_of(24, " stem"), -1); /* "System" is a view */
    press(KEY_CODE_UP);
    press(KEY_CODE_PAGE_UP);
    assert_true(scene.selected > 80 && scene.selected < 95);
    press(KEY_CODE_HOME);
    press(KEY_CODE_UP);
    assert_int_equal(scene.selected, 0);
    render(24, 80);
    must_show(24, " stem");
    for (int block = 1; block <= 40; block++) { /* at each step the chosen row is in sight */
        char row[32];

        press(KEY_CODE_DOWN);
        render(24, 80);
        snprintf(row, sizeof(row), "block %d ", block);
        must_show(24, row);
    }
    for (int block = 39; block > 0; block--) {
        char row[32];

        press(KEY_CODE_UP);
        render(24, 80);
        snprintf(row, sizeof(row), "block %d ", block);
        must_show(24, row);
    }
    assert_false(scene_key(&scene, 24, 80, 'z'));
}

static void enter_opens_a_block_and_escape_leads_back(void **state)
{
    (void)state;
    add_healthy(0);
    for (int v = 0; v < VIEWS; v++) {
        if (views[v] == VIEW_BLOCK)
            continue;
        scene.view = views[v];
        scene.selected = 2;
        press(KEY_CODE_ENTER);
        assert_int_equal(scene.view, VIEW_BLOCK);
        render(24, 80);
        must_show(24, "Block 2 of 5");
        must_show(24, "variance");
        must_show(24, "predicted");
        press(KEY_CODE_RIGHT);
        render(24, 80);
        must_show(24, "Block 3 of 5");
        press(KEY_CODE_LEFT);
        press(KEY_CODE_LEFT);
        press(KEY_CODE_LEFT);
        press(KEY_CODE_LEFT);
        render(24, 80);
        must_show(24, "the stem");
        press(KEY_CODE_ESCAPE);
        assert_int_equal(scene.view, views[v]);
        assert_int_equal(scene.selected, 0);
    }
    scene.view = VIEW_OVERVIEW;
    scene_open(&scene, VIEW_BLOCK); /* by the command */
    press(KEY_CODE_ESCAPE);
    assert_int_equal(scene.view, VIEW_OVERVIEW);
}

static void figures_that_have_no_room_come_by_the_arrows(void **state)
{
    (void)state;
    add_healthy(0);
    scene.view = VIEW_BLOCK;
    render(18, 60);
    assert_int_equal(row_of(18, "gradient norm over"), -1);
    for (int i = 0; i < 20; i++)
        press(KEY_CODE_DOWN);
    render(18, 60);
    must_show(18, "gradient norm over");
    press(KEY_CODE_UP); /* the twenty are not to be gone back through */
    render(18, 60);
    assert_int_equal(row_of(18, "gradient norm over"), -1);
    render(60, 200);
    must_show(60, "gradient norm over");
    must_show(60, "values over the steps");
}

/* Values that span decades ask for it; the person has the last word, for the signal and for the gradients apart. */
static void axes_follow_the_data_and_the_person(void **state)
{
    struct probe *probe = made_probe(&spec, 200);

    (void)state;
    assert_false(probe_log_axis(&scene, AXIS_SIGNAL)); /* no probe yet */
    add_healthy(0);
    assert_false(probe_log_axis(&scene, AXIS_SIGNAL));
    probe->points[4].variance = 1e6f;
    probe->points[3].variance = NAN;
    probe->points[2].variance = 0;
    add_probe(probe);
    assert_true(probe_log_axis(&scene, AXIS_SIGNAL));
    assert_false(probe_log_axis(&scene, AXIS_GRADIENTS));
    scene.view = VIEW_SIGNAL;
    press('l');
    assert_false(probe_log_axis(&scene, AXIS_SIGNAL));
    press('l');
    assert_true(probe_log_axis(&scene, AXIS_SIGNAL));
    scene.view = VIEW_GRADIENTS;
    press('l');
    assert_true(probe_log_axis(&scene, AXIS_GRADIENTS));
}

/* In all views of the blocks; the heading says which probe is shown. */
static void earlier_probes_are_walked_back_to(void **state)
{
    static const enum view views[] = {VIEW_BLOCKS, VIEW_BLOCK, VIEW_SIGNAL, VIEW_GRADIENTS};

    (void)state;
    add_healthy(0);
    add_healthy(100);
    add_healthy(200);
    for (size_t i = 0; i < sizeof(views) / sizeof(*views); i++) {
        scene.view = views[i];
        press(',');
        render(24, 100);
        must_show(24, "step 100 ");
        must_show(24, "the newest is of step 200");
        press(',');
        press('.');
        press('n');
        render(24, 100);
        must_show(24, "step 200");
        assert_int_equal(row_of(24, "the newest"), -1);
    }
}

static void the_key_bar_and_the_help_know_the_views_keys(void **state)
{
    (void)state;
    add_healthy(0);
    scene.view = VIEW_BLOCKS;
    render(24, 80);
    must_show(24, "Enter detail");
    must_show(24, "space pause");
    must_show(24, "Tab view");
    must_show(24, "q quit");
    scene.view = VIEW_BLOCK;
    render(24, 80);
    must_show(24, "Esc back");
    scene.view = VIEW_OVERVIEW;
    render(24, 80);
    assert_int_equal(row_of(24, "Enter detail"), -1);
    scene.overlay = OVERLAY_HELP;
    render(130, 200);
    must_show(130, "Enter opens it");
    must_show(130, "Esc goes back");
}

/* In whichever view it is opened. */
static void the_help_begins_with_the_open_view(void **state)
{
    static const struct {
        enum view view;
        const char *words;
    } first[] = {{VIEW_OVERVIEW, "Charts: "},
                 {VIEW_CHARTS, "Charts: "},
                 {VIEW_BLOCKS, "Blocks: "},
                 {VIEW_BLOCK, "A block in detail: "},
                 {VIEW_SIGNAL, "Signal and Gradients: "},
                 {VIEW_GRADIENTS, "Signal and Gradients: "},
                 {VIEW_LOG, "Log: "}};

    (void)state;
    add_healthy(0);
    scene.overlay = OVERLAY_HELP;
    for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++) {
        scene.view = first[i].view;
        render(24, 80); /* too small for all of it: the beginning is what one sees */
        assert_int_equal(row_of(24, first[i].words), row_of(24, "Keys and commands: ") + 1);
    }
}

static void overview_panels_are_chosen_and_zoomed(void **state)
{
    (void)state;
    scene.view = VIEW_OVERVIEW;
    render(24, 80);
    must_show(24, "* * Loss ");
    must_show(24, "c panel  Enter zoom");
    press('c');
    press('c');
    render(24, 80);
    must_show(24, "* * Log ");
    press(KEY_CODE_ENTER);
    render(24, 80);
    assert_int_equal(row_of(24, " Loss "), -1);
    must_show(24, "Esc all");
    press(KEY_CODE_ESCAPE);
    render(24, 80);
    must_show(24, " Loss ");
    assert_false(scene_key(&scene, 24, 80, KEY_CODE_ESCAPE));
}

static bool point_at(enum mouse_act act, int row, int column)
{
    const struct mouse mouse = {.act = act, .row = row, .column = column};

    return scene_mouse(&scene, 24, 80, &mouse);
}

static void a_click_chooses_a_panel_and_in_its_title_zooms_it(void **state)
{
    int row;

    (void)state;
    scene.view = VIEW_OVERVIEW;
    render(24, 80);
    row = row_of(24, " Loss ");
    assert_true(point_at(MOUSE_PRESS, row + 3, 60));
    assert_int_equal(scene_focus(&scene), PLACE_ACCURACY);
    assert_false(scene.zoomed);
    assert_true(point_at(MOUSE_PRESS, row, 20));
    assert_int_equal(scene_focus(&scene), PLACE_LOSS);
    assert_true(scene.zoomed);
    assert_true(point_at(MOUSE_PRESS, row, 20));
    assert_false(scene.zoomed);
    assert_false(point_at(MOUSE_PRESS, 23, 20)); /* the command line, and beyond the screen */
    assert_false(point_at(MOUSE_PRESS, 300, 300));
    assert_false(point_at(MOUSE_WHEEL_UP, 300, 300));
}

/* Wherever the plots stand: of each block there is a column that marks it, and opens it when it is marked. */
static void a_click_on_a_plot_marks_a_block_and_a_second_one_opens_it(void **state)
{
    static const enum view over_depth[] = {VIEW_SIGNAL, VIEW_GRADIENTS};

    (void)state;
    add_healthy(0);
    for (int v = 0; v < 2; v++) {
        int marked = 0, opened = 0, last = 0;

        scene.view = over_depth[v];
        scene.selected = 0;
        render(24, 80);
        for (int column = 0; column < 80; column++) {
            scene.view = over_depth[v];
            assert_true(scene.selected <= BLOCKS);
            last = scene.selected;
            point_at(MOUSE_PRESS, 12, column);
            assert_true(scene.selected == last || scene.view == over_depth[v]);
            marked += scene.selected != last;
            opened += scene.view == VIEW_BLOCK;
        }
        assert_true(marked >= BLOCKS);
        assert_true(opened > 2 * BLOCKS);
        assert_int_equal(scene.selected, BLOCKS);
    }
}

static void the_names_of_the_views_show_which_is_open(void **state)
{
    (void)state;
    add_healthy(0);
    scene.view = VIEW_BLOCKS;
    render(24, 100);
    must_show(24, "1 Overview  2 Charts  3 Blocks  4 Signal  5 Gradients  6 Images  7 Runs  8 System  0 Log");
    render(24, 80);
    must_show(24, "1 Overview 2 Charts 3 Blocks 4 Signal 5 Gradients 6 Images 7 Runs 8 System 0 Log");
    assert_int_equal(role_at(24, "3 Blocks"), ROLE_SELECTED);
    assert_int_equal(role_at(24, "2 Charts"), ROLE_KEY);
    scene.view = VIEW_BLOCK; /* belongs to them */
    render(24, 100);
    assert_int_equal(role_at(24, "3 Blocks"), ROLE_SELECTED);
    render(18, 60); /* no room for all the names */
    must_show(18, "1  2  3 Blocks  4  5  6  7  8  0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, probed_scene_open, probed_scene_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(arrows_walk_and_rows_follow),
        TEST(enter_opens_a_block_and_escape_leads_back),
        TEST(figures_that_have_no_room_come_by_the_arrows),
        TEST(axes_follow_the_data_and_the_person),
        TEST(earlier_probes_are_walked_back_to),
        TEST(the_key_bar_and_the_help_know_the_views_keys),
        TEST(the_help_begins_with_the_open_view),
        TEST(overview_panels_are_chosen_and_zoomed),
        TEST(a_click_chooses_a_panel_and_in_its_title_zooms_it),
        TEST(a_click_on_a_plot_marks_a_block_and_a_second_one_opens_it),
        TEST(the_names_of_the_views_show_which_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
