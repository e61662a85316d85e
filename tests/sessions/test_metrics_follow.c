/* Whoever follows a session that trains gets each record once, and all of them anew where the run has gone back. */
#include "session_log.h"

#include <stdio.h>
#include <stdlib.h>

static struct error error;
static struct session_place place;
static struct metrics news;
static bool anew;

static struct session *begin(const char *name)
{
    struct settings settings = small_settings();
    place = (struct session_place){.metrics = {.offset = 0}};
    return create_session(&settings, name);
}

static void read_on(const struct session *session)
{
    metrics_free(&news);
    assert_ok(session_metrics_on(session, &place, &anew, &news, &error), &error);
}

static void each_record_comes_once(void **state)
{
    (void)state;
    struct session *session = begin("growing");
    read_on(session);
    assert_true(anew);
    assert_int_equal(news.step_count, 0);
    log_steps(session, 1, 4);
    read_on(session);
    assert_int_equal(news.step_count, 2); /* every other one */
    for (int i = 0; i < 3; i++) {
        log_steps(session, 5 + 2 * i, 6 + 2 * i);
        read_on(session);
        assert_false(anew);
        assert_int_equal(news.step_count, 1);
        assert_int_equal(news.steps[0].step, 6 + 2 * i);
        read_on(session);
        assert_int_equal(news.step_count, 0);
    }
    session_close(session);
}

/* What an epoch's end is hangs on the records before it. */
static void ends_of_epochs_are_told_from_what_came_before(void **state)
{
    (void)state;
    struct session *session = begin("epochs");
    struct trainer_sink sink = session_sink(session);
    const struct epoch_record end = {.step = 4, .epoch = 1}, within = {.step = 5, .epoch = 1};
    log_steps(session, 1, 4);
    assert_ok(sink.on_epoch(sink.context, &end, &error), &error);
    read_on(session);
    assert_true(news.epoch_count == 1 && news.epochs[0].epoch_end);
    assert_ok(sink.on_epoch(sink.context, &within, &error), &error);
    read_on(session);
    assert_true(news.epoch_count == 1 && !news.epochs[0].epoch_end);
    session_close(session);
}

/* A line that is still being written is taken when it is whole. */
static void half_a_line_waits(void **state)
{
    (void)state;
    struct session *session = begin("half");
    char line[512];
    size_t size;
    log_steps(session, 1, 2);
    char *data = read_file(inside(session, "metrics.jsonl"), &size);
    snprintf(line, sizeof line, "%s", data);
    read_on(session);
    FILE *log = fopen(inside(session, "metrics.jsonl"), "a");
    assert_non_null(log);
    fwrite(line, 1, 20, log);
    fflush(log);
    read_on(session);
    assert_int_equal(news.step_count + news.damaged_lines, 0);
    fwrite(line + 20, 1, size - 20, log);
    assert_int_equal(fclose(log), 0);
    read_on(session);
    assert_int_equal(news.step_count, 1);
    assert_int_equal(news.damaged_lines, 0);
    free(data);
    session_close(session);
}

static void a_run_that_went_back_is_read_anew(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = begin("back");
    struct training_state at;
    char note[256];
    log_steps(session, 1, 4);
    save_step(session, &rig, 4, false);
    log_steps(session, 5, 8);
    read_on(session);
    assert_int_equal(news.step_count, 4);
    assert_ok(session_resume(session, 4, rig.network, &at, note, &error), &error);
    for (long last = 5; last <= 12; last += 7) { /* with fewer records than were read, and with more */
        log_steps(session, 5, last);
        read_on(session);
        assert_int_equal(anew, last == 5);
        assert_int_equal(news.steps[0].step, last == 5 ? 2 : 6);
    }
    assert_ok(session_resume(session, 4, rig.network, &at, note, &error), &error);
    log_steps(session, 5, 40); /* the log is longer than what was read when it is looked at */
    read_on(session);
    assert_true(anew);
    assert_int_equal(news.step_count, 20);
    session_close(session);
    free_rig(&rig);
}

static int tear_down(void **state)
{
    metrics_free(&news);
    return folder_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_comes_once),
        cmocka_unit_test(ends_of_epochs_are_told_from_what_came_before),
        cmocka_unit_test(half_a_line_waits),
        cmocka_unit_test(a_run_that_went_back_is_read_anew),
    };
    return cmocka_run_group_tests(tests, folder_setup, tear_down);
}
