/* `nfbench replay`: whatever a person did to a run, it is made again with the bits that were logged; what is another is
 * told with its step, and nothing is written into the session. */
#include "tests/tui/process.h"

#include "sessions/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* 8 steps an epoch, each logged. */
#define RUN "train " TINY "--epochs 2 --log-every 1 "

static void write_script(const char *name, const char *lines)
{
    FILE *script = fopen(process_path(name), "w");
    assert_non_null(script);
    fputs(lines, script);
    assert_int_equal(fclose(script), 0);
}

static void assert_identical(const char *session, long step)
{
    char expected[128];
    const struct outcome *outcome = run_expecting(0, "replay %s", session);
    snprintf(expected, sizeof expected, "session %s: identical through step %ld (", session, step);
    if (!strstr(outcome->out, expected))
        fail_msg("wanted '%s', got '%s'", expected, outcome->out);
}

/* Names, sizes and times of all that is in a folder, as one number. */
static uint32_t fingerprint;

static int add_file(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)type, (void)place;
    const long long times[] = {status->st_mtim.tv_sec, status->st_mtim.tv_nsec, status->st_size};
    fingerprint = fingerprint * 31 + crc32c(path, strlen(path)) + crc32c(times, sizeof times);
    return 0;
}

static uint32_t fingerprint_of(const char *session)
{
    char name[128];
    snprintf(name, sizeof name, "nfbench/%s", session);
    fingerprint = 0;
    assert_int_equal(nftw(process_path(name), add_file, 8, FTW_PHYS), 0);
    return fingerprint;
}

static void a_run_is_identical_and_left_alone(void **state)
{
    (void)state;
    run_expecting(0, RUN "--ema 0.9 --agc 0.02 --augment standard --schedule onecycle --dropout 0.2 "
                         "--stochastic-depth 0.2 --session plain");
    const uint32_t before = fingerprint_of("plain");
    assert_identical("plain", 16);
    json_t *found = last_json(run_expecting(0, "replay plain --to 11 --json"));
    assert_true(json_is_true(json_object_get(found, "identical")));
    assert_int_equal((int)json_number_at(found, "through"), 11);
    assert_int_equal((int)json_number_at(found, "steps_compared"), 11);
    assert_int_equal((int)json_number_at(found, "epochs_compared"), 1);
    assert_true(json_is_null(json_object_get(found, "first_difference")));
    assert_int_equal(json_array_size(json_object_get(found, "platform_differs")), 0);
    json_decref(found);
    assert_int_equal(fingerprint_of("plain"), before);
    assert_non_null(strstr(run_expecting(2, "replay plain --to 17")->err, "--to"));
    run_expecting(1, "replay nothing");
}

/* "Identical" is said of figures that were compared, never of none. */
static void nothing_to_compare_is_no_success(void **state)
{
    (void)state;
    run_expecting(0, RUN "--log-every 3 --session sparse");
    assert_non_null(strstr(run_expecting(2, "replay sparse --to 2")->err, "--to"));
    assert_non_null(strstr(run_expecting(0, "replay sparse --to 3")->out, "(1 records of steps"));
}

static void what_was_commanded_is_commanded_again(void **state)
{
    (void)state;
    write_script("much", "at 2 set momentum 0.5\n"
                         "at 3 lr x0.5\n"
                         "at 4 undo\n"
                         "at 5 set batch 24\n"
                         "at 6 eval\n"
                         "at 9 set augment report\n"
                         "at 10 set schedule cosine\n"
                         "at 11 set epochs 3\n"
                         "when loss < 100 set weight-decay 0.001\n"
                         "when val-accuracy >= 0 set label-smoothing 0.2\n"
                         "at 40 note never\n"
                         "cancel 11\n");
    run_expecting(0, RUN "--ema 0.9 --script much --session much");
    assert_identical("much", 20); /* 8 steps, then two epochs of 6 */
}

/* What was undone is in no log. */
static void where_a_run_went_back_it_is_the_last_way(void **state)
{
    (void)state;
    write_script("first", "at 5 save five\nat 6 lr 0.01\nat 9 quit\n");
    write_script("second", "back 6\ncancel all\nset momentum 0.3\nresume\nat 11 lr 0.02\nat 12 quit\n");
    write_script("third", "back 11\ncancel all\nlr x2\nback\nresume\nat 14 quit\n");
    run_expecting(130, RUN "--script first --session ways");
    run_expecting(130, "resume ways --script second");
    assert_identical("ways", 12);
    run_expecting(130, "resume ways --script third");
    assert_identical("ways", 14);
    run_expecting(130, "resume ways --checkpoint five");
    assert_identical("ways", 9);
    assert_true(file_has("nfbench/ways/commands.jsonl", "save five"));
    assert_false(file_has("nfbench/ways/commands.jsonl", "momentum"));
}

