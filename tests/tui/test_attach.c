/* A run that a real process trains, and viewers of it: what they see and command, and that nothing they do or fail to
 * do harms the run. */
#include "tests/tui/watcher.h"
#include "tui/channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* In epochs that are long, since each has a line of progress, which nobody reads before the end. */
#define FOREVER "--epochs 100000 --limit 2000"

static bool has_socket(const char *session)
{
    struct stat status;
    return stat(process_path(watcher_place(session, "socket")), &status) == 0;
}

static void viewers_see_the_run_and_each_others_commands(void **state)
{
    (void)state;
    struct process process = watcher_start_run("seen", FOREVER " --log-every 1");
    struct watcher one, other;
    struct metrics records;
    struct error error = {""};
    struct stat status;
    bool lost;
    assert_int_equal(stat(process_path(watcher_place("seen", "socket")), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    watcher_attach(&one, "seen");
    assert_int_equal(attach_process(one.attachment), process.pid);
    assert_non_null(strstr(attach_facts(one.attachment)->device, "CPU"));
    assert_true(attach_facts(one.attachment)->parameters > 100);
    watcher_wait_step(&one, 20);
    watcher_attach(&other, "seen");
    watcher_tell(&one, "lr x0.5");
    watcher_wait_answer(&one, "lr x0.5: lr 0.002 -> 0.001");
    watcher_wait_answer(&other, "lr x0.5: lr 0.002 -> 0.001");
    assert_true(file_has(watcher_place("seen", "commands.jsonl"), "\"command\":\"lr x0.5\",\"ok\":true"));
    watcher_tell(&other, "pause");
    watcher_wait_state(&one, TRAINER_PAUSED);
    watcher_wait_state(&other, TRAINER_PAUSED);
    watcher_wait_answer(&other, "pause: ");

    assert_int_equal(session_metrics(attach_session(other.attachment), &records, &error), 0);
    assert_int_equal(records.step_count, one.now.step.step);
    metrics_free(&records);
    watcher_tell(&one, "what");
    watcher_wait_answer(&one, "what: ");
    watcher_tell(&one, "note heard by both");
    const int before = other.answers;
    watcher_wait_answer(&other, "note heard by both: ");
    assert_int_equal(other.answers, before + 1); /* who has not asked does not hear why it is not understood */
    watcher_tell(&one, "back 5");
    watcher_wait_answer(&other, "back 5: ");
    assert_int_equal(other.rollback, 5);
    for (int i = 0; i < WATCHER_MOMENTS && other.now.step.step != 5; i++) { /* the state comes behind the answer */
        watcher_moment();
        watcher_take(&other);
    }
    assert_int_equal(other.now.step.step, 5);

    watcher_tell(&one, "resume");
    watcher_tell(&one, "stop");
    assert_int_equal(watcher_wait_end(&one, &lost, &error), 0);
    assert_false(lost);
    assert_int_equal(one.now.state, TRAINER_STOPPED);
    assert_int_equal(watcher_wait_end(&other, &lost, &error), 0);
    assert_false(lost);
    assert_memory_equal(other.answer, "stop: stopped and saved at step ", 32);
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 130);
    assert_non_null(strstr(outcome->err, "nfbench attach seen shows it on a screen"));
    assert_false(has_socket("seen"));
    watcher_leave(&one);
    watcher_leave(&other);
}

/* Each step comes as news, from the first that a viewer hears of to the last. */
static void no_step_is_missed(void **state)
{
    (void)state;
    int script;
    struct process process = watcher_start_held("whole", "--epochs 20", &script);
    struct watcher watcher;
    struct error error = {""};
    bool lost;
    watcher_attach(&watcher, "whole");
    watcher_take(&watcher);
    const long before = watcher.now.step.step;
    watcher_let_go(script);
    assert_int_equal(watcher_wait_end(&watcher, &lost, &error), 0);
    assert_int_equal(watcher.now.state, TRAINER_FINISHED);
    assert_int_equal(watcher.now.step.step, 160);
    assert_in_range(watcher.first, 1, before + 1);
    assert_int_equal(watcher.steps, 160 - watcher.first + 1);
    assert_int_equal(watcher.courses, 0);
    assert_true(watcher.now.epoch.test_accuracy >= 0);
    assert_int_equal(process_finish(&process)->status, 0);
    watcher_leave(&watcher);
}

/* ---- Viewers that are of no use ---- */

/* Says hello and reads nothing any more. */
static int hang(const char *session)
{
    struct error error = {""};
    struct channel channel;
    char text[WIRE_TEXT];
    pid_t process;
    bool moved;
    const int fd = channel_connect(process_path(watcher_place(session, "")), &process, &error);
    if (fd < 0)
        fail_msg("%s", error.message);
    channel_open(&channel, dup(fd), WIRE_LARGE);
    wire_version(text);
    channel_say(&channel, WIRE_HELLO, text);
    assert_int_equal(channel_send(&channel, &moved), 0);
    channel_close(&channel);
    return fd;
}

static void a_viewer_that_hangs_holds_nothing_up(void **state)
{
    (void)state;
    enum { STEPS = 160 }; /* each with a probe: more than a socket holds */
    int script;
    struct process process = watcher_start_held("hung", "--epochs 20 --probe-every 1", &script);
    struct watcher watcher;
    struct error error = {""};
    bool lost;
    const int hung = hang("hung");
    watcher_attach(&watcher, "hung");
    watcher_let_go(script);
    assert_int_equal(watcher_wait_end(&watcher, &lost, &error), 0);
    assert_int_equal(watcher.now.state, TRAINER_FINISHED);
    assert_int_equal(watcher.now.step.step, STEPS);
    assert_int_equal(process_finish(&process)->status, 0);
    watcher_leave(&watcher);
    close(hung);
}

static void a_viewer_that_dies_is_forgotten(void **state)
{
    (void)state;
    struct process process = watcher_start_run("left", FOREVER);
    struct watcher watcher;
    struct error error = {""};
    bool lost;
    for (int i = 0; i < 20; i++) /* more than there is room for at one time */
        close(hang("left"));
    for (int i = 0; i < 20; i++) {
        watcher_attach(&watcher, "left");
        watcher_leave(&watcher);
    }
    watcher_attach(&watcher, "left");
    watcher_tell(&watcher, "stop");
    assert_int_equal(watcher_wait_end(&watcher, &lost, &error), 0);
    watcher_leave(&watcher);
    assert_int_equal(process_finish(&process)->status, 130);
}

/* ---- Ends ---- */

static void a_killed_run_is_said_to_be_gone_and_its_socket_is_replaced(void **state)
{
    (void)state;
    struct process process = watcher_start_run("killed", FOREVER);
    struct watcher watcher;
    struct error error = {""};
    bool lost;
    watcher_attach(&watcher, "killed");
    watcher_wait_step(&watcher, 10);
    kill(process.pid, SIGKILL);
    assert_int_equal(process_finish(&process)->status, 128 + SIGKILL);
    assert_int_equal(watcher_wait_end(&watcher, &lost, &error), -1);
    assert_true(lost);
    assert_string_equal(error.message,
                        "the process that trained session killed is gone: nfbench resume --screen killed "
                        "goes on from its last checkpoint");
    watcher_leave(&watcher);
    assert_true(has_socket("killed"));
    const struct outcome *outcome = run_expecting(1, "attach killed");
    assert_string_equal(outcome->err, "nfbench attach: no process trains session killed now: nfbench resume --screen "
                                      "killed goes on with it\n");
    process = process_start("resume killed --epochs 100000", NULL);
    for (int i = 0; i < WATCHER_MOMENTS; i++) { /* the old one may still be there */
        struct settings settings;
        settings_default(&settings, &error);
        if (attach_open(&settings, "killed", &watcher.attachment, &error) == 0)
            break;
        watcher_moment();
    }
    if (!watcher.attachment) {
        kill(process.pid, SIGKILL);
        outcome = process_finish(&process);
        fail_msg("%s; the run, status %d: %s%s", error.message, outcome->status, outcome->out, outcome->err);
    }
    watcher.port = attach_port(watcher.attachment);
    watcher_tell(&watcher, "stop");
    assert_int_equal(watcher_wait_end(&watcher, &lost, &error), 0);
    watcher_leave(&watcher);
    assert_int_equal(process_finish(&process)->status, 130);
}

static void what_nobody_trains_is_told_in_a_line(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(1, "attach nothing");
    assert_non_null(strstr(outcome->err, "nfbench attach: there is no session "));
    run_expecting(0, "train " TINY "--session over --steps 1");
    outcome = run_expecting(1, "attach over");
    assert_non_null(strstr(outcome->err, "no process trains session over now"));
    run_expecting(2, "attach");
}

static void the_list_says_what_can_be_attached_to(void **state)
{
    (void)state;
    struct process process = watcher_start_run("listed", FOREVER);
    struct watcher watcher;
    const struct outcome *outcome = run_expecting(0, "sessions");
    const char *line = strstr(outcome->out, "listed ");
    assert_non_null(line);
    assert_true(strstr(line, " attach") < strchr(line, '\n'));
    outcome = run_expecting(0, "sessions --json");
    line = strstr(outcome->out, "\"listed\"");
    assert_non_null(line);
    assert_true(strstr(line, "\"attachable\": true") < strchr(line, '}'));
    watcher_attach(&watcher, "listed");
    watcher_tell(&watcher, "stop");
    process_finish(&process);
    watcher_leave(&watcher);
    outcome = run_expecting(0, "sessions");
    assert_null(strstr(outcome->out, " attach"));
}

/* ---- Who decides ---- */

static void a_divergence_waits_for_who_is_attached(void **state)
{
    (void)state;
    struct process process = watcher_start_run("wild", FOREVER);
    struct watcher watcher;
    watcher_attach(&watcher, "wild");
    watcher_wait_step(&watcher, 5);
    watcher_tell(&watcher, "lr 1000");
    for (int i = 0; i < WATCHER_MOMENTS && !(watcher.now.diverged && watcher.now.state == TRAINER_PAUSED); i++) {
        watcher_take(&watcher);
        watcher_moment();
    }
    assert_true(watcher.now.diverged);
    watcher_tell(&watcher, "back good");
    watcher_wait_answer(&watcher, "back good: ");
    watcher_tell(&watcher, "lr 0.01");
    watcher_tell(&watcher, "resume");
    watcher_wait_state(&watcher, TRAINER_RUNNING);
    watcher_tell(&watcher, "lr 1000");
    watcher_wait_state(&watcher, TRAINER_PAUSED);
    assert_true(watcher.now.diverged);
    watcher_leave(&watcher); /* nobody is left who could decide */
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 1);
    assert_non_null(strstr(outcome->err, "diverged at step"));
}

