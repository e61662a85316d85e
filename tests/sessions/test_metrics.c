/* The logs: CRC-32C, records back to the bit, torn and damaged lines, and the cut on resume. */
#include "metrics_log.h"

#include "sessions/crc32c.h"
#include "sessions/metrics.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct error error;

static const struct epoch_record epoch_example = {.step = 30,
                                                  .epoch = 3,
                                                  .train_loss = 1.1f,
                                                  .train_accuracy = 0.3f,
                                                  .validation_loss = -1,
                                                  .validation_accuracy = 0.7512f,
                                                  .test_loss = -1,
                                                  .test_accuracy = -1,
                                                  .seconds = 12.25,
                                                  .best = true};
static const struct command_record command_example = {
    .step = 12,
    .command = {.kind = COMMAND_SCALE_LEARNING_RATE, .value = 0.1, .count = 3, .text = "lr x0.1 \"\t\\"},
    .ok = true,
    .outcome = "lr 0.1 -> 0.01"};

static void test_crc32c(void **state)
{
    (void)state;
    const uint8_t zeros[32] = {0};
    assert_int_equal(crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(zeros, 32), 0x8a9136aa); /* RFC 3720, B.4 */
    assert_int_equal(crc32c("", 0), 0);
}

static void test_records_come_back(void **state)
{
    (void)state;
    const char *path = path_of("m.jsonl");
    struct metrics_log *log = log_make(path, 5);
    assert_ok(metrics_log_epoch(log, &epoch_example, &error), &error);
    assert_ok(metrics_log_command(log, &command_example, &error), &error);
    assert_ok(metrics_log_state(log, "finished", 30, "all done", &error), &error);
    assert_ok(metrics_log_close(log, &error), &error);

    struct metrics metrics = log_read(path);
    assert_int_equal(metrics.step_count, 5);
    for (int i = 0; i < 5; i++) {
        struct step_record expected = log_step_of(i + 1);
        const struct step_record *got = &metrics.steps[i];
        assert_true(got->step == expected.step && got->epoch == expected.epoch && got->loss == expected.loss);
        assert_true(got->accuracy == expected.accuracy && got->learning_rate == expected.learning_rate);
        assert_true(got->gradient_norm == expected.gradient_norm && got->clipped_units == 5);
        assert_true(got->seconds == expected.seconds && got->images_per_second == expected.images_per_second);
    }
    assert_int_equal(metrics.epoch_count, 1);
    assert_true(metrics.epochs[0].validation_accuracy == 0.7512f && metrics.epochs[0].test_accuracy == -1);
    assert_true(metrics.epochs[0].best && metrics.epochs[0].epoch == 3 && metrics.epochs[0].epoch_end);
    assert_int_equal(metrics.command_count, 1);
    assert_string_equal(metrics.commands[0].command.text, command_example.command.text);
    assert_string_equal(metrics.commands[0].outcome, command_example.outcome);
    assert_true(metrics.commands[0].ok && metrics.commands[0].command.kind == COMMAND_SCALE_LEARNING_RATE);
    assert_true(metrics.commands[0].command.value == 0.1 && metrics.commands[0].command.count == 3);
    assert_string_equal(metrics.end_state, "finished");
    assert_string_equal(metrics.end_message, "all done");
    assert_int_equal(metrics.last_step, 30);
    assert_int_equal(metrics.damaged_lines, 0);
    metrics_free(&metrics);
}

static void test_the_summary_has_one_step(void **state)
{
    (void)state;
    const char *path = path_of("summary.jsonl");
    struct metrics_log *log = log_make(path, 50);
    struct metrics metrics = {0};
    assert_ok(metrics_log_state(log, "stopped", 50, "", &error), &error);
    assert_ok(metrics_log_close(log, &error), &error);
    assert_ok(metrics_read_summary(path, &metrics, &error), &error);
    assert_int_equal(metrics.step_count, 1);
    assert_int_equal(metrics.steps[0].step, 50);
    assert_int_equal(metrics.last_step, 50);
    assert_string_equal(metrics.end_state, "stopped");
    metrics_free(&metrics);
}

