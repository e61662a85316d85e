/* What is wrong with a session is found, whatever bytes stand in it; a repair loses nothing, and leaves it fine. */
#include "verified.h"

#include "sessions/checkpoint.h"
#include "sessions/crc32c.h"
#include "sessions/safetensors.h"
#include "sessions/tfevents.h"
#include "sessions/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void a_whole_session_is_fine(void **state)
{
    (void)state;
    make_session("whole");
    verify("whole", false);
    assert_int_equal(report.count, 0);
    assert_int_equal(report.wrong, 0);
    assert_int_equal(report.step, 20);
    assert_int_equal(report.checkpoints, 3);
    assert_int_equal(report.commands, 2);
    assert_int_equal(report.records, 10 + 2 + 1); /* every other step, two epochs, the end */
    assert_string_equal(report.name, "whole");
    assert_error(session_verify(&settings, "nothing", false, &report, &error), &error, "there is no session");
}

static void damaged_checkpoints_are_moved_aside(void **state)
{
    (void)state;
    make_session("flipped");
    flip(path_in("flipped", "checkpoints/20.safetensors"), -1, 3);
    flip(path_in("flipped", "checkpoints/first.safetensors"), 7, 7);
    size_t size, moved;
    char *before = read_file(path_in("flipped", "checkpoints/20.safetensors"), &size);
    verify("flipped", false);
    assert_int_equal(report.wrong, 2);
    assert_int_equal(report.step, 10);
    assert_non_null(strstr(found("checkpoints/20.safetensors", "damaged: its SHA-256 does not fit")->mend,
                           "20.safetensors.damaged"));
    found("checkpoints/first.safetensors", "not a safetensors file");
    assert_true(exists(path_in("flipped", "checkpoints/20.safetensors")));
    verify("flipped", true);
    assert_int_equal(report.wrong, 0);
    assert_true(find("damaged: its SHA-256 does not fit")->mended);
    assert_false(exists(path_in("flipped", "checkpoints/20.safetensors")));
    char *after = read_file(path_in("flipped", "checkpoints/20.safetensors.damaged"), &moved);
    assert_int_equal(size, moved);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);
    verify("flipped", false);
    assert_int_equal(report.wrong, 0);
    assert_int_equal(found("", "2 files")->severity, VERIFY_NOTE);
    assert_int_equal(found("metrics.jsonl", "10 steps behind the last checkpoint")->severity, VERIFY_NOTE);
}

/* How a run came to its end is what its log says last. */
static void steps_behind_the_last_checkpoint_are_told_with_the_runs_end(void **state)
{
    (void)state;
    make_session("behind");
    assert_int_equal(unlink(path_in("behind", "checkpoints/20.safetensors")), 0);
    verify("behind", false);
    assert_non_null(
        strstr(found("metrics.jsonl", "10 steps behind the last checkpoint")->means, "did not end by itself"));
    struct session *session;
    assert_ok(session_open(&settings, "behind", SESSION_WRITE, &session, &error), &error);
    assert_ok(session_end(session, TRAINER_DIVERGED, 20, "diverged at step 20", &error), &error);
    session_close(session);
    verify("behind", false);
    assert_non_null(strstr(found("metrics.jsonl", "10 steps behind the last checkpoint")->means, "diverged there"));
}

static void a_best_that_is_missing_is_told(void **state)
{
    (void)state;
    make_session("bestless");
    assert_int_equal(unlink(path_in("bestless", "checkpoints/10.safetensors")), 0);
    verify("bestless", false);
    assert_int_equal(report.wrong, 1);
    found("checkpoints", "step 10 was the best");
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            unlink(path_in("bestless", i ? "checkpoints/20.safetensors" : "checkpoints/first.commands.jsonl")), 0);
    verify("bestless", false);
    found("checkpoints/first.commands.jsonl", "it is missing");
    found("checkpoints", "there is none that is whole");
}

