/* `nfbench sessions compare` and `verify`, and the families in the list: what is said is what the sessions have. */
#include "sessions/session_paths.h"
#include "tests/tui/process.h"
#include "tui/compare.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* base; child, its fork at step 5 with another rate; grandchild, a fork of that at step 11; other, a run of its own. */
static int make_family(void **state)
{
    if (process_setup(state) != 0)
        return -1;
    FILE *script = fopen(process_path("changes"), "w");
    assert_non_null(script);
    fputs("at 3 lr 0.01\nat 4 save\n", script);
    assert_int_equal(fclose(script), 0);
    run_expecting(0, "train " TINY "--epochs 2 --log-every 1 --script changes --session base");
    run_expecting(0, "fork base --at 5 --name child --lr 0.02");
    run_expecting(0, "resume child");
    run_expecting(0, "fork child --at 11 --name grandchild");
    run_expecting(0, "resume grandchild --epochs 3");
    run_expecting(0, "train " TINY "--epochs 1 --momentum 0.5 --session other");
    return 0;
}

static const json_t *at(const json_t *array, size_t index)
{
    const json_t *value = json_array_get(array, index);
    assert_non_null(value);
    return value;
}

static void sessions_stand_side_by_side(void **state)
{
    (void)state;
    json_t *all = last_json(run_expecting(0, "sessions compare base child other --json"));
    const json_t *sessions = json_object_get(all, "sessions"), *base = at(sessions, 0), *other = at(sessions, 2);
    assert_int_equal(json_array_size(sessions), 3);
    assert_string_equal(json_text_at(base, "session"), "base");
    assert_int_equal((int)json_number_at(base, "step"), 16);
    assert_int_equal((int)json_number_at(base, "commands"), 4); /* two that waited, two that were done */
    assert_int_equal(json_array_size(json_object_get(base, "changes")), 1);
    assert_int_equal((int)json_number_at(at(json_object_get(base, "changes"), 0), "step"), 3);
    assert_int_equal(json_array_size(json_object_get(at(sessions, 1), "changes")), 2);
    json_t *shown = last_json(run_expecting(0, "sessions show base --json"));
    const json_t *epochs = json_object_get(shown, "epochs");
    const char *const keys[] = {"train_loss", "validation_accuracy", "validation_loss", "test_accuracy", "test_loss"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_true(json_number_at(base, keys[i]) == json_number_at(at(epochs, 1), keys[i]));
    const double first = json_number_at(at(epochs, 0), "validation_loss"),
                 last = json_number_at(at(epochs, 1), "validation_loss");
    const json_t *best = json_object_get(json_object_get(base, "best"), "validation_loss");
    assert_true(json_number_at(best, "value") == (first < last ? first : last));
    assert_int_equal((int)json_number_at(best, "step"), first < last ? 8 : 16);
    assert_true(json_number_at(base, "images_per_second") > 0 && json_number_at(base, "seconds") > 0);
    assert_true(json_number_at(json_object_get(base, "signal_first"), "ratio") > 0);
    assert_int_equal((int)json_number_at(json_object_get(base, "signal_first"), "step"), 0);
    assert_true(json_is_null(json_object_get(all, "common_origin")));
    assert_true(json_is_null(json_object_get(other, "test_accuracy")) == false);
    json_decref(shown);
    json_decref(all);
}

/* As they began, and as they are now. */
static void settings_that_differ_are_told(void **state)
{
    (void)state;
    json_t *all = last_json(run_expecting(0, "sessions compare base child other --json"));
    const json_t *differences = json_object_get(all, "differences"), *row;
    size_t index, found = 0;
    json_array_foreach((json_t *)differences, index, row)
    {
        const json_t *began = json_object_get(row, "values"), *now = json_object_get(row, "values_now");
        if (strcmp(json_text_at(row, "setting"), "lr") == 0) {
            found++;
            assert_string_equal(json_string_value(at(began, 0)), "0.05");
            assert_string_equal(json_string_value(at(now, 0)), "0.01");
            assert_string_equal(json_string_value(at(now, 1)), "0.02");
            assert_string_equal(json_string_value(at(now, 2)), "0.05");
        } else if (strcmp(json_text_at(row, "setting"), "momentum") == 0) {
            found++;
            assert_string_equal(json_string_value(at(began, 2)), "0.5");
        }
        assert_string_not_equal(json_text_at(row, "setting"), "batch");
    }
    assert_int_equal(found, 2);
    json_decref(all);
    const char *out = run_expecting(0, "sessions compare base child other")->out;
    assert_non_null(strstr(out, "0.05, now 0.01"));
    assert_non_null(strstr(out, "a: base "));
    assert_non_null(strstr(out, "changes of b (child):\n  step 3: lr 0.05 -> 0.01"));
    assert_non_null(strstr(out, "common origin of a and b: base, the same up to step 5\n"));
    assert_null(strstr(out, " \n")); /* plain for programs */
}

/* A legend may have no room for all that differs. */
static void a_legend_tells_first_what_tells_all_apart(void **state)
{
    (void)state;
    static struct comparison comparison;
    struct settings settings;
    struct error error;
    char *names[] = {"base", "child", "other"}, text[COMPARE_NAME];
    assert_int_equal(settings_default(&settings, &error), 0);
    snprintf(settings.sessions_dir, sizeof settings.sessions_dir, "%s", process_path("nfbench"));
    assert_int_equal(compare_open(&settings, names, 3, &comparison, &error), 0);
    assert_string_not_equal(compare_difference(&comparison, 0)->name, "lr"); /* the table has its own order */
    compare_name(&comparison, &comparison.sessions[0], text);
    assert_memory_equal(text, "base: lr 0.05, now 0.01, ", 25);
    compare_name(&comparison, &comparison.sessions[2], text);
    assert_memory_equal(text, "other: lr 0.05, ", 16);
    assert_non_null(strstr(text, "momentum 0.5"));
    assert_non_null(strstr(strstr(text, "momentum 0.5"), ", epochs 1")); /* which the curves tell, too */
    compare_close(&comparison);
}

static void forks_have_a_common_origin(void **state)
{
    (void)state;
    json_t *all = last_json(run_expecting(0, "sessions compare grandchild base child --json"));
    assert_string_equal(json_text_at(json_object_get(all, "common_origin"), "session"), "base");
    assert_int_equal((int)json_number_at(json_object_get(all, "common_origin"), "step"), 5);
    json_decref(all);
    all = last_json(run_expecting(0, "sessions compare grandchild child --json"));
    assert_string_equal(json_text_at(json_object_get(all, "common_origin"), "session"), "child");
    assert_int_equal((int)json_number_at(json_object_get(all, "common_origin"), "step"), 11);
    json_decref(all);
}

/* Whoever went back behind the fork has left what they had in common. */
static void a_parent_that_went_back_has_less_in_common(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--epochs 2 --log-every 1 --script changes --session gone");
    run_expecting(0, "fork gone --at 10 --name kept");
    json_t *all = last_json(run_expecting(0, "sessions compare gone kept --json"));
    assert_int_equal((int)json_number_at(json_object_get(all, "common_origin"), "step"), 10);
    json_decref(all);
    run_expecting(0, "resume gone --checkpoint 8 --lr 0.2");
    all = last_json(run_expecting(0, "sessions compare kept gone --json"));
    assert_int_equal((int)json_number_at(json_object_get(all, "common_origin"), "step"), 8);
    json_decref(all);
    run_expecting(0, "sessions verify gone kept");
    run_expecting(0, "sessions rm --yes gone kept");
}

static void curves_lie_over_each_other_in_a_picture(void **state)
{
    (void)state;
    unsigned char head[24];
    run_expecting(0, "sessions compare base child other --png over.png --scale 1");
    FILE *file = fopen(process_path("over.png"), "rb");
    assert_non_null(file);
    assert_int_equal(fread(head, 1, sizeof head, file), sizeof head);
    fclose(file);
    assert_memory_equal(head + 1, "PNG", 3);
    assert_int_equal(head[18] << 8 | head[19], 1200);
    assert_non_null(strstr(run_expecting(2, "sessions compare base child --png over.jpg")->err, "must end in .png"));
}

static void what_cannot_be_compared_is_said(void **state)
{
    (void)state;
    assert_non_null(strstr(run_expecting(2, "sessions compare base")->err, "takes the names of 2 to 8 sessions"));
    assert_non_null(strstr(run_expecting(1, "sessions compare base nothing")->err, "there is no session"));
    assert_non_null(strstr(run_expecting(1, "sessions compare base child base")->err, "session base is named twice"));
    assert_non_null(strstr(run_expecting(2, "sessions list --repair")->err, "--repair means nothing to sessions list"));
    assert_non_null(strstr(run_expecting(2, "sessions judge")->err, "must be list, show, compare, verify or rm"));
}

/* ---- Families ---- */

static void families_are_listed_as_trees(void **state)
{
    (void)state;
    const char *out = run_expecting(0, "sessions")->out, *base = strstr(out, "\nbase ");
    assert_non_null(base);
    const char *child = strstr(base, "\n  child "), *grandchild = child ? strstr(child, "\n    grandchild ") : NULL;
    assert_non_null(grandchild);
    assert_ptr_equal(strchr(child + 1, '\n'), grandchild); /* right below it */
    assert_non_null(strstr(out, "\nother "));
}

/* Folders that were removed, or that call each other parents, lose no session from the list. */
static void broken_families_lose_nobody(void **state)
{
    (void)state;
    const char *const names[] = {"one", "two", "three"};
    const char *const parents[] = {"two", "one", "gone"};
    for (int i = 0; i < 3; i++) {
        char folder[64];
        struct session_paths paths;
        struct error error = {""};
        run_expecting(0, "train " TINY "--steps 1 --session %s --sessions-dir broken", names[i]);
        snprintf(folder, sizeof folder, "broken/%s", names[i]);
        assert_int_equal(session_paths(process_path(folder), &paths, &error), 0);
        assert_int_equal(session_write_parent(&paths, parents[i], 3 + i / 2, &error), 0);
    }
    const char *out = run_expecting(0, "sessions --sessions-dir broken")->out;
    for (int i = 0; i < 3; i++) {
        char line[32];
        snprintf(line, sizeof line, "%s  ", names[i]); /* not the parent's of another */
        assert_non_null(strstr(out, line));
    }
    assert_non_null(strstr(out, "\nthree "));
    assert_non_null(strstr(out, "gone, step 4"));
    run_expecting(0, "sessions compare broken/one broken/two broken/three");
}

/* ---- verify ---- */

static void what_is_wrong_is_told_and_mended(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--epochs 2 --session hurt");
    assert_non_null(strstr(run_expecting(0, "sessions verify hurt")->out, "hurt: fine, step 16, 2 checkpoints, "));
    assert_int_equal(truncate(process_path("nfbench/hurt/checkpoints/16.safetensors"), 1000), 0);
    const struct outcome *outcome = run_expecting(1, "sessions verify");
    assert_non_null(strstr(outcome->out, "hurt: 1 wrong"));
    assert_non_null(strstr(outcome->out, "wrong: checkpoints/16.safetensors: cut off"));
    assert_non_null(strstr(outcome->out, "of 5 sessions fine"));
    json_t *all = last_json(run_expecting(1, "sessions verify all --json"));
    assert_true(json_is_false(json_object_get(all, "ok")));
    assert_int_equal((int)json_number_at(all, "wrong"), 1);
    assert_int_equal(json_array_size(json_object_get(all, "sessions")), 5);
    json_decref(all);
    assert_non_null(strstr(run_expecting(0, "sessions verify hurt base --repair")->out, "repaired: checkpoints/16"));
    run_expecting(0, "sessions verify hurt");
    assert_non_null(strstr(run_expecting(0, "resume hurt")->err, "steps 8 to 16"));
    run_expecting(1, "sessions verify base nothing");
}

/* Beside them: what was never made goes, what has lost its settings gets them back from a checkpoint. */
static void folders_that_are_no_sessions_are_told(void **state)
{
    (void)state;
    const char *const made[] = {"beside", "beside/.fork-1-1", "beside/half", "beside/mine"};
    run_expecting(0, "train " TINY "--steps 1 --session lost --sessions-dir beside");
    assert_int_equal(unlink(process_path("beside/lost/settings.ini")), 0);
    for (int i = 1; i < 4; i++)
        assert_int_equal(mkdir(process_path(made[i]), 0777), 0);
    for (int i = 1; i < 3; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/lock", made[i]);
        FILE *lock = fopen(process_path(path), "w");
        assert_non_null(lock);
        assert_int_equal(fclose(lock), 0);
    }
    const char *out = run_expecting(1, "sessions verify --sessions-dir beside")->out;
    assert_non_null(strstr(out, "wrong: lost: a run was there, but its settings.ini is missing"));
    assert_non_null(strstr(out, "note: .fork-1-1: a fork that was never finished"));
    assert_non_null(strstr(out, "note: half: a session that was never finished"));
    json_t *all = last_json(run_expecting(0, "sessions verify --repair --json --sessions-dir beside"));
    assert_int_equal((int)json_number_at(all, "repaired"), 3);
    assert_int_equal(json_array_size(json_object_get(all, "directory")), 3);
    json_decref(all);
    assert_int_equal(access(process_path(made[1]), F_OK), -1);
    assert_int_equal(access(process_path(made[2]), F_OK), -1);
    assert_int_equal(access(process_path(made[3]), F_OK), 0); /* not nfbench's */
    assert_non_null(strstr(run_expecting(0, "sessions verify --sessions-dir beside")->out, "lost: fine"));
    run_expecting(0, "sessions verify --sessions-dir nowhere");
}

static void a_session_that_trains_is_not_mended(void **state)
{
    (void)state;
    struct process process = process_start("train " TINY "--epochs 100000 --session busy", NULL);
    wait_for_text("nfbench/busy/metrics.jsonl", "\"step\":2");
    assert_non_null(strstr(run_expecting(0, "sessions verify busy")->out, "busy: fine"));
    assert_non_null(strstr(run_expecting(1, "sessions verify busy --repair")->err, "in use by process"));
    kill(process.pid, SIGINT);
    process_finish(&process);
    run_expecting(0, "sessions verify busy --repair");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_test(sessions_stand_side_by_side),
        process_test(settings_that_differ_are_told),
        process_test(a_legend_tells_first_what_tells_all_apart),
        process_test(forks_have_a_common_origin),
        process_test(a_parent_that_went_back_has_less_in_common),
        process_test(curves_lie_over_each_other_in_a_picture),
        process_test(what_cannot_be_compared_is_said),
        process_test(families_are_listed_as_trees),
        process_test(what_is_wrong_is_told_and_mended),
        process_test(broken_families_lose_nobody),
        process_test(folders_that_are_no_sessions_are_told),
        process_test(a_session_that_trains_is_not_mended),
    };
    return cmocka_run_group_tests(tests, make_family, process_teardown);
}
