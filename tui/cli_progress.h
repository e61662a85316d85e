/* The progress of a run on standard error: on a terminal a bar, redrawn in place at most ten times a second, with lines
 * that stay above it; elsewhere plain lines, few enough for the log of a run that lasts for days. A listener that goes
 * away is no error: the run goes on in silence. */
#ifndef NFBENCH_TUI_CLI_PROGRESS_H
#define NFBENCH_TUI_CLI_PROGRESS_H

#include "engine/trainer.h"

struct progress {
    int fd;
    bool terminal; /* can redraw in place */
    bool utf8;
    bool silent;           /* writing has failed */
    bool bar;              /* a bar stands on the current line */
    double next;           /* when to write again, in seconds of the monotonic clock */
    double loss, accuracy; /* smoothed over the last hundred steps or so */
    double weight;         /* of the smoothed values so far: 0 none */
};

enum { PROGRESS_LINE_SIZE = 1024 };

/* What the bar says, at most `width` cells wide, without a line's end; of `progress` the smoothed values and the
 * character set count. Fields go by their worth when the room is short. */
void progress_format(const struct progress *progress, const struct snapshot *snapshot, int width,
                     char text[PROGRESS_LINE_SIZE]);

void progress_open(struct progress *progress, int fd);
/* Takes a trainer's event into account; epochs and commands get a line that stays. */
void progress_event(struct progress *progress, const struct event *event, const struct snapshot *snapshot);
/* Shows the newest state when it is time to. */
void progress_show(struct progress *progress, const struct snapshot *snapshot);
/* What is being done before and after the training, in place, at once; terminals only. */
void progress_doing(struct progress *progress, const char *text);
/* The same with a share of it ("evaluating 300 of 1000"), when it is time to; elsewhere a line, twice a minute. */
void progress_share(struct progress *progress, const char *what, int done, int total);
/* Bytes of a file: their share, speed and time to go, when it is time to; elsewhere a line. `total` 0: not known;
 * `speed` bytes a second, 0: not known. */
void progress_bytes(struct progress *progress, const char *what, double done, double total, double speed);
/* A line that stays. */
void progress_line(struct progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes the bar away. */
void progress_close(struct progress *progress);

#endif
