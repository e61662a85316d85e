/* The live table of a tune on a canvas: a row a trial, their curves where there is room, what is known
 * of the marked one, keys. Knows no terminal. */
#ifndef NFBENCH_TUI_TUNE_TABLE_H
#define NFBENCH_TUI_TUNE_TABLE_H

#include "sessions/tune_watch.h"
#include "viz/canvas.h"

struct tune_view {
    const struct tune *tune;
    const struct tune_watch *watch;
    double seconds; /* since the beginning */
    int order;      /* how the rows are sorted */
    int marked;     /* a trial */
    int top;        /* the first row that is shown */
    bool losses;    /* the curves are those of the loss */
    bool helping;   /* what states and keys mean stands in place of the trials */
    bool asking;    /* whether to leave */
    bool stopping;
    int *rows; /* (trials) in their order; the caller's memory */
};

void tune_table_draw(struct canvas *canvas, struct tune_view *view);
/* Walks and sorts; false when the key means nothing to it. `area`: the canvas's. */
bool tune_table_key(struct tune_view *view, struct rect area, int key);
/* The same of the mouse: the wheel walks, a click marks. */
struct mouse;
void tune_table_mouse(struct tune_view *view, struct rect area, const struct mouse *mouse);

#endif
