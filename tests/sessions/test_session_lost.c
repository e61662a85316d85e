/* A session that has lost its settings.ini is no folder that a dead process has left: what was trained in it stays, is
 * told, and is mended where a checkpoint has the settings. */
#include "session_log.h"

#include "sessions/verify.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct error error;
static struct settings settings;

static void lose_settings(struct session *session)
{
    assert_int_equal(unlink(inside(session, "settings.ini")), 0);
    session_close(session);
}

/* Neither takes a new run its name, nor a repair the folder; whether the repair could write the settings anew. */
static bool is_mended(const char *name)
{
    struct session *other;
    struct verify_report report;
    strcpy(settings.session, name);
    assert_error(session_name_is_free(&settings, &error), &error, "there is one of that name");
    assert_error(session_create(&settings, &other, &error), &error, "exists already");
    assert_error(session_open(&settings, name, SESSION_WRITE, &other, &error), &error,
                 "has lost its settings.ini: `nfbench sessions verify --repair` may write it anew");
    assert_ok(sessions_verify_directory(&settings, true, &report, &error), &error);
    assert_int_equal(report.count, 1);
    assert_string_equal(report.findings[0].file, name);
    assert_int_equal(report.findings[0].severity, VERIFY_WRONG);
    const bool mended = report.findings[0].mended;
    verify_free(&report);
    return mended;
}

static void assert_records(const char *name, int steps, bool checkpoint)
{
    struct session *session;
    struct metrics metrics;
    assert_ok(session_open(&settings, name, SESSION_READ, &session, &error), &error);
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_int_equal(metrics.step_count, steps);
    assert_int_equal(exists(inside(session, "checkpoints/mine.safetensors")), checkpoint);
    metrics_free(&metrics);
    session_close(session);
}

/* The others are gone: no checkpoint with a step tells that it was trained. */
static void a_checkpoint_with_a_name_gives_the_settings_back(void **state)
{
    (void)state;
    settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "named");
    struct trainer_sink sink = session_sink(session);
    log_steps(session, 1, 8);
    save_step(session, &rig, 8, false);
    assert_ok(sink.on_name(sink.context, "mine", 8, &error), &error);
    assert_int_equal(unlink(inside(session, "checkpoints/8.safetensors")), 0);
    assert_int_equal(unlink(inside(session, "metrics.jsonl")), 0);
    lose_settings(session);
    assert_true(is_mended("named"));
    assert_records("named", 0, true);
    free_rig(&rig);
}

/* A run that was killed before its first checkpoint behind the beginning. */
static void records_alone_stay(void **state)
{
    (void)state;
    settings = small_settings();
    struct session *session = create_session(&settings, "recorded");
    assert_ok(settings_write(session_settings(session), path_of("settings"), &error), &error);
    log_steps(session, 1, 8);
    lose_settings(session);
    assert_false(is_mended("recorded")); /* nothing has its settings */
    assert_int_equal(rename(path_of("settings"), path_of("recorded/settings.ini")), 0);
    assert_records("recorded", 4, false); /* every other is recorded */
}

/* What a process leaves that dies while it makes a session. */
static void what_was_never_made_is_in_nobodys_way(void **state)
{
    (void)state;
    struct verify_report report;
    settings = small_settings();
    lose_settings(create_session(&settings, "begun"));
    assert_ok(session_name_is_free(&settings, &error), &error);
    assert_ok(sessions_verify_directory(&settings, true, &report, &error), &error);
    assert_int_equal(report.count, 1);
    assert_true(report.findings[0].mended && report.findings[0].severity == VERIFY_NOTE);
    assert_false(exists(path_of("begun")));
    verify_free(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_checkpoint_with_a_name_gives_the_settings_back, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(records_alone_stay, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(what_was_never_made_is_in_nobodys_way, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