static void test_findings_come_back(void **state)
{
    (void)state;
    const char *path = path_of("findings.jsonl");
    struct metrics_log *log = log_make(path, 0);
    struct finding findings[FINDING_KINDS];
    memset(findings, 0, sizeof findings);
    for (int i = 0; i < FINDING_KINDS; i++) {
        findings[i] = (struct finding){.kind = (enum finding_kind)i,
                                       .severity = (enum finding_severity)(i % 3),
                                       .over = i % 2,
                                       .step = 10 + i,
                                       .since = i,
                                       .point = i - 1,
                                       .measured = 31.25f,
                                       .limit = 10.5f};
        snprintf(findings[i].text, sizeof findings[i].text, "%s, \"%s\"", finding_kind_names[findings[i].kind],
                 finding_severity_names[findings[i].severity]);
        assert_ok(metrics_log_finding(log, &findings[i], &error), &error);
    }
    assert_ok(metrics_log_close(log, &error), &error);
    struct metrics metrics = log_read(path);
    assert_int_equal(metrics.finding_count, FINDING_KINDS);
    for (int i = 0; i < FINDING_KINDS; i++) {
        const struct finding *got = &metrics.findings[i], *put = &findings[i];
        assert_true(got->kind == put->kind && got->severity == put->severity && got->over == put->over);
        assert_true(got->step == put->step && got->since == put->since && got->point == put->point);
        assert_true(got->measured == put->measured && got->limit == put->limit);
        assert_string_equal(got->text, put->text);
    }
    metrics_free(&metrics);
    size_t size;
    char *text = read_file(path, &size); /* by the names that the rest of the program has for them */
    assert_non_null(strstr(text, "{\"kind\":\"health\",\"step\":12,\"finding\":\"variance\",\"severity\":\"alarm\""));
    free(text);
    assert_ok(metrics_log_open(path, &log, &error), &error);
    assert_ok(log_cut(log, 12, 0, &error), &error);
    assert_ok(metrics_log_close(log, &error), &error);
    metrics = log_read(path);
    assert_int_equal(metrics.finding_count, 3);
    metrics_free(&metrics);
}

static void test_not_finite_is_null(void **state)
{
    (void)state;
    const char *path = path_of("nan.jsonl");
    struct metrics_log *log = log_make(path, 0);
    struct step_record record = log_step_of(1);
    size_t size;
    record.loss = NAN;
    record.gradient_norm = INFINITY;
    assert_ok(metrics_log_step(log, &record, &error), &error);
    assert_ok(metrics_log_close(log, &error), &error);
    char *text = read_file(path, &size);
    assert_non_null(strstr(text, "\"loss\":null"));
    free(text);
    struct metrics metrics = log_read(path);
    assert_int_equal(metrics.step_count, 1);
    assert_true(isnan(metrics.steps[0].loss));
    metrics_free(&metrics);
}

static void test_an_absent_log_is_empty(void **state)
{
    (void)state;
    struct metrics metrics = log_read(path_of("absent.jsonl"));
    assert_int_equal(metrics.step_count, 0);
    metrics_free(&metrics);
    struct metrics_log *log;
    assert_error(metrics_read(folder, &metrics, &error), &error, "not a file");
    assert_error(metrics_log_open(folder, &log, &error), &error, "Is a directory");
    assert_error(metrics_log_open(path_of("no/such"), &log, &error), &error, "No such file");
}

/* Wherever a crash tears the file, what is whole before it is read, and the next writer goes on with a whole line. */
static void test_a_torn_tail_costs_one_line(void **state)
{
    (void)state;
    const char *path = path_of("torn.jsonl");
    size_t size;
    assert_ok(metrics_log_close(log_make(path, 3), &error), &error);
    char *text = read_file(path, &size);
    size_t last = (size_t)((char *)memrchr(text, '\n', size - 1) - text) + 1;
    for (size_t cut = last; cut < size; cut++) {
        struct metrics_log *log;
        struct step_record record = log_step_of(3);
        write_file(path, text, cut);
        struct metrics metrics = log_read(path);
        assert_int_equal(metrics.step_count, 2);
        assert_int_equal(metrics.damaged_lines, cut > last);
        metrics_free(&metrics);
        assert_ok(metrics_log_open(path, &log, &error), &error);
        assert_ok(metrics_log_step(log, &record, &error), &error);
        assert_ok(metrics_log_close(log, &error), &error);
        metrics = log_read(path);
        assert_int_equal(metrics.step_count, 3);
        assert_int_equal(metrics.damaged_lines, 0);
        metrics_free(&metrics);
    }
    free(text);
}

