/* The figures of the signal: what a probe (engine/probe.h) measured, as drawings. Each is one function for the live
 * panel (cells) and the PNG (pixels), of any size from nothing on: parts that have no room are left out, the drawing
 * itself last of all. A probe that is NULL, or a history of none, draws a line that says so. Texts may be NULL. */
#ifndef NFBENCH_TUI_FIGURE_SIGNAL_H
#define NFBENCH_TUI_FIGURE_SIGNAL_H

#include "engine/probe.h"
#include "viz/canvas.h"
#include "viz/ticks.h"

/* What a point can be asked for. */
enum signal {
    SIGNAL_SQUARED_MEAN,
    SIGNAL_VARIANCE,
    SIGNAL_BRANCH_VARIANCE,
    SIGNAL_SHORTCUT_VARIANCE,
    SIGNAL_GRADIENT_NORM,
    SIGNAL_GRADIENT_VARIANCE,
    SIGNAL_WEIGHT_NORM,
    SIGNAL_UPDATE_RATIO,
    SIGNAL_COUNT
};

/* Sets of them. */
#define SIGNAL_SET(signal) (1u << (signal))
enum {
    SIGNALS_FORWARD = 1 << SIGNAL_SQUARED_MEAN | 1 << SIGNAL_VARIANCE | 1 << SIGNAL_BRANCH_VARIANCE, /* SPP, fig. 1 */
    SIGNALS_BACKWARD = 1 << SIGNAL_GRADIENT_NORM | 1 << SIGNAL_GRADIENT_VARIANCE,
    SIGNALS_WEIGHTS = 1 << SIGNAL_WEIGHT_NORM | 1 << SIGNAL_UPDATE_RATIO
};

const char *signal_name(enum signal signal); /* "channel variance", for a legend or an axis */
/* NAN where the probe or the point has none: a gradient in a probe without, the stem's branch. */
double signal_value(const struct probe *probe, int point, enum signal signal);
/* What theory says of it at a point; NAN when it says nothing, as of all with batch norm. */
double signal_predicted(const struct probe *probe, int point, enum signal signal);

/* Whether there is an earlier probe to compare with; `start` may be NULL. */
bool signal_start_differs(const struct probe *now, const struct probe *start);

/* Whether signals of a set span so many decades, now, at the start (may be NULL) or predicted, that a linear axis would
 * show the greatest alone. */
bool signals_want_log(const struct probe *now, const struct probe *start, unsigned signals);

/* The tick of a point on an axis of depth: "stem", "1", "2"; `data` is not looked at. */
void signal_depth_name(const void *data, int point, char out[TICK_LABEL]);

/* Quantities over depth: x = stem, block 1, 2, ...; predicted dashed, the start faint. Each quantity gets a plot of its
 * own, beside or above each other, where they have room; else they share one. SIGNALS_FORWARD makes it the signal
 * propagation plot, SIGNALS_BACKWARD the gradients'. */
struct profile_figure {
    const char *title;
    const struct probe *now;
    const struct probe *start;      /* NULL, or the same as `now`: not shown */
    const struct model_spec *model; /* for the stages' boundaries; NULL: none */
    unsigned signals;               /* a set */
    bool log_axis;
    int selected; /* a point to mark, -1: none */
};
/* Where its plots stand. */
struct profile_places {
    struct rect plots[SIGNAL_COUNT];
    int count, points; /* plots; points of each */
};
struct profile_places figure_profile(struct canvas *canvas, struct rect area, const struct profile_figure *figure);
/* The point whose part of a plot this cell is; -1: of none. */
int profile_point_at(const struct profile_places *places, int row, int column);

enum distribution { DISTRIBUTION_VALUES, DISTRIBUTION_VARIANCES }; /* of the output; of its channels' variances */

/* How a point's values, or its channels' variances, are distributed: density over a linear axis that follows from the
 * data (logarithmic for variances that span decades), predicted spread dashed, the start faint behind. */
struct distribution_figure {
    const char *title;
    const struct probe *now, *start;
    int point;
    enum distribution of;
};
void figure_distribution(struct canvas *canvas, struct rect area, const struct distribution_figure *figure);

/* The values of one point in bars alone, for a table's row: over three predicted standard deviations (measured ones
 * where none is predicted) on either side of 0, what lies beyond in the outermost bars, in place of
 * which arrows stand where that is much. */
void figure_sparkline(struct canvas *canvas, struct rect area, const struct probe *probe, int point);

/* The same of all points: small multiples, one a point, on axes of their own. */
struct distributions_figure {
    const char *title;
    const struct probe *now, *start;
    enum distribution of;
    int selected; /* -1: none */
};
void figure_distributions(struct canvas *canvas, struct rect area, const struct distributions_figure *figure);

/* Distributions over time: x = step, y = value, colour = density. */
struct strip_figure {
    const char *title;
    struct probe *const *probes; /* (count), steps ascending */
    int count, point;
    enum distribution of;
    bool bare;     /* the colours alone, without axes: in a table's row, where even one row of cells does */
    double cursor; /* a step to mark; NAN: none */
};
void figure_strip(struct canvas *canvas, struct rect area, const struct strip_figure *figure);

/* Strips of all points: small multiples. */
void figure_strips(struct canvas *canvas, struct rect area, const struct strip_figure *figure);

/* Quantities of one point over time, predicted dashed. */
struct history_figure {
    const char *title;
    struct probe *const *probes; /* (count), steps ascending */
    int count, point;
    unsigned signals; /* a set; they share one axis */
    bool log_axis;
    double cursor; /* a step to mark; NAN: none */
};
void figure_history(struct canvas *canvas, struct rect area, const struct history_figure *figure);

/* Mean and variance of each channel of a point, predicted dashed. */
struct channels_figure {
    const char *title;
    const struct probe *now;
    int point;
    bool log_axis; /* of the variance */
};
void figure_channels(struct canvas *canvas, struct rect area, const struct channels_figure *figure);

/* One row's bar: measured variance from the left, a mark at the predicted one, both on a linear axis from 0 to `most`,
 * the same for all rows; what goes beyond it ends in an arrow. */
struct bar_figure {
    double measured, predicted, most; /* predicted NAN: no mark */
    enum role role;                   /* of the bar: its health */
};
void figure_bar(struct canvas *canvas, struct rect area, const struct bar_figure *figure);
/* An end of the axis for all bars of a probe: all of them fit, as long as the predicted marks, if there are any, stay
 * apart from 0. */
double figure_bar_most(const struct probe *probe);

#endif
