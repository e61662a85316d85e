/* The frame that all plots share: title and legend above, axes with ticks, their titles and units. Laid out in two
 * steps, since bounds follow from the rows there are and the columns from the widest label: axes_begin, then the caller
 * finds the bounds of x and y, then axes_place. Without room parts are left out: legend, title, axes, in this order.
 *
 * The title of y stands above its axis, not turned: it can be read at once, and on cells it could not be turned. */
#ifndef NFBENCH_VIZ_AXES_H
#define NFBENCH_VIZ_AXES_H

#include "viz/canvas.h"
#include "viz/ticks.h"

struct axis {
    double low, high; /* values at the first and the last dot */
    bool log;
    bool flip;         /* y: the high end has the lowest dot */
    int origin, count; /* the dots it spans */
    double unit;       /* of its labels; 0: 1 */
    struct ticks ticks;
};

enum { LEGEND_TEXT = 256, LEGEND_MAX = 16 };

/* "--- predicted": a sample and what it means. */
struct legend_entry {
    char text[LEGEND_TEXT];
    struct style style;
    enum { SAMPLE_LINE, SAMPLE_POINTS, SAMPLE_BLOCK, SAMPLE_MARKER } sample;
    enum stroke stroke;
    enum marker_shape marker; /* SAMPLE_POINTS, SAMPLE_MARKER: without a line */
};

struct axes {
    /* what there is to show; texts may be NULL */
    const char *title, *x_label, *y_label;
    const struct legend_entry *legend;
    int legend_count;
    bool percent;     /* of y's labels */
    bool own_ticks_x; /* the caller has set x.ticks */
    bool band;        /* a row above the plot is wanted for words about parts of x */
    /* where */
    struct rect area, plot; /* the plot may be empty */
    bool title_shown, y_label_shown, x_label_below, band_shown;
    int legend_row;    /* < 0: none */
    int legend_column; /* where it begins */
    int legend_rows;   /* as many as its entries need and there is room for */
    bool y_axis, x_axis;
    double axis_gap; /* from the plot's edge to its axes, in cells */
    struct axis x, y;
};

/* Takes the rows above and below the plot. */
void axes_begin(const struct canvas *canvas, struct axes *axes);
/* Ticks that the plot's rows have room for. */
int axes_y_ticks(const struct axes *axes);
/* The bounds are known: ticks, the columns left of the plot, and where x and y lie in dots. */
void axes_place(const struct canvas *canvas, struct axes *axes);

/* Title, legend and axes; the grid's lines, within the plot. */
void axes_draw(struct canvas *canvas, const struct axes *axes);
void axes_draw_grid(struct canvas *canvas, const struct axes *axes);
/* Title and legend alone, above several plots; returns the rows they take. */
int axes_draw_header(struct canvas *canvas, struct rect area, const char *title, const struct legend_entry *legend,
                     int count);
/* The plot and a cell about it: half of a marker may stand over the edge; its middle never does. */
struct rect axes_about_plot(const struct axes *axes);
/* A word in the middle of an area, cut to it: "no probe yet". */
void axes_draw_empty(struct canvas *canvas, struct rect area, const char *text);
/* A line across the plot at a dot of x, from its top to its bottom; dotted ones have gaps. */
void axes_draw_upright(struct canvas *canvas, const struct axes *axes, double x, struct style style, bool dotted);

/* Centre of the dot of a value, within the axis or not; NAN when a logarithmic axis has no place for it. */
double axis_dot(const struct axis *axis, double value);
/* The inverse. */
double axis_value(const struct axis *axis, double dot);

#endif
