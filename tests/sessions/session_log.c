/* See session_log.h. */
#include "session_log.h"

#include <stdio.h>
#include <string.h>

static struct error error;

struct session *create_session(struct settings *settings, const char *name)
{
    struct session *session;
    strcpy(settings->session, name);
    assert_ok(session_create(settings, &session, &error), &error);
    return session;
}

void log_steps(struct session *session, long first, long last)
{
    struct trainer_sink sink = session_sink(session);
    for (long i = first; i <= last; i++) {
        const struct step_record record = {.step = i, .loss = 1.0f / (float)i};
        assert_ok(sink.on_step(sink.context, &record, &error), &error);
    }
}

void log_epoch(struct session *session, long step, float validation, float test)
{
    struct trainer_sink sink = session_sink(session);
    const struct epoch_record record = {.step = step, .validation_accuracy = validation, .test_accuracy = test};
    assert_ok(sink.on_epoch(sink.context, &record, &error), &error);
}

void save_step(struct session *session, struct rig *rig, long step, bool best)
{
    struct trainer_sink sink = session_sink(session);
    const struct training_state state = {.step = step, .best_accuracy = -1};
    assert_ok(sink.on_checkpoint(sink.context, rig->network, &state, best, &error), &error);
}

void log_command(struct session *session, long step, enum command_kind kind, const char *text)
{
    struct trainer_sink sink = session_sink(session);
    struct command_record record = {.step = step, .command = {.kind = kind, .value = 0.1}, .ok = true};
    snprintf(record.command.text, sizeof record.command.text, "%s", text);
    assert_ok(sink.on_command(sink.context, &record, &error), &error);
}

struct session *six_steps(struct settings *settings, const char *name, struct rig *rig)
{
    settings->train.log_every = 1;
    struct session *session = create_session(settings, name);
    for (long step = 1; step <= 6; step++) {
        log_steps(session, step, step);
        if (step % 2 == 0)
            save_step(session, rig, step, false);
        if (step == 1 || step == 4 || step == 5)
            log_command(session, step, COMMAND_LEARNING_RATE, step == 1 ? "one" : step == 4 ? "four" : "five");
    }
    return session;
}

void assert_steps_and_commands(const struct session *session, long last, const char *texts)
{
    struct metrics metrics;
    char found[256] = "";
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_int_equal(metrics.damaged_lines, 0);
    assert_int_equal(metrics.step_count, last);
    for (int i = 0; i < metrics.step_count; i++)
        assert_int_equal(metrics.steps[i].step, i + 1);
    for (int i = 0; i < metrics.command_count; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", i ? " " : "",
                 metrics.commands[i].command.text);
    assert_string_equal(found, texts);
    metrics_free(&metrics);
}

const char *inside(const struct session *session, const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", session_path(session), name);
    return path;
}
