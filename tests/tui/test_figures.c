/* The figures of the signal: what a probe measured stands where it belongs, at any size. NFBENCH_WRITE_GOLDEN=1 writes
 * the golden texts anew instead of comparing (run in the project's root; look at the difference before committing). */
#include "tests/tui/made_probe.h"
#include "tests/viz/viz_test.h"
#include "tui/figure_choices.h"
#include "tui/figure_signal.h"
#include "viz/theme.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HISTORY = 5 };

struct rig {
    struct model_spec spec;
    struct probe *history[HISTORY]; /* steps 0, 1, 2, 4, 8; variance from half to twice the predicted */
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    struct train_options options;
    struct error error;
    assert_int_equal(model_preset("micro", &rig->spec, &options, &error), 0);
    for (int i = 0; i < HISTORY; i++)
        rig->history[i] = made_normal_probe(&rig->spec, i ? 1 << (i - 1) : 0, 0.5 + 0.375 * i);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < HISTORY; i++)
        probe_destroy(rig->history[i]);
    free(rig);
    return 0;
}

static struct canvas *braille_cells(int columns, int rows)
{
    return cells_of(columns, rows, GLYPHS_BRAILLE);
}

static void assert_says(const struct canvas *canvas, const char *const *words)
{
    char *text = text_of(canvas);
    for (; *words; words++)
        if (!strstr(text, *words))
            fail_msg("\"%s\" is missing in\n%s", *words, text);
    free(text);
}

/* Compares with the golden text and gives the canvas up. */
static void check_golden(const char *name, struct canvas *canvas)
{
    char path[128];
    snprintf(path, sizeof path, "tests/tui/golden/%s.txt", name);
    check_golden_text(path, canvas);
}

static void figures_look_as_they_did(void **state)
{
    struct rig *rig = *state;
    const struct probe *now = rig->history[4], *start = rig->history[0];
    struct profile_figure profile = {"Signal propagation", now, start, &rig->spec, SIGNALS_FORWARD, false, 3};
    struct canvas *canvas = braille_cells(132, 20);
    figure_profile(canvas, canvas_area(canvas), &profile);
    check_golden("signal", canvas);
    canvas = braille_cells(80, 20);
    profile.signals = SIGNALS_BACKWARD;
    profile.log_axis = true;
    figure_profile(canvas, canvas_area(canvas), &profile);
    check_golden("gradients", canvas);
    canvas = braille_cells(80, 20);
    figure_distribution(canvas, canvas_area(canvas),
                        &(struct distribution_figure){"Block 3", now, start, 3, DISTRIBUTION_VALUES});
    check_golden("distribution", canvas);
    canvas = braille_cells(80, 20);
    figure_distribution(canvas, canvas_area(canvas),
                        &(struct distribution_figure){"Block 3", now, NULL, 3, DISTRIBUTION_VARIANCES});
    check_golden("variances", canvas);
}

static void values_are_those_of_the_point(void **state)
{
    struct rig *rig = *state;
    struct probe *probe = rig->history[0];
    assert_true(signal_value(probe, 2, SIGNAL_VARIANCE) == probe->points[2].variance);
    assert_true(isnan(signal_value(probe, 0, SIGNAL_BRANCH_VARIANCE)));
    assert_true(isnan(signal_value(probe, 2, SIGNAL_UPDATE_RATIO))); /* no step before it */
    assert_true(signal_value(rig->history[1], 2, SIGNAL_UPDATE_RATIO) > 0);
    assert_true(signal_predicted(probe, 2, SIGNAL_VARIANCE) == probe->points[2].predicted);
    assert_true(signal_predicted(probe, 2, SIGNAL_BRANCH_VARIANCE) == 1);
    assert_true(isnan(signal_predicted(probe, 2, SIGNAL_GRADIENT_NORM)));
    probe->gradients = false;
    assert_true(isnan(signal_value(probe, 2, SIGNAL_GRADIENT_NORM)));
    probe->points[2].variance = NAN; /* measured, but not finite */
    assert_true(isinf(signal_value(probe, 2, SIGNAL_VARIANCE)));
}

