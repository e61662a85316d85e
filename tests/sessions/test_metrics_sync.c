/* A log whose disk fails to sync: nothing that is recorded behind that is lost, and no sync is believed that comes
 * after one that failed. */
#include "metrics_log.h"
#include "session_log.h"

#include "sessions/metrics.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct error error;
static const char *path;

/* In place of the C library's: the next of a folder, or of a file, fails; and how often each was called. */
static bool fail_folder, fail_file;
static int folders, files;

int fsync(int descriptor)
{
    struct stat status;
    assert_int_equal(fstat(descriptor, &status), 0);
    bool *fails = S_ISDIR(status.st_mode) ? &fail_folder : &fail_file;
    (*(S_ISDIR(status.st_mode) ? &folders : &files))++;
    if (!*fails)
        return (int)syscall(SYS_fsync, descriptor);
    *fails = false;
    errno = ENOSPC;
    return -1;
}

static ino_t inode(void)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_ino;
}

static void assert_steps(long count)
{
    struct metrics metrics = log_read(path);
    assert_int_equal(metrics.damaged_lines, 0);
    assert_int_equal(metrics.step_count, count);
    for (long i = 0; i < count; i++)
        assert_int_equal(metrics.steps[i].step, i + 1);
    metrics_free(&metrics);
}

/* The rename is done by then: what comes next belongs in the new file. */
static void test_a_folder_that_cannot_be_synced_loses_no_record(void **state)
{
    (void)state;
    path = path_of("log.jsonl");
    for (int again = 0; again < 2; again++) {
        struct metrics_log *log = log_make(path, 6);
        const struct step_record next = log_step_of(4);
        fail_folder = true;
        assert_error(log_cut(log, 3, 0, &error), &error, "No space left on device");
        assert_int_equal(errno, ENOSPC); /* or the trainer would not wait for room */
        folders = 0;
        if (again) /* as the trainer does */
            assert_ok(log_cut(log, 3, 0, &error), &error);
        assert_int_equal(folders, again); /* it has nothing to cut any more, and the folder is to be synced still */
        assert_ok(metrics_log_step(log, &next, &error), &error);
        assert_ok(metrics_log_close(log, &error), &error);
        assert_int_equal(folders, 1);
        assert_steps(4);
    }
}

/* The system has dropped then what it could not write, and another sync would succeed without it. */
static void test_after_a_sync_that_failed_the_log_is_written_anew(void **state)
{
    (void)state;
    path = path_of("anew.jsonl");
    struct metrics_log *log = log_make(path, 3);
    const ino_t before = inode();
    fail_file = true;
    assert_error(metrics_log_sync(log, &error), &error, "No space left on device");
    assert_int_equal(errno, ENOSPC);
    assert_ok(metrics_log_sync(log, &error), &error);
    assert_int_not_equal(inode(), before);
    const ino_t anew = inode();
    const struct step_record next = log_step_of(4);
    assert_ok(metrics_log_step(log, &next, &error), &error);
    assert_ok(metrics_log_sync(log, &error), &error); /* an ordinary one again */
    assert_ok(metrics_log_close(log, &error), &error);
    assert_int_equal(inode(), anew);
    assert_steps(4);
}

/* It is refused behind the end, and a record like the others. */
static void test_a_command_that_comes_too_late_is_synced(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create_session(&settings, "late");
    log_steps(session, 1, 2);
    assert_ok(session_end(session, TRAINER_FINISHED, 2, "", &error), &error);
    files = 0;
    assert_ok(session_end(session, TRAINER_FINISHED, 2, "", &error), &error);
    assert_int_equal(files, 0);
    log_command(session, 2, COMMAND_LEARNING_RATE, "late");
    files = 0;
    assert_ok(session_end(session, TRAINER_FINISHED, 2, "", &error), &error);
    assert_true(files > 0);
    session_close(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_folder_that_cannot_be_synced_loses_no_record),
        cmocka_unit_test(test_after_a_sync_that_failed_the_log_is_written_anew),
        cmocka_unit_test(test_a_command_that_comes_too_late_is_synced),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
