/* See thread.h. */
#include "base/thread.h"

#include "base/signals.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { HANDLER_STACK = 64 * 1024 };

struct start {
    void *(*run)(void *);
    void *argument;
    char stack[HANDLER_STACK];
};

/* A sanitizer may have given the thread such a stack already, and wants it back. */
static void *thread_main(void *argument)
{
    struct start *start = argument;
    stack_t stack = {.ss_sp = start->stack, .ss_size = HANDLER_STACK}, before;
    const bool has_stack = sigaltstack(&stack, &before) == 0;
    void *result = start->run(start->argument);

    if (has_stack)
        sigaltstack(&before, NULL);
    free(start);
    return result;
}

int thread_start(pthread_t *thread, void *(*run)(void *), void *argument, struct error *error)
{
    struct start *start = malloc(sizeof(*start));
    sigset_t before;
    int failure;

    if (!start)
        return error_set(error, "out of memory");
    start->run = run;
    start->argument = argument;
    if (signals_keep_out(&before, error) != 0) {
        free(start);
        return -1;
    }
    failure = pthread_create(thread, NULL, thread_main, start);
    (void)signals_let_in(&before, NULL); /* a mask that was in force: it cannot fail */
    if (failure) {
        free(start);
        return error_set(error, "cannot start a thread: %s", strerror(failure));
    }
    return 0;
}
