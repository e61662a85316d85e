/* Calibration by hand: which bin a confidence is in, and the two errors. */
#include "engine/calibration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

static struct prediction image(float confidence, bool right)
{
    return (struct prediction){.label = 1, .predicted = right ? 1 : 2, .confidence = confidence};
}

static void errors_are_those_by_hand(void **state)
{
    (void)state;
    const struct prediction images[] = {image(0.95f, true), image(0.97f, false), image(0.99f, true), image(1, true),
                                        image(0.5f, false), image(0.52f, true),  image(0.1f, false)};
    struct calibration found;
    calibrate(images, 7, &found);
    assert_int_equal(found.count, 7);
    assert_int_equal(found.bins[14].count, 4);
    assert_int_equal(found.bins[7].count, 2);
    assert_int_equal(found.bins[1].count, 1);
    assert_float_equal(found.bins[14].accuracy, 0.75, 1e-9);
    assert_float_equal(found.bins[14].confidence, 0.9775, 1e-6);
    assert_float_equal(found.bins[7].accuracy, 0.5, 1e-9);
    assert_float_equal(found.bins[1].confidence, 0.1, 1e-6);
    assert_float_equal(found.bins[0].accuracy, 0, 0);
    assert_float_equal(found.expected_error, (4 * 0.2275 + 2 * 0.01 + 0.1) / 7, 1e-6);
    assert_float_equal(found.greatest_error, 0.2275, 1e-6);
    assert_float_equal(found.accuracy, 4 / 7.0, 1e-9);
    assert_float_equal(found.confidence, (0.95 + 0.97 + 0.99 + 1 + 0.5 + 0.52 + 0.1) / 7, 1e-6);
}

/* A bin's upper end is its own. */
static void every_confidence_has_a_bin(void **state)
{
    (void)state;
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        const float end = (float)((b + 1) / (double)CALIBRATION_BINS);
        const struct prediction images[] = {image(end, true), image(nextafterf(end, 2), true)};
        struct calibration found;
        calibrate(images, 1, &found);
        assert_int_equal(found.bins[b].count, 1);
        calibrate(images + 1, 1, &found);
        assert_int_equal(found.bins[b < CALIBRATION_BINS - 1 ? b + 1 : b].count, 1);
    }
}

static void what_is_not_finite_has_no_error(void **state)
{
    (void)state;
    const struct prediction images[] = {image(0.9f, true), image(NAN, false)};
    struct calibration found;
    calibrate(images, 2, &found);
    assert_true(isnan(found.expected_error) && isnan(found.greatest_error));
    calibrate(images, 0, &found);
    assert_true(isnan(found.expected_error));
    calibrate(images, 1, &found);
    assert_float_equal(found.expected_error, 0.1, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_those_by_hand),
        cmocka_unit_test(every_confidence_has_a_bin),
        cmocka_unit_test(what_is_not_finite_has_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
