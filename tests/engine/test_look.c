/* Looks into a run's network on the CPU (see looks.h), and how long one may take. */
#include "tests/engine/looks.h"
#include "tests/engine/tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The clock of these tests goes on by 1/128 s each time it is asked, which a look does before and after each batch. */
static void a_look_ends_after_a_second(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    struct partition parts;
    struct look *look;
    tiny_init(&run, "micro");
    run.options.batch = 1;
    run.options.limit = LOOK_IMAGES;
    tiny_create(&run, NULL);
    assert_int_equal(partition_make(tiny_dataset(), &run.options, &parts, &error), 0);
    assert_int_equal(look_create(&run.spec, &look, &error), 0);
    assert_int_equal(look_take(run.network, tiny_dataset(), &run.options, &parts, NULL, look, &error), 0);
    assert_int_equal(look->count, 129);
    assert_int_equal(look->result.count, 129);
    assert_true(look->result.loss > 0 && look->result.accuracy == (double)look->result.correct / 129);
    look_destroy(look);
    tiny_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_look_ends_after_a_second)};
    const int failed = looks_run();

    return failed + cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
