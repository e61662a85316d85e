/* The command line as people meet it: help, mistakes and exit codes, on the real program. */
#include "engine/dist.h"
#include "tests/tui/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const commands[] = {"train", "resume", "test",     "predict", "import",
                                       "tune",  "bench",  "sessions", "doctor",  "fetch"};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* Exit code 2, nothing on standard output, one line on standard error that holds the text. */
static void expect_usage_error(const char *arguments, const char *text)
{
    const struct outcome *outcome = run_expecting(2, "%s", arguments);
    assert_string_equal(outcome->out, "");
    if (!strstr(outcome->err, text))
        print_error("nfbench %s: '%s' is not in: %s\n", arguments, text, outcome->err);
    assert_non_null(strstr(outcome->err, text));
    assert_ptr_equal(strchr(outcome->err, '\n'), outcome->err + strlen(outcome->err) - 1);
}

static void test_help_lists_every_command(void **state)
{
    (void)state;
    static const char *const ways[] = {"help", "--help", "-h", "-hhhhhhhhhhhh"};
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        const struct outcome *outcome = run_expecting(0, "%s", ways[w]);
        assert_string_equal(outcome->err, "");
        for (int i = 0; i < COMMANDS; i++) {
            char text[80];
            snprintf(text, sizeof text, "  nfbench %s", commands[i]);
            assert_non_null(strstr(outcome->out, text));
        }
    }
}

static void test_every_command_has_help(void **state)
{
    (void)state;
    for (int i = 0; i < COMMANDS; i++) {
        char usage[80], first[1 << 12];
        snprintf(usage, sizeof usage, "Usage: nfbench %s", commands[i]);
        const struct outcome *outcome = run_expecting(0, "help %s", commands[i]);
        assert_ptr_equal(strstr(outcome->out, usage), outcome->out);
        snprintf(first, sizeof first, "%s", outcome->out);
        outcome = run_expecting(0, "%s --help", commands[i]);
        assert_memory_equal(outcome->out, first, strlen(first));
    }
}

/* Without a terminal, 80 columns; a word alone may be longer. */
static void assert_fits_80_columns(const char *text)
{
    for (const char *end; (end = strchr(text, '\n')); text = end + 1)
        if (end - text > 80)
            fail_msg("%d columns: %.*s", (int)(end - text), (int)(end - text), text);
}

static void test_help_fits_80_columns(void **state)
{
    (void)state;
    assert_fits_80_columns(run_expecting(0, "--help")->out);
    assert_fits_80_columns(run_expecting(0, "help settings")->out);
    for (int i = 0; i < COMMANDS; i++)
        assert_fits_80_columns(run_expecting(0, "help %s", commands[i])->out);
}

/* What is wrong with the words alone is said once, by the first of the processes that a launcher started. */
static void test_one_of_many_speaks(void **state)
{
    (void)state;
    static const char *const wrong[] = {"lr-find", "help lr-find", "tune --lr", "tune --no-such-option"};
    static const char *const fine[] = {"help", "help tune", "tune --help", "--version"};
    setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
    for (int rank = 0; rank < 2; rank++) {
        setenv("OMPI_COMM_WORLD_RANK", rank ? "1" : "0", 1);
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
            assert_int_equal(*run_expecting(2, "%s", wrong[i])->err == '\0', rank);
        for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
            assert_int_equal(*run_expecting(0, "%s", fine[i])->out == '\0', rank);
    }
    unsetenv("OMPI_COMM_WORLD_SIZE");
    unsetenv("OMPI_COMM_WORLD_RANK");
}

static void test_missing_values_are_told(void **state)
{
    (void)state;
    assert_non_null(strstr(run_expecting(2, "train --script --sessions-dir x")->err,
                           "train does not take 'x': is it the value of an option?"));
    assert_non_null(strstr(run_expecting(2, "train --preset nix")->err, "preset 'nix': there is none of that name"));
}

