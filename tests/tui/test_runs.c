/* The thread that reads other sessions: what it finds, what it reads again, and what it says of what it cannot read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tui/runs.h"

#include "sessions/session_paths.h"

static char folder[64];
static struct settings settings;
static struct runs *runs;
static struct run_list list;
static char said[RUN_WORDS];

static int open_all(void **state)
{
    struct error error;

    (void)state;
    strcpy(folder, "/tmp/nfbench-runs-XXXXXX");
    memset(&list, 0, sizeof(list));
    said[0] = 0;
    if (!mkdtemp(folder) || settings_default(&settings, &error))
        return -1;
    snprintf(settings.sessions_dir, sizeof(settings.sessions_dir), "%s", folder);
    strcpy(list.own, "own");
    return runs_open(&settings, "own", &runs, &error);
}

static int close_all(void **state)
{
    char command[128];

    (void)state;
    runs_close(runs);
    run_list_clear(&list);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

/* A session with so many steps of this loss; still open. */
static struct session *make(const char *name, double lr)
{
    struct settings own = settings;
    struct session *session;
    struct error error = {""};
    char text[32];

    snprintf(own.session, sizeof(own.session), "%s", name);
    snprintf(text, sizeof(text), "%g", lr);
    assert_int_equal(settings_set(&own, "lr", text, &error), 0);
    if (session_create(&own, &session, &error))
        fail_msg("%s", error.message);
    return session;
}

static void log_steps(struct session *session, long first, long last)
{
    struct trainer_sink sink = session_sink(session);
    struct error error;

    for (long step = first; step <= last; step++) {
        const struct step_record record = {.step = step, .loss = 1, .learning_rate = 0.5f, .seconds = (double)step};

        assert_int_equal(sink.on_step(sink.context, &record, &error), 0);
    }
}

/* Takes what comes until it is there; the thread's own pace is what it waits for, at most some minutes of it. */
static void take_until(bool (*there)(void))
{
    struct pollfd event = {.fd = runs_fd(runs), .events = POLLIN};

    while (!there()) {
        assert_int_equal(poll(&event, 1, 300000), 1);
        runs_take(runs, &list, said);
    }
}

static bool has_two(void)
{
    return list.known && list.count == 2;
}

static bool has_three(void)
{
    return list.count == 3 && !list.rows[0].locked && !list.rows[1].locked && !list.rows[2].locked;
}

static bool has_curves(void)
{
    return list.overlays[2].curves != NULL;
}

static bool has_more_steps(void)
{
    return has_curves() && curves_last_step(list.overlays[2].curves) == 60;
}

static bool has_details(void)
{
    return *list.details.name;
}

static bool has_the_epoch(void)
{
    return list.details.last.step == 40;
}

static bool was_said(void)
{
    return *said;
}

static void the_list_is_read_when_it_is_wanted(void **state)
{
    struct pollfd event = {.fd = runs_fd(runs), .events = POLLIN};
    struct session *a = make("a", 0.5), *b = make("b", 0.25);

    (void)state;
    log_steps(a, 1, 30);
    session_close(a);
    runs_want(runs, false, &list, "", 0.5);
    assert_int_equal(poll(&event, 1, 0), 0);
    runs_want(runs, true, &list, "", 0.5);
    take_until(has_two);
    for (int i = 0; i < 2; i++) {
        bool is_a = strcmp(list.rows[i].name, "a") == 0;

        assert_int_equal(list.rows[i].locked, !is_a);
        assert_int_equal(list.rows[i].step, is_a ? 30 : 0);
        assert_true(is_a ? list.rows[i].last_loss == 1 : isnan(list.rows[i].last_loss));
    }
    session_close(b);
    session_close(make("c", 0.125));
    take_until(has_three);
}

static void curves_are_read_and_read_again_as_they_grow(void **state)
{
    struct session *a = make("a", 0.5);

    (void)state;
    log_steps(a, 1, 30);
    run_list_lay(&list, 2, "a");
    assert_int_equal(run_list_overlay(&list, "a"), 2);
    assert_int_equal(run_list_overlay(&list, "b"), -1);
    assert_int_equal(run_list_overlay(&list, ""), -1);
    runs_want(runs, false, &list, "", 0.75);
    take_until(has_curves);
    assert_true(curves_last_step(list.overlays[2].curves) == 30);
    assert_true(curves_smoothing(list.overlays[2].curves) == 0.75);
    log_steps(a, 31, 60);
    take_until(has_more_steps);
    session_close(a);
}

static bool has_fewer_steps(void)
{
    return has_curves() && curves_last_step(list.overlays[2].curves) == 10;
}

/* A log that was cut is another one: what was behind the cut goes from the curves, too. */
static void curves_of_a_run_that_went_back_do_so(void **state)
{
    struct session *a = make("a", 0.5);
    char path[256];

    (void)state;
    log_steps(a, 1, 60);
    run_list_lay(&list, 2, "a");
    runs_want(runs, false, &list, "", 0.5);
    take_until(has_more_steps);
    snprintf(path, sizeof(path), "%s/metrics.jsonl", session_path(a));
    assert_int_equal(truncate(path, 0), 0);
    log_steps(a, 1, 10);
    take_until(has_fewer_steps);
    session_close(a);
}

