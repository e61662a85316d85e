/* Where a set is to be: whatever is there before, whatever the disk or a kill do, it is there whole or not at all, what
 * is somebody's stays, and the next fetch goes on. */
#include "tests/fetch/fetched.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- What is there ---- */

static void put_set(char first)
{
    mkdir(path_of("data"), 0777);
    mkdir(path_of("data/tiny-set"), 0777);
    char one[1000] = {first};
    write_bytes(path_of("data/tiny-set/one.bin"), one, sizeof one);
    assert_int_equal(truncate(path_of("data/tiny-set/one.bin"), TINY_ONE), 0);
    write_bytes(path_of("data/tiny-set/two.bin"), tiny_two, TINY_TWO);
}

static void other_files_of_the_layout_are_left_alone(void **state)
{
    (void)state;
    struct fetch_request wanted = request();
    put_set(5);
    assert_int_equal(run(&wanted), FETCH_WAS_THERE);
    assert_false(result.verified);
    assert_non_null(strstr(notes, "not put there by `nfbench fetch`"));
    assert_int_equal(files[GOOD].requests, 0);
    wanted.force = true;
    assert_fetched(&wanted);
    wanted.force = false;
    put_set(5); /* beside the sums of those before */
    assert_int_equal(run(&wanted), FETCH_WAS_THERE);
    assert_false(result.verified);
    assert_non_null(strstr(notes, "one.bin has other bytes than when it was fetched"));
    assert_int_equal(files[GOOD].requests, 1);
}

static void what_is_of_no_use_is_told_and_left_alone(void **state)
{
    (void)state;
    struct fetch_request wanted = request();
    put_set(50);
    assert_int_equal(run(&wanted), FETCH_FAILED);
    assert_non_null(strstr(error.message, "one.bin is no good"));
    assert_non_null(strstr(error.message, "--force"));
    assert_int_equal(size_of(path_of("data/tiny-set/one.bin")), TINY_ONE);
    wanted.force = true;
    assert_fetched(&wanted);
    remove_all(path_of("data/tiny-set"));
    mkdir(path_of("data/tiny-set"), 0777); /* empty: as if it were not there */
    wanted.force = false;
    assert_fetched(&wanted);
}

static void other_peoples_files_stay(void **state)
{
    (void)state;
    struct fetch_request wanted = request();
    mkdir(path_of("data"), 0777);
    mkdir(path_of("data/tiny-set"), 0777);
    write_bytes(path_of("data/tiny-set/thesis.txt"), "mine", 4);
    assert_int_equal(run(&wanted), FETCH_FAILED);
    assert_non_null(strstr(error.message, "holds other files"));
    assert_int_equal(files[GOOD].requests, 0);
    put_set(5);
    wanted.force = true;
    assert_int_equal(run(&wanted), FETCH_DONE);
    assert_whole("tiny-set.old");
    assert_non_null(strstr(notes, "tiny-set.old"));
    assert_bytes(path_of("data/tiny-set.old/thesis.txt"), "mine", 4);
    assert_int_equal(size_of(path_of("data/tiny-set.old/one.bin")), -1);
}

#define ASIDE MADE ".aside"

/* On a disk that cannot exchange folders: killed before the new one was in place, or after. */
static void what_was_moved_aside_comes_back(void **state)
{
    (void)state;
    struct fetch_request wanted = request();
    assert_fetched(&wanted);
    assert_int_equal(rename(path_of("data/tiny-set"), path_of(ASIDE)), 0);
    assert_int_equal(run(&wanted), FETCH_WAS_THERE);
    assert_true(result.verified);
    assert_whole(NULL);
    assert_int_equal(files[GOOD].requests, 1);
    for (int others = 0; others < 2; others++) {
        assert_int_equal(rename(path_of("data/tiny-set"), path_of(ASIDE)), 0);
        if (others)
            write_bytes(path_of(ASIDE "/thesis.txt"), "mine", 4);
        put_set(5);
        wanted.force = true;
        assert_int_equal(run(&wanted), FETCH_DONE);
        assert_whole(others ? "tiny-set.old" : NULL);
    }
    assert_bytes(path_of("data/tiny-set.old/thesis.txt"), "mine", 4);
    assert_int_equal(size_of(path_of("data/tiny-set.old/one.bin")), -1);
}

static void somebody_unpacks_it(void)
{
    put_set(5);
}

static void what_came_meanwhile_is_left_alone(void **state)
{
    (void)state;
    struct fetch_request wanted = request();
    meanwhile = somebody_unpacks_it;
    assert_int_equal(run(&wanted), FETCH_FAILED);
    assert_non_null(strstr(error.message, "Directory not empty"));
    assert_int_equal(size_of(path_of("data/tiny-set/names.txt")), -1);
    assert_int_equal(size_of(path_of(MADE)), -1);
    meanwhile = NULL;
    assert_int_equal(run(&wanted), FETCH_WAS_THERE);
    assert_non_null(strstr(notes, "not put there by `nfbench fetch`"));
    assert_int_equal(size_of(path_of(PART)), -1); /* no longer of use */
}

