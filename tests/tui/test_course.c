/* The records of a run that has gone elsewhere (tui/app_course.c): a real session is read by the thread that reads the
 * others, in place of what the screen had of the way before; what comes meanwhile is neither lost nor there twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/control.h"
#include "tests/tui/made_probe.h"
#include "tui/app_state.h"

enum { RECORDED = 40, PROBE_STEPS = 3 };

static char folder[64];
static struct settings settings;
static struct model_spec spec;
static struct app app;
static const long probe_steps[PROBE_STEPS] = {0, 16, RECORDED};

/* ---- The session ---- */

static struct command_record given_at(long step, const char *text)
{
    struct command_record record = {.step = step, .command = {.kind = COMMAND_LEARNING_RATE}, .ok = true};

    snprintf(record.command.text, sizeof record.command.text, "%s", text);
    snprintf(record.outcome, sizeof record.outcome, "%s", text); /* what its label says */
    return record;
}

static struct epoch_record epoch_at(long step, float accuracy, bool best)
{
    return (struct epoch_record){.step = step,
                                 .epoch = (int)(step / 20),
                                 .epoch_end = true,
                                 .best = best,
                                 .train_loss = 1,
                                 .train_accuracy = 0.5f,
                                 .validation_loss = 2,
                                 .validation_accuracy = accuracy,
                                 .test_loss = NAN,
                                 .test_accuracy = -1};
}

static float loss_of(long step)
{
    return 1 / (float)step;
}

/* 40 steps, two epochs of which the first is the best, a command at step 30, three probes. */
static void record_all(void)
{
    const struct epoch_record first = epoch_at(20, 0.5f, true), second = epoch_at(40, 0.4f, false);
    const struct command_record command = given_at(30, "lr 0.1");
    struct error error = {""};
    struct session *session;

    if (session_create(&settings, &session, &error))
        fail_msg("%s", error.message);
    struct trainer_sink sink = session_sink(session);
    for (long step = 1; step <= RECORDED; step++) {
        const struct step_record record = {.step = step, .loss = loss_of(step), .seconds = (double)step};

        assert_int_equal(sink.on_step(sink.context, &record, &error), 0);
        if (step == 20 || step == 40)
            assert_int_equal(sink.on_epoch(sink.context, step == 20 ? &first : &second, &error), 0);
        if (step == 30)
            assert_int_equal(sink.on_command(sink.context, &command, &error), 0);
    }
    for (int i = 0; i < PROBE_STEPS; i++) {
        struct probe *probe = made_probe(&spec, probe_steps[i]);

        assert_int_equal(sink.on_probe(sink.context, probe, &error), 0);
        probe_destroy(probe);
    }
    session_close(session);
}

/* ---- The screen ---- */

static void probe_comes(long step)
{
    struct probe *probe = made_probe(&spec, step);
    struct error error;

    assert_int_equal(probes_add(app.scene.probes, probe, &error), 0);
    probe_destroy(probe);
}

/* As the screen takes each event of a run. */
static void comes(const struct event *event)
{
    struct error error;

    app_keep_event(&app, event);
    if (!app_knows_command(&app, event))
        assert_int_equal(curves_add_event(app.scene.curves, event, &error), 0);
}

static void steps_come(long first, long last, float loss)
{
    for (long step = first; step <= last; step++) {
        const struct step_record record = {.step = step, .loss = loss, .seconds = (double)step};

        comes(&(struct event){.kind = EVENT_STEPS, .steps = step_summary_of(&record)});
    }
}

static void command_comes(long step, const char *text)
{
    comes(&(struct event){.kind = EVENT_COMMAND, .command = given_at(step, text)});
}

static void epoch_comes(long step, float accuracy)
{
    const struct event event = {.kind = EVENT_EPOCH, .epoch = epoch_at(step, accuracy, true)};

    comes(&event);
    app_take_best(&app.scene, &event.epoch);
}

