/* A fetch from a web server of our own, by the real curl: connections that break, servers that have something else, and
 * what may be asked of them. */
#include "tests/fetch/fetched.h"

#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- The way ---- */

static void the_set_is_fetched_and_found_there(void **state)
{
    (void)state;
    struct fetch_request wanted = request();
    assert_fetched(&wanted);
    assert_int_equal(result.received, archive_size);
    assert_string_equal(result.url, archive_url);
    assert_int_equal(run(&wanted), FETCH_WAS_THERE);
    assert_true(result.verified);
    assert_string_equal(notes, "");
    assert_int_equal(files[GOOD].requests, 1);
    snprintf(data, sizeof data, "%s/data/tiny-set", folder); /* the folder itself names it, too */
    assert_int_equal(run(&wanted), FETCH_WAS_THERE);
    assert_string_equal(strrchr(result.folder, '/'), "/tiny-set");
    assert_whole(NULL);
}

static void a_download_that_breaks_goes_on(void **state)
{
    (void)state;
    const struct fetch_request wanted = request();
    files[GOOD].cuts = 3;
    files[GOOD].cut_after = archive_size / 5;
    assert_fetched(&wanted);
    assert_int_equal(files[GOOD].requests, 4);
    assert_int_equal(files[GOOD].least_asked_for, archive_size / 5 * 3);
    assert_int_equal(result.received, archive_size);
}

static void the_next_fetch_goes_on(void **state)
{
    (void)state;
    struct fetch_request wanted = request();
    files[GOOD].slow_after = archive_size / 3;
    stop_at = (long long)archive_size / 3;
    assert_int_equal(run(&wanted), FETCH_STOPPED);
    assert_non_null(strstr(error.message, "the next fetch goes on from there"));
    assert_string_equal(strrchr(result.part, '/'), "/tiny.tar.gz.part");
    const long have = size_of(path_of(PART));
    assert_true(have >= (long)archive_size / 3);
    fill_files();
    stop_at = -1;
    assert_fetched(&wanted);
    assert_int_equal(files[GOOD].least_asked_for, have);
    assert_int_equal(result.resumed, have);
    assert_int_equal(result.received, archive_size - (size_t)have);
}

static void a_server_without_ranges_sends_all_again(void **state)
{
    (void)state;
    const struct fetch_request wanted = request();
    mkdir(path_of("data"), 0777);
    write_bytes(path_of(PART), archive, archive_size / 2);
    files[GOOD].no_ranges = true;
    assert_fetched(&wanted);
    assert_non_null(strstr(notes, "does not send the rest of a file"));
    assert_int_equal(result.received, archive_size);
}

/* Without a length nobody but the size tells that a file was cut. */
static void a_download_of_no_told_length_goes_on(void **state)
{
    (void)state;
    const struct fetch_request wanted = request();
    files[GOOD].no_length = true;
    files[GOOD].cuts = 1;
    files[GOOD].cut_after = archive_size / 2;
    assert_fetched(&wanted);
    assert_int_equal(files[GOOD].requests, 2);
}

static void what_is_no_beginning_of_it_is_thrown_away(void **state)
{
    (void)state;
    const struct fetch_request wanted = request();
    mkdir(path_of("data"), 0777);
    write_bytes(path_of(PART), wrong, archive_size + 1);
    assert_fetched(&wanted);
    assert_non_null(strstr(notes, "more than the archive: it is thrown away"));
    begin_anew(NULL);
    mkdir(path_of("data"), 0777);
    write_bytes(path_of(PART), wrong, archive_size);
    assert_fetched(&wanted);
    assert_non_null(strstr(notes, "is damaged: it is thrown away"));
    begin_anew(NULL);
    mkdir(path_of("data"), 0777);
    write_bytes(path_of(PART), wrong, archive_size / 2 + 10); /* with the wrong byte in it */
    assert_fetched(&wanted);
    assert_non_null(strstr(notes, "it is fetched from the beginning"));
}

static void what_was_whole_is_not_asked_for_again(void **state)
{
    (void)state;
    struct fetch_request wanted = request();
    mkdir(path_of("data"), 0777);
    write_bytes(path_of(PART), archive, archive_size);
    assert_fetched(&wanted);
    assert_int_equal(files[GOOD].requests, 0);
}

/* ---- Servers ---- */

static void what_is_not_the_archive_is_refused(void **state)
{
    (void)state;
    struct fetch_request wanted = from(server_url("/other"));
    assert_failed(&wanted, "/other: has SHA-256 ");
    assert_int_equal(size_of(path_of("data")), -1); /* nothing at all is left */
    wanted = from(server_url("/short"));
    assert_failed(&wanted, " bytes short: another file, or cut short on the server");
    wanted = from(server_url("/long"));
    assert_failed(&wanted, " MB that it may be");
    assert_int_equal(size_of(path_of("data")), -1);
}

static void a_server_that_has_it_not_is_told(void **state)
{
    (void)state;
    struct fetch_request wanted = from(server_url("/nothing"));
    assert_failed(&wanted, "/nothing: The requested URL returned error: 404");
    wanted = from("http://name:word@127.0.0.1:1/tiny.tar.gz");
    assert_failed(&wanted, "http://127.0.0.1:1/tiny.tar.gz: Failed to connect");
    assert_null(strstr(error.message, "word"));
    assert_int_equal(size_of(path_of("data")), -1);
}

static void redirects_lead_to_the_web_alone(void **state)
{
    (void)state;
    struct fetch_request wanted = from(server_url("/moved"));
    assert_fetched(&wanted);
    begin_anew(NULL);
    wanted = from(server_url("/file"));
    assert_failed(&wanted, "rotocol"); /* "Protocol "file" not supported or disabled in libcurl" */
    assert_int_equal(result.received, 0);
    wanted = from(secret_url); /* and not at first hand either */
    assert_failed(&wanted, "rotocol");
}