static void links_are_not_written_through(void **state)
{
    (void)state;
    struct fetch_request wanted = request();
    mkdir(path_of("data"), 0777);
    write_bytes(path_of("target"), "mine", 4);
    assert_int_equal(symlink(path_of("target"), path_of(PART)), 0);
    assert_failed(&wanted, "tiny.tar.gz.part");
    assert_int_equal(unlink(path_of(PART)), 0);
    assert_int_equal(mkfifo(path_of(PART), 0666), 0);
    assert_failed(&wanted, "is not a file: move it away");
    assert_int_equal(unlink(path_of(PART)), 0);
    assert_int_equal(symlink(folder, path_of(MADE)), 0);
    write_bytes(path_of("one.bin"), "mine", 4);
    assert_int_equal(run(&wanted), FETCH_FAILED);
    assert_non_null(strstr(error.message, ".tiny.tar.gz.new"));
    assert_bytes(path_of("one.bin"), "mine", 4);
    assert_int_equal(unlink(path_of(MADE)), 0);
    assert_bytes(path_of("target"), "mine", 4);
    /* the set's own folder may lie elsewhere, by the person's link */
    mkdir(path_of("disk"), 0777);
    mkdir(path_of("disk/big"), 0777);
    assert_int_equal(symlink(path_of("disk/big"), path_of("data/tiny-set")), 0);
    assert_int_equal(run(&wanted), FETCH_DONE);
    assert_bytes(path_of("disk/big/one.bin"), tiny_one, TINY_ONE);
    assert_int_equal(size_of(path_of("disk/tiny.tar.gz.part")), -1);
}

/* ---- Misfortunes ---- */

/* In a process of its own: its exit code. */
static pid_t start_child(const struct fetch_request *wanted, void (*before)(void))
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    if (before)
        before();
    const enum fetch_end end = run(wanted);
    if (end == FETCH_FAILED)
        write_bytes(path_of("said"), error.message, strlen(error.message) + 1);
    _exit(end == FETCH_DONE ? 0 : 1);
}

static int wait_for(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void wait_for_bytes(const char *name, long size)
{
    const struct timespec tick = {.tv_nsec = 10000000};
    for (int i = 0; i < 30000 && size_of(path_of(name)) < size; i++)
        nanosleep(&tick, NULL);
    assert_true(size_of(path_of(name)) >= size);
}

static void two_at_once_are_refused(void **state)
{
    (void)state;
    const struct fetch_request wanted = request();
    files[GOOD].slow_after = archive_size / 2;
    const pid_t child = start_child(&wanted, NULL);
    wait_for_bytes(PART, (long)archive_size / 2);
    assert_failed(&wanted, "another nfbench is fetching it there already");
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(wait_for(child), 128 + SIGKILL);
    fill_files();
    assert_fetched(&wanted); /* the dead one is in nobody's way */
    assert_true(result.resumed >= (long long)archive_size / 2);
}

static void be_traced(void)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(77);
    raise(SIGSTOP);
}

/* Fetches in a process that is killed at its `last`-th stop before or after a system call. Returns how many there were;
 * -1: nobody may look at another process's calls here. */
static long kill_at_call(const struct fetch_request *wanted, long last)
{
    const pid_t child = start_child(wanted, be_traced);
    int status, signal;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        return -1;
    assert_true(WIFSTOPPED(status));
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD), 0);
    for (long calls = 0;;) {
        signal = WSTOPSIG(status) == SIGSTOP || WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
        calls += WSTOPSIG(status) == (SIGTRAP | 0x80);
        if (calls >= last)
            kill(child, SIGKILL);
        else
            assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, signal), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSTOPPED(status))
            return calls;
    }
}

/* At any instant: the set is there whole or not at all, and the next fetch comes to the end. Half of the kills are at
 * the end, where it is put in place. */
static void a_kill_leaves_all_or_nothing(void **state)
{
    const char *asked = getenv("NFBENCH_FAULTS");
    const int count = asked && strcmp(asked, "all") == 0 ? 500 : 30;
    int killed = 0;
    (void)state;
    struct fetch_request wanted = request();
    long whole = kill_at_call(&wanted, LONG_MAX); /* of the fetch with the fewest calls: bytes come in few or many */
    if (whole < 0) {
        print_message("this machine lets nobody trace a process\n");
        skip();
    }
    assert_whole(NULL);
    for (int i = 0; i < count; i++) {
        const bool again = i % 3 == 2; /* in place of one that is there */
        const long end = whole < 120 ? whole : 120, wish = i % 2 ? whole - end * i / count : whole * i / count,
                   at = wish > 0 ? wish : 1;
        if (!again)
            remove_all(path_of("data"));
        wanted.force = again;
        const long calls = kill_at_call(&wanted, at);
        killed += calls == at;
        whole = calls < at ? calls : whole;
        struct error why;
        if (size_of(path_of("data/tiny-set")) >= 0)
            assert_int_equal(set.check(path_of("data/tiny-set"), &why), 0);
        else
            assert_false(again);
        wanted.force = false;
        const enum fetch_end next = run(&wanted);
        if (next != FETCH_DONE && next != FETCH_WAS_THERE)
            fail_msg("kill %d: %s", i, error.message);
        assert_true(result.verified);
        assert_whole(NULL);
    }
    assert_true(killed > count / 6); /* some came to the end with fewer calls */
}

