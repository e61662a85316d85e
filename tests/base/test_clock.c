/* Under NFBENCH_CLOCK what is shown of time is the same in each run, and waiting goes on by the true clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

static void the_calendar_stands(void **state)
{
    (void)state;
    assert_int_equal(clock_calendar(), 1700000000);
}

static void the_true_clock_goes_on(void **state)
{
    double first = clock_seconds();

    (void)state;
    while (clock_seconds() == first) /* the test hangs where it stands, too */
        ;
    assert_true(clock_seconds() > first);
}

static void *look_twice(void *result)
{
    double first = clock_measured();

    *(double *)result = clock_measured() - first;
    return NULL;
}

/* However many others look at it. */
static void each_look_of_a_thread_is_a_tick_behind_its_last(void **state)
{
    double first = clock_measured(), other = 0;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, look_twice, &other), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(other == 1.0 / 128);
    assert_true(clock_measured() - first == 1.0 / 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_calendar_stands),
        cmocka_unit_test(the_true_clock_goes_on),
        cmocka_unit_test(each_look_of_a_thread_is_a_tick_behind_its_last),
    };

    setenv("NFBENCH_CLOCK", "1700000000", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
