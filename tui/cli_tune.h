/* What `nfbench tune` does that trains nothing; cli_tune.c has the rest. */
#ifndef NFBENCH_TUI_CLI_TUNE_H
#define NFBENCH_TUI_CLI_TUNE_H

#include "tui/cli.h"

/* The tunes in the folder of sessions. */
enum cli_status cli_tune_list(const struct cli *cli);
/* Takes a tune away with the sessions that are its own, after a question or --yes. */
enum cli_status cli_tune_remove(const struct cli *cli, const char *name);

#endif
