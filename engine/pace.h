/* How fast a run goes: images a second over about the last second of training, and the time that is left. Knows no
 * clock: the trainer tells it how long things took, so pauses and evaluations are left out by not being told. */
#ifndef NFBENCH_ENGINE_PACE_H
#define NFBENCH_ENGINE_PACE_H

#include "engine/step_time.h"

enum { PACE_PIECES = 16 };

struct pace_piece {
    struct step_time time; /* not settled */
    long steps, images;
};

struct pace {
    struct pace_piece pieces[PACE_PIECES]; /* a ring; pieces of at least a tenth of a second, the newest growing */
    int first, count;
    double image_seconds;      /* seconds an image of training, smoothed over about ten seconds; 0: none yet */
    double evaluation_seconds; /* seconds an image of the last evaluation; 0: none yet */
};

/* A zeroed pace has seen nothing. */
void pace_add_step(struct pace *pace, double seconds, const double parts[STEP_OTHER], int images);
void pace_add_evaluation(struct pace *pace, double seconds, int images);
/* Sums over the window. */
struct pace_piece pace_window(const struct pace *pace);
/* Seconds for so many images of training and of evaluation; < 0 before the first step. */
double pace_left(const struct pace *pace, double training_images, double evaluation_images);

#endif