/* A line that was damaged, a tail that was torn: what the log was stays beside it. */
static void damaged_lines_are_left_out(void **state)
{
    (void)state;
    make_session("lines");
    flip(path_in("lines", "metrics.jsonl"), 40, 1);
    append(path_in("lines", "metrics.jsonl"), "{\"kind\":\"st");
    flip(path_in("lines", "commands.jsonl"), 20, 1);
    size_t size, kept;
    char *before = read_file(path_in("lines", "metrics.jsonl"), &size);
    verify("lines", false);
    assert_int_equal(report.wrong, 2);
    found("metrics.jsonl", "1 of 13 lines is damaged, the first is line 1");
    found("commands.jsonl", "1 of 2 lines is damaged");
    assert_int_equal(found("metrics.jsonl", "torn (11 bytes)")->severity, VERIFY_NOTE);
    verify("lines", true);
    assert_int_equal(report.wrong, 0);
    char *after = read_file(path_in("lines", "metrics.jsonl.damaged"), &kept);
    assert_int_equal(size, kept);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);
    verify("lines", false);
    assert_int_equal(report.wrong, 0);
    assert_int_equal(report.records, 12);
    assert_int_equal(report.commands, 2); /* as many as the checkpoints have seen */
    struct session *session;
    struct metrics metrics;
    assert_ok(session_open(&settings, "lines", SESSION_READ, &session, &error), &error);
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_int_equal(metrics.damaged_lines, 0);
    assert_false(metrics.commands[0].ok);
    assert_int_equal(metrics.commands[1].step, 15);
    metrics_free(&metrics);
    session_close(session);
}

/* Swaps the first two lines of a file, or puts the first there once more. */
static void tamper_lines(const char *path, bool again)
{
    size_t size;
    char *data = read_file(path, &size), *text = malloc(2 * size);
    const size_t first = (size_t)(strchr(data, '\n') - data) + 1;
    const size_t second = (size_t)(strchr(data + first, '\n') - data) + 1 - first;
    assert_non_null(text);
    size_t used = 0;
    memcpy(text, data + (again ? 0 : first), again ? first : second);
    used += again ? first : second;
    memcpy(text + used, data, first);
    used += first;
    const size_t rest = again ? first : first + second;
    memcpy(text + used, data + rest, size - rest);
    write_file(path, text, used + size - rest);
    free(text);
    free(data);
}

static void the_order_of_records_is_checked(void **state)
{
    (void)state;
    make_session("twice");
    tamper_lines(path_in("twice", "metrics.jsonl"), true);
    verify("twice", false);
    found("metrics.jsonl", "line 2: step 2 is there twice");
    make_session("swapped");
    tamper_lines(path_in("swapped", "metrics.jsonl"), false);
    verify("swapped", false);
    found("metrics.jsonl", "line 2: step 2 comes behind 4");
    assert_int_equal(report.wrong, 1);
}

static void logs_and_checkpoints_must_agree(void **state)
{
    (void)state;
    make_session("short");
    assert_int_equal(truncate(path_in("short", "commands.jsonl"), 0), 0);
    assert_int_equal(truncate(path_in("short", "metrics.jsonl"), 0), 0);
    verify("short", false);
    found("checkpoints/20.safetensors", "it was saved after 2 commands, and commands.jsonl has 0");
    found("metrics.jsonl", "2 epochs had ended at the checkpoint of step 20, it has 0");
    make_session("long");
    tamper_lines(path_in("long", "commands.jsonl"), true);
    verify("long", false);
    found("checkpoints/20.safetensors", "command 3, of step 15, is not among the 2");
}

static void leftovers_are_removed(void **state)
{
    (void)state;
    static const char *const left[] = {"settings.ini.tmp", "checkpoints/30.safetensors.tmp", "metrics.jsonl.tmp",
                                       "socket"};
    make_session("left");
    for (int i = 0; i < 3; i++)
        write_file(path_in("left", left[i]), "x", 1);
    write_file(path_in("left", "mine.tmp"), "x", 1); /* nfbench gives no such name */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path_in("left", "socket"));
    const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    close(listener);
    verify("left", false);
    assert_int_equal(report.count, 4);
    assert_int_equal(report.wrong, 0);
    verify("left", true);
    for (int i = 0; i < 4; i++)
        assert_false(exists(path_in("left", left[i])));
    assert_true(exists(path_in("left", "mine.tmp")));
    verify("left", false);
    assert_int_equal(report.count, 0);
}

