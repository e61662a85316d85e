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

const char *inside(const struct session *session, const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", session_path(session), name);
    return path;
}
