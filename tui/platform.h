/* What this process trains on: processor or GPU, library, build, data. A session records it with each start, and a
 * replay compares it. */
#ifndef NFBENCH_TUI_PLATFORM_H
#define NFBENCH_TUI_PLATFORM_H

#include "engine/data.h"
#include "sessions/metrics.h"
#include "sessions/settings.h"

/* The processor, and those of its instruction sets that matter to the training. */
enum { PROCESSOR_SETS = 6 };
struct processor {
    char model[128], sets[96]; /* "unknown"; sets separated by blanks */
    const char *names[PROCESSOR_SETS];
    int set_count;
};
void processor_find(struct processor *out);

/* `settings` with the real device, precision and threads (device_open). */
void platform_find(const struct settings *settings, const struct dataset *dataset, struct platform *out);

/* Puts device, precision and threads into the settings as they were then, where the command line says nothing else and
 * the machine has them. */
struct cli;
int platform_choose(const struct cli *cli, const struct platform *then, struct settings *settings, struct error *error);

/* What of them is another, in words, a clause each: "2 threads then, 1 now". Returns how many. */
enum { PLATFORM_CLAUSES = 9, PLATFORM_CLAUSE_SIZE = 640 };
int platform_compare(const struct platform *then, const struct platform *now,
                     char clauses[PLATFORM_CLAUSES][PLATFORM_CLAUSE_SIZE]);

#endif
