/* What TensorBoard sees of a session: just what its logs hold, whatever was resumed, undone or lost in between; and a
 * run goes on where no events can be written. */
#include "events.h"
#include "fixture.h"
#include "session_log.h"

#include "sessions/tensorboard.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct error error;

static char files[EVENTS_FILES][256];
static int file_count;

/* The steps of a tag, as TensorBoard shows them: "2 4 6". Static. */
static const char *steps_of(const char *session, const char *tag)
{
    static char steps[1024];
    int count;
    struct event_value *view = view_events(path_of(session), files, &file_count, &count);
    *steps = '\0';
    for (int i = 0; i < count; i++)
        if (strcmp(view[i].tag, tag) == 0)
            snprintf(steps + strlen(steps), sizeof steps - strlen(steps), "%s%ld", *steps ? " " : "", view[i].step);
    free(view);
    return steps;
}

/* The only value of a tag; fails the test when there is none or another. */
static struct event_value value_of(const char *session, const char *tag)
{
    int count, found = 0;
    struct event_value *view = view_events(path_of(session), files, &file_count, &count), value = {0};
    for (int i = 0; i < count; i++)
        if (strcmp(view[i].tag, tag) == 0) {
            value = view[i];
            found++;
        }
    free(view);
    if (found != 1)
        fail_msg("%s: %d values", tag, found);
    return value;
}

static struct session *resume(const struct settings *settings, const char *name, struct rig *rig)
{
    struct session *session;
    struct training_state state;
    char note[256];
    assert_ok(session_open(settings, name, SESSION_WRITE, &session, &error), &error);
    assert_ok(session_resume(session, CHECKPOINT_LATEST, rig->network, &state, note, &error), &error);
    session_begin_events(session, state.step);
    return session;
}

static void note_at(struct session *session, long step, const char *text)
{
    struct command_record record = {.step = step, .command.kind = COMMAND_NOTE, .ok = true};
    const struct trainer_sink sink = session_sink(session);
    snprintf(record.command.text, sizeof record.command.text, "note %s", text);
    assert_ok(sink.on_command(sink.context, &record, &error), &error);
}

/* A probe of two points with all values in a few bins. */
static void probe_at(struct session *session, long step)
{
    struct probe *probe;
    const struct trainer_sink sink = session_sink(session);
    assert_ok(probe_create_summary(2, &probe, &error), &error);
    probe->step = step;
    for (int i = 0; i < 2; i++) {
        struct probe_point *point = &probe->points[i];
        point->variance = 1.5f;
        point->least = -2.9f;
        point->most = 2.5f;
        point->finite = true;
        point->values[value_bin(-2.9f)] = 3;
        point->values[value_bin(2.5f)] = 5;
        point->variances[value_bin(1.01f)] = 2;
        point->variances[value_bin(1.99f)] = 2;
    }
    assert_ok(sink.on_probe(sink.context, probe, &error), &error);
    probe_destroy(probe);
}

static void records_become_events(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create_session(&settings, "run");
    session_begin_events(session, 0);
    probe_at(session, 0);
    log_steps(session, 1, 7);
    log_epoch(session, 7, 0.75f, -1);
    note_at(session, 5, "a remark");
    assert_ok(session_end(session, TRAINER_FINISHED, 7, "", &error), &error);
    session_close(session);
    assert_string_equal(steps_of("run", "train/loss"), "2 4 6"); /* log-every 2 */
    assert_int_equal(file_count, 1);
    assert_string_equal(steps_of("run", "validation/accuracy"), "7");
    assert_string_equal(steps_of("run", "test/accuracy"), ""); /* not measured */
    assert_string_equal(value_of("run", "notes").text, "a remark");
    assert_string_equal(value_of("run", "run").text, "finished");
    assert_non_null(strstr(value_of("run", "settings").text, "| momentum | 0.9 |"));
    assert_true(value_of("run", "signal_variance/block_01").scalar == 1.5f);
    const struct event_value values = value_of("run", "activations/block_01");
    assert_true(values.histogram[0] == (double)-2.9f && values.histogram[1] == (double)2.5f);
    assert_true(values.histogram[2] == 8 && values.histogram[3] == 8);
    const struct event_value variances = value_of("run", "channel_variances/stem");
    assert_true(variances.histogram[0] == 1 && variances.histogram[1] == 2 && variances.histogram[4] == 2);
}

