/* The curves of a run: loss and accuracy in training, validation and test over the steps, and the interventions that
 * stand on them as vertical lines. Fed by the trainer's events, and by the session's records when it is resumed. */
#ifndef NFBENCH_TUI_CURVES_H
#define NFBENCH_TUI_CURVES_H

#include "engine/trainer.h"
#include "sessions/metrics.h"
#include "viz/chart.h"

struct curves;

enum quantity { QUANTITY_LOSS, QUANTITY_ACCURACY, QUANTITY_COUNT };

int curves_create(double smoothing, struct curves **out, struct error *error);
void curves_destroy(struct curves *curves);

/* Takes away what stands behind a step. */
void curves_cut(struct curves *curves, double step);

/* The session's records up to where it goes on. */
int curves_add_history(struct curves *curves, const struct metrics *metrics, struct error *error);
int curves_add_event(struct curves *curves, const struct event *event, struct error *error);
/* A vertical line with its label. */
int curves_mark(struct curves *curves, double step, const char *label, struct error *error);

void curves_set_smoothing(struct curves *curves, double smoothing);
/* Whether the losses of training lie so far apart, as where one exploded, that a linear axis shows the greatest alone.
 */
bool curves_want_log(const struct curves *curves);
/* The newest smoothed value in training; NAN before the first. */
double curves_latest(const struct curves *curves, enum quantity quantity);
/* The last step that has a point; 0 before the first. */
double curves_last_step(const struct curves *curves);

/* Draws the chart of a quantity. `steps_total` (0: not known) bounds the x axis. */
struct curves_look {
    enum quantity quantity;
    bool log_axis;
    double steps_total;
    double cursor; /* NAN: none */
    const char *title, *y_label, *empty_text;
};
void curves_draw(struct curves *curves, const struct curves_look *look, struct canvas *canvas, struct rect area);

#endif
