/* See faults.h. */
#include "tests/faults/faults.h"

#include "sessions/safetensors.h"
#include "sessions/verify.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct error error;

int faults_setup(void **state)
{
    if (process_setup(state) != 0)
        return -1;
    run_expecting(0, "train " FAULTS_RUN "--session whole");
    return 0;
}

int faults_teardown(void **state)
{
    shim_unload();
    return process_teardown(state);
}

int faults_count(int few, int many)
{
    if (getenv("NFBENCH_FAULTS"))
        return many;
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    return (few + 9) / 10;
#else
    return few;
#endif
}

long faults_random(long limit)
{
    static bool begun;
    if (!begun) {
        const char *seed = getenv("NFBENCH_FAULTS_SEED");
        srand48(seed && *seed ? strtol(seed, NULL, 10) : 1);
        begun = true;
    }
    return limit > 0 ? lrand48() % limit : 0;
}

/* ---- The shim ---- */

static void set_number(const char *name, long value)
{
    char text[24];
    snprintf(text, sizeof text, "%ld", value);
    assert_int_equal(value ? setenv(name, text, 1) : unsetenv(name), 0);
}

static void set_text(const char *name, const char *text)
{
    assert_int_equal(text ? setenv(name, text, 1) : unsetenv(name), 0);
}

/* A sanitizer wants to be the first library, and need not. */
static void let_sanitizer_be_second(void)
{
    const char *given = getenv("ASAN_OPTIONS"), *word = "verify_asan_link_order=0";
    char options[1024];
    if (given && strstr(given, word))
        return;
    snprintf(options, sizeof options, "%s%s%s", given ? given : "", given ? ":" : "", word);
    assert_int_equal(setenv("ASAN_OPTIONS", options, 1), 0);
}

void shim_load(const struct shim *shim)
{
    const char *build = getenv("BUILD");
    char library[1024];
    snprintf(library, sizeof library, "%s/tests/faults/preload/shim.so", build ? build : "build");
    char *absolute = realpath(library, NULL);
    if (!absolute)
        print_error("there is no %s: set BUILD to the folder it was built in\n", library);
    assert_non_null(absolute);
    let_sanitizer_be_second();
    set_text("LD_PRELOAD", absolute);
    set_text("SHIM_UNDER", process_path(""));
    set_text("SHIM_CALLS", shim->calls);
    set_text("SHIM_LOG", shim->log ? process_path(shim->log) : NULL);
    set_text("SHIM_DURING", shim->during ? process_path(shim->during) : NULL);
    set_text("SHIM_CLOCK_FROM", shim->clock_from ? process_path(shim->clock_from) : NULL);
    set_number("SHIM_AT", shim->at);
    set_number("SHIM_SIGNAL", shim->signal);
    set_number("SHIM_ERROR", shim->error);
    set_number("SHIM_TORN", shim->torn);
    set_number("SHIM_FOREVER", shim->forever);
    set_number("SHIM_FLIP", shim->flip);
    set_number("SHIM_CLOCK", shim->clock);
    set_number("SHIM_PATIENCE", shim->patience);
    free(absolute);
}

void shim_unload(void)
{
    assert_int_equal(unsetenv("LD_PRELOAD"), 0);
}

struct call *shim_calls(const char *log, long *count)
{
    struct call *calls = NULL, call;
    *count = 0;
    FILE *file = fopen(process_path(log), "r");
    assert_non_null(file);
    /* a path may end with " (deleted)" */
    while (fscanf(file, "%15s %495[^\n]", call.name, call.path) == 2) {
        struct call *grown = reallocarray(calls, (size_t)*count + 1, sizeof *calls);
        assert_non_null(grown);
        calls = grown;
        calls[(*count)++] = call;
    }
    fclose(file);
    assert_int_equal(unlink(process_path(log)), 0);
    return calls;
}

/* ---- Sessions ---- */

static struct session *open_session(const char *name)
{
    struct settings settings;
    struct session *session = NULL;
    assert_int_equal(settings_default(&settings, &error), 0);
    if (session_open(&settings, name, SESSION_READ, &session, &error) != 0)
        print_error("session %s: %s\n", name, error.message);
    assert_non_null(session);
    return session;
}

