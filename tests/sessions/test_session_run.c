/* What the sink writes into a session, and what a resume makes of it: the newest good checkpoint, the records up to it.
 */
#include "session_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct error error;

static void damage(const char *path)
{
    size_t size;
    char *bytes = read_file(path, &size);
    bytes[size / 2] ^= 1;
    write_file(path, bytes, size);
    free(bytes);
}

static void test_steps_are_logged_every_so_many(void **state)
{
    (void)state;
    struct settings settings = small_settings(); /* log-every 2 */
    struct session *session = create_session(&settings, "log");
    struct trainer_sink sink = session_sink(session);
    struct metrics metrics;
    const struct command_record command = {.step = 3, .command = {.text = "pause"}, .ok = true, .outcome = "paused"};
    log_steps(session, 1, 7);
    assert_ok(sink.on_command(sink.context, &command, &error), &error);
    assert_ok(session_metrics(session, &metrics, &error), &error); /* while it is being written */
    assert_int_equal(metrics.step_count, 3);
    assert_int_equal(metrics.steps[2].step, 6);
    assert_int_equal(metrics.command_count, 1);
    metrics_free(&metrics);
    session_close(session);
}

/* Each probe, whatever the steps between records; a resumed session has those up to its checkpoint. */
static void test_probes_are_logged_and_resumed(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "probes");
    struct trainer_sink sink = session_sink(session);
    struct metrics metrics;
    struct probe *probe = NULL;
    struct training_state at = {.step = 2};
    char note[256];
    assert_ok(probe_create(&settings.model, &probe, &error), &error);
    for (probe->step = 0; probe->step < 4; probe->step++) {
        probe->points[1].variance = 1 + (float)probe->step / 3;
        assert_ok(sink.on_probe(sink.context, probe, &error), &error);
    }
    assert_ok(session_save(session, rig.network, &at, false, &error), &error);
    session_close(session);
    assert_ok(session_open(&settings, "probes", SESSION_WRITE, &session, &error), &error);
    assert_ok(session_resume(session, CHECKPOINT_LATEST, rig.network, &at, note, &error), &error);
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_int_equal(metrics.probe_count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(metrics.probes[i]->step, i);
        assert_int_equal(metrics.probes[i]->count, probe->count);
        assert_int_equal(metrics.probes[i]->points[1].channels, 8);
        assert_true(metrics.probes[i]->points[1].variance == 1 + (float)i / 3);
    }
    metrics_free(&metrics);
    probe_destroy(probe);
    session_close(session);
    free_rig(&rig);
}

static void test_resume_goes_on_from_the_newest(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1), loaded = make_rig(&settings, 2);
    struct session *session = create_session(&settings, "resume");
    struct training_state start;
    struct metrics metrics;
    char note[256];
    log_steps(session, 1, 4);
    train_once(rig.network);
    save_step(session, &rig, 4, false);
    log_steps(session, 5, 9); /* and then the machine dies */
    session_close(session);

    assert_ok(session_open(&settings, "resume", SESSION_WRITE, &session, &error), &error);
    assert_ok(session_resume(session, CHECKPOINT_LATEST, loaded.network, &start, note, &error), &error);
    assert_int_equal(start.step, 4);
    assert_string_equal(note, "");
    assert_true(same_network(rig.network, loaded.network));
    log_steps(session, 5, 8);
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_int_equal(metrics.step_count, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(metrics.steps[i].step, 2 * (i + 1));
    metrics_free(&metrics);
    session_close(session);
    free_rig(&rig);
    free_rig(&loaded);
}

/* A run that died before it saved anything had made no step: it begins at its first. Where steps are recorded, or the
 * weights came from elsewhere, nothing may begin anew. */
static void test_resume_of_what_had_not_begun(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1), loaded = make_rig(&settings, 2);
    struct training_state start = {.step = 7};
    char note[256];
    struct session *session = create_session(&settings, "unborn");
    assert_ok(session_resume(session, CHECKPOINT_LATEST, rig.network, &start, note, &error), &error);
    assert_int_equal(start.step, 0);
    assert_true(start.learning_rate == settings.train.learning_rate);
    assert_ok(session_load(session, 0, loaded.network, NULL, note, &error), &error);
    assert_true(same_network(rig.network, loaded.network));
    session_close(session);

    session = create_session(&settings, "lost");
    log_steps(session, 1, 4);
    assert_error(session_resume(session, CHECKPOINT_LATEST, rig.network, &start, note, &error), &error,
                 "has no checkpoint");
    session_close(session);
    free_rig(&rig);
    free_rig(&loaded);
}

