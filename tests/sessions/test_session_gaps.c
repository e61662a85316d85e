/* A resume goes on where the logs have lost something, says what, and leaves it to be found later. */
#include "session_log.h"

#include "sessions/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct error error;
static struct settings settings;
static struct rig rig;
static char note[256];

/* Eight steps with two commands, saved; closed. */
static void make_session(const char *name)
{
    static const struct command_record command = {
        .step = 4, .ok = true, .command = {COMMAND_LEARNING_RATE, .value = 0.1, .text = "lr 0.1"}};
    settings = small_settings();
    rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, name);
    struct trainer_sink sink = session_sink(session);
    assert_ok(session_begin(session, &error), &error);
    log_steps(session, 1, 8);
    for (int i = 0; i < 2; i++)
        assert_ok(sink.on_command(sink.context, &command, &error), &error);
    save_step(session, &rig, 8, false);
    session_close(session);
}

/* The run goes on for eight steps more, behind which its first checkpoint is not there any more. */
static void resume(const char *name)
{
    struct session *session;
    struct training_state start;
    assert_ok(session_open(&settings, name, SESSION_WRITE, &session, &error), &error);
    assert_ok(session_resume(session, CHECKPOINT_LATEST, rig.network, &start, note, &error), &error);
    log_steps(session, 9, 16);
    save_step(session, &rig, 16, false);
    assert_int_equal(unlink(inside(session, "checkpoints/8.safetensors")), 0);
    session_close(session);
    free_rig(&rig);
}

/* What verify says of it after that. */
static void assert_found(const char *name, enum verify_severity severity, const char *words)
{
    struct verify_report report;
    assert_ok(session_verify(&settings, name, false, &report, &error), &error);
    bool found = false;
    for (int i = 0; i < report.count; i++)
        found |= report.findings[i].severity == severity && strstr(report.findings[i].what, words);
    assert_true(found);
    verify_free(&report);
}

static void lost_records_stay_known(void **state)
{
    (void)state;
    make_session("emptied");
    write_file(path_of("emptied/metrics.jsonl"), "", 0);
    resume("emptied");
    assert_string_equal(note, "metrics.jsonl has no record from before step 9: they are lost");
    assert_found("emptied", VERIFY_WRONG, "no record is there from before step 8");
}

/* Leaves out the lines of these steps. */
static void lose_steps(const char *path, int from, int to)
{
    size_t size;
    char *log = read_file(path, &size), member[24];
    for (int step = from; step <= to; step++) {
        snprintf(member, sizeof member, "\"step\":%d,", step);
        char *line = strstr(log, member), *next = strchr(line, '\n') + 1;
        while (line > log && line[-1] != '\n')
            line--;
        memmove(line, next, strlen(next) + 1);
    }
    write_file(path, log, strlen(log));
    free(log);
}

static void records_that_are_lost_in_the_middle_are_told(void **state)
{
    (void)state;
    make_session("gap");
    lose_steps(path_of("gap/metrics.jsonl"), 4, 4);
    resume("gap");
    assert_string_equal(note, "steps 3 to 5 have no record");
    assert_found("gap", VERIFY_WRONG, "steps 3 to 5 have no record");
}

static void records_that_are_lost_at_the_end_are_told(void **state)
{
    (void)state;
    make_session("cut");
    lose_steps(path_of("cut/metrics.jsonl"), 6, 6);
    lose_steps(path_of("cut/metrics.jsonl"), 8, 8);
    assert_found("cut", VERIFY_WRONG, "steps 5 to 8 have no record");
    resume("cut");
    assert_string_equal(note, "steps 5 to 8 have no record");
    assert_found("cut", VERIFY_WRONG, "steps 5 to 9 have no record");
}

/* A line that cannot be read stays where it is, and is told of. */
static void a_damaged_line_stays(void **state)
{
    (void)state;
    size_t size;
    make_session("flipped");
    char *log = read_file(path_of("flipped/metrics.jsonl"), &size);
    strstr(log, "\"step\":4,")[7] ^= 1;
    write_file(path_of("flipped/metrics.jsonl"), log, size);
    free(log);
    resume("flipped");
    assert_string_equal(note, "1 damaged line of its logs passed over");
    assert_found("flipped", VERIFY_WRONG, "1 of 10 lines is damaged, the first is line 3");
}

/* A torn end of a log, of a crash, is none: its steps, behind the checkpoint, are made again. */
static void a_damaged_end_is_cut(void **state)
{
    (void)state;
    struct verify_report report;
    struct session *session;
    size_t size;
    make_session("ended");
    assert_ok(session_open(&settings, "ended", SESSION_WRITE, &session, &error), &error);
    log_steps(session, 9, 12);
    session_close(session);
    char *log = read_file(path_of("ended/metrics.jsonl"), &size);
    log[size - 5] ^= 1;
    write_file(path_of("ended/metrics.jsonl"), log, size);
    free(log);
    resume("ended");
    assert_ok(session_verify(&settings, "ended", false, &report, &error), &error);
    assert_int_equal(report.wrong, 0);
    verify_free(&report);
}

static void lost_commands_stay_known(void **state)
{
    (void)state;
    make_session("uncommanded");
    assert_int_equal(unlink(path_of("uncommanded/commands.jsonl")), 0);
    resume("uncommanded");
    assert_string_equal(note, "commands.jsonl lacks 2 of the run's 2 commands: it cannot be replayed");
    assert_found("uncommanded", VERIFY_NOTE, "2 commands of the run are lost");
}

static void a_whole_session_lacks_nothing(void **state)
{
    (void)state;
    struct verify_report report;
    make_session("whole");
    resume("whole");
    assert_string_equal(note, "");
    assert_ok(session_verify(&settings, "whole", false, &report, &error), &error);
    assert_int_equal(report.count, 0);
    verify_free(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lost_records_stay_known, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(records_that_are_lost_in_the_middle_are_told, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(records_that_are_lost_at_the_end_are_told, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_line_stays, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_end_is_cut, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(lost_commands_stay_known, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(a_whole_session_lacks_nothing, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
