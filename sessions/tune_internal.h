/* Inside sessions/: what the files of a tune share; see tune.h. */
#ifndef NFBENCH_SESSIONS_TUNE_INTERNAL_H
#define NFBENCH_SESSIONS_TUNE_INTERNAL_H

#include "sessions/tune.h"

/* The folder of a tune of that name. */
int tune_find_folder(struct tune *tune, struct error *error);
/* Of the halving: the epochs of each rung, for so many trials and epochs. */
void tune_set_rungs(struct tune *tune, int epochs);

#endif
