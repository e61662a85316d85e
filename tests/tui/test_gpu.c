/* What people see of a GPU, on the emulated one: the whole program linked with kernels/cuda as C++ on the CPU. */
#include "tests/tui/process.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ON_ANY "--family papers --stem 8 --stages 8/4x1,16/8x1/2 --threads 1 "
#define ONE ON_ANY "--limit 4 --batch 4 --epochs 1 "

/* The emulated program in the place of the real one. */
static int setup(void **state)
{
    static char path[PATH_MAX + 32], libraries[PATH_MAX + 32], build[PATH_MAX];
    const char *given = getenv("BUILD");
    if (!realpath(given ? given : "build", build)) /* programs are started in folders of their own */
        return -1;
    snprintf(path, sizeof path, "%s/nfbench-emulated", build);
    snprintf(libraries, sizeof libraries, "%s/tests/support/nvml", build);
    return setenv("NFBENCH_BINARY", path, 1) || setenv("LD_LIBRARY_PATH", libraries, 1) ? -1 : process_setup(state);
}

static void doctor_tests_every_op(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "doctor --threads 1");
    assert_non_null(strstr(outcome->out, "emulated GPU, compute capability 9.0"));
    assert_non_null(strstr(outcome->out, "CPU and CUDA, compute capabilities 75 80 86 89 90"));
    assert_non_null(strstr(outcome->out, "98 %, 61 \u00b0C, 540 W, 12.3/141 GB"));
    assert_non_null(strstr(outcome->out, "all ops agree"));
    assert_null(strstr(outcome->out, "bad"));
    assert_int_equal(setenv("EMULATED_DEVICES", "2", 1), 0);
    json_t *found = last_json(run_expecting(0, "doctor --device cuda:1 --threads 1 --json"));
    assert_int_equal(unsetenv("EMULATED_DEVICES"), 0);
    const json_t *gpus = json_object_get(found, "gpus");
    assert_int_equal(json_array_size(gpus), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(gpus, 1), "index")), 1);
    assert_true(json_is_true(json_object_get(json_array_get(gpus, 1), "usable")));
    assert_string_equal(json_text_at(json_array_get(gpus, 1), "compute_capability"), "9.0");
    const json_t *results = json_object_get(found, "self_test");
    assert_string_equal(json_string_value(json_object_get(found, "device")), "cuda");
    assert_true(json_array_size(results) > 40);
    int tf32 = 0;
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *result = json_array_get(results, i);
        assert_true(json_is_true(json_object_get(result, "ok")));
        if (strcmp(json_text_at(result, "precision"), "tf32") != 0)
            continue;
        assert_non_null(strstr(json_text_at(result, "op"), "convolution"));
        tf32++;
    }
    assert_true(tf32 >= 10);
    json_decref(found);
}

static void a_gpu_is_chosen_by_its_number(void **state)
{
    (void)state;
    assert_int_equal(setenv("EMULATED_DEVICES", "2", 1), 0);
    run_expecting(0, "train " ONE "--device cuda:1 --session second");
    assert_true(file_has("nfbench/second/settings.ini", "device = cuda:1\n"));
    const struct outcome *outcome =
        run_expecting(0, "resume second --epochs 2 --device cuda"); /* where it has been is told */
    assert_non_null(strstr(outcome->err, "not on the device it was on before"));
    assert_true(file_has("nfbench/second/settings.ini", "device = cuda\n"));
    outcome = run_expecting(1, "train " ONE "--device cuda:2");
    assert_non_null(strstr(outcome->err, "there is no GPU 2; this machine has 2, numbered from 0"));
    outcome = run_expecting(2, "train " ONE "--device cuda:64");
    assert_non_null(strstr(outcome->err, "wanted auto|cpu|cuda[:N]"));
    run_expecting(2, "train " ONE "--device cuda:");
    run_expecting(2, "train " ONE "--device cpu:1");
    assert_int_equal(unsetenv("EMULATED_DEVICES"), 0);
}

