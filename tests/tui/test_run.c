/* Putting a run together: what it leaves behind when it never begins, and which images it takes. */
#include "tests/tui/process.h"
#include "tui/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct error error;

static void assert_done(int result)
{
    if (result)
        fail_msg("%s", error.message);
}

static struct settings tiny_settings(const char *session)
{
    static const char *const values[][2] = {{"stem", "8"},  {"stages", "8/4x1/2"}, {"batch", "4"},
                                            {"limit", "8"}, {"steps", "1"},        {"threads", "1"},
                                            {"ema", "0"},   {"precision", "fp32"}};
    struct settings settings;
    assert_done(settings_default(&settings, &error));
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_done(settings_set(&settings, values[i][0], values[i][1], &error));
    assert_done(settings_set(&settings, "session", session, &error));
    assert_done(settings_set(&settings, "sessions-dir", process_path("runs"), &error));
    return settings;
}

/* The folder as one that holds a whole CIFAR-100, all black. */
static void make_cifar100(const char *folder)
{
    static const struct {
        const char *name;
        long records;
    } files[] = {{"train.bin", 50000}, {"test.bin", 10000}};
    assert_int_equal(mkdir(folder, 0777), 0);
    for (size_t i = 0; i < 2; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(ftruncate(fileno(file), files[i].records * 3074), 0);
        fclose(file);
    }
}

static void test_a_run_that_never_began_leaves_no_session(void **state)
{
    (void)state;
    struct settings settings = tiny_settings("unbegun");
    settings_set(&settings, "data", "synthetic", &error);
    const struct run_request request = {.settings = &settings};
    struct run *run;
    assert_done(run_create(&request, &run, &error));
    assert_int_equal(access(process_path("runs/unbegun"), F_OK), 0);
    run_destroy(run);
    assert_int_not_equal(access(process_path("runs/unbegun"), F_OK), 0);

    settings.train.learning_rate = 0; /* past the settings' own check: the trainer's is behind the session */
    assert_int_equal(run_create(&request, &run, &error), -1);
    assert_non_null(strstr(error.message, "lr 0"));
    assert_int_not_equal(access(process_path("runs/unbegun"), F_OK), 0);
}

static void test_a_run_that_began_leaves_its_session(void **state)
{
    (void)state;
    struct settings settings = tiny_settings("begun");
    settings_set(&settings, "data", "synthetic", &error);
    const struct run_request request = {.settings = &settings};
    struct run *run;
    struct snapshot last;
    assert_done(run_create(&request, &run, &error));
    assert_done(trainer_start(run_parts(run)->trainer, false, &error));
    assert_done(run_finish(run, &last, &error));
    run_destroy(run);
    assert_int_equal(access(process_path("runs/begun/settings.ini"), F_OK), 0);
}

static bool at_the_third(void *context)
{
    int *asked = context;
    return ++*asked == 3;
}

/* In the midst of making the images, not behind them. */
static void test_starting_is_given_up_while_images_are_made(void **state)
{
    (void)state;
    int asked = 0;
    struct settings settings = tiny_settings("given-up");
    settings_set(&settings, "data", "synthetic", &error);
    settings_set(&settings, "limit", "1000", &error);
    const struct run_request request = {.settings = &settings, .given_up = at_the_third, .context = &asked};
    struct run *run;
    assert_int_equal(run_create(&request, &run, &error), -1);
    assert_string_equal(error.message, "interrupted while starting");
    assert_int_equal(asked, 3);
    assert_int_not_equal(access(process_path("runs/given-up"), F_OK), 0);
}

/* Damaged images must not become other images. */
static void test_damaged_data_are_an_error(void **state)
{
    (void)state;
    struct settings settings = tiny_settings("damaged");
    struct dataset *dataset = NULL;
    char note[RUN_TEXT_SIZE], here[1024];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(mkdir(process_path("work"), 0777), 0);
    assert_int_equal(chdir(process_path("work")), 0);
    assert_int_equal(mkdir("data", 0777), 0);
    const int without = run_open_data(&settings, note, &dataset, &error);
    dataset_close(dataset);
    make_cifar100("data/cifar-100-binary");
    assert_int_equal(truncate("data/cifar-100-binary/train.bin", 1000), 0);
    settings = tiny_settings("damaged");
    dataset = NULL;
    const int damaged = run_open_data(&settings, (char[RUN_TEXT_SIZE]){""}, &dataset, &error);
    dataset_close(dataset);
    assert_int_equal(chdir(here), 0);
    assert_int_equal(without, 0); /* a folder of that name without images is no failure, but told */
    assert_non_null(strstr(note, "data is of no use (no CIFAR files"));
    assert_non_null(strstr(note, "cifar-100-binary below it). ")); /* whole, and without what follows once */
    assert_null(strstr(note, "http"));
    assert_non_null(strstr(note, "synthetic images are used"));
    assert_int_equal(damaged, -1);
    assert_non_null(strstr(error.message, "train.bin has 1000 bytes"));
    assert_non_null(strstr(error.message, "--data synthetic"));
}

/* settings.ini ends a value at " ;": the session could never be resumed. */
static void test_a_place_that_settings_cannot_hold(void **state)
{
    (void)state;
    struct settings settings = tiny_settings("odd");
    struct dataset *dataset = NULL;
    char note[RUN_TEXT_SIZE];
    make_cifar100(process_path("images ;new"));
    assert_int_equal(setenv("NFBENCH_DATA", process_path("images ;new"), 1), 0);
    const int result = run_open_data(&settings, note, &dataset, &error);
    dataset_close(dataset);
    assert_int_equal(unsetenv("NFBENCH_DATA"), 0);
    assert_int_equal(result, -1);
    assert_non_null(strstr(error.message, "' ;' inside"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_that_never_began_leaves_no_session),
        cmocka_unit_test(test_a_run_that_began_leaves_its_session),
        cmocka_unit_test(test_starting_is_given_up_while_images_are_made),
        cmocka_unit_test(test_damaged_data_are_an_error),
        cmocka_unit_test(test_a_place_that_settings_cannot_hold),
    };
    return cmocka_run_group_tests(tests, process_setup, process_teardown);
}
