/* Inside the view of runs: what its files share. */
#ifndef NFBENCH_TUI_PANEL_RUNS_H
#define NFBENCH_TUI_PANEL_RUNS_H

#include "tui/panel.h"

/* The marked session, or tune, in detail. */
void runs_draw_details(const struct scene *scene, struct canvas *canvas, struct rect area);

#endif