static void a_way_back_is_brought_to_its_end(void **state)
{
    (void)state;
    make_session("back");
    write_file(path_in("back", "checkpoints/undone"), "10 10 \n", 7);
    verify("back", false);
    assert_int_equal(report.wrong, 0);
    found("checkpoints/undone", "was going back");
    verify("back", true);
    assert_false(exists(path_in("back", "checkpoints/undone")));
    assert_false(exists(path_in("back", "checkpoints/20.safetensors"))); /* it was void */
    assert_int_equal(report.step, 10);
    static const char *const damaged[] = {"nonsense", "-5 10 \n", "5 10 \n", "5 10 ../back\n"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        struct session *session;
        write_file(path_in("back", "checkpoints/undone"), damaged[i], strlen(damaged[i]));
        assert_error(session_open(&settings, "back", SESSION_WRITE, &session, &error), &error, "undone is damaged");
        verify("back", false);
        assert_int_equal(report.wrong, 1);
        verify("back", true);
        assert_true(found("checkpoints/undone", "it is damaged")->mended);
        assert_int_equal(report.wrong, 0);
        assert_int_equal(report.step, 10);
        assert_false(exists(path_in("back", "checkpoints/undone")));
    }
}

/* With its checksum. */
static void write_input(const char *name, const char *text)
{
    char input[400];
    const int length = snprintf(input, sizeof input, "%s,\"crc\":\"%08x\"}\n", text, crc32c(text, strlen(text)));
    write_file(path_in(name, "input.json"), input, (size_t)length);
}

#define INPUT(name)                                                                                                    \
    "{\"data\":\"synthetic\",\"mean\":[0,0,0],\"deviation\":[1,1,1],"                                                  \
    "\"classes\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"" name "\"]"

/* A file that other programs read: one that predict would refuse is not good. */
static void what_the_network_reads_must_fit(void **state)
{
    (void)state;
    static const char *const bad[] = {"{\"data\":\"synthetic\"", INPUT("\\u001b[31m")};
    make_session("unfit");
    write_input("unfit", INPUT("ship"));
    verify("unfit", false);
    assert_int_equal(report.wrong, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_input("unfit", bad[i]);
        verify("unfit", true);
        assert_true(found("input.json", "does not fit the session's settings")->mended);
    }
    verify("unfit", false);
    assert_int_equal(report.wrong, 0);
}

static void what_the_network_reads_must_be_json(void **state)
{
    (void)state;
    make_session("input");
    write_file(path_in("input", "input.json"), "{\"data\":", 8);
    verify("input", true);
    assert_true(found("input.json", "not as it was written")->mended);
    verify("input", false);
    assert_int_equal(report.wrong, 0);
}

/* It is whole, and not for this program to move away. */
static void a_newer_checkpoint_is_left_alone(void **state)
{
    (void)state;
    make_session("newer");
    char *path = path_in("newer", "checkpoints/20.safetensors");
    struct safetensors_writer *writer;
    const struct tensor_shape shape = {.name = "stem.weight", .dims = {1}, .dim_count = 1};
    const struct metadata format = {"nfbench", "1000"};
    const float value = 1;
    assert_ok(safetensors_create(path, &shape, 1, &format, 1, &writer, &error), &error);
    assert_ok(safetensors_write(writer, &value, 1, &error), &error);
    assert_ok(safetensors_commit(writer, &error), &error);
    verify("newer", true);
    assert_string_equal(found("checkpoints/20.safetensors", "written by a newer nfbench")->mend, "");
    assert_int_equal(report.wrong, 1);
    assert_true(exists(path));
}

static void a_fork_has_a_parent(void **state)
{
    (void)state;
    make_session("orphan");
    be_fork("orphan", "gone", 10);
    verify("orphan", false);
    assert_int_equal(report.wrong, 0);
    assert_int_equal(found("parent", "gone, which this is a fork of")->severity, VERIFY_NOTE);
    static const char *const damaged[] = {"\xff", "10 other\n", "10 other\n01234567\n", "10 \n"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        write_file(path_in("orphan", "parent"), damaged[i], strlen(damaged[i]));
        verify("orphan", true);
        assert_true(found("parent", "does not say which")->mended);
    }
    verify("orphan", false);
    assert_int_equal(report.wrong, 0);
}

/* Where a file is to be there may be anything: a folder, a link to itself, a pipe that nobody writes into. */
static void what_is_no_file_is_told(void **state)
{
    (void)state;
    make_session("odd");
    const char *const files[] = {"metrics.jsonl", "commands.jsonl", "checkpoints/20.safetensors", "parent",
                                 "input.json"};
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < sizeof files / sizeof *files; k++) {
            char *path = path_in("odd", files[k]);
            (void)remove(path);
            assert_int_equal(i == 0 ? mkdir(path, 0777) : i == 1 ? symlink(path, path) : mkfifo(path, 0666), 0);
            verify("odd", false);
            assert_true(report.count > 0);
        }
}