static void a_resumed_run_replaces_what_was_behind_its_checkpoint(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "run");
    session_begin_events(session, 0);
    log_steps(session, 1, 4);
    note_at(session, 4, "kept");
    save_step(session, &rig, 4, false);
    log_steps(session, 5, 9); /* and is killed */
    session_close(session);
    session = resume(&settings, "run", &rig);
    assert_string_equal(steps_of("run", "train/loss"), "2 4");
    assert_int_equal(file_count, 2);
    log_steps(session, 5, 12);
    session_close(session);
    assert_string_equal(steps_of("run", "train/loss"), "2 4 6 8 10 12");
    assert_string_equal(value_of("run", "notes").text, "kept");
    free_rig(&rig);
}

/* `at 4 eval` at the checkpoint that has it waiting: done again behind a resume, it is shown once. */
static void what_is_done_again_is_shown_once(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "run");
    struct training_state at = {.step = 4, .best_accuracy = -1, .pending_count = 1, .pending_number = 1};
    struct command_record record = {.step = 4, .ok = true};
    const struct epoch_record measured = {.step = 4, .test_accuracy = 0.5f, .waited = 1};
    at.pending[0] = record.command = (struct command){
        .kind = COMMAND_EVALUATE, .number = 1, .when = {WHEN_STEP, RELATION_AT, 4}, .text = "at 4 eval"};
    session_begin_events(session, 0);
    log_steps(session, 1, 4);
    struct trainer_sink sink = session_sink(session);
    assert_ok(sink.on_checkpoint(sink.context, rig.network, &at, false, &error), &error);
    for (int i = 0; i < 2; i++) {
        assert_ok(sink.on_epoch(sink.context, &measured, &error), &error);
        assert_ok(sink.on_command(sink.context, &record, &error), &error);
        assert_string_equal(steps_of("run", "test/accuracy"), "4");
        assert_string_equal(steps_of("run", "commands"), "4");
        session_close(session);
        session = resume(&settings, "run", &rig);
        sink = session_sink(session);
        assert_string_equal(steps_of("run", "test/accuracy"), "");
        assert_string_equal(steps_of("run", "commands"), "");
    }
    session_close(session);
    free_rig(&rig);
}

static void going_back_takes_away_what_is_undone(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "run");
    const struct trainer_sink sink = session_sink(session);
    struct training_state back = training_state_first(0.1f);
    back.step = 4;
    session_begin_events(session, 0);
    log_steps(session, 1, 9);
    assert_ok(sink.on_rollback(sink.context, rig.network, &back, NULL, &error), &error);
    assert_string_equal(steps_of("run", "train/loss"), "2 4");
    log_steps(session, 5, 6);
    session_close(session);
    assert_string_equal(steps_of("run", "train/loss"), "2 4 6");
    free_rig(&rig);
}

/* To a checkpoint with a name, ahead or on another way: all events are made anew of its records. */
static void going_to_a_name_shows_its_records(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "run");
    const struct trainer_sink sink = session_sink(session);
    struct training_state there = training_state_first(0.1f);
    session_begin_events(session, 0);
    log_steps(session, 1, 8);
    save_step(session, &rig, 8, false);
    assert_ok(sink.on_name(sink.context, "far", 8, &error), &error);
    there.step = 2;
    assert_ok(sink.on_rollback(sink.context, rig.network, &there, NULL, &error), &error);
    save_step(session, &rig, 2, false);
    assert_string_equal(steps_of("run", "train/loss"), "2");
    there.step = 8;
    assert_ok(sink.on_rollback(sink.context, rig.network, &there, "far", &error), &error);
    session_close(session);
    assert_string_equal(steps_of("run", "train/loss"), "2 4 6 8");
    free_rig(&rig);
}