static void test_every_flipped_byte_costs_its_line_alone(void **state)
{
    (void)state;
    const char *path = path_of("flip.jsonl");
    size_t size;
    assert_ok(metrics_log_close(log_make(path, 3), &error), &error);
    char *text = read_file(path, &size);
    size_t start = (size_t)(strchr(text, '\n') - text) + 1, end = (size_t)(strchr(text + start, '\n') - text);
    for (size_t i = start; i < end; i++) {
        text[i] ^= 1;
        write_file(path, text, size);
        text[i] ^= 1;
        struct metrics metrics = log_read(path);
        if (metrics.step_count != 2)
            fail_msg("the change in byte %zu was not found: %.*s", i, (int)(end - start), text + start);
        assert_int_equal(metrics.steps[1].step, 3);
        metrics_free(&metrics);
    }
    free(text);
}

/* A tail longer than what is read at once, all of it torn. */
static void test_a_long_torn_tail(void **state)
{
    (void)state;
    const char *path = path_of("long.jsonl");
    char *text = malloc(20000);
    struct metrics_log *log;
    size_t size;
    assert_non_null(text);
    memset(text, 'x', 20000);
    text[4095] = '\n';
    write_file(path, text, 20000);
    assert_ok(metrics_log_open(path, &log, &error), &error);
    assert_ok(metrics_log_close(log, &error), &error);
    free(read_file(path, &size));
    assert_int_equal(size, 4096);
    write_file(path, text, 4000);
    assert_ok(metrics_log_open(path, &log, &error), &error);
    assert_ok(metrics_log_close(log, &error), &error);
    free(read_file(path, &size));
    assert_int_equal(size, 0);
    free(text);
}

static void test_cut(void **state)
{
    (void)state;
    const char *path = path_of("cut.jsonl");
    struct metrics_log *log = log_make(path, 8);
    assert_ok(metrics_log_state(log, "stopped", 8, "", &error), &error);
    assert_ok(log_cut(log, 5, 0, &error), &error);
    for (long i = 6; i <= 7; i++) {
        struct step_record record = log_step_of(i);
        assert_ok(metrics_log_step(log, &record, &error), &error);
    }
    assert_ok(log_cut(log, 7, 0, &error), &error); /* nothing to cut */
    assert_ok(metrics_log_close(log, &error), &error);
    struct metrics metrics = log_read(path);
    assert_int_equal(metrics.step_count, 7);
    for (int i = 0; i < 7; i++)
        assert_int_equal(metrics.steps[i].step, i + 1);
    assert_string_equal(metrics.end_state, "");
    metrics_free(&metrics);
}

/* A checkpoint of an epoch's last step may be from before the epoch was measured: that will be done again. */
static void test_the_cut_of_epochs(void **state)
{
    (void)state;
    static const struct epoch_record records[] = {{.step = 4, .epoch = 1},
                                                  {.step = 6, .epoch = 1},
                                                  {.step = 8, .epoch = 2},
                                                  {.step = 8, .epoch = 2, .best = true}};
    static const struct {
        struct training_state state;
        int kept;
    } cases[] = {{{.step = 8, .epoch = 1}, 2},
                 {{.step = 8, .epoch = 2}, 3},
                 {{.step = 8, .epoch = 2, .best_step = 8}, 4},
                 {{.step = 7, .epoch = 1, .best_step = 8}, 2}};
    const char *path = path_of("cut-epochs.jsonl");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct metrics_log *log = log_make(path, 0);
        for (size_t k = 0; k < sizeof records / sizeof *records; k++)
            assert_ok(metrics_log_epoch(log, &records[k], &error), &error);
        assert_ok(metrics_log_cut(log, &cases[i].state, 0, &error), &error);
        assert_ok(metrics_log_close(log, &error), &error);
        struct metrics metrics = log_read(path);
        assert_int_equal(metrics.epoch_count, cases[i].kept);
        metrics_free(&metrics);
    }
}

