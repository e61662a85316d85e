/* `nfbench fork`, and checkpoints with a name on the command line: what goes on from there has the bits of the run that
 * it was made of. */
#include "tests/tui/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { LOSSES = 64 };

/* Its lr goes down at step 5, and it comes to 16 steps, of which 8 are an epoch. */
static void train_parent(const char *name)
{
    FILE *script = fopen(process_path("changes"), "w");
    assert_non_null(script);
    fputs("at 5 lr 0.01\nat 7 save seven\n", script);
    assert_int_equal(fclose(script), 0);
    run_expecting(0, "train " TINY "--epochs 2 --log-every 1 --script changes --session %s", name);
}

/* The steps of a session's log: their losses, in order; how many there are. */
static int read_losses(const char *session, double losses[LOSSES])
{
    char name[128], line[4096];
    int count = 0;
    snprintf(name, sizeof name, "nfbench/%s/metrics.jsonl", session);
    FILE *log = fopen(process_path(name), "r");
    assert_non_null(log);
    while (fgets(line, sizeof line, log)) {
        if (strncmp(line, "{\"kind\":\"step\"", 14) != 0)
            continue;
        json_t *record = json_loads(line, 0, NULL);
        assert_true(count < LOSSES);
        assert_int_equal((int)json_number_at(record, "step"), count + 1);
        losses[count++] = json_number_at(record, "loss");
        json_decref(record);
    }
    assert_int_equal(fclose(log), 0);
    return count;
}

/* Every step of both logs has the same loss, to the bit. */
static void assert_same_losses(const char *one, const char *other)
{
    double left[LOSSES], right[LOSSES];
    const int count = read_losses(one, left);
    assert_int_equal(count, 16);
    assert_int_equal(read_losses(other, right), count);
    for (int i = 0; i < count; i++)
        assert_true(left[i] == right[i]);
}

/* The session of somebody else, in a folder that is not one's own. */
static void a_fork_goes_where_it_is_told(void **state)
{
    (void)state;
    char kid[256];
    train_parent("theirs");
    const struct outcome *outcome =
        run_expecting(0, "fork %s/nfbench/theirs --at 6 --name kid --lr 0.02 --sessions-dir %s", process_path("."),
                      process_path("mine"));
    snprintf(kid, sizeof kid, "%s", process_path("mine/kid"));
    assert_non_null(strstr(outcome->err, "lr 0.01 -> 0.02"));
    assert_non_null(strstr(outcome->out, "mine/kid goes on from there"));
    assert_int_equal(access(kid, F_OK), 0);
    assert_int_not_equal(access(process_path("nfbench/kid"), F_OK), 0);
    run_expecting(0, "resume %s", kid);
}

static void a_fork_goes_on_as_its_parent_did(void **state)
{
    (void)state;
    train_parent("parent");
    const struct outcome *outcome = run_expecting(0, "fork parent --at 11 --json");
    assert_non_null(strstr(outcome->err, "with the losses recorded then; lr 0.01\n"));
    json_t *made = last_json(outcome);
    assert_string_equal(json_string_value(json_object_get(made, "session")), "parent-at-11");
    assert_int_equal((int)json_number_at(made, "step"), 11);
    json_decref(made);
    assert_true(file_has("nfbench/parent-at-11/input.json", "\"classes\""));
    run_expecting(0, "resume parent-at-11");
    assert_same_losses("parent", "parent-at-11");
    assert_non_null(strstr(run_expecting(0, "sessions")->out, "parent, step 11"));
    assert_non_null(strstr(run_expecting(0, "sessions show parent-at-11")->out, "a fork of parent at step 11"));
    assert_non_null(
        strstr(run_expecting(0, "fork parent --name newest")->out, "of parent, its last checkpoint (--at "));
    assert_non_null(strstr(run_expecting(0, "fork parent --at 5 --name five")->err,
                           "recorded then; lr 0.05; not done: `at 5 lr 0.01`\n"));
}

static void a_fork_may_have_another_rate(void **state)
{
    (void)state;
    train_parent("rated");
    run_expecting(0, "fork rated --at seven --name slower --lr 0.001");
    const struct outcome *outcome = run_expecting(0, "resume slower");
    assert_non_null(strstr(outcome->err, "steps 7 to 16"));
    assert_true(file_has("nfbench/slower/commands.jsonl", "lr 0.01 -> 0.001"));
    assert_false(file_has("nfbench/rated/commands.jsonl", "0.001"));
}