static void the_profile_shows_all_quantities_and_what_is_predicted(void **state)
{
    struct rig *rig = *state;
    struct profile_figure figure = {.title = "Signal propagation",
                                    .now = rig->history[4],
                                    .start = rig->history[0],
                                    .model = &rig->spec,
                                    .signals = SIGNALS_FORWARD,
                                    .selected = -1};
    struct canvas *canvas = braille_cells(150, 40);
    figure_profile(canvas, canvas_area(canvas), &figure);
    assert_says(canvas, (const char *[]){"Signal propagation", "average channel squared mean",
                                         "average channel variance", "residual branch variance", "predicted",
                                         "start (step 0)", "now (step 8)", "32 channels", "block", "stem", NULL});
    canvas_destroy(canvas);
    canvas = braille_cells(60, 10); /* in one plot where there is no room for three */
    figure_profile(canvas, canvas_area(canvas), &figure);
    assert_says(canvas, (const char *[]){"squared mean", "variance", "branch", "stem", NULL});
    canvas_destroy(canvas);
    canvas = braille_cells(80, 20); /* no earlier probe: nothing to compare with */
    figure.start = figure.now;
    figure.signals = SIGNAL_SET(SIGNAL_VARIANCE);
    figure_profile(canvas, canvas_area(canvas), &figure);
    assert_says(canvas, (const char *[]){"measured (step 8)", "predicted", "average channel variance", NULL});
    canvas_destroy(canvas);
}

/* Measured at twice the predicted variance, its line lies above the predicted one over every block. */
static void the_predicted_line_lies_below_what_is_above_it(void **state)
{
    struct rig *rig = *state;
    const struct profile_figure figure = {
        .now = rig->history[4], .signals = SIGNAL_SET(SIGNAL_VARIANCE), .selected = -1};
    struct canvas *canvas = braille_cells(80, 24);
    figure_profile(canvas, canvas_area(canvas), &figure);
    const struct cell *cells = canvas_cells(canvas);
    int compared = 0;
    for (int column = 12; column < 78; column++) {
        int measured = -1, predicted = -1;
        for (int row = 2; row < 20; row++) {
            const struct cell *cell = &cells[row * 80 + column];
            if (cell->style.role == ROLE_SERIES_1)
                measured = row;
            if (cell->style.role == ROLE_TEXT && cell->code > 0x2800 && cell->code <= 0x28FF)
                predicted = row;
        }
        if (measured >= 0 && predicted >= 0) {
            assert_true(measured < predicted);
            compared++;
        }
    }
    assert_true(compared > 20);
    canvas_destroy(canvas);
}

static void axes_are_logarithmic_where_values_span_decades(void **state)
{
    struct rig *rig = *state;
    assert_false(signals_want_log(rig->history[4], rig->history[0], SIGNALS_FORWARD));
    rig->history[4]->points[3].variance = NAN; /* which spans nothing */
    assert_false(signals_want_log(rig->history[4], NULL, SIGNALS_FORWARD));
    rig->history[4]->points[3].variance = 300;
    assert_true(signals_want_log(rig->history[4], NULL, SIGNALS_FORWARD));
    assert_false(signals_want_log(rig->history[4], NULL, SIGNAL_SET(SIGNAL_BRANCH_VARIANCE)));
    rig->history[0]->points[2].branch_variance = 1e-4f;
    assert_true(signals_want_log(rig->history[4], rig->history[0], SIGNAL_SET(SIGNAL_BRANCH_VARIANCE)));
}

static void distributions_have_axes_and_say_what_they_compare(void **state)
{
    struct rig *rig = *state;
    struct distribution_figure figure = {"Block 3", rig->history[4], rig->history[0], 3, DISTRIBUTION_VALUES};
    struct canvas *canvas = braille_cells(110, 24);
    figure_distribution(canvas, canvas_area(canvas), &figure);
    assert_says(canvas, (const char *[]){"Block 3", "activation", "density", "now (step 8)", "start (step 0)",
                                         "normal, predicted variance", "0", NULL});
    canvas_destroy(canvas);
    canvas = braille_cells(110, 24);
    figure.of = DISTRIBUTION_VARIANCES;
    figure_distribution(canvas, canvas_area(canvas), &figure);
    assert_says(canvas, (const char *[]){"channel variance", "predicted", NULL});
    canvas_destroy(canvas);
    canvas = braille_cells(140, 40);
    const struct distributions_figure all = {"All blocks", rig->history[4], NULL, DISTRIBUTION_VALUES, -1};
    figure_distributions(canvas, canvas_area(canvas), &all);
    assert_says(canvas, (const char *[]){"All blocks", "stem", "block 1", "block 6", "measured (step 8)", NULL});
    canvas_destroy(canvas);
}

