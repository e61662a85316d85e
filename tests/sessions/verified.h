/* A session to be verified: how it is made, spoilt and looked at. What fails ends the test. */
#ifndef NFBENCH_TESTS_SESSIONS_VERIFIED_H
#define NFBENCH_TESTS_SESSIONS_VERIFIED_H

#include "session_log.h"

#include "sessions/verify.h"

extern struct error error;
extern struct settings settings;    /* of the session made last */
extern struct verify_report report; /* of the last verify */

/* Two epochs of ten steps with a command and a checkpoint each, the first the best and kept as "first". */
void make_session(const char *name);
/* Says that it is a fork. */
void be_fork(const char *name, const char *parent, long step);
void verify(const char *name, bool repair);
/* The finding whose words hold `part`, of any severity; NULL: there is none. */
const struct verify_finding *find(const char *part);
/* The same; it must be there, of this file, and say what it means. */
const struct verify_finding *found(const char *file, const char *part);

/* A file of the session; four at a time. */
char *path_in(const char *session, const char *file);
/* In this file alone: one with a name may be a link to that of its step. */
void flip(const char *path, long at, int bit);
void append(const char *path, const char *text);

/* With folder_setup the fixtures of a group. */
int verified_teardown(void **state);

#endif
