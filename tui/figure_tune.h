/* The picture of a tune. */
#ifndef NFBENCH_TUI_FIGURE_TUNE_H
#define NFBENCH_TUI_FIGURE_TUNE_H

#include "sessions/tune_watch.h"
#include "viz/canvas.h"

/* Of a grid the highest accuracy over its first two axes, a heatmap for each combination of the others; of a random
 * search the trials as bars, the best first. `scale`: 1 to 4. The caller destroys it. */
int figure_tune(const struct tune *tune, const struct tune_watch *watch, int scale, struct canvas **out,
                struct error *error);

#endif