static void the_next_url_is_tried(void **state)
{
    static const char *urls[4];
    (void)state;
    struct fetch_request wanted = request();
    urls[0] = "http://127.0.0.1:1/tiny.tar.gz";
    urls[1] = server_url("/nothing");
    urls[2] = server_url("/other");
    urls[3] = server_url("/moved");
    wanted.urls = urls;
    wanted.url_count = 4;
    assert_fetched(&wanted);
    assert_non_null(strstr(notes, "127.0.0.1:1/tiny.tar.gz: Failed to connect"));
    assert_non_null(strstr(notes, "/nothing: The requested URL"));
    assert_non_null(strstr(notes, "/other: has SHA-256"));
    assert_int_equal(files[GOOD].requests, 1);
    begin_anew(NULL);
    wanted.url_count = 3; /* none of them has it: the last one's reason */
    assert_failed(&wanted, "/other: has SHA-256");
    assert_int_equal(files[GOOD].requests, 0); /* nor is the official one asked */
}

static void another_archive_by_its_sum(void **state)
{
    size_t size;
    char sum[FETCH_SHA256_SIZE], *zip = pack_zip(tiny_entries, TINY_ENTRIES, &size);
    (void)state;
    SHA256Data((const uint8_t *)zip, size, sum);
    files[OTHER].bytes = zip;
    files[OTHER].size = size;
    files[OTHER].cuts = 1;
    files[OTHER].cut_after = size / 2;
    struct fetch_request wanted = from(server_url("/other"));
    wanted.sha256 = sum;
    assert_fetched(&wanted);
    assert_int_equal(told_size, size); /* by the server, of what went on from the middle, too */
    begin_anew(NULL);                  /* whose whole part is known as such by the sum, for want of a size */
    char part[128];
    snprintf(part, sizeof part, "data/tiny.tar.gz.%.12s.part", sum);
    mkdir(path_of("data"), 0777);
    write_bytes(path_of(part), zip, size);
    assert_fetched(&wanted);
    assert_int_equal(files[OTHER].requests, 0);
    free(zip);
}

static void a_hostile_archive_leaves_nothing(void **state)
{
    (void)state;
    struct fetch_request wanted = from(server_url("/hostile"));
    wanted.sha256 = hostile_sum;
    assert_failed(&wanted, "leads out of its folder: ../escaped");
    assert_int_equal(size_of(path_of("data")), -1);
    assert_int_equal(size_of(path_of("escaped")), -1);
}

/* The layout is right, the data are not: what the set's own check says. */
static void files_of_no_use_are_not_put_in_place(void **state)
{
    struct packed entries[TINY_ENTRIES];
    static char ones[TINY_TWO];
    size_t size;
    char sum[FETCH_SHA256_SIZE];
    (void)state;
    memset(ones, 99, sizeof ones);
    memcpy(entries, tiny_entries, sizeof entries);
    entries[2].bytes = ones;
    char *bad = pack_tar_gz(entries, TINY_ENTRIES, &size);
    SHA256Data((const uint8_t *)bad, size, sum);
    files[OTHER].bytes = bad;
    files[OTHER].size = size;
    struct fetch_request wanted = from(server_url("/other"));
    wanted.sha256 = sum;
    assert_failed(&wanted, "two.bin is no good");
    assert_int_equal(size_of(path_of("data")), -1);
    free(bad);
}

/* ---- What a person gives ---- */

static void urls_and_sums_are_checked(void **state)
{
    char sum[FETCH_SHA256_SIZE], upper[FETCH_SHA256_SIZE];
    (void)state;
    assert_int_equal(fetch_check_url("https://a.b/c?d=%20", &error), 0);
    assert_int_equal(fetch_check_url("HTTP://a.b/c", &error), 0);
    assert_int_equal(fetch_check_url("ftp://a.b/c", &error), -1);
    assert_int_equal(fetch_check_url("-o/etc/passwd", &error), -1);
    assert_int_equal(fetch_check_url("http://a b", &error), -1);
    assert_int_equal(fetch_check_url("http://a\nb", &error), -1);
    assert_int_equal(fetch_read_sha256(archive_sum, sum, &error), 0);
    for (int i = 0; i < FETCH_SHA256_SIZE; i++)
        upper[i] = archive_sum[i] >= 'a' ? (char)(archive_sum[i] - 32) : archive_sum[i];
    assert_int_equal(fetch_read_sha256(upper, sum, &error), 0);
    assert_string_equal(sum, archive_sum);
    assert_int_equal(fetch_read_sha256("abc", sum, &error), -1);
    upper[7] = 'g';
    assert_int_equal(fetch_read_sha256(upper, sum, &error), -1);
}

#define TEST(name) cmocka_unit_test_setup(name, begin_anew)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_set_is_fetched_and_found_there),
        TEST(a_download_that_breaks_goes_on),
        TEST(the_next_fetch_goes_on),
        TEST(a_server_without_ranges_sends_all_again),
        TEST(a_download_of_no_told_length_goes_on),
        TEST(what_is_no_beginning_of_it_is_thrown_away),
        TEST(what_was_whole_is_not_asked_for_again),
        TEST(what_is_not_the_archive_is_refused),
        TEST(a_server_that_has_it_not_is_told),
        TEST(redirects_lead_to_the_web_alone),
        TEST(the_next_url_is_tried),
        TEST(another_archive_by_its_sum),
        TEST(a_hostile_archive_leaves_nothing),
        TEST(files_of_no_use_are_not_put_in_place),
        TEST(urls_and_sums_are_checked),
    };
    return cmocka_run_group_tests(tests, start_all, end_all);
}
