/* `nfbench tune --list` and `--rm`, and the trials of tunes among the sessions: what is a tune's own goes with it, and
 * nothing else. */
#include "tests/tui/tuned.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SHORT SHARED "--batch 48 --steps 1 "

static bool is_there(const char *name)
{
    return access(process_path(name), F_OK) == 0;
}

/* The tune of that name in the list. */
static const json_t *listed(const json_t *list, const char *name)
{
    const json_t *tunes = json_object_get(list, "tunes");
    for (size_t i = 0; i < json_array_size(tunes); i++)
        if (strcmp(json_text_at(json_array_get(tunes, i), "tune"), name) == 0)
            return json_array_get(tunes, i);
    fail_msg("tune %s is not listed", name);
    return NULL;
}

static void where_there_are_none_it_says_so(void **state)
{
    (void)state;
    assert_non_null(strstr(run_expecting(0, "tune --list")->out, "no tunes in "));
    json_t *list = last_json(run_expecting(0, "tune --list --json"));
    assert_int_equal(json_array_size(json_object_get(list, "tunes")), 0);
    json_decref(list);
}

/* In the order that the axes were typed in. */
static void a_list_tells_of_each_tune(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--steps 1 --session own");
    run_expecting(0, "tune " SHARED "--batch 24,48 --lr 0.02,0.05 --epochs 1 --name grid");
    run_expecting(0, "tune " SHORT "--lr 0.01..0.1 --random 2 --name drawn");
    json_t *list = last_json(run_expecting(0, "tune --list --json")), *results = tune_shown("grid");
    const json_t *grid = listed(list, "grid"), *drawn = listed(list, "drawn");
    assert_string_equal(json_text_at(grid, "kind"), "grid");
    assert_string_equal(json_text_at(drawn, "kind"), "random");
    assert_string_equal(json_text_at(grid, "state"), "done");
    assert_int_equal((int)json_number_at(grid, "trials"), 4);
    assert_int_equal((int)json_number_at(grid, "ended"), 4);
    assert_int_equal((int)json_number_at(drawn, "ended"), 2);
    assert_string_equal(json_text_at(grid, "best"), json_text_at(results, "best"));
    assert_string_equal(json_string_value(json_array_get(json_object_get(grid, "axes"), 0)), "batch");
    assert_string_equal(json_text_at(grid, "network"), "micro, changed"); /* as the sessions' list has it */

    char words[128];
    const json_t *values = json_object_get(grid, "values");
    snprintf(words, sizeof words, " %%  batch %d, lr %g ", (int)json_number_at(values, "batch"),
             json_number_at(values, "lr"));
    const struct outcome *outcome = run_expecting(0, "tune --list");
    assert_non_null(strstr(outcome->out, "\ngrid   done   4 of 4 "));
    assert_non_null(strstr(outcome->out, words));
    assert_null(strstr(outcome->out, "own"));
    json_decref(results);
    json_decref(list);
}

static void set_time(const char *name, time_t seconds)
{
    const struct timespec times[] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    assert_int_equal(utimensat(AT_FDCWD, process_path(name), times, 0), 0);
}

static void assert_order(const char *text, const char *first, const char *second)
{
    const char *one = strstr(text, first), *other = strstr(text, second);
    assert_non_null(one);
    assert_non_null(other);
    assert_true(one < other);
}

/* By the last write, and not by the name. */
static void the_last_written_stands_first(void **state)
{
    static const char *const logs[] = {"nfbench/grid-batch24-lr0.02/metrics.jsonl", "nfbench/drawn.tune/plan.json"};
    (void)state;
    const time_t later = time(NULL) + 1000;
    set_time(logs[0], later);
    assert_order(run_expecting(0, "tune --list")->out, "\ngrid ", "\ndrawn ");
    assert_order(run_expecting(0, "sessions")->out, "\ntune grid: ", "\ntune drawn: ");
    set_time(logs[1], later + 1000);
    assert_order(run_expecting(0, "tune --list")->out, "\ndrawn ", "\ngrid ");
}

