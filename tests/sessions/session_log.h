/* A session as a run would fill it, for the tests of sessions; what fails ends the test. */
#ifndef NFBENCH_TESTS_SESSIONS_SESSION_LOG_H
#define NFBENCH_TESTS_SESSIONS_SESSION_LOG_H

#include "fixture.h"

#include "sessions/session.h"

struct session *create_session(struct settings *settings, const char *name);
/* Reports steps with a loss of 1 / step, an epoch, a checkpoint to the session's sink. */
void log_steps(struct session *session, long first, long last);
void log_epoch(struct session *session, long step, float validation, float test);
void save_step(struct session *session, struct rig *rig, long step, bool best);
/* The path of a file of the session; one at a time. */
const char *inside(const struct session *session, const char *name);

#endif
