/* Commands of a run without a screen, on the real program: from a file before the first step, and over a pipe while it
 * trains; recorded as those of the screen are, kept through a resume, shown by `sessions show`. */
#include "tests/tui/process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *write_script(const char *name, const char *text)
{
    const char *path = process_path(name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void assert_said(const struct outcome *outcome, const char *words)
{
    if (!strstr(outcome->err, words))
        fail_msg("'%s' is not in:\n%s", words, outcome->err);
}

static void assert_same(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"step", "train_loss", "validation_loss", "validation_accuracy", "test_loss"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_true(json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])));
}

static void a_file_leads_the_run(void **state)
{
    (void)state;
    write_script("inner.nfb", "at 12 lr x0.5\n");
    write_script("lead.nfb",
                 "# a script\nset momentum 0.5\n\nat 5 set augment none\nsource inner.nfb\n"
                 "when step >= 14 undo\nat 15 note nearly there\nat 1000 note never\nset momentum\npending\n");
    const struct outcome *outcome =
        run_expecting(0, "train " TINY "--epochs 2 --session lead --script lead.nfb --json");
    assert_said(outcome, "\nmomentum 0.5\n"); /* answered when it had taken effect */
    assert_said(outcome, "5  at 1000 note never\n");
    assert_said(outcome, "step 0  set momentum 0.5: momentum 0.9 -> 0.5\n");
    assert_said(outcome, "step 5  at 5 set augment none: augment standard -> none\n");
    assert_said(outcome, "step 12  at 12 lr x0.5: lr 0.05 -> 0.025\n");
    assert_said(outcome, "step 14  when step >= 14 undo: lr 0.025 -> 0.05\n");
    assert_true(file_has("nfbench/lead/commands.jsonl", "\"step\":5,\"action\":\"augment\""));
    assert_true(file_has("nfbench/lead/commands.jsonl", "\"command\":\"at 15 note nearly there\""));
    json_t *first = last_json(outcome);
    json_t *second = last_json(run_expecting(0, "train " TINY "--epochs 2 --script lead.nfb --json"));
    assert_same(first, second);
    json_decref(second);

    /* stopped on the way and gone on with, it is the same run */
    write_script("stop.nfb", "source lead.nfb\nat 9 quit\n");
    (void)run_expecting(130, "train " TINY "--epochs 2 --session halves --script stop.nfb");
    outcome = run_expecting(0, "sessions show halves");
    assert_non_null(strstr(outcome->out, "0.9  now 0.5"));
    assert_non_null(strstr(outcome->out, "standard  now none"));
    assert_non_null(strstr(outcome->out, "at 12 lr x0.5"));
    second = last_json(run_expecting(0, "resume halves --json"));
    assert_same(first, second);
    json_decref(second);
    json_decref(first);
}

static void a_mistake_is_told_before_anything_is_made(void **state)
{
    (void)state;
    write_script("typo.nfb", "lr 0.1\nset momentun 0.5\n");
    assert_said(run_expecting(2, "train " TINY "--session typo --script typo.nfb"),
                "typo.nfb, line 2: no setting 'momentun': did you mean 'momentum'?");
    assert_int_not_equal(access(process_path("nfbench/typo"), F_OK), 0);
    write_script("screen.nfb", "view signal\n");
    assert_said(run_expecting(2, "train " TINY "--script screen.nfb"), "screen.nfb, line 1: view: only the screen");
    assert_said(run_expecting(2, "train " TINY "--script absent.nfb"), "cannot read absent.nfb");
}

static void feed(int in, const char *text)
{
    assert_int_equal(write(in, text, strlen(text)), (ssize_t)strlen(text));
}