static void forbid_large_files(void)
{
    const struct rlimit limit = {archive_size / 2, archive_size / 2};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void a_file_that_cannot_grow_is_told(void **state)
{
    char said[600] = "";
    (void)state;
    const struct fetch_request wanted = request();
    assert_int_equal(wait_for(start_child(&wanted, forbid_large_files)), 1);
    FILE *file = fopen(path_of("said"), "rb");
    assert_non_null(file);
    assert_true(fread(said, 1, sizeof said - 1, file) > 0);
    fclose(file);
    assert_non_null(strstr(said, "cannot write"));
    assert_non_null(strstr(said, "tiny.tar.gz.part: File too large"));
    assert_int_equal(size_of(path_of(PART)), archive_size / 2);
    assert_fetched(&wanted);
    assert_int_equal(result.resumed, archive_size / 2);
}

/* A disk of its own, of so many kB, under data/. */
static bool mount_disk(const char *options)
{
    mkdir(path_of("data"), 0777);
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", path_of("data"), "tmpfs", 0, options) == 0;
}

/* The exit code of a child on a small disk: what came of `expected` there; 77: no disk could be had. */
static int on_small_disk(const char *options, const char *expected, long left)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return wait_for(child);
    struct fetch_request wanted = request();
    if (!mount_disk(options))
        _exit(77);
    set.archive_size = left ? 0 : set.archive_size; /* of unknown size: room for it is only found out */
    if (left)
        wanted.sha256 = archive_sum;
    const enum fetch_end end = run(&wanted);
    if (end == FETCH_FAILED && strstr(error.message, expected) && size_of(path_of("data/tiny-set")) < 0)
        _exit(0);
    print_error("end %d: %s\n", end, error.message);
    _exit(1);
}

static void a_disk_without_room_is_told_before_and_meanwhile(void **state)
{
    (void)state;
    int code = on_small_disk("size=300k", "needs 0.4 MB, and the disk of", 0);
    if (code == 77) {
        print_message("this machine lets nobody mount a disk of his own\n");
        skip();
    }
    assert_int_equal(code, 0);
    assert_int_equal(on_small_disk("size=300k", "No space left on device; make room", 1), 0);
}

static void without_curl_it_says_so(void **state)
{
    (void)state;
    const struct fetch_request wanted = request();
    char *path = strdup(getenv("PATH"));
    assert_int_equal(setenv("PATH", "/nowhere", 1), 0);
    const enum fetch_end end = run(&wanted);
    assert_int_equal(setenv("PATH", path, 1), 0);
    free(path);
    assert_int_equal(end, FETCH_FAILED);
    assert_non_null(strstr(error.message, "install the package curl"));
    assert_int_equal(size_of(path_of("data")), -1);
}

static void proxies_are_those_of_the_environment(void **state)
{
    (void)state;
    const struct fetch_request wanted = from("http://nowhere.invalid/tiny.tar.gz");
    char proxy[256];
    snprintf(proxy, sizeof proxy, "%s", server_url(""));
    files[GOOD].path = "http://nowhere.invalid/tiny.tar.gz"; /* as a proxy is asked */
    assert_int_equal(setenv("http_proxy", proxy, 1), 0);
    const enum fetch_end end = run(&wanted);
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_int_equal(end, FETCH_DONE);
}

#define TEST(name) cmocka_unit_test_setup(name, begin_anew)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(other_files_of_the_layout_are_left_alone),
        TEST(what_is_of_no_use_is_told_and_left_alone),
        TEST(other_peoples_files_stay),
        TEST(what_was_moved_aside_comes_back),
        TEST(what_came_meanwhile_is_left_alone),
        TEST(links_are_not_written_through),
        TEST(two_at_once_are_refused),
        TEST(a_kill_leaves_all_or_nothing),
        TEST(a_file_that_cannot_grow_is_told),
        TEST(a_disk_without_room_is_told_before_and_meanwhile),
        TEST(without_curl_it_says_so),
        TEST(proxies_are_those_of_the_environment),
    };
    return cmocka_run_group_tests(tests, start_all, end_all);
}