/* Opens the session again, resumes it and compares the commands that are left with `expected`, one a word. */
static void assert_resumed_commands(const struct settings *settings, const char *name, struct rig *rig,
                                    const char *expected)
{
    struct session *session;
    struct training_state start;
    struct metrics metrics;
    char note[256], found[256] = "";
    assert_ok(session_open(settings, name, SESSION_WRITE, &session, &error), &error);
    assert_ok(session_resume(session, CHECKPOINT_LATEST, rig->network, &start, note, &error), &error);
    assert_ok(session_metrics(session, &metrics, &error), &error);
    for (int i = 0; i < metrics.command_count; i++) {
        size_t used = strlen(found);
        snprintf(found + used, sizeof found - used, "%s%s", i ? " " : "", metrics.commands[i].command.text);
    }
    assert_string_equal(found, expected);
    metrics_free(&metrics);
    session_close(session);
}

/* What a resumed run's log says was done is in force: a rate set behind the checkpoint, at its very step, is not. */
static void test_resume_forgets_commands_behind_the_checkpoint(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "orders");
    log_command(session, 4, COMMAND_LEARNING_RATE, "before");
    save_step(session, &rig, 4, false);
    log_command(session, 4, COMMAND_SAVE, "save"); /* changes nothing, so it stays */
    log_command(session, 4, COMMAND_SCALE_LEARNING_RATE, "after");
    log_command(session, 5, COMMAND_PAUSE, "later");
    session_close(session);
    assert_resumed_commands(&settings, "orders", &rig, "before save");

    assert_ok(session_open(&settings, "orders", SESSION_WRITE, &session, &error), &error);
    log_command(session, 4, COMMAND_LEARNING_RATE, "again");
    save_step(session, &rig, 4, false);
    session_close(session);
    assert_resumed_commands(&settings, "orders", &rig, "before save again");
    free_rig(&rig);
}

/* Whatever checkpoint it goes on from; what was refused changes nothing. */
static void test_a_command_changes_what_a_divergence_does(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create_session(&settings, "policy");
    struct trainer_sink sink = session_sink(session);
    struct command_record record = {.command = {.kind = COMMAND_ON_DIVERGENCE, .value = DIVERGENCE_CONTINUE},
                                    .ok = true};
    assert_ok(sink.on_command(sink.context, &record, &error), &error);
    record.command.value = 7;
    record.ok = false;
    assert_ok(sink.on_command(sink.context, &record, &error), &error);
    session_close(session);

    assert_ok(session_open(&settings, "policy", SESSION_READ, &session, &error), &error);
    const struct settings *read = session_settings(session);
    settings.train.on_divergence = DIVERGENCE_CONTINUE;
    assert_memory_equal(&read->model, &settings.model, sizeof read->model);
    assert_memory_equal(&read->train, &settings.train, sizeof read->train);
    session_close(session);
}

static void test_a_divergence_is_recorded_once_and_whole(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create_session(&settings, "wild");
    struct trainer_sink sink = session_sink(session);
    size_t size;
    assert_ok(sink.on_divergence(sink.context, "diverged in block 3", 12, &error), &error);
    assert_ok(session_end(session, TRAINER_DIVERGED, 11, "diverged in block 3", &error), &error);
    char *text = read_file(inside(session, "metrics.jsonl"), &size);
    const char *first = strstr(text, "block 3");
    assert_non_null(first);
    assert_null(strstr(first + 1, "block 3"));
    free(text);
    session_close(session);
}

/* The person has changed something at the divergence, and the run goes on: it is no longer what the session says. */
static void test_a_divergence_that_was_overcome_is_not_the_end(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create_session(&settings, "tamed");
    struct trainer_sink sink = session_sink(session);
    struct metrics metrics;
    const struct step_record step = {.step = 12};
    assert_ok(sink.on_divergence(sink.context, "diverged in block 3", 12, &error), &error);
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_string_equal(metrics.end_state, "diverged");
    metrics_free(&metrics);
    assert_ok(sink.on_step(sink.context, &step, &error), &error); /* killed now, it was interrupted */
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_string_equal(metrics.end_state, "started");
    metrics_free(&metrics);
    assert_ok(session_end(session, TRAINER_DIVERGED, 12, "again", &error), &error);
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_string_equal(metrics.end_message, "again");
    metrics_free(&metrics);
    session_close(session);
}

/* Back to step 2: records and checkpoints behind it are gone once its own is written again, and a resume has the rate
 * of the rollback. */
