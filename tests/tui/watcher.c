/* See watcher.h. */
#include "tests/tui/watcher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void watcher_moment(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

const char *watcher_place(const char *session, const char *name)
{
    static char path[WATCHER_TEXT];
    snprintf(path, sizeof path, "nfbench/%s/%s", session, name);
    return path;
}

static void wait_for_socket(const char *session)
{
    struct stat status;
    for (int i = 0; i < WATCHER_MOMENTS; i++) {
        if (stat(process_path(watcher_place(session, "socket")), &status) == 0)
            return;
        watcher_moment();
    }
    fail_msg("%s: no socket", session);
}

static const char *words_of(const char *session, const char *more)
{
    static char words[1024];
    snprintf(words, sizeof words, "train " TINY "--lr 0.002 --session %s %s", session, more);
    return words;
}

struct process watcher_start_run(const char *session, const char *more)
{
    const struct process process = process_start(words_of(session, more), NULL);
    wait_for_socket(session);
    return process;
}

struct process watcher_start_held(const char *session, const char *more, int *script)
{
    char with_script[512];
    snprintf(with_script, sizeof with_script, "--script - %s", more);
    const struct process process = process_start_fed(words_of(session, with_script), "pause\n", script);
    wait_for_socket(session);
    return process;
}

void watcher_let_go(int script)
{
    static const char line[] = "resume\n";
    assert_int_equal(write(script, line, sizeof line - 1), sizeof line - 1);
    close(script);
}

void watcher_attach(struct watcher *watcher, const char *session)
{
    struct settings settings;
    struct error error = {""};
    *watcher = (struct watcher){0};
    assert_int_equal(settings_default(&settings, &error), 0);
    if (attach_open(&settings, session, &watcher->attachment, &error))
        fail_msg("%s", error.message);
    watcher->port = attach_port(watcher->attachment);
}

void watcher_leave(struct watcher *watcher)
{
    attach_close(watcher->attachment);
    watcher->attachment = NULL;
}

void watcher_take(struct watcher *watcher)
{
    struct event event;
    while (port_next_event(watcher->port, &event)) {
        if (event.kind == EVENT_STEPS && watcher->steps == 0)
            watcher->first = event.steps.first_step;
        watcher->steps += event.kind == EVENT_STEPS ? event.steps.count : 0;
        watcher->courses += event.kind == EVENT_COURSE;
        watcher->answers += event.kind == EVENT_COMMAND;
        if (event.kind == EVENT_ROLLBACK)
            watcher->rollback = event.rollback;
        if (event.kind == EVENT_COMMAND)
            snprintf(watcher->answer, sizeof watcher->answer, "%.120s: %.300s", event.command.command.text,
                     event.command.outcome);
    }
    port_snapshot(watcher->port, &watcher->now);
}

void watcher_tell(struct watcher *watcher, const char *text)
{
    struct command command = {.kind = COMMAND_NOTE}; /* its text counts */
    struct error error = {""};
    snprintf(command.text, sizeof command.text, "%s", text);
    if (attach_command(watcher->attachment, &command, &error))
        fail_msg("%s", error.message);
}

void watcher_wait_step(struct watcher *watcher, long step)
{
    for (int i = 0; i < WATCHER_MOMENTS; i++) {
        watcher_take(watcher);
        if (watcher->now.step.step >= step)
            return;
        watcher_moment();
    }
    fail_msg("at step %ld, not %ld", watcher->now.step.step, step);
}

void watcher_wait_state(struct watcher *watcher, enum trainer_state state)
{
    for (int i = 0; i < WATCHER_MOMENTS; i++) {
        watcher_take(watcher);
        if (watcher->now.state == state)
            return;
        watcher_moment();
    }
    fail_msg("%s, not %s", trainer_state_name(watcher->now.state), trainer_state_name(state));
}

void watcher_wait_answer(struct watcher *watcher, const char *answer)
{
    for (int i = 0; i < WATCHER_MOMENTS; i++) {
        watcher_take(watcher);
        if (strncmp(watcher->answer, answer, strlen(answer)) == 0)
            return;
        watcher_moment();
    }
    fail_msg("'%s', not '%s'", watcher->answer, answer);
}

int watcher_wait_end(struct watcher *watcher, bool *lost, struct error *error)
{
    for (int i = 0; i < WATCHER_MOMENTS && !port_has_ended(watcher->port); i++)
        watcher_moment();
    assert_true(port_has_ended(watcher->port));
    watcher_take(watcher);
    return attach_result(watcher->attachment, lost, error);
}