static void test_help_shows_what_a_command_takes_and_no_more(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "train --help");
    assert_non_null(strstr(outcome->out, "  --lr "));
    assert_non_null(strstr(outcome->out, "  --json"));
    assert_non_null(strstr(outcome->out, "  --script"));
    assert_null(strstr(outcome->out, "  --classes"));
    outcome = run_expecting(0, "bench --help");
    assert_non_null(strstr(outcome->out, "  --preset "));
    assert_non_null(strstr(outcome->out, "  --repeats "));
    assert_null(strstr(outcome->out, "  --lr "));
    outcome = run_expecting(0, "resume --help");
    assert_non_null(strstr(outcome->out, "  --probe-every ")); /* it looks on, and changes nothing */
    outcome = run_expecting(0, "test --help");
    assert_non_null(strstr(outcome->out, "  --split "));
    outcome = run_expecting(0, "help settings");
    assert_non_null(strstr(outcome->out, "  --lr "));
    assert_null(strstr(outcome->out, "  --json"));
}

static void test_version(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "--version");
    assert_ptr_equal(strstr(outcome->out, "nfbench "), outcome->out);
    assert_non_null(strstr(outcome->out, dist_is_built() ? ", MPI, " : ", no MPI, "));
    assert_non_null(strstr(outcome->out, "NCCL)\n"));
}

static void test_unknown_commands(void **state)
{
    (void)state;
    expect_usage_error("trian", "'train'?");
    expect_usage_error("sesions", "'sessions'?");
    expect_usage_error("frobnicate", "nfbench help");
    expect_usage_error("help frobnicate", "nfbench help");
    expect_usage_error("help hlep", "'help'?");
}

/* The beginning of an option's name is no option: it might be another's. */
static void test_abbreviated_options(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(2, "train --checkpoint 51");
    assert_non_null(strstr(outcome->err, "unknown option --checkpoint: did you mean --checkpoint-every?"));
    outcome = run_expecting(2, "probe --prec=bf16");
    assert_non_null(strstr(outcome->err, "unknown option --prec=bf16: did you mean --precision?"));
    outcome = run_expecting(2, "train --session --prec --nothing");
    assert_non_null(strstr(outcome->err, "unknown option --nothing"));
}

static void test_unknown_options(void **state)
{
    (void)state;
    expect_usage_error("train --epcohs 3", "--epochs?");
    expect_usage_error("test x --spilt test", "--split?");
    expect_usage_error("train --zzzzzzzz", "nfbench train --help");
    expect_usage_error("train -z", "-z");
    expect_usage_error("--epcohs 3", "--epochs?");
    expect_usage_error("--graphics pixels", "--graphics pixels: must be auto, kitty, sixel or cells");
    expect_usage_error("resume x --graphics cells", "--graphics is of the screen: add --screen");
}

static void test_options_of_other_commands_are_refused(void **state)
{
    (void)state;
    expect_usage_error("bench --lr 0.1", "--lr means nothing to bench");
    expect_usage_error("sessions --preset micro", "--preset means nothing to sessions");
    expect_usage_error("doctor --epochs 3", "--epochs means nothing to doctor");
    expect_usage_error("resume x --session y", "--session means nothing to resume");
    expect_usage_error("resume x --seed 5",
                       "--seed cannot change in a resume: a run keeps it from its beginning to its end; train anew");
    expect_usage_error("fork x --stages 8/4x1",
                       "--stages cannot change in a fork: it makes another network; train anew");
    expect_usage_error("bench --script x", "unknown option --script");
    expect_usage_error("--json", "--json means nothing to the screen");
}

static void test_bad_values(void **state)
{
    (void)state;
    expect_usage_error("train --epochs", "--epochs needs a value");
    expect_usage_error("train --epochs many", "many");
    expect_usage_error("train --preset tiny", "micro");
    expect_usage_error("train --json=yes", "--json takes no value");
    expect_usage_error("bench --steps 0", "--steps 0");
    expect_usage_error("bench --repeats 1e3", "--repeats 1e3");
    expect_usage_error("train --config /nonexistent.ini", "/nonexistent.ini");
    expect_usage_error("train --schedule linear", "cosine");
}

