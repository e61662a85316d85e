/* Which nfbench this is: alone in its file, since each commit compiles it anew (the Makefile says which it is). */
#include "tui/cli.h"

#ifndef NFBENCH_COMMIT
#define NFBENCH_COMMIT ""
#endif

const char *cli_version(void)
{
    return *NFBENCH_COMMIT ? CLI_VERSION " at " NFBENCH_COMMIT : CLI_VERSION;
}