/* It is looked at while it trains, but not touched. */
static void a_session_that_trains_is_left_alone(void **state)
{
    (void)state;
    make_session("busy");
    struct session *session;
    assert_ok(session_open(&settings, "busy", SESSION_WRITE, &session, &error), &error);
    append(path_in("busy", "metrics.jsonl"), "{\"kind\"");
    write_file(path_in("busy", "checkpoints/30.safetensors.tmp"), "x", 1);
    verify("busy", false);
    assert_true(report.training);
    assert_int_equal(report.count, 0);
    assert_error(session_verify(&settings, "busy", true, &report, &error), &error, "in use by process");
    session_close(session);
}

/* Events of TensorBoard, a parent, and what the network reads, beside what make_session writes. */
static void add_the_rest(const char *name)
{
    struct tfevents *events;
    assert_ok(tfevents_create(path_in(name, "events.out.tfevents.1"), 1, &events, &error), &error);
    assert_ok(tfevents_start(events, 1, 1, &error), &error);
    tfevents_close(events);
    be_fork(name, "other", 5);
    write_input(name, INPUT("ship"));
}

/* Every file of a session, a bit at a time: something is found in each case (settings have places where a bit says
 * nothing), and a repair leaves nothing wrong that another could mend.
 */
static void any_bytes_are_looked_at(void **state)
{
    (void)state;
    enum { FILES = 10, BACK = 9, SETTINGS = 8, EVENTS = 7, PARENT = 6 };
    static const char *const files[FILES] = {"metrics.jsonl",
                                             "commands.jsonl",
                                             "checkpoints/20.safetensors",
                                             "checkpoints/first.metrics.jsonl",
                                             "checkpoints/first.safetensors",
                                             "input.json",
                                             [PARENT] = "parent",
                                             [EVENTS] = "events.out.tfevents.1",
                                             [SETTINGS] = "settings.ini",
                                             [BACK] = "checkpoints/undone"};
    const int trials = getenv("NFBENCH_FAULTS") ? 10000 : 200;
    uint32_t random = 1;
    make_session("bytes");
    add_the_rest("bytes");
    verify("bytes", false);
    assert_int_equal(report.count, 1); /* the parent is not there */
    for (int i = 0; i < trials; i++) {
        const int which = i % FILES;
        const char *path = path_in("bytes", files[which]);
        size_t size;
        if (which == BACK)
            write_file(path, "20 20 first\n", 12);
        char *before = read_file(path, &size);
        random = random * 1664525u + 1013904223u;
        flip(path, (long)(random >> 8), (int)(random >> 5 & 7));
        verify("bytes", false);
        if (which < PARENT && report.count < 2)
            fail_msg("%s: a flipped bit is not found (%d)", files[which], i);
        if (which == EVENTS)
            assert_true(find("a checksum in it"));
        else
            assert_true(which >= SETTINGS || report.wrong > 0 || find("torn"));
        write_file(path, before, size);
        free(before);
        if (which == BACK)
            unlink(path);
    }
    verify("bytes", false);
    assert_int_equal(report.wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_session_is_fine),
        cmocka_unit_test(damaged_checkpoints_are_moved_aside),
        cmocka_unit_test(steps_behind_the_last_checkpoint_are_told_with_the_runs_end),
        cmocka_unit_test(a_best_that_is_missing_is_told),
        cmocka_unit_test(damaged_lines_are_left_out),
        cmocka_unit_test(the_order_of_records_is_checked),
        cmocka_unit_test(logs_and_checkpoints_must_agree),
        cmocka_unit_test(leftovers_are_removed),
        cmocka_unit_test(a_way_back_is_brought_to_its_end),
        cmocka_unit_test(what_the_network_reads_must_be_json),
        cmocka_unit_test(what_the_network_reads_must_fit),
        cmocka_unit_test(a_newer_checkpoint_is_left_alone),
        cmocka_unit_test(a_fork_has_a_parent),
        cmocka_unit_test(what_is_no_file_is_told),
        cmocka_unit_test(a_session_that_trains_is_left_alone),
        cmocka_unit_test(any_bytes_are_looked_at),
    };
    return cmocka_run_group_tests(tests, folder_setup, verified_teardown);
}
