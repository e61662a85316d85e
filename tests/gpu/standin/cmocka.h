/* Stands in for cmocka where a GPU's machine does not have it: the part that these tests use, with TAP output. A failed
 * assertion ends its test, not the program. */
#ifndef NFBENCH_TESTS_GPU_STANDIN_CMOCKA_H
#define NFBENCH_TESTS_GPU_STANDIN_CMOCKA_H

#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **state);
    int (*setup)(void **state);
    int (*teardown)(void **state);
};

#define cmocka_unit_test(function)                                                                                     \
    {                                                                                                                  \
#function, function, NULL, NULL                                                                                \
    }
#define cmocka_unit_test_setup_teardown(function, before, after)                                                       \
    {                                                                                                                  \
#function, function, before, after                                                                             \
    }

/* One for the whole program: a weak definition may stand in many files. */
__attribute__((weak)) jmp_buf standin_test_ends;

enum { STANDIN_FAILED = 1, STANDIN_SKIPPED = 2 };

__attribute__((noreturn, unused)) static void standin_fail(const char *file, int line)
{
    fprintf(stderr, "# at %s:%d\n", file, line);
    longjmp(standin_test_ends, STANDIN_FAILED);
}

__attribute__((unused)) static int standin_run(const struct CMUnitTest *test, void **state)
{
    const int ended = setjmp(standin_test_ends);
    if (ended)
        return ended;
    if (test->setup && test->setup(state) != 0)
        return STANDIN_FAILED;
    test->test(state);
    return test->teardown && test->teardown(state) != 0 ? STANDIN_FAILED : 0;
}

__attribute__((unused)) static int standin_run_group(const struct CMUnitTest *tests, size_t count,
                                                     int (*setup)(void **state), int (*teardown)(void **state))
{
    void *state = NULL;
    int failed = 0;
    printf("1..%zu\n", count);
    if (setup && setup(&state) != 0)
        return 1;
    for (size_t i = 0; i < count; i++) {
        const int ended = standin_run(&tests[i], &state);
        failed += ended == STANDIN_FAILED;
        printf("%sok %zu %s%s\n", ended == STANDIN_FAILED ? "not " : "", i + 1,
               ended == STANDIN_SKIPPED ? "# SKIP " : "- ", tests[i].name);
        fflush(stdout);
    }
    if (teardown && teardown(&state) != 0)
        failed++;
    return failed;
}

#define cmocka_run_group_tests(tests, setup, teardown)                                                                 \
    standin_run_group(tests, sizeof(tests) / sizeof *(tests), setup, teardown)
#define print_message(...) ((void)(printf("# "), printf(__VA_ARGS__)))
#define print_error(...) ((void)fprintf(stderr, __VA_ARGS__))
#define skip() longjmp(standin_test_ends, STANDIN_SKIPPED)
#define fail_msg(...)                                                                                                  \
    do {                                                                                                               \
        fprintf(stderr, "# " __VA_ARGS__);                                                                             \
        fputc('\n', stderr);                                                                                           \
        standin_fail(__FILE__, __LINE__);                                                                              \
    } while (0)
#define fail() standin_fail(__FILE__, __LINE__)
#define assert_true(condition) ((condition) ? (void)0 : standin_fail(__FILE__, __LINE__))
#define assert_false(condition) assert_true(!(condition))
#define assert_null(pointer) assert_true((pointer) == NULL)
#define assert_non_null(pointer) assert_true((pointer) != NULL)
#define assert_int_equal(a, b) assert_true((intmax_t)(a) == (intmax_t)(b))
#define assert_int_not_equal(a, b) assert_true((intmax_t)(a) != (intmax_t)(b))
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_string_equal(a, b) assert_true(strcmp(a, b) == 0)
#define assert_memory_equal(a, b, bytes) assert_true(memcmp(a, b, bytes) == 0)
#define assert_float_equal(a, b, apart) assert_true(fabs((double)(a) - (double)(b)) <= (double)(apart))

#endif
