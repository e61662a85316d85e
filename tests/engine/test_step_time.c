/* A step's parts add up to the whole, whatever was measured. */
#include "engine/step_time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

static double sum(const struct step_time *time)
{
    double parts = 0;
    for (int p = 0; p < STEP_PARTS; p++)
        parts += time->parts[p];
    return parts;
}

static struct step_time measured(double whole, double data, double forward, double backward, double update,
                                 double probe)
{
    const double parts[STEP_OTHER] = {data, forward, backward, update, probe};
    struct step_time time = {0};
    step_time_add(&time, whole, parts);
    return time;
}

static void what_is_missing_is_other(void **state)
{
    (void)state;
    const struct step_time time = measured(1, 0.1, 0.2, 0.3, 0.05, 0.15), settled = step_time_settle(&time);
    assert_true(fabs(settled.parts[STEP_OTHER] - 0.2) < 1e-12);
    assert_true(settled.parts[STEP_BACKWARD] == 0.3);
    assert_true(fabs(sum(&settled) - 1) < 1e-12);
}

static void more_than_the_whole_keeps_its_proportions(void **state)
{
    (void)state;
    const struct step_time time = measured(1, 0, 0.5, 1, 0.5, 0), settled = step_time_settle(&time);
    assert_true(settled.parts[STEP_OTHER] == 0);
    assert_true(fabs(settled.parts[STEP_FORWARD] - 0.25) < 1e-12);
    assert_true(fabs(settled.parts[STEP_BACKWARD] - 0.5) < 1e-12);
    assert_true(fabs(sum(&settled) - 1) < 1e-12);
}

/* One step that came late and one that came early, as steps under way do: together they are whole. */
static void steps_are_settled_together(void **state)
{
    (void)state;
    const double parts[STEP_OTHER] = {0, 0.3, 0.6, 0.1, 0};
    struct step_time time = {0};
    step_time_add(&time, 0.01, parts);
    step_time_add(&time, 1.99, parts);
    const struct step_time settled = step_time_settle(&time), mean = step_time_mean(&settled, 2);
    assert_true(fabs(settled.parts[STEP_OTHER]) < 1e-12);
    assert_true(fabs(settled.parts[STEP_BACKWARD] - 1.2) < 1e-12);
    assert_true(fabs(mean.whole - 1) < 1e-12 && fabs(mean.parts[STEP_FORWARD] - 0.3) < 1e-12);
}

static void nothing_measured_is_nothing(void **state)
{
    (void)state;
    const struct step_time none = {0}, settled = step_time_settle(&none), mean = step_time_mean(&none, 0);
    assert_true(sum(&settled) == 0 && sum(&mean) == 0 && mean.whole == 0);
}

static void the_names_are_those_of_the_readme(void **state)
{
    static const char *const names[STEP_PARTS] = {"data", "forward", "backward", "update", "probe", "other"};
    (void)state;
    for (int p = 0; p < STEP_PARTS; p++)
        assert_string_equal(step_part_name((enum step_part)p), names[p]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_other),
        cmocka_unit_test(more_than_the_whole_keeps_its_proportions),
        cmocka_unit_test(steps_are_settled_together),
        cmocka_unit_test(nothing_measured_is_nothing),
        cmocka_unit_test(the_names_are_those_of_the_readme),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
