/* input.json: what another program must know of the images to use a session's network. */
#include "fixture.h"
#include "session_log.h"

#include "sessions/crc32c.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct error error;

static const struct channel_statistics statistics = {{0.5f, 0.25f, 0.125f}, {0.1f, 0.2f, 0.3f}};

static struct session *write_input(struct settings *settings, const char *name)
{
    struct dataset *dataset;
    struct session *session = create_session(settings, name);
    assert_ok(dataset_open("synthetic", &dataset, &error), &error);
    assert_ok(session_write_input(session, dataset, &statistics, &error), &error);
    dataset_close(dataset);
    return session;
}

static json_t *read_input(const struct session *session)
{
    json_t *json = json_load_file(inside(session, "input.json"), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    return json;
}

static void assert_channels(const json_t *json, const char *name, const float values[3])
{
    const json_t *list = json_object_get(json, name);
    assert_int_equal(json_array_size(list), 3);
    for (size_t c = 0; c < 3; c++)
        assert_true((float)json_number_value(json_array_get(list, c)) == values[c]);
}

static void it_says_how_images_are_normalised(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = write_input(&settings, "by-set");
    json_t *json = read_input(session);
    assert_string_equal(json_string_value(json_object_get(json, "normalize")), "dataset");
    assert_string_equal(json_string_value(json_object_get(json, "data")), "synthetic");
    assert_channels(json, "mean", statistics.mean);
    assert_channels(json, "deviation", statistics.deviation);
    assert_int_equal(json_array_size(json_object_get(json, "classes")), 10);
    json_decref(json);
    session_close(session);
    assert_ok(settings_set(&settings, "normalize", "image", &error), &error);
    session = write_input(&settings, "by-image");
    json = read_input(session);
    assert_string_equal(json_string_value(json_object_get(json, "normalize")), "image");
    assert_null(json_object_get(json, "mean"));
    json_decref(json);
    session_close(session);
}

/* Each start writes it, but not what is there already: a resume on a disk without room goes on. */
static void it_is_written_where_it_is_not_as_it_should_be(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = write_input(&settings, "run");
    struct dataset *dataset;
    struct stat before, after;
    char path[512];
    snprintf(path, sizeof path, "%s", inside(session, "input.json"));
    assert_int_equal(stat(path, &before), 0);
    assert_ok(dataset_open("synthetic", &dataset, &error), &error);
    assert_ok(session_write_input(session, dataset, &statistics, &error), &error);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    write_file(path, "{", 1);
    assert_ok(session_write_input(session, dataset, &statistics, &error), &error);
    json_decref(read_input(session));
    dataset_close(dataset);
    session_close(session);
}

/* What was written is what is read, to the bit; what is not there, is damaged or is of another network is told apart.
 */
static void it_is_read_back(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = write_input(&settings, "back");
    struct session_input input;
    struct dataset *dataset;
    char path[512];
    snprintf(path, sizeof path, "%s", inside(session, "input.json"));
    assert_ok(session_read_input(session, &input, &error), &error);
    assert_ok(dataset_open("synthetic", &dataset, &error), &error);
    assert_string_equal(input.data, "synthetic");
    assert_int_equal(input.class_count, 10);
    assert_memory_equal(&input.statistics, &statistics, sizeof statistics);
    for (int c = 0; c < input.class_count; c++)
        assert_string_equal(input.classes[c], dataset_class_name(dataset, c));
    struct session_input made;
    session_input_of(dataset, &statistics, &made);
    assert_memory_equal(&made, &input, sizeof made);
    dataset_close(dataset);

    write_file(path, "{\"data\":\"CIFAR-10\"}\n", 20);
    assert_int_equal(session_read_input(session, &input, &error), -1);
    assert_int_equal(errno, EBADMSG);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(session_read_input(session, &input, &error), -1);
    assert_int_equal(errno, ENOENT);
    session_close(session);

    settings.model.classes = 100;
    session = write_input(&settings, "others");
    assert_int_equal(session_read_input(session, &input, &error), -1);
    assert_int_equal(errno, EBADMSG);
    assert_non_null(strstr(error.message, "does not fit"));
    session_close(session);
}

/* A session folder is handed on, and what stands in it is shown: with a right checksum, too, no name may steer the
 * terminal. */
static void names_that_steer_a_terminal_do_not_fit(void **state)
{
    (void)state;
    static const char *const bad[][2] = {{"\"striped_disc\"", "\"a\\u001b[31mb\""},
                                         {"\"striped_disc\"", "\"a\\nb\""},
                                         {"\"striped_disc\"", "\"a\\u009b31mb\""},
                                         {"\"striped_disc\"", "\"\""},
                                         {"\"synthetic\"", "\"\\u001b]0;x\\u0007\""}};
    struct settings settings = small_settings();
    struct session *session = write_input(&settings, "names");
    struct session_input input;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char path[512], text[4096];
        size_t size;
        snprintf(path, sizeof path, "%s", inside(session, "input.json"));
        char *const good = read_file(path, &size), *const at = strstr(good, bad[i][0]);
        assert_non_null(at);
        const int head =
            snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, bad[i][1], at + strlen(bad[i][0]));
        char *const sum = strstr(text, ",\"crc\"");
        assert_true(head > 0 && (size_t)head < sizeof text && sum);
        const uint32_t crc = crc32c(text, (size_t)(sum - text));
        snprintf(sum, 32, ",\"crc\":\"%08x\"}\n", crc);
        write_file(path, text, strlen(text));
        assert_int_equal(session_read_input(session, &input, &error), -1);
        assert_non_null(strstr(error.message, "does not fit"));
        write_file(path, good, size);
        assert_ok(session_read_input(session, &input, &error), &error);
        free(good);
    }
    session_close(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_says_how_images_are_normalised, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(it_is_written_where_it_is_not_as_it_should_be, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(it_is_read_back, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(names_that_steer_a_terminal_do_not_fit, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
