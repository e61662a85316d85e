/* Networks that differ in one choice, side by side: the signal of each over depth in one plot a quantity. */
#ifndef NFBENCH_TUI_FIGURE_CHOICES_H
#define NFBENCH_TUI_FIGURE_CHOICES_H

#include "engine/probe.h"
#include "viz/canvas.h"

enum { CHOICES_MOST = 8 };

struct choices_figure {
    const char *title;
    const char *const *names;           /* (count): what was chosen */
    const struct probe *const *probes;  /* (count), of the same number of points */
    int count;                          /* 1..CHOICES_MOST */
};

/* Variance and squared mean over depth, on logarithmic axes; what is not finite is marked at the top. The first probe's
 * prediction is dashed. Any size. */
void figure_choices(struct canvas *canvas, struct rect area, const struct choices_figure *figure);

#endif