/* What `sessions show` has of the one that stands still, and its row of the list. */
static void assert_shown(const char *session, const char *state, const char *waits_for)
{
    json_t *shown = last_json(run_expecting(0, "sessions show %s --json", session));
    assert_string_equal(json_text_at(shown, "state"), state);
    assert_string_equal(json_text_at(shown, "waits_for"), waits_for);
    json_decref(shown);
    char begin[64];
    snprintf(begin, sizeof begin, "\n%s ", session);
    const char *row = strstr(run_expecting(0, "sessions")->out, begin);
    assert_non_null(row);
    const char *said = strstr(row, state);
    assert_true(said && said < strchr(row + 1, '\n'));
}

/* Where nobody is attached any more it is told all the same, and its own log says how to come back to it. */
static void a_run_that_stands_still_is_listed_as_such(void **state)
{
    (void)state;
    struct process process = watcher_start_run("still", FOREVER);
    struct watcher watcher;
    json_t *shown;
    watcher_attach(&watcher, "still");
    watcher_tell(&watcher, "pause");
    watcher_wait_state(&watcher, TRAINER_PAUSED);
    watcher_leave(&watcher);
    process_read_until(process.err, "paused, and waits for resume: nfbench attach still");
    assert_shown("still", "paused", "resume");
    watcher_attach(&watcher, "still");
    watcher_tell(&watcher, "resume");
    watcher_wait_state(&watcher, TRAINER_RUNNING);
    shown = last_json(run_expecting(0, "sessions show still --json"));
    assert_string_equal(json_text_at(shown, "state"), "training");
    assert_true(json_is_null(json_object_get(shown, "waits_for")));
    json_decref(shown);
    watcher_tell(&watcher, "try lr x0.5 x2 for 2");
    watcher_wait_state(&watcher, TRAINER_PAUSED);
    watcher_leave(&watcher);
    process_read_until(process.err, "paused, and waits for accept or drop: nfbench attach still");
    assert_shown("still", "waits", "accept or drop");
    assert_int_equal(kill(process.pid, SIGKILL), 0); /* what it said last stands there yet */
    process_finish(&process);
    shown = last_json(run_expecting(0, "sessions show still --json"));
    assert_string_equal(json_text_at(shown, "state"), "interrupted");
    assert_true(json_is_null(json_object_get(shown, "waits_for")));
    json_decref(shown);
}

