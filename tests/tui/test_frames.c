/* The limit of frames: whatever changes how often, thirty drawings a second at most, and the first at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tui/frames.h"

static const double BEGIN = 1000;

static void many_changes_at_one_moment_are_one_drawing(void **state)
{
    struct frames frames = {0};
    int drawn = 0;

    (void)state;
    for (int change = 0; change < 10000; change++)
        drawn += frames_take(&frames, BEGIN);
    assert_int_equal(drawn, 1);
}

/* Changes of every half a millisecond, for ten seconds: in each second thirty, and no fewer than a slow tick costs. */
static void thirty_a_second_at_most(void **state)
{
    enum { SECONDS = 10, CHANGES = 2000 };
    struct frames frames = {0};

    (void)state;
    for (int second = 0; second < SECONDS; second++) {
        int drawn = 0;

        for (int change = 0; change < CHANGES; change++)
            drawn += frames_take(&frames, BEGIN + second + (double)change / CHANGES);
        assert_in_range(drawn, 29, 30);
    }
}

static void after_a_rest_a_change_is_drawn_at_once(void **state)
{
    struct frames frames = {0};

    (void)state;
    assert_true(frames_take(&frames, BEGIN));
    assert_false(frames_take(&frames, BEGIN + 0.03));
    assert_true(frames_take(&frames, BEGIN + 0.034));
    assert_true(frames_take(&frames, BEGIN + 60));
    assert_false(frames_take(&frames, BEGIN + 60)); /* the rest has saved up nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_changes_at_one_moment_are_one_drawing),
        cmocka_unit_test(thirty_a_second_at_most),
        cmocka_unit_test(after_a_rest_a_change_is_drawn_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