static void checkpoints_folder(const struct session *session, char path[FILE_PATH_SIZE])
{
    assert_int_equal(path_format(path, &error, "%s/checkpoints", session_path(session)), 0);
}

static void assert_whole(const char *path)
{
    struct safetensors *file;
    if (safetensors_open(path, &file, &error) != 0 || safetensors_verify(file, &error) != 0)
        fail_msg("%s: %s", path, error.message);
    safetensors_close(file);
}

/* Each checkpoint is whole. The step of the newest. */
static long newest_checkpoint(const struct session *session)
{
    char path[FILE_PATH_SIZE];
    struct checkpoint_entry *entries = NULL;
    int count = 0;
    checkpoints_folder(session, path);
    assert_int_equal(checkpoint_list(path, &entries, &count, &error), 0);
    for (int i = 0; i < count; i++)
        assert_whole(entries[i].path);
    const long step = count ? entries[0].step : -1;
    free(entries);
    return step;
}

/* `nfbench sessions verify` has nothing to say that costs anything. */
static void assert_verified(const char *name)
{
    struct settings settings;
    struct verify_report report;
    assert_int_equal(settings_default(&settings, &error), 0);
    if (session_verify(&settings, name, false, &report, &error) != 0)
        fail_msg("session %s: %s", name, error.message);
    for (int i = 0; i < report.count; i++)
        if (report.findings[i].severity == VERIFY_WRONG)
            fail_msg("session %s: %s: %s", name, report.findings[i].file, report.findings[i].what);
    verify_free(&report);
}

struct place session_place(const char *name)
{
    struct session *session = open_session(name);
    struct metrics metrics;
    struct place place = {.saved = newest_checkpoint(session)};
    if (session_metrics(session, &metrics, &error) != 0)
        fail_msg("session %s: %s", name, error.message);
    assert_in_range(metrics.damaged_lines, 0, 1); /* the last one, torn */
    place.logged = metrics.step_count ? metrics.steps[metrics.step_count - 1].step : 0;
    for (int i = 0; i < metrics.step_count; i++)
        assert_int_equal(metrics.steps[i].step, i + 1);
    assert_verified(name);
    metrics_free(&metrics);
    session_close(session);
    return place;
}

/* ---- Two of them ---- */

static bool same_step(const struct step_record *a, const struct step_record *b)
{
    return a->step == b->step && a->epoch == b->epoch && a->loss == b->loss && a->accuracy == b->accuracy &&
           a->learning_rate == b->learning_rate && a->gradient_norm == b->gradient_norm &&
           a->clipped_units == b->clipped_units;
}

static bool same_epoch(const struct epoch_record *a, const struct epoch_record *b)
{
    return a->step == b->step && a->epoch == b->epoch && a->epoch_end == b->epoch_end &&
           a->train_loss == b->train_loss && a->train_accuracy == b->train_accuracy &&
           a->validation_loss == b->validation_loss && a->validation_accuracy == b->validation_accuracy &&
           a->test_loss == b->test_loss && a->test_accuracy == b->test_accuracy && a->best == b->best;
}

static void assert_same_records(const char *name, const struct metrics *a, const struct metrics *b)
{
    if (a->step_count != b->step_count || a->epoch_count != b->epoch_count)
        print_error("%s: %d steps and %d epochs in place of %d and %d\n", name, a->step_count, a->epoch_count,
                    b->step_count, b->epoch_count);
    assert_int_equal(a->step_count, b->step_count);
    assert_int_equal(a->epoch_count, b->epoch_count);
    for (int i = 0; i < a->step_count; i++)
        if (!same_step(&a->steps[i], &b->steps[i]))
            fail_msg("%s: step %ld is another one: loss %.9g in place of %.9g", name, a->steps[i].step,
                     (double)a->steps[i].loss, (double)b->steps[i].loss);
    for (int i = 0; i < a->epoch_count; i++)
        if (!same_epoch(&a->epochs[i], &b->epochs[i]))
            fail_msg("%s: record %d of its epochs, at step %ld, is another one", name, i, a->epochs[i].step);
}

