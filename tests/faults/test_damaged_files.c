/* What a disk may do to files that were whole: any bit, any byte, a block of zeros, a piece cut off. A damaged
 * checkpoint is known as such and the one before it taken; a damaged line of a log costs that line. */
#include "tests/faults/faults.h"

#include "engine/network.h"
#include "sessions/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct error error;
static struct session *session;
static struct backend *backend;
static struct network *network;
static size_t floats;

static void must(int result)
{
    if (result)
        fail_msg("%s", error.message);
}

/* Session "whole", and a network to load its checkpoints into; "commanded" has a log of commands. */
static int setup(void **state)
{
    struct settings settings;
    if (faults_setup(state) != 0)
        return -1;
    FILE *script = fopen(process_path("commands.nfb"), "w");
    if (!script ||
        fputs("note one\nlr x0.5\nat 2 lr x2\nwhen loss < 100 note two\nat 3 eval\nat 4 undo\n", script) < 0 ||
        fclose(script) != 0)
        return -1;
    run_expecting(0, "train " FAULTS_RUN "--steps 6 --session commanded --script commands.nfb");
    must(settings_default(&settings, &error));
    must(session_open(&settings, "whole", SESSION_READ, &session, &error));
    const struct settings *own = session_settings(session);
    const struct network_options options = {.batch = own->train.batch,
                                            .dtype = DTYPE_FP32,
                                            .seed = own->train.seed,
                                            .ema = own->train.ema > 0,
                                            .lookahead = own->train.lookahead > 0};
    must(backend_cpu_create(1, &backend, &error));
    must(network_create(backend, &own->model, &options, &network, &error));
    floats = network_state_floats(network);
    return 0;
}

static int teardown(void **state)
{
    network_destroy(network);
    backend->destroy(backend);
    session_close(session);
    return faults_teardown(state);
}

