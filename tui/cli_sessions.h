/* The verbs of `nfbench sessions` that have a file of their own; cli_sessions.c has the others. */
#ifndef NFBENCH_TUI_CLI_SESSIONS_H
#define NFBENCH_TUI_CLI_SESSIONS_H

#include "tui/cli.h"

/* Of the sessions named, or of all ("all", or no name). */
enum cli_status cli_sessions_verify(struct cli *cli, char **names, int count);
/* Side by side, 2 to COMPARE_MOST (compare.h). */
enum cli_status cli_sessions_compare(struct cli *cli, char **names, int count);
/* For good, after a question or --yes. */
enum cli_status cli_sessions_remove(struct cli *cli, char **names, int count);

#endif
