/* Numbers in few digits. */
#include "base/digits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

static void numbers_have_so_many_digits_and_no_more(void **state)
{
    static const struct {
        double value;
        int digits;
        const char *expected;
    } cases[] = {{0, 3, "0"},           {0.1234, 3, "0.123"},    {0.5, 4, "0.5"},
                 {1.5, 3, "1.5"},       {-12.345, 3, "-12.3"},   {999.4, 3, "999"},
                 {1234.5, 3, "1234"},   {98765.4, 3, "98765"},   {98765.4, 4, "98765"},
                 {99999.4, 4, "99999"}, {123456, 3, "1.2e+05"},  {123456, 4, "1.23e+05"},
                 {0.001, 3, "0.001"},   {0.00099, 3, "9.9e-04"}, {-1.234e-6, 4, "-1.23e-06"},
                 {NAN, 3, "NaN"},       {INFINITY, 3, "Inf"},    {-INFINITY, 3, "-Inf"}};
    char text[32];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        digits_significant(cases[i].value, cases[i].digits, text, sizeof text);
        assert_string_equal(text, cases[i].expected);
    }
    digits_significant(0.1234, 3, text, 4);
    assert_string_equal(text, "0.1");
}

static void steady_numbers_keep_their_digits(void **state)
{
    static const struct {
        double value;
        const char *expected;
    } cases[] = {{0, "0.000"},     {0.5, "0.5000"},  {-12.3, "-12.30"},
                 {999.96, "1000"}, {1477.4, "1477"}, {0.0123456, "0.01235"}};
    char text[32];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        digits_steady(cases[i].value, 4, text, sizeof text);
        assert_string_equal(text, cases[i].expected);
    }
}

static void losses_have_four_places_until_they_explode(void **state)
{
    char text[32];
    (void)state;
    digits_loss(2.30115, text, sizeof text);
    assert_string_equal(text, "2.3011");
    digits_loss(999999, text, sizeof text);
    assert_string_equal(text, "999999.0000");
    digits_loss(5.678e33, text, sizeof text);
    assert_string_equal(text, "5.68e+33");
}

static void the_shortest_numbers_are_those_that_were_typed(void **state)
{
    static const struct {
        float value;
        const char *expected;
    } cases[] = {{0.2f, "0.2"},        {0.45f, "0.45"}, {0.9f * 0.5f, "0.45"},
                 {0.1f + 0.2f, "0.3"}, {128, "128"},    {0.33333334f, "0.33333334"}};
    char text[32];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        digits_shortest(cases[i].value, text, sizeof text);
        assert_string_equal(text, cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_so_many_digits_and_no_more),
        cmocka_unit_test(steady_numbers_keep_their_digits),
        cmocka_unit_test(the_shortest_numbers_are_those_that_were_typed),
        cmocka_unit_test(losses_have_four_places_until_they_explode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
