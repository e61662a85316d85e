/* Where a chart's parts stand and how values become dots: made once a drawing, by chart_layout.c, for chart.c. */
#ifndef NFBENCH_VIZ_CHART_LAYOUT_H
#define NFBENCH_VIZ_CHART_LAYOUT_H

#include "viz/axes.h"
#include "viz/chart.h"

enum { CHART_FIRST_DOMAIN = 100 }; /* of x, before there is more */

struct layout {
    struct axes axes;
    struct legend_entry legend[LEGEND_MAX];
    bool empty; /* no series has a point */
};

/* `out` must stay where it is: its axes point into it. */
void chart_lay_out(const struct canvas *canvas, struct rect area, const struct chart *chart, struct layout *out);

/* Where a point of a line stands on the x axis, and the first of its points that does not stand before it. */
double chart_point_x(const struct chart_series *line, size_t index);
size_t chart_find_point(const struct chart_series *line, double x);

/* Goes over a line's points in the axis's range, dot column by dot column. */
struct column_walk {
    const struct chart_series *line;
    const struct axis *x;
    enum series_part part;
    int column;     /* the next one */
    size_t at, end; /* points not yet gone over */
};
struct column {
    double x; /* in dots: exact for a single point, else the column's centre */
    struct series_summary sum;
};
struct column_walk column_walk_start(const struct chart_series *line, enum series_part part, const struct axis *x);
/* The next column that has points; false behind the last. */
bool column_walk_next(struct column_walk *walk, struct column *out);

#endif
