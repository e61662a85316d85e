/* The views of the blocks, drawn without a terminal from probes that are made up: what they say, how one walks through
 * them, and that they can be drawn at every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tui/made_probe.h"
#include "tui/keys.h"
#include "tui/panel.h"
#include "tui/panel_probe.h"
#include "tui/scene.h"

enum { BLOCKS = 5 };

static struct scene scene;
static struct model_spec spec;

/* A run at step 250 that is probed each 100 steps, of so many blocks; nothing is probed yet. */
static void begin(int blocks)
{
    struct error error;

    made_spec(&spec, blocks);
    scene = (struct scene){.phase = PHASE_LIVE, .best = -1, .cursor = NAN, .probe_every = 100};
    scene.snapshot.state = TRAINER_RUNNING;
    scene.snapshot.steps_total = 1000;
    scene.snapshot.step.step = 250;
    assert_int_equal(curves_create(0.9, &scene.curves, &error), 0);
    assert_int_equal(journal_create(&scene.journal, &error), 0);
    assert_int_equal(probes_create(&spec, &scene.probes, &error), 0);
}

static int set_up(void **state)
{
    (void)state;
    begin(BLOCKS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    curves_destroy(scene.curves);
    journal_destroy(scene.journal);
    probes_destroy(scene.probes);
    cell_cache_destroy(scene.strips);
    return 0;
}

static void add_probe(struct probe *probe)
{
    struct error error;

    assert_int_equal(probes_add(scene.probes, probe, &error), 0);
    probe_destroy(probe);
}

static void add_healthy(long step)
{
    add_probe(made_probe(&spec, step));
}

/* ---- What is drawn ---- */

static char text[110][4 * 310];
static struct cell cells[110][310];

static void render(int rows, int columns)
{
    struct canvas *canvas;
    struct error error;

    assert_int_equal(canvas_create_cells(columns, rows, GLYPHS_BRAILLE, &canvas, &error), 0);
    scene_draw(&scene, canvas);
    for (int row = 0; row < rows; row++) {
        int used = 0;

        memcpy(cells[row], canvas_cells(canvas) + row * columns, (size_t)columns * sizeof(**cells));
        for (int column = 0; column < columns; column++)
            text[row][used++] = cells[row][column].code < 0x80 ? (char)cells[row][column].code : '*';
        text[row][used] = 0;
    }
    canvas_destroy(canvas);
}

/* The row that shows the words; -1 when none does. */
static int row_of(int rows, const char *words)
{
    for (int row = 0; row < rows; row++)
        if (strstr(text[row], words))
            return row;
    return -1;
}

static void must_show(int rows, const char *words)
{
    if (row_of(rows, words) < 0) {
        for (int row = 0; row < rows; row++)
            print_message("%s\n", text[row]);
        fail_msg("'%s' is missing", words);
    }
}

static enum role role_at(int rows, const char *words)
{
    int row = row_of(rows, words);

    assert_true(row >= 0);
    return (enum role)cells[row][strstr(text[row], words) - text[row]].style.role;
}

static void press(int key)
{
    assert_true(scene_key(&scene, 24, 80, key));
}

static const enum view views[] = {VIEW_BLOCKS, VIEW_BLOCK, VIEW_SIGNAL, VIEW_GRADIENTS};

enum { VIEWS = sizeof(views) / sizeof(*views) };

/* ---- Tests ---- */

static void all_sizes(void)
{
    for (int rows = 1; rows <= 100; rows += rows < 32 ? 1 : 17)
        for (int columns = 1; columns <= 300; columns += columns < 24 ? 5 : 19)
            for (int v = 0; v < VIEWS; v++) {
                scene.view = views[v];
                render(rows, columns);
            }
}

static void every_size_can_be_drawn(void **state)
{
    struct probe *probe = made_probe(&spec, 100);

    (void)state;
    all_sizes();
    add_healthy(0);
    all_sizes();
    probe->points[2].finite = false;
    probe->points[2].variance = NAN;
    probe->points[3].variance = INFINITY;
    probe->points[4].variance = 0;
    add_probe(probe);
    scene.selected = 3;
    scene.block_scroll = 100;
    all_sizes();
    probe = made_probe(&spec, 200);
    probe->gradients = false;
    for (int i = 0; i < probe->count; i++) {
        struct probe_point *point = &probe->points[i];

        point->gradient_norm = point->gradient_variance = point->weight_gradient_norm = 0;
        memset(point->values, 0, sizeof(point->values)); /* as of a record that lacks them */
        memset(point->variances, 0, sizeof(point->variances));
    }
    add_probe(probe);
    all_sizes();
    tear_down(NULL);
    begin(200);
    add_healthy(0);
    scene.selected = 150;
    all_sizes();
}

static void before_the_first_probe_the_views_say_when_it_comes(void **state)
{
    (void)state;
    for (int v = 0; v < VIEWS; v++) {
        scene.view = views[v];
        scene.probe_every = 100;
        scene.snapshot.step.step = 250;
        render(24, 80);
        must_show(24, "step 300");
        scene.snapshot.step.step = 0;
        render(24, 80);
        must_show(24, "comes with the first step");
        scene.probe_every = 0;
        render(24, 80);
        must_show(24, "Probing is off");
        must_show(24, "--probe-every N");
    }
    scene.snapshot.state = TRAINER_FINISHED;
    render(24, 80);
    must_show(24, "ended without a probe");
    scene.phase = PHASE_STARTING;
    snprintf(scene.progress, sizeof(scene.progress), "opening the data");
    probes_destroy(scene.probes);
    scene.probes = NULL; /* as before the run is there */
    render(24, 80);
    text[2][0] = 0; /* the header says it, too */
    must_show(24, "opening the data");
}

static void probes_come_at_1_2_4_and_then_evenly(void **state)
{
    (void)state;
    assert_int_equal(probe_next_step(0, 100), 1);
    assert_int_equal(probe_next_step(1, 100), 2);
    assert_int_equal(probe_next_step(3, 100), 4);
    assert_int_equal(probe_next_step(63, 100), 64);
    assert_int_equal(probe_next_step(64, 100), 100);
    assert_int_equal(probe_next_step(100, 100), 200);
    assert_int_equal(probe_next_step(250, 100), 300);
    assert_int_equal(probe_next_step(64, 64), 128);
    assert_int_equal(probe_next_step(0, 1), 1);
    assert_int_equal(probe_next_step(7, 1), 8);
}

static void a_row_stands_for_each_block(void **state)
{
    (void)state;
    add_healthy(0);
    add_healthy(200);
    scene.view = VIEW_BLOCKS;
    render(24, 80);
    must_show(24, "step 200");
    must_show(24, "next at 300");
    must_show(24, "stem");
    for (int b = 1; b <= BLOCKS; b++) {
        char words[32];

        snprintf(words, sizeof(words), "block %d ", b);
        must_show(24, words);
        snprintf(words, sizeof(words), "%.3g", (double)model_block(&spec, b - 1).variance_out);
        assert_non_null(strstr(text[row_of(24, "stem") + b], words));
    }
}

/* Numbers appear as there is room for them; the two that count always. */
static void wider_screens_show_more_columns(void **state)
{
    static const struct {
        int columns;
        const char *there, *missing;
    } cases[] = {{40, "variance", "gradient"}, {60, "dead", "AGC"},     {80, "update", "values"},
                 {100, "values", "mean"},      {160, "AGC", "nothing"}, {160, "mean*", "nothing"}};

    (void)state;
    add_healthy(0);
    scene.view = VIEW_BLOCKS;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        render(13, cases[i].columns);
        must_show(13, cases[i].there);
        must_show(13, "predicted");
        assert_int_equal(row_of(13, cases[i].missing), -1);
    }
}

