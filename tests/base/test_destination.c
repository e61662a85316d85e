/* Where bytes for a name go: links are followed to a file that is there or not yet, as the kernel would; what leads
 * nowhere is an error; what is no file is said to be none. */
#include "base/destination.h"

#include <errno.h>
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
    static const char *const names[] = {"plain", "near", "far",  "twice", "deep/up", "new",
                                        "lost",  "ring", "long", "pipe",  "to-pipe"};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_leads_to_its_file),
        cmocka_unit_test(what_leads_nowhere_is_an_error),
        cmocka_unit_test(what_is_no_file_is_said),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
