/* `nfbench fetch` on the real program, from a web server of our own: what it says and where things go. How it behaves
 * with broken servers, archives and disks is in tests/fetch. */
#include "tests/fetch/packing.h"
#include "tests/fetch/server.h"
#include "tests/tui/process.h"

#include <setjmp.h>
#include <sha2.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { BATCH_BYTES = 30730000, PIECE = 100000, WAIT_TICKS = 30000 };

/* CIFAR-10 in black: its labels are all 0. And something that is none, which comes slowly from its middle on. */
static char *archive, piece[PIECE], sum[65];
static size_t archive_size;
static struct served files[2];

static int start_all(void **state)
{
    static const struct packed entries[] = {{.path = "cifar-10-batches-bin/data_batch_1.bin", .size = BATCH_BYTES},
                                            {.path = "cifar-10-batches-bin/data_batch_2.bin", .size = BATCH_BYTES},
                                            {.path = "cifar-10-batches-bin/data_batch_3.bin", .size = BATCH_BYTES},
                                            {.path = "cifar-10-batches-bin/data_batch_4.bin", .size = BATCH_BYTES},
                                            {.path = "cifar-10-batches-bin/data_batch_5.bin", .size = BATCH_BYTES},
                                            {.path = "cifar-10-batches-bin/readme.html", .size = 88},
                                            {.path = "cifar-10-batches-bin/test_batch.bin", .size = BATCH_BYTES}};
    archive = pack_tar_gz(entries, 7, &archive_size);
    SHA256Data((const uint8_t *)archive, archive_size, sum);
    files[0] = (struct served){.path = "/black.tar.gz", .bytes = archive, .size = archive_size};
    files[1] = (struct served){.path = "/slow", .bytes = piece, .size = PIECE, .slow_after = PIECE / 2};
    server_start(files, 2);
    return process_setup(state);
}

static int end_all(void **state)
{
    server_stop();
    free(archive);
    return process_teardown(state);
}

static void assert_one_line(const char *text, const char *words)
{
    if (strncmp(text, "nfbench fetch: ", 15) != 0 || !strstr(text, words) ||
        strchr(text, '\n') != text + strlen(text) - 1)
        fail_msg("not one line with \"%s\": %s", words, text);
}

static void what_is_fetched_is_trained_on(void **state)
{
    (void)state;
    const struct outcome *outcome =
        run_expecting(0, "fetch cifar10 --url %s --sha256 %s", server_url("/black.tar.gz"), sum);
    assert_non_null(strstr(outcome->out, "CIFAR-10: "));
    assert_non_null(strstr(outcome->out, "nfbench/data/cifar-10-batches-bin"));
    assert_non_null(strstr(outcome->out, "\nnext: nfbench\n"));
    assert_string_equal(outcome->err, "");
    outcome = run_expecting(0, "train " NETWORK "--limit 64 --batch 16 --steps 1 --normalize image --session on");
    assert_null(strstr(outcome->err, "synthetic"));
    assert_true(file_has("nfbench/on/settings.ini", "nfbench/data/cifar-10-batches-bin"));

    outcome = run_expecting(0, "fetch cifar10 --json");
    assert_string_equal(outcome->err, "checking the 184.4 MB that are there\n"); /* it takes seconds */
    json_t *there = last_json(outcome);
    assert_true(json_is_false(json_object_get(there, "fetched")));
    assert_true(json_is_true(json_object_get(there, "verified")));
    assert_int_equal(json_number_at(there, "received"), 0);
    assert_string_equal(json_text_at(there, "set"), "cifar10");
    json_decref(there);
    assert_int_equal(files[0].requests, 1);

    /* a byte of it is another now: told, and still of use */
    FILE *file = fopen(process_path("nfbench/data/cifar-10-batches-bin/data_batch_1.bin"), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 3000, SEEK_SET), 0);
    fputc(1, file);
    assert_int_equal(fclose(file), 0);
    outcome = run_expecting(0, "fetch cifar10");
    assert_non_null(strstr(outcome->out, "CIFAR-10 is there already: "));
    assert_non_null(strstr(outcome->err, "data_batch_1.bin has other bytes than when it was fetched; --force"));
}

