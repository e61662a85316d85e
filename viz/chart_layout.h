/* Where a chart's parts stand and how values become dots: made once a drawing, by chart_layout.c, for chart.c. */
#ifndef NFBENCH_VIZ_CHART_LAYOUT_H
#define NFBENCH_VIZ_CHART_LAYOUT_H

#include "viz/chart.h"
#include "viz/ticks.h"

enum { CHART_FIRST_DOMAIN = 100 }; /* of x, before there is more */

struct axis {
    double low, high; /* values at the first and the last dot */
    bool log;
    bool flip;         /* y: the high end has the lowest dot */
    int origin, count; /* the dots it spans */
    struct ticks ticks;
};

struct layout {
    struct rect area;
    struct rect plot;    /* may be empty */
    bool title, legend;  /* have a row; the legend's is the title's when `legend_row` says so */
    int legend_row;      /* < 0: none */
    int legend_column;   /* where it begins */
    bool y_axis, x_axis; /* have room */
    double axis_gap;     /* from the plot's edge to its axes, in cells */
    bool empty;          /* no series has a point */
    struct axis x, y;
};

void chart_lay_out(const struct canvas *canvas, struct rect area, const struct chart *chart, struct layout *out);
/* Centre of the dot of a value, within the axis or not; NAN when a logarithmic axis has no place for it. */
double axis_dot(const struct axis *axis, double value);
/* The inverse. */
double axis_value(const struct axis *axis, double dot);

/* Goes over a series' points in the axis's range, dot column by dot column. */
struct column_walk {
    const struct series *series;
    const struct axis *x;
    enum series_part part;
    int column;     /* the next one */
    size_t at, end; /* points not yet gone over */
};
struct column {
    double x; /* in dots: exact for a single point, else the column's centre */
    struct series_summary sum;
};
struct column_walk column_walk_start(const struct series *series, enum series_part part, const struct axis *x);
/* The next column that has points; false behind the last. */
bool column_walk_next(struct column_walk *walk, struct column *out);

/* "train 0.5321": the legend's text of a series, at the cursor or at its end. */
enum { LEGEND_TEXT = 96, LEGEND_SAMPLE = 3, LEGEND_GAP = 3 };
void chart_legend_text(const struct chart *chart, int index, char out[LEGEND_TEXT]);

#endif
