/* What a newer nfbench wrote: its sessions, checkpoints and settings are refused in one line and left as they are; what
 * it added without a new format is passed over. And a settings.ini that is not what nfbench wrote. */
#include "tests/faults/faults.h"

#include "sessions/crc32c.h"
#include "sessions/file.h"

#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct error error;

/* "half", stopped at step 12 of the run; each test changes a copy of it, "s". */
static int setup(void **state)
{
    if (faults_setup(state) != 0)
        return -1;
    write_script("half.nfb", "at 12 quit\n");
    run_expecting(130, "train " FAULTS_RUN "--session half --script half.nfb");
    return 0;
}

static int copy_half(void **state)
{
    (void)state;
    shell("rm -rf '%s'", process_path("nfbench/s.before"));
    session_copy("half", "s");
    return 0;
}

static char *read_text(const char *name, size_t *size)
{
    static char *text; /* gcc takes an automatic one for what it points to */
    if (file_read(process_path(name), &text, size, &error))
        fail_msg("%s", error.message);
    return text;
}

static void write_text(const char *name, const char *text, size_t size)
{
    if (file_replace(process_path(name), text, size, &error))
        fail_msg("%s", error.message);
}

/* Puts one text in the place of another in a file of session "s". */
static void change(const char *name, const char *from, const char *to)
{
    size_t size;
    char *text = read_text(name, &size), *at = memmem(text, size, from, strlen(from));
    if (!at)
        fail_msg("%s has no %s", name, from);
    char *changed = malloc(size + strlen(to));
    assert_non_null(changed);
    const size_t before = (size_t)(at - text), behind = size - before - strlen(from);
    memcpy(changed, text, before);
    memcpy(changed + before, to, strlen(to));
    memcpy(changed + before + strlen(to), at + strlen(from), behind);
    write_text(name, changed, before + strlen(to) + behind);
    free(changed);
    free(text);
}

/* Gives the line of a log that holds the text the checksum that belongs to it. */
static void seal(const char *name, const char *part)
{
    size_t size;
    char *text = read_text(name, &size), *line = strstr(text, part);
    assert_non_null(line);
    char *end = strchr(line, '\n'), checksum[9];
    while (line > text && line[-1] != '\n')
        line--;
    snprintf(checksum, sizeof checksum, "%08x", crc32c(line, (size_t)(end - line) - strlen(",\"crc\":\"00000000\"}")));
    memcpy(end - 10, checksum, 8);
    write_text(name, text, size);
    free(text);
}

/* The same for a checkpoint. */
static void seal_checkpoint(const char *name)
{
    size_t size;
    char *bytes = read_text(name, &size), *digest = memmem(bytes, size, "\"sha256\":\"", 10), text[65];
    assert_non_null(digest);
    memset(digest + 10, '0', 64);
    SHA256Data((const uint8_t *)bytes, size, text);
    memcpy(digest + 10, text, 64);
    write_text(name, bytes, size);
    free(bytes);
}

static void lengthen_head(const char *name, uint64_t more)
{
    size_t size;
    uint64_t length;
    char *bytes = read_text(name, &size);
    memcpy(&length, bytes, sizeof length);
    length += more;
    memcpy(bytes, &length, sizeof length);
    write_text(name, bytes, size);
    free(bytes);
}

static void assert_refused(const char *arguments, const char *words)
{
    const struct outcome *outcome = run_expecting(1, "%s", arguments);
    const char *end = strchr(outcome->err, '\n');
    if (!strstr(outcome->err, words) || !end || end[1])
        fail_msg("%s: not one line with '%s':\n%s", arguments, words, outcome->err);
}

static void keep_before(void)
{
    session_copy("s", "s.before");
}

static void assert_untouched(void)
{
    shell("diff -r '%s' '%s' >&2 && rm -r '%s'", process_path("nfbench/s.before"), process_path("nfbench/s"),
          process_path("nfbench/s.before"));
}

/* ---- Newer ones ---- */

static void a_newer_session_is_refused_and_left_alone(void **state)
{
    (void)state;
    static const char words[] = "written by a newer nfbench (format 3; this one knows 1)";
    static const char *const commands[] = {"resume s", "sessions show s", "export s", "fork s --name none", "test s"};
    change("nfbench/s/settings.ini", "format = 1\n", "format = 3\nnot = known\n");
    change("nfbench/s/settings.ini", "checksum = ", "sum = ");
    keep_before();
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        assert_refused(commands[i], words);
    assert_untouched();
    assert_non_null(strstr(run_expecting(0, "sessions")->out, "newer"));
    assert_non_null(strstr(run_expecting(2, "train --config nfbench/s/settings.ini")->err, words));
}

/* Neither is it taken for a damaged one, nor the one before it in its place. */
static void a_newer_checkpoint_is_refused_and_left_alone(void **state)
{
    (void)state;
    static const char name[] = "nfbench/s/checkpoints/12.safetensors";
    change(name, "\"nfbench\":\"1\"", "\"nfbench\":\"2\"");
    seal_checkpoint(name);
    keep_before();
    assert_refused("test s --checkpoint last", "written by a newer nfbench (format 2; this one knows 1)");
    assert_untouched();
    assert_refused("resume s", "written by a newer nfbench (format 2; this one knows 1)");
    assert_int_equal(access(process_path(name), R_OK), 0);
}