static void test_a_rollback_undoes_what_was_behind(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "back");
    const struct trainer_sink sink = session_sink(session);
    const struct command_record back = {
        .step = 2, .command = {.kind = COMMAND_ROLLBACK, .value = 0.05, .text = "rollback"}, .ok = true};
    const struct finding finding = {.kind = FINDING_DIVERGENCE, .step = 2, .since = 7, .text = "step 7 in block 1"};
    struct training_state to = {.step = 2, .learning_rate = 0.05f}, resumed;
    struct metrics metrics;
    char note[256];
    for (long step = 2; step <= 6; step += 2) {
        log_steps(session, step - 1, step);
        if (step == 2)
            log_command(session, 1, COMMAND_LEARNING_RATE, "before it");
        save_step(session, &rig, step, false); /* the one of step 2 has given way by the third */
    }
    log_command(session, 2, COMMAND_LEARNING_RATE, "undone");
    assert_false(exists(inside(session, "checkpoints/2.safetensors")));
    assert_ok(sink.on_rollback(sink.context, rig.network, &to, NULL, &error), &error);
    assert_ok(sink.on_finding(sink.context, &finding, &error), &error);
    assert_ok(sink.on_command(sink.context, &back, &error), &error);
    assert_true(exists(inside(session, "checkpoints/6.safetensors"))); /* until there is another */
    assert_ok(sink.on_checkpoint(sink.context, rig.network, &to, false, &error), &error);
    assert_false(exists(inside(session, "checkpoints/4.safetensors")));
    assert_false(exists(inside(session, "checkpoints/6.safetensors")));
    session_close(session);

    assert_ok(session_open(&settings, "back", SESSION_WRITE, &session, &error), &error);
    assert_ok(session_resume(session, CHECKPOINT_LATEST, rig.network, &resumed, note, &error), &error);
    assert_int_equal(resumed.step, 2);
    assert_true(resumed.learning_rate == 0.05f);
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_true(metrics.step_count > 0 && metrics.steps[metrics.step_count - 1].step == 2);
    assert_int_equal(metrics.command_count, 2);
    assert_string_equal(metrics.commands[0].command.text, "before it");
    assert_int_equal(metrics.commands[1].command.kind, COMMAND_ROLLBACK);
    assert_int_equal(metrics.finding_count, 1);
    assert_int_equal(metrics.findings[0].since, 7);
    metrics_free(&metrics);
    session_close(session);
    free_rig(&rig);
}

static void test_a_damaged_newest_is_passed_over(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1), loaded = make_rig(&settings, 2), good = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "damaged");
    struct training_state start;
    char note[256];
    train_once(good.network);
    train_once(rig.network);
    save_step(session, &rig, 4, false);
    train_once(rig.network);
    save_step(session, &rig, 8, true);
    damage(inside(session, "checkpoints/8.safetensors"));

    assert_ok(session_load(session, CHECKPOINT_LATEST, loaded.network, &start, note, &error), &error);
    assert_non_null(strstr(note, "step 4 taken instead"));
    assert_error(session_load(session, 8, loaded.network, &start, note, &error), &error, "damaged");
    assert_true(exists(inside(session, "checkpoints/8.safetensors"))); /* loading changes nothing */
    assert_ok(session_resume(session, CHECKPOINT_LATEST, loaded.network, &start, note, &error), &error);
    assert_int_equal(start.step, 4);
    assert_non_null(strstr(note, "step 4 taken instead"));
    assert_true(same_network(good.network, loaded.network));
    assert_true(exists(inside(session, "checkpoints/8.safetensors.damaged")));
    save_step(session, &rig, 8, false);
    assert_ok(session_load(session, CHECKPOINT_LATEST, loaded.network, &start, note, &error), &error);
    assert_int_equal(start.step, 8);
    assert_string_equal(note, "");

    damage(inside(session, "checkpoints/8.safetensors"));
    damage(inside(session, "checkpoints/4.safetensors"));
    assert_error(session_resume(session, CHECKPOINT_LATEST, loaded.network, &start, note, &error), &error,
                 "8.safetensors: damaged");
    assert_true(exists(inside(session, "checkpoints/8.safetensors")));
    session_close(session);
    free_rig(&rig);
    free_rig(&loaded);
    free_rig(&good);
}

/* The good file stays until the new one is known to be good, though both are of the same step. */
static void test_a_bad_save_keeps_the_good_file(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1), loaded = make_rig(&settings, 2);
    struct session *session = create_session(&settings, "twice");
    const struct training_state now = {.step = 4, .best_accuracy = -1};
    struct training_state start;
    char note[256];
    save_step(session, &rig, 4, false);
    disk_damages = true;
    const int result = session_save(session, rig.network, &now, false, &error);
    disk_damages = false;
    assert_error(result, &error, "damaged");
    assert_false(exists(inside(session, "checkpoints/4.safetensors.tmp")));
    assert_ok(session_load(session, CHECKPOINT_LATEST, loaded.network, &start, note, &error), &error);
    assert_true(same_network(rig.network, loaded.network));
    session_close(session);
    free_rig(&rig);
    free_rig(&loaded);
}

