/* The figure of a learning rate range test (engine/lr_find.h): loss over the rate, on a logarithmic axis, with what it
 * advises. Fed by the trainer's events, drawn on the screen while the test goes on, and as a PNG. */
#ifndef NFBENCH_TUI_FINDER_H
#define NFBENCH_TUI_FINDER_H

#include "engine/lr_find.h"
#include "engine/trainer.h"
#include "viz/canvas.h"

struct finder;

int finder_create(struct finder **out, struct error *error);
void finder_destroy(struct finder *finder);

/* Takes what concerns it of a trial's news. */
int finder_take(struct finder *finder, const struct trial_event *event, struct error *error);
/* There is a test to show: begun, and neither accepted nor dropped. */
bool finder_has_test(const struct finder *finder);
const struct lr_find *finder_points(const struct finder *finder);

/* "steepest fall at lr 0.012; lowest loss 1.52 at 0.3, a tenth of that is 0.03"; while it goes on, or where it advises
 * nothing, that. */
void finder_words(const struct finder *finder, char *text, size_t size);
/* `title` may be NULL. */
void finder_draw(struct finder *finder, const char *title, struct canvas *canvas, struct rect area);

#endif
