/* The curves of a run: loss, accuracy, learning rate and gradient norm over its steps, and the interventions that stand
 * on them as vertical lines. Fed by the trainer's events, and by a session's records when it is resumed or overlaid. */
#ifndef NFBENCH_TUI_CURVES_H
#define NFBENCH_TUI_CURVES_H

#include "engine/trainer.h"
#include "sessions/metrics.h"
#include "viz/chart.h"

struct curves;

enum quantity { QUANTITY_LOSS, QUANTITY_ACCURACY, QUANTITY_LEARNING_RATE, QUANTITY_GRADIENT_NORM, QUANTITY_COUNT };

/* "Learning rate"; "learning-rate", as commands and files have it; what its axis counts. */
const char *quantity_title(enum quantity quantity);
const char *quantity_slug(enum quantity quantity);
const char *quantity_unit(enum quantity quantity);

int curves_create(double smoothing, struct curves **out, struct error *error);
void curves_destroy(struct curves *curves);

/* Takes away what stands behind a step. */
void curves_cut(struct curves *curves, double step);

/* A session's records. Where some are missing, the lines have a gap; where each n-th step is recorded, smoothing goes
 * on as if all were. Called again, it adds those that have come since. */
int curves_add_history(struct curves *curves, const struct metrics *metrics, struct error *error);
int curves_add_event(struct curves *curves, const struct event *event, struct error *error);
/* A vertical line with its label. */
int curves_mark(struct curves *curves, double step, const char *label, struct error *error);
/* How far epochs go on behind the last that has ended. */
void curves_set_epoch(struct curves *curves, double steps);

/* Weight of the past, in [0, 1). */
void curves_set_smoothing(struct curves *curves, double smoothing);
double curves_smoothing(const struct curves *curves);
/* Whether the values of training lie so far apart, as where the loss exploded, that a linear axis shows the greatest
 * alone. */
bool curves_want_log(const struct curves *curves, enum quantity quantity);
/* The newest smoothed value in training; NAN before the first. */
double curves_latest(const struct curves *curves, enum quantity quantity);
/* The last step that has a point; 0 before the first. */
double curves_last_step(const struct curves *curves);

/* What the x axis shows. Wherever a function takes a step, it is a step, whatever the axis. */
enum curves_axis { CURVES_STEP, CURVES_EPOCH, CURVES_TIME /* training time in seconds */, CURVES_AXES };
const char *curves_axis_word(int axis); /* "step", "epoch", "time"; NULL behind the last */
double curves_x(const struct curves *curves, enum curves_axis axis, double step);
double curves_step(const struct curves *curves, enum curves_axis axis, double x); /* the inverse */

/* All that is known at a step: of what is measured seldom, the last before it. NAN: nothing. */
struct curves_reading {
    double step, epoch, seconds;
    double raw[QUANTITY_COUNT], smoothed[QUANTITY_COUNT]; /* in training */
    double validation[2], test[2];                        /* loss and accuracy */
};
/* False before the first point. */
bool curves_read(const struct curves *curves, double step, struct curves_reading *out);
/* The label of the index-th mark at a step in (from, to], the newest first; NULL when there is none. */
const char *curves_mark_between(const struct curves *curves, double from, double to, int index, double *step);

/* Another session's curves on the same chart. */
struct curves_overlay {
    const struct curves *curves;
    const char *name, *tag;
    int place; /* among CURVES_OVERLAYS: gives its looks */
};
enum { CURVES_OVERLAYS = 8 };
/* The colour of a place. */
enum role curves_overlay_role(int place);

/* Draws the chart of a quantity. */
struct curves_look {
    enum quantity quantity;
    bool log_axis;
    enum curves_axis axis;
    double steps_total; /* bounds the x axis; 0: not known */
    double from, to;    /* the steps that are shown; to <= from: all */
    double cursor;      /* a step; NAN: none */
    const struct curves_overlay *overlays;
    int overlay_count; /* up to CURVES_OVERLAYS */
    const char *title, *y_label, *empty_text;
};
/* Returns the place of the plot. */
struct rect curves_draw(const struct curves *curves, const struct curves_look *look, struct canvas *canvas,
                        struct rect area);
/* What that chart's x axis counts: "step", "epoch", or by the length of the time "seconds", "minutes" or "hours". */
const char *curves_x_label(const struct curves *curves, const struct curves_look *look);
/* The step at a part of the way from the first to the last x of that chart. */
double curves_step_at(const struct curves *curves, const struct curves_look *look, double part);
/* Where the x axis ends, in steps, when all is shown: held, and lengthened when it is full, so that few cells change.
 */
double curves_end(const struct curves *curves, const struct curves_look *look);

#endif