/* The strips are drawn from what is kept; a new probe must be seen nonetheless. */
static void strips_follow_the_probes(void **state)
{
    static struct cell before[110][310];
    struct probe *probe = made_probe(&spec, 300);
    int row;

    (void)state;
    add_healthy(0);
    add_healthy(200);
    scene.view = VIEW_BLOCKS;
    render(40, 160);
    row = row_of(40, "block 2");
    memcpy(before, cells, sizeof(before));
    render(40, 160);
    assert_memory_equal(before[row], cells[row], sizeof(before[row]));
    memset(probe->points[2].values, 0, sizeof(probe->points[2].values));
    probe->points[2].values[VALUE_MIDDLE + 60] = 1000;
    add_probe(probe);
    render(40, 160);
    assert_memory_not_equal(&before[row][111], &cells[row][111], 40 * sizeof(**cells));
    tear_down(NULL);
    begin(BLOCKS); /* and drawn at once they are the same */
    add_healthy(0);
    add_healthy(200);
    scene.view = VIEW_BLOCKS;
    render(40, 160);
    assert_memory_equal(before[row], cells[row], sizeof(before[row]));
}

/* In a single row the values are bars over three predicted standard deviations to either side; here all lie at +2. */
static void a_rows_values_stand_where_they_lie(void **state)
{
    struct probe *probe = made_probe(&spec, 300);
    int row, first, columns = 0;

    (void)state;
    memset(probe->points[2].values, 0, sizeof(probe->points[2].values));
    probe->points[2].values[value_bin(2.0f * sqrtf(probe->points[2].predicted))] = 1000;
    add_probe(probe);
    scene.view = VIEW_BLOCKS;
    render(16, 160);
    first = (int)(strstr(text[row_of(16, "predicted   dead")], "values") - text[row_of(16, "predicted   dead")]);
    row = row_of(16, "block 2");
    for (int column = first; column < 158; column++) {
        double at = (column - first + 0.5) / (158 - first);

        if (cells[row][column].code == ' ')
            continue;
        assert_true(at > 0.75 && at < 0.95); /* (2 + 3) / 6, and a bin's width */
        columns++;
    }
    assert_true(columns > 0);
}

