/* Settings from one line of text. */
#ifndef NFBENCH_TESTS_SESSIONS_SETTINGS_LINE_H
#define NFBENCH_TESTS_SESSIONS_SETTINGS_LINE_H

#include "fixture.h"

struct settings default_settings(void);
/* Parses "--a b c" split at blanks; fills `error` anew. */
int parse_line(struct settings *settings, enum settings_base base, const char *line, struct error *error);

#endif
