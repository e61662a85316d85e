/* Suggestions for mistyped words: near ones are found, far ones are not made up. */
#include "base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *command(const void *context, int index)
{
    const char *const *names = context;
    return names[index];
}

static const char *const commands[] = {"train", "resume", "test", "import", "bench", "sessions", "doctor", NULL};

static const char *nearest(const char *word)
{
    return nearest_word(word, command, commands);
}

static void test_typing_mistakes_are_understood(void **state)
{
    (void)state;
    assert_string_equal(nearest("tran"), "train");
    assert_string_equal(nearest("trian"), "train");
    assert_string_equal(nearest("sesions"), "sessions");
    assert_string_equal(nearest("docotr"), "doctor");
    assert_string_equal(nearest("tset"), "test");
    assert_string_equal(nearest("bench"), "bench");
}

static void test_a_beginning_is_understood(void **state)
{
    (void)state;
    assert_string_equal(nearest("sess"), "sessions");
    assert_string_equal(nearest("im"), "import");
}

static void test_far_words_have_no_suggestion(void **state)
{
    (void)state;
    assert_null(nearest("predict"));
    assert_null(nearest("x"));
    assert_null(nearest("a-word-much-longer-than-any-name-that-could-be-meant-by-it"));
}

static void test_empty_word_and_no_candidates(void **state)
{
    (void)state;
    const char *const none[] = {NULL};
    assert_null(nearest(""));
    assert_null(nearest_word("train", command, none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_typing_mistakes_are_understood),
        cmocka_unit_test(test_a_beginning_is_understood),
        cmocka_unit_test(test_far_words_have_no_suggestion),
        cmocka_unit_test(test_empty_word_and_no_candidates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
