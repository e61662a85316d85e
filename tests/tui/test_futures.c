/* What-if futures on the charts: dotted lines from the step where they began, each with its value and its last loss,
 * the best and the diverged ones marked, on the screen and as a figure; and the figure of the learning rate finder.
 * Golden texts are written anew with NFBENCH_WRITE_GOLDEN=1. */
#include "tests/viz/viz_test.h"

#include <math.h>

#include "engine/control.h"
#include "tui/curves_impl.h"
#include "tui/finder.h"
#include "viz/theme.h"

enum { FROM = 400, STEPS = 200, COLUMNS = 100, ROWS = 20 };

static double falling(long step)
{
    return 0.5 + 1.8 * exp(-(double)step / 300) + 0.05 * sin(0.9 * (double)step);
}

static struct step_summary summary(long step, double loss, double rate)
{
    const struct step_record record = {.step = step,
                                       .loss = (float)loss,
                                       .accuracy = (float)exp(-loss),
                                       .learning_rate = (float)rate,
                                       .gradient_norm = 1,
                                       .seconds = 0.01 * (double)step};

    return step_summary_of(&record);
}

static void add(struct curves *curves, const struct event *event)
{
    struct error error = {""};

    if (curves_add_event(curves, event, &error))
        fail_msg("%s", error.message);
}

static struct curves *run_of(long steps)
{
    struct curves *curves;
    struct error error = {""};

    assert_int_equal(curves_create(0.9, &curves, &error), 0);
    for (long step = 1; step <= steps; step++) {
        const struct event event = {.kind = EVENT_STEPS, .steps = summary(step, falling(step), 0.1)};

        add(curves, &event);
    }
    return curves;
}

/* One value's steps, as the trainer tells them; `diverged` counts from FROM, 0: it does not. */
static void try_value(struct curves *curves, int index, double value, double slope, long diverged)
{
    struct event event = {.kind = EVENT_TRIAL,
                          .trial = {.news = TRIAL_BEGINS,
                                    .name = "lr",
                                    .index = index,
                                    .count = 3,
                                    .from = FROM,
                                    .steps = STEPS,
                                    .result = {.value = value, .loss = NAN}}};
    const long end = diverged ? diverged - 1 : STEPS;
    double loss = NAN;

    add(curves, &event);
    event.trial.news = TRIAL_STEPS;
    for (long step = 1; step <= end; step++) {
        loss = falling(FROM + step) + slope * (double)step * (diverged ? (double)step : 1);
        event.trial.taken = summary(FROM + step, loss, value);
        add(curves, &event);
    }
    event.trial.news = TRIAL_ENDS;
    event.trial.result = (struct trial_result){
        .value = value, .steps = end, .diverged = diverged ? FROM + diverged : 0, .loss = (float)loss};
    add(curves, &event);
}

static struct curves *tried(void)
{
    struct curves *curves = run_of(FROM);

    try_value(curves, 0, 0.05, -0.001, 0);
    try_value(curves, 1, 0.1, 0, 0);
    try_value(curves, 2, 0.4, 0.001, 71);
    return curves;
}

static struct curves_look look_at(enum quantity quantity)
{
    return (struct curves_look){.quantity = quantity, .steps_total = 4000, .cursor = NAN, .title = "Loss"};
}

static struct canvas *drawn(const struct curves *curves, const struct curves_look *look)
{
    struct canvas *canvas = cells_of(COLUMNS, ROWS, GLYPHS_BRAILLE);

    curves_draw(curves, look, canvas, canvas_area(canvas));
    return canvas;
}

static void assert_shows(const struct curves *curves, const struct curves_look *look, const char *words, bool does)
{
    struct canvas *canvas = drawn(curves, look);
    char *text = text_of(canvas);

    if ((strstr(text, words) != NULL) != does)
        fail_msg("'%s' %s shown:\n%s", words, does ? "is not" : "is", text);
    free(text);
    canvas_destroy(canvas);
}

static void futures_look_as_they_did(void **state)
{
    struct curves *curves = tried();
    struct curves_look look = look_at(QUANTITY_LOSS);

    (void)state;
    check_golden_text("tests/tui/golden/futures-loss.txt", drawn(curves, &look));
    look.from = FROM - 300;
    look.to = FROM + 260;
    check_golden_text("tests/tui/golden/futures-zoomed.txt", drawn(curves, &look));
    curves_destroy(curves);
}

