/* What comes after a run, on the real program: measuring it, importing weights, the list of sessions; and the bench. */
#include "tests/tui/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- test ---- */

static void test_test_agrees_with_train(void **state)
{
    (void)state;
    json_t *trained = last_json(run_expecting(0, "train " TINY "--epochs 2 --session measured --json"));
    json_t *test = last_json(run_expecting(0, "test measured --json"));
    assert_true(json_equal(json_object_get(trained, "test_accuracy"), json_object_get(test, "accuracy")));
    assert_true(json_equal(json_object_get(trained, "test_loss"), json_object_get(test, "loss")));
    json_t *validation = last_json(run_expecting(0, "test measured --split validation --json --batch 7"));
    assert_true(json_equal(json_object_get(trained, "validation_accuracy"), json_object_get(validation, "accuracy")));
    assert_int_equal((int)json_number_at(validation, "images"), 64);
    json_decref(validation);
    json_decref(test);
    json_decref(trained);
}

static void test_confusion_adds_up(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--epochs 1 --session confused");
    json_t *test = last_json(run_expecting(0, "test confused --json"));
    const json_t *confusion = json_object_get(test, "confusion"), *classes = json_object_get(test, "classes");
    assert_int_equal(json_array_size(confusion), 10);
    assert_int_equal(json_array_size(classes), 10);
    int right = 0, all = 0;
    for (size_t t = 0; t < 10; t++) {
        const json_t *row = json_array_get(confusion, t), *class = json_array_get(classes, t);
        int images = 0, hits = (int)json_integer_value(json_array_get(row, t));
        for (size_t c = 0; c < 10; c++)
            images += (int)json_integer_value(json_array_get(row, c));
        assert_int_equal(images, (int)json_number_at(class, "images"));
        if (images)
            assert_true(json_number_at(class, "accuracy") - (double)hits / images < 1e-6);
        right += hits;
        all += images;
    }
    assert_int_equal(right, (int)json_number_at(test, "correct"));
    assert_int_equal(all, 128);
    json_decref(test);
    const struct outcome *outcome = run_expecting(0, "test confused");
    assert_non_null(strstr(outcome->out, "truth, and taken for:"));
}

static void test_checkpoints_can_be_chosen(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--epochs 2 --session chosen");
    json_t *last = last_json(run_expecting(0, "test chosen --json --checkpoint last"));
    assert_int_equal((int)json_number_at(last, "step"), 16);
    json_t *first = last_json(run_expecting(0, "test chosen --json --checkpoint 8"));
    assert_int_equal((int)json_number_at(first, "step"), 8);
    assert_true(json_number_at(first, "loss") != json_number_at(last, "loss"));
    json_t *best = last_json(run_expecting(0, "test chosen --json --checkpoint best"));
    assert_true(json_number_at(best, "step") == 8 || json_number_at(best, "step") == 16);
    json_decref(best);
    json_decref(first);
    json_decref(last);
    run_expecting(1, "test chosen --checkpoint 12345");
    assert_non_null(strstr(run_expecting(1, "test chosen --checkpoint newest")->err, "has no checkpoint newest"));
    run_expecting(2, "test chosen --checkpoint a/b");
    run_expecting(2, "test chosen --split all");
    run_expecting(2, "test chosen --batch 0");
    run_expecting(1, "test no-such-session");
}

static void test_mirror_images_can_be_averaged_with(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--epochs 1 --session mirrored");
    json_t *none = last_json(run_expecting(0, "test mirrored --json --tta none"));
    json_t *flip = last_json(run_expecting(0, "test mirrored --json --tta flip"));
    assert_string_equal(json_text_at(none, "tta"), "none");
    assert_true(json_is_null(json_object_get(none, "plain_accuracy")));
    assert_string_equal(json_text_at(flip, "tta"), "flip");
    assert_true(json_equal(json_object_get(flip, "plain_accuracy"), json_object_get(none, "accuracy")));
    assert_true(json_equal(json_object_get(flip, "plain_loss"), json_object_get(none, "loss")));
    assert_true(json_number_at(flip, "loss") != json_number_at(none, "loss"));
    json_decref(flip);
    json_decref(none);
    assert_non_null(strstr(run_expecting(0, "test mirrored --tta flip")->out, "\naccuracy without mirror images "));
    assert_non_null(strstr(run_expecting(2, "test mirrored --tta flop")->err, "--tta flop: must be none or flip"));
}

static void test_validation_of_a_run_that_held_nothing_out(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--validation 0 --steps 1 --session all-in");
    const struct outcome *outcome = run_expecting(1, "test all-in --split validation");
    assert_non_null(strstr(outcome->err, "--validation 0"));
}

/* ---- import, sessions, bench ---- */

