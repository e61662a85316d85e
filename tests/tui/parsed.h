/* A command line through the parser, for tests of the language. */
#ifndef NFBENCH_TESTS_TUI_PARSED_H
#define NFBENCH_TESTS_TUI_PARSED_H

#include "tui/command.h"

/* What the line says; the test fails when it is not understood. */
struct action parsed(const char *line);
/* The line must not be understood, and the message must hold these words. */
void refused(const char *line, const char *with);

#endif
