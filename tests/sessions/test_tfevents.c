/* Events files of TensorBoard: the known bytes of a record, every kind of value read back, and what a torn or damaged
 * end hides. */
#include "fixture.h"

#include "events.h"
#include "sessions/tfevents.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct error error;

static struct tfevents *create(const char *path)
{
    struct tfevents *events;
    assert_ok(tfevents_create(path, 0, &events, &error), &error);
    return events;
}

static void write_scalar(struct tfevents *events, long step, double value)
{
    tfevents_begin(events, step, 0);
    tfevents_scalar(events, "loss", value);
    assert_ok(tfevents_end(events, &error), &error);
}

/* As TensorFlow writes it: DESIGN, 7. */
static void a_scalar_has_the_known_bytes(void **state)
{
    (void)state;
    static const char known[] = "1a00000000000000129bd82d09000000000000000010012a0d0a0b0a046c6f7373150000003fba9ed7aa";
    const char *path = path_of("known");
    struct tfevents *events = create(path);
    write_scalar(events, 1, 0.5);
    tfevents_close(events);
    size_t size;
    char *data = read_file(path, &size), text[sizeof known] = "";
    assert_true(size > sizeof known / 2);
    for (size_t i = 0; i < sizeof known / 2; i++)
        snprintf(text + 2 * i, 3, "%02x", (unsigned char)data[size - sizeof known / 2 + i]);
    assert_string_equal(text, known);
    free(data);
}

static void every_kind_of_value_comes_back(void **state)
{
    (void)state;
    const char *path = path_of("kinds");
    const double limits[] = {0.5, 1, 4}, counts[] = {1, 0, 2};
    const struct tfevents_histogram histogram = {-1, 4, 3, 5, 9, limits, counts, 3};
    static char png[70000] = "\x89PNG\r\n";
    struct tfevents *events = create(path);
    assert_ok(tfevents_start(events, 1000000, 2.5, &error), &error);
    tfevents_begin(events, 300, 1e9 + 0.25);
    tfevents_scalar(events, "a", (double)NAN);
    tfevents_text(events, "b", "h\xc3\xa9llo \xff | x");
    tfevents_histogram(events, "c", &histogram);
    tfevents_png(events, "d", png, sizeof png, 640, 480);
    assert_ok(tfevents_end(events, &error), &error);
    write_scalar(events, 5, 3); /* nothing is left of the event before */
    tfevents_close(events);
    int count;
    struct event_value *read = read_events(path, &count);
    assert_int_equal(count, 7);
    assert_true(read[1].start && read[1].step == 1000000 && read[1].wall_time == 2.5);
    for (int i = 2; i < 6; i++)
        assert_true(read[i].step == 300 && read[i].wall_time == 1e9 + 0.25 && !read[i].start);
    assert_true(isnan(read[2].scalar));
    assert_string_equal(read[3].tag, "b");
    assert_string_equal(read[3].text, "h\xc3\xa9llo ? | x");
    assert_true(read[4].histogram[0] == -1 && read[4].histogram[1] == 4 && read[4].histogram[2] == 3);
    assert_true(read[4].histogram[3] == 3 && read[4].histogram[4] == 4);
    assert_int_equal(read[5].image_bytes, sizeof png);
    assert_true(read[6].step == 5 && read[6].scalar == 3);
    free(read);
}

static void an_existing_file_is_never_written_to(void **state)
{
    (void)state;
    struct tfevents *events;
    write_file(path_of("there"), "x", 1);
    assert_error(tfevents_create(path_of("there"), 0, &events, &error), &error, "there");
    assert_error(tfevents_create(path_of("no/folder"), 0, &events, &error), &error, "No such file");
    assert_int_equal(tfevents_last_step(path_of("there")), -1);
    assert_int_equal(tfevents_last_step(path_of("nothing")), -1);
}

/* Whatever is missing or damaged at the end, the records before it count. */
static void the_last_step_is_that_of_the_whole_records(void **state)
{
    (void)state;
    const char *path = path_of("steps");
    struct tfevents *events = create(path);
    write_scalar(events, 127, 1);
    write_scalar(events, 128, 1);
    tfevents_close(events);
    size_t size, record = 42; /* the last has a byte more for its step */
    char *data = read_file(path, &size);
    assert_int_equal(tfevents_last_step(path), 128);
    for (size_t cut = 1; cut <= record; cut++) {
        write_file(path, data, size - cut);
        assert_int_equal(tfevents_last_step(path), 127);
    }
    for (size_t byte = size - record; byte < size; byte++) {
        data[byte] ^= 4;
        write_file(path, data, size);
        assert_int_equal(tfevents_last_step(path), 127);
        data[byte] ^= 4;
    }
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_scalar_has_the_known_bytes, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(every_kind_of_value_comes_back, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(an_existing_file_is_never_written_to, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(the_last_step_is_that_of_the_whole_records, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
