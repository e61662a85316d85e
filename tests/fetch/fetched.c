/* See fetched.h. */
#include "tests/fetch/fetched.h"

#include <dirent.h>
#include <ftw.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char folder[64], *archive, *wrong, secret_url[128], archive_url[256];
char archive_sum[FETCH_SHA256_SIZE], hostile_sum[FETCH_SHA256_SIZE];
size_t archive_size;
struct served files[FILES];
static char *hostile, moved_url[256];
static size_t hostile_size;

const char *path_of(const char *name)
{
    static char paths[8][256];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof *paths, "%s/%s", folder, name);
    return path;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

void remove_all(const char *path)
{
    (void)nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void write_bytes(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

long size_of(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (long)status.st_size : -1;
}

void fill_files(void)
{
    files[GOOD] = (struct served){.path = "/tiny.tar.gz", .bytes = archive, .size = archive_size};
    files[OTHER] = (struct served){.path = "/other", .bytes = wrong, .size = archive_size};
    files[SHORT] = (struct served){.path = "/short", .bytes = archive, .size = archive_size / 2};
    files[LONG] = (struct served){.path = "/long", .bytes = wrong, .size = archive_size + 1};
    files[MOVED] = (struct served){.path = "/moved", .bytes = "", .status = 302, .location = moved_url};
    files[FILE_SCHEME] = (struct served){.path = "/file", .bytes = "", .status = 302, .location = secret_url};
    files[HOSTILE] = (struct served){.path = "/hostile", .bytes = hostile, .size = hostile_size};
}

int start_all(void **state)
{
    static const struct packed climbing[] = {{.path = "../escaped", .size = 10}};
    /* curl heeds those of the machine: their answers are not our server's */
    static const char *const proxies[] = {"http_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"};
    (void)state;
    for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++)
        assert_int_equal(unsetenv(proxies[i]), 0);
    strcpy(folder, "/tmp/nfbench-fetch-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    tiny_fill();
    archive = pack_tar_gz(tiny_entries, TINY_ENTRIES, &archive_size);
    hostile = pack_tar_gz(climbing, 1, &hostile_size);
    SHA256Data((const uint8_t *)archive, archive_size, archive_sum);
    SHA256Data((const uint8_t *)hostile, hostile_size, hostile_sum);
    wrong = malloc(archive_size + 1);
    assert_non_null(wrong);
    memcpy(wrong, archive, archive_size);
    wrong[archive_size / 2] ^= 1;
    wrong[archive_size] = 0;
    fill_files();
    server_start(files, FILES);
    snprintf(archive_url, sizeof archive_url, "%s", server_url("/tiny.tar.gz"));
    snprintf(moved_url, sizeof moved_url, "%s", archive_url);
    snprintf(secret_url, sizeof secret_url, "file://%s/secret", folder);
    write_bytes(path_of("secret"), archive, archive_size);
    return 0;
}

int end_all(void **state)
{
    (void)state;
    server_stop();
    free(archive);
    free(hostile);
    free(wrong);
    remove_all(folder);
    return 0;
}

struct fetch_result result;
struct error error;
char notes[NOTES_SIZE];
long long stop_at;
void (*meanwhile)(void);
long long told_size;

static void keep_note(void *context, const char *text)
{
    const size_t used = strlen(notes);
    (void)context;
    snprintf(notes + used, sizeof notes - used, "%s\n", text);
}

static bool watch_progress(void *context, const char *doing, long long done, long long total)
{
    (void)context;
    assert_true(done >= 0 && (total == 0 || done <= total + 200));
    if (strcmp(doing, "downloading") == 0)
        told_size = total;
    if (meanwhile && strcmp(doing, "unpacking") == 0)
        meanwhile();
    return stop_at >= 0 && done >= stop_at && strcmp(doing, "downloading") == 0;
}

struct fetch_set set;
char data[128];

struct fetch_request request(void)
{
    set = tiny_set();
    set.archive = archive_url;
    set.archive_size = (long long)archive_size;
    set.archive_sha256 = archive_sum;
    snprintf(data, sizeof data, "%s/data", folder);
    return (struct fetch_request){
        .set = &set, .directory = data, .watch = {.progress = watch_progress, .note = keep_note}};
}

enum fetch_end run(const struct fetch_request *wanted)
{
    notes[0] = error.message[0] = '\0';
    return fetch_run(wanted, &result, &error);
}

int begin_anew(void **state)
{
    (void)state;
    remove_all(path_of("data"));
    fill_files();
    stop_at = -1;
    told_size = 0;
    meanwhile = NULL;
    return 0;
}

void assert_whole(const char *beside)
{
    DIR *data = opendir(path_of("data"));
    const struct dirent *entry;
    assert_non_null(data);
    while ((entry = readdir(data)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && strcmp(entry->d_name, "tiny-set") &&
            (!beside || strcmp(entry->d_name, beside)))
            fail_msg("%s was left", entry->d_name);
    closedir(data);
    assert_bytes(path_of("data/tiny-set/one.bin"), tiny_one, TINY_ONE);
    assert_bytes(path_of("data/tiny-set/two.bin"), tiny_two, TINY_TWO);
    assert_bytes(path_of("data/tiny-set/names.txt"), tiny_names, TINY_NAMES);
    assert_true(size_of(path_of("data/tiny-set/SHA256SUMS")) > 0);
}

void assert_fetched(const struct fetch_request *wanted)
{
    const enum fetch_end end = run(wanted);
    if (end != FETCH_DONE)
        fail_msg("%s", error.message);
    assert_whole(NULL);
    assert_true(result.verified);
    assert_string_equal(result.part, "");
}

void assert_failed(const struct fetch_request *wanted, const char *words)
{
    const enum fetch_end end = run(wanted);
    if (end != FETCH_FAILED || !strstr(error.message, words))
        fail_msg("end %d, \"%s\" does not say \"%s\"", end, error.message, words);
    assert_null(strchr(error.message, '\n'));
    assert_int_equal(size_of(path_of("data/tiny-set")), -1);
    assert_int_equal(size_of(path_of(MADE)), -1);
}

struct fetch_request from(const char *url)
{
    static const char *urls[1];
    struct fetch_request wanted = request();
    urls[0] = url;
    wanted.urls = urls;
    wanted.url_count = 1;
    return wanted;
}