/* What is accepted is a change like any other; what was only tried is in no step. */
static void an_accepted_trial_is_made_again(void **state)
{
    (void)state;
    write_script("tried", "try momentum 0.1 0.5 for 3\naccept 0.5\nat 9 quit\n");
    write_script("tried-again", "try lr x0.5 x2 for 4\naccept 2\ntry agc 0.1 for 2\ndrop\nat 12 quit\n");
    run_expecting(130, RUN "--script tried --session tries");
    assert_true(file_has("nfbench/tries/commands.jsonl", "\"command\":\"set momentum 0.5\""));
    assert_identical("tries", 9);
    run_expecting(130, "resume tries --script tried-again"); /* both tries are whole: accept and drop await their end */
    assert_true(file_has("nfbench/tries/commands.jsonl", "accepted: lr 0.05 -> 0.1"));
    assert_true(file_has("nfbench/tries/commands.jsonl", "tried agc 0.1 for 2 steps: loss"));
    assert_false(file_has("nfbench/tries/commands.jsonl", "cut short"));
    assert_identical("tries", 12);
    run_expecting(0, "resume tries");
    assert_identical("tries", 16);
    run_expecting(0, "fork tries --at 11 --name tries-child --lr 0.02");
    run_expecting(130, "resume tries-child"); /* `at 12 quit` waits there, too */
    run_expecting(0, "resume tries-child");
    assert_identical("tries-child", 16);
}

/* From behind and from ahead: the records of then, and the commands of then that still waited, are the run's. */
static void what_was_loaded_by_name_is_the_way(void **state)
{
    (void)state;
    write_script("saving", "at 6 save six\nat 9 quit\n");
    write_script("other", "back 4\ncancel all\nlr 0.01\nresume\nat 5 quit\n");
    write_script("ahead", "load six\nset momentum 0.3\nresume\nat 11 quit\n");
    write_script("behind", "load six\ncancel all\ntry lr x0.5 x2 for 3\naccept 1\nresume\nat 12 quit\n");
    run_expecting(130, RUN "--script saving --session loads");
    run_expecting(130, "resume loads --script other");
    run_expecting(130, "resume loads --script ahead"); /* from step 5 */
    assert_identical("loads", 9);                      /* where it was to end when it was saved */
    run_expecting(130, "resume loads");
    assert_identical("loads", 11);
    run_expecting(130, "resume loads --script behind");
    assert_false(file_has("nfbench/loads/commands.jsonl", "momentum"));
    assert_identical("loads", 12);
    run_expecting(0, "fork loads --at 10 --name loads-child");
    run_expecting(130, "resume loads-child");
    run_expecting(0, "resume loads-child");
    assert_identical("loads-child", 16);
    run_expecting(0, "resume loads");
    assert_identical("loads", 16);
}

/* Commands over a pipe; killed when the last of them is recorded, and gone on with for some steps. */
static void kill_behind(const char *session, const char *call, const char *commands, const char *last)
{
    char name[128], line[64];
    int in;
    struct process process = process_start_fed(call, commands, &in);
    snprintf(name, sizeof name, "nfbench/%s/commands.jsonl", session);
    wait_for_text(name, last);
    assert_int_equal(kill(process.pid, SIGKILL), 0);
    assert_int_equal(process_finish(&process)->status, 128 + SIGKILL);
    close(in);
    json_t *shown = last_json(run_expecting(0, "sessions show %s --json", session));
    const long end = (long)json_number_at(shown, "step") + 5;
    json_decref(shown);
    snprintf(line, sizeof line, "at 700000 note 1\ncancel all\nat %ld quit\n", end); /* so that one waits in any case */
    write_script("a-few-more", line);
    run_expecting(130, "resume %s --script a-few-more", session);
    assert_identical(session, end);
}

static void who_is_killed_behind_them_goes_on_with_them(void **state)
{
    (void)state;
    write_script("six", "at 6 save six\nat 9 quit\n");
    run_expecting(130, RUN "--epochs 100000 --script six --session killed");
    kill_behind("killed", "resume killed --script -", "load six\n", "at step 6 as saved in six");
    kill_behind("killed", "resume killed --script -", "load six\ntry momentum 0.1 0.5 for 3\naccept 1\n", "accepted: ");
    assert_true(file_has("nfbench/killed/commands.jsonl", "at step 6 as saved in six"));
    kill_behind("killed", "resume killed --script -",
                "pause\ntry lr x0.5 x2 for 4\naccept 1\nstep 3\nsave here\nset agc 0.05\n", "set agc 0.05");
    assert_true(file_has("nfbench/killed/commands.jsonl", "accepted: lr 0.05 -> 0.025"));
    assert_false(file_has("nfbench/killed/commands.jsonl", "cut short"));
}

