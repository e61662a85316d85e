/* Line charts, drawn from data to any canvas: the live panel and the PNG figure are one function. It is pure: the same
 * chart and size give the same cells. No point is dropped or sampled: each dot column shows the span from its least to
 * its greatest value. */
#ifndef NFBENCH_VIZ_CHART_H
#define NFBENCH_VIZ_CHART_H

#include "viz/canvas.h"
#include "viz/scale.h"
#include "viz/series.h"

#include <math.h>

enum chart_kind {
    CHART_LINE,  /* many points: the raw values faint behind the smoothed line */
    CHART_POINTS /* few points (validation): markers joined by a line */
};

struct chart_series {
    const struct series *series;
    const struct scale *scale; /* where its points stand on the x axis; NULL: at their own x */
    const char *name;          /* in the legend; NULL: it is not there */
    enum role role;
    enum chart_kind kind;
    enum stroke stroke;
    enum marker_shape marker; /* CHART_POINTS */
    bool hide_raw;            /* the smoothed line alone */
    bool behind;              /* drawn before those that are not */
    bool unbounded;           /* its values do not widen the y axis */
    const char *tag;          /* a letter at its last point, and before its name in the legend; NULL: none */
    const char *label;        /* stands at its last point; the legend then has the name alone, or nothing without one */
};

/* Something that happened at x: a vertical line with its label ("lr 0.01 -> 0.003"). Where many stand close together,
 * lines are left out: the newest stay. */
struct chart_event {
    double x;
    const char *label;
};

enum chart_format { CHART_NUMBER, CHART_PERCENT }; /* CHART_PERCENT: 0.5 is written 50% */

struct chart {
    const char *title;      /* may be NULL, as all texts */
    const char *x_label;    /* "step" */
    const char *y_label;    /* above its axis */
    const char *empty_text; /* what to say while there is no point */
    const struct chart_series *series;
    int series_count;
    const struct chart_event *events; /* by rising x */
    int event_count;
    double x_unit;       /* what 1 of its labels stands for, as 60 where x is in seconds and shown in minutes; 0: 1 */
    double x_min, x_max; /* the domain; x_max <= x_min: from the data. For a live chart see chart_hold_domain() */
    double y_min, y_max; /* fixed bounds of y; both NAN: from the data; one NAN: that one from the data */
    bool log_x, log_y;   /* decades; what is not above 0 cannot be drawn and is marked at the bottom */
    enum chart_format format;
    double cursor; /* NAN: none; else a vertical line there, and the legend gives the values at it */
};

/* All fields empty, no bounds, no cursor. */
struct chart chart_init(void);

/* Draws into the area. Any size, from nothing on: parts that have no room are left out, the plot last of all. Returns
 * the place of the plot. */
struct rect chart_draw(struct canvas *canvas, struct rect area, const struct chart *chart);

/* The domain's end for a live chart: `held` (0 at first), in steps of 1, 1.5, 2, 3, 5, 7, 10 and so on until it
 * holds `last`, never above `limit` while `last` is not (limit 0: none). Held so that appending a point redraws few
 * cells. */
double chart_hold_domain(double held, double last, double limit);

#endif
