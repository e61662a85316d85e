/* What TensorBoard gets of a run beside its records: a picture of what augmentation makes of the images. */
#ifndef NFBENCH_TUI_RUN_EVENTS_H
#define NFBENCH_TUI_RUN_EVENTS_H

#include "tui/run.h"

/* Begins the events of a run that is about to start or go on (session_begin_events); it trains on the first `images` of
 * the training split. */
void run_begin_events(const struct run_parts *parts, int images);

#endif
