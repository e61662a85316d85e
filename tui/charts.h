/* What a person does to the charts: the part of the run that they show, their axes, cursor and smoothing. All of it is
 * in the scene, and the same for all charts but for the logarithms. */
#ifndef NFBENCH_TUI_CHARTS_H
#define NFBENCH_TUI_CHARTS_H

#include "tui/scene.h"

/* The one of the chosen panel; the loss where that is no chart. */
enum quantity charts_chosen(const struct scene *scene);

/* The last step that there may be something to show of. */
double charts_end(const struct scene *scene);
/* The steps that are shown. */
void charts_range(const struct scene *scene, double *from, double *to);
/* All of the run, and what is to come as far as it is known. */
void charts_fit(struct scene *scene);
/* These steps, as far as there are any; the newest stays in sight when it is among them. */
void charts_show(struct scene *scene, double from, double to);
/* `factor` times as many steps, so that step `at` stays where it is; NAN: the cursor, else the newest that is shown. */
void charts_zoom(struct scene *scene, double at, double factor);
/* On by a part of what is shown, back below 0. */
void charts_pan(struct scene *scene, double part);
/* Before each drawing: goes on by half of what is shown when the newest step has left it, so that few cells change; and
 * back with a run that has gone back. */
void charts_follow(struct scene *scene);

/* So many columns of a chart on, back below 0; from the newest step when there is no cursor. What is shown goes with
 * it. */
void charts_move_cursor(struct scene *scene, int columns, int chart_columns);
/* To a step; within those that there are. */
void charts_put_cursor(struct scene *scene, double step);

/* Lays a session's curves over this run's, as soon as they have been read, or takes them away: -1 when it is this run's
 * own, or all places are taken. */
int charts_overlay(struct scene *scene, const char *session, bool on, struct error *error);
void charts_overlay_none(struct scene *scene);
/* Call it when scene->runs has changed. */
void charts_list_overlays(struct scene *scene);

/* Of the overlays, too. */
void charts_smooth(struct scene *scene, double smoothing);
/* To the next of some usual values. */
void charts_smooth_more(struct scene *scene, bool more);
/* Between logarithmic and linear; false where there is no choice. */
bool charts_turn_log(struct scene *scene, enum quantity quantity);

/* The step under a column of a chart as it was drawn last (for a mouse); NAN beside its plot. */
double charts_step_at(const struct scene *scene, enum quantity quantity, int column);

#endif
