/* Several processes of which one lacks something that the run wants: memory for a batch, or the time to come. Skipped
 * where there is no MPI. */
#include "tests/ranks/launch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

/* Of what this process may have: what it has now, and so many bytes more. */
static void limit_memory(pid_t process, size_t more, struct rlimit *before)
{
    char path[64];
    unsigned long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)process);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    assert_int_equal(prlimit(process, RLIMIT_AS, NULL, before), 0);
    const struct rlimit limit = {pages * (size_t)sysconf(_SC_PAGESIZE) + more, before->rlim_max};
    assert_int_equal(prlimit(process, RLIMIT_AS, &limit, NULL), 0);
}

/* At an epoch's end, where it would change at once. The run stands still there: the other rank wants no memory for
 * anything else. */
static void a_batch_that_one_has_no_room_for_is_refused_by_all(void **state)
{
    (void)state;
    const char *const run = "train --family papers --stem 256 --stages 256/16x1 --threads 1 --precision fp32 --data "
                            "synthetic --limit 32 --batch 4 --steps 10 --probe-every 0 --normalize image --session";
    char arguments[4096 + 512];
    struct rlimit before;
    int in;
    snprintf(arguments, sizeof arguments, "-n 2 %s %s tight --script -", ranks_program, run);
    struct process process = process_start_fed(arguments, &in);
    ranks_say_line(in, "at 8 pause\n");
    process_read_until(process.err, "paused at step 8");
    const pid_t other = ranks_process(process.pid, 1);
    limit_memory(other, 24 << 20, &before); /* its tensors are to take 87 MB; oneDNN dies of having nothing */
    ranks_say_line(in, "set batch 32\n");
    process_read_until(process.err, "batch stays 4: no memory for 32 (rank 1 on");
    assert_int_equal(prlimit(other, RLIMIT_AS, &before, NULL), 0);
    ranks_say_line(in, "resume\n");
    close(in);
    assert_int_equal(process_finish(&process)->status, 1); /* a command of the script could not be done */
    run_expecting(0, "-n 2 %s %s roomy", ranks_program, run);
    ranks_assert_same_weights("roomy", "tight", "10");
}

/* One that is stopped does not end: the other waits for it, and says so. */
static void who_waits_for_another_rank_says_so(void **state)
{
    (void)state;
    struct process process = ranks_start_endless("late");
    const pid_t first = ranks_process(process.pid, 0), other = ranks_process(process.pid, 1);
    assert_int_equal(kill(other, SIGSTOP), 0);
    const char *said = "";
    for (int tries = 0; !strstr(said, "it waits for its other ranks"); tries++) {
        assert_true(tries < 600);
        said = run_expecting(0, "-n 1 %s sessions show late", ranks_program)->out;
    }
    assert_non_null(strstr(said, ", waits\n"));
    process_read_until(process.err, "waits for its other ranks");
    assert_int_equal(kill(other, SIGCONT), 0);
    process_read_until(process.err, "its other ranks are there again");
    assert_int_equal(kill(first, SIGTERM), 0);
    assert_int_equal(process_finish(&process)->status, 130);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_that_one_has_no_room_for_is_refused_by_all),
        cmocka_unit_test(who_waits_for_another_rank_says_so),
    };
    if (!ranks_find_programs()) {
        puts("0 passed, 0 failed, 2 skipped");
        return 0;
    }
    return cmocka_run_group_tests(tests, ranks_setup, process_teardown);
}