static void test_import_of_own_checkpoint_measures_the_same(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--epochs 1 --session source");
    const char *checkpoint = process_path("nfbench/source/checkpoints/8.safetensors");
    json_t *imported = last_json(run_expecting(0, "import %s " TINY "--session copy --json", checkpoint));
    assert_true(json_number_at(imported, "tensors") > 10);
    assert_true(json_number_at(imported, "parameters") > 100);
    json_t *source = last_json(run_expecting(0, "test source --json"));
    json_t *copy = last_json(run_expecting(0, "test copy --json"));
    assert_true(json_equal(json_object_get(source, "confusion"), json_object_get(copy, "confusion")));
    assert_true(json_equal(json_object_get(source, "loss"), json_object_get(copy, "loss")));
    run_expecting(0, "resume copy --steps 2");
    json_decref(imported);
    json_decref(source);
    json_decref(copy);
}

static void test_import_of_what_is_no_such_file(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(1, "import /nonexistent.safetensors --preset micro --session none");
    assert_non_null(strstr(outcome->err, "/nonexistent.safetensors"));
    run_expecting(0, "train " TINY "--epochs 1 --session narrow");
    outcome = run_expecting(1, "import %s --preset report --session none", process_path("nfbench/narrow/settings.ini"));
    assert_non_null(strstr(outcome->err, "settings.ini"));
    assert_int_not_equal(access(process_path("nfbench/none"), F_OK), 0);
}

static void test_sessions_are_listed(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--epochs 1 --session listed");
    json_t *list = last_json(run_expecting(0, "sessions --json"));
    const json_t *rows = json_object_get(list, "sessions"), *row;
    size_t index, found = 0;
    json_array_foreach((json_t *)rows, index, row)
    {
        if (strcmp(json_text_at(row, "session"), "listed") == 0) {
            found++;
            assert_int_equal((int)json_number_at(row, "step"), 8);
            assert_string_equal(json_text_at(row, "state"), "finished");
            assert_true(json_number_at(row, "best_accuracy") >= 0);
        }
    }
    assert_int_equal(found, 1);
    json_decref(list);
    assert_non_null(strstr(run_expecting(0, "sessions")->out, "listed"));
    json_t *shown = last_json(run_expecting(0, "sessions show listed --json"));
    assert_string_equal(json_text_at(json_object_get(shown, "settings"), "batch"), "16");
    assert_int_equal(json_array_size(json_object_get(shown, "epochs")), 1);
    json_decref(shown);
    run_expecting(1, "sessions show unheard-of");
}

/* The same words whether the list or the session is asked. */
/* What a run began from is its network's name, in what comes of it, too. */
static void test_networks_are_called_after_what_they_began_from(void **state)
{
    (void)state;
    run_expecting(0, "train --config fast " TINY "--steps 1 --session origin");
    run_expecting(0, "fork origin --at 1 --name origin-fork");
    run_expecting(0, "export origin --safetensors %s", process_path("origin.safetensors"));
    run_expecting(0, "import %s --data synthetic --session origin-import", process_path("origin.safetensors"));
    json_t *list = last_json(run_expecting(0, "sessions --json"));
    const json_t *rows = json_object_get(list, "sessions");
    int seen = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (strncmp(json_text_at(row, "session"), "origin", 6) != 0)
            continue;
        seen++;
        assert_string_equal(json_text_at(row, "network"), "recipe fast, changed");
        assert_string_equal(json_text_at(row, "preset"), "custom");
    }
    assert_int_equal(seen, 3);
    json_decref(list);
    assert_non_null(strstr(run_expecting(0, "sessions")->out, "  recipe fast, changed  "));
    assert_non_null(strstr(run_expecting(0, "sessions show origin")->out, "  recipe fast, changed\n"));
    assert_non_null(strstr(run_expecting(0, "sessions compare origin origin-fork")->out, "  recipe fast, changed  "));
    json_t *other = last_json(run_expecting(0, "bench " NETWORK "--batch 2 --steps 1 --repeats 1 --json"));
    assert_string_equal(json_text_at(other, "network"), "micro, changed");
    json_decref(other);
}

/* An accuracy of the validation images does not stand beside one of the test images without a word. */
static void test_the_list_says_what_best_is_of(void **state)
{
    (void)state;
    static const char set_aside[] = "of the validation images where a run sets some aside (--validation)";
    run_expecting(0, "train " TINY "--epochs 1 --validation 0 --session of-test --sessions-dir %s",
                  process_path("measures"));
    assert_null(strstr(run_expecting(0, "sessions --sessions-dir %s", process_path("measures"))->out, set_aside));
    run_expecting(0, "train " TINY "--epochs 1 --session of-validation --sessions-dir %s", process_path("measures"));
    assert_non_null(strstr(run_expecting(0, "sessions --sessions-dir %s", process_path("measures"))->out, set_aside));
}