static void details_are_read_again_as_they_grow(void **state)
{
    struct session *a = make("a", 0.5);
    struct trainer_sink sink = session_sink(a);
    const struct epoch_record epoch = {.step = 40, .epoch = 1};
    struct error error;

    (void)state;
    log_steps(a, 1, 30);
    runs_want(runs, true, &list, "a", 0.5);
    take_until(has_details);
    assert_int_equal(list.details.last.step, 0);
    log_steps(a, 31, 40);
    assert_int_equal(sink.on_epoch(sink.context, &epoch, &error), 0);
    take_until(has_the_epoch);
    session_close(a);
}

/* Whether or not the thread has seen the place free in between. */
static void an_overlay_that_is_laid_again_is_read_again(void **state)
{
    struct session *a = make("a", 0.5);

    (void)state;
    log_steps(a, 1, 30);
    session_close(a);
    run_list_lay(&list, 2, "a");
    runs_want(runs, false, &list, "", 0.5);
    take_until(has_curves);
    for (int i = 0; i < 2; i++) {
        curves_destroy(list.overlays[2].curves);
        memset(&list.overlays[2], 0, sizeof(list.overlays[2]));
        if (i == 1)
            runs_want(runs, false, &list, "", 0.5);
        run_list_lay(&list, 2, "a");
        runs_want(runs, false, &list, "", 0.5);
        take_until(has_curves);
        assert_true(curves_last_step(list.overlays[2].curves) == 30);
    }
}

static bool has_an_epoch(void)
{
    return has_curves() && curves_x(list.overlays[2].curves, CURVES_EPOCH, 40) == 1;
}

/* In the first epoch by the session's settings, behind an epoch's end by that epoch. */
static void epochs_of_another_session_are_its_own(void **state)
{
    const struct epoch_record end = {
        .step = 40, .epoch = 1, .validation_accuracy = -1, .test_accuracy = -1, .epoch_end = true};
    const struct epoch_record within = {.step = 45, .epoch = 1, .validation_accuracy = -1, .test_accuracy = -1};
    struct session *a;
    struct trainer_sink sink;
    struct error error = {""};

    (void)state;
    assert_int_equal(settings_set(&settings, "limit", "390", &error), 0);
    assert_int_equal(settings_set(&settings, "batch", "10", &error), 0);
    a = make("a", 0.5);
    log_steps(a, 1, 30);
    run_list_lay(&list, 2, "a");
    runs_want(runs, false, &list, "", 0.5);
    take_until(has_curves);
    assert_true(fabs(curves_x(list.overlays[2].curves, CURVES_EPOCH, 30) - 30.0 / 39) < 1e-9);
    sink = session_sink(a);
    log_steps(a, 31, 50);
    assert_int_equal(sink.on_epoch(sink.context, &end, &error), 0);
    assert_int_equal(sink.on_epoch(sink.context, &within, &error), 0);
    take_until(has_an_epoch);
    assert_true(fabs(curves_x(list.overlays[2].curves, CURVES_EPOCH, 50) - 1.25) < 1e-9);
    session_close(a);
}

static void details_tell_what_differs(void **state)
{
    struct session *a = make("a", 0.0625);
    struct error error;
    const char *there = NULL;
    struct trainer_sink sink = session_sink(a);
    const struct command_record note = {
        .command = {.kind = COMMAND_NOTE, .text = "when accuracy > 1% note hi"}, .ok = true, .outcome = "noted"};

    (void)state;
    assert_int_equal(sink.on_command(sink.context, &note, &error), 0);
    assert_int_equal(session_end(a, TRAINER_FAILED, 0, "the disk is full", &error), 0);
    session_close(a);
    runs_want(runs, true, &list, "a", 0.5);
    take_until(has_details);
    assert_string_equal(list.details.name, "a");
    assert_non_null(strstr(list.details.path, folder));
    assert_string_equal(list.details.message, "the disk is full");
    assert_string_equal(list.details.note, "hi");
    for (int i = 0; i < list.details.difference_count; i++)
        if (strcmp(list.details.differences[i].name, "lr") == 0)
            there = list.details.differences[i].there;
    assert_non_null(there);
    assert_string_equal(there, "0.0625");
    assert_int_equal(list.details.failed, false);
}

static bool has_parent(void)
{
    return *list.parent;
}

/* Of a fork, without being asked. */
static void the_parent_of_this_run_is_told(void **state)
{
    struct session *own = make("fork", 0.5);
    struct error error;
    struct session_paths paths;

    (void)state;
    assert_int_equal(session_paths(session_path(own), &paths, &error), 0);
    assert_int_equal(session_write_parent(&paths, "a", 30, &error), 0);
    session_close(own);
    runs_close(runs);
    assert_int_equal(runs_open(&settings, "fork", &runs, &error), 0);
    take_until(has_parent);
    assert_string_equal(list.parent, "a");
}

static void what_cannot_be_read_is_said_and_leaves_its_place(void **state)
{
    (void)state;
    run_list_lay(&list, 0, "no-such-session");
    runs_want(runs, false, &list, "", 0.5);
    take_until(was_said);
    assert_non_null(strstr(said, "no-such-session"));
    assert_string_equal(list.overlays[0].name, "");
    runs_want(runs, true, &list, "nor-this", 0.5);
    take_until(has_details);
    assert_true(list.details.failed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_list_is_read_when_it_is_wanted),
        TEST(curves_are_read_and_read_again_as_they_grow),
        TEST(curves_of_a_run_that_went_back_do_so),
        TEST(details_are_read_again_as_they_grow),
        TEST(an_overlay_that_is_laid_again_is_read_again),
        TEST(epochs_of_another_session_are_its_own),
        TEST(details_tell_what_differs),
        TEST(the_parent_of_this_run_is_told),
        TEST(what_cannot_be_read_is_said_and_leaves_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
