/* The columns of the live table of a tune, and which of them have room: what has none stands below the table, of the
 * marked trial. */
#ifndef NFBENCH_TUI_TUNE_COLUMNS_H
#define NFBENCH_TUI_TUNE_COLUMNS_H

#include "sessions/tune_watch.h"

/* In columns of the screen: before the values; of a value the most; of the state; what a session's name needs. */
enum { TUNE_CELL = 32, TUNE_MARK_COLUMNS = 2, TUNE_VALUE_MOST = 20, TUNE_STATE_COLUMNS = 12, TUNE_SESSION_LEAST = 24 };

struct tune_row {
    const struct tune *tune;
    const struct tune_trial *trial;
    const struct tune_status *status;
};

struct tune_column {
    const char *title;
    int columns; /* with the gap before it */
    void (*write)(const struct tune_row *row, char text[TUNE_CELL]);
};

/* Behind the state, in the order in which they appear as the screen gets wider; NULL behind the last. */
const struct tune_column *tune_column(const struct tune *tune, int index);
/* Of the values of an axis, with the gap before them; where the state stands behind all of them. */
int tune_value_columns(const struct tune *tune, int axis);
int tune_state_column(const struct tune *tune);

struct tune_width {
    int count; /* columns that have room */
    int used;  /* by these and all before them */
    bool session;
};
struct tune_width tune_fit_columns(const struct tune *tune, int width);

#endif