static void a_pipe_leads_the_run_while_it_trains(void **state)
{
    (void)state;
    int in;
    struct process process = process_start_fed("train " TINY "--epochs 100000 --session pipe --script -",
                                               "pause\nset momentum 0.5\nset momentum\nset momentun 1\nset bat", &in);
    wait_for_text("nfbench/pipe/commands.jsonl", "\"action\":\"momentum\"");
    feed(in, "ch 8\nundo\nlr x0.5\nresume\nview signal\n");
    wait_for_text("nfbench/pipe/commands.jsonl", "\"action\":\"resume\"");
    feed(in, "quit"); /* the last line need not be one */
    close(in);
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 1); /* of two lines that could not be done */
    assert_said(outcome, "set momentum 0.5: momentum 0.9 -> 0.5\n");
    assert_said(outcome, "\nmomentum 0.5\n");
    assert_said(outcome, "line 4: no setting 'momentun': did you mean 'momentum'?\n");
    assert_said(outcome, "set batch 8: batch 16 -> 8");
    assert_said(outcome, "undo: batch 8 -> 16");
    assert_said(outcome, "lr x0.5: lr 0.05 -> 0.025\n");
    assert_said(outcome, "line 9: view: only the screen");
    assert_said(outcome, "quit: stopped and saved at step");
}

static void quit_waits_for_the_commands_before_it(void **state)
{
    (void)state;
    int in;
    struct process process =
        process_start_fed("train " TINY "--epochs 100000 --session turn --script -", "eval\nsave kept\nquit\n", &in);
    close(in);
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 130);
    assert_said(outcome, "eval: validation accuracy ");
    assert_said(outcome, "save kept: saved at step ");
    assert_said(outcome, "quit: stopped and saved at step");
}

static void a_paused_run_ends_when_no_more_commands_come(void **state)
{
    (void)state;
    int in;
    struct process process =
        process_start_fed("train " TINY "--epochs 100000 --session left --script -", "pause\nset momentum 0.8\n", &in);
    close(in);
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 130);
    assert_said(outcome, "set momentum 0.8: momentum 0.9 -> 0.8\n");
    assert_said(outcome, "stopping: the run is paused, and nobody is left who could resume it");
    assert_said(outcome, "stopped and saved at step");
    write_script("pause.nfb", "at 3 pause\n");
    assert_said(run_expecting(130, "train " TINY "--epochs 100000 --script pause.nfb"), "stopped and saved at step 3");
}

/* What comes without an end keeps the run from nothing. */
static void a_run_trains_while_its_script_never_pauses(void **state)
{
    (void)state;
    struct process process = process_start_reading("train " TINY "--epochs 1 --session flood --script -", "/dev/zero");
    assert_int_equal(process_finish(&process)->status, 0);
}

static const char *repeat(const char *name, const char *line, int count)
{
    FILE *file = fopen(process_path(name), "w");
    assert_non_null(file);
    for (int i = 0; i < count; i++)
        assert_true(fprintf(file, "%s\n", line) > 0);
    assert_int_equal(fclose(file), 0);
    return name;
}

