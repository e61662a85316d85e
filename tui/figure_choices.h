/* Networks that differ in one choice, side by side: the signal of each over depth in one plot a quantity. */
#ifndef NFBENCH_TUI_FIGURE_CHOICES_H
#define NFBENCH_TUI_FIGURE_CHOICES_H

#include "engine/probe.h"
#include "viz/canvas.h"

enum { CHOICES_MOST = 10 };

struct choice {
    const struct probe *probe;
    int color, stroke; /* numbers of what was chosen, of one kind and of another */
};

struct choices_figure {
    const char *title;
    const struct choice *choices; /* (count), of the same number of points */
    int count;                    /* 1..CHOICES_MOST */
    /* what was chosen: (color_count) words told apart by colour and marker, (stroke_count) by stroke; 0: only one kind
     */
    const char *const *colors, *const *strokes;
    int color_count, stroke_count;
};

/* Variance and squared mean over depth, on logarithmic axes; what is not finite is marked at the top. The first probe's
 * prediction is dashed. Any size. */
void figure_choices(struct canvas *canvas, struct rect area, const struct choices_figure *figure);

#endif