static void health_is_seen_and_said(void **state)
{
    struct probe *probe = made_probe(&spec, 200);

    (void)state;
    probe->points[2].variance = 77;
    probe->points[3].dead = 0.6f;
    add_healthy(0);
    add_probe(probe);
    scene.view = VIEW_BLOCKS;
    scene.selected = 2;
    render(24, 80);
    assert_int_equal(role_at(24, "block 1 "), ROLE_TEXT);
    assert_int_equal(role_at(24, "block 2"), ROLE_SELECTED);
    assert_int_equal(role_at(24, "77"), ROLE_BAD);
    assert_int_equal(role_at(24, "block 3"), ROLE_WARNING);
    assert_non_null(strstr(text[row_of(24, "block 2")], "x block 2")); /* without colours too */
    assert_non_null(strstr(text[row_of(24, "block 3")], "! block 3"));
    must_show(24, "block 2: variance 77, over 10 times");
    scene.selected = 1;
    render(24, 80);
    must_show(24, "worst: block 2: variance 77");
    scene.selected = 2;
    scene.view = VIEW_BLOCK;
    render(24, 80);
    must_show(24, "block 2: variance 77, over 10 times");
}

static void arrows_walk_and_rows_follow(void **state)
{
    (void)state;
    tear_down(NULL);
    begin(100);
    add_healthy(0);
    scene.view = VIEW_BLOCKS;
    render(24, 80);
    must_show(24, "stem");
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
    assert_int_equal(row_of(24, "stem"), -1);
    press(KEY_CODE_UP);
    press(KEY_CODE_PAGE_UP);
    assert_true(scene.selected > 80 && scene.selected < 95);
    press(KEY_CODE_HOME);
    press(KEY_CODE_UP);
    assert_int_equal(scene.selected, 0);
    render(24, 80);
    must_show(24, "stem");
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

static void the_marked_blocks_values_stand_below_the_plots(void **state)
{
    struct probe *probe = made_probe(&spec, 200);

    (void)state;
    add_healthy(0);
    probe->points[4].variance = 1.2346f;
    probe->points[4].gradient_norm = 0.4321f;
    add_probe(probe);
    scene.selected = 4;
    scene.view = VIEW_SIGNAL;
    render(24, 80);
    must_show(24, "block 4");
    must_show(24, "1.235");
    must_show(24, "predicted");
    must_show(24, "at first");
    scene.view = VIEW_GRADIENTS;
    render(24, 80);
    must_show(24, "0.4321");
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
    render(60, 200);
    must_show(60, "Enter opens it");
    must_show(60, "Esc goes back");
}

static void the_names_of_the_views_show_which_is_open(void **state)
{
    (void)state;
    add_healthy(0);
    scene.view = VIEW_BLOCKS;
    render(24, 80);
    must_show(24, "1 Overview  2 Loss  3 Accuracy  4 Blocks  5 Signal  6 Gradients  0 Log");
    assert_int_equal(role_at(24, "4 Blocks"), ROLE_SELECTED);
    assert_int_equal(role_at(24, "2 Loss"), ROLE_KEY);
    scene.view = VIEW_BLOCK; /* belongs to them */
    render(24, 80);
    assert_int_equal(role_at(24, "4 Blocks"), ROLE_SELECTED);
    render(18, 60); /* no room for all the names */
    must_show(18, "1  2  3  4 Blocks  5  6  0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_size_can_be_drawn),
        TEST(before_the_first_probe_the_views_say_when_it_comes),
        TEST(probes_come_at_1_2_4_and_then_evenly),
        TEST(a_row_stands_for_each_block),
        TEST(wider_screens_show_more_columns),
        TEST(strips_follow_the_probes),
        TEST(a_rows_values_stand_where_they_lie),
        TEST(health_is_seen_and_said),
        TEST(arrows_walk_and_rows_follow),
        TEST(enter_opens_a_block_and_escape_leads_back),
        TEST(figures_that_have_no_room_come_by_the_arrows),
        TEST(the_marked_blocks_values_stand_below_the_plots),
        TEST(axes_follow_the_data_and_the_person),
        TEST(the_key_bar_and_the_help_know_the_views_keys),
        TEST(the_names_of_the_views_show_which_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