static int count_in(const char *name, const char *words)
{
    char line[1024];
    int count = 0;
    FILE *file = fopen(process_path(name), "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        count += strstr(line, words) != NULL;
    fclose(file);
    return count;
}

static void long_scripts_are_done_whole(void **state)
{
    (void)state;
    int in;
    repeat("long.nfb", "note 5", 1000);
    (void)run_expecting(0, "train " TINY "--epochs 1 --session long --script long.nfb");
    assert_int_equal(count_in("nfbench/long/commands.jsonl", "\"note 5\""), 1000);
    struct process process = process_start_fed("train " TINY "--epochs 100000 --session fed --script -", "", &in);
    for (int i = 0; i < 2000; i++)
        feed(in, "note 6\n");
    feed(in, "quit\n");
    close(in);
    assert_int_equal(process_finish(&process)->status, 130);
    assert_int_equal(count_in("nfbench/fed/commands.jsonl", "\"note 6\""), 2000);
}

static void what_a_run_has_no_room_for_is_told_before_anything_is_made(void **state)
{
    (void)state;
    repeat("waits.nfb", "at 8 note 1", 17);
    assert_said(run_expecting(2, "train " TINY "--session none --script waits.nfb"),
                "waits.nfb, line 17: at 8 note 1: more than 16 commands would wait");
    repeat("many.nfb", "note 1", 1025);
    assert_said(run_expecting(2, "train " TINY "--session none --script many.nfb"),
                "many.nfb, line 1025: note 1: more than 1024 commands before the first step");
    repeat("asks.nfb", "pending", 17);
    assert_said(run_expecting(2, "train " TINY "--session none --script asks.nfb"),
                "asks.nfb, line 17: pending: more than 16 questions");
    assert_int_not_equal(access(process_path("nfbench/none"), F_OK), 0);
    repeat("fits.nfb", "at 8 note 1\ncancel all", 20);
    (void)run_expecting(0, "train " TINY "--epochs 1 --script fits.nfb");
}

static void a_session_that_is_done_runs_no_script(void **state)
{
    (void)state;
    write_script("late.nfb", "note late\n");
    (void)run_expecting(0, "train " TINY "--epochs 1 --session done");
    assert_said(run_expecting(1, "resume done --script late.nfb"),
                "--script late.nfb was not run: all steps of the session are done");
    (void)run_expecting(0, "resume done");
}

static void a_line_that_is_refused_makes_the_run_fail(void **state)
{
    (void)state;
    int in;
    struct process process =
        process_start_fed("train " TINY "--epochs 1 --script -", "set momentun 1\ncancel 7\n", &in);
    close(in);
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 1);
    assert_non_null(strstr(outcome->out, "finished at step 8")); /* all the same */
    assert_said(outcome, "2 of the commands of - could not be done: see above");
}

static void a_pipe_that_ends_leaves_the_run_alone(void **state)
{
    (void)state;
    int in;
    struct process process = process_start_fed("train " TINY "--epochs 2 --script -", "", &in);
    close(in);
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 0);
    assert_non_null(strstr(outcome->out, "finished at step 16"));
}

/* ... also one that its script ends: who reads the code is told of the lines. */
static void a_refused_line_counts_before_the_end_too(void **state)
{
    (void)state;
    static const char *const ends[] = {"quit", "stop"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char lines[64];
        int in;
        snprintf(lines, sizeof lines, "frobnicate\nlr x\n%s\n", ends[i]);
        struct process process = process_start_fed("train " TINY "--epochs 100000 --script -", lines, &in);
        const struct outcome *outcome = process_finish(&process);
        close(in);
        assert_int_equal(outcome->status, 1);
        assert_said(outcome, "2 of the commands of - could not be done: see above");
    }
}

/* What holds for the session is in settings.ini at once. */
static void settings_of_the_session_are_written(void **state)
{
    (void)state;
    write_script("session.nfb", "set log-every 4\nset checkpoint-every 6\nset on-divergence continue\nundo\n");
    (void)run_expecting(0, "train " TINY "--epochs 1 --session ini --script session.nfb");
    assert_true(file_has("nfbench/ini/settings.ini", "log-every = 4\n"));
    assert_true(file_has("nfbench/ini/settings.ini", "checkpoint-every = 6\n"));
    assert_true(file_has("nfbench/ini/settings.ini", "on-divergence = pause\n"));
    assert_true(file_has("nfbench/ini/metrics.jsonl", "\"step\":4,"));
    assert_false(file_has("nfbench/ini/metrics.jsonl", "\"kind\":\"step\",\"step\":5,"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_test(a_file_leads_the_run),
        process_test(a_mistake_is_told_before_anything_is_made),
        process_test(a_pipe_leads_the_run_while_it_trains),
        process_test(quit_waits_for_the_commands_before_it),
        process_test(a_paused_run_ends_when_no_more_commands_come),
        process_test(a_run_trains_while_its_script_never_pauses),
        process_test(long_scripts_are_done_whole),
        process_test(what_a_run_has_no_room_for_is_told_before_anything_is_made),
        process_test(a_session_that_is_done_runs_no_script),
        process_test(a_line_that_is_refused_makes_the_run_fail),
        process_test(a_refused_line_counts_before_the_end_too),
        process_test(a_pipe_that_ends_leaves_the_run_alone),
        process_test(settings_of_the_session_are_written),
    };
    return cmocka_run_group_tests(tests, process_setup, process_teardown);
}