/* Narrower than predicted it looks narrow: the axis holds three predicted deviations, where it is not all peak then. */
static void axes_of_values_hold_the_predicted_spread(void **state)
{
    struct rig *rig = *state;
    struct probe *narrow = made_normal_probe(&rig->spec, 9, 0.15);
    struct canvas *canvas = braille_cells(100, 20);
    int filled = 0;
    figure_distribution(canvas, canvas_area(canvas),
                        &(struct distribution_figure){"t", narrow, NULL, 3, DISTRIBUTION_VALUES});
    for (int column = 0; column < 100; column++)
        for (int row = 2; row < 17; row++)
            if (cell_at(canvas, column, row)->style.role == ROLE_SERIES_1) {
                filled++;
                break;
            }
    assert_in_range(filled, 20, 60);
    canvas_destroy(canvas);
    probe_destroy(narrow);
}

/* Where there is no room for all points the selected one is among those shown. */
static void the_selected_point_is_among_those_shown(void **state)
{
    struct rig *rig = *state;
    for (int selected = 0; selected < rig->history[0]->count; selected++) {
        struct canvas *canvas = braille_cells(34, 12);
        char name[32], marked[40];
        const struct distributions_figure figure = {NULL, rig->history[4], NULL, DISTRIBUTION_VALUES, selected};
        probe_point_name(selected, name, sizeof name);
        snprintf(marked, sizeof marked, "> %s", name);
        figure_distributions(canvas, canvas_area(canvas), &figure);
        assert_says(canvas, (const char *[]){marked, NULL});
        canvas_destroy(canvas);
    }
}

static void strips_and_histories_go_over_the_steps(void **state)
{
    struct rig *rig = *state;
    struct strip_figure strip = {"Block 3", rig->history, HISTORY, 3, DISTRIBUTION_VALUES, false, NAN};
    struct canvas *canvas = braille_cells(80, 20);
    figure_strip(canvas, canvas_area(canvas), &strip);
    assert_says(canvas, (const char *[]){"Block 3", "step", "activation", "density 0", "peak", NULL});
    canvas_destroy(canvas);
    canvas = braille_cells(140, 40);
    strip.point = -1;
    figure_strips(canvas, canvas_area(canvas), &strip);
    assert_says(canvas, (const char *[]){"stem", "block 6", "peak", NULL});
    canvas_destroy(canvas);
    canvas = braille_cells(80, 20);
    const struct history_figure history = {"Block 3", rig->history, HISTORY, 3, SIGNAL_SET(SIGNAL_VARIANCE),
                                           false,     NAN};
    figure_history(canvas, canvas_area(canvas), &history);
    assert_says(canvas, (const char *[]){"Block 3", "step", "average channel variance", "predicted", "measured", NULL});
    canvas_destroy(canvas);
}

/* The bar ends at its value, the mark stands at the predicted one, and what is beyond says so. */
static void bars_compare_measured_with_predicted(void **state)
{
    struct rig *rig = *state;
    double most = figure_bar_most(rig->history[4]);
    for (int p = 0; p < rig->history[4]->count; p++)
        assert_true(rig->history[4]->points[p].variance <= most && rig->history[4]->points[p].predicted <= most);
    rig->history[4]->points[5].variance = 1e9f; /* one that explodes does not hide the others */
    most = figure_bar_most(rig->history[4]);
    assert_true(most < 20);
    struct canvas *canvas = braille_cells(40, 3);
    struct bar_figure bar = {.measured = 5, .predicted = 2, .most = 10, .role = ROLE_GOOD};
    figure_bar(canvas, (struct rect){0, 0, 40, 1}, &bar);
    const struct cell *cells = canvas_cells(canvas);
    assert_int_equal(cells[19].code, 0x2588);
    assert_int_equal(cells[20].code, ' ');
    assert_int_equal(cells[8].code, 0x2502);
    assert_int_equal(cells[9].style.role, ROLE_GOOD);
    bar.measured = INFINITY;
    figure_bar(canvas, (struct rect){0, 1, 40, 1}, &bar);
    assert_int_equal(cells[79].code, 0x25B6);
    bar.measured = 0.1;
    bar.predicted = NAN;
    figure_bar(canvas, (struct rect){0, 2, 40, 1}, &bar);
    assert_int_equal(cells[81].code, ' ');
    canvas_destroy(canvas);
}

/* What was chosen is told once, above both plots; at any size nothing fails, not finite and nothing predicted either.
 */
