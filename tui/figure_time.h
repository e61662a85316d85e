/* Where the time of a step goes, as bars of stacked parts. The parts differ in their filling as well as in colour, so
 * that they can be told apart in mono and in ASCII, too. */
#ifndef NFBENCH_TUI_FIGURE_TIME_H
#define NFBENCH_TUI_FIGURE_TIME_H

#include "engine/step_time.h"
#include "viz/canvas.h"

/* Cells of each part where the whole takes `cells`: in proportion, and their sum is `cells` (0 of all when the whole is
 * 0). */
void figure_time_cells(const struct step_time *time, int cells, int parts[STEP_PARTS]);

/* One bar over the area's columns. */
void figure_time_bar(struct canvas *canvas, struct rect area, const struct step_time *time);

/* Each part's filling, name, milliseconds and share, in columns; returns the rows that it takes of the area. */
int figure_time_legend(struct canvas *canvas, struct rect area, const struct step_time *time);
int figure_time_legend_rows(int columns);

/* Bars up, one a column, the newest at the right end: `at(context, ago)` is the one of so many before it. */
void figure_time_history(struct canvas *canvas, struct rect area, int count,
                         const struct step_time *(*at)(const void *context, int ago), const void *context);

#endif
