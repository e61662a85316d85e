/* Threads beside the main one: signals from outside are not theirs, and a fault of theirs is handled whatever has
 * become of their stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/thread.h"

enum { HANDLED = 7 };

static void *look_at_signals(void *argument)
{
    sigset_t blocked;

    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_true(sigismember(&blocked, SIGINT) && sigismember(&blocked, SIGHUP) && sigismember(&blocked, SIGWINCH));
    assert_false(sigismember(&blocked, SIGSEGV) || sigismember(&blocked, SIGABRT));
    return argument;
}

static void it_runs_without_signals_from_outside(void **state)
{
    struct error error;
    pthread_t thread;
    sigset_t blocked;
    void *result;
    int what = 0;

    (void)state;
    assert_int_equal(thread_start(&thread, look_at_signals, &what, &error), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &what);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked); /* this one still has them */
    assert_false(sigismember(&blocked, SIGINT));
}

/* Deeper and deeper, as `above` is never 1: what comes behind the call keeps it from becoming a loop. */
static int descend(volatile char *above)
{
    volatile char here[4096];

    here[0] = above[0];
    return here[0] == 1 ? 0 : descend(here) + here[0];
}

static void *overflow(void *argument)
{
    descend(argument);
    return NULL;
}

static void on_fault(int number)
{
    (void)number;
    _exit(HANDLED);
}

static void a_stack_that_overflows_is_told(void **state)
{
    int status;
    pid_t child;

    (void)state;
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sigaction fault = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
        const struct rlimit no_core = {0, 0};
        struct error error;
        pthread_t thread;
        char first = 0;

        setrlimit(RLIMIT_CORE, &no_core);
        sigaction(SIGSEGV, &fault, NULL);
        if (thread_start(&thread, overflow, &first, &error) == 0)
            pthread_join(thread, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), HANDLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_runs_without_signals_from_outside),
        cmocka_unit_test(a_stack_that_overflows_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