/* What stands behind the head of its last checkpoint; freed by the caller. */
static char *read_tensors(const struct session *session, size_t *size)
{
    char folder[FILE_PATH_SIZE], path[FILE_PATH_SIZE], *data;
    uint64_t head;
    checkpoints_folder(session, folder);
    assert_int_equal(path_format(path, &error, "%s/%ld.safetensors", folder, newest_checkpoint(session)), 0);
    assert_int_equal(file_read(path, &data, size, &error), 0);
    memcpy(&head, data, sizeof head);
    *size -= sizeof head + head;
    memmove(data, data + sizeof head + head, *size);
    return data;
}

void assert_same_course(const char *name, const char *expected)
{
    struct session *sessions[] = {open_session(name), open_session(expected)};
    struct metrics metrics[2];
    char *tensors[2];
    size_t size[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(session_metrics(sessions[i], &metrics[i], &error), 0);
        tensors[i] = read_tensors(sessions[i], &size[i]);
    }
    assert_same_records(name, &metrics[0], &metrics[1]);
    assert_int_equal(newest_checkpoint(sessions[0]), newest_checkpoint(sessions[1]));
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(tensors[0], tensors[1], size[0]);
    for (int i = 0; i < 2; i++) {
        free(tensors[i]);
        metrics_free(&metrics[i]);
        session_close(sessions[i]);
    }
}

void assert_resumes(const char *session, struct place place)
{
    char begin[64];
    assert_true(place.logged <= place.saved + FAULTS_EVERY);
    run_expecting(0, "sessions verify %s", session); /* nothing is lost, whatever was left on the way */
    const struct outcome *outcome = run_expecting(0, "resume %s", session);
    snprintf(begin, sizeof begin, ": steps %ld to ", place.saved > 0 ? place.saved : 0);
    if (!strstr(outcome->err, begin) && !strstr(outcome->out, ": finished at step"))
        print_error("not from the last checkpoint, %ld: %s\n", place.saved, outcome->err);
    assert_true(strstr(outcome->err, begin) || strstr(outcome->out, ": finished at step"));
    assert_same_course(session, "whole");
}

static const char *session_folder(const char *session)
{
    char name[256];
    snprintf(name, sizeof name, "nfbench/%s", session);
    return process_path(name);
}

bool session_is_there(const char *session)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/settings.ini", session_folder(session));
    return access(path, F_OK) == 0;
}

void shell(const char *format, ...)
{
    char command[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    if (system(command) != 0)
        fail_msg("%s", command);
}

void folder_copy(const char *from, const char *to)
{
    const char *target = process_path(to);
    shell("rm -rf '%s' && cp -a '%s' '%s'", target, process_path(from), target);
}

void write_script(const char *name, const char *text)
{
    FILE *script = fopen(process_path(name), "w");
    assert_non_null(script);
    assert_true(fputs(text, script) >= 0);
    assert_int_equal(fclose(script), 0);
}

void session_copy(const char *from, const char *to)
{
    char folder[256], target[256];
    snprintf(folder, sizeof folder, "nfbench/%s", from);
    snprintf(target, sizeof target, "nfbench/%s", to);
    folder_copy(folder, target);
}

void session_wipe(const char *session)
{
    shell("rm -rf '%s'", session_folder(session));
}

long faults_microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void faults_sleep(long microseconds)
{
    const struct timespec span = {.tv_sec = microseconds / 1000000, .tv_nsec = microseconds % 1000000 * 1000};
    nanosleep(&span, NULL);
}

bool faults_end_after(const char *arguments, long microseconds, int signal)
{
    struct process process = process_start(arguments, NULL);
    faults_sleep(microseconds);
    assert_int_equal(kill(process.pid, signal), 0);
    const struct outcome *outcome = process_finish(&process);
    if (outcome->status != 0 && outcome->status != 128 + signal && outcome->status != 130)
        fail_msg("%s: exit code %d: %s", arguments, outcome->status, outcome->err);
    return outcome->status != 0;
}

char trial[256];

int trial_teardown(void **state)
{
    (void)state;
    if (*trial)
        print_error("it was: %s\n", trial);
    trial[0] = '\0';
    shim_unload();
    return 0;
}