/* A tune runs that has a trial in hand, whether its session is there yet or not. */
static void one_that_has_a_trial_in_hand_runs(void **state)
{
    (void)state;
    const int lock = open(process_path("nfbench/drawn.tune/trial-2.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    assert_true(lock >= 0);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    json_t *list = last_json(run_expecting(0, "tune --list --json"));
    assert_string_equal(json_text_at(listed(list, "drawn"), "state"), "running");
    assert_string_equal(json_text_at(listed(list, "grid"), "state"), "done");
    json_decref(list);
    assert_non_null(strstr(run_expecting(1, "tune --rm drawn --yes")->err, "tune drawn is being trained"));
    assert_int_equal(close(lock), 0);
}

/* One line a tune stands below the person's own sessions. */
static void trials_do_not_drown_other_sessions(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "sessions");
    assert_non_null(strstr(outcome->out, "\nown "));
    assert_non_null(strstr(outcome->out, "\ntune grid: 4 trials, best "));
    assert_non_null(strstr(outcome->out, "\ntune drawn: 2 trials, best "));
    assert_null(strstr(outcome->out, "grid-batch24-lr0.02"));
    assert_non_null(strstr(run_expecting(1, "sessions show grid")->err, "grid is a tune, not a session"));
    outcome = run_expecting(0, "sessions list --all");
    assert_non_null(strstr(outcome->out, "grid-batch24-lr0.02 "));
    assert_non_null(strstr(outcome->out, "\nown "));
    assert_null(strstr(outcome->out, "tune grid"));
    json_t *list = last_json(run_expecting(0, "sessions --json"));
    const json_t *sessions = json_object_get(list, "sessions");
    assert_int_equal(json_array_size(sessions), 7);
    for (size_t i = 0; i < 7; i++) {
        const json_t *row = json_array_get(sessions, i), *tune = json_object_get(row, "tune");
        const char *name = json_text_at(row, "session");
        if (strcmp(name, "own") == 0)
            assert_null(tune);
        else
            assert_string_equal(json_string_value(tune), strncmp(name, "grid-", 5) == 0 ? "grid" : "drawn");
    }
    json_decref(list);
    assert_non_null(strstr(run_expecting(2, "sessions show own --all")->err, "--all means nothing to sessions show"));
}

/* A session that has a trial's name but other settings, and what is a fork of a trial, whatever its name, stay. */
static void what_is_the_tunes_own_goes_with_it(void **state)
{
    (void)state;
    assert_non_null(strstr(run_expecting(0, "sessions rm grid-batch48-lr0.05 --yes")->err,
                           "grid-batch48-lr0.05 is a trial of tune grid"));
    run_expecting(0, "train " TINY "--steps 1 --session grid-batch48-lr0.05");
    run_expecting(0, "fork grid-batch24-lr0.02 --name young");
    run_expecting(0, "sessions rm grid-batch24-lr0.05 --yes");
    run_expecting(0, "fork grid-batch24-lr0.02 --name grid-batch24-lr0.05");
    assert_non_null(strstr(run_expecting(2, "tune --rm grid")->err, "no terminal to ask on: --yes removes at once"));
    run_expecting(2, "tune --rm grid --json");
    assert_true(is_there("nfbench/grid-batch24-lr0.02"));
    json_t *gone = last_json(run_expecting(0, "tune --rm grid --yes --json"));
    const json_t *kept = json_object_get(gone, "kept");
    assert_int_equal(json_array_size(json_object_get(gone, "removed")), 2);
    assert_int_equal(json_array_size(kept), 2);
    assert_string_equal(json_string_value(json_array_get(kept, 0)), "grid-batch24-lr0.05");
    assert_string_equal(json_string_value(json_array_get(kept, 1)), "grid-batch48-lr0.05");
    json_decref(gone);
    assert_false(is_there("nfbench/grid.tune"));
    assert_false(is_there("nfbench/grid-batch24-lr0.02"));
    assert_true(is_there("nfbench/grid-batch48-lr0.05"));
    run_expecting(0, "sessions show grid-batch24-lr0.05");
    run_expecting(0, "sessions show young");
    run_expecting(0, "sessions show own");
    run_expecting(0, "tune --show drawn");
    run_expecting(1, "tune --rm grid --yes");
    run_expecting(1, "tune --rm grid"); /* which comes before a terminal that is missing */
    run_expecting(1, "sessions rm grid-batch24-lr0.02");
}

/* What a person has put into its folder stays, and the folder with it. */
static void files_of_others_stay(void **state)
{
    (void)state;
    FILE *file = fopen(process_path("nfbench/drawn.tune/notes"), "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    const struct outcome *outcome = run_expecting(0, "tune --rm drawn.tune --yes");
    assert_non_null(strstr(outcome->out, "removed tune drawn and 2 sessions\n"));
    assert_non_null(strstr(outcome->err, "nfbench has not written"));
    assert_true(is_there("nfbench/drawn.tune/notes"));
    assert_false(is_there("nfbench/drawn.tune/plan.json"));
    assert_non_null(strstr(run_expecting(0, "tune --list")->out, "no tunes in "));
}

static void one_that_trains_is_told_and_not_removed(void **state)
{
    (void)state;
    struct process process = process_start("tune " SHARED "--lr 0.01,0.02 --epochs 40000 --name busy", NULL);
    wait_for_text("nfbench/busy-lr0.01/metrics.jsonl", "\"step\":2");
    json_t *list = last_json(run_expecting(0, "tune --list --json"));
    assert_string_equal(json_text_at(listed(list, "busy"), "state"), "running");
    assert_int_equal((int)json_number_at(listed(list, "busy"), "ended"), 0);
    json_decref(list);
    assert_non_null(strstr(run_expecting(0, "sessions")->out, "tune busy: 0 of 2 trials ended, 1 training"));
    assert_non_null(strstr(run_expecting(1, "tune --rm busy --yes")->err, "tune busy is being trained"));
    assert_true(is_there("nfbench/busy-lr0.01/metrics.jsonl"));
    assert_int_equal(kill(process.pid, SIGTERM), 0);
    assert_int_equal(process_finish(&process)->status, 130);
    const struct outcome *outcome = run_expecting(0, "tune --list");
    assert_non_null(strstr(outcome->out, "\nbusy  interrupted  0 of 2 "));
    assert_non_null(strstr(outcome->out, "\nnfbench tune --resume busy goes on\n"));
    process = process_start("resume busy-lr0.01", NULL);
    process_read_until(process.err, "nfbench attach");
    assert_non_null(strstr(run_expecting(1, "tune --rm busy --yes")->err, "session busy-lr0.01 is being trained"));
    assert_true(is_there("nfbench/busy.tune/plan.json"));
    assert_int_equal(kill(process.pid, SIGTERM), 0);
    assert_int_equal(process_finish(&process)->status, 130);
    run_expecting(0, "tune --rm busy --yes");
    assert_false(is_there("nfbench/busy-lr0.01"));
}

static void write_plan(const char *text)
{
    FILE *file = fopen(process_path("nfbench/odd.tune/plan.json"), "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void assert_odd(const char *state)
{
    json_t *list = last_json(run_expecting(0, "tune --list --json"));
    assert_string_equal(json_text_at(listed(list, "odd"), "state"), state);
    json_decref(list);
}

static void a_plan_that_cannot_be_read_is_told_with_a_way_out(void **state)
{
    (void)state;
    assert_int_equal(mkdir(process_path("nfbench/odd.tune"), 0777), 0);
    write_plan("{\"format\": 1, ");
    assert_odd("damaged");
    assert_non_null(strstr(run_expecting(1, "tune --rm odd --yes")->err, "remove its folder by hand"));
    write_plan("{\"format\": 1000}");
    assert_odd("newer");
    assert_non_null(strstr(run_expecting(1, "tune --rm odd --yes")->err, "written by a newer nfbench"));
    assert_int_equal(unlink(process_path("nfbench/odd.tune/plan.json")), 0);
    assert_int_equal(rmdir(process_path("nfbench/odd.tune")), 0);
}

/* It is a person's from there on: the tune's results stay what they were, and it stays when the tune goes. */
static void a_trial_that_a_person_goes_on_with_is_theirs(void **state)
{
    (void)state;
    run_expecting(0, "tune " SHARED "--batch 24,48 --epochs 1 --name ended");
    json_t *before = tune_shown("ended");
    assert_non_null(strstr(run_expecting(0, "sessions")->out, "\ntune ended: 2 trials, best "));
    run_expecting(0, "resume ended-batch24 --epochs 3");
    json_t *after = tune_shown("ended");
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
    assert_non_null(strstr(run_expecting(0, "sessions")->out, "\ntune ended: 2 trials, 2"));
    run_expecting(0, "resume ended-batch48 --epochs 2 --until 2"); /* as far as a run that has not ended yet */
    json_t *gone = last_json(run_expecting(0, "tune --rm ended --yes --json"));
    assert_int_equal(json_array_size(json_object_get(gone, "removed")), 0);
    assert_int_equal(json_array_size(json_object_get(gone, "kept")), 2);
    json_decref(gone);
    run_expecting(0, "sessions rm ended-batch24 ended-batch48 --yes");
}

/* Its sessions are those of the tune that has the name. */
static void a_copy_takes_nothing_of_the_tune(void **state)
{
    (void)state;
    char name[256];
    run_expecting(0, "tune " SHORT "--lr 0.01,0.02 --name first");
    snprintf(name, sizeof name, "%s", process_path("nfbench/copy.tune"));
    assert_int_equal(rename(process_path("nfbench/first.tune"), name), 0);
    run_expecting(0, "tune --show copy");
    assert_non_null(strstr(run_expecting(1, "tune --rm copy --yes")->err, "is the folder of tune first"));
    assert_non_null(strstr(run_expecting(1, "tune --resume copy")->err, "is the folder of tune first"));
    assert_true(is_there("nfbench/first-lr0.01"));
    snprintf(name, sizeof name, "%s", process_path("nfbench/first.tune"));
    assert_int_equal(rename(process_path("nfbench/copy.tune"), name), 0);
    run_expecting(0, "tune --rm %s/ --yes", name);
    assert_false(is_there("nfbench/first-lr0.01"));
}

/* Nobody can tell any more whose it was. */
static void a_trial_that_cannot_be_read_is_named_and_stays(void **state)
{
    (void)state;
    run_expecting(0, "tune " SHORT "--lr 0.01,0.02 --name spoilt");
    run_expecting(0, "sessions rm spoilt-lr0.01 --yes");
    assert_int_equal(mkdir(process_path("nfbench/spoilt-lr0.01"), 0777), 0);
    const struct outcome *outcome = run_expecting(0, "tune --rm spoilt --yes");
    assert_non_null(strstr(outcome->out, "removed tune spoilt and 1 session\n"));
    assert_non_null(strstr(outcome->err, "spoilt-lr0.01 stays: it cannot be read"));
    assert_int_equal(rmdir(process_path("nfbench/spoilt-lr0.01")), 0);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *arguments, *text;
    } rows[] = {{"--list --csv x.csv", "--csv means nothing with --list"},
                {"--list --lr 0.1", ": --lr means nothing with --list"},
                {"--rm x --lr 0.1,0.2", "--lr means nothing with --rm"},
                {"--rm x --list", "--list and --rm: one of them"},
                {"--yes", "--yes is of --rm"},
                {"--csv - --lr 0.1,0.2", "--csv - names no file"},
                {"--csv a.png --png a.png", "--csv and --png name the same file, a.png"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct outcome *outcome = run_expecting(2, "tune %s", rows[i].arguments);
        assert_non_null(strstr(outcome->err, rows[i].text));
        assert_ptr_equal(strchr(outcome->err, '\n'), outcome->err + strlen(outcome->err) - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_test(where_there_are_none_it_says_so),
        process_test(a_list_tells_of_each_tune),
        process_test(the_last_written_stands_first),
        process_test(one_that_has_a_trial_in_hand_runs),
        process_test(trials_do_not_drown_other_sessions),
        process_test(what_is_the_tunes_own_goes_with_it),
        process_test(files_of_others_stay),
        process_test(one_that_trains_is_told_and_not_removed),
        process_test(a_plan_that_cannot_be_read_is_told_with_a_way_out),
        process_test(a_trial_that_a_person_goes_on_with_is_theirs),
        process_test(a_copy_takes_nothing_of_the_tune),
        process_test(a_trial_that_cannot_be_read_is_named_and_stays),
        process_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests_name("the list of tunes", tests, process_setup, process_teardown);
}
