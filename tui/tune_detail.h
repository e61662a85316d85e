/* What stands below the live table of a tune: the curves of its trials, and what is known of the marked one. */
#ifndef NFBENCH_TUI_TUNE_DETAIL_H
#define NFBENCH_TUI_TUNE_DETAIL_H

#include "tui/tune_table.h"

/* Accuracy, or loss, of all trials behind their epochs, the marked one's bright, the best one's, too. */
void tune_draw_curves(struct canvas *canvas, struct rect area, const struct tune_view *view);
/* The marked trial's figures that have no column, then why it failed, or how to see more of it. */
void tune_draw_detail(struct canvas *canvas, struct rect area, const struct tune_view *view);

#endif
