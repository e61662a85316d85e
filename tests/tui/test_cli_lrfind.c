/* `nfbench lrfind`: the points and the advice of the range test as table, JSON and figure, the same each time; and what
 * is refused. */
#include "tests/tui/process.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SEARCH "lrfind " NETWORK "--data synthetic --limit 512 --batch 32 --validation 0 --agc 0 "

static void test_points_and_advice(void **state)
{
    (void)state;
    json_t *object = last_json(run_expecting(0, SEARCH "--from 1e-4 --to 10 --for 60 --json --png lr.png"));
    const json_t *points = json_object_get(object, "points");
    const size_t count = json_array_size(points);
    assert_true(count >= 20 && count <= 60);
    for (size_t i = 0; i < count; i++) {
        const json_t *point = json_array_get(points, i);
        assert_float_equal(json_number_at(point, "lr") / (1e-4 * pow(1e5, (double)i / 59)), 1, 1e-5);
        assert_true(json_number_at(point, "loss") > 0 && json_number_at(point, "smoothed") > 0);
    }
    assert_float_equal(json_number_at(object, "from"), 1e-4, 1e-12);
    assert_float_equal(json_number_at(object, "to"), 10, 1e-6);
    const json_t *steepest = json_object_get(object, "steepest");
    assert_true(json_is_null(steepest) || json_number_value(steepest) < json_number_at(object, "lowest"));
    assert_int_equal(access(process_path("lr.png"), R_OK), 0);
    assert_int_not_equal(access(process_path("nfbench"), F_OK), 0); /* it is no session */

    json_t *again = last_json(run_expecting(0, SEARCH "--from 1e-4 --to 10 --for 60 --json"));
    assert_true(json_equal(object, again));
    json_decref(again);
    json_decref(object);
}

static void test_the_table_ends_in_words(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, SEARCH "--for 20");
    assert_non_null(strstr(outcome->out, "smoothed"));
    assert_non_null(strstr(outcome->out, "1.00e-05"));
    assert_true(strstr(outcome->out, "Steepest fall at lr") || strstr(outcome->out, "No certain fall"));
}

static void test_what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    assert_non_null(strstr(run_expecting(2, "lrfind --from 1 --to 0.1")->err, "--from 1: must be below --to 0.1"));
    assert_non_null(strstr(run_expecting(2, "lrfind --from 0")->err, "--from"));
    assert_non_null(strstr(run_expecting(2, "lrfind --for 19")->err, "--for"));
    assert_non_null(strstr(run_expecting(2, "lrfind --for 1001")->err, "--for"));
    assert_non_null(strstr(run_expecting(2, "lrfind --png lr.jpg")->err, ".png"));
    assert_non_null(strstr(run_expecting(2, "lrfind --lr 0.1")->err, "--lr"));
    assert_non_null(strstr(run_expecting(2, "lrfind 0.1")->err, "nfbench lrfind"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_points_and_advice),
        cmocka_unit_test(test_the_table_ends_in_words),
        cmocka_unit_test(test_what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests_name("nfbench lrfind", tests, process_setup, process_teardown);
}
