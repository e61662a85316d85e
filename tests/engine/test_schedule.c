/* The learning rate at chosen steps, worked out by hand. */
#include "engine/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

enum { PER_EPOCH = 10, TOTAL = 100 };

struct expected {
    long step;
    double factor;
};

static void assert_factors(const struct train_options *options, const struct expected *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const double factor = schedule_factor(options, expected[i].step, TOTAL, PER_EPOCH);
        if (fabs(factor - expected[i].factor) > 1e-12)
            fail_msg("step %ld: %.15g, not %.15g", expected[i].step, factor, expected[i].factor);
    }
}

#define ASSERT_FACTORS(options, ...)                                                                                   \
    do {                                                                                                               \
        static const struct expected expected[] = {__VA_ARGS__};                                                       \
        assert_factors(options, expected, sizeof expected / sizeof *expected);                                         \
    } while (0)

static void test_constant_is_one(void **state)
{
    (void)state;
    const struct train_options options = {.schedule = SCHEDULE_CONSTANT};
    ASSERT_FACTORS(&options, {0, 1}, {1, 1}, {57, 1}, {99, 1});
}

/* Four steps of warm-up (0.4 of an epoch of ten): quarters, the first of which is not 0. */
static void test_warm_up_rises_in_even_steps(void **state)
{
    (void)state;
    const struct train_options options = {.schedule = SCHEDULE_CONSTANT, .warmup_epochs = 0.4f};
    ASSERT_FACTORS(&options, {0, 0.25}, {1, 0.5}, {2, 0.75}, {3, 1}, {4, 1}, {99, 1});
}

static void test_step_drops_at_each_so_many_epochs(void **state)
{
    (void)state;
    const struct train_options options = {.schedule = SCHEDULE_STEP, .step_epochs = 3, .step_factor = 0.5f};
    ASSERT_FACTORS(&options, {0, 1}, {29, 1}, {30, 0.5}, {59, 0.5}, {60, 0.25}, {89, 0.25}, {90, 0.125}, {99, 0.125});
}

static void test_step_drops_inside_a_warm_up(void **state)
{
    (void)state;
    const struct train_options options = {
        .schedule = SCHEDULE_STEP, .step_epochs = 1, .step_factor = 0.5f, .warmup_epochs = 2};
    ASSERT_FACTORS(&options, {0, 0.05}, {9, 0.5}, {10, 0.275}, {19, 0.5}, {20, 0.25});
}

static void test_step_without_an_interval_is_constant(void **state)
{
    (void)state;
    const struct train_options options = {.schedule = SCHEDULE_STEP, .step_factor = 0.5f};
    ASSERT_FACTORS(&options, {0, 1}, {99, 1});
}

/* cos(pi / 3) = 1/2 and cos(2 pi / 3) = -1/2 after the warm-up of ten steps: 90 steps are left. */
static void test_cosine_falls_by_half_a_wave(void **state)
{
    (void)state;
    const struct train_options options = {.schedule = SCHEDULE_COSINE, .warmup_epochs = 1};
    ASSERT_FACTORS(&options, {0, 0.1}, {9, 1}, {10, 1}, {40, 0.75}, {55, 0.5}, {70, 0.25});
    const struct train_options bare = {.schedule = SCHEDULE_COSINE};
    ASSERT_FACTORS(&bare, {0, 1}, {50, 0.5}, {75, 0.14644660940672624});
    const double last = schedule_factor(&bare, TOTAL - 1, TOTAL, PER_EPOCH);
    assert_true(last > 0 && last < 0.001);
}

/* 0.04 at the start; up over 20 steps (0.048 a step), down over 80. */
static void test_onecycle_rises_then_falls(void **state)
{
    (void)state;
    const struct train_options options = {.schedule = SCHEDULE_ONECYCLE, .warmup_epochs = 2};
    ASSERT_FACTORS(&options, {0, 0.04}, {5, 0.28}, {10, 0.52}, {20, 1}, {60, 0.5}, {80, 0.25}, {99, 0.0125});
}

static void test_onecycle_rises_for_a_tenth_by_default(void **state)
{
    (void)state;
    const struct train_options options = {.schedule = SCHEDULE_ONECYCLE};
    ASSERT_FACTORS(&options, {0, 0.04}, {10, 1}, {64, 0.4}, {82, 0.2});
}

/* Factors stay finite and above 0 for any warm-up, runs of one step, and steps beyond the end. */
static void test_extremes_are_finite(void **state)
{
    (void)state;
    static const float warmups[] = {0, 0.01f, 0.5f, 1, 10, 1e9f};
    for (int kind = SCHEDULE_CONSTANT; kind <= SCHEDULE_ONECYCLE; kind++) {
        for (size_t w = 0; w < sizeof warmups / sizeof *warmups; w++) {
            for (long total = 1; total < 30; total += 7) {
                const struct train_options options = {.schedule = (enum schedule_kind)kind,
                                                      .warmup_epochs = warmups[w],
                                                      .step_epochs = 1,
                                                      .step_factor = 0.9f};
                for (long step = 0; step <= total + 3; step++) {
                    const double factor = schedule_factor(&options, step, total, 10);
                    assert_true(isfinite(factor) && factor > 0 && factor <= 1);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_is_one),
        cmocka_unit_test(test_warm_up_rises_in_even_steps),
        cmocka_unit_test(test_step_drops_at_each_so_many_epochs),
        cmocka_unit_test(test_step_drops_inside_a_warm_up),
        cmocka_unit_test(test_step_without_an_interval_is_constant),
        cmocka_unit_test(test_cosine_falls_by_half_a_wave),
        cmocka_unit_test(test_onecycle_rises_then_falls),
        cmocka_unit_test(test_onecycle_rises_for_a_tenth_by_default),
        cmocka_unit_test(test_extremes_are_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
