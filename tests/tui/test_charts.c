/* What a person does to the charts: which steps they show, what follows the run and what stays, the cursor, the axes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "tests/tui/probed_scene.h"
#include "tui/charts.h"
#include "tui/keys.h"

static void train_to(long step)
{
    struct event event = {.kind = EVENT_STEPS};
    struct error error = {""};

    for (long at = (long)curves_last_step(scene.curves) + 1; at <= step; at++) {
        event.steps = (struct step_summary){.first_step = at,
                                            .last_step = at,
                                            .count = 1,
                                            .loss_min = 1,
                                            .loss_max = 1,
                                            .loss_sum = 1,
                                            .accuracy_sum = 0.5,
                                            .gradient_norm_min = 2,
                                            .gradient_norm_max = 2,
                                            .gradient_norm_sum = 2,
                                            .learning_rate = 0.125f,
                                            .seconds = 0.5 * (double)at};
        assert_int_equal(curves_add_event(scene.curves, &event, &error), 0);
    }
}

static void range_is(double from, double to)
{
    double has_from, has_to;

    charts_follow(&scene);
    charts_range(&scene, &has_from, &has_to);
    if (fabs(has_from - from) > 1e-6 || fabs(has_to - to) > 1e-6)
        fail_msg("%g to %g are shown", has_from, has_to);
}

static int open(void **state)
{
    probed_scene_open(state);
    scene.snapshot.steps_total = 1000;
    scene.view = VIEW_CHARTS;
    return 0;
}

static void all_is_shown_until_one_zooms(void **state)
{
    (void)state;
    train_to(90);
    range_is(0, 100);
    train_to(101);
    range_is(0, 150);
    scene.snapshot.steps_total = 950;
    train_to(801);
    range_is(0, 950); /* longer, but not beyond the run's end */
    scene.snapshot.steps_total = 1000;
    charts_zoom(&scene, 500, 0.5);
    range_is(250, 750);
    charts_zoom(&scene, 500, 2);
    range_is(0, 1000);
    assert_true(scene.range.to <= scene.range.from); /* which is fitted again */
    charts_show(&scene, 100, 300);
    range_is(100, 300);
    charts_fit(&scene);
    range_is(0, 1000);
}

static void a_range_stays_within_the_run_and_has_a_least_width(void **state)
{
    (void)state;
    train_to(1000);
    charts_show(&scene, -50, 150);
    range_is(0, 200);
    charts_show(&scene, 900, 1200);
    range_is(700, 1000);
    for (int i = 0; i < 50; i++)
        charts_zoom(&scene, 800, 0.5);
    assert_true(scene.range.to - scene.range.from >= 3.9);
    assert_true(scene.range.from < 800 && scene.range.to > 800);
    for (int i = 0; i < 500; i++)
        charts_pan(&scene, -0.5);
    range_is(0, scene.range.to);
    for (int i = 0; i < 2000; i++)
        charts_pan(&scene, 0.5);
    assert_true(fabs(scene.range.to - 1000) < 1e-6);
}

/* The newest step stays in sight where it was; what lies in the past stands still. */
static void the_range_follows_the_run_or_stays(void **state)
{
    (void)state;
    train_to(400);
    charts_show(&scene, 300, 400);
    range_is(300, 400);
    train_to(401);
    range_is(350, 450); /* by half, so that few cells change */
    train_to(450);
    range_is(350, 450);
    train_to(620);
    range_is(550, 650);
    charts_show(&scene, 300, 400);
    train_to(800);
    range_is(300, 400);
}

/* Neither cursor nor range is left where there is nothing any more. */
static void a_run_that_goes_back_takes_both_along(void **state)
{
    (void)state;
    train_to(800);
    charts_show(&scene, 600, 700);
    charts_put_cursor(&scene, 650);
    curves_cut(scene.curves, 640);
    range_is(600, 700);
    assert_true(scene.cursor == 640);
    curves_cut(scene.curves, 300);
    range_is(200, 300);
    assert_true(scene.cursor == 300);
    curves_cut(scene.curves, 0);
    range_is(0, 100);
    assert_true(isnan(scene.cursor));
}

static void the_cursor_takes_the_range_along(void **state)
{
    (void)state;
    train_to(500);
    charts_show(&scene, 200, 300);
    charts_put_cursor(&scene, 250);
    range_is(200, 300);
    for (int i = 0; i < 400 && scene.cursor > 150; i++)
        charts_move_cursor(&scene, -1, 80);
    range_is(scene.cursor, scene.cursor + 100);
    charts_put_cursor(&scene, 1e9);
    assert_true(scene.cursor == 500);
    range_is(400, 500);
    charts_put_cursor(&scene, -4);
    assert_true(scene.cursor == 1);
}

