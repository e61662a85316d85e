/* Runs without a screen, on the real program: train, stop, go on. */
#include "tests/tui/process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <math.h>

/* The parts of a step are all of it, and its speed is that of its images. */
static void assert_parts_are_the_whole(const json_t *result)
{
    static const char *const names[] = {"data", "forward", "backward", "update", "probe", "other"};
    const json_t *parts = json_object_get(result, "milliseconds_by_part");
    const double whole = json_number_at(result, "milliseconds_per_step");
    double sum = 0;
    assert_int_equal(json_object_size(parts), 6);
    for (int i = 0; i < 6; i++)
        sum += json_number_at(parts, names[i]);
    assert_true(whole > 0 && fabs(sum - whole) <= 1e-5 * whole);
    assert_true(json_number_at(parts, "forward") > 0 && json_number_at(parts, "backward") > 0);
    assert_true(json_number_at(result, "images_per_second") > 0);
}

static void assert_same_results(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"step",          "train_loss", "validation_loss", "validation_accuracy",
                                       "test_accuracy", "test_loss"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])))
            print_error("%s differs\n", keys[i]);
        assert_true(json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])));
    }
}

/* ---- train ---- */

static void test_train_ends_with_its_results_as_json(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "train " TINY "--epochs 2 --session json --json");
    assert_ptr_equal(strchr(outcome->out, '\n'), outcome->out + strlen(outcome->out) - 1);
    json_t *result = last_json(outcome);
    assert_string_equal(json_text_at(result, "session"), "json");
    assert_string_equal(json_text_at(result, "state"), "finished");
    assert_int_equal((int)json_number_at(result, "step"), 16);
    assert_true(json_number_at(result, "seconds") > 0);
    assert_parts_are_the_whole(result);
    assert_true(json_number_at(result, "train_loss") > 0);
    assert_true(json_number_at(result, "test_loss") > 0);
    assert_in_range((int)(1e6 * json_number_at(result, "validation_accuracy")), 0, 1000000);
    assert_in_range((int)(1e6 * json_number_at(result, "test_accuracy")), 0, 1000000);
    assert_true(json_is_false(json_object_get(result, "diverged")));
    json_decref(result);
    assert_int_equal(access(process_path("nfbench/json/settings.ini"), R_OK), 0);
    assert_true(file_has("nfbench/json/metrics.jsonl", "\"step\":16"));
}

static void test_what_is_not_measured_is_null(void **state)
{
    (void)state;
    json_t *result = last_json(run_expecting(0, "train " TINY "--validation 0 --steps 3 --json"));
    assert_true(json_is_null(json_object_get(result, "validation_accuracy")));
    assert_true(json_is_number(json_object_get(result, "test_accuracy")));
    json_decref(result);
}

static void test_results_and_progress_keep_apart(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "train " TINY "--epochs 2 --session apart");
    assert_non_null(strstr(outcome->out, "session     apart\n"));
    assert_non_null(strstr(outcome->out, "test "));
    assert_null(strstr(outcome->out, "epoch "));
    assert_non_null(strstr(outcome->err, "epoch 1/2 "));
    assert_non_null(strstr(outcome->err, "epoch 2/2 "));
    assert_non_null(strstr(outcome->err, "CPU, 1 thread, fp32"));
    assert_null(strpbrk(outcome->err, "\r\033")); /* no terminal: no bar */
}

static void test_synthetic_images_in_place_of_data_are_told(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "train " NETWORK "--limit 64 --steps 1");
    assert_non_null(strstr(outcome->err, "note: no CIFAR data found"));
    outcome = run_expecting(0, "train " NETWORK "--limit 64 --steps 1 --data synthetic");
    assert_null(strstr(outcome->err, "note:"));
}