static void choices_stand_side_by_side(void **state)
{
    struct rig *rig = *state;
    static const char *const inits[] = {"init he", "init normal"}, *const ws[] = {"ws off", "ws on"};
    const struct choice choices[] = {
        {rig->history[0], 0, 0}, {rig->history[1], 1, 0}, {rig->history[3], 0, 1}, {rig->history[4], 1, 1}};
    const struct choices_figure figure = {"Signal", choices, 4, inits, ws, 2, 2};
    struct canvas *canvas = braille_cells(150, 24);
    figure_choices(canvas, canvas_area(canvas), &figure);
    assert_says(canvas, (const char *[]){"Signal", "init he", "init normal", "ws off", "ws on", "predicted",
                                         "average channel variance", "average channel squared mean", NULL});
    for (int column = 0; column < 150; column++) /* title and plots stand apart */
        assert_int_equal(cell_at(canvas, column, 1)->code, ' ');
    canvas_destroy(canvas);
    for (int round = 0; round < 2; round++) {
        for (int rows = 0; rows <= 50; rows = rows * 3 / 2 + 1)
            for (int columns = 0; columns <= 200; columns = columns * 3 / 2 + 1) {
                canvas = braille_cells(columns, rows);
                figure_choices(canvas, canvas_area(canvas), &figure);
                canvas_destroy(canvas);
            }
        for (int p = 0; p < rig->history[0]->count; p++) {
            rig->history[0]->points[p].predicted = 0;
            rig->history[1]->points[p].variance = p % 2 ? NAN : INFINITY;
        }
    }
}

/* With batch norm theory says nothing (probe.h: 0): nothing may look like a prediction, and axes follow the measured.
 */
static void without_a_prediction_none_is_shown(void **state)
{
    struct rig *rig = *state;
    struct probe *probe = rig->history[4];
    for (int p = 0; p < probe->count; p++)
        probe->points[p].predicted = 0;
    assert_true(isnan(signal_predicted(probe, 2, SIGNAL_VARIANCE)));
    assert_true(isnan(signal_predicted(probe, 2, SIGNAL_SQUARED_MEAN)));
    for (int which = 0; which < 5; which++) {
        struct canvas *canvas = braille_cells(140, 40);
        const struct rect all = canvas_area(canvas);
        if (which == 0)
            figure_profile(canvas, all,
                           &(struct profile_figure){"t", probe, rig->history[0], NULL, SIGNALS_FORWARD, false, -1});
        else if (which == 1)
            figure_distribution(canvas, all,
                                &(struct distribution_figure){"t", probe, NULL, 2, DISTRIBUTION_VARIANCES});
        else if (which == 2)
            figure_distributions(canvas, all,
                                 &(struct distributions_figure){"t", probe, NULL, DISTRIBUTION_VALUES, -1});
        else if (which == 3)
            figure_channels(canvas, all, &(struct channels_figure){"t", probe, 2, false});
        else
            figure_history(canvas, all,
                           &(struct history_figure){"t", &probe, 1, 2, SIGNAL_SET(SIGNAL_VARIANCE), false, NAN});
        char *text = text_of(canvas);
        if (strstr(text, "predicted"))
            fail_msg("figure %d: a prediction in\n%s", which, text);
        free(text);
        canvas_destroy(canvas);
    }
    double most = figure_bar_most(probe), greatest = 0;
    for (int p = 0; p < probe->count; p++)
        greatest = fmax(greatest, (double)probe->points[p].variance);
    assert_true(most >= greatest && most < 1.1 * greatest);
    struct canvas *canvas = braille_cells(60, 1); /* a normal distribution within three measured deviations */
    figure_sparkline(canvas, canvas_area(canvas), probe, 2);
    int bars = 0;
    for (int column = 0; column < 60; column++)
        bars += canvas_cells(canvas)[column].code != ' ';
    assert_true(bars > 30);
    assert_int_not_equal(canvas_cells(canvas)[59].code, 0x25b6);
    canvas_destroy(canvas);
    /* exploded: all lies beyond the bins, which is told in words, and the axis is about what else there is */
    memset(probe->points[2].values, 0, sizeof probe->points[2].values);
    probe->points[2].values[0] = 46;
    probe->points[2].values[VALUE_BINS - 1] = 54;
    probe->points[2].predicted = 1;
    canvas = braille_cells(60, 1);
    figure_sparkline(canvas, canvas_area(canvas), probe, 2);
    assert_int_equal(canvas_cells(canvas)[0].code, 0x25c0);
    assert_int_equal(canvas_cells(canvas)[59].code, 0x25b6);
    canvas_destroy(canvas);
    canvas = braille_cells(100, 20);
    figure_distribution(canvas, canvas_area(canvas),
                        &(struct distribution_figure){"t", probe, NULL, 2, DISTRIBUTION_VALUES});
    char *text = text_of(canvas);
    assert_non_null(strstr(text, "46.0% below -256"));
    assert_non_null(strstr(text, "54.0% above 256"));
    assert_null(strstr(text, "-200"));
    free(text);
    canvas_destroy(canvas);
}

