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
/* That was done, of value 0.1. */
void log_command(struct session *session, long step, enum command_kind kind, const char *text);
/* Six steps, a checkpoint at 2, 4 and 6, of which the last two stay; commands "one", "four" and "five" at 1, 4, 5. */
struct session *six_steps(struct settings *settings, const char *name, struct rig *rig);
/* The recorded steps are 1 to `last`, and the texts of the commands these. */
void assert_steps_and_commands(const struct session *session, long last, const char *texts);
/* The path of a file of the session; one at a time. */
const char *inside(const struct session *session, const char *name);

#endif
