/* The views of the blocks, drawn without a terminal from probes that are made up: what they say, and that they can be
 * drawn at every size. How one walks through them is in test_scene_walk.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/tui/probed_scene.h"
#include "tui/panel_probe.h"

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
    probed_scene_close(NULL);
    probed_scene_begin(200);
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
    drawn_text[2][0] = 0; /* the header says it, too */
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
    must_show(24, " stem");
    for (int b = 1; b <= BLOCKS; b++) {
        char words[32];

        snprintf(words, sizeof(words), "block %d ", b);
        must_show(24, words);
        snprintf(words, sizeof(words), "%.3g", (double)model_block(&spec, b - 1).variance_out);
        assert_non_null(strstr(drawn_text[row_of(24, " stem") + b], words));
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

static bool same_cells(const struct cell *a, const struct cell *b, int count)
{
    for (int i = 0; i < count; i++)
        if (a[i].code != b[i].code || a[i].width != b[i].width || !style_equal(a[i].style, b[i].style))
            return false;
    return true;
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
    memcpy(before, drawn_cells, sizeof(before));
    render(40, 160);
    assert_true(same_cells(before[row], drawn_cells[row], 160));
    memset(probe->points[2].values, 0, sizeof(probe->points[2].values));
    probe->points[2].values[VALUE_MIDDLE + 60] = 1000;
    add_probe(probe);
    render(40, 160);
    assert_false(same_cells(&before[row][111], &drawn_cells[row][111], 40));
    probed_scene_close(NULL);
    probed_scene_begin(BLOCKS); /* and drawn at once they are the same */
    add_healthy(0);
    add_healthy(200);
    scene.view = VIEW_BLOCKS;
    render(40, 160);
    assert_true(same_cells(before[row], drawn_cells[row], 160));
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
    first = (int)(strstr(drawn_text[row_of(16, "predicted   dead")], "values") -
                  drawn_text[row_of(16, "predicted   dead")]);
    row = row_of(16, "block 2");
    for (int column = first; column < 158; column++) {
        double at = (column - first + 0.5) / (158 - first);

        if (drawn_cells[row][column].code == ' ')
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
    assert_non_null(strstr(drawn_text[row_of(24, "block 2")], "x block 2")); /* without colours too */
    assert_non_null(strstr(drawn_text[row_of(24, "block 3")], "! block 3"));
    must_show(24, "block 2: variance 77, over 10 times");
    scene.selected = 1;
    render(24, 80);
    must_show(24, "worst: block 2: variance 77");
    scene.selected = 2;
    scene.view = VIEW_BLOCK;
    render(24, 80);
    must_show(24, "block 2: variance 77, over 10 times");
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
    probe = made_probe(&spec, 300);
    probe->gradients = false;
    add_probe(probe);
    render(24, 80);
    must_show(24, "gradient norm not measured");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, probed_scene_open, probed_scene_close)

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
        TEST(the_marked_blocks_values_stand_below_the_plots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
