/* `nfbench fork`, and checkpoints with a name on the command line: what goes on from there has the bits of the run that
 * it was made of. */
#include "engine/live.h"
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

/* A line of the session's record of commands says so. */
static void assert_commanded(const char *session, long step, const char *command, const char *outcome)
{
    char name[128], at[32], text[512];
    bool is_there = false;
    snprintf(name, sizeof name, "nfbench/%s/commands.jsonl", session);
    snprintf(at, sizeof at, "\"step\":%ld,", step);
    snprintf(text, sizeof text, "\"command\":\"%s\",\"ok\":true,\"outcome\":\"%s", command, outcome);
    FILE *log = fopen(process_path(name), "r");
    assert_non_null(log);
    for (char line[4096]; fgets(line, sizeof line, log);)
        is_there |= strstr(line, at) && strstr(line, text);
    assert_int_equal(fclose(log), 0);
    if (!is_there)
        fail_msg("%s has no command `%s` at step %ld: %s", session, command, step, outcome);
}

/* They have an effect on the weights behind the step, so on the loss of the next but one. */
static void a_fork_may_have_other_settings(void **state)
{
    (void)state;
    double parent[LOSSES], other[LOSSES];
    run_expecting(0, "train " TINY "--epochs 2 --log-every 1 --agc 0.1 --session plain");
    run_expecting(0, "fork plain --at 5 --momentum 0.5 --agc 0.001 --session other");
    assert_commanded("other", 5, "set momentum 0.5", "momentum 0.9 -> 0.5");
    assert_commanded("other", 5, "set agc 0.001", "agc 0.1 -> 0.001");
    run_expecting(0, "resume other");
    assert_int_equal(read_losses("plain", parent), 16);
    assert_int_equal(read_losses("other", other), 16);
    for (int i = 0; i < 6; i++)
        assert_true(parent[i] == other[i]);
    assert_true(parent[6] != other[6]);
    assert_non_null(strstr(run_expecting(0, "replay other")->out, "identical through step 16"));
    const struct outcome *compared = run_expecting(0, "sessions compare plain other");
    assert_non_null(strstr(compared->out, "0.9, now 0.5"));
    assert_non_null(strstr(compared->out, "step 5: momentum 0.9 -> 0.5"));
    assert_false(file_has("nfbench/plain/commands.jsonl", "momentum"));
    run_expecting(0, "fork plain --at 5 --batch 8 --name waits"); /* from the next epoch on, so that it is 16 still */
    assert_non_null(strstr(run_expecting(0, "resume waits --batch 16")->err, "batch 8 -> 16"));
}

/* What a test gives each setting that may change while a run trains. */
static const struct {
    const char *name, *value;
} other_values[] = {{"lr", "0.04"},
                    {"momentum", "0.5"},
                    {"weight-decay", "0.001"},
                    {"agc", "0.03"},
                    {"label-smoothing", "0.1"},
                    {"ema", "0.8"},
                    {"augment", "none"},
                    {"mixup", "0.2"},
                    {"cutmix", "0.3"},
                    {"schedule", "cosine"},
                    {"batch", "32"},
                    {"epochs", "3"},
                    {"steps", "18"},
                    {"probe-every", "3"},
                    {"log-every", "2"},
                    {"checkpoint-every", "7"},
                    {"on-divergence", "rollback"}};

static const char *other_value(const char *name)
{
    for (size_t i = 0; i < sizeof other_values / sizeof *other_values; i++)
        if (strcmp(other_values[i].name, name) == 0)
            return other_values[i].value;
    fail_msg("give the setting %s a value here", name);
    return NULL;
}

/* Each as an option; returns how many. */
static int all_other_values(char *options, size_t size)
{
    const struct live_setting *setting;
    size_t used = 0;
    int count = 0;
    for (; (setting = live_setting(count)); count++)
        used += (size_t)snprintf(options + used, size - used, " --%s %s", setting->name, other_value(setting->name));
    assert_true(used < size);
    return count;
}

