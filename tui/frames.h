/* How often the screen is drawn: what changes is seen at once, but however much does, only so many frames a second. */
#ifndef NFBENCH_TUI_FRAMES_H
#define NFBENCH_TUI_FRAMES_H

#include <stdbool.h>

enum { FRAMES_A_SECOND = 30 };

/* Zeroed at first. */
struct frames {
    double next; /* seconds on the monotonic clock before which nothing is drawn */
};

/* Whether a change may be drawn at `now`; if so it counts as drawn, and the next one waits for its time. */
bool frames_take(struct frames *frames, double now);

#endif