static void test_real_images_are_found(void **state)
{
    (void)state;
    const char *images = getenv("NFBENCH_CIFAR10");
    if (!images || access(images, R_OK) != 0) {
        print_message("SKIPPED: $NFBENCH_CIFAR10 is no folder of CIFAR-10 images\n");
        skip();
    }
    assert_int_equal(setenv("NFBENCH_DATA", images, 1), 0);
    const struct outcome *outcome = run_expecting(0, "train " NETWORK "--limit 64 --steps 1 --session real");
    assert_int_equal(unsetenv("NFBENCH_DATA"), 0);
    assert_null(strstr(outcome->err, "note:"));
    assert_non_null(strstr(outcome->err, "; CIFAR-10 in /"));
    run_expecting(0, "test real"); /* the session knows where they are */
    run_expecting(0, "train " NETWORK "--limit 64 --steps 1 --data %s", images);
}

static void test_data_that_is_not_there_leaves_no_session(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(2, "train " NETWORK "--data /nonexistent --session nowhere");
    assert_non_null(strstr(outcome->err, "/nonexistent"));
    assert_string_equal(outcome->out, "");
    assert_int_not_equal(access(process_path("nfbench/nowhere"), F_OK), 0);
    run_expecting(2, "train " TINY "--validation 50000 --session nowhere");
    assert_int_not_equal(access(process_path("nfbench/nowhere"), F_OK), 0);
}

static void test_what_cannot_train_leaves_no_session(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(2, "train " TINY "--lr 0 --session still");
    assert_non_null(strstr(outcome->err, "--lr '0': wanted a number above 0"));
    assert_int_not_equal(access(process_path("nfbench/still"), F_OK), 0);
    run_expecting(0, "train " TINY "--steps 1 --session moving");
    run_expecting(2, "resume moving --steps 2 --lr 0");
}

static void test_two_runs_give_the_same_bits(void **state)
{
    (void)state;
    json_t *first = last_json(run_expecting(0, "train " TINY "--epochs 2 --augment standard --json"));
    json_t *second = last_json(run_expecting(0, "train " TINY "--epochs 2 --augment standard --json"));
    json_t *other = last_json(run_expecting(0, "train " TINY "--epochs 2 --augment standard --seed 7 --json"));
    assert_same_results(first, second);
    assert_true(json_number_at(first, "train_loss") != json_number_at(other, "train_loss"));
    json_decref(first);
    json_decref(second);
    json_decref(other);
}

static void test_divergence_is_diagnosed(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(1, "train " TINY "--lr 1000 --session wild --json");
    assert_non_null(strstr(outcome->err, "nfbench train: diverged at step "));
    assert_non_null(strstr(outcome->err, "block"));
    json_t *result = last_json(outcome);
    assert_true(json_is_true(json_object_get(result, "diverged")));
    assert_string_equal(json_text_at(result, "state"), "diverged");
    assert_int_equal(json_integer_value(json_object_get(result, "skipped_batches")), 0);
    assert_non_null(strstr(outcome->err, "to go back: nfbench resume "));
    assert_non_null(strstr(json_text_at(result, "diagnosis"), "block"));
    assert_true(json_is_null(json_object_get(result, "train_loss")));
    const json_int_t step = json_integer_value(json_object_get(result, "step")); /* the last that was done */
    json_decref(result);
    outcome = run_expecting(0, "sessions show wild");
    assert_non_null(strstr(outcome->out, "diverged"));
    result = last_json(run_expecting(0, "sessions show wild --json"));
    assert_int_equal(json_integer_value(json_object_get(result, "step")), step);
    json_decref(result);
}