/* Plots side by side are read against each other: where one needs a logarithmic axis all have it, and it is named. */
static void variances_have_one_kind_of_axis(void **state)
{
    struct rig *rig = *state;
    struct probe *probe = rig->history[2];
    for (int log = 0; log < 2; log++) {
        for (int p = 0; p < probe->count; p++) {
            memset(probe->points[p].variances, 0, sizeof probe->points[p].variances);
            probe->points[p].variances[value_bin(1)] = 10;
        }
        probe->points[1].variances[value_bin(log ? 200 : 2)] = 10;
        struct canvas *canvas = braille_cells(160, 50);
        figure_distributions(canvas, canvas_area(canvas),
                             &(struct distributions_figure){"t", probe, NULL, DISTRIBUTION_VARIANCES, -1});
        char *text = text_of(canvas);
        assert_int_equal(strstr(text, "logarithmic") != NULL, log);
        free(text);
        canvas_destroy(canvas);
    }
}

/* A probe that is not finite, one without gradients, none at all: at any size something is drawn, nothing fails. */
static void figures_of_anything_fit_any_size(void **state)
{
    struct rig *rig = *state;
    rig->history[3]->gradients = false;
    for (int p = 0; p < rig->history[4]->count; p++) {
        struct probe_point *point = &rig->history[4]->points[p];
        point->variance = p % 2 ? NAN : INFINITY;
        memset(point->values, 0, sizeof point->values);
        point->values[VALUE_BINS - 1] = 100;
    }
    struct probe *shown[] = {NULL, rig->history[3], rig->history[4]};
    for (int rows = 0; rows <= 50; rows = rows * 3 / 2 + 1)
        for (int columns = 0; columns <= 200; columns = columns * 3 / 2 + 1)
            for (int which = 0; which < 3; which++) {
                struct canvas *canvas = braille_cells(columns, rows);
                const struct probe *now = shown[which], *start = rig->history[0];
                struct rect area = canvas_area(canvas);
                int count = which ? HISTORY : 0;
                for (int log = 0; log < 2; log++) {
                    figure_profile(canvas, area,
                                   &(struct profile_figure){"t", now, start, &rig->spec, SIGNALS_FORWARD, log, 2});
                    figure_profile(canvas, area,
                                   &(struct profile_figure){"t", now, start, NULL, SIGNALS_BACKWARD, log, 2});
                    figure_history(canvas, area,
                                   &(struct history_figure){"t", rig->history, count, 2, SIGNALS_FORWARD, log, 3});
                    figure_channels(canvas, area, &(struct channels_figure){"t", now, 2, log});
                }
                for (int of = DISTRIBUTION_VALUES; of <= DISTRIBUTION_VARIANCES; of++) {
                    enum distribution what = (enum distribution)of;
                    figure_distribution(canvas, area, &(struct distribution_figure){"t", now, start, 2, what});
                    figure_distributions(canvas, area, &(struct distributions_figure){"t", now, start, what, 2});
                    figure_strip(canvas, area,
                                 &(struct strip_figure){"t", rig->history, count, 2, what, which == 2, 3});
                    figure_strips(canvas, area, &(struct strip_figure){"t", rig->history, count, 2, what, false, 3});
                }
                canvas_destroy(canvas);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(figures_look_as_they_did, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_are_those_of_the_point, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_profile_shows_all_quantities_and_what_is_predicted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_predicted_line_lies_below_what_is_above_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(axes_are_logarithmic_where_values_span_decades, set_up, tear_down),
        cmocka_unit_test_setup_teardown(distributions_have_axes_and_say_what_they_compare, set_up, tear_down),
        cmocka_unit_test_setup_teardown(axes_of_values_hold_the_predicted_spread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_selected_point_is_among_those_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strips_and_histories_go_over_the_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bars_compare_measured_with_predicted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(choices_stand_side_by_side, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_prediction_none_is_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(variances_have_one_kind_of_axis, set_up, tear_down),
        cmocka_unit_test_setup_teardown(figures_of_anything_fit_any_size, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
