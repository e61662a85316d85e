/* A resume takes back what was commanded behind the checkpoint that it goes on from: it says so, and keeps it. */
#include "session_log.h"

#include "sessions/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct error error;
static struct settings settings;

static void resume(const char *name, struct rig *rig, long step, char note[256])
{
    struct session *session;
    struct training_state state;
    assert_ok(session_open(&settings, name, SESSION_WRITE, &session, &error), &error);
    assert_ok(session_resume(session, CHECKPOINT_LATEST, rig->network, &state, note, &error), &error);
    assert_int_equal(state.step, step);
    session_close(session);
}

static int commands_in(const char *path)
{
    struct metrics metrics = {0};
    assert_ok(metrics_read(path, &metrics, &error), &error);
    const int count = metrics.command_count;
    assert_int_equal(metrics.damaged_lines, 0);
    metrics_free(&metrics);
    return count;
}

static void what_was_commanded_behind_the_checkpoint_is_told_and_kept(void **state)
{
    (void)state;
    char note[256], *before;
    size_t size;
    settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "killed");
    log_steps(session, 1, 4);
    log_command(session, 2, COMMAND_LEARNING_RATE, "lr 0.5");
    save_step(session, &rig, 4, false);
    log_command(session, 6, COMMAND_LEARNING_RATE, "lr 0.01");
    log_command(session, 7, COMMAND_NOTE, "note important thought");
    session_close(session);
    before = read_file(path_of("killed/commands.jsonl"), &size);
    for (int i = 0; i < 2; i++) { /* again: it had died before they were cut */
        write_file(path_of("killed/commands.jsonl"), before, size);
        resume("killed", &rig, 4, note);
        assert_string_equal(note, "2 commands behind step 4 are undone, and kept in undone.jsonl: lr 0.01 (step 6), "
                                  "note important thought (step 7)");
        assert_int_equal(commands_in(path_of("killed/commands.jsonl")), 1);
        assert_int_equal(commands_in(path_of("killed/undone.jsonl")), 2);
    }
    resume("killed", &rig, 4, note);
    assert_string_equal(note, "");
    assert_ok(session_open(&settings, "killed", SESSION_WRITE, &session, &error), &error);
    log_command(session, 5, COMMAND_LEARNING_RATE, "lr 0.02");
    session_close(session);
    resume("killed", &rig, 4, note);
    assert_string_equal(note, "1 command behind step 4 is undone, and kept in undone.jsonl: lr 0.02 (step 5)");
    assert_int_equal(commands_in(path_of("killed/undone.jsonl")), 3);
    free(before);
    free_rig(&rig);
}

/* The list is cut to its place, and says that there are more. */
static void a_run_without_a_checkpoint_tells_them_too(void **state)
{
    (void)state;
    char note[256];
    settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "early");
    for (int i = 0; i < 40; i++)
        log_command(session, 0, COMMAND_LEARNING_RATE, "lr 0.5");
    session_close(session);
    resume("early", &rig, 0, note);
    assert_non_null(strstr(note, "40 commands behind step 0 are undone, and kept in undone.jsonl: lr 0.5 (step 0), "));
    assert_string_equal(note + strlen(note) - 5, ", ...");
    assert_int_equal(commands_in(path_of("early/commands.jsonl")), 0);
    assert_int_equal(commands_in(path_of("early/undone.jsonl")), 40);
    free_rig(&rig);
}

/* `at 4 eval`, whose number is 1, is done at step 4, behind the checkpoint that has it waiting. */
static void measure_behind_a_checkpoint(struct session *session, struct rig *rig)
{
    const struct trainer_sink sink = session_sink(session);
    struct training_state at = {.step = 4, .best_accuracy = -1, .pending_count = 1, .pending_number = 1};
    struct command_record record = {.step = 2, .ok = true};
    at.pending[0] = (struct command){
        .kind = COMMAND_EVALUATE, .number = 1, .when = {WHEN_STEP, RELATION_AT, 4}, .text = "at 4 eval"};
    record.command = at.pending[0];
    record.command.kind = COMMAND_WAIT;
    record.command.then = COMMAND_EVALUATE;
    assert_ok(sink.on_command(sink.context, &record, &error), &error);
    log_steps(session, 1, 4);
    assert_ok(sink.on_checkpoint(sink.context, rig->network, &at, false, &error), &error);
    const struct epoch_record measured = {.step = 4, .test_accuracy = 0.5f, .waited = 1};
    assert_ok(sink.on_epoch(sink.context, &measured, &error), &error);
    record.step = 4;
    record.command = at.pending[0];
    assert_ok(sink.on_command(sink.context, &record, &error), &error);
}

/* It waits in the checkpoint, and will be done again: it is to stand in the log once. What a person said there at once
 * will not, and stays. */
static void what_waits_in_the_checkpoint_is_not_done_yet(void **state)
{
    (void)state;
    char note[256];
    struct metrics metrics;
    settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "waits");
    measure_behind_a_checkpoint(session, &rig);
    log_epoch(session, 4, -1, 0.25f);
    log_command(session, 4, COMMAND_EVALUATE, "eval");
    session_close(session);
    resume("waits", &rig, 4, note);
    assert_string_equal(note, "1 command behind step 4 is undone, and kept in undone.jsonl: at 4 eval (step 4)");
    assert_ok(session_open(&settings, "waits", SESSION_READ, &session, &error), &error);
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_int_equal(metrics.command_count, 2);
    assert_int_equal(metrics.commands[0].command.kind, COMMAND_WAIT);
    assert_string_equal(metrics.commands[1].command.text, "eval");
    assert_int_equal(metrics.epoch_count, 1);
    assert_true(metrics.epochs[0].test_accuracy == 0.25f);
    metrics_free(&metrics);
    session_close(session);
    resume("waits", &rig, 4, note);
    assert_string_equal(note, "");
    free_rig(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_commanded_behind_the_checkpoint_is_told_and_kept),
        cmocka_unit_test(a_run_without_a_checkpoint_tells_them_too),
        cmocka_unit_test(what_waits_in_the_checkpoint_is_not_done_yet),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