/* A bit in its format's number makes no newer one of a checkpoint. */
static void a_damaged_number_is_damage(void **state)
{
    (void)state;
    change("nfbench/s/checkpoints/12.safetensors", "\"nfbench\":\"1\"", "\"nfbench\":\"3\"");
    const struct outcome *outcome = run_expecting(130, "resume s"); /* at step 12 once more, as it had been told */
    assert_non_null(strstr(outcome->err, "damaged: its SHA-256 does not fit; step "));
    run_expecting(0, "resume s");
    assert_same_course("s", "whole");
}

static void a_newer_log_is_refused(void **state)
{
    (void)state;
    change("nfbench/s/metrics.jsonl", "\"format\":1", "\"format\":2");
    seal("nfbench/s/metrics.jsonl", "\"format\":2");
    assert_refused("sessions show s", "written by a newer nfbench (format 2; this one knows 1)");
    assert_non_null(strstr(run_expecting(0, "sessions")->out, "newer"));
}

/* Members, kinds of records and metadata of a later nfbench with the same formats. */
static void what_was_added_is_passed_over(void **state)
{
    (void)state;
    static const char name[] = "nfbench/s/checkpoints/12.safetensors", log[] = "nfbench/s/metrics.jsonl";
    change("nfbench/s/settings.ini", "format = 1\n", "format = 1\nmood = good\n");
    change("nfbench/s/settings.ini", "checksum = ", "sum = ");
    change(name, "\"nfbench\":\"1\"", "\"nfbench\":\"1\",\"moods\":\"22222\"");
    lengthen_head(name, 16);
    seal_checkpoint(name);
    change(log, "\"kind\":\"step\",\"step\":3,", "\"kind\":\"step\",\"mood\":[1],\"step\":3,");
    seal(log, "\"mood\":[1]");
    change(log, "{\"kind\":\"step\",\"step\":5,",
           "{\"kind\":\"mood\",\"step\":4,\"of\":\"all\",\"crc\":\"00000000\"}\n{\"kind\":\"step\",\"step\":5,");
    seal(log, "\"of\":\"all\"");
    assert_null(strstr(run_expecting(0, "sessions show s")->out, "damaged"));
    run_expecting(0, "resume s");
    assert_same_course("s", "whole");
    assert_true(file_has(log, "\"of\":\"all\"")); /* it is not this one's to throw away */
}

/* ---- settings.ini ---- */

static void a_damaged_line_is_taken_from_the_checkpoint(void **state)
{
    (void)state;
    change("nfbench/s/settings.ini", "momentum = ", "momentun = ");
    assert_non_null(strstr(run_expecting(0, "sessions show s")->err, "settings taken from the checkpoint of step 12"));
    assert_non_null(strstr(run_expecting(0, "resume s")->err, "Unknown key momentun; settings taken from"));
    assert_same_course("s", "whole");
    assert_true(file_has("nfbench/s/settings.ini", "momentum = ")); /* and is whole again */
    assert_null(strstr(run_expecting(0, "sessions show s")->err, "settings"));
}

static void a_file_that_was_cut_off_is_taken_from_the_checkpoint(void **state)
{
    (void)state;
    size_t size;
    char *text = read_text("nfbench/s/settings.ini", &size);
    write_text("nfbench/s/settings.ini", text, (size_t)(strstr(text, "momentum = ") - text));
    free(text);
    assert_non_null(strstr(run_expecting(0, "resume s")->err, "settings are missing; settings taken from"));
    assert_same_course("s", "whole");
}

/* It may be what a person wants. */
static void a_changed_value_holds_and_is_said(void **state)
{
    (void)state;
    change("nfbench/s/settings.ini", "log-every = 1", "log-every = 2");
    assert_non_null(strstr(run_expecting(0, "resume s")->err, "changed by hand, or damaged"));
    assert_true(file_has("nfbench/s/metrics.jsonl", "\"kind\":\"step\",\"step\":14,"));
    assert_false(file_has("nfbench/s/metrics.jsonl", "\"kind\":\"step\",\"step\":13,"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, copy_half)
    const struct CMUnitTest tests[] = {
        TEST(a_newer_session_is_refused_and_left_alone),
        TEST(a_newer_checkpoint_is_refused_and_left_alone),
        TEST(a_damaged_number_is_damage),
        TEST(a_newer_log_is_refused),
        TEST(what_was_added_is_passed_over),
        TEST(a_damaged_line_is_taken_from_the_checkpoint),
        TEST(a_file_that_was_cut_off_is_taken_from_the_checkpoint),
        TEST(a_changed_value_holds_and_is_said),
    };
    return cmocka_run_group_tests(tests, setup, faults_teardown);
}
