/* Ticks keep their rules over ranges of any size and place. */
#include "tests/viz/viz_test.h"
#include "viz/ticks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a reader takes a label for. */
static double read_label(const char *label)
{
    char *end;
    double value = strtod(label, &end);
    switch (*end) {
    case 'k':
        return value * 1e3;
    case 'M':
        return value * 1e6;
    case 'G':
        return value * 1e9;
    case '%':
        return value / 100;
    default:
        assert_int_equal(*end, 0);
        return value;
    }
}

static void check_mantissa(double step)
{
    double mantissa = step / pow(10, floor(log10(step) + 1e-9));
    assert_true(fabs(mantissa - 1) < 1e-6 || fabs(mantissa - 2) < 1e-6 || fabs(mantissa - 5) < 1e-6);
}

static void check_order(const struct ticks *ticks, double low, double high)
{
    double slack = (high - low) * 1e-6;
    for (int i = 0; i < ticks->count; i++) {
        assert_true(ticks->tick[i].value >= low - slack && ticks->tick[i].value <= high + slack);
        if (i == 0)
            continue;
        assert_true(ticks->tick[i].value > ticks->tick[i - 1].value);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(ticks->tick[i].label, ticks->tick[j].label);
    }
}

static void linear_ticks_are_multiples_of_1_2_5(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int trial = 0; trial < 20000; trial++) {
        double size = pow(10, random_part(&seed) * 24 - 12);
        double low = (random_part(&seed) - 0.5) * size * pow(10, random_part(&seed) * 3), high = low + size;
        int most = 2 + (int)(random_part(&seed) * 14);
        bool percent = trial % 3 == 0;
        struct ticks ticks;
        ticks_linear(low, high, most, percent, &ticks);
        assert_in_range(ticks.count, 1, most);
        check_mantissa(ticks.step);
        check_order(&ticks, low, high);
        for (int i = 0; i < ticks.count; i++) {
            double multiple = ticks.tick[i].value / ticks.step;
            assert_true(fabs(multiple - round(multiple)) < 1e-6 * (1 + fabs(multiple)));
            assert_true(fabs(read_label(ticks.tick[i].label) - ticks.tick[i].value) < ticks.step * 0.01);
        }
    }
}

static void log_ticks_are_decades(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (int trial = 0; trial < 20000; trial++) {
        double low = pow(10, random_part(&seed) * 20 - 10), high = low * pow(10, random_part(&seed) * 12 + 0.01);
        int most = 2 + (int)(random_part(&seed) * 10);
        struct ticks ticks;
        ticks_round_log(&low, &high);
        ticks_log(low, high, most, &ticks);
        assert_in_range(ticks.count, 1, most);
        check_order(&ticks, low, high);
        for (int i = 0; i < ticks.count; i++) {
            check_mantissa(ticks.tick[i].value);
            assert_true(fabs(read_label(ticks.tick[i].label) / ticks.tick[i].value - 1) < 1e-3);
        }
        if (high / low > 1001) /* over more than three decades: these alone */
            for (int i = 0; i < ticks.count; i++) {
                double decade = log10(ticks.tick[i].value);
                assert_true(fabs(decade - round(decade)) < 1e-6);
            }
    }
}

static void decades_below_one_are_there(void **state)
{
    (void)state;
    struct ticks ticks;
    ticks_log(0.001, 10, 8, &ticks);
    assert_int_equal(ticks.count, 5);
    assert_string_equal(ticks.tick[0].label, "0.001");
    assert_string_equal(ticks.tick[4].label, "10");
}

static void rounding_holds_the_range(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int trial = 0; trial < 20000; trial++) {
        double size = pow(10, random_part(&seed) * 20 - 10), low = (random_part(&seed) - 0.5) * size * 5;
        double high = low + size * (trial % 50 ? 1 : 0), from = low, to = high;
        ticks_round_linear(&from, &to, 6);
        assert_true(from < to && from <= low && to >= high);
        from = fabs(low) + size * 1e-3, to = from + (high - low);
        double log_from = from, log_to = to;
        ticks_round_log(&log_from, &log_to);
        assert_true(log_from < log_to && log_from <= from * (1 + 1e-8) && log_to >= to * (1 - 1e-8));
    }
}

static void impossible_ranges_give_no_ticks(void **state)
{
    (void)state;
    const double ranges[][2] = {{1, 1}, {2, 1}, {NAN, 1}, {0, INFINITY}, {-1e308, 1e308}, {0, 1e-310}};
    struct ticks ticks;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        ticks_linear(ranges[i][0], ranges[i][1], 5, false, &ticks);
        assert_true(ticks.count <= 5);
        ticks_log(ranges[i][0], ranges[i][1], 5, &ticks);
        assert_int_equal(ticks.count, 0);
    }
}

static void neighbours_of_a_big_number_are_told_apart(void **state)
{
    (void)state;
    struct ticks ticks;
    ticks_linear(123456, 123460, 6, false, &ticks);
    check_order(&ticks, 123456, 123460);
    assert_true(ticks.count >= 4);
}

static void labels_of_huge_values_are_short(void **state)
{
    (void)state;
    for (double high = 1; high < 1e30; high *= 3) {
        struct ticks ticks;
        ticks_linear(0, high, 8, false, &ticks);
        assert_true(ticks.count >= 3);
        for (int i = 0; i < ticks.count; i++)
            assert_in_range(strlen(ticks.tick[i].label), 1, 8);
    }
}

static void numbers_are_short(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},    {0.0032, "0.0032"}, {12500, "12.5k"},    {3e-5, "3e-05"}, {2.302585, "2.303"}, {-1e300, "-1e+300"},
        {1e6, "1M"}, {NAN, "NaN"},       {-INFINITY, "-Inf"}, {9999.7, "10k"}};
    char text[TICK_LABEL];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tick_format(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
    }
    uint64_t seed = 4;
    for (int i = 0; i < 20000; i++) {
        double value = (random_part(&seed) - 0.5) * pow(10, random_part(&seed) * 400 - 200);
        tick_format(value, text);
        assert_true(strlen(text) <= 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_ticks_are_multiples_of_1_2_5),
        cmocka_unit_test(log_ticks_are_decades),
        cmocka_unit_test(decades_below_one_are_there),
        cmocka_unit_test(rounding_holds_the_range),
        cmocka_unit_test(impossible_ranges_give_no_ticks),
        cmocka_unit_test(neighbours_of_a_big_number_are_told_apart),
        cmocka_unit_test(labels_of_huge_values_are_short),
        cmocka_unit_test(numbers_are_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