static void write_bytes(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Damages a copy of the bytes, which has room for 64 more; returns its size. */
static size_t damage(char *bytes, size_t size)
{
    enum { BLOCK = 512 };
    const size_t at = (size_t)faults_random((long)size);
    const long way = faults_random(20);
    if (way == 0)
        return at;
    if (way == 1) {
        memset(bytes + size, (int)faults_random(256), 64);
        return size + 1 + (size_t)faults_random(64);
    }
    if (way == 2) {
        const size_t end = at + BLOCK < size ? at + BLOCK : size;
        memset(bytes + at, 0, end - at);
    }
    bytes[at] = (char)(bytes[at] ^ (way < 6 ? 1 + faults_random(255) : 1 << faults_random(8)));
    return size;
}

/* ---- Checkpoints ---- */

struct loaded {
    struct training_state state;
    float *values;
    char note[256];
};

static struct loaded load(long which)
{
    struct loaded loaded = {.values = malloc(floats * sizeof *loaded.values)};
    assert_non_null(loaded.values);
    must(session_load(session, which, network, &loaded.state, loaded.note, &error));
    must(network_read_state(network, loaded.values, &error));
    return loaded;
}

/* What is taken when the newest of them is damaged is the one before it, to the bit, and it is said. */
static void try_damage(long which, const char *path, const char *whole, size_t size, const struct loaded *expected,
                       long trial)
{
    char *bytes = malloc(size + 64);
    assert_non_null(bytes);
    memcpy(bytes, whole, size);
    write_bytes(path, bytes, damage(bytes, size));
    const struct loaded found = load(which);
    if (found.state.step != expected->state.step || !strstr(found.note, "taken instead") ||
        memcmp(found.values, expected->values, floats * sizeof *found.values) != 0)
        fail_msg("trial %ld: step %ld was loaded from damaged files (wanted: %ld); note: '%s'", trial, found.state.step,
                 expected->state.step, found.note);
    free(found.values);
    free(bytes);
}

static void sweep(long which, long trials)
{
    char path[FILE_PATH_SIZE], aside[FILE_PATH_SIZE + 8], *whole;
    size_t size;
    const struct loaded newest = load(which);
    assert_string_equal(newest.note, "");
    must(path_format(path, &error, "%s/checkpoints/%ld.safetensors", session_path(session), newest.state.step));
    must(file_read(path, &whole, &size, &error));
    snprintf(aside, sizeof aside, "%s.whole", path);
    assert_int_equal(rename(path, aside), 0);
    const struct loaded before = load(which);
    assert_true(before.state.step < newest.state.step);
    for (long i = 0; i < trials; i++)
        try_damage(which, path, whole, size, &before, i);
    print_message("%ld trials over the %zu bytes of the checkpoint of step %ld\n", trials, size, newest.state.step);
    assert_int_equal(rename(aside, path), 0);
    free(before.values);
    free(newest.values);
    free(whole);
}

static void the_checkpoint_before_a_damaged_one_is_taken(void **state)
{
    (void)state;
    sweep(CHECKPOINT_LATEST, faults_count(600, 10000));
}

static void what_a_damaged_checkpoint_says_of_itself_does_not_count(void **state)
{
    (void)state;
    sweep(CHECKPOINT_GOOD, faults_count(100, 2000));
}

/* ---- Logs ---- */

/* Of the records in `all`, those that `some` has, too, to the bit; fails the test when it has others. */
static int find_steps(const struct metrics *all, const struct metrics *some)
{
    int at = 0;
    for (int i = 0; i < all->step_count && at < some->step_count; i++)
        at += memcmp(&all->steps[i], &some->steps[at], sizeof *all->steps) == 0;
    assert_int_equal(at, some->step_count);
    return at;
}

static int count_records(const struct metrics *metrics)
{
    return metrics->step_count + metrics->epoch_count + metrics->command_count + metrics->probe_count +
           metrics->finding_count + metrics->start_count;
}

/* Lines that have a byte that is another one, with those that are not there any more. */
static int lines_touched(const char *whole, size_t size, const char *now, size_t now_size)
{
    int touched = 0;
    bool same = true;
    for (size_t i = 0; i < size; i++) {
        same = same && i < now_size && whole[i] == now[i];
        if (whole[i] == '\n') {
            touched += !same;
            same = true;
        }
    }
    return touched;
}

static void try_log(const char *whole, size_t size, const struct metrics *all, long trial)
{
    char *bytes = malloc(size + 64);
    struct metrics some = {0};
    assert_non_null(bytes);
    memcpy(bytes, whole, size);
    const size_t now = damage(bytes, size);
    write_bytes(process_path("damaged.jsonl"), bytes, now);
    must(metrics_read(process_path("damaged.jsonl"), &some, &error));
    const int touched = lines_touched(whole, size, bytes, now), lost = count_records(all) - count_records(&some);
    (void)find_steps(all, &some);
    if (lost > touched || (lost > 0 && some.damaged_lines == 0 && now >= size))
        fail_msg("trial %ld: %d lines damaged, %d records lost, %d lines said to be damaged", trial, touched, lost,
                 some.damaged_lines);
    metrics_free(&some);
    free(bytes);
}

static void sweep_log(const char *name, long trials)
{
    char *whole;
    size_t size;
    struct metrics all = {0};
    must(file_read(process_path(name), &whole, &size, &error));
    must(metrics_read(process_path(name), &all, &error));
    assert_int_equal(all.damaged_lines, 0);
    assert_true(count_records(&all) > 8);
    for (long i = 0; i < trials; i++)
        try_log(whole, size, &all, i);
    print_message("%ld trials over the %zu bytes of %s, %d records\n", trials, size, name, count_records(&all));
    metrics_free(&all);
    free(whole);
}

static void a_damaged_line_of_a_log_costs_that_line(void **state)
{
    (void)state;
    sweep_log("nfbench/whole/metrics.jsonl", faults_count(600, 10000));
    sweep_log("nfbench/commanded/commands.jsonl", faults_count(600, 10000));
}

/* ---- settings.ini ---- */

/* A session opens with the settings that it had, or says that it may not. */
static void damaged_settings_are_as_they_were_or_it_is_said(void **state)
{
    (void)state;
    char *whole, note[16];
    size_t size;
    struct settings usual;
    const char *path = process_path("nfbench/commanded/settings.ini");
    const int trials = faults_count(300, 5000);
    must(settings_default(&usual, &error));
    must(file_read(path, &whole, &size, &error));
    struct settings before = {0};
    for (int i = -1; i < trials; i++) { /* at first it is whole */
        struct session *opened;
        char *bytes = malloc(size + 64);
        assert_non_null(bytes);
        memcpy(bytes, whole, size);
        write_bytes(path, bytes, i < 0 ? size : damage(bytes, size));
        must(session_open(&usual, "commanded", SESSION_READ, &opened, &error));
        struct settings now = *session_settings(opened);
        before = i < 0 ? now : before;
        before.given = now.given = 0;
        snprintf(note, sizeof note, "%s", session_note(opened));
        if (i < 0 ? *note != 0 : memcmp(&now, &before, sizeof now) != 0 && !*note)
            fail_msg("trial %d: other settings than before, and nothing is said", i);
        session_close(opened);
        free(bytes);
    }
    print_message("%d trials over the %zu bytes of settings.ini\n", trials, size);
    write_bytes(path, whole, size);
    free(whole);
}

/* The log goes on where it was damaged, and a resume says what it has passed over. */
static void a_resume_says_what_it_passes_over(void **state)
{
    (void)state;
    char *bytes;
    size_t size;
    const char *path = process_path("nfbench/whole/metrics.jsonl");
    must(file_read(path, &bytes, &size, &error));
    bytes[strstr(bytes, "\"kind\":\"step\",\"step\":11,") - bytes + 20] ^= 1;
    write_bytes(path, bytes, size);
    const struct outcome *outcome = run_expecting(0, "resume whole --epochs 6");
    assert_non_null(strstr(outcome->err, "1 damaged line of its logs passed over"));
    assert_null(strstr(run_expecting(0, "resume whole")->err, "damaged line"));
    free(bytes);
}

/* Which of a resume's reads is the first of the newest checkpoint. */
static long read_of_checkpoint(void)
{
    const struct shim shim = {.calls = "read", .log = "calls"};
    long count = 0, at = 0;
    session_copy("whole", "s");
    shim_load(&shim);
    run_expecting(0, "resume s --epochs 6");
    shim_unload();
    struct call *calls = shim_calls("calls", &count);
    while (at < count && !strstr(calls[at].path, "/30.safetensors"))
        at++;
    assert_true(at < count);
    free(calls);
    return at + 1;
}

static const struct outcome *resume_with_failing_reads(long at, bool forever, int status)
{
    const struct shim shim = {.calls = "read", .at = at, .error = EIO, .forever = forever};
    session_wipe("s");
    session_copy("whole", "s");
    shim_load(&shim);
    const struct outcome *outcome = run_expecting(status, "resume s --epochs 6");
    shim_unload();
    assert_null(strstr(outcome->err, "taken instead"));
    assert_int_not_equal(access(process_path("nfbench/s/checkpoints/30.safetensors.damaged"), F_OK), 0);
    return outcome;
}

/* It may be whole, and what is recorded behind the one before it would be cut. */
static void a_checkpoint_that_the_disk_does_not_give_is_not_taken_for_damaged(void **state)
{
    (void)state;
    const long at = read_of_checkpoint();
    (void)resume_with_failing_reads(at, false, 0);
    const struct outcome *outcome = resume_with_failing_reads(at, true, 1);
    assert_non_null(strstr(outcome->err, "30.safetensors: Input/output error. It may be whole: nothing was changed; "
                                         "`--checkpoint STEP` takes another"));
    const struct place place = session_place("s");
    assert_int_equal(place.saved, FAULTS_STEPS);
    assert_int_equal(place.logged, FAULTS_STEPS);
    session_wipe("s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checkpoint_before_a_damaged_one_is_taken),
        cmocka_unit_test(what_a_damaged_checkpoint_says_of_itself_does_not_count),
        cmocka_unit_test(a_damaged_line_of_a_log_costs_that_line),
        cmocka_unit_test(damaged_settings_are_as_they_were_or_it_is_said),
        cmocka_unit_test(a_checkpoint_that_the_disk_does_not_give_is_not_taken_for_damaged),
        cmocka_unit_test(a_resume_says_what_it_passes_over),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