static void a_pause_outlasts_who_asked_for_it(void **state)
{
    (void)state;
    struct process process = watcher_start_run("paused", FOREVER);
    struct watcher watcher;
    struct error error = {""};
    bool lost;
    watcher_attach(&watcher, "paused");
    watcher_tell(&watcher, "pause");
    watcher_wait_state(&watcher, TRAINER_PAUSED);
    const long step = watcher.now.step.step;
    watcher_leave(&watcher);
    for (int i = 0; i < 100; i++) /* the run has time to end */
        watcher_moment();
    watcher_attach(&watcher, "paused");
    watcher_take(&watcher);
    assert_int_equal(watcher.now.state, TRAINER_PAUSED);
    assert_int_equal(watcher.now.step.step, step);
    watcher_tell(&watcher, "resume");
    watcher_wait_step(&watcher, step + 10);
    watcher_tell(&watcher, "stop");
    assert_int_equal(watcher_wait_end(&watcher, &lost, &error), 0);
    watcher_leave(&watcher);
    assert_int_equal(process_finish(&process)->status, 130);
}

/* Who has only looked does not change what becomes of a pause that the run's own script asks for. */
static void who_only_looked_leaves_no_pause_behind(void **state)
{
    (void)state;
    int script;
    struct process process =
        process_start_fed("train " TINY "--lr 0.002 --session looked " FOREVER " --script -", "", &script);
    struct watcher watcher;
    for (int i = 0; i < WATCHER_MOMENTS && !has_socket("looked"); i++)
        watcher_moment();
    watcher_attach(&watcher, "looked");
    watcher_tell(&watcher, "pause");
    watcher_wait_state(&watcher, TRAINER_PAUSED);
    watcher_tell(&watcher, "resume");
    watcher_wait_state(&watcher, TRAINER_RUNNING);
    watcher_leave(&watcher);
    assert_int_equal(write(script, "pause\n", 6), 6);
    close(script);
    const struct outcome *outcome = process_finish(&process);
    assert_int_equal(outcome->status, 130);
    assert_non_null(strstr(outcome->err, "the run is paused, and nobody is left"));
}