/* Each of the settings that may change is recorded at the step, and done again there by a replay. */
static void assert_all_commanded(const char *session, long step)
{
    char command[128];
    const struct live_setting *setting;
    for (int i = 0; (setting = live_setting(i)); i++) {
        snprintf(command, sizeof command, "%s%s %s", i == 0 ? "" : "set ", setting->name, other_value(setting->name));
        assert_commanded(session, step, command, "");
    }
    assert_non_null(strstr(run_expecting(0, "replay %s", session)->out, "identical through step 16"));
    run_expecting(0, "sessions verify %s", session);
}

/* In the middle of an epoch, and where one ends. */
static void all_that_may_change_may_be_another_later(void **state)
{
    (void)state;
    char options[512];
    const struct live_setting *setting;
    assert_int_equal(all_other_values(options, sizeof options), LIVE_SETTINGS);
    run_expecting(0, "train " TINY "--epochs 2 --log-every 1 --ema 0.9 --until 1 --session whole");
    run_expecting(0, "fork whole --at 5 --session middle%s", options);
    run_expecting(0, "resume middle");
    assert_all_commanded("middle", 5);
    run_expecting(0, "resume whole%s", options);
    assert_all_commanded("whole", 8);
    assert_true(file_has("nfbench/whole/settings.ini", "log-every = 2")); /* whatever checkpoint it goes on from */
    assert_true(file_has("nfbench/middle/settings.ini", "checkpoint-every = 7"));
    assert_true(file_has("nfbench/middle/settings.ini", "momentum = 0.9")); /* as it began */
    for (int i = 0; i < 2; i++) {
        const struct outcome *help = run_expecting(0, "%s --help", i == 0 ? "fork" : "resume");
        for (int k = 0; (setting = live_setting(k)); k++) {
            snprintf(options, sizeof options, "  --%s ", setting->name);
            assert_non_null(strstr(help->out, options));
        }
    }
}

/* Before anything is made. */
static void what_cannot_change_is_refused(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--epochs 1 --session fixed");
    const struct {
        const char *option, *why;
    } rows[] = {
        {"--stages 8/4x1", "--stages cannot change in a %s: it makes another network; train anew"},
        {"--preset micro", "--preset cannot change in a %s: it makes another network; train anew"},
        {"--seed 2", "--seed cannot change in a %s: a run keeps it from its beginning to its end; train anew"},
        {"--warmup 1", "--warmup cannot change in a %s: a run keeps it from its beginning to its end; train anew"},
        {"--ema 0.9", "--ema: this run keeps no averaged weights: it would have to begin with --ema"},
        {"--momentum 2", "--momentum '2': wanted a number from 0 to 0.9999"}};
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        const char *command = i % 2 == 0 ? "fork" : "resume";
        char expected[256], why[200];
        snprintf(why, sizeof why, rows[i / 2].why, command);
        snprintf(expected, sizeof expected, "nfbench %s: %s\n", command, why);
        assert_string_equal(run_expecting(2, "%s fixed %s", command, rows[i / 2].option)->err, expected);
    }
    assert_int_not_equal(access(process_path("nfbench/fixed-at-8"), F_OK), 0);
    assert_int_equal(access(process_path("nfbench/fixed/commands.jsonl"), F_OK), 0);
    assert_false(file_has("nfbench/fixed/commands.jsonl", "command"));
}

/* The step is come to by the length that the parent has; only what follows has another. */
static void a_fork_may_be_longer(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--schedule cosine --epochs 2 --log-every 1 --session even");
    run_expecting(0, "fork even --at 11 --name longer --epochs 4");
    assert_non_null(strstr(run_expecting(2, "fork even --at 11 --steps 9")->err, "--steps 9: a fork at step 11"));
    assert_non_null(strstr(run_expecting(1, "fork even --epochs 1 --name past")->err,
                           "a fork at step 16 would be behind its end: with these settings that is step 8"));
    assert_non_null(strstr(run_expecting(1, "fork even --at 11 --epochs 1 --name past")->err, "a fork at step 11"));
    assert_int_not_equal(access(process_path("nfbench/past"), F_OK), 0);
    run_expecting(0, "fork even --at 8 --epochs 1 --name ends");
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
        cmocka_unit_test(a_fork_may_have_other_settings),
        cmocka_unit_test(all_that_may_change_may_be_another_later),
        cmocka_unit_test(what_cannot_change_is_refused),
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
