/* Lines over few points that are named or have an x of their own: a quantity over the depth of a network, over its
 * channels, or over the steps at which it was measured. Unlike a chart (chart.h) it keeps nothing: values come from
 * functions, so that plain data of any shape is drawn as it is. Every point is drawn. */
#ifndef NFBENCH_VIZ_PROFILE_H
#define NFBENCH_VIZ_PROFILE_H

#include "viz/axes.h"

struct profile_line {
    const char *name;                             /* in the legend; NULL: not there */
    double (*value)(const void *data, int index); /* NAN: no value there, the line has a gap; Inf: marked at the top */
    const void *data;
    struct style style;
    enum stroke stroke;
    double width;
    bool markers; /* where they do not cover each other */
    enum marker_shape marker;
    bool for_many; /* the legend shows it without its colour and last: lines of other colours are the same of theirs */
};

/* A dotted upright at x ("stage 2"). */
struct profile_mark {
    double x;
    const char *label, *brief; /* to its right, above the plot; where it has no room, the brief one; may be NULL */
};

struct profile {
    const char *title, *x_label, *y_label, *empty_text;              /* may be NULL */
    int count;                                                       /* points of every line */
    double (*x)(const void *data, int index);                        /* NULL: the index */
    void (*name)(const void *data, int index, char out[TICK_LABEL]); /* of a tick at a point; NULL: its x is told */
    const void *data;                                                /* of x and name */
    const struct profile_line *lines;
    int line_count;
    const struct profile_mark *marks;
    int mark_count;
    bool log_y, no_legend;
    bool percent;  /* of y's labels: 0.5 is written 50% */
    double cursor; /* an x to mark; NAN: none */
};

/* The legend of lines that have values, each name once, the last first (those for many behind the others), and behind
 * them what the marks at the edges mean where there are any: crosses for values that are not finite, triangles for
 * those below a logarithmic axis. Returns how many entries. */
int profile_legend(const struct profile *profile, struct legend_entry legend[LEGEND_MAX]);

/* Any size; the last lines are on top. Returns the place of the plot; without an x of their own its points share its
 * columns evenly. */
struct rect profile_draw(struct canvas *canvas, struct rect area, const struct profile *profile);

#endif
