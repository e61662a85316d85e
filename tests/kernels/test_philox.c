/* Philox gives the published numbers, and each purpose, epoch, index and block its own. */
#include "kernels/philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void expect_words(struct philox drawn, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    assert_int_equal(drawn.word[0], a);
    assert_int_equal(drawn.word[1], b);
    assert_int_equal(drawn.word[2], c);
    assert_int_equal(drawn.word[3], d);
}

/* The three vectors of Random123's known-answer file for philox4x32-10. */
static void known_answers(void **state)
{
    (void)state;
    const uint32_t zero[4] = {0}, ones[4] = {~0u, ~0u, ~0u, ~0u};
    const uint32_t pi[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
    expect_words(philox_raw(zero, 0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
    expect_words(philox_raw(ones, ~0u, ~0u), 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
    expect_words(philox_raw(pi, 0xa4093822, 0x299f31d0), 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
}

static void every_part_of_the_key_counts(void **state)
{
    (void)state;
    const struct philox draws[] = {
        philox_draw(1, PHILOX_SHUFFLE, 0, 0, 0),          philox_draw(2, PHILOX_SHUFFLE, 0, 0, 0),
        philox_draw(1ull << 32, PHILOX_SHUFFLE, 0, 0, 0), philox_draw(1, PHILOX_AUGMENT, 0, 0, 0),
        philox_draw(1, PHILOX_SHUFFLE, 1, 0, 0),          philox_draw(1, PHILOX_SHUFFLE, 0, 1, 0),
        philox_draw(1, PHILOX_SHUFFLE, 0, 1ull << 32, 0), philox_draw(1, PHILOX_SHUFFLE, 0, 0, 1)};
    size_t count = sizeof draws / sizeof *draws;
    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++)
            assert_memory_not_equal(&draws[i], &draws[j], sizeof draws[i]);
}

static void uniform_and_below_stay_inside(void **state)
{
    (void)state;
    assert_true(philox_uniform(0) == 0.0f);
    assert_true(philox_uniform(~0u) < 1.0f);
    assert_int_equal(philox_below(0, 7), 0);
    assert_int_equal(philox_below(~0u, 7), 6);
    assert_int_equal(philox_below(~0u, 1), 0);
}

static void normal_has_mean_0_and_variance_1(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    double sum = 0.0, squares = 0.0;
    for (int i = 0; i < COUNT; i += 2) {
        float pair[2];
        struct philox drawn = philox_draw(3, PHILOX_INITIALISE, 0, (uint64_t)i, 0);
        philox_normal(drawn.word[0], drawn.word[1], pair);
        for (int j = 0; j < 2; j++) {
            assert_true(isfinite(pair[j]));
            sum += (double)pair[j];
            squares += (double)pair[j] * (double)pair[j];
        }
    }
    assert_true(fabs(sum / COUNT) < 0.02);
    assert_true(fabs(squares / COUNT - 1.0) < 0.02);
    float extreme[2];
    philox_normal(0, 0, extreme);
    assert_true(isfinite(extreme[0]) && isfinite(extreme[1]));
    philox_normal(~0u, ~0u, extreme);
    assert_true(isfinite(extreme[0]) && isfinite(extreme[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_answers), cmocka_unit_test(every_part_of_the_key_counts),
                                       cmocka_unit_test(uniform_and_below_stay_inside),
                                       cmocka_unit_test(normal_has_mean_0_and_variance_1)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