/* A folder that a run without --data does not look into is named by what is to be typed next. */
static void what_nfbench_does_not_find_is_named(void **state)
{
    (void)state;
    assert_int_equal(mkdir(process_path("on a disk"), 0777), 0);
    assert_int_equal(mkdir(process_path("on a disk/cifar-100-binary"), 0777), 0);
    const char *names[] = {"on a disk/cifar-100-binary/train.bin", "on a disk/cifar-100-binary/test.bin"};
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(process_path(names[i]), "wb");
        assert_non_null(file);
        assert_int_equal(ftruncate(fileno(file), i ? 30740000 : 153700000), 0);
        assert_int_equal(fclose(file), 0);
    }
    assert_int_equal(setenv("NFBENCH_DATA", process_path("on a disk"), 1), 0);
    const struct outcome *found = run_expecting(0, "fetch cifar100");
    const bool by_itself = strstr(found->out, "\nnext: nfbench\n");
    assert_int_equal(unsetenv("NFBENCH_DATA"), 0);
    assert_true(by_itself);
    assert_non_null(strstr(found->err, "not put there by `nfbench fetch`"));
    assert_int_equal(rename(process_path("on a disk"), process_path("disk")), 0);
    found = run_expecting(0, "fetch cifar100 --dir disk");
    assert_non_null(strstr(found->out, "\nnext: nfbench --data /"));
    assert_non_null(strstr(found->out, "/disk/cifar-100-binary\n"));
}

static void interrupted(int signal, const char *option)
{
    static const char part[] = "slow/cifar-10-binary.tar.gz.part";
    char arguments[512], removal[512];
    const struct timespec tick = {.tv_nsec = 10000000};
    struct stat status = {0};
    const off_t before = stat(process_path(part), &status) == 0 ? status.st_size : PIECE / 2;
    snprintf(arguments, sizeof arguments, "fetch cifar10 --dir slow %s --url %s", option, server_url("/slow"));
    struct process process = process_start(arguments, NULL);
    for (int i = 0; i < WAIT_TICKS && status.st_size <= before; i++) {
        nanosleep(&tick, NULL);
        (void)stat(process_path(part), &status);
    }
    assert_int_equal(kill(process.pid, signal), 0);
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 130);
    assert_memory_equal(outcome->err, "nfbench fetch: interrupted: ", 28);
    assert_non_null(strstr(outcome->err, " of 170.1 MB are in, and the next fetch goes on from there\nnote: "));
    snprintf(removal, sizeof removal, "; to remove it: rm %s\n", process_path(part));
    assert_string_equal(outcome->err + strlen(outcome->err) - strlen(removal), removal);
    assert_string_equal(outcome->out, "");
    assert_int_equal(stat(process_path(part), &status), 0);
    assert_true(status.st_size > before);
}

static void ctrl_c_ends_it_and_keeps_what_came(void **state)
{
    (void)state;
    interrupted(SIGINT, "");
    assert_int_equal(files[1].least_asked_for, 0);
    interrupted(SIGTERM, "--json");
    assert_true(files[1].least_asked_for >= PIECE / 2);
}

static void failures_are_one_line(void **state)
{
    (void)state;
    assert_one_line(run_expecting(2, "fetch")->err, "fetch needs cifar10|cifar100");
    assert_one_line(run_expecting(2, "fetch cifar11")->err, "did you mean 'cifar10'?");
    assert_one_line(run_expecting(2, "fetch imagenet")->err, "cifar10 or cifar100");
    assert_one_line(run_expecting(2, "fetch cifar10 --url ftp://a/b")->err, "must begin with http:// or https://");
    assert_one_line(run_expecting(2, "fetch cifar10 --sha256 abc --url http://a/b")->err, "64 hexadecimal digits");
    assert_one_line(run_expecting(2, "fetch cifar10 --sha256 %s", sum)->err, "--url URL");
    assert_one_line(run_expecting(2, "fetch cifar10 --dir=")->err, "--dir: needs a folder");
    assert_one_line(run_expecting(2, "fetch cifar10 --data x")->err, "--data means nothing to fetch");
    assert_one_line(run_expecting(1, "fetch cifar100 --dir new --url %s", server_url("/no"))->err,
                    "returned error: 404");
    assert_int_equal(access(process_path("new"), F_OK), -1);
    assert_one_line(run_expecting(1, "fetch cifar10 --dir /dev/null/x")->err, "Not a directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_test(what_is_fetched_is_trained_on),
        process_test(what_nfbench_does_not_find_is_named),
        process_test(ctrl_c_ends_it_and_keeps_what_came),
        process_test(failures_are_one_line),
    };
    return cmocka_run_group_tests(tests, start_all, end_all);
}
