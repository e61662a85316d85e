/* What other programs read of a session, on the real one: TensorBoard's own reader finds in the session's folder just
 * what the log holds, after a crash and a resume, too; jq reads the logs; exported weights are imported as they were.
 */
#include "sessions/metrics.h"
#include "tests/tui/process.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <dirent.h>

enum { NOT_THERE = 77, NO_COMMAND = 127 };

#define ALIKE "--data synthetic --limit 128 --batch 16 --validation 64 --threads 1 --precision fp32 "
#define SEEN "--augment standard --ema 0.9 --probe-every 5 --checkpoint-every 5 --session seen "

static int set_up(void **state)
{
    if (process_setup(state) != 0)
        return -1;
    FILE *script = fopen(process_path("script.nfb"), "w");
    fputs("at 7 note what *a* remark, \"this\"\nat 9 lr x0.5\n", script);
    fclose(script);
    run_expecting(0, "train " TINY SEEN "--steps 20 --script %s", process_path("script.nfb"));
    return 0;
}

/* What a shell command prints, and its exit code; cut, static. */
static int shell(char out[1 << 18], const char *format, ...) __attribute__((format(printf, 2, 3)));
static int shell(char out[1 << 18], const char *format, ...)
{
    char command[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    out[fread(out, 1, (1 << 18) - 1, pipe)] = '\0';
    const int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* ---- TensorBoard ---- */

/* What it finds of one run in a folder of runs; the caller decrefs it. Skips the test where there is no TensorBoard. */
static json_t *read_with_tensorboard(const char *logdir, const char *run)
{
    static char out[1 << 18];
    const char *python = getenv("PYTHON"), *packages = getenv("NFBENCH_PYTHON_PACKAGES");
    const int status = shell(out, "PYTHONPATH='%s/tensorboard' %s tests/tui/read_events.py %s 2>&1",
                             packages ? packages : "", python ? python : "python3", logdir);
    if (status == NOT_THERE || status == NO_COMMAND) {
        print_message("# skipped: TensorBoard's own reader is not here (scripts/python-packages.sh installs it)\n");
        skip();
    }
    const char *json = strrchr(out, '{') ? strstr(out, "\n{\"") ? strstr(out, "\n{\"") + 1 : strchr(out, '{') : out;
    json_t *all = json_loads(json, JSON_REJECT_DUPLICATES, NULL), *found = json_object_get(all, run);
    if (status != 0 || !found)
        fail_msg("TensorBoard finds no run %s:\n%.2000s", run, out);
    json_incref(found);
    json_decref(all);
    return found;
}

static struct metrics log_of(const char *session)
{
    struct metrics metrics = {0};
    struct error error;
    char path[256];
    for (const char *const *name = (const char *const[]){"metrics", "commands", NULL}; *name; name++) {
        snprintf(path, sizeof path, "nfbench/%s/%s.jsonl", session, *name);
        if (metrics_read(process_path(path), &metrics, &error) != 0)
            fail_msg("%s", error.message);
    }
    return metrics;
}

static const json_t *values_of(const json_t *run, const char *kind, const char *tag)
{
    const json_t *values = json_object_get(json_object_get(run, kind), tag);
    if (!values)
        fail_msg("no %s %s", kind, tag);
    return values;
}

static double number_in(const json_t *values, size_t index, size_t column)
{
    return json_number_value(json_array_get(json_array_get(values, index), column));
}

/* Each step once, with the loss of the log; all probes; the notes and the commands. */
static void assert_is_the_log(const json_t *run, const struct metrics *log)
{
    const json_t *losses = values_of(run, "scalars", "train/loss"), *probes;
    assert_int_equal(json_array_size(losses), log->step_count);
    for (int i = 0; i < log->step_count; i++) {
        assert_true(number_in(losses, (size_t)i, 0) == (double)log->steps[i].step);
        assert_true(number_in(losses, (size_t)i, 1) == (double)log->steps[i].loss);
    }
    probes = values_of(run, "histograms", "channel_variances/block_02");
    assert_int_equal(json_array_size(probes), log->probe_count);
    for (int i = 0; i < log->probe_count; i++) {
        assert_true(number_in(probes, (size_t)i, 0) == (double)log->probes[i]->step);
        assert_true(number_in(probes, (size_t)i, 1) == 16 && number_in(probes, (size_t)i, 2) == 16); /* its channels */
    }
    const json_t *validation = values_of(run, "scalars", "validation/accuracy");
    assert_int_equal(json_array_size(validation), log->epoch_count);
    const json_t *notes = values_of(run, "texts", "notes");
    assert_int_equal(json_array_size(notes), 1);
    assert_string_equal(json_string_value(json_array_get(json_array_get(notes, 0), 1)), "what *a* remark, \"this\"");
    assert_int_equal(json_array_size(values_of(run, "texts", "commands")), log->command_count - 1);
}

static void tensorboard_shows_the_log_of_a_run(void **state)
{
    (void)state;
    json_t *run = read_with_tensorboard(process_path("nfbench"), "seen");
    struct metrics log = log_of("seen"); /* behind what may skip */
    assert_int_equal(log.step_count, 20);
    assert_is_the_log(run, &log);
    const json_t *picture = values_of(run, "images", "pictures/augmentation");
    assert_true(number_in(picture, 0, 1) == 512 && number_in(picture, 0, 2) == 64);
    json_decref(run);
    metrics_free(&log);
}

/* The last file of events of the session loses its end, as by a crash of the machine. */
static void tear_events(const char *session)
{
    char path[512], newest[256] = "";
    struct stat status;
    DIR *folder = opendir(process_path(session));
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (strstr(entry->d_name, "tfevents") && strcmp(entry->d_name, newest) > 0)
            snprintf(newest, sizeof newest, "%s", entry->d_name);
    closedir(folder);
    snprintf(path, sizeof path, "%s/%s", process_path(session), newest);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(truncate(path, status.st_size - 7), 0);
}

static void a_torn_file_hides_nothing_of_the_next(void **state)
{
    (void)state;
    run_expecting(0,
                  "train " TINY "--augment none --steps 20 --checkpoint-every 5 --session torn --probe-every 5 "
                  "--script %s",
                  process_path("script.nfb"));
    tear_events("nfbench/torn");
    run_expecting(0, "resume torn --checkpoint 16 --steps 30");
    json_t *run = read_with_tensorboard(process_path("nfbench"), "torn");
    struct metrics log = log_of("torn"); /* behind what may skip */
    assert_int_equal(log.step_count, 30);
    assert_is_the_log(run, &log);
    json_decref(run);
    metrics_free(&log);
}

static void exported_events_are_those_of_the_run(void **state)
{
    (void)state;
    const struct outcome *outcome =
        run_expecting(0, "export seen --tensorboard %s --what mistakes,signal", process_path("logdir"));
    assert_non_null(strstr(outcome->out, "logdir/seen\n"));
    assert_null(strstr(outcome->out, ".png"));
    json_t *run = read_with_tensorboard(process_path("logdir"), "seen");
    struct metrics log = log_of("seen"); /* behind what may skip */
    assert_is_the_log(run, &log);
    assert_true(number_in(values_of(run, "images", "pictures/mistakes"), 0, 1) > 500);
    assert_true(number_in(values_of(run, "images", "pictures/signal"), 0, 0) == 20);
    assert_int_equal(json_array_size(values_of(run, "texts", "settings")), 1);
    json_decref(run);
    metrics_free(&log);
}

/* A limit that the picture does not fit into, but all else does. */
static void a_run_goes_on_without_events_and_says_so(void **state)
{
    (void)state;
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 60000;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const struct outcome *outcome = run_expecting(0, "train " TINY "--augment standard --steps 3 --session narrow");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_DFL);
    const char *warning = strstr(outcome->err, "warning: TensorBoard gets no more of this run: cannot write ");
    assert_non_null(warning);
    assert_null(strstr(warning + 1, "warning: TensorBoard"));
    assert_true(file_has("nfbench/narrow/metrics.jsonl", "\"state\":\"finished\""));
}

/* ---- jq ---- */

/* The expression must be true of the file's objects, taken together as an array. */
static void assert_jq(const char *path, const char *expression)
{
    static char out[1 << 18];
    const int status = shell(out, "jq -es '%s' %s 2>&1", expression, path);
    if (status == NO_COMMAND) {
        print_message("# skipped: there is no jq here\n");
        skip();
    }
    if (status != 0)
        fail_msg("not true of %s: %s\n%.500s", path, expression, out);
}

static void jq_reads_the_logs(void **state)
{
    (void)state;
    char metrics[256], commands[256];
    snprintf(metrics, sizeof metrics, "%s", process_path("nfbench/seen/metrics.jsonl"));
    snprintf(commands, sizeof commands, "%s", process_path("nfbench/seen/commands.jsonl"));
    assert_jq(metrics, "map(select(.kind == \"step\")) | map(.step) == [range(1; 21)]");
    assert_jq(metrics, "map(select(.kind == \"step\")) | all(.loss > 0 and .lr > 0 and .gradient_norm > 0)");
    assert_jq(metrics, "map(select(.kind == \"epoch\")) | all(.validation_accuracy >= 0) and last.test_loss > 0");
    assert_jq(metrics, "map(select(.kind == \"probe\")) | length == 7 and all((.variance | length) == 3)");
    assert_jq(commands,
              "map(select(.action == \"note\" and .ok)) | first.command | endswith(\"remark, \\\"this\\\"\")");
    assert_jq(commands, "map(select(.action == \"scale-lr\")) == map(select(.step == 9))");
}

static void what_is_not_finite_is_null_for_jq(void **state)
{
    (void)state;
    struct metrics_log *log;
    struct error error;
    const struct step_record record = {.step = 1, .loss = NAN, .gradient_norm = INFINITY, .accuracy = 0.5f};
    const char *path = process_path("not-finite.jsonl");
    assert_int_equal(metrics_log_open(path, &log, &error), 0);
    assert_int_equal(metrics_log_step(log, &record, &error), 0);
    assert_int_equal(metrics_log_close(log, &error), 0);
    assert_jq(path, "first | .loss == null and .gradient_norm == null and .accuracy == 0.5");
}

/* ---- Weights and tables ---- */

static void exported_weights_are_imported_as_they_were(void **state)
{
    (void)state;
    const char *file = process_path("weights.safetensors"), *link = process_path("link.safetensors");
    struct stat status;
    assert_int_equal(symlink("weights.safetensors", link), 0);
    run_expecting(0, "export seen --safetensors %s --checkpoint last", link);
    assert_int_equal(lstat(link, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(mkfifo(process_path("pipe"), 0666), 0);
    assert_non_null(strstr(run_expecting(1, "export seen --safetensors pipe")->err, "pipe: safetensors need a file"));
    /* the file says which network it is of, and what is given besides has its way */
    run_expecting(0, "import %s " ALIKE "--session back", file);
    const char *other = run_expecting(1, "import %s " ALIKE "--stem 16 --session none", file)->err;
    assert_non_null(strstr(other, "of another shape (stem.weight"));
    json_t *ours = last_json(run_expecting(0, "test seen --json")); /* with averaged weights, as exported */
    json_t *theirs = last_json(run_expecting(0, "test back --json"));
    assert_true(json_number_at(ours, "loss") == json_number_at(theirs, "loss"));
    assert_true(json_number_at(ours, "correct") == json_number_at(theirs, "correct"));
    json_decref(ours);
    json_decref(theirs);
    static char out[1 << 18];
    const char *folder = process_path("nfbench"); /* both read the same images */
    assert_int_equal(shell(out, "cmp %s/seen/input.json %s/back/input.json 2>&1", folder, folder), 0);
}

static void tables_are_written_and_told(void **state)
{
    (void)state;
    struct stat status;
    assert_int_equal(mkdir(process_path("tables"), 0777), 0);
    assert_int_equal(symlink("/dev/null", process_path("tables/steps.csv")), 0);
    run_expecting(0, "export seen --csv %s", process_path("tables"));
    assert_int_equal(stat("/dev/null", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
    assert_int_equal(unlink(process_path("tables/steps.csv")), 0);
    json_t *told = last_json(run_expecting(0, "export seen --csv %s --json", process_path("tables")));
    const json_t *files = json_object_get(told, "files");
    assert_int_equal(json_array_size(files), 6);
    assert_string_equal(json_text_at(json_array_get(files, 0), "name"), "steps");
    json_decref(told);
    assert_true(file_has("tables/steps.csv", "step,epoch,loss,"));
    assert_true(file_has("tables/commands.csv", "\"at 7 note what *a* remark, \"\"this\"\"\""));
    assert_true(file_has("tables/probes.csv", "\r\n20,16,"));
    assert_int_not_equal(access(process_path("nfbench/seen/images/step-000020-loss.png"), F_OK), 0);
    const char *none = run_expecting(2, "export seen --csv %s --to pictures", process_path("tables"))->err;
    assert_non_null(strstr(none, "--to is the folder of pictures, and none goes there: --what or --all asks for some"));
    none = run_expecting(2, "export seen --tensorboard %s --all --to pictures", process_path("board"))->err;
    assert_non_null(strstr(none, "none goes there: --tensorboard takes them"));
    none = run_expecting(2, "export seen --what loss --step 5")->err;
    assert_non_null(strstr(none, "--step chooses a probe, and none of the pictures is of one"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensorboard_shows_the_log_of_a_run),
        cmocka_unit_test(a_torn_file_hides_nothing_of_the_next),
        cmocka_unit_test(exported_events_are_those_of_the_run),
        cmocka_unit_test(a_run_goes_on_without_events_and_says_so),
        cmocka_unit_test(jq_reads_the_logs),
        cmocka_unit_test(what_is_not_finite_is_null_for_jq),
        cmocka_unit_test(exported_weights_are_imported_as_they_were),
        cmocka_unit_test(tables_are_written_and_told),
    };
    return cmocka_run_group_tests(tests, set_up, process_teardown);
}
