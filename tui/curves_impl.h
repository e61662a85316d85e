/* What curves.c (which fills them) and curves_draw.c (which reads them) share. */
#ifndef NFBENCH_TUI_CURVES_IMPL_H
#define NFBENCH_TUI_CURVES_IMPL_H

#include "tui/curves.h"
#include "tui/futures.h"

enum part { PART_TRAIN, PART_VALIDATION, PART_TEST, PART_COUNT };

struct mark {
    double step;
    char label[160];
};

struct curves {
    struct series *series[QUANTITY_COUNT][PART_COUNT]; /* over the steps */
    struct scale *epochs, *seconds;                    /* over the steps, too */
    struct mark *marks;                                /* by rising step */
    int mark_count;
    size_t mark_room;
    double smoothing;
    struct futures *futures;
};

#endif
