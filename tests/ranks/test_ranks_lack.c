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

#include <cmocka.h>

/* At an epoch's end, where it changes at once. The tensors of 4 images take 13 MB of a rank, those of 32 take 88. */
static void a_batch_that_one_has_no_room_for_is_refused_by_all(void **state)
{
    (void)state;
    const char *const run = "train --family papers --stem 256 --stages 256/16x1 --threads 1 --precision fp32 --data "
                            "synthetic --limit 32 --batch 4 --steps 10 --probe-every 0 --normalize image --session";
    const char *const script = process_path("larger.nfb");
    FILE *file = fopen(script, "w");
    assert_non_null(file);
    assert_true(fputs("at 8 set batch 32\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_true(*ranks_no_room);
    const struct outcome *outcome = /* 1: a command of the script could not be done */
        run_expecting(1, "-n 2 env LD_PRELOAD=%s TEST_ROOM=48000000 %s %s tight --script %s", ranks_no_room,
                      ranks_program, run, script);
    assert_non_null(strstr(outcome->err, "step 8  at 8 set batch 32: batch stays 4: no memory for 32 (rank 1 on"));
    run_expecting(0, "-n 2 %s %s roomy", ranks_program, run);
    ranks_assert_same_weights("roomy", "tight", "10");
}

/* One that is stopped does not end: the other waits for it, and says so, wherever in a step that was. Its patience is
 * the longer the later the other was before, on a busy machine. */
static void who_waits_for_another_rank_says_so(void **state)
{
    (void)state;
    struct process process = ranks_start_endless("late");
    const pid_t first = ranks_process(process.pid, 0), other = ranks_process(process.pid, 1);
    assert_int_equal(kill(other, SIGSTOP), 0);
    const char *said = "";
    for (int tries = 0; !strstr(said, "it waits for its other ranks"); tries++) {
        assert_true(tries < 100000);
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
