/* Where everything on the screen goes: a pure function of its size, so that it can be tested over all sizes. */
#ifndef NFBENCH_TUI_LAYOUT_H
#define NFBENCH_TUI_LAYOUT_H

#include "viz/canvas.h"

#include <stdbool.h>

enum { LAYOUT_MIN_ROWS = 10, LAYOUT_MIN_COLS = 40 };

enum view {
    VIEW_OVERVIEW,
    VIEW_CHARTS,
    VIEW_BLOCKS,
    VIEW_BLOCK, /* one of them in detail; opened from others, so Tab passes it over */
    VIEW_SIGNAL,
    VIEW_GRADIENTS,
    VIEW_IMAGES,
    VIEW_RUNS,
    VIEW_SYSTEM,
    VIEW_LOG,
    VIEW_COUNT
};

enum place {
    PLACE_HEADER,
    PLACE_TABS,
    PLACE_LOSS,
    PLACE_ACCURACY, /* the charts in the order of enum quantity */
    PLACE_LEARNING_RATE,
    PLACE_GRADIENT_NORM,
    PLACE_BLOCKS,
    PLACE_BLOCK,
    PLACE_SIGNAL,
    PLACE_GRADIENTS,
    PLACE_IMAGES,
    PLACE_RUNS,
    PLACE_SYSTEM,
    PLACE_LOG,
    PLACE_READING, /* what is read off the charts */
    PLACE_KEYS,
    PLACE_COMMAND,
    PLACE_COUNT
};

struct layout {
    bool fits;                       /* false: too small, nothing but a word on the size needed is shown */
    bool framed;                     /* header and panels have a frame all around; else a title line above */
    struct rect places[PLACE_COUNT]; /* rows == 0: not shown */
};

/* Areas that are shown lie inside rows x cols, do not overlap, and leave no row empty. Any size is allowed. `focus` is
 * the view's panel that takes its keys: when `zoomed`, it has the body to itself; where there is no room for all of the
 * view's panels, it is among those that are shown. PLACE_COUNT: none has it. */
struct layout layout_compute(int rows, int cols, enum view view, enum place focus, bool zoomed);

/* What remains inside a panel's frame or below its title line. */
struct rect layout_inside(const struct layout *layout, enum place place);

/* As the command `view` takes it: "blocks". */
const char *view_name(enum view view);
/* The one behind it for Tab; behind the last the first. */
enum view view_next(enum view view);
/* The only panel between header and key bar; PLACE_COUNT in views that have several. */
enum place view_place(enum view view);
/* The index-th of the panels that can have a view's focus, in the order in which they take it; PLACE_COUNT behind the
 * last. */
enum place view_focus(enum view view, int index);

/* The index-th word of the command `view`: the views' names, then those of charts, which it opens zoomed; NULL behind
 * the last. The chart that a word names; PLACE_COUNT of a view's. */
const char *view_word(int index);
enum place view_word_chart(int index);

#endif
