/* Waking a thread that sleeps in poll: a call is heard until it is taken, many count as one, nothing blocks. */
#include "base/wake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static bool is_called(int wake)
{
    struct pollfd of = {.fd = wake, .events = POLLIN};

    return poll(&of, 1, 0) == 1 && of.revents == POLLIN;
}

static void a_call_is_heard_until_it_is_taken(void **state)
{
    struct error error;
    const int wake = wake_open(&error);

    (void)state;
    assert_true(wake >= 0);
    assert_false(is_called(wake));
    wake_take(wake); /* of none: it does not wait for one */
    for (int i = 0; i < 3; i++)
        wake_send(wake);
    assert_true(is_called(wake));
    wake_take(wake);
    assert_false(is_called(wake));
    wake_send(wake);
    assert_true(is_called(wake));
    close(wake);
}

static void want_of_descriptors_is_told(void **state)
{
    struct rlimit before, none;
    struct error error;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const int wake = wake_open(&error);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(wake, -1);
    assert_non_null(strstr(error.message, "Too many open files"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_call_is_heard_until_it_is_taken),
                                       cmocka_unit_test(want_of_descriptors_is_told)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