/* Who comes in the middle of a trial sees all of it. */
static void a_trial_is_there_for_who_comes_later(void **state)
{
    (void)state;
    struct process process = watcher_start_run("tried", FOREVER);
    struct watcher watcher;
    struct event event;
    struct error error = {""};
    bool lost;
    int begun = 0, ended = 0;
    long steps = 0;
    watcher_attach(&watcher, "tried");
    watcher_tell(&watcher, "try lr x0.5 x2 for 30");
    watcher_wait_answer(&watcher, "try lr x0.5 x2 for 30: ");
    watcher_leave(&watcher);
    watcher_attach(&watcher, "tried");
    for (int i = 0; i < WATCHER_MOMENTS && ended < 2; i++) {
        while (port_next_event(watcher.port, &event)) {
            assert_int_equal(event.kind, EVENT_TRIAL);
            begun += event.trial.news == TRIAL_BEGINS;
            ended += event.trial.news == TRIAL_ENDS;
            steps += event.trial.news == TRIAL_STEPS ? event.trial.taken.count : 0;
        }
        watcher_moment();
    }
    assert_int_equal(begun, 2);
    assert_int_equal(steps, 60);
    watcher_tell(&watcher, "drop");
    watcher_wait_answer(&watcher, "drop: ");
    watcher_tell(&watcher, "stop");
    assert_int_equal(watcher_wait_end(&watcher, &lost, &error), 0);
    watcher_leave(&watcher);
    process_finish(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_test(viewers_see_the_run_and_each_others_commands),
        process_test(no_step_is_missed),
        process_test(a_viewer_that_hangs_holds_nothing_up),
        process_test(a_viewer_that_dies_is_forgotten),
        process_test(a_killed_run_is_said_to_be_gone_and_its_socket_is_replaced),
        process_test(what_nobody_trains_is_told_in_a_line),
        process_test(the_list_says_what_can_be_attached_to),
        process_test(a_divergence_waits_for_who_is_attached),
        process_test(a_run_that_stands_still_is_listed_as_such),
        process_test(a_pause_outlasts_who_asked_for_it),
        process_test(who_only_looked_leaves_no_pause_behind),
        process_test(a_trial_is_there_for_who_comes_later),
    };
    return cmocka_run_group_tests(tests, process_setup, process_teardown);
}