/* Known to be wrong before anything is made: exit code 2, and at once. */
static void test_settings_that_cannot_work(void **state)
{
    (void)state;
    char arguments[1200];
    expect_usage_error("train --session ../x", "../x");
    expect_usage_error("train --validation 50000", "--validation 50000");
    expect_usage_error("train --data /nonexist", "/nonexist");
    run_expecting(0,
                  "train --session taken --limit 8 --batch 8 --steps 1 --stem 8 --stages 16/8x1 --threads 1 "
                  "--sessions-dir %s",
                  process_path("some"));
    snprintf(arguments, sizeof arguments, "train --session taken --sessions-dir %s", process_path("some"));
    expect_usage_error(arguments, "--session taken: there is one of that name in");
}

/* What is no such file is said before what it lacks. */
static void test_import_looks_at_the_file_first(void **state)
{
    (void)state;
    char arguments[1200], *foreign = realpath("tests/peer/golden/papers-small.weights.safetensors", NULL);
    assert_non_null(foreign);
    const char *names[] = {"nothing.safetensors", "junk.safetensors"};
    FILE *junk = fopen(process_path(names[1]), "w");
    assert_non_null(junk);
    fputs("no tensors at all", junk);
    assert_int_equal(fclose(junk), 0);
    for (int i = 0; i < 2; i++) {
        const struct outcome *outcome = run_expecting(1, "import %s", names[i]);
        assert_non_null(strstr(outcome->err, names[i]));
        assert_null(strstr(outcome->err, "--preset"));
    }
    snprintf(arguments, sizeof arguments, "import %s", foreign);
    expect_usage_error(arguments, "--preset");
    free(foreign);
}

static void test_operands(void **state)
{
    (void)state;
    expect_usage_error("train something", "'something'");
    expect_usage_error("--epochs 3 train", "'train'");
    expect_usage_error("resume", "SESSION");
    expect_usage_error("test", "SESSION");
    expect_usage_error("test a b", "'b'");
    expect_usage_error("import", "FILE");
    expect_usage_error("sessions frobnicate", "list, show, compare, verify or rm");
    expect_usage_error("sessions show", "name");
    expect_usage_error("sessions list a", "show a");
}

static void test_no_screen_without_a_terminal(void **state)
{
    (void)state;
    expect_usage_error("", "nfbench train");
}

static void test_sessions_of_an_empty_folder(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "sessions --sessions-dir %s", process_path("nothing"));
    assert_non_null(strstr(outcome->out, "no sessions in "));
    json_t *list = last_json(run_expecting(0, "sessions --json --sessions-dir %s", process_path("nothing")));
    assert_int_equal(json_array_size(json_object_get(list, "sessions")), 0);
    json_decref(list);
}

/* The tests run where no GPU is to be seen (see the Makefile). */
static void test_devices_without_a_gpu(void **state)
{
    (void)state;
    const char *const bench = "bench --preset micro --batch 2 --steps 1 --repeats 1 --threads 1 --precision fp32";
    const struct outcome *outcome = run_expecting(1, "%s --device cuda", bench);
    assert_string_equal(outcome->out, "");
    assert_ptr_equal(strstr(outcome->err, "nfbench bench: --device cuda: "), outcome->err);
    assert_ptr_equal(strchr(outcome->err, '\n'), outcome->err + strlen(outcome->err) - 1);
    outcome = run_expecting(0, "%s", bench);
    assert_non_null(strstr(outcome->out, "CPU, 1 thread, fp32 (no GPU):"));
    outcome = run_expecting(0, "%s --device cpu", bench); /* who asks for the CPU need not be told */
    assert_non_null(strstr(outcome->out, "CPU, 1 thread, fp32:"));
}

