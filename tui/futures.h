/* The futures of a run: what trials (engine/trial.h) came to, as dotted lines on its charts from the step where they
 * began. Fed by the trainer's events; they are the run's only when one is accepted, and are then its own steps. */
#ifndef NFBENCH_TUI_FUTURES_H
#define NFBENCH_TUI_FUTURES_H

#include "engine/trainer.h"
#include "tui/curves.h"

struct futures;

/* `own`: the run's own lines, each quantity in training, from which smoothing goes on: a future is drawn as the run
 * would be if it took it. They must outlive it, and be smoothed first. */
int futures_create(struct series *const own[QUANTITY_COUNT], struct futures **out, struct error *error);
void futures_destroy(struct futures *futures);
/* The run's lines have another smoothing. */
void futures_smooth(struct futures *futures);

int futures_take(struct futures *futures, const struct trial_event *event, struct error *error);
void futures_clear(struct futures *futures);

/* The last step of any of them; 0: there are none. */
double futures_end(const struct futures *futures);
/* Those that have a point, for a chart of the quantity; the texts are the futures' own until the next call. Returns how
 * many. */
int futures_list(struct futures *futures, enum quantity quantity, struct chart_series list[TRIAL_VALUES]);

#endif
