/* What the panels that show probes share: the block that is looked at, what there is to say of it, and what to say
 * while there is no probe. */
#ifndef NFBENCH_TUI_PANEL_PROBE_H
#define NFBENCH_TUI_PANEL_PROBE_H

#include "tui/panel.h"

/* The step of the first scheduled probe behind `step`: 1, 2, 4, 8, ... below `every`, then each `every` steps. */
long probe_next_step(long step, long every);
/* "Blocks · step 1,200 · next at 1,300" */
void probe_heading(const struct scene *scene, const char *name, char text[PANEL_TITLE]);
/* The probe to show; before the first NULL, and the area says when it comes or how to get one. */
const struct probe *probe_shown(const struct scene *scene, struct canvas *canvas, struct rect area);

/* Arrows, Page Up and Down, Home and End choose the block; Enter opens its details; comma and point walk back and forth
 * through the probes, n goes to the newest. True when the key was one of them. */
bool probe_choose(struct scene *scene, int page, int key);
/* A click on a block marks it, and opens the one that is marked. */
void probe_click(struct scene *scene, int point);
/* The wheel goes one block up or down. */
bool probe_wheel(struct scene *scene, const struct mouse *mouse);

/* The step of a probe that was walked back to, for figures over the steps; NAN: the newest is shown. */
double probe_cursor(const struct scene *scene);

/* Whether an axis is logarithmic: as the person chose, else as the values over the depth ask for. */
bool probe_log_axis(const struct scene *scene, enum axis_of of);
/* The person chooses the other kind. */
void probe_turn_axis(struct scene *scene, enum axis_of of);

enum role probe_role(enum health health);
/* '!' and 'x' for what is to be watched and what is bad: colours alone do not tell. */
uint32_t probe_mark(enum health health);
/* "block 3: variance 31, over 10 times the predicted 1.04": draws it from the area's first row on, wrapped, and returns
 * the rows it takes, the area's at most. */
int probe_draw_sentence(const struct scene *scene, struct canvas *canvas, struct rect area, int point);

/* The first figures of the chosen block's details, side by side (panel_block.c). */
void panel_block_preview(const struct scene *scene, struct canvas *canvas, struct rect area);

#endif