static void save_state(struct session *session, struct rig *rig, long step, bool unsound)
{
    const struct training_state now = {.step = step, .best_accuracy = -1, .unsound = unsound};
    assert_ok(session_save(session, rig->network, &now, false, &error), &error);
}

/* Checkpoints of lost weights never push out the last good ones, and one can go back to these. */
static void test_unsound_checkpoints_leave_the_good_ones(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "lost");
    struct trainer_sink sink = session_sink(session);
    struct training_state at;
    struct metrics metrics;
    char note[256];
    for (long step = 0; step <= 8; step += 4)
        save_state(session, &rig, step, false);
    for (long step = 12; step <= 24; step += 4)
        save_state(session, &rig, step, true);
    assert_false(exists(inside(session, "checkpoints/0.safetensors")));
    assert_true(exists(inside(session, "checkpoints/4.safetensors")));
    assert_true(exists(inside(session, "checkpoints/8.safetensors")));
    assert_false(exists(inside(session, "checkpoints/16.safetensors")));
    assert_true(exists(inside(session, "checkpoints/24.safetensors")));
    assert_int_equal(sink.good_step(session, 30), 8);
    assert_int_equal(sink.good_step(session, 7), 4);
    assert_int_equal(sink.good_step(session, 3), -1);
    assert_ok(sink.on_load(session, NULL, 4, rig.network, &at, &error), &error);
    assert_true(at.step == 4 && !at.unsound);
    assert_error(sink.on_load(session, NULL, 5, rig.network, &at, &error), &error, "no checkpoint at step 5");

    log_steps(session, 1, 24);
    assert_ok(session_resume(session, CHECKPOINT_GOOD, rig.network, &at, note, &error), &error);
    assert_int_equal(at.step, 8);
    assert_false(exists(inside(session, "checkpoints/24.safetensors"))); /* the run is not there any more */
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_int_equal(metrics.steps[metrics.step_count - 1].step, 8);
    metrics_free(&metrics);
    session_close(session);
    free_rig(&rig);
}

static void test_best_and_given_steps(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "best");
    struct training_state start;
    char note[256];
    assert_error(session_load(session, CHECKPOINT_LATEST, rig.network, &start, note, &error), &error,
                 "session best has no checkpoint yet");
    save_step(session, &rig, 4, true);
    save_step(session, &rig, 4, false); /* `save` again at the same step keeps the mark */
    save_step(session, &rig, 8, false);
    save_step(session, &rig, 12, false);
    assert_ok(session_load(session, CHECKPOINT_BEST, rig.network, &start, note, &error), &error);
    assert_int_equal(start.step, 4);
    assert_ok(session_load(session, CHECKPOINT_LATEST, rig.network, NULL, note, &error), &error);
    assert_ok(session_load(session, 8, rig.network, &start, note, &error), &error);
    assert_int_equal(start.step, 8);
    assert_error(session_load(session, 5, rig.network, &start, note, &error), &error, "no checkpoint at step 5");
    session_close(session);
    free_rig(&rig);
}

static void test_changed_settings_are_noted(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "changed");
    char note[256];
    save_step(session, &rig, 4, false);
    struct settings changed = *session_settings(session);
    changed.train.epochs = 99;
    assert_ok(session_update_settings(session, &changed, &error), &error);
    assert_ok(session_load(session, CHECKPOINT_LATEST, rig.network, NULL, note, &error), &error);
    assert_string_equal(note, "");
    changed.train.seed = 99;
    assert_ok(session_update_settings(session, &changed, &error), &error);
    assert_ok(session_load(session, CHECKPOINT_LATEST, rig.network, NULL, note, &error), &error);
    assert_non_null(strstr(note, "made with other settings"));
    session_close(session);
    assert_ok(session_open(&settings, "changed", SESSION_READ, &session, &error), &error);
    assert_int_equal(session_settings(session)->train.epochs, 99);
    session_close(session);
    free_rig(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_steps_are_logged_every_so_many, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_probes_are_logged_and_resumed, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_resume_goes_on_from_the_newest, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_resume_of_what_had_not_begun, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_resume_forgets_commands_behind_the_checkpoint, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_command_changes_what_a_divergence_does, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_divergence_is_recorded_once_and_whole, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_damaged_newest_is_passed_over, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_bad_save_keeps_the_good_file, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_divergence_that_was_overcome_is_not_the_end, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_rollback_undoes_what_was_behind, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_unsound_checkpoints_leave_the_good_ones, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_best_and_given_steps, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_changed_settings_are_noted, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
