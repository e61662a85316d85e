/* Arrays grow by doubling, keep what is in them, and stay as they are when there is no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/array.h"

static void items_stay_and_room_doubles(void **state)
{
    long *items = NULL;
    size_t room = 0, grown = 0;

    (void)state;
    for (size_t i = 0; i < 10000; i++) {
        const size_t before = room;
        long *larger = array_grow(items, &room, i + 1, sizeof *items);

        assert_non_null(larger);
        assert_true(room > i && (room == before || room == 2 * before || before == 0));
        grown += room != before;
        items = larger;
        items[i] = (long)i;
    }
    assert_true(grown < 15);
    for (size_t i = 0; i < 10000; i++)
        assert_int_equal(items[i], i);
    assert_ptr_equal(array_grow(items, &room, 5, sizeof *items), items);
    free(items);
}

static void many_at_once_have_room(void **state)
{
    size_t room = 0;
    char *items = array_grow(NULL, &room, 1000, 1);

    (void)state;
    assert_non_null(items);
    assert_true(room >= 1000 && room < 2000);
    free(items);
}

static void what_cannot_be_had_changes_nothing(void **state)
{
    size_t room = 0;
    char *items = array_grow(NULL, &room, 3, 1);
    const size_t before = room;

    (void)state;
    assert_non_null(items);
    items[2] = 'x';
    assert_null(array_grow(items, &room, SIZE_MAX, 1));
    assert_null(array_grow(items, &room, SIZE_MAX / 4, 16));
    assert_int_equal(room, before);
    assert_int_equal(items[2], 'x');
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_stay_and_room_doubles),
        cmocka_unit_test(many_at_once_have_room),
        cmocka_unit_test(what_cannot_be_had_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
