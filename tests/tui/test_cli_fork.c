/* `nfbench fork`, and checkpoints with a name on the command line: what goes on from there has the bits of the run that
 * it was made of. */
#include "tests/tui/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Its lr goes down at step 5, and it comes to 16 steps, of which 8 are an epoch. */
static void train_parent(const char *name)
{
    FILE *script = fopen(process_path("changes"), "w");
    assert_non_null(script);
    fputs("at 5 lr 0.01\nat 7 save seven\n", script);
    assert_int_equal(fclose(script), 0);
    run_expecting(0, "train " TINY "--epochs 2 --log-every 1 --script changes --session %s", name);
}

/* The losses of a session's log are the same from a step on. */
static void assert_same_losses(const char *one, const char *other)
{
    json_t *left = last_json(run_expecting(0, "sessions show %s --json", one));
    json_t *right = last_json(run_expecting(0, "sessions show %s --json", other));
    const json_t *a = json_array_get(json_object_get(left, "epochs"), 1);
    const json_t *b = json_array_get(json_object_get(right, "epochs"), 1);
    assert_non_null(a);
    assert_non_null(b);
    assert_true(json_number_at(a, "train_loss") == json_number_at(b, "train_loss"));
    assert_true(json_number_at(a, "test_loss") == json_number_at(b, "test_loss"));
    json_decref(left);
    json_decref(right);
}

static void a_fork_goes_on_as_its_parent_did(void **state)
{
    (void)state;
    train_parent("parent");
    const struct outcome *outcome = run_expecting(0, "fork parent --at 11 --json");
    assert_non_null(strstr(outcome->err, "with the losses recorded then; lr 0.01"));
    json_t *made = last_json(outcome);
    assert_string_equal(json_string_value(json_object_get(made, "session")), "parent-at-11");
    assert_int_equal((int)json_number_at(made, "step"), 11);
    json_decref(made);
    run_expecting(0, "resume parent-at-11");
    assert_same_losses("parent", "parent-at-11");
    assert_non_null(strstr(run_expecting(0, "sessions")->out, "parent, step 11"));
    assert_non_null(strstr(run_expecting(0, "sessions show parent-at-11")->out, "a fork of parent at step 11"));
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
        cmocka_unit_test(a_fork_goes_on_as_its_parent_did),
        cmocka_unit_test(a_fork_may_have_another_rate),
        cmocka_unit_test(names_stand_for_checkpoints),
        cmocka_unit_test(what_is_not_there_is_said),
    };
    return cmocka_run_group_tests(tests, process_setup, process_teardown);
}
