/* What stands below each other in the view of runs: the sessions in the order that was chosen, and in place of a tune's
 * trials one line, under which they stand when it is unfolded. */
#ifndef NFBENCH_TUI_RUNS_LINES_H
#define NFBENCH_TUI_RUNS_LINES_H

#include "tui/scene.h"

/* Sorts the rows, and makes the lines anew; -1 when memory is out: there are none then. */
int runs_make_lines(struct scene *scene);
/* "newest first"; and to the next one. */
const char *runs_order_name(const struct scene *scene);
void runs_next_order(struct scene *scene);
/* The session of a line, NULL of a tune's; the tune of a line, NULL of a session's. */
struct session_summary *runs_session(const struct scene *scene, int line);
const struct tune_group *runs_tune(const struct scene *scene, int line);
/* The columns by which its name stands to the right: of forks, and of the trials of an unfolded tune. */
int runs_indent(const struct scene *scene, int line);

/* The marked line, which keeps its mark by its name however the list changes; the first where that is gone. */
int runs_marked(const struct scene *scene);
void runs_mark(struct scene *scene, int line);
/* Whether a tune's line is the marked one. */
bool runs_marks_tune(const struct scene *scene);
/* Shows the trials of the tune that is marked, itself or by one of its trials, or no longer; false: neither is. */
bool runs_turn_tune(struct scene *scene);

#endif
