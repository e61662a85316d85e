/* Series: the pyramid answers as going over all points would, and smoothing is that of every point. */
#include "tests/viz/viz_test.h"
#include "viz/series.h"

#include <math.h>
#include <string.h>

static float value_at(int i)
{
    if (i % 97 == 5)
        return i % 2 ? NAN : INFINITY;
    return (float)(sin(i * 0.7) * (1 + i % 13));
}

static void check_range(const struct series *series, size_t from, size_t to)
{
    float min = INFINITY, max = -INFINITY, first = NAN, last = NAN;
    double sum = 0;
    size_t count = 0, non_finite = 0;
    for (size_t i = from; i < to; i++) {
        float y = series_y(series, i);
        if (!isfinite(y)) {
            non_finite++;
            continue;
        }
        min = fminf(min, y);
        max = fmaxf(max, y);
        first = count ? first : y;
        last = y;
        sum += y;
        count++;
    }
    struct series_summary got = series_summarize(series, SERIES_RAW, from, to);
    assert_int_equal(got.count, count);
    assert_int_equal(got.non_finite, non_finite);
    assert_true(fabs(got.sum - sum) <= 1e-9 * (1 + fabs(sum)) * 1000);
    if (count) {
        assert_true(got.min == min && got.max == max && got.first == first && got.last == last);
        assert_int_equal(got.first_finite, isfinite(series_y(series, from)));
        assert_int_equal(got.last_finite, isfinite(series_y(series, to - 1)));
    }
}

static void any_range_is_summed_up(void **state)
{
    (void)state;
    struct series *series = new_series(0.9);
    uint64_t seed = 7;
    for (int i = 0; i < 5000; i++)
        append(series, i, value_at(i));
    for (int i = 0; i < 3000; i++) {
        size_t a = (size_t)(random_part(&seed) * 5001), b = (size_t)(random_part(&seed) * 5001);
        check_range(series, a < b ? a : b, a < b ? b : a);
    }
    check_range(series, 0, 5000);
    check_range(series, 256, 4096);
    series_destroy(series);
}

static void smoothing_is_the_debiased_average(void **state)
{
    (void)state;
    struct series *series = new_series(0.95);
    double average = 0, weight = 0;
    for (int i = 0; i < 2000; i++) {
        float y = value_at(i);
        append(series, i, y);
        if (!isfinite(y)) {
            assert_true(isnan(series_smoothed(series, (size_t)i)));
            continue;
        }
        average = 0.95 * average + 0.05 * y;
        weight = 0.95 * weight + 0.05;
        assert_true(fabs(series_smoothed(series, (size_t)i) - average / weight) < 1e-5);
    }
    assert_true(series_smoothed(series, 0) == series_y(series, 0)); /* no pull towards 0 at the start */
    series_destroy(series);
}

static void new_smoothing_equals_that_from_the_start(void **state)
{
    (void)state;
    struct series *changed = new_series(0.5), *fresh = new_series(0.98);
    struct error error = {""};
    for (int i = 0; i < 700; i++) {
        append(changed, i, value_at(i));
        append(fresh, i, value_at(i));
        if (i % 50 == 49) {
            assert_int_equal(series_append_merged(changed, i, i + 0.5, -3, 4, 0.25, 20, 1, &error), 0);
            assert_int_equal(series_append_merged(fresh, i, i + 0.5, -3, 4, 0.25, 20, 1, &error), 0);
        }
    }
    series_set_smoothing(changed, 0.98);
    assert_true(series_smoothing(changed) == 0.98);
    for (size_t i = 0; i < series_count(fresh); i++) {
        float a = series_smoothed(changed, i), b = series_smoothed(fresh, i);
        assert_true(a == b || (isnan(a) && isnan(b)));
    }
    struct series_summary a = series_summarize(changed, SERIES_SMOOTHED, 0, 700);
    struct series_summary b = series_summarize(fresh, SERIES_SMOOTHED, 0, 700);
    assert_true(a.min == b.min && a.max == b.max && a.count == b.count);
    series_destroy(changed);
    series_destroy(fresh);
}

static void merged_points_keep_their_extremes_and_weigh_as_many(void **state)
{
    (void)state;
    struct series *one_by_one = new_series(0.9), *merged = new_series(0.9);
    struct error error = {""};
    append(one_by_one, 0, 5);
    append(merged, 0, 5);
    for (int i = 1; i <= 30; i++)
        append(one_by_one, i, 2);
    assert_int_equal(series_append_merged(merged, 1, 30, 1, 3, 2, 30, 0, &error), 0);
    struct series_summary sum = series_summarize(merged, SERIES_RAW, 0, series_count(merged));
    assert_true(sum.min == 1 && sum.max == 5);
    assert_true(fabs(series_smoothed(merged, series_count(merged) - 1) - series_smoothed(one_by_one, 30)) < 1e-6);
    assert_int_equal(series_append_merged(merged, 31, 40, 0, 0, 0, 0, 10, &error), 0);
    sum = series_summarize(merged, SERIES_RAW, 0, series_count(merged));
    assert_int_equal(sum.non_finite, 1);
    series_destroy(one_by_one);
    series_destroy(merged);
}

static void x_must_not_go_down(void **state)
{
    (void)state;
    struct series *series = new_series(0);
    struct error error = {""};
    append(series, 5, 1);
    append(series, 5, 2); /* two evaluations at one step */
    assert_int_equal(series_append(series, 4, 3, &error), -1);
    assert_non_null(strstr(error.message, "4"));
    assert_int_equal(series_append(series, NAN, 3, &error), -1);
    assert_int_equal(series_append_merged(series, 9, 8, 0, 1, 0.5, 3, 0, &error), -1);
    assert_int_equal(series_count(series), 2);
    assert_true(series_smoothed(series, 1) == 2);
    series_destroy(series);
}