/* A setting that cannot be, not a failure: one line, before anything is opened. */
static void test_tf32_wants_a_gpu(void **state)
{
    (void)state;
    static const char *const lines[] = {"bench --precision tf32", "bench --precision tf32 --device cpu",
                                        "train --precision tf32 --device cpu", "test nothing --precision tf32"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const struct outcome *outcome = run_expecting(2, "%s", lines[i]);
        assert_string_equal(outcome->out, "");
        assert_non_null(strstr(outcome->err, ": --precision tf32 needs a GPU"));
        assert_ptr_equal(strchr(outcome->err, '\n'), outcome->err + strlen(outcome->err) - 1);
    }
    run_expecting(1, "bench --precision tf32 --device cuda"); /* that there is no GPU is a failure all the same */
}

static void test_doctor_says_what_it_found(void **state)
{
    (void)state;
    json_t *found = last_json(run_expecting(0, "doctor --json --threads 1"));
    static const char *const keys[] = {"version", "processor",          "instruction_sets",  "device",
                                       "threads", "mpi_built",          "nccl_built",        "bf16",
                                       "library", "sessions_directory", "sessions_writable", "data"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_non_null(json_object_get(found, keys[i]));
    assert_true(json_is_true(json_object_get(found, "ok")));
    assert_int_equal(json_integer_value(json_object_get(found, "threads")), 1);
    json_decref(found);
    const struct outcome *outcome = run_expecting(0, "doctor");
    assert_non_null(strstr(outcome->out, "oneDNN "));
    assert_non_null(strstr(outcome->out, "synthetic"));
}

static void test_doctor_fails_where_sessions_cannot_be_written(void **state)
{
    (void)state;
    json_t *found = last_json(run_expecting(1, "doctor --json --sessions-dir /proc/nfbench"));
    assert_true(json_is_false(json_object_get(found, "sessions_writable")));
    assert_true(json_is_false(json_object_get(found, "ok")));
    json_decref(found);
}

static void test_full_disk_under_standard_output(void **state)
{
    (void)state;
    struct process process = process_start("help train", "/dev/full");
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 1);
    assert_non_null(strstr(outcome->err, "No space left"));
}

static void test_a_reader_that_leaves_is_no_failure(void **state)
{
    (void)state;
    struct process process = process_start("help train", NULL);
    close(process.out);
    process.out = -1;
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 0);
    assert_string_equal(outcome->err, "");
}

/* By srun that gives its tasks no way to find each other, several times: each would train the whole run. */
static void test_tasks_that_cannot_meet_do_not_train(void **state)
{
    (void)state;
    setenv("SLURM_STEP_NUM_TASKS", "2", 1);
    setenv("SLURM_PROCID", "0", 1);
    expect_usage_error("train " TINY "--epochs 1", "started 2 times");
    unsetenv("SLURM_STEP_NUM_TASKS");
    unsetenv("SLURM_PROCID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_test(test_help_lists_every_command),
        process_test(test_every_command_has_help),
        process_test(test_help_fits_80_columns),
        process_test(test_one_of_many_speaks),
        process_test(test_missing_values_are_told),
        process_test(test_help_shows_what_a_command_takes_and_no_more),
        process_test(test_version),
        process_test(test_unknown_commands),
        process_test(test_tasks_that_cannot_meet_do_not_train),
        process_test(test_unknown_options),
        process_test(test_abbreviated_options),
        process_test(test_options_of_other_commands_are_refused),
        process_test(test_bad_values),
        process_test(test_settings_that_cannot_work),
        process_test(test_operands),
        process_test(test_import_looks_at_the_file_first),
        process_test(test_no_screen_without_a_terminal),
        process_test(test_sessions_of_an_empty_folder),
        process_test(test_devices_without_a_gpu),
        process_test(test_tf32_wants_a_gpu),
        process_test(test_doctor_says_what_it_found),
        process_test(test_doctor_fails_where_sessions_cannot_be_written),
        process_test(test_full_disk_under_standard_output),
        process_test(test_a_reader_that_leaves_is_no_failure),
    };
    return cmocka_run_group_tests(tests, process_setup, process_teardown);
}