/* The step is come to by the length that the parent has; only what follows has another. */
static void a_fork_may_be_longer(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--schedule cosine --epochs 2 --log-every 1 --session even");
    run_expecting(0, "fork even --at 11 --name longer --epochs 4");
    assert_non_null(strstr(run_expecting(2, "fork even --at 11 --steps 9")->err, "--steps 9: a fork at step 11"));
    run_expecting(0, "fork even --at 11 --name same");
    double parent[LOSSES], longer[LOSSES];
    assert_non_null(strstr(run_expecting(0, "resume longer")->err, "steps 11 to 32"));
    read_losses("even", parent);
    assert_int_equal(read_losses("longer", longer), 32);
    for (int i = 0; i < 32; i++)
        assert_true(i >= 12 || parent[i] == longer[i]); /* the rate of step 12 comes before it has an effect */
    assert_true(parent[13] != longer[13]);
    run_expecting(0, "resume same");
    assert_same_losses("even", "same");
}

/* The steps of before a resume that made the run longer were made by a schedule of another length. */
static void a_longer_run_is_forked_as_it_was_then(void **state)
{
    (void)state;
    double grown[LOSSES], then[LOSSES], now[LOSSES];
    run_expecting(0, "train " TINY "--schedule cosine --epochs 2 --log-every 1 --session grown");
    run_expecting(0, "resume grown --epochs 4");
    assert_non_null(strstr(run_expecting(0, "fork grown --at 11")->err, "with the losses recorded then"));
    run_expecting(0, "fork grown --at 20 --name late");
    assert_non_null(strstr(run_expecting(0, "resume grown-at-11")->err, "steps 11 to 16"));
    assert_non_null(strstr(run_expecting(0, "resume late")->err, "steps 20 to 32"));
    assert_int_equal(read_losses("grown", grown), 32);
    assert_int_equal(read_losses("grown-at-11", then), 16);
    assert_int_equal(read_losses("late", now), 32);
    for (int i = 0; i < 32; i++)
        assert_true(grown[i] == now[i] && (i >= 16 || grown[i] == then[i]));
}

/* ... and so are those that were made on another platform, whatever the session is resumed on by now. */
static void a_step_is_made_again_on_what_it_was_made_on(void **state)
{
    (void)state;
    double moved[LOSSES], then[LOSSES];
    run_expecting(0, "train " TINY "--epochs 2 --log-every 1 --session moved");
    run_expecting(0, "resume moved --epochs 4 --precision bf16 --threads 2");
    assert_non_null(strstr(run_expecting(0, "fork moved --at 11 --epochs 2")->err, "with the losses recorded then"));
    assert_true(file_has("nfbench/moved-at-11/settings.ini", "precision = bf16")); /* as the session goes on */
    run_expecting(0, "resume moved-at-11 --precision fp32 --threads 1");
    read_losses("moved", moved);
    assert_int_equal(read_losses("moved-at-11", then), 16);
    for (int i = 0; i < 16; i++)
        assert_true(moved[i] == then[i]);
}

/* What would be made is not what was: it is not put in place of it. */
static void a_past_that_is_another_is_not_forked(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--epochs 2 --log-every 1 --session exact");
    const struct outcome *outcome = run_expecting(1, "fork exact --at 11 --precision bf16");
    assert_non_null(strstr(outcome->err, "has not the loss that was recorded"));
    assert_null(strstr(run_expecting(0, "sessions")->out, "exact-at-11"));
}

/* Commands that are due at the step are of what comes after it: the fork does none of them. */
static void what_waits_for_the_step_is_not_done(void **state)
{
    (void)state;
    FILE *script = fopen(process_path("waits"), "w");
    assert_non_null(script);
    fputs("when epoch >= 2 set momentum 0.5\nwhen epoch >= 2 quit\n", script);
    for (int i = 0; i < 12; i++)
        fprintf(script, "when epoch >= 2 lr 0.0%d\n", 20 + i);
    assert_int_equal(fclose(script), 0);
    run_expecting(130, "train " TINY "--epochs 3 --log-every 1 --script waits --session due");
    const struct outcome *outcome = run_expecting(0, "fork due --at 16 --json");
    assert_non_null(strstr(outcome->err, "at step 16; lr 0.05; not done: `when epoch >= 2 lr 0.020`, "
                                         "`when epoch >= 2 lr 0.021` and 10 more\n"));
    assert_null(strstr(outcome->err, "back at"));
    json_t *made = last_json(outcome);
    assert_int_equal((int)json_number_at(made, "step"), 16);
    json_decref(made);
    assert_int_equal(run_expecting(0, "resume due-at-16")->status, 0);
    outcome = run_expecting(0, "sessions show due-at-16");
    assert_non_null(strstr(outcome->out, "step 24, finished"));
    assert_false(file_has("nfbench/due-at-16/commands.jsonl", "lr 0.05 -> 0.02"));
    run_expecting(0, "resume due");
    assert_true(file_has("nfbench/due/commands.jsonl", "lr 0.05 -> 0.02"));
}

