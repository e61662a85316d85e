/* Speed and time left, from durations that are given: no clock is read. */
#include "engine/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

static const double nothing[STEP_OTHER];

static double rate(const struct pace *pace)
{
    const struct pace_piece window = pace_window(pace);
    return (double)window.images / window.time.whole;
}

static void assert_near(double value, double expected, double relative)
{
    if (fabs(value - expected) > relative * fabs(expected))
        fail_msg("%g, not %g", value, expected);
}

static void test_nothing_is_known_before_the_first_step(void **state)
{
    (void)state;
    const struct pace pace = {0};
    assert_true(pace_window(&pace).time.whole == 0);
    assert_true(pace_left(&pace, 100, 100) < 0);
}

/* Short steps, long steps: 1000 images a second either way. */
static void test_a_steady_rate_is_shown_as_it_is(void **state)
{
    (void)state;
    static const double seconds[] = {0.001, 0.01, 0.1, 0.75, 3, 40};
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        struct pace pace = {0};
        for (int step = 0; step < 3000; step++)
            pace_add_step(&pace, seconds[i], nothing, (int)lround(1000 * seconds[i]));
        assert_near(rate(&pace), 1000, 1e-9);
        assert_near(pace_left(&pace, 5000, 0), 5, 1e-9);
        const double window = pace_window(&pace).time.whole;
        assert_true(window >= 0.999 && window < 1.2 + seconds[i]);
    }
}

static void test_a_change_shows_after_about_a_second(void **state)
{
    (void)state;
    struct pace pace = {0};
    for (int step = 0; step < 1000; step++)
        pace_add_step(&pace, 0.01, nothing, 10);
    for (int step = 0; step < 30; step++) /* 1.2 s at a quarter of the speed */
        pace_add_step(&pace, 0.04, nothing, 10);
    assert_near(rate(&pace), 250, 1e-6);
    /* the time left follows more slowly: 1.2 s of a constant of 10 s */
    const double weight = 1 - exp(-1.2 / 10);
    assert_near(pace_left(&pace, 1000, 0), 1 + weight * 3, 1e-6);
}

static void test_parts_are_those_of_the_window(void **state)
{
    (void)state;
    static const double parts[STEP_OTHER] = {[STEP_DATA] = 0.005, [STEP_PROBE] = 0.002};
    struct pace pace = {0};
    for (int step = 0; step < 500; step++)
        pace_add_step(&pace, 0.02, parts, 8);
    const struct pace_piece window = pace_window(&pace);
    assert_near(window.time.parts[STEP_DATA] / window.time.whole, 0.25, 1e-9);
    assert_near(window.time.parts[STEP_PROBE] / window.time.whole, 0.1, 1e-9);
    assert_near(window.time.whole / (double)window.steps, 0.02, 1e-9);
    assert_int_equal(window.images, 8 * window.steps);
}

static void test_evaluations_count_once_measured(void **state)
{
    (void)state;
    struct pace pace = {0};
    pace_add_step(&pace, 1, nothing, 100);
    assert_near(pace_left(&pace, 1000, 5000), 10, 1e-9);
    pace_add_evaluation(&pace, 2, 1000);
    assert_near(pace_left(&pace, 1000, 5000), 20, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known_before_the_first_step),
        cmocka_unit_test(test_a_steady_rate_is_shown_as_it_is),
        cmocka_unit_test(test_a_change_shows_after_about_a_second),
        cmocka_unit_test(test_parts_are_those_of_the_window),
        cmocka_unit_test(test_evaluations_count_once_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