/* What is told of each by the smoothed values that the chart draws. */
static void each_says_its_value_and_what_came_of_it(void **state)
{
    struct curves *curves = tried();
    const struct curves_look loss = look_at(QUANTITY_LOSS), accuracy = look_at(QUANTITY_ACCURACY);

    (void)state;
    assert_shows(curves, &loss, "lr tried", true);
    assert_shows(curves, &loss, "0.05 0.5", true);
    assert_shows(curves, &loss, " best", true);
    assert_shows(curves, &loss, "0.4 diverged at 471", true);
    assert_shows(curves, &loss, "\xc3\x97", true); /* a cross where it was not finite */
    assert_shows(curves, &accuracy, "0.05 5", true);
    assert_shows(curves, &accuracy, " %", true);
    curves_destroy(curves);
}

/* The diverged one comes to over 5 and does not squash the others; the axis of steps has room for all. */
static void the_axes_are_those_of_the_futures_that_hold(void **state)
{
    struct curves *curves = tried();
    struct curves_look look = look_at(QUANTITY_LOSS);

    (void)state;
    assert_shows(curves, &look, " 5.0 ", false);
    assert_shows(curves, &look, " 4 ", false);
    assert_true(curves_end(curves, &look) >= FROM + STEPS);
    look.axis = CURVES_TIME;
    assert_true(curves_end(curves, &look) >= FROM + STEPS);
    curves_destroy(curves);
}

static void they_go_when_one_is_chosen_or_another_trial_begins(void **state)
{
    struct curves *curves = tried();
    const struct curves_look look = look_at(QUANTITY_LOSS);
    const struct event gone = {.kind = EVENT_TRIAL, .trial = {.news = TRIAL_GONE}};

    (void)state;
    try_value(curves, 0, 0.02, 0, 0); /* the first of another trial */
    assert_shows(curves, &look, "0.02 0.", true);
    assert_shows(curves, &look, "diverged", false);
    add(curves, &gone);
    assert_shows(curves, &look, "tried", false);
    assert_true(curves_end(curves, &look) < FROM + STEPS);
    curves_destroy(curves);
}

/* Drawn over each other, the future of the rate in force and what the run then does are one line, whatever the
 * smoothing. */
static void a_future_is_the_line_that_the_run_would_draw(void **state)
{
    static const double smoothings[] = {0.9, 0, 0.99};
    struct curves *curves = run_of(FROM), *longer = run_of(FROM + STEPS);
    struct series *own[QUANTITY_COUNT];
    struct chart_series list[TRIAL_VALUES];

    (void)state;
    try_value(curves, 0, 0.1, 0, 0);
    for (size_t i = 0; i < sizeof(smoothings) / sizeof(*smoothings); i++) {
        curves_set_smoothing(curves, smoothings[i]);
        curves_set_smoothing(longer, smoothings[i]);
        for (int q = 0; q < QUANTITY_COUNT; q++) {
            own[q] = longer->series[q][PART_TRAIN];
            assert_int_equal(futures_list(curves->futures, (enum quantity)q, list), 1);
            for (size_t point = 0; point < STEPS; point++)
                assert_float_equal(series_smoothed(list[0].series, point), series_smoothed(own[q], FROM + point), 1e-5);
        }
    }
    curves_destroy(curves);
    curves_destroy(longer);
}

/* The figure that `export` writes is drawn from the same curves. */
static void a_figure_shows_them(void **state)
{
    struct curves *curves = tried(), *plain = run_of(FROM);
    struct curves_look look = look_at(QUANTITY_LOSS);
    const struct theme *theme = theme_find("light");
    struct canvas *with, *without;
    struct error error = {""};
    int width, height, differ = 0;

    (void)state;
    look.from = 0;
    look.to = FROM + 300; /* the same axis for both */
    assert_int_equal(canvas_create_pixels(800, 400, 1, theme, &with, &error), 0);
    assert_int_equal(canvas_create_pixels(800, 400, 1, theme, &without, &error), 0);
    curves_draw(curves, &look, with, canvas_area(with));
    curves_draw(plain, &look, without, canvas_area(without));
    const uint8_t *a = canvas_pixels(with, &width, &height), *b = canvas_pixels(without, &width, &height);
    for (int row = 0; row < height; row++)
        for (int column = width * 3 / 4; column < width; column++) /* behind the run's last step */
            differ += memcmp(a + 3 * (row * width + column), b + 3 * (row * width + column), 3) != 0;
    assert_true(differ > 300);
    canvas_destroy(with);
    canvas_destroy(without);
    curves_destroy(curves);
    curves_destroy(plain);
}