/* At half the rate from the checkpoint on. */
static void a_rollback_is_made_again(void **state)
{
    (void)state;
    run_expecting(0, RUN "--epochs 1 --agc 0 --session behind");
    run_expecting(0, "resume behind --epochs 2 --checkpoint-every 3 --lr 6 --on-divergence rollback");
    assert_true(file_has("nfbench/behind/commands.jsonl", "rollback 1 of"));
    assert_identical("behind", 16);
}

static void resumes_with_other_settings_are_made_again(void **state)
{
    (void)state;
    run_expecting(0, RUN "--schedule cosine --session resumed");
    run_expecting(0, "resume resumed --epochs 3 --lr 0.02 --threads 2");
    run_expecting(0, "resume resumed --steps 30 --epochs 4 --threads 1 --precision bf16");
    const struct outcome *outcome = run_expecting(0, "replay resumed");
    assert_non_null(strstr(outcome->out, "identical through step 30 (30 records of steps and 4 of evaluations"));
    assert_non_null(strstr(outcome->err, "steps 1 to 16, on CPU, 1 thread, fp32"));
    assert_non_null(strstr(outcome->err, "steps 17 to 24, on CPU, 2 threads, fp32"));
    assert_non_null(strstr(outcome->err, "steps 25 to 30, on CPU, 1 thread, bf16"));
    assert_identical("resumed", 30);
}

static void forks_and_imported_weights(void **state)
{
    (void)state;
    run_expecting(0, RUN "--session parent");
    run_expecting(0, "fork parent --at 11 --lr 0.01 --epochs 3 --name child");
    run_expecting(0, "resume child");
    const struct outcome *outcome = run_expecting(0, "replay child");
    assert_non_null(strstr(outcome->out, "from the beginning of parent, whose fork it is: up to step 11 its steps"));
    assert_non_null(strstr(outcome->out, "session child: identical through step 24"));
    run_expecting(0, "import nfbench/parent/checkpoints/16.safetensors " TINY "--session foreign");
    run_expecting(0, "resume foreign --epochs 3 --log-every 1");
    outcome = run_expecting(0, "replay foreign");
    assert_non_null(strstr(outcome->out, "from the imported weights that it began with"));
    assert_non_null(strstr(outcome->out, "session foreign: identical through step 24"));
    assert_int_equal(remove(process_path("nfbench/foreign/checkpoints/imported.safetensors")), 0);
    outcome = run_expecting(0, "replay foreign");
    assert_non_null(strstr(outcome->out, "from its checkpoint of step 16"));
    assert_non_null(strstr(outcome->out, "identical through step 24 (8 records of steps and 1 of evaluations"));
}

/* Puts another value into the record of a step or an epoch, with a checksum that fits. */
static void forge(const char *session, const char *kind, long step, const char *figure, const char *value)
{
    char name[128], line[4096], start[64], member[64];
    snprintf(name, sizeof name, "nfbench/%s/metrics.jsonl", session);
    snprintf(start, sizeof start, "{\"kind\":\"%s\",\"step\":%ld,", kind, step);
    snprintf(member, sizeof member, "\"%s\":", figure);
    FILE *from = fopen(process_path(name), "r"), *to = fopen(process_path("forged"), "w");
    assert_non_null(from);
    assert_non_null(to);
    while (fgets(line, sizeof line, from)) {
        char *at = strncmp(line, start, strlen(start)) == 0 ? strstr(line, member) : NULL;
        if (!at) {
            fputs(line, to);
            continue;
        }
        char forged[4096];
        *strstr(line, ",\"crc\"") = '\0';
        snprintf(forged, sizeof forged, "%.*s%s%s", (int)(at + strlen(member) - line), line, value,
                 strchr(at + strlen(member), ','));
        fprintf(to, "%s,\"crc\":\"%08x\"}\n", forged, crc32c(forged, strlen(forged)));
    }
    assert_int_equal(fclose(from) + fclose(to), 0);
    assert_int_equal(rename(process_path("forged"), process_path(name)), 0);
}