/* The number of lines is known without the file, however that has changed. */
static void test_lines_are_counted(void **state)
{
    (void)state;
    const char *path = path_of("counted.jsonl");
    const struct command_record record = {.step = 4, .command.kind = COMMAND_MOMENTUM, .ok = true};
    struct metrics_log *log = log_make(path, 0);
    long count = -1;
    assert_ok(metrics_log_count(log, &count, &error), &error);
    assert_int_equal(count, 0);
    for (int i = 0; i < 3; i++)
        assert_ok(metrics_log_command(log, &record, &error), &error);
    char moved[512];
    snprintf(moved, sizeof moved, "%s.away", path);
    assert_int_equal(rename(path, moved), 0);
    assert_ok(metrics_log_count(log, &count, &error), &error);
    assert_int_equal(count, 3);
    assert_int_equal(rename(moved, path), 0);
    assert_ok(log_cut(log, 4, 1, &error), &error);
    assert_ok(metrics_log_count(log, &count, &error), &error);
    assert_int_equal(count, 1);
    assert_ok(metrics_log_close(log, &error), &error);
    assert_ok(metrics_log_open(path, &log, &error), &error);
    assert_ok(metrics_log_count(log, &count, &error), &error);
    assert_int_equal(count, 1);
    assert_ok(metrics_log_close(log, &error), &error);
}

/* What waits is recorded with all that it takes to let it wait again. */
static void test_a_wait_is_kept_whole(void **state)
{
    (void)state;
    const char *path = path_of("waits.jsonl");
    struct metrics_log *log = log_make(path, 0);
    const struct command_record record = {
        .step = 4,
        .ok = true,
        .command = {.kind = COMMAND_WAIT,
                    .then = COMMAND_SAVE,
                    .number = 7,
                    .name = "low",
                    .text = "when loss < 0.5 save low",
                    .when = {.quantity = WHEN_LOSS, .relation = RELATION_BELOW, .value = 0.5}}};
    assert_ok(metrics_log_command(log, &record, &error), &error);
    assert_ok(metrics_log_close(log, &error), &error);
    struct metrics metrics = log_read(path);
    assert_int_equal(metrics.command_count, 1);
    const struct command *command = &metrics.commands[0].command;
    assert_int_equal(command->kind, COMMAND_WAIT);
    assert_int_equal(command->then, COMMAND_SAVE);
    assert_int_equal(command->number, 7);
    assert_string_equal(command->name, "low");
    assert_int_equal(command->when.quantity, WHEN_LOSS);
    assert_int_equal(command->when.relation, RELATION_BELOW);
    assert_true(command->when.value == 0.5);
    metrics_free(&metrics);
}

/* Of the commands at a checkpoint's step those that changed the state behind it are made again, or not. */
static void test_the_cut_of_commands(void **state)
{
    (void)state;
    static const enum command_kind kinds[] = {COMMAND_MOMENTUM, COMMAND_MOMENTUM, COMMAND_WAIT,      COMMAND_SCHEDULE,
                                              COMMAND_NOTE,     COMMAND_SAVE,     COMMAND_LOG_EVERY, COMMAND_CANCEL};
    static const enum command_kind kept[] = {COMMAND_MOMENTUM, COMMAND_NOTE, COMMAND_SAVE, COMMAND_LOG_EVERY};
    const char *path = path_of("cut-commands.jsonl");
    struct metrics_log *log = log_make(path, 0);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct command_record record = {.step = 4, .command.kind = kinds[i], .ok = true};
        assert_ok(metrics_log_command(log, &record, &error), &error);
    }
    assert_ok(log_cut(log, 4, 1, &error), &error); /* it knew the first alone */
    assert_ok(metrics_log_close(log, &error), &error);
    struct metrics metrics = log_read(path);
    assert_int_equal(metrics.command_count, sizeof kept / sizeof *kept);
    for (int i = 0; i < metrics.command_count; i++)
        assert_int_equal(metrics.commands[i].command.kind, kept[i]);
    metrics_free(&metrics);
}