static void truncating_is_as_if_never_appended(void **state)
{
    (void)state;
    struct series *cut = new_series(0.9), *fresh = new_series(0.9);
    for (int i = 0; i < 4000; i++)
        append(cut, i, value_at(i));
    series_truncate(cut, 1233.5);
    assert_int_equal(series_count(cut), 1234);
    for (int i = 0; i < 3000; i++) {
        append(fresh, i, value_at(i));
        if (i >= 1234)
            append(cut, i, value_at(i));
    }
    for (size_t i = 0; i < 3000; i += 7)
        check_range(cut, i / 3, i + 1);
    for (size_t i = 0; i < 3000; i++) {
        float a = series_smoothed(cut, i), b = series_smoothed(fresh, i);
        assert_true(a == b || (isnan(a) && isnan(b)));
    }
    series_destroy(cut);
    series_destroy(fresh);
}

/* Neither their extremes nor their mean are those of the part before the cut. */
static void what_was_merged_across_a_cut_is_gone(void **state)
{
    (void)state;
    struct series *cut = new_series(0.5), *fresh = new_series(0.5);
    struct error error = {""};
    for (int i = 0; i < 10; i++) {
        append(cut, i, 1);
        append(fresh, i, 1);
    }
    assert_int_equal(series_append_merged(cut, 10, 19, 2, 60, 31, 10, 0, &error), 0);
    assert_int_equal(series_append_merged(cut, 20, 29, 2, 60, 31, 10, 1, &error), 0);
    series_truncate(cut, 29);
    assert_int_equal(series_count(cut), 15);
    series_truncate(cut, 24);
    assert_int_equal(series_count(cut), 12);
    series_truncate(cut, 15);
    assert_int_equal(series_count(cut), 10);
    append(cut, 16, 3);
    append(fresh, 16, 3);
    assert_true(series_smoothed(cut, 10) == series_smoothed(fresh, 10));
    series_destroy(cut);
    series_destroy(fresh);
}

static void points_are_found_by_x(void **state)
{
    (void)state;
    struct series *series = new_series(0);
    assert_int_equal(series_find(series, 3), 0);
    for (int i = 0; i < 100; i++)
        append(series, i / 2, 1);
    assert_int_equal(series_find(series, -1), 0);
    assert_int_equal(series_find(series, 7), 14);
    assert_int_equal(series_find(series, 7.5), 16);
    assert_int_equal(series_find(series, 100), 100);
    assert_true(series_x(series, 14) == 7);
    series_destroy(series);
}

/* Where each tenth step is recorded, smoothing is that of all ten having its value; a new smoothing, too. */
static void a_weighted_point_counts_as_many(void **state)
{
    (void)state;
    struct series *all = new_series(0.9), *tenth = new_series(0.5);
    struct error error = {""};
    for (int i = 1; i <= 50; i++)
        for (int k = 9; k >= 0; k--)
            append(all, 10 * i - k, (float)sin(i));
    for (int i = 1; i <= 50; i++)
        assert_int_equal(series_append_weighted(tenth, 10 * i, (float)sin(i), 10, &error), 0);
    assert_int_equal(series_count(tenth), 50);
    series_set_smoothing(tenth, 0.9);
    for (size_t i = 0; i < 50; i++)
        assert_true(fabs(series_smoothed(tenth, i) - series_smoothed(all, 10 * i + 9)) < 1e-5);
    series_truncate(tenth, 255);
    append(tenth, 256, 3);
    assert_true(fabs(series_smoothed(tenth, 25) - (0.9 * series_smoothed(all, 249) + 0.3)) < 1e-3);
    series_destroy(all);
    series_destroy(tenth);
}

static void a_break_lets_no_line_through(void **state)
{
    (void)state;
    struct series *series = new_series(0.5);
    struct error error = {""};
    for (int i = 0; i < 600; i++) {
        if (i == 100 || i == 320)
            assert_int_equal(series_break(series, &error), 0);
        append(series, i, 1);
    }
    for (size_t i = 0; i < 600; i++)
        for (size_t span = 1; span <= 256 && i + span <= 600; span *= 16)
            assert_int_equal(series_summarize(series, SERIES_RAW, i, i + span).first_finite, i != 100 && i != 320);
    assert_false(series_summarize(series, SERIES_SMOOTHED, 320, 400).first_finite);
    series_truncate(series, 300);
    for (int i = 301; i < 400; i++)
        append(series, i, 1);
    assert_true(series_summarize(series, SERIES_RAW, 320, 321).first_finite);
    assert_false(series_summarize(series, SERIES_RAW, 100, 101).first_finite);
    series_destroy(series);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_range_is_summed_up),
        cmocka_unit_test(smoothing_is_the_debiased_average),
        cmocka_unit_test(new_smoothing_equals_that_from_the_start),
        cmocka_unit_test(merged_points_keep_their_extremes_and_weigh_as_many),
        cmocka_unit_test(x_must_not_go_down),
        cmocka_unit_test(truncating_is_as_if_never_appended),
        cmocka_unit_test(what_was_merged_across_a_cut_is_gone),
        cmocka_unit_test(points_are_found_by_x),
        cmocka_unit_test(a_weighted_point_counts_as_many),
        cmocka_unit_test(a_break_lets_no_line_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
