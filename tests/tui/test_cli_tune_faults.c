/* Tunes that diverge, crash, are stopped, killed, resumed, and shared by several processes. */
#include "tests/tui/tuned.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- Faults ---- */

static void a_trial_that_diverges_is_a_result(void **state)
{
    (void)state;
    const struct outcome *outcome =
        run_expecting(0, "tune " SHARED "--lr 0.01,1000 --batch 16 --epochs 2 --name wild --png wild.png");
    assert_non_null(strstr(outcome->out, "diverged at step "));
    assert_non_null(strstr(outcome->out, "lr 1000: diverged at step "));
    assert_non_null(strstr(outcome->err, "lr 1000: diverged at step "));
    assert_non_null(strstr(outcome->err, "lr 0.01: finished"));
    json_t *tune = tune_shown("wild");
    const json_t *trial = tune_trial(tune, 1);
    assert_string_equal(json_text_at(trial, "state"), "diverged");
    assert_true(json_number_at(trial, "step") < 6);
    assert_non_null(strstr(json_text_at(trial, "why"), "left the finite range first"));
    json_decref(tune);
}

/* The process that trains the session: its lock names it. Waits until it is another than `before`. */
static pid_t trainer_of(const char *session, pid_t before)
{
    const struct timespec moment = {.tv_nsec = 20000000};
    char name[128];
    snprintf(name, sizeof name, "nfbench/%s/lock", session);
    for (int i = 0; i < 9000; i++, nanosleep(&moment, NULL)) {
        FILE *file = fopen(process_path(name), "r");
        long pid = 0;
        const bool read = file && fscanf(file, "%ld", &pid) == 1;
        if (file)
            fclose(file);
        if (read && pid > 0 && pid != before && kill((pid_t)pid, 0) == 0)
            return (pid_t)pid;
    }
    fail_msg("nobody trains %s", session);
    return 0;
}

/* Of a child whose parent has ended, and which is this process's since (process_setup). */
static void wait_for_end_of(pid_t pid)
{
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_crash_is_tried_again_once(void **state)
{
    (void)state;
    struct process process =
        process_start("tune " SHARED "--lr 0.01 --batch 8,16 --epochs 40000 --checkpoint-every 1 --name crash", NULL);
    const char *session = "crash-batch8";
    wait_for_text("nfbench/crash-batch8/metrics.jsonl", "\"step\":20,");
    pid_t child = trainer_of(session, 0);
    kill(child, SIGKILL);
    child = trainer_of(session, child);
    wait_for_text("nfbench/crash.tune/trial-1.json", "\"crashes\":1");
    kill(child, SIGKILL);
    wait_for_text("nfbench/crash.tune/trial-1.json", "\"crashes\":2");
    assert_true(file_has("nfbench/crash.tune/trial-1.json", "killed by signal 9"));
    /* the other one goes on */
    wait_for_text("nfbench/crash-batch16/metrics.jsonl", "\"epoch\":2");
    kill(process.pid, SIGINT);
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 130);
    assert_non_null(strstr(outcome->err, "nfbench tune --resume crash goes on\n"));
    assert_non_null(strstr(outcome->err, "batch 8: failed: its process was killed by signal 9 (Killed) behind step "));
    json_t *tune = tune_shown("crash");
    assert_string_equal(json_text_at(tune_trial(tune, 0), "state"), "failed");
    assert_string_equal(json_text_at(tune_trial(tune, 1), "state"), "waiting");
    assert_false(json_is_true(json_object_get(tune, "complete")));
    json_decref(tune);
}

/* Who stops a trial, from a screen that is attached or by a signal to its process, wants no more of it. */
static void a_trial_stopped_by_hand_stays_so_until_a_retry(void **state)
{
    (void)state;
    struct process process = process_start("tune " SHARED "--lr 0.01 --batch 48 --epochs 150,2 --name hand", NULL);
    wait_for_text("nfbench/hand-epochs150/metrics.jsonl", "\"step\":1,");
    kill(trainer_of("hand-epochs150", 0), SIGINT);
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 1);
    assert_non_null(strstr(outcome->err, "epochs 150: failed: stopped by hand at step "));
    assert_non_null(strstr(outcome->err, "epochs 2: finished"));
    assert_non_null(
        strstr(outcome->err, "1 of 2 trials failed: `nfbench tune --resume hand --retry` tries them again"));
    outcome = run_expecting(1, "tune --resume hand --jobs 2");
    assert_non_null(
        strstr(outcome->err, "1 of 2 trials failed: `nfbench tune --resume hand --jobs 2 --retry` tries them again"));
    run_expecting(0, "tune --resume hand --retry");
    json_t *tune = tune_shown("hand");
    assert_int_equal(tune_in_state(tune, "finished"), 2);
    json_decref(tune);
}

static void what_goes_on_is_said_with_its_jobs(void **state)
{
    (void)state;
    struct process process =
        process_start("tune " SHARED "--lr 0.01 --batch 8,16 --epochs 4000 --name two --jobs 2", NULL);
    wait_for_text("nfbench/two-batch8/metrics.jsonl", "\"step\":5,");
    kill(process.pid, SIGINT);
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 130);
    assert_non_null(strstr(outcome->err, "nfbench tune --resume two --jobs 2 goes on\n"));
}