static void test_a_rollback_is_told_and_recorded(void **state)
{
    (void)state;
    const struct outcome *outcome =
        run_expecting(1, "train " TINY "--lr 1000 --on-divergence rollback --session back --json");
    assert_non_null(strstr(outcome->err, "warning: diverged at step "));
    assert_non_null(strstr(outcome->err, "which was not finite: peak lr 1000 -> 500 (rollback 1 of 5)"));
    assert_non_null(strstr(outcome->err, "nfbench train: after 5 rollbacks: diverged at step "));
    json_t *result = last_json(outcome), *finding;
    size_t i, divergences = 0;
    json_array_foreach(json_object_get(result, "findings"), i, finding) divergences +=
        strcmp(json_text_at(finding, "finding"), "divergence") == 0;
    assert_int_equal(divergences, 6);
    finding = json_array_get(json_object_get(result, "findings"), 0);
    assert_true(json_is_null(json_object_get(finding, "measured")) && json_is_null(json_object_get(finding, "limit")));
    assert_true(json_integer_value(json_object_get(finding, "since")) <=
                json_integer_value(json_object_get(finding, "step")));
    json_t *shown = last_json(run_expecting(0, "sessions show back --json"));
    assert_true(json_equal(json_object_get(shown, "findings"), json_object_get(result, "findings")));
    json_decref(shown);
    json_decref(result);
    outcome = run_expecting(0, "sessions show back");
    assert_non_null(strstr(outcome->out, "step  block    severity  finding\n"));
    assert_non_null(strstr(outcome->out, "  -        alarm     after 5 rollbacks: diverged at step "));
    run_expecting(2, "train " TINY "--on-divergence sometimes");
    run_expecting(1, "resume back --on-divergence continue"); /* may be changed; its rate is still too high */
}

/* ---- Output that cannot be written ---- */

static void test_full_disk_under_the_results(void **state)
{
    (void)state;
    struct process process = process_start("train " TINY "--steps 2 --session full --json", "/dev/full");
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 1);
    assert_non_null(strstr(outcome->err, "No space left"));
    assert_true(file_has("nfbench/full/metrics.jsonl", "finished"));
}

static void test_a_run_that_nobody_listens_to_goes_on(void **state)
{
    (void)state;
    struct process process = process_start("train " TINY "--epochs 3 --session alone --json", NULL);
    close(process.out);
    close(process.err);
    process.out = process.err = -1;
    assert_int_equal(process_finish(&process)->status, 0);
    assert_true(file_has("nfbench/alone/metrics.jsonl", "finished"));
    run_expecting(0, "test alone");
}

/* ---- Stopping and going on ---- */

/* Starts an endless run, stops it by the signal after a few steps, and returns its results. */
static json_t *interrupted_run(const char *session, int signal)
{
    char arguments[512], metrics[128];
    snprintf(arguments, sizeof arguments,
             "train " TINY "--augment standard --ema 0.9 --agc 0.02 --epochs 100000 --log-every 1 --session %s --json",
             session);
    snprintf(metrics, sizeof metrics, "nfbench/%s/metrics.jsonl", session);
    struct process process = process_start(arguments, NULL);
    wait_for_text(metrics, "\"kind\":\"step\"");
    assert_int_equal(kill(process.pid, signal), 0);
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 130);
    json_t *result = last_json(outcome);
    assert_string_equal(json_text_at(result, "state"), "stopped");
    return result;
}

static void test_interrupt_saves_and_resume_goes_on_to_the_bit(void **state)
{
    (void)state;
    json_t *stopped = interrupted_run("stopped", SIGINT);
    int steps = (int)json_number_at(stopped, "step") + 11;
    json_t *resumed = last_json(run_expecting(0, "resume stopped --steps %d --json", steps));
    json_t *whole = last_json(run_expecting(
        0, "train " TINY "--augment standard --ema 0.9 --agc 0.02 --epochs 100000 --steps %d --json", steps));
    assert_string_equal(json_text_at(resumed, "session"), "stopped");
    assert_same_results(resumed, whole);
    json_decref(stopped);
    json_decref(resumed);
    json_decref(whole);
}

static void test_terminate_saves_too(void **state)
{
    (void)state;
    json_t *stopped = interrupted_run("terminated", SIGTERM);
    char checkpoint[128];
    snprintf(checkpoint, sizeof checkpoint, "test terminated --checkpoint %d", (int)json_number_at(stopped, "step"));
    run_expecting(0, "%s", checkpoint);
    json_decref(stopped);
}

