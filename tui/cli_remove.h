/* What commands that take sessions away have in common: a person is asked, and told what hangs on what goes. */
#ifndef NFBENCH_TUI_CLI_REMOVE_H
#define NFBENCH_TUI_CLI_REMOVE_H

#include "tui/cli.h"

/* -1 where nobody could be asked and --yes does not stand there. */
int cli_remove_check(const struct cli *cli, struct error *error);
/* --yes, or the answer to "remove WHAT for good?". */
bool cli_remove_agreed(const struct cli *cli, const char *what);
/* Notes for the forks of the sessions that go: those that stay are whole, but nobody can make the steps again that lie
 * before them. */
void cli_remove_note_forks(const struct cli *cli, char *const *names, int count);

#endif
