/* What is read of a GPU by NVML, on a small fake of the library. */
#include "tui/nvml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* With a slash in it, so that no folder is searched. */
static const char *fake(void)
{
    static char path[512];
    const char *build = getenv("BUILD");
    if (!build)
        build = "build";
    snprintf(path, sizeof path, "%s%s/tests/support/nvml/libnvidia-ml.so.1", *build == '/' ? "" : "./", build);
    return path;
}

static void test_all_values_are_read(void **state)
{
    (void)state;
    struct nvml *nvml;
    struct nvml_reading reading;
    struct error error = {""};
    char text[64];
    if (nvml_open(fake(), "0000:01:00.0", &nvml, &error) != 0)
        fail_msg("%s", error.message);
    nvml_read(nvml, &reading);
    assert_int_equal(reading.valid, NVML_DRIVER | NVML_LOAD | NVML_MEMORY | NVML_TEMPERATURE | NVML_POWER);
    assert_string_equal(reading.driver, "580.1");
    assert_string_equal(nvml_last_error(nvml), "");
    nvml_words(&reading, text, sizeof text);
    assert_string_equal(text, "98 %, 61 \u00b0C, 540 W, 12.3/141 GB");
    nvml_close(nvml);
}

static void test_a_value_that_cannot_be_read_is_left_out(void **state)
{
    (void)state;
    struct nvml *nvml;
    struct nvml_reading reading;
    struct error error = {""};
    char text[64];
    assert_int_equal(setenv("FAKE_NVML_NO_POWER", "1", 1), 0);
    assert_int_equal(nvml_open(fake(), "0000:01:00.0", &nvml, &error), 0);
    nvml_read(nvml, &reading);
    assert_false(reading.valid & NVML_POWER);
    assert_true(reading.valid & NVML_TEMPERATURE);
    assert_string_equal(nvml_last_error(nvml), "NVML: power: Not Supported");
    nvml_words(&reading, text, sizeof text);
    assert_string_equal(text, "98 %, 61 \u00b0C, 12.3/141 GB");
    nvml_close(nvml);
    unsetenv("FAKE_NVML_NO_POWER");
    memset(&reading, 0, sizeof reading);
    nvml_words(&reading, text, sizeof text);
    assert_string_equal(text, "");
}

static void test_no_library_and_no_gpu_are_errors(void **state)
{
    (void)state;
    struct nvml *nvml;
    struct error error = {""};
    assert_int_equal(nvml_open("./no-such-library.so", "0000:01:00.0", &nvml, &error), -1);
    assert_non_null(strstr(error.message, "no-such-library.so"));
    assert_null(nvml);
    assert_int_equal(nvml_open(fake(), "0000:02:00.0", &nvml, &error), -1);
    assert_string_equal(error.message, "NVML: GPU 0000:02:00.0: Not Found");
    assert_null(nvml);
    assert_int_equal(nvml_open("libm.so.6", "0000:01:00.0", &nvml, &error), -1);
    assert_string_equal(error.message, "NVML: it has no nvmlInit_v2");
    nvml_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_values_are_read),
        cmocka_unit_test(test_a_value_that_cannot_be_read_is_left_out),
        cmocka_unit_test(test_no_library_and_no_gpu_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