static void the_first_difference_is_told(void **state)
{
    (void)state;
    run_expecting(0, RUN "--session changed");
    forge("changed", "epoch", 16, "test_loss", "0.5");
    const struct outcome *outcome = run_expecting(1, "replay changed");
    assert_non_null(strstr(outcome->out, "first difference: step 16, test_loss 0.5 logged, "));
    forge("changed", "step", 12, "gradient_norm", "1.25");
    forge("changed", "step", 9, "loss", "2.5");
    outcome = run_expecting(1, "replay changed");
    assert_non_null(strstr(outcome->out, "first difference: step 9, loss 2.5 logged, "));
    assert_non_null(strstr(outcome->out, "(relative difference "));
    assert_null(strstr(outcome->out, "identical"));
    json_t *found = last_json(run_expecting(1, "replay changed --json"));
    const json_t *first = json_object_get(found, "first_difference");
    assert_true(json_is_false(json_object_get(found, "identical")));
    assert_int_equal((int)json_number_at(found, "through"), 9); /* it ends there */
    assert_int_equal((int)json_number_at(first, "step"), 9);
    assert_string_equal(json_text_at(first, "figure"), "loss");
    assert_true(json_number_at(first, "logged") == 2.5);
    assert_true(json_number_at(first, "relative") > 0);
    json_decref(found);
    run_expecting(0, "replay changed --to 8");
}

/* In another precision the bits are others: it says why, goes on, and tells how far they come apart. */
static void on_another_platform_it_goes_on(void **state)
{
    (void)state;
    run_expecting(0, RUN "--session exact");
    const struct outcome *outcome = run_expecting(1, "replay exact --precision bf16");
    assert_non_null(strstr(outcome->err, "note: the bits may be others: precision fp32 then, bf16 now"));
    assert_non_null(strstr(outcome->out, "first difference: step 1, "));
    assert_non_null(strstr(outcome->out, "largest difference of a loss: step "));
    assert_non_null(strstr(outcome->out, "it may come of this: precision fp32 then, bf16 now"));
    json_t *found = last_json(run_expecting(1, "replay exact --precision bf16 --json"));
    assert_int_equal((int)json_number_at(found, "through"), 16);
    assert_int_equal(json_array_size(json_object_get(found, "platform_differs")), 1);
    assert_true(json_number_at(json_object_get(found, "largest_difference"), "relative") < 0.1);
    json_decref(found);
    struct process process = process_start("replay exact --threads 2", NULL); /* whose bits may be the same */
    outcome = process_finish(&process);
    assert_in_range(outcome->status, 0, 1);
    assert_non_null(strstr(outcome->err, "note: the bits may be others: threads 1 then, 2 now"));
}

/* A session of a few steps, whose log has one of a step that lies far ahead: its replay does not come to an end. */
static void make_endless(const char *session)
{
    static const char record[] = "{\"kind\":\"step\",\"step\":700000,\"epoch\":87500,\"loss\":1,\"accuracy\":1,"
                                 "\"lr\":1,\"gradient_norm\":1,\"clipped_units\":0,\"seconds\":1,"
                                 "\"images_per_second\":1";
    char name[128], arguments[512];
    snprintf(name, sizeof name, "nfbench/%s/metrics.jsonl", session);
    snprintf(arguments, sizeof arguments, "train " TINY "--epochs 100000 --log-every 1 --session %s", session);
    struct process process = process_start(arguments, NULL);
    wait_for_text(name, "\"kind\":\"step\"");
    assert_int_equal(kill(process.pid, SIGINT), 0);
    assert_int_equal(process_finish(&process)->status, 130);
    FILE *log = fopen(process_path(name), "a");
    assert_non_null(log);
    fprintf(log, "%s,\"crc\":\"%08x\"}\n", record, crc32c(record, strlen(record)));
    assert_int_equal(fclose(log), 0);
}

static void it_can_be_interrupted(void **state)
{
    (void)state;
    char line[256] = "";
    make_endless("endless");
    struct process process = process_start("replay endless --json", NULL);
    for (size_t used = 0; !strchr(line, '\n') && used < sizeof line - 1; used++) /* what it is going to do */
        assert_int_equal(read(process.err, line + used, 1), 1);
    assert_non_null(strstr(line, "steps 1 to 700000"));
    assert_int_equal(kill(process.pid, SIGINT), 0);
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 130);
    json_t *found = last_json(outcome);
    assert_true(json_number_at(found, "through") < 700000);
    assert_true(json_is_true(json_object_get(found, "identical")));
    json_decref(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_test(a_run_is_identical_and_left_alone),
        process_test(nothing_to_compare_is_no_success),
        process_test(what_was_commanded_is_commanded_again),
        process_test(where_a_run_went_back_it_is_the_last_way),
        process_test(an_accepted_trial_is_made_again),
        process_test(what_was_loaded_by_name_is_the_way),
        process_test(who_is_killed_behind_them_goes_on_with_them),
        process_test(a_rollback_is_made_again),
        process_test(resumes_with_other_settings_are_made_again),
        process_test(forks_and_imported_weights),
        process_test(the_first_difference_is_told),
        process_test(on_another_platform_it_goes_on),
        process_test(it_can_be_interrupted),
    };
    return cmocka_run_group_tests(tests, process_setup, process_teardown);
}