/* Events that lack some of the log: of an older session, a fork, or one that trained without. */
static void what_is_missing_is_made_up(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "run");
    session_begin_events(session, 0);
    log_steps(session, 1, 2);
    session_close(session);
    assert_ok(session_open(&settings, "run", SESSION_WRITE, &session, &error), &error);
    log_steps(session, 3, 8); /* without events */
    probe_at(session, 8);
    save_step(session, &rig, 8, false);
    session_close(session);
    assert_string_equal(steps_of("run", "train/loss"), "2");
    session_close(resume(&settings, "run", &rig));
    assert_string_equal(steps_of("run", "train/loss"), "2 4 6 8");
    assert_string_equal(steps_of("run", "activations/stem"), "8");
    session_close(resume(&settings, "run", &rig)); /* nothing is lacking any more */
    assert_string_equal(steps_of("run", "train/loss"), "2 4 6 8");
    free_rig(&rig);
}

/* A reader takes the files in the order of their names. */
static void a_clock_that_was_set_back_does_not_hide_a_file(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create_session(&settings, "run");
    char ahead[128];
    session_begin_events(session, 0);
    session_close(session);
    steps_of("run", "");
    snprintf(ahead, sizeof ahead, "%s", path_of("run/events.out.tfevents.4000000000.nfbench"));
    char now[512];
    snprintf(now, sizeof now, "%s/%s", path_of("run"), files[0]);
    assert_int_equal(rename(now, ahead), 0);
    assert_ok(session_open(&settings, "run", SESSION_WRITE, &session, &error), &error);
    session_begin_events(session, 0);
    log_steps(session, 1, 2);
    session_close(session);
    assert_string_equal(steps_of("run", "train/loss"), "2");
    assert_int_equal(file_count, 2);
    assert_string_equal(files[1], "events.out.tfevents.4000000001.nfbench");
}

/* There is none behind it. */
static void a_file_with_the_highest_number_is_none_of_ours(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create_session(&settings, "run");
    write_file(path_of("run/events.out.tfevents.9223372036854775807"), "", 0);
    session_begin_events(session, 0);
    log_steps(session, 1, 2);
    session_close(session);
    assert_string_equal(steps_of("run", "train/loss"), "2");
    assert_int_equal(file_count, 2);
    assert_null(strchr(files[0] + strlen("events.out.tfevents."), '-'));
}

static void off_writes_none(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    assert_ok(settings_set(&settings, "tensorboard", "off", &error), &error);
    struct session *session = create_session(&settings, "run");
    session_begin_events(session, 0);
    log_steps(session, 1, 2);
    session_close(session);
    assert_string_equal(steps_of("run", "train/loss"), "");
    assert_int_equal(file_count, 0);
}

/* A file system that takes no large files: the events reach its limit first. */
static void a_failure_is_told_once_and_the_run_goes_on(void **state)
{
    (void)state;
    enum { LIMIT = 20000 };
    static char png[LIMIT - 2000];
    struct settings settings = small_settings();
    struct session *session = create_session(&settings, "run");
    struct rlimit before, limit;
    char warning[SESSION_WARNING_SIZE];
    const struct tensorboard_picture picture = {"large", png, sizeof png, 10, 10};
    session_begin_events(session, 0);
    session_show_picture(session, &picture, 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = LIMIT;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    log_steps(session, 1, 40); /* fails the test where one of them fails */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_true(session_take_warning(session, warning));
    assert_non_null(strstr(warning, "TensorBoard"));
    assert_non_null(strstr(warning, "tfevents"));
    assert_null(strchr(warning, '\n'));
    assert_false(session_take_warning(session, warning));
    log_steps(session, 41, 60);
    assert_false(session_take_warning(session, warning));
    struct metrics metrics;
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_int_equal(metrics.step_count, 30);
    metrics_free(&metrics);
    session_close(session);
}

static void a_folder_that_takes_no_file_stops_no_run(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create_session(&settings, "run");
    char warning[SESSION_WARNING_SIZE];
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0; /* no file more is opened */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    session_begin_events(session, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(session_take_warning(session, warning));
    assert_non_null(strstr(warning, "Too many open files"));
    log_steps(session, 1, 2);
    session_close(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_become_events, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(a_resumed_run_replaces_what_was_behind_its_checkpoint, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(what_is_done_again_is_shown_once, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(going_back_takes_away_what_is_undone, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(going_to_a_name_shows_its_records, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(what_is_missing_is_made_up, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(a_file_with_the_highest_number_is_none_of_ours, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(a_clock_that_was_set_back_does_not_hide_a_file, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(off_writes_none, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(a_failure_is_told_once_and_the_run_goes_on, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_takes_no_file_stops_no_run, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
