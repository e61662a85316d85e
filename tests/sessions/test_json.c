/* JSON texts are read whole or not at all, whichever of the allocations fails: malloc and reallocarray, as jansson and
 * json.c get them, come by here (the linker's --wrap). */
#include "fixture.h"

#include "sessions/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    long at; /* this allocation fails, from 1 on; 0: none does */
    bool forever;
    long count;
} plan;

static bool fails(void)
{
    plan.count++;
    return plan.at && (plan.count == plan.at || (plan.forever && plan.count > plan.at));
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
    return fails() ? NULL : __real_reallocarray(old, count, size);
}

static json_t *read_failing(const char *text, long at, bool forever)
{
    json_error_t reason;
    plan.at = at;
    plan.forever = forever;
    plan.count = 0;
    json_t *json = json_read(text, strlen(text), &reason);
    plan.at = 0;
    if (!json && errno == ENOMEM)
        assert_string_equal(reason.text, "out of memory");
    return json;
}

/* Longer than the buffers that jansson begins with: of a string, a number, a word, an object, an array. */
static const char *const texts[] = {
    "[\"a string that is longer than sixteen characters, and with \\u00e4 and \\n in it\", \"b\"]",
    "[1234567890123456, 0.12345678901234567890123456789, -1e-300, true, false, null]",
    "{\"one\": 1, \"a name that is longer than sixteen characters\": {\"a\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}, "
    "\"c\": 3, \"d\": 4, \"e\": 5, \"f\": 6, \"g\": 7, \"h\": 8, \"i\": 9, \"j\": 10, \"k\": 11}",
};

static void test_whole_or_not_at_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *expected = read_failing(texts[i], 0, false);
        const long allocations = plan.count;
        assert_non_null(expected);
        assert_true(allocations > 8);
        for (long at = 1; at <= 2 * allocations; at++) {
            json_t *json = read_failing(texts[i], (at + 1) / 2, at % 2);
            assert_null(json);
            assert_int_equal(errno, ENOMEM);
            json = read_failing(texts[i], 0, false);
            assert_true(json_equal(json, expected));
            json_decref(json);
        }
        json_decref(expected);
    }
}

static void test_a_text_that_is_none_is_no_want_of_memory(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "{", "[1,]", "{\"a\": 1, \"a\": 2}", "\"cut", "[1] 2"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_null(read_failing(wrong[i], 0, false));
        assert_int_equal(errno, EBADMSG);
    }
}

/* jansson frees what it has read so far from its beginning on, when the text turns out to be wrong at its end. */
static void test_a_text_that_is_wrong_at_its_end(void **state)
{
    (void)state;
    char text[4096] = "{\"a\":[";
    for (int i = 0; i < 300; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "[%d],", i);
    snprintf(text + strlen(text), sizeof text - strlen(text), "x]}");
    assert_null(read_failing(text, 0, false));
    assert_int_equal(errno, EBADMSG);
    const long allocations = plan.count;
    for (long at = 1; at <= 2 * allocations; at++) {
        assert_null(read_failing(text, (at + 1) / 2, at % 2));
        assert_int_equal(errno, ENOMEM);
    }
}

/* What is made and freed outside a reading is jansson's own affair, before, between and behind readings. */
static void test_values_outlive_the_reading(void **state)
{
    (void)state;
    json_t *made = json_pack("{s:s}", "made", "before");
    json_t *read = read_failing(texts[2], 0, false);
    assert_int_equal(json_object_set_new(read, "made", made), 0);
    assert_null(read_failing(texts[0], 5, true));
    char *text = json_dumps(read, JSON_COMPACT);
    assert_non_null(strstr(text, "\"made\":{\"made\":\"before\"}"));
    free(text);
    json_decref(read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_or_not_at_all),
        cmocka_unit_test(test_a_text_that_is_none_is_no_want_of_memory),
        cmocka_unit_test(test_a_text_that_is_wrong_at_its_end),
        cmocka_unit_test(test_values_outlive_the_reading),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