/* Of another way: 60 steps whose loss is 9, with a command, a best epoch and probes. */
static int open_all(void **state)
{
    struct error error = {""};

    (void)state;
    memset(&app, 0, sizeof app);
    strcpy(folder, "/tmp/nfbench-course-XXXXXX");
    made_spec(&spec, 2);
    if (!mkdtemp(folder) || settings_default(&settings, &error) || curves_create(0.5, &app.scene.curves, &error) ||
        probes_create(&spec, &app.scene.probes, &error) || journal_create(&app.scene.journal, &error))
        return -1;
    snprintf(settings.sessions_dir, sizeof settings.sessions_dir, "%s", folder);
    snprintf(settings.session, sizeof settings.session, "own");
    record_all();
    if (runs_open(&settings, "own", &app.runs, &error))
        return -1;
    strcpy(app.scene.runs.own, "own");
    steps_come(1, 60, 9);
    command_comes(50, "lr 9");
    epoch_comes(60, 0.9f);
    probe_comes(0);
    probe_comes(50);
    return 0;
}

static int close_all(void **state)
{
    char command[128];

    (void)state;
    app_close_runs(&app);
    curves_destroy(app.scene.curves);
    probes_destroy(app.scene.probes);
    journal_destroy(app.scene.journal);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* The thread's own pace is what is waited for, at most some minutes of it. */
static void wait_for_records(void)
{
    struct pollfd event = {.fd = runs_fd(app.runs), .events = POLLIN};

    while (app.course_taken < app.scene.runs.course.wanted) {
        assert_int_equal(poll(&event, 1, 300000), 1);
        app_follow_runs(&app);
    }
}

/* ---- What it shows ---- */

static void assert_loss(long step, float loss)
{
    struct curves_reading reading;

    assert_true(curves_read(app.scene.curves, (double)step, &reading));
    assert_true(reading.step == (double)step);
    assert_true(reading.raw[QUANTITY_LOSS] == (double)loss);
}

static void assert_recorded_steps(void)
{
    for (long step = 1; step <= RECORDED; step++)
        assert_loss(step, loss_of(step));
}

static const char *mark_at(long step, int index)
{
    double at;

    return curves_mark_between(app.scene.curves, (double)step - 0.5, (double)step + 0.5, index, &at);
}

static int marks_at(long step)
{
    int count = 0;

    while (mark_at(step, count))
        count++;
    return count;
}

/* One stands there, and says so. */
static void assert_mark(long step, const char *words)
{
    assert_int_equal(marks_at(step), 1);
    assert_string_equal(mark_at(step, 0), words);
}

static void assert_best(float accuracy, long step)
{
    assert_true(app.scene.best == accuracy);
    assert_int_equal(app.scene.best_step, step);
}

static void assert_probes(int count, long newest)
{
    assert_int_equal(probes_count(app.scene.probes), count);
    assert_int_equal(probes_newest(app.scene.probes)->step, newest);
}

static void assert_said(const char *words)
{
    assert_true(journal_count(app.scene.journal) > 0);
    assert_non_null(strstr(journal_line(app.scene.journal, 0)->text, words));
}

static void the_records_take_the_place_of_what_was_shown(void **state)
{
    (void)state;
    app_read_course(&app);
    assert_true(curves_last_step(app.scene.curves) == 0); /* it is no more the run's */
    wait_for_records();
    assert_true(curves_last_step(app.scene.curves) == RECORDED);
    assert_recorded_steps();
    assert_mark(30, "lr 0.1");
    assert_int_equal(marks_at(50), 0);
    assert_best(0.5f, 20);
    assert_probes(PROBE_STEPS, RECORDED);
    assert_int_equal(journal_count(app.scene.journal), 0);
}

/* Between two frames the view of runs is asked what is marked: its lines are those of the new list by then. */
static void a_new_list_has_its_lines_at_once(void **state)
{
    struct pollfd event = {.fd = runs_fd(app.runs), .events = POLLIN};

    (void)state;
    app.scene.view = VIEW_RUNS;
    app_want_runs(&app);
    while (!app.scene.runs.known) {
        assert_int_equal(poll(&event, 1, 300000), 1);
        app_follow_runs(&app);
    }
    assert_int_equal(app.scene.runs.count, 1);
    assert_int_equal(app.scene.runs.line_count, 1);
}

static void what_comes_meanwhile_stands_behind_them(void **state)
{
    (void)state;
    app_read_course(&app);
    command_comes(30, "lr 0.1"); /* which the records have */
    steps_come(40, 45, 0.25f);   /* the first of them, too */
    command_comes(42, "lr 0.2");
    epoch_comes(45, 0.7f);
    probe_comes(45);
    wait_for_records();
    assert_true(curves_last_step(app.scene.curves) == 45);
    assert_loss(39, loss_of(39));
    assert_loss(40, 0.25f);
    assert_loss(45, 0.25f);
    assert_mark(30, "lr 0.1");
    assert_mark(42, "lr 0.2");
    assert_best(0.7f, 45);
    assert_probes(PROBE_STEPS + 1, 45);
    steps_come(46, 50, 0.5f); /* and the run goes on */
    assert_loss(45, 0.25f);
    assert_loss(50, 0.5f);
}

/* It was recorded, and read, before its event came: it is on the curves already. */
static void a_command_whose_event_comes_late_stands_there_once(void **state)
{
    (void)state;
    app_read_course(&app);
    wait_for_records();
    command_comes(30, "lr 0.1");
    assert_mark(30, "lr 0.1");
    command_comes(41, "lr 0.1");
    assert_mark(41, "lr 0.1");
    command_comes(41, "lr 0.2"); /* two at a step are two */
    assert_int_equal(marks_at(41), 2);
    app_read_course(&app);
    command_comes(30, "lr 0.1"); /* that has come before they are read; the next is another of the same words */
    wait_for_records();
    command_comes(30, "lr 0.1");
    assert_int_equal(marks_at(30), 2);
}

/* The run went elsewhere again before the records were there: nothing of the way between is shown. */
static void of_two_ways_the_last_is_shown(void **state)
{
    (void)state;
    app_read_course(&app);
    steps_come(41, 48, 3);
    command_comes(44, "lr 3");
    epoch_comes(48, 0.8f);
    comes(&(struct event){.kind = EVENT_COURSE, .rollback = RECORDED});
    app_read_course(&app);
    steps_come(41, 42, 0.125f);
    wait_for_records();
    assert_true(curves_last_step(app.scene.curves) == 42);
    assert_recorded_steps();
    assert_loss(42, 0.125f);
    assert_int_equal(marks_at(44), 0);
    assert_best(0.5f, 20);
}

/* The curves are cut by the event itself; the records tell which epoch is the best now. */
static void the_best_before_is_found_when_the_best_is_undone(void **state)
{
    (void)state;
    app_go_back(&app, 60); /* not behind it */
    assert_int_equal(app.scene.runs.course.wanted, 0);
    comes(&(struct event){.kind = EVENT_ROLLBACK, .rollback = 55});
    app_go_back(&app, 55);
    assert_int_equal(app.scene.runs.course.wanted, 1);
    assert_probes(2, 50);
    epoch_comes(57, 0.6f); /* meanwhile */
    comes(&(struct event){.kind = EVENT_ROLLBACK, .rollback = 45});
    app_go_back(&app, 45);
    assert_probes(1, 0);
    wait_for_records();
    assert_best(0.5f, 20);
    assert_true(curves_last_step(app.scene.curves) == 45);
    assert_loss(45, 9); /* they are what they were */
    assert_probes(1, 0);
}

static void records_that_cannot_be_read_are_told(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s/own", folder);
    assert_int_equal(system(command), 0);
    app_read_course(&app);
    steps_come(41, 45, 0.25f);
    wait_for_records();
    assert_said("the curves are not there: ");
    assert_loss(45, 0.25f); /* what came is shown all the same */
}

static void without_the_thread_the_curves_begin_there(void **state)
{
    (void)state;
    app_close_runs(&app);
    app_read_course(&app);
    assert_said("cannot be read: its curves begin here");
    steps_come(41, 45, 0.25f);
    assert_loss(45, 0.25f);
    assert_int_equal(app.kept_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_list_has_its_lines_at_once),        TEST(the_records_take_the_place_of_what_was_shown),
        TEST(what_comes_meanwhile_stands_behind_them), TEST(a_command_whose_event_comes_late_stands_there_once),
        TEST(of_two_ways_the_last_is_shown),           TEST(the_best_before_is_found_when_the_best_is_undone),
        TEST(records_that_cannot_be_read_are_told),    TEST(without_the_thread_the_curves_begin_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