/* Everything is killed while the second trial trains; the first is not done again, the second goes on, and the figures
 * are those of a tune that nobody killed. */
static void a_killed_tune_goes_on(void **state)
{
    (void)state;
    static const char *const keys[] = {"best_accuracy", "accuracy", "train_loss", "test_accuracy"};
    const char *command = "tune " SHARED "--lr 0.01 --batch 48 --epochs 2,90 --name %s";
    char text[512];
    snprintf(text, sizeof text, command, "killed");
    struct process process = process_start(text, NULL);
    wait_for_text("nfbench/killed-epochs90/metrics.jsonl", "\"epoch\":2");
    const pid_t child = trainer_of("killed-epochs90", 0);
    kill(process.pid, SIGKILL);
    kill(child, SIGKILL);
    assert_int_equal(process_finish(&process)->status, 128 + SIGKILL);
    wait_for_end_of(child);
    const struct stat before = tune_stat("nfbench/killed-epochs2/metrics.jsonl");
    assert_int_equal(tune_times_in(tune_file("nfbench/killed.tune/trial-2.log"), ": steps 0 to "), 1);

    run_expecting(0, "tune --resume killed");
    const struct stat after = tune_stat("nfbench/killed-epochs2/metrics.jsonl");
    assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof before.st_mtim);
    run_expecting(0, command, "unharmed");
    json_t *killed = tune_shown("killed"), *unharmed = tune_shown("unharmed");
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            assert_true(json_number_at(tune_trial(killed, i), keys[k]) ==
                        json_number_at(tune_trial(unharmed, i), keys[k]));
        assert_true(json_equal(json_object_get(tune_trial(killed, i), "accuracies"),
                               json_object_get(tune_trial(unharmed, i), "accuracies")));
    }
    json_decref(unharmed);
    json_decref(killed);
}

/* A child whose parent is gone saves and ends, and nobody else takes its trial before. */
static void a_child_ends_with_its_parent(void **state)
{
    (void)state;
    struct process process = process_start("tune " SHARED "--lr 0.01 --batch 8,16 --epochs 4000 --name orphan", NULL);
    wait_for_text("nfbench/orphan-batch8/metrics.jsonl", "\"step\":20,");
    const pid_t child = trainer_of("orphan-batch8", 0);
    kill(process.pid, SIGKILL);
    assert_int_equal(process_finish(&process)->status, 128 + SIGKILL);
    wait_for_end_of(child);
    wait_for_text("nfbench/orphan-batch8/metrics.jsonl", "\"state\":\"stopped\"");
}

/* ---- Many processes ---- */

static void two_processes_share_a_tune(void **state)
{
    (void)state;
    const char *command = "tune " SHARED "--lr 0.01,0.02,0.03 --batch 8,16 --epochs 3 --name shared";
    struct process one = process_start(command, NULL), two = process_start(command, NULL);
    assert_int_equal(process_finish(&one)->status, 0);
    assert_int_equal(process_finish(&two)->status, 0);
    json_t *tune = tune_shown("shared");
    assert_int_equal(tune_in_state(tune, "finished"), 6);
    json_decref(tune);
    for (int i = 1; i <= 6; i++) {
        char name[64];
        snprintf(name, sizeof name, "nfbench/shared.tune/trial-%d.log", i);
        assert_int_equal(tune_times_in(tune_file(name), ": steps 0 to "), 1);
        snprintf(name, sizeof name, "nfbench/shared.tune/trial-%d.json", i);
        assert_int_not_equal(access(process_path(name), F_OK), 0); /* nothing went wrong */
    }
}

static void only_the_first_rank_speaks(void **state)
{
    (void)state;
    setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
    setenv("OMPI_COMM_WORLD_RANK", "1", 1);
    const struct outcome *outcome =
        run_expecting(0, "tune " SHARED "--lr 0.01 --batch 8,16 --steps 2 --name rank --json");
    assert_string_equal(outcome->out, "");
    assert_string_equal(outcome->err, "");
    setenv("OMPI_COMM_WORLD_RANK", "0", 1);
    json_t *tune = last_json(run_expecting(0, "tune " SHARED "--lr 0.01 --batch 8,16 --steps 2 --name rank --json"));
    unsetenv("OMPI_COMM_WORLD_RANK");
    unsetenv("OMPI_COMM_WORLD_SIZE");
    assert_int_equal(tune_in_state(tune, "finished"), 2);
    json_decref(tune);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_test(a_trial_that_diverges_is_a_result),
        process_test(a_crash_is_tried_again_once),
        process_test(a_trial_stopped_by_hand_stays_so_until_a_retry),
        process_test(what_goes_on_is_said_with_its_jobs),
        process_test(a_killed_tune_goes_on),
        process_test(a_child_ends_with_its_parent),
        process_test(two_processes_share_a_tune),
        process_test(only_the_first_rank_speaks),
    };
    return cmocka_run_group_tests_name("a tune that is disturbed", tests, process_setup, process_teardown);
}