/* The first state of imported weights is theirs, not the initialisation, and is kept for good, in a fork, too; once
 * somebody has removed it, it is gone. */
static void imported_weights_are_kept(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--epochs 1 --session source");
    run_expecting(0, "import nfbench/source/checkpoints/8.safetensors " TINY "--session foreign");
    assert_non_null(strstr(run_expecting(0, "sessions show foreign")->out, "step 0, new"));
    run_expecting(0, "fork foreign --at 0 --name first");
    run_expecting(0, "resume foreign --epochs 3 --log-every 1");
    run_expecting(0, "fork foreign --at 0 --name again");
    assert_non_null(strstr(run_expecting(0, "fork foreign --at 3")->err, "made again from step 0, with the losses"));
    run_expecting(0, "fork foreign --at 20 --name later");
    run_expecting(0, "resume later --epochs 6");
    assert_non_null(strstr(run_expecting(0, "fork later --at 3")->err, "made again from step 0, with the losses"));
    assert_int_equal(unlink(process_path("nfbench/later/checkpoints/imported.safetensors")), 0);
    const char *why = "the run began with imported weights, and no checkpoint of them is left from before step";
    assert_non_null(strstr(run_expecting(1, "fork later --at 0")->err, why));
    assert_non_null(strstr(run_expecting(1, "fork later --at 3")->err, why));
}

/* What waited when the step was made waits in the fork, although no checkpoint has it. */
static void what_waits_is_forked_too(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--epochs 3 --log-every 1 --session patient");
    run_expecting(0, "fork patient --at 8 --name half");
    FILE *script = fopen(process_path("later"), "w");
    assert_non_null(script);
    fputs("at 20 lr 0.01\n", script);
    assert_int_equal(fclose(script), 0);
    run_expecting(0, "resume half --script later");
    run_expecting(0, "fork half --at 11 --name third");
    run_expecting(0, "resume third");
    double left[LOSSES], right[LOSSES];
    assert_int_equal(read_losses("half", left), 24);
    assert_int_equal(read_losses("third", right), 24);
    assert_true(left[23] == right[23]);
    assert_true(file_has("nfbench/third/commands.jsonl", "lr 0.05 -> 0.01"));
}

static void names_stand_for_checkpoints(void **state)
{
    (void)state;
    train_parent("names");
    assert_non_null(strstr(run_expecting(0, "sessions show names")->out, "checkpoints with a name: seven at step 7"));
    json_t *tested = last_json(run_expecting(0, "test names --checkpoint seven --json"));
    assert_int_equal((int)json_number_at(tested, "step"), 7);
    json_decref(tested);
    run_expecting(0, "fork names --at 16 --name copy");
    run_expecting(0, "resume names --checkpoint seven"); /* what came behind is made once more */
    assert_same_losses("copy", "names");
}

static void what_is_not_there_is_said(void **state)
{
    (void)state;
    train_parent("short");
    assert_non_null(strstr(run_expecting(2, "fork short --at 17")->err, "session short has come to step 16"));
    assert_non_null(strstr(run_expecting(1, "fork short --at nine")->err, "has no checkpoint nine"));
    run_expecting(2, "fork short --at -3");
    assert_non_null(strstr(run_expecting(1, "fork short --name short")->err, "session short exists already"));
    run_expecting(1, "fork nothing");
    run_expecting(2, "fork");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fork_goes_where_it_is_told),
        cmocka_unit_test(a_fork_goes_on_as_its_parent_did),
        cmocka_unit_test(a_fork_may_have_another_rate),
        cmocka_unit_test(a_fork_may_be_longer),
        cmocka_unit_test(a_longer_run_is_forked_as_it_was_then),
        cmocka_unit_test(a_step_is_made_again_on_what_it_was_made_on),
        cmocka_unit_test(a_past_that_is_another_is_not_forked),
        cmocka_unit_test(what_waits_for_the_step_is_not_done),
        cmocka_unit_test(imported_weights_are_kept),
        cmocka_unit_test(what_waits_is_forked_too),
        cmocka_unit_test(names_stand_for_checkpoints),
        cmocka_unit_test(what_is_not_there_is_said),
    };
    return cmocka_run_group_tests(tests, process_setup, process_teardown);
}
