/* `nfbench probe` says of the networks at initialisation what theory and the seed report's figures say. */
#include "tests/tui/process.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static double at(const json_t *points, size_t point, const char *key)
{
    const json_t *object = json_array_get(points, point);
    assert_non_null(object);
    return json_number_at(object, key);
}

/* The squared mean would shift without it; the variance follows from shortcut and branch. */
static void test_papers_block(void **state)
{
    (void)state;
    json_t *object = last_json(run_expecting(0, "probe --preset micro --json"));
    const json_t *points = json_object_get(object, "points");
    assert_int_equal(json_array_size(points), 7);
    for (size_t i = 1; i < 7; i++) {
        const double law = at(points, i, "shortcut_variance") + 0.04 * at(points, i, "branch_variance");
        assert_float_equal(at(points, i, "variance") / law, 1, 0.02);
        assert_true(at(points, i, "squared_mean") < 0.02);
        assert_true(at(points, i, "variance") < at(points, i, "predicted") * 1.1);
        assert_true(at(points, i, "gradient_norm") > 0);
        assert_string_equal(json_text_at(json_array_get(points, i), "health"), "good");
    }
    assert_float_equal(at(points, 1, "predicted"), 1.04, 1e-6);
    assert_float_equal(at(points, 2, "predicted"), 1.08, 1e-6);
    json_decref(object);
}

/* 7 after the first block and 36 after the last where 1.04 and 1.2 are predicted, and why (DESIGN section 2). */
static void test_report_block(void **state)
{
    (void)state;
    json_t *object = last_json(run_expecting(0, "probe --preset report --batch 16 --json"));
    const json_t *points = json_object_get(object, "points");
    assert_float_equal(at(points, 1, "predicted"), 1.04, 1e-6);
    assert_float_equal(at(points, 15, "predicted"), 1.2, 1e-6);
    assert_in_range((int)at(points, 1, "variance"), 6, 8);
    assert_in_range((int)at(points, 15, "variance"), 28, 48);
    assert_non_null(strstr(json_text_at(json_array_get(points, 15), "why"), "gamma"));
    json_decref(object);
    assert_non_null(strstr(run_expecting(0, "probe --preset report --batch 8")->out, "gamma"));
}

/* The report's finding and its truth: without standardisation the initial scale decides, and means shift; with it the
 * scale is without effect. */
static void test_initialisations(void **state)
{
    (void)state;
    json_t *object = last_json(run_expecting(0, "probe --preset report --batch 16 --compare init,ws --json"));
    const json_t *networks = json_object_get(object, "networks");
    assert_int_equal(json_object_size(networks), 10);
    const json_t *he = json_object_get(networks, "he, ws off"), *with = json_object_get(networks, "he, ws on");
    assert_true(at(he, 15, "variance") > 1 && at(he, 15, "variance") < 20);
    assert_true(at(he, 15, "squared_mean") > 1);
    assert_true(at(with, 15, "squared_mean") < 0.5);
    static const char *const words[] = {"xavier", "uniform", "normal"};
    for (size_t i = 0; i < 3; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s, ws off", words[i]);
        assert_true(at(json_object_get(networks, key), 15, "variance") < 0.05);
        snprintf(key, sizeof key, "%s, ws on", words[i]);
        assert_float_equal(at(json_object_get(networks, key), 15, "variance") / at(with, 15, "variance"), 1, 0.15);
    }
    /* behind the identity a relu finds nothing more to take away, but gamma multiplies again */
    const json_t *dirac = json_object_get(networks, "dirac, ws on");
    assert_true(at(dirac, 15, "variance") > 100 * at(with, 15, "variance"));
    json_decref(object);
}

static void test_skip_gain_as_training_starts(void **state)
{
    (void)state;
    json_t *object = last_json(run_expecting(0, "probe --preset micro --batch 8 --skip-gain zero --json"));
    const json_t *points = json_object_get(object, "points");
    assert_float_equal(at(points, 1, "variance"), at(points, 1, "shortcut_variance"), 0); /* to the bit */
    assert_true(at(points, 1, "branch_variance") > 0.5);
    json_decref(object);
}

static void test_images_go_in(void **state)
{
    (void)state;
    json_t *object = last_json(run_expecting(0, "probe " NETWORK "--input images --data synthetic --batch 8 --json"));
    assert_string_equal(json_text_at(object, "input"), "images");
    assert_int_equal(json_number_at(object, "images"), 8);
    json_decref(object);
    assert_non_null(strstr(run_expecting(0, "probe " NETWORK "--data synthetic --batch 8")->out, "synthetic"));
}

static void test_same_twice(void **state)
{
    (void)state;
    char first[1 << 12];
    const char *command = "probe " NETWORK "--batch 8 --norm batch";
    snprintf(first, sizeof first, "%s", run_expecting(0, "%s", command)->out);
    assert_string_equal(run_expecting(0, "%s", command)->out, first);
    assert_string_not_equal(run_expecting(0, "%s --seed 2", command)->out, first);
}

static void test_figure_is_written(void **state)
{
    (void)state;
    unsigned char magic[8] = {0};
    run_expecting(0, "probe " NETWORK "--batch 8 --compare init,ws --png %s", process_path("p.png"));
    FILE *file = fopen(process_path("p.png"), "rb");
    assert_non_null(file);
    assert_int_equal(fread(magic, 1, sizeof magic, file), sizeof magic);
    fclose(file);
    assert_memory_equal(magic, "\x89PNG\r\n\x1a\n", 8);
}

/* No law is said to hold of what is beyond all numbers. */
static void test_what_explodes(void **state)
{
    (void)state;
    const char *out = run_expecting(0, "probe --stem 8 --stages 8/8x200 --ws off --alpha 4 --batch 2")->out;
    assert_non_null(strstr(out, " Inf "));
    assert_null(strstr(out, "holds within"));
}

static void test_bad_usage(void **state)
{
    (void)state;
    static const struct {
        const char *arguments, *words;
    } cases[] = {
        {"--compare lr", "--compare lr: must be a setting of the model"},
        {"--compare init,init", "twice the same"},
        {"--compare init,ws,norm", "one setting, or two with a comma between them"},
        {"--png figure.jpg", "must end in .png"},
        {"--compare init --init he", "leave --init out"},
        {"--compare activation,init", "more than 10 networks"},
        {"--input x", "must be noise or images"},
        {"--input noise --data synthetic", "needs no --data"},
        {"--epochs 3", "--epochs"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_non_null(strstr(run_expecting(2, "probe %s", cases[i].arguments)->err, cases[i].words));
    run_expecting(1, "probe " NETWORK "--batch 8 --png /nowhere/p.png");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_papers_block),      cmocka_unit_test(test_report_block),
        cmocka_unit_test(test_initialisations),   cmocka_unit_test(test_skip_gain_as_training_starts),
        cmocka_unit_test(test_images_go_in),      cmocka_unit_test(test_same_twice),
        cmocka_unit_test(test_figure_is_written), cmocka_unit_test(test_what_explodes),
        cmocka_unit_test(test_bad_usage),
    };
    return cmocka_run_group_tests(tests, process_setup, process_teardown);
}