/* ---- The learning rate finder ---- */

static struct finder *found(bool ended)
{
    struct trial_event event = {.news = TRIAL_BEGINS, .range = true, .low = 1e-5, .high = 1, .steps = 100};
    struct finder *finder;
    struct error error = {""};

    assert_int_equal(finder_create(&finder, &error), 0);
    assert_false(finder_has_test(finder));
    assert_int_equal(finder_take(finder, &event, &error), 0);
    event.news = TRIAL_STEPS;
    for (int i = 0; i < 92; i++) {
        const double rate = lr_find_rate(1e-5, 1, 100, i), place = log10(rate);

        event.taken =
            summary(i + 1, 2.3 - 1 / (1 + exp(-4 * (place + 2))) + 0.02 * sin(2.7 * i) + exp(9 * (place + 0.9)), rate);
        assert_int_equal(finder_take(finder, &event, &error), 0);
    }
    event.news = TRIAL_ENDS;
    if (ended)
        assert_int_equal(finder_take(finder, &event, &error), 0);
    return finder;
}

static void the_finders_figure_looks_as_it_did(void **state)
{
    struct finder *finder = found(true);
    struct canvas *canvas = cells_of(COLUMNS, ROWS, GLYPHS_BRAILLE);

    (void)state;
    finder_draw(finder, "Loss over the learning rate", canvas, canvas_area(canvas));
    check_golden_text("tests/tui/golden/finder.txt", canvas);
    finder_destroy(finder);
}

static void the_finder_says_what_it_advises(void **state)
{
    struct finder *finder = found(false);
    struct trial_event gone = {.news = TRIAL_GONE, .range = true};
    struct error error;
    char words[200], expected[64];

    (void)state;
    finder_words(finder, words, sizeof(words));
    assert_string_equal(words, "step 92 of 100");
    finder_destroy(finder);
    finder = found(true);
    assert_true(finder_has_test(finder));
    finder_words(finder, words, sizeof(words));
    snprintf(expected, sizeof(expected), "steepest fall at lr %.2g;", lr_find_advise(finder_points(finder)).steepest);
    assert_memory_equal(words, expected, strlen(expected));
    assert_non_null(strstr(words, "a tenth of that is"));
    assert_int_equal(finder_take(finder, &gone, &error), 0);
    assert_false(finder_has_test(finder));
    finder_destroy(finder);
}

/* Any size, with and without points. */
static void no_size_of_the_figure_fails(void **state)
{
    struct finder *finders[2] = {found(true)};
    struct error error;

    (void)state;
    assert_int_equal(finder_create(&finders[1], &error), 0);
    for (int i = 0; i < 2; i++) {
        for (int columns = 1; columns < 120; columns += 13)
            for (int rows = 1; rows < 40; rows += 5) {
                struct canvas *canvas = cells_of(columns, rows, GLYPHS_ASCII);

                finder_draw(finders[i], NULL, canvas, canvas_area(canvas));
                canvas_destroy(canvas);
            }
        finder_destroy(finders[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(futures_look_as_they_did),
        cmocka_unit_test(each_says_its_value_and_what_came_of_it),
        cmocka_unit_test(the_axes_are_those_of_the_futures_that_hold),
        cmocka_unit_test(they_go_when_one_is_chosen_or_another_trial_begins),
        cmocka_unit_test(a_future_is_the_line_that_the_run_would_draw),
        cmocka_unit_test(a_figure_shows_them),
        cmocka_unit_test(the_finders_figure_looks_as_it_did),
        cmocka_unit_test(the_finder_says_what_it_advises),
        cmocka_unit_test(no_size_of_the_figure_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
