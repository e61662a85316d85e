/* Where bytes for a name go: links are followed to a file that is there or not yet, as the kernel would; what leads
 * nowhere is an error; what is no file is said to be none. */
#include "base/destination.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/nfbench-destination-XXXXXX";

static int enter(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 && mkdir("deep", 0777) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    static const char *const names[] = {"plain", "near", "far",  "twice",   "deep/up", "new",      "lost",
                                        "ring",  "long", "pipe", "to-pipe", "open",    "to-stdout"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unlink(names[i]);
    return rmdir("deep") == 0 && chdir("/") == 0 ? rmdir(folder) : -1;
}

static void assert_goes_to(const char *path, const char *expected)
{
    char real[PATH_MAX];
    assert_int_equal(destination_find(path, real), DESTINATION_FILE);
    assert_string_equal(real, expected);
}

static void assert_fails(const char *path, int reason)
{
    char real[PATH_MAX];
    assert_int_equal(destination_find(path, real), DESTINATION_FAILED);
    assert_int_equal(errno, reason);
}

static void a_link_leads_to_its_file(void **state)
{
    (void)state;
    char far[PATH_MAX];
    assert_int_equal(mknod("plain", S_IFREG | 0600, 0), 0);
    snprintf(far, sizeof far, "%s/plain", folder);
    assert_int_equal(symlink("plain", "near") | symlink(far, "far") | symlink("near", "twice"), 0);
    assert_int_equal(symlink("../plain", "deep/up") | symlink("deep/later", "new"), 0);
    assert_goes_to("plain", "plain");
    assert_goes_to("not-there-yet", "not-there-yet");
    assert_goes_to("near", "plain");
    assert_goes_to("far", far);
    assert_goes_to("twice", "plain");
    assert_goes_to("deep/up", "deep/../plain");
    assert_goes_to("new", "deep/later");
}

static void what_leads_nowhere_is_an_error(void **state)
{
    (void)state;
    char many[PATH_MAX + 2], text[PATH_MAX];
    assert_int_equal(symlink("nowhere/x", "lost") | symlink("ring", "ring"), 0);
    assert_fails("lost", ENOENT);
    assert_fails("ring", ELOOP);
    memset(many, 'a', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    assert_fails(many, ENAMETOOLONG);
    memset(text, 'a', sizeof text);
    text[PATH_MAX - 2] = '\0';
    assert_int_equal(symlink(text, "long"), 0);
    snprintf(many, sizeof many, "%s/long", folder); /* relative to its folder it is too long for a path */
    assert_fails(many, ENAMETOOLONG);
}

static void what_is_no_file_is_said(void **state)
{
    (void)state;
    char real[PATH_MAX];
    assert_int_equal(mkfifo("pipe", 0600) | symlink("pipe", "to-pipe"), 0);
    assert_int_equal(destination_find("pipe", real), DESTINATION_SPECIAL);
    assert_int_equal(destination_find("to-pipe", real), DESTINATION_SPECIAL);
    assert_int_equal(destination_find("deep", real), DESTINATION_SPECIAL);
    assert_int_equal(destination_find("/dev/null", real), DESTINATION_SPECIAL);
}

/* The file is not replaced, nor is anything in it, whether the process was given it to append to or not. */
static void what_is_open_is_written_into(void **state)
{
    (void)state;
    static const char *const names[] = {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "to-stdout"};
    assert_int_equal(symlink("/dev/stdout", "to-stdout"), 0);
    for (int append = 0; append < 2; append++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            char real[PATH_MAX], text[16] = "";
            const int own = dup(STDOUT_FILENO);
            const int file = open("open", O_RDWR | O_CREAT | O_TRUNC | (append ? O_APPEND : 0), 0600);
            assert_true(own >= 0 && file >= 0 && write(file, "one ", 4) == 4);
            fflush(stdout);
            assert_int_equal(dup2(file, STDOUT_FILENO), STDOUT_FILENO);
            const enum destination destination = destination_find(names[i], real);
            const int out = destination_open(names[i]);
            const ssize_t written = write(out, "two ", 4), behind = write(STDOUT_FILENO, "three", 5);
            assert_int_equal(dup2(own, STDOUT_FILENO), STDOUT_FILENO);
            assert_int_equal(destination, DESTINATION_SPECIAL);
            assert_true(written == 4 && behind == 5);
            assert_int_equal(pread(file, text, sizeof text - 1, 0), 13);
            assert_string_equal(text, "one two three");
            assert_int_equal(close(out) | close(file) | close(own), 0);
        }
}

static void another_descriptor_of_a_file_loses_nothing(void **state)
{
    (void)state;
    char real[PATH_MAX], name[32], text[16] = "";
    const int file = open("open", O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(file >= 0 && write(file, "one ", 4) == 4);
    snprintf(name, sizeof name, "/dev/fd/%d", file);
    assert_int_equal(destination_find(name, real), DESTINATION_SPECIAL);
    const int out = destination_open(name);
    assert_true(out >= 0 && write(out, "two", 3) == 3);
    assert_int_equal(pread(file, text, sizeof text - 1, 0), 7);
    assert_string_equal(text, "one two");
    assert_int_equal(close(out) | close(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_leads_to_its_file),
        cmocka_unit_test(what_leads_nowhere_is_an_error),
        cmocka_unit_test(what_is_no_file_is_said),
        cmocka_unit_test(what_is_open_is_written_into),
        cmocka_unit_test(another_descriptor_of_a_file_loses_nothing),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
