/* The learning rate range test: rates grow by one factor, it stops where the loss blows up, and what it advises is
 * where a known curve falls fastest. */
#include "engine/lr_find.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void rates_grow_by_one_factor_from_end_to_end(void **state)
{
    (void)state;
    assert_true(fabs(lr_find_rate(1e-5, 1, 100, 0) - 1e-5) < 1e-12);
    assert_true(fabs(lr_find_rate(1e-5, 1, 100, 99) - 1) < 1e-12);
    for (int i = 1; i < 100; i++) {
        const double factor = lr_find_rate(1e-5, 1, 100, i) / lr_find_rate(1e-5, 1, 100, i - 1);
        assert_true(fabs(factor - pow(1e5, 1.0 / 99)) < 1e-9);
    }
}

/* Flat at 2.3, a logistic fall of 1 whose middle is at `middle`, flat again, and from `wall` on up without end; `noise`
 * alternates and sums to nothing. */
static double loss_at(double rate, double middle, double wall, double noise, int index)
{
    const double place = log10(rate), rise = place - log10(wall);
    return 2.3 - 1 / (1 + exp(-6 * (place - log10(middle)))) + (rise > 0 ? 40 * rise * rise : 0) +
           noise * (index % 2 ? 1 : -1);
}

/* Until it stops by itself; returns whether it did. */
static bool run(struct lr_find *find, double middle, double wall, double noise)
{
    *find = (struct lr_find){.steps = LR_FIND_STEPS};
    for (int i = 0; i < find->steps; i++) {
        const double rate = lr_find_rate(LR_FIND_FROM, LR_FIND_TO, find->steps, i);
        if (!lr_find_add(find, (float)rate, (float)loss_at(rate, middle, wall, noise, i)))
            return true;
    }
    return false;
}

static void the_steepest_fall_is_where_the_curve_falls_fastest(void **state)
{
    (void)state;
    static const double middles[] = {1e-3, 3e-3, 1e-2, 3e-2};
    struct lr_find find;
    for (size_t i = 0; i < sizeof middles / sizeof *middles; i++) {
        (void)run(&find, middles[i], 0.5, 0.05);
        const struct lr_advice advice = lr_find_advise(&find);
        assert_true(fabs(log10(advice.steepest / middles[i])) < 0.15);
        assert_true(advice.lowest > middles[i] && advice.lowest < 0.6);
        assert_true(fabs(advice.tenth / advice.lowest - 0.1) < 1e-9);
        assert_true(advice.lowest_loss > 1.2 && advice.lowest_loss < 1.5);
    }
}

static void rates_are_told_in_two_digits(void **state)
{
    (void)state;
    struct lr_find find;
    (void)run(&find, 0.01, 0.5, 0);
    const struct lr_advice advice = lr_find_advise(&find);
    const double digits = advice.steepest * pow(10, 1 - floor(log10(advice.steepest)));
    assert_true(fabs(digits - round(digits)) < 1e-9);
}

static void it_stops_at_four_times_the_lowest(void **state)
{
    (void)state;
    struct lr_find find;
    assert_true(run(&find, 1e-3, 1e-2, 0));
    assert_true(find.count < LR_FIND_STEPS);
    double average = 0, weight = 0, least = INFINITY;
    for (int i = 0; i < find.count; i++) {
        average = 0.9 * average + 0.1 * (double)find.loss[i];
        weight = 0.9 * weight + 0.1;
        assert_true(average / weight < 4 * least || i == find.count - 1);
        least = fmin(least, average / weight);
    }
    assert_true(average / weight >= 4 * least);
    assert_false(run(&find, 1e-3, 10, 0)); /* one without a wall goes to the end */
    assert_int_equal(find.count, LR_FIND_STEPS);
}

static void a_loss_that_is_not_finite_is_no_point_and_ends_it(void **state)
{
    (void)state;
    struct lr_find find = {.steps = 100};
    assert_true(lr_find_add(&find, 1e-5f, 2.3f));
    assert_false(lr_find_add(&find, 2e-5f, NAN));
    assert_false(lr_find_add(&find, 2e-5f, INFINITY));
    assert_int_equal(find.count, 1);
}

static void a_curve_that_does_not_fall_has_no_advice(void **state)
{
    (void)state;
    struct lr_find find = {.steps = 100};
    assert_true(lr_find_advise(&find).steepest == 0);
    for (int i = 0; i < 100; i++)
        (void)lr_find_add(&find, (float)lr_find_rate(1e-5, 1, 100, i), 2.3f + 0.001f * (float)i);
    const struct lr_advice advice = lr_find_advise(&find);
    assert_true(advice.steepest == 0 && advice.tenth == 0 && advice.lowest == 0);
}

/* Noise makes falls, too, but no advice. */
static void noise_alone_is_no_fall(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int run = 0; run < 200; run++) {
        struct lr_find find = {.steps = 100};
        for (int i = 0; i < 100; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            const float noise = (float)(seed >> 40) / (float)(1 << 24) - 0.5f;
            (void)lr_find_add(&find, (float)lr_find_rate(1e-5, 1, 100, i), 2.3f + noise);
        }
        assert_true(lr_find_advise(&find).steepest == 0);
    }
}

/* The smoothed curve is not shifted to higher rates: its fall has its middle where the loss has it. */
static void smoothing_does_not_shift(void **state)
{
    (void)state;
    struct lr_find find;
    (void)run(&find, 1e-3, 10, 0.2);
    int middle = 0;
    while (lr_find_smoothed(&find, middle) > 1.8)
        middle++;
    assert_true(fabs(log10((double)find.rate[middle] / 1e-3)) < 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_grow_by_one_factor_from_end_to_end),
        cmocka_unit_test(the_steepest_fall_is_where_the_curve_falls_fastest),
        cmocka_unit_test(rates_are_told_in_two_digits),
        cmocka_unit_test(it_stops_at_four_times_the_lowest),
        cmocka_unit_test(a_loss_that_is_not_finite_is_no_point_and_ends_it),
        cmocka_unit_test(a_curve_that_does_not_fall_has_no_advice),
        cmocka_unit_test(noise_alone_is_no_fall),
        cmocka_unit_test(smoothing_does_not_shift),
    };
    return cmocka_run_group_tests_name("learning rate range test", tests, NULL, NULL);
}