static void a_run_takes_the_gpu(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "train " ONE "--session gpu --json");
    assert_non_null(strstr(outcome->err, "on emulated GPU, bf16"));
    json_t *results = last_json(outcome);
    assert_string_equal(json_string_value(json_object_get(results, "state")), "finished");
    json_decref(results);
    outcome = run_expecting(0, "resume gpu --epochs 2 --device cpu"); /* where there is no GPU, it can go on */
    assert_non_null(strstr(outcome->err, "not on the device it was on before"));
    outcome = run_expecting(0, "train " ONE "--device cpu --session cpu");
    assert_non_null(strstr(outcome->err, "on CPU, 1 thread"));
}

static void a_run_computes_in_tf32(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "train " ONE "--precision tf32 --session tf32");
    assert_non_null(strstr(outcome->err, "on emulated GPU, tf32"));
    assert_true(file_has("nfbench/tf32/settings.ini", "precision = tf32"));
    run_expecting(0, "resume tf32 --epochs 2");
    json_t *results =
        last_json(run_expecting(0, "bench " ON_ANY "--batch 2 --steps 1 --repeats 1 --precision tf32 --json"));
    assert_string_equal(json_text_at(results, "precision"), "tf32");
    json_decref(results);
    outcome = run_expecting(1, "resume tf32 --epochs 3 --device cpu"); /* it says what to do instead, which works */
    assert_non_null(strstr(outcome->err, "--precision fp32"));
    outcome = run_expecting(0, "resume tf32 --epochs 3 --precision fp32");
    assert_non_null(strstr(outcome->err, "not in the precision it was in before"));
}

static void an_older_gpu_has_no_tf32(void **state)
{
    (void)state;
    assert_int_equal(setenv("EMULATED_CAPABILITY", "7.5", 1), 0);
    const struct outcome *outcome = run_expecting(2, "train " ONE "--precision tf32");
    assert_non_null(strstr(outcome->err, "--precision tf32 needs compute capability 8.0 or later, and emulated GPU has "
                                         "7.5: take fp32\n"));
    outcome = run_expecting(0, "train " ONE "--session old");
    assert_non_null(strstr(outcome->err, "on emulated GPU, fp32"));
    assert_int_equal(unsetenv("EMULATED_CAPABILITY"), 0);
}

static void a_gpu_makes_report_the_preset(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "train --limit 1 --batch 1 --steps 1 --session one");
    assert_non_null(strstr(outcome->err, "report, "));
}

/* Of several GPUs each trial that trains at once has one of its own. */
static void jobs_of_a_tune_share_the_gpus_out(void **state)
{
    (void)state;
    assert_int_equal(setenv("EMULATED_DEVICES", "2", 1), 0);
    run_expecting(0, "tune " ON_ANY "--limit 4 --batch 4 --lr 0.01,0.02 --steps 1 --probe-every 0 --data synthetic "
                     "--validation 0 --name gpus --jobs 2");
    assert_true(file_has("nfbench/gpus-lr0.01/settings.ini", "device = cuda\n"));
    assert_true(file_has("nfbench/gpus-lr0.02/settings.ini", "device = cuda:1\n"));
    run_expecting(0, "tune " ON_ANY "--limit 4 --batch 4 --lr 0.01,0.02 --steps 1 --probe-every 0 --data synthetic "
                     "--validation 0 --name first --jobs 2 --device cuda");
    assert_true(file_has("nfbench/first-lr0.02/settings.ini", "device = cuda\n"));
    assert_int_equal(unsetenv("EMULATED_DEVICES"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doctor_tests_every_op),
        cmocka_unit_test(a_gpu_is_chosen_by_its_number),
        cmocka_unit_test(a_run_takes_the_gpu),
        cmocka_unit_test(a_run_computes_in_tf32),
        cmocka_unit_test(an_older_gpu_has_no_tf32),
        cmocka_unit_test(a_gpu_makes_report_the_preset),
        cmocka_unit_test(jobs_of_a_tune_share_the_gpus_out),
    };
    return cmocka_run_group_tests(tests, setup, process_teardown);
}
