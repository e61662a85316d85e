/* Scales: values between, before and behind the points that are known, and the way back. */
#include "tests/viz/viz_test.h"
#include "viz/scale.h"

#include <math.h>

static struct scale *new_scale(double slope)
{
    struct error error = {""};
    struct scale *scale = NULL;
    if (scale_create(slope, &scale, &error))
        fail_msg("%s", error.message);
    return scale;
}

static void add(struct scale *scale, double x, double value)
{
    struct error error = {""};
    if (scale_append(scale, x, value, &error))
        fail_msg("%s", error.message);
}

static void values_lie_on_lines_between_the_points(void **state)
{
    (void)state;
    struct scale *scale = new_scale(0.5);
    assert_true(scale_value(scale, 0) == 0 && scale_value(scale, 8) == 4); /* nothing is known yet */
    add(scale, 10, 20);
    add(scale, 20, 20);
    add(scale, 30, 50);
    assert_true(scale_value(scale, 5) == 10);
    assert_true(scale_value(scale, 10) == 20 && scale_value(scale, 15) == 20);
    assert_true(scale_value(scale, 25) == 35);
    assert_true(scale_value(scale, 50) == 60);
    assert_true(scale_find(scale, 10) == 5);
    assert_true(scale_find(scale, 20) == 10); /* the least of those that have it */
    assert_true(scale_find(scale, 35) == 25);
    assert_true(scale_find(scale, 60) == 50);
    scale_set_slope(scale, 0);
    assert_true(isinf(scale_find(scale, 51)));
    scale_destroy(scale);
}

/* Points on a line are joined, and cutting a line in its middle leaves what was there. */
static void a_long_run_at_one_speed_is_one_line(void **state)
{
    (void)state;
    struct scale *scale = new_scale(0);
    for (int i = 1; i <= 100000; i++)
        add(scale, i, i * 0.25);
    for (int x = 0; x <= 100000; x += 977)
        assert_true(fabs(scale_value(scale, x) - 0.25 * x) < 1e-6);
    scale_truncate(scale, 500);
    assert_true(fabs(scale_value(scale, 400) - 100) < 1e-9);
    add(scale, 501, 200);
    assert_true(fabs(scale_value(scale, 500) - 125) < 1e-9);
    assert_true(scale_value(scale, 501) == 200);
    scale_truncate(scale, 0);
    add(scale, 3, 1);
    assert_true(scale_value(scale, 3) == 1);
    scale_destroy(scale);
}

static void what_goes_down_is_refused_or_held(void **state)
{
    (void)state;
    struct error error = {""};
    struct scale *scale = new_scale(0);
    add(scale, 10, 5);
    assert_int_equal(scale_append(scale, 10, 6, &error), -1);
    assert_int_equal(scale_append(scale, 9, 6, &error), -1);
    assert_int_equal(scale_append(scale, 11, NAN, &error), -1);
    add(scale, 12, 4); /* a clock that was set back */
    assert_true(scale_value(scale, 12) == 5);
    scale_destroy(scale);
}

static void finding_and_value_are_each_others_inverse(void **state)
{
    (void)state;
    struct scale *scale = new_scale(1);
    uint64_t seed = 4;
    double x = 0, value = 0;
    for (int i = 0; i < 300; i++)
        add(scale, x += 1 + random_part(&seed), value += 0.01 + random_part(&seed));
    for (double at = 0; at < value + 10; at += 0.37)
        assert_true(fabs(scale_value(scale, scale_find(scale, at)) - at) < 1e-9 * (1 + at));
    scale_destroy(scale);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_lie_on_lines_between_the_points),
        cmocka_unit_test(a_long_run_at_one_speed_is_one_line),
        cmocka_unit_test(what_goes_down_is_refused_or_held),
        cmocka_unit_test(finding_and_value_are_each_others_inverse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