/* Numbers of an enum may change from version to version, names not. */
static void test_commands_are_kept_by_name(void **state)
{
    (void)state;
    static const char *const words[] = {"lr",   "scale-lr", "pause", "resume", "step",
                                        "eval", "save",     "probe", "look",   "stop"};
    const char *path = path_of("names.jsonl");
    struct metrics_log *log = log_make(path, 0);
    for (int kind = 0; kind <= COMMAND_STOP; kind++) {
        const struct command_record record = {.command = {.kind = (enum command_kind)kind}};
        assert_ok(metrics_log_command(log, &record, &error), &error);
    }
    static const char unknown[] = "{\"kind\":\"command\",\"step\":1,\"action\":\"dance\",\"value\":0,\"count\":0,"
                                  "\"command\":\"\",\"ok\":true,\"outcome\":\"\"";
    assert_ok(metrics_log_close(log, &error), &error);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fprintf(file, "%s,\"crc\":\"%08x\"}\n", unknown, crc32c(unknown, sizeof unknown - 1));
    fclose(file);
    size_t size;
    char *text = read_file(path, &size);
    for (int kind = 0; kind <= COMMAND_STOP; kind++) {
        char member[32];
        snprintf(member, sizeof member, "\"action\":\"%s\"", words[kind]);
        assert_non_null(strstr(text, member));
    }
    free(text);
    struct metrics metrics = log_read(path);
    assert_int_equal(metrics.command_count, COMMAND_STOP + 1);
    for (int kind = 0; kind <= COMMAND_STOP; kind++)
        assert_int_equal(metrics.commands[kind].command.kind, kind);
    assert_int_equal(metrics.damaged_lines, 1);
    metrics_free(&metrics);
}

static void test_a_diagnosis_is_kept_whole(void **state)
{
    (void)state;
    const char *path = path_of("diagnosis.jsonl");
    struct metrics_log *log = log_make(path, 0);
    char diagnosis[sizeof((struct snapshot *)NULL)->message];
    memset(diagnosis, 'x', sizeof diagnosis - 1);
    diagnosis[sizeof diagnosis - 1] = '\0';
    assert_ok(metrics_log_state(log, "diverged", 1, diagnosis, &error), &error);
    assert_ok(metrics_log_close(log, &error), &error);
    struct metrics metrics = log_read(path);
    assert_string_equal(metrics.end_message, diagnosis);
    metrics_free(&metrics);
}

static void test_full_disk(void **state)
{
    (void)state;
    struct metrics_log *log;
    struct step_record record = log_step_of(1);
    const char *path = path_of("full.jsonl");
    assert_int_equal(symlink("/dev/full", path), 0);
    if (metrics_log_open(path, &log, &error) == 0) {
        assert_error(metrics_log_step(log, &record, &error), &error, "No space left on device");
        metrics_log_close(log, NULL);
    }
}

/* Half of it fits: what is written next, when there is room, stands on a line of its own. */
static void test_a_line_that_does_not_fit_leaves_nothing(void **state)
{
    (void)state;
    const char *path = path_of("half.jsonl");
    struct metrics_log *log = log_make(path, 2);
    const struct step_record record = log_step_of(3);
    struct rlimit before, small;
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){(rlim_t)status.st_size + 30, before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const int result = metrics_log_step(log, &record, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_error(result, &error, "half.jsonl");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, small.rlim_cur - 30);
    assert_ok(metrics_log_step(log, &record, &error), &error);
    assert_ok(metrics_log_close(log, &error), &error);
    struct metrics metrics = log_read(path);
    assert_int_equal(metrics.step_count, 3);
    assert_int_equal(metrics.damaged_lines, 0);
    metrics_free(&metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c),
        cmocka_unit_test(test_records_come_back),
        cmocka_unit_test(test_the_summary_has_one_step),
        cmocka_unit_test(test_findings_come_back),
        cmocka_unit_test(test_not_finite_is_null),
        cmocka_unit_test(test_an_absent_log_is_empty),
        cmocka_unit_test(test_a_torn_tail_costs_one_line),
        cmocka_unit_test(test_every_flipped_byte_costs_its_line_alone),
        cmocka_unit_test(test_a_long_torn_tail),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_the_cut_of_epochs),
        cmocka_unit_test(test_the_cut_of_commands),
        cmocka_unit_test(test_lines_are_counted),
        cmocka_unit_test(test_a_wait_is_kept_whole),
        cmocka_unit_test(test_commands_are_kept_by_name),
        cmocka_unit_test(test_a_diagnosis_is_kept_whole),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_a_line_that_does_not_fit_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