static void test_a_session_has_one_writer(void **state)
{
    (void)state;
    struct process process = process_start("train " TINY "--epochs 100000 --log-every 1 --session taken", NULL);
    wait_for_text("nfbench/taken/metrics.jsonl", "\"kind\":\"step\"");
    char owner[40];
    snprintf(owner, sizeof owner, "%d", (int)process.pid);
    const struct outcome *outcome = run_expecting(1, "resume taken");
    assert_non_null(strstr(outcome->err, owner));
    assert_int_equal(kill(process.pid, SIGINT), 0);
    assert_int_equal(process_finish(&process)->status, 130);
    run_expecting(0, "resume taken --steps 1");
}

static int count_in_file(const char *name, const char *text)
{
    char line[4096];
    int count = 0;
    FILE *file = fopen(process_path(name), "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        count += strstr(line, text) != NULL;
    fclose(file);
    return count;
}

static void test_resume_of_a_finished_run_says_so_and_adds_nothing(void **state)
{
    (void)state;
    json_t *trained = last_json(run_expecting(0, "train " TINY "--epochs 1 --session done --json"));
    const int rows = count_in_file("nfbench/done/metrics.jsonl", "\"kind\":\"epoch\"");
    const struct outcome *outcome = run_expecting(0, "resume done");
    assert_string_equal(outcome->out, "session done: finished at step 8 of 8; --epochs M goes on further\n");
    assert_string_equal(outcome->err, "");
    outcome = run_expecting(0, "resume done --json");
    assert_string_equal(outcome->err, "session done: finished at step 8 of 8; --epochs M goes on further\n");
    json_t *resumed = last_json(outcome);
    assert_same_results(trained, resumed);
    assert_string_equal(json_text_at(resumed, "state"), "finished");
    assert_true(json_is_null(json_object_get(resumed, "images_per_second")));
    assert_true(json_is_null(json_object_get(resumed, "milliseconds_per_step")));
    assert_true(json_is_null(json_object_get(resumed, "milliseconds_by_part")));
    assert_int_equal(count_in_file("nfbench/done/metrics.jsonl", "\"kind\":\"epoch\""), rows);
    json_decref(resumed);
    assert_non_null(strstr(run_expecting(0, "sessions show done")->out, "finished"));
    outcome = run_expecting(2, "resume done --momentum 0.3 --log-every 1");
    assert_non_null(strstr(outcome->err, "--momentum: all 8 steps are done: give --epochs M with it\n"));
    run_expecting(2, "resume done --lr 0.3 --epochs 1");
    assert_int_equal(count_in_file("nfbench/done/commands.jsonl", "command"), 0);
    run_expecting(0, "resume done --log-every 7 --momentum 0.9");
    assert_int_equal(count_in_file("nfbench/done/commands.jsonl", "set log-every"), 1);
    resumed = last_json(run_expecting(0, "resume done --epochs 2 --json"));
    assert_int_equal((int)json_number_at(resumed, "step"), 16);
    json_decref(resumed);
    json_decref(trained);
}

/* Stopped with all steps it is now asked for behind it: the results are still to be measured. */
static void test_resume_measures_what_was_not_measured(void **state)
{
    (void)state;
    json_t *stopped = interrupted_run("unmeasured", SIGINT);
    const int step = (int)json_number_at(stopped, "step");
    const struct outcome *outcome = run_expecting(0, "resume unmeasured --steps %d --json", step);
    assert_null(strstr(outcome->err, " 0 images/s"));
    json_t *resumed = last_json(outcome);
    assert_int_equal((int)json_number_at(resumed, "step"), step);
    assert_true(json_number_at(resumed, "test_loss") > 0);
    json_decref(resumed);
    json_decref(stopped);
}

static void test_more_epochs_end_the_limit_of_steps(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--epochs 1 --steps 3 --session short");
    json_t *resumed = last_json(run_expecting(0, "resume short --epochs 2 --json"));
    assert_int_equal((int)json_number_at(resumed, "step"), 16);
    json_decref(resumed);
}

static void test_a_new_learning_rate_is_recorded(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--epochs 1 --session rate");
    const struct outcome *outcome = run_expecting(0, "resume rate --epochs 2 --lr 0.0125");
    assert_non_null(strstr(outcome->err, "0.0125"));
    assert_true(file_has("nfbench/rate/commands.jsonl", "lr 0.0125"));
}

/* The settings are as the run began: its length is changed by a command with its step, and stays so. */
static void test_a_new_length_is_recorded(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--epochs 1 --session length");
    run_expecting(0, "resume length --epochs 2");
    assert_true(file_has("nfbench/length/commands.jsonl", "epochs 1 -> 2; the run ends at step 16"));
    assert_true(file_has("nfbench/length/settings.ini", "epochs = 1"));
    json_t *shown = last_json(run_expecting(0, "sessions show length --json"));
    assert_string_equal(json_text_at(json_object_get(shown, "settings_now"), "epochs"), "2");
    json_decref(shown);
    assert_non_null(strstr(run_expecting(0, "resume length")->out, "finished at step 16 of 16"));
    run_expecting(0, "resume length --steps 20 --epochs 3");
    assert_non_null(strstr(run_expecting(0, "resume length --epochs 3")->err, "steps 20 to 24"));
}

/* Both at once, in the middle of an epoch, which ends with the batch of before. */
static void test_a_new_length_is_that_of_the_new_batch(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--epochs 2 --steps 5 --session both");
    const struct outcome *outcome = run_expecting(0, "resume both --batch 8 --epochs 3 --json");
    assert_non_null(strstr(outcome->err, ", 8 an epoch until batch 8 comes\n"));
    json_t *resumed = last_json(outcome);
    assert_int_equal((int)json_number_at(resumed, "step"), 8 + 2 * 16);
    json_decref(resumed);
    assert_true(file_has("nfbench/both/commands.jsonl", "; the run ends at step 40"));
}

static void test_resume_keeps_what_the_session_is(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(1, "resume no-such-session");
    assert_non_null(strstr(outcome->err, "no-such-session"));
    run_expecting(0, "train " TINY "--epochs 1 --session kept");
    run_expecting(2, "resume kept --lr nothing");
    run_expecting(2, "resume kept --preset report");
    outcome = run_expecting(1, "resume kept --epochs 2 --data /nonexistent");
    assert_non_null(strstr(outcome->err, "--data DIR"));
    assert_true(file_has("nfbench/kept/settings.ini", "data = synthetic"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_test(test_train_ends_with_its_results_as_json),
        process_test(test_what_is_not_measured_is_null),
        process_test(test_results_and_progress_keep_apart),
        process_test(test_synthetic_images_in_place_of_data_are_told),
        process_test(test_real_images_are_found),
        process_test(test_data_that_is_not_there_leaves_no_session),
        process_test(test_what_cannot_train_leaves_no_session),
        process_test(test_two_runs_give_the_same_bits),
        process_test(test_divergence_is_diagnosed),
        process_test(test_a_rollback_is_told_and_recorded),
        process_test(test_full_disk_under_the_results),
        process_test(test_a_run_that_nobody_listens_to_goes_on),
        process_test(test_interrupt_saves_and_resume_goes_on_to_the_bit),
        process_test(test_terminate_saves_too),
        process_test(test_a_session_has_one_writer),
        process_test(test_resume_of_a_finished_run_says_so_and_adds_nothing),
        process_test(test_resume_measures_what_was_not_measured),
        process_test(test_more_epochs_end_the_limit_of_steps),
        process_test(test_a_new_learning_rate_is_recorded),
        process_test(test_a_new_length_is_recorded),
        process_test(test_a_new_length_is_that_of_the_new_batch),
        process_test(test_resume_keeps_what_the_session_is),
    };
    return cmocka_run_group_tests(tests, process_setup, process_teardown);
}
