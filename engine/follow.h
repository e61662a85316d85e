/* What the ranks behind the first do: they make the steps and evaluations that rank 0 says, on a network of their own,
 * and know no session, no command and no person. See ranks.h. */
#ifndef NFBENCH_ENGINE_FOLLOW_H
#define NFBENCH_ENGINE_FOLLOW_H

#include "engine/options.h"
#include "kernels/kernels.h"

/* Opens this rank's device for a run with the options that rank 0 has in force; owned by the caller, who destroys it.
 */
typedef int follow_open(const struct train_options *train, struct backend **out, struct error *error);

/* Follows from run to run until rank 0 leaves. -1 with the error where this rank cannot go on with what the others
 * wait for: dist_end then ends them, too. A run that cannot begin on it is none, and rank 0 hears why. */
int follow(follow_open *open, struct error *error);
/* Rank 0: lets the others return from follow(). Nothing where there are none, or where a run was broken off. */
void follow_leave(void);

#endif