static void test_list_and_show_agree_on_the_state(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--steps 2 --session killed");
    FILE *log = fopen(process_path("nfbench/killed/metrics.jsonl"), "r+");
    assert_non_null(log);
    char line[2048];
    long at = 0;
    while (fgets(line, sizeof line, log) && !strstr(line, "\"finished\""))
        at = ftell(log);
    assert_int_equal(ftruncate(fileno(log), at), 0); /* as if the process had died before it could say so */
    fclose(log);
    json_t *shown = last_json(run_expecting(0, "sessions show killed --json"));
    assert_string_equal(json_text_at(shown, "state"), "interrupted");
    assert_int_equal((int)json_number_at(shown, "step"), 2);
    json_decref(shown);
    assert_non_null(strstr(run_expecting(0, "sessions show killed")->out, "step 2, interrupted"));
}

/* JSON knows only UTF-8; a folder's name may be anything. */
static void test_a_name_that_is_no_utf8_is_still_told(void **state)
{
    (void)state;
    const char *folder = process_path("\xff\xfe");
    json_t *trained =
        last_json(run_expecting(0, "train " TINY "--steps 1 --session odd --json --sessions-dir %s", folder));
    assert_string_equal(json_text_at(trained, "session"), "odd");
    json_decref(trained);
    json_t *list = last_json(run_expecting(0, "sessions --json --sessions-dir %s", process_path("\xff\xfe")));
    assert_non_null(strstr(json_text_at(list, "directory"), "/??"));
    assert_int_equal(json_array_size(json_object_get(list, "sessions")), 1);
    json_decref(list);
}

static void test_bench_times_a_step(void **state)
{
    (void)state;
    json_t *bench = last_json(run_expecting(0, "bench " NETWORK "--batch 8 --steps 2 --repeats 3 --agc 0.02 --json"));
    double rate = json_number_at(bench, "images_per_second"), step = json_number_at(bench, "milliseconds_per_step");
    assert_true(rate > 0 && step > 0);
    assert_true(rate * step / 8000 > 0.999 && rate * step / 8000 < 1.001);
    assert_true(json_number_at(bench, "milliseconds_least") <= step &&
                step <= json_number_at(bench, "milliseconds_most"));
    assert_true(json_number_at(bench, "gigaflops_per_second") > 0);
    assert_true(json_object_size(json_object_get(bench, "milliseconds")) > 5);
    const json_t *parts = json_object_get(bench, "milliseconds_by_part"); /* by the names that a run has, too */
    assert_int_equal(json_object_size(parts), 6);
    assert_true(json_number_at(parts, "forward") > 0 && json_number_at(parts, "backward") > 0);
    assert_true(json_number_at(parts, "probe") == 0);
    json_decref(bench);
    assert_non_null(strstr(run_expecting(0, "bench " NETWORK "--batch 8 --repeats 2")->out, "where the time goes"));
}

/* The peer's own count of multiplications and additions, printed by its bench. */
static void test_bench_counts_work_as_the_peer_does(void **state)
{
    (void)state;
    json_t *bench =
        last_json(run_expecting(0, "bench --preset report --threads 1 --batch 1 --steps 1 --repeats 1 --json"));
    assert_true(json_number_at(bench, "megaflops_forward_per_image") > 212.1);
    assert_true(json_number_at(bench, "megaflops_forward_per_image") < 212.3);
    assert_int_equal((int)json_number_at(bench, "parameters"), 737242);
    json_decref(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_test_agrees_with_train),
        cmocka_unit_test(test_confusion_adds_up),
        cmocka_unit_test(test_checkpoints_can_be_chosen),
        cmocka_unit_test(test_mirror_images_can_be_averaged_with),
        cmocka_unit_test(test_validation_of_a_run_that_held_nothing_out),
        cmocka_unit_test(test_import_of_own_checkpoint_measures_the_same),
        cmocka_unit_test(test_import_of_what_is_no_such_file),
        cmocka_unit_test(test_sessions_are_listed),
        cmocka_unit_test(test_networks_are_called_after_what_they_began_from),
        cmocka_unit_test(test_the_list_says_what_best_is_of),
        cmocka_unit_test(test_list_and_show_agree_on_the_state),
        cmocka_unit_test(test_a_name_that_is_no_utf8_is_still_told),
        cmocka_unit_test(test_bench_times_a_step),
        cmocka_unit_test(test_bench_counts_work_as_the_peer_does),
    };
    return cmocka_run_group_tests(tests, process_setup, process_teardown);
}