static void keys_do_all_of_it(void **state)
{
    (void)state;
    train_to(400);
    render(24, 80);
    must_show(24, "smoothing 0.9");
    must_show(24, "all steps");
    press(']');
    render(24, 80);
    must_show(24, "steps 200 to 450, going on");
    press('{');
    press('{');
    render(24, 80);
    must_show(24, "steps 75 to 325");
    press('f');
    press('.');
    press('x');
    render(24, 80);
    must_show(24, "smoothing 0.95");
    must_show(24, "axis epoch");
    press('x');
    render(24, 80);
    must_show(24, "seconds");
    press('x');
    press('l');
    render(24, 80);
    must_show(24, "Loss * log");
    press(KEY_CODE_HOME);
    render(24, 80);
    must_show(24, "step 1 ");
    must_show(24, "loss 1.0000 (1.0000)");
    must_show(24, "lr 0.125");
    must_show(24, "Enter back here");
    press(KEY_CODE_END);
    press(KEY_CODE_ENTER);
    assert_string_equal(scene.prepared, "back 400");
    assert_false(scene.zoomed);
    press(KEY_CODE_ESCAPE);
    assert_true(isnan(scene.cursor));
}

/* The cursor's column names what was done there, however many marks stand about it. */
static void the_cursor_names_what_was_done(void **state)
{
    struct error error;

    (void)state;
    train_to(1000);
    for (int step = 300; step < 700; step++)
        assert_int_equal(curves_mark(scene.curves, step, step == 500 ? "lr 0.1 -> 0.01" : "x", &error), 0);
    charts_put_cursor(&scene, 500);
    render(24, 160);
    must_show(24, "at 500: lr 0.1 -> 0.01");
}

static void large_screens_show_four_charts(void **state)
{
    (void)state;
    train_to(100);
    render(48, 160);
    must_show(48, "Gradient norm");
    must_show(48, "Learning rate");
    render(24, 80);
    assert_int_equal(row_of(24, "Gradient norm"), -1);
    press('c');
    press('c');
    render(24, 80); /* the pair with the chosen one */
    must_show(24, "Learning rate");
    must_show(24, "Gradient norm");
    assert_int_equal(row_of(24, " Accuracy"), -1);
}

/* The mouse finds the step that is drawn under it. */
static void columns_are_steps(void **state)
{
    (void)state;
    train_to(1000);
    for (int axis = 0; axis < CURVES_AXES; axis++) {
        struct rect plot;
        double last = -1;

        scene.chart_axis = (enum curves_axis)axis;
        curves_set_epoch(scene.curves, 100);
        charts_show(&scene, 400, 600);
        render(24, 80);
        plot = scene.plots[QUANTITY_ACCURACY];
        assert_true(plot.columns > 20);
        assert_true(isnan(charts_step_at(&scene, QUANTITY_ACCURACY, plot.column - 1)));
        for (int column = plot.column; column < plot.column + plot.columns; column++) {
            double step = charts_step_at(&scene, QUANTITY_ACCURACY, column);

            assert_true(step > last && step > 399 && step < 601);
            last = step;
        }
    }
}

static bool turn(enum mouse_act act, int row, int column)
{
    const struct mouse mouse = {.act = act, .row = row, .column = column};

    return scene_mouse(&scene, 24, 80, &mouse);
}

static void the_mouse_reads_and_zooms(void **state)
{
    struct rect plot;
    double from, to, under;
    int column;

    (void)state;
    train_to(1000);
    render(24, 80);
    plot = scene.plots[QUANTITY_ACCURACY];
    column = plot.column + plot.columns / 4;
    under = charts_step_at(&scene, QUANTITY_ACCURACY, column);
    assert_true(turn(MOUSE_PRESS, plot.row + 2, column));
    assert_true(scene.cursor == round(under));
    assert_int_equal(scene_focus(&scene), PLACE_ACCURACY);
    for (int i = 0; i < 6; i++)
        assert_true(turn(MOUSE_WHEEL_UP, plot.row + 2, column));
    charts_range(&scene, &from, &to);
    assert_true(to - from < 400 && from < under && to > under);
    assert_true(fabs(charts_step_at(&scene, QUANTITY_ACCURACY, column) - under) < 1); /* it stays where it is */
    for (int i = 0; i < 12; i++)
        turn(MOUSE_WHEEL_DOWN, plot.row + 2, column);
    range_is(0, 1000);
    assert_false(turn(MOUSE_WHEEL_UP, plot.row + 2, plot.column - 1)); /* beside it there is no step */
    scene.overlay = OVERLAY_HELP;
    render(48, 160);
    must_show(48, "A click puts the cursor");
    must_show(48, "the wheel zooms");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open, probed_scene_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_is_shown_until_one_zooms),
        TEST(a_range_stays_within_the_run_and_has_a_least_width),
        TEST(the_range_follows_the_run_or_stays),
        TEST(a_run_that_goes_back_takes_both_along),
        TEST(the_cursor_takes_the_range_along),
        TEST(keys_do_all_of_it),
        TEST(the_cursor_names_what_was_done),
        TEST(large_screens_show_four_charts),
        TEST(columns_are_steps),
        TEST(the_mouse_reads_and_zooms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
