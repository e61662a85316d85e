/* How a batch is shared out: all of it, each image once, in the order of the ranks, as even as whole units allow. */
#include "engine/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MOST_IMAGES = 41, MOST_RANKS = 7 };

static void check_slices(int total, int ranks, int unit)
{
    int next = 0, largest = 0, smallest = total;
    for (int rank = 0; rank < ranks; rank++) {
        const struct slicing slicing = {rank, ranks, unit};
        const struct slice slice = slice_of(&slicing, total);
        assert_int_equal(slice.first, next);
        assert_true(slice.first % unit == 0 || slice.first == total);
        assert_true(slice.n >= 0);
        next += slice.n;
        largest = slice.n > largest ? slice.n : largest;
        smallest = slice.n < smallest ? slice.n : smallest;
    }
    const struct slicing slicing = {0, ranks, unit};
    assert_int_equal(next, total);
    assert_in_range(slice_largest(&slicing, total), largest, largest + unit - 1);
    assert_true(largest - smallest < 2 * unit); /* the last unit may be smaller */
}

static void slices_are_all_of_a_batch(void **state)
{
    (void)state;
    for (int unit = 1; unit <= 4; unit *= 2)
        for (int ranks = 1; ranks <= MOST_RANKS; ranks++)
            for (int total = 1; total <= MOST_IMAGES; total++)
                check_slices(total, ranks, unit);
}

static void one_that_is_alone_has_all(void **state)
{
    (void)state;
    const struct slicing alone = {0, 0, 0};
    const struct slice slice = slice_of(&alone, 5);
    assert_int_equal(slice.first, 0);
    assert_int_equal(slice.n, 5);
    assert_int_equal(slice_largest(&alone, 5), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_are_all_of_a_batch),
        cmocka_unit_test(one_that_is_alone_has_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
